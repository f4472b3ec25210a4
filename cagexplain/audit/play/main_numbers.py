"""The main numbers of a defence, which prices and robustness report beside the checks' own."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from cagexplain.audit.check import Measure
from cagexplain.audit.checks import check
from cagexplain.cc4 import actions, red_fsm
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View
from cagexplain.stats.estimates import Function, PerEpisode


def failures(view: View) -> Cases:
    """Users' work and accesses that failed."""
    green = view.batch.frame("green")
    return cases(green["row"].to_numpy(), green["step"].to_numpy())


def action_mix(view: View) -> FloatArray:
    """Decisions by the most advanced FSM state among the agent's hosts and by action kind:
    ``float64[episode, 10 * 8]``."""
    batch = view.batch
    row, step, agent = np.nonzero(batch.started)
    state, kind = (x[row, step, agent].astype(np.int64) for x in (batch.zone_state, batch.kind))
    width = red_fsm.N_STATES * actions.N_KINDS
    cell = row * width + state * actions.N_KINDS + kind
    counts = np.bincount(cell, minlength=view.n * width).reshape(view.n, width)
    return counts.astype(np.float64)


def _decisions(totals: FloatArray) -> FloatArray:
    number: FloatArray = totals.sum(axis=-1)
    return number


MIX: Final = "action_mix"
"""Key of `action_mix`, which is compared between policies rather than shown."""
_OWN: Final = {
    measure.key: measure
    for measure in (
        Measure.of("clean_hosts", "clean_hosts", "share of the time of defended hosts without red"),
        Measure(
            key="green_failures",
            name="number of failures of users' work",
            unit="per episode",
            better="lower",
            good=None,
            bad=None,
            statistic=PerEpisode(),
            cases=failures,
        ),
        Measure(
            key=MIX,
            name="number of decisions by state of the attacker and kind of action",
            unit="per episode",
            better="higher",
            good=None,
            bad=None,
            statistic=Function(of=_decisions, triggers=_decisions),
            sums=action_mix,
        ),
    )
}
MAIN: Final = (
    "clean_hosts",
    "ERA-05.visible",
    "ERA-05.silent",
    "REC-02.restores",
    "REC-01.value",
    "MIS-01.value",
    "green_failures",
)
"""Keys of the main numbers: own ones, and measures of checks as ``"CHECK.measure"``."""


@cache
def measure_of(key: str) -> Measure:
    """The declaration of a number; ``KeyError`` if there is no such one."""
    if key in _OWN:
        return _OWN[key]
    ident, _, name = key.partition(".")
    return {measure.key: measure for measure in check(ident).measures}[name]


def keys_of(ident: str) -> tuple[str, ...]:
    """Keys of the judged numbers of a check."""
    return tuple(f"{ident}.{measure.key}" for measure in check(ident).measures if measure.judged)
