"""Several numbers of the same episodes, and the largest of them, with limits that hold together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cagexplain.common.arrays import FloatArray
from cagexplain.stats.estimates import Estimate, Function, estimates
from cagexplain.stats.simultaneous import Largest, independent, widened
from cagexplain.stats.spreads import Outer, Skewed

_NONE: Final = Estimate(np.nan, np.nan, np.nan, 0, 0, np.nan, None)


@dataclass(frozen=True)
class Together:
    """Numbers whose limits hold together.

    Attributes:
        each: of them.
        largest: of them; undefined if there are none.
        tests: independent intervals that they are worth; see `cagexplain.stats.simultaneous`.
    """

    each: list[Estimate]
    largest: Estimate
    tests: float


def together(
    numbers: Sequence[Callable[[FloatArray], FloatArray]],
    triggers: Callable[[FloatArray], FloatArray],
    table: FloatArray,
    episodes: int,
) -> Together:
    """Estimate numbers that follow from the same sums.

    Args:
        numbers: each gives values ``[...]`` of totals ``[..., column]``.
        triggers: gives numbers of triggers likewise.
        table: ``float64[row, column]``, a row for what happened on the same seed.
        episodes: that the largest rests on.
    """
    if not numbers:
        return Together([], _NONE, 1.0)
    each = estimates([Function(number, triggers) for number in numbers], table)
    spreads = {i: Outer(one.spread) for i, one in enumerate(each) if isinstance(one.spread, Skewed)}
    tests = 1.0
    if spreads:
        # How much a number changes without an episode is what the episode contributes to it.
        rest = table.sum(axis=0) - table
        tests = independent(np.stack([numbers[i](rest) for i in spreads], axis=1))
    for i, spread in spreads.items():
        low, high = spread.limits((1 - widened(tests)) / 2)
        each[i] = replace(each[i], low=low, high=high, spread=spread)
    known = [one for one in each if not np.isnan(one.value)] or each
    largest = Estimate(
        value=max(one.value for one in known),
        low=max(one.low for one in known),
        high=max(one.high for one in known),
        n=float(episodes),
        episodes=episodes,
        deff=np.nan,
        spread=Largest(tuple(spreads.values()), tests) if len(spreads) == len(known) else None,
    )
    return Together(each, largest, tests)
