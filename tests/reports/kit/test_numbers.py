"""Every kind of number is rounded in one place, with true signs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.audit.check import UNITS
from cagexplain.stats.distribution import CategoryShare
from reports.kit import estimates, numbers
from reports.kit.numbers import NBSP


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *[(None, "–"), (0, "0 %"), (0.0001, "<0.1 %"), (0.0449, "4.5 %"), (0.613, "61 %")],
        *[(0.994, "99 %"), (0.996, "99.6 %"), (0.9999, ">99.9 %"), (1, "100 %")],
    ],
)
def test_percent(share: float | None, text: str) -> None:
    assert numbers.percent(share).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (123_456, "123k"), (1_234_567, "1.2M")],
)
def test_compact(value: int, text: str) -> None:
    assert numbers.compact(value) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.552, 0.668, "55–67 %"),
        (0.985, 0.989, "98.5–98.9 %"),
        (0.0, 0.05, "0–5.0 %"),
        (0.0, 0.0004, "0–0.04 %"),
        (None, None, "no interval"),
    ],
)
def test_interval(low: float | None, high: float | None, text: str) -> None:
    assert (
        estimates.interval(CategoryShare("x", 1, 0.5, low, high)).replace(numbers.NBSP, " ") == text
    )


def test_number_has_a_true_minus() -> None:
    assert numbers.number(-1234.4) == "−1,234"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.213, "share", "21 %"),
        (0.004, "share", "0.4 %"),
        (0.106, "difference of shares", "+10.6 percentage points"),
        (-0.02, "difference of shares", "−2 percentage points"),
        (71.25, "steps", "71.2 steps"),
        (1234.4, "steps", "1,234 steps"),
        (1.7, "per episode", "1.70 per episode"),
        (1.0, "ratio", "1"),
        (0.036, "distance", "0.036"),
        (1.0, "steps", "1 step"),
        (2.0, "a unit of the future", "2"),
    ],
)
def test_amounts(value: float, unit: str, text: str) -> None:
    assert str(numbers.amount(value, unit)).replace(NBSP, " ") == text


@pytest.mark.parametrize(
    ("count", "text"), [(7, "7"), (45, "45"), (2_999, "3,000"), (13_764, "14,000")]
)
def test_estimates_bear_two_digits(count: int, text: str) -> None:
    assert numbers.roughly(count) == text


def test_intervals_name_their_unit_once() -> None:
    def between(low: float, high: float, unit: str) -> str:
        limits = (numbers.amount(x, unit) for x in (low, high))
        return numbers.between(*limits).replace(NBSP, " ")

    assert between(0.17, 0.26, "share") == "17 to 26 %"
    assert between(64, 80, "steps") == "64 to 80 steps"
    assert between(0, 1, "steps") == "0 to 1 step"
    assert between(1.0, 1.01, "ratio") == "1 to 1.01"


@given(st.floats(-1e6, 1e6), st.integers(0, 3))
def test_a_sign_is_true_and_stands_before_all_but_zero(value: float, digits: int) -> None:
    text = numbers.signed(value, digits)
    plain = numbers.fixed(value, digits)
    assert "-" not in text + plain
    assert float(plain.replace("−", "-").replace(",", "")) == round(value, digits)
    is_zero = not plain.strip("0.")
    assert text[0] in "+−" or is_zero
    assert is_zero or (text[0] == "+") == (value > 0)


@given(st.floats(-1e4, 1e4), st.sampled_from(UNITS))
def test_a_change_differs_from_an_amount_by_its_sign_alone(value: float, unit: str) -> None:
    change = numbers.change(value, unit)
    assert change.unit == numbers.amount(value, unit).unit or unit == "share"
    assert "-" not in str(change)


@pytest.mark.parametrize(
    ("share", "text"), [(0.04, "+4.0 %"), (-0.217, "−22 %"), (0.0001, "0.0 %"), (0.0, "0 %")]
)
def test_changes_of_a_share_of_a_whole(share: float, text: str) -> None:
    assert str(numbers.percent_change(share)).replace(NBSP, " ") == text


@pytest.mark.parametrize(("p", "text"), [(None, "–"), (0.0004, "< 0.001"), (0.0421, "0.042")])
def test_p_values(p: float | None, text: str) -> None:
    assert numbers.p_value(p) == text
    if p is not None:
        assert numbers.p_equals(p) == (text if p < 0.001 else f"= {text}")


@pytest.mark.parametrize(
    ("value", "text"), [(2_000_000, "2M"), (1_500_000, "1.5M"), (50_000, "50k"), (200, "200")]
)
def test_round_numbers_in_few_characters(value: float, text: str) -> None:
    assert numbers.short(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        *[(0.1234, "share", "12.3 %"), (93.0, "steps", "93"), (4.25, "steps", "4.25")],
        *[(4.257, "per episode", "4.26"), (None, "steps", "–"), (1234.5, "points", "1,234")],
    ],
)
def test_values_have_the_digits_that_they_deserve(
    value: float | None, unit: str, text: str
) -> None:
    assert numbers.plain(value, unit).replace(NBSP, " ") == text
