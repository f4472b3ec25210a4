"""Adjustments for many tests, by hand and as scipy and statsmodels have them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from cagexplain.stats.adjust import discoveries, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_holm_by_hand() -> None:
    """0.01 × 4, 0.02 × 3, 0.03 × 2 (raised to the one before), 0.04 × 1 (likewise)."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def test_holm_leaves_out_what_was_not_tested() -> None:
    adjusted = holm(np.array([[0.01, np.nan], [0.04, 0.03]]))
    assert adjusted == pytest.approx(np.array([[0.03, np.nan], [0.06, 0.06]]), nan_ok=True)
    assert holm([0.02, None]) == pytest.approx([0.02, np.nan], nan_ok=True)


@settings(max_examples=15)  # theirs takes long
@given(P_VALUES)
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_discoveries_by_hand() -> None:
    # Of ten tests at 5 %: the thresholds of ranks 1 to 4 are 0.005, 0.010, 0.015, 0.020.
    kept = discoveries([0.012, 0.001, 0.021, 0.009], 0.05, 10)
    assert kept.tolist() == [True, True, False, True]
    # A later rank below its threshold carries the earlier ones.
    assert discoveries([0.014, 0.012, 0.014], 0.05, 10).all()
    assert discoveries([0.04], 0.05, 1).all()
    assert not discoveries([0.04], 0.05, 2).any()
    assert discoveries([], 0.05, 0).tolist() == []


@given(P_VALUES, st.sampled_from([0.05, 0.2]))
def test_discoveries_are_those_of_scipy(p_values: list[float], rate: float) -> None:
    adjusted = false_discovery_control(p_values)
    clear = np.abs(adjusted - rate) > 1e-9  # rounding may decide at the threshold itself
    found = discoveries(p_values, rate, len(p_values))
    assert (found == (adjusted <= rate))[clear].all()
