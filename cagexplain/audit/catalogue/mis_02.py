"""MIS-02: the worst episodes are not far worse than the usual ones.

A mean hides a policy that is good in most episodes and absent in some. The worst tenth is held
against the better half, not against the mean or the median, which such a policy moves itself: with
one bad episode in two, both lie anywhere between. A policy that is bad throughout passes; what it
loses in all is judged elsewhere.

For an interval the losses are counted in classes, each 1 % wider than the one before; see
`cagexplain.stats.estimates`.
"""

from typing import Final

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4 import phases
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.view import View
from cagexplain.stats.estimates import Function

WORST: Final = 0.1
"""Share of the episodes that are the worst."""
USUAL: Final = 0.5
"""Share of the episodes that are the better ones, and tell what is usual."""
WIDTH: Final = 1.01
"""Loss of a class per loss of the one before."""
_GREATEST: Final = 50_000.0
CLASSES: Final = int(np.ceil(np.log(_GREATEST) / np.log(WIDTH))) + 1
_LOSS: Final[FloatArray] = np.power(WIDTH, np.arange(CLASSES), dtype=np.float64)
"""Loss of each class: 1, or less, in the first one."""


def losses(view: View) -> FloatArray:
    """``float64[n, class]`` the class of each episode's loss, which is 1 there."""
    steps = view.batch.frame("steps")
    counted = steps["step"] < phases.calls(view.facts.steps) - phases.OFFICIAL_UNCOUNTED
    returned = np.bincount(
        steps["row"][counted], steps["reward"][counted].astype(np.float64), minlength=view.n
    )
    number = np.rint(np.log(np.clip(-returned, 1, _GREATEST)) / np.log(WIDTH)).astype(int)
    table = np.zeros((view.n, CLASSES))
    table[np.arange(view.n), np.minimum(number, CLASSES - 1)] = 1
    return table


def _worst_to_usual(totals: FloatArray) -> FloatArray:
    worst = _mean_of(totals[..., ::-1], _LOSS[::-1], WORST)
    return worst / _mean_of(totals, _LOSS, USUAL)


def _mean_of(counts: FloatArray, values: FloatArray, share: float) -> FloatArray:
    """Mean of the first share of values that are counted in order, the last one in part."""
    until = np.cumsum(counts, axis=-1)
    wanted = share * until[..., -1:]
    inside = np.minimum(until, wanted)
    taken = np.diff(inside, axis=-1, prepend=0)
    mean: FloatArray = (taken @ values) / wanted[..., 0]
    return mean


def _episodes(totals: FloatArray) -> FloatArray:
    return np.asarray(totals.sum(axis=-1))


CHECK = Check(
    id="MIS-02",
    title="The worst episodes are not far worse than the usual ones",
    problem="In some episodes the defence loses many times what it usually does",
    severity="high",
    axis="outcome",
    knowledge="truth",
    why="A mission is not defended on average. A defence that is good nine times and absent the "
    "tenth time is one that an attacker waits for, and its mean return does not say so.",
    remediation="Look at what the worst episodes have in common: an agent that did nothing, a "
    "foothold at a certain place, a mission that began unprepared. Train and test on these.",
    formula="Mean loss of points in the worst tenth of the episodes, divided by the mean loss in "
    "the better half of them.",
    trigger="episodes",
    n_min=20,
    references=(
        Reference("AI RMF", "MEASURE 2.5"),
        Reference("CSF", "PR.IR-03"),
    ),
    measures=(
        Measure(
            key="value",
            name="loss in the worst tenth of episodes per loss in the better half",
            unit="ratio",
            better="lower",
            good=4.0,
            bad=5.0,
            statistic=Function(_worst_to_usual, _episodes, smooth=False),
            sums=losses,
        ),
    ),
    related=("MIS-01",),
    since="2",
)
