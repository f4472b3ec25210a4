"""Limits of shares and rates at the end of their range, as scipy and statsmodels have them."""

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from cagexplain.stats.exact import largest_rate, least_share


@pytest.mark.parametrize("n", [1, 5, 40])
def test_all_cases_are_hits(n: int) -> None:
    assert least_share(n, 0.025) == pytest.approx(proportion_confint(n, n, method="beta")[0])
    assert 1 - least_share(n, 0.025) == pytest.approx(
        stats.binomtest(0, n).proportion_ci(method="exact").high
    )


def test_no_event_was_seen() -> None:
    assert largest_rate(1.0, 0.025) == pytest.approx(stats.chi2.ppf(0.975, 2) / 2)
    assert largest_rate(12.0, 0.025) == pytest.approx(largest_rate(1.0, 0.025) / 12)
