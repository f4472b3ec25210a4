import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.kit.charts import Frame, stairs, ticks

FRAME = Frame(x_most=20, y_most=0.5, width=300, height=170, left=40, right=10, top=10, bottom=34)


def numbers(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)]


def test_axes_reach_from_corner_to_corner() -> None:
    assert (FRAME.x(0), FRAME.x(20)) == (40, 290)
    assert (FRAME.y(0), FRAME.y(0.5)) == (136, 10)


def test_a_line_goes_through_its_points_and_stays_in_the_frame() -> None:
    assert numbers(FRAME.line([(0, 0), (10, 0.25), (20, 9.0)])) == [(40, 136), (165, 73), (290, 10)]
    assert FRAME.line([]) == ""


def test_a_band_goes_there_along_the_upper_limit_and_back_along_the_lower() -> None:
    low, high = [(0, 0.1), (20, 0.2)], [(0, 0.3), (20, 0.4)]
    path = FRAME.band(low, high)
    assert path.endswith("Z")
    assert [x for x, _ in numbers(path)] == [40, 290, 290, 40]
    ys = [y for _, y in numbers(path)]
    assert ys[0] < ys[3] and ys[1] < ys[2]
    assert FRAME.band([], []) == ""


def test_stairs_keep_a_value_until_the_next() -> None:
    corners = stairs([(0, 1.0), (3, 0.5), (7, 0.2)], end=5)
    assert corners == [(0, 1.0), (3, 1.0), (3, 0.5), (5, 0.5)]
    assert stairs([], 5) == []


@pytest.mark.parametrize(
    ("low", "high", "wanted", "expected"),
    [
        (0, 1, 4, [0, 0.25, 0.5, 0.75, 1]),
        (0, 0.06, 4, [0, 0.02, 0.04, 0.06]),
        (0, 100, 4, [0, 25, 50, 75, 100]),
        (-4000, -600, 5, [-4000, -3000, -2000, -1000]),
        (0, 2_000_000, 5, [0, 500_000, 1_000_000, 1_500_000, 2_000_000]),
        (-1, 1, 5, [-1, -0.5, 0, 0.5, 1]),
        (-12, 0, 5, [-10, -7.5, -5, -2.5, 0]),
    ],
)
def test_ticks_are_round(low: float, high: float, wanted: int, expected: list[float]) -> None:
    assert ticks(low, high, wanted) == pytest.approx(expected)


def test_ticks_keep_to_their_factors() -> None:
    assert ticks(-12, 0, 5, (1, 2, 5, 10)) == [-10, -5, 0]


@given(st.floats(1e-4, 1e6))
def test_ticks_fit_and_are_few(most: float) -> None:
    values = ticks(0, most)
    assert values[0] == 0 and values[-1] <= most * 1.001
    assert 2 <= len(values) <= 6
