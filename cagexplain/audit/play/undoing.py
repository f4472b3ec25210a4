"""How much of a defence a strong attacker undoes; for ROB-03.

Under the usual attacker a policy averts a share of what Sleep loses. Under another one it averts
another share, of what Sleep loses under that one, on the same seeds. What is undone is the part of
the usual share that is gone:

    undone = 1 - averted(attacker) / averted(usual).

0 is as good a defence as usual, 1 is none, more is worse than Sleep. The Impacts in the contractor
network do not count: nobody can prevent them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from cagexplain.attack.figures import share_undone
from cagexplain.audit.play.paired import as_change
from cagexplain.audit.play.team import PlayCounts
from cagexplain.audit.play.together import together
from cagexplain.audit.results import Change
from cagexplain.common.arrays import FloatArray
from cagexplain.stats.estimates import Estimate

_WIDTH: Final = 2
"""Columns of a pair of plays: points averted, points that Sleep loses."""
NOTHING: Final = "Under the usual attacker the policy averts nothing that could be undone."

Pair = tuple[PlayCounts, PlayCounts]
"""The policy and Sleep on the same seeds."""


@dataclass(frozen=True)
class Undone:
    """What attackers undo.

    Attributes:
        each: by the attacker; the limits of all hold together.
        numbers: of ROB-03: the largest of them, or why there is none.
    """

    each: Mapping[str, Estimate]
    numbers: list[Estimate] | str

    def by(self, attacker: str) -> Change | None:
        """What one of them undoes; None for what is no attacker, and where it is undefined."""
        return as_change(self.each[attacker]) if attacker in self.each else None


def undone(usual: Pair, attacked: Mapping[str, Pair]) -> Undone:
    """What the attackers undo.

    Args:
        usual: played under the usual attacker.
        attacked: under each attacker, on the same seeds.
    """
    averted = _averted(usual)
    if averted[:, 0].sum() <= 0:
        return Undone({}, NOTHING)
    table = np.hstack([averted, *map(_averted, attacked.values())])
    numbers = [partial(_undone, i) for i in range(len(attacked))]
    held = together(numbers, _lost, table, len(table))
    return Undone(dict(zip(attacked, held.each, strict=True)), [held.largest])


def _averted(pair: Pair) -> FloatArray:
    policy, sleep = (play.without_contractor for play in pair)
    return np.stack([policy - sleep, -sleep], axis=1)


def _lost(totals: FloatArray) -> FloatArray:
    """Points that Sleep usually loses: what there is to avert."""
    return totals[..., 1]


def _undone(i: int, totals: FloatArray) -> FloatArray:
    left = _WIDTH * (i + 1)
    return share_undone(totals[..., left : left + _WIDTH], totals[..., :_WIDTH])
