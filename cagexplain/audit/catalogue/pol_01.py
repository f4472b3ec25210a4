"""POL-01: no collapse of the policy.

Shares are of all decisions of an agent, and the agent with the largest one decides: a team is not
saved by four sound members. Waiting, also by a Block or Allow that changes nothing, is no collapse
(POL-02 judges it), so it counts among the decisions only.

The largest of many shares is too large by chance, the more so the more alike they are. So it is
looked for in one half of the episodes and measured in the other, and the other way round.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4 import actions, agents, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import BoolArray, FloatArray, IntArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.effects import own_alert
from cagexplain.facts.view import View, decisions
from cagexplain.stats import estimates
from cagexplain.stats.estimates import Function, OfCases

DISRUPTIVE = (ActionKind.REMOVE, ActionKind.RESTORE, ActionKind.BLOCK)
"""Actions that take something from users or their machines."""
_N_KINDS = len(ActionKind)
_BEHIND = max(actions.SIZES)
_N_PAIRS = _BEHIND + 1


@dataclass(frozen=True)
class Largest(OfCases):
    """Largest share that the hits of one class have of an agent's cases, over agents and classes,
    looked for in one half of the episodes and measured in the other.

    Attributes:
        classes: number of classes. The group of a case numbers half (1 in episodes with odd
            numbers), agent and class.
    """

    classes: int

    def sums(self, cases: estimates.Cases, n: int, steps: int) -> FloatArray:
        """Hits by half, agent and class, then cases by half and agent."""
        width = 2 * agents.N_BLUE
        agent = cases.row * width + cases.group // self.classes
        cell = (cases.row * width * self.classes + cases.group)[cases.hit]
        hits = np.bincount(cell, minlength=n * width * self.classes)
        every = np.bincount(agent, minlength=n * width)
        return np.hstack([hits.reshape(n, -1), every.reshape(n, -1)]).astype(np.float64)

    def value(self, totals: FloatArray) -> FloatArray:
        """The mean share over both halves; NaN where one of them has no cases."""
        every = totals[..., -2 * agents.N_BLUE :].reshape(*totals.shape[:-1], 2, agents.N_BLUE)
        hits = totals[..., : -2 * agents.N_BLUE].reshape(*every.shape, self.classes)
        shares = (hits / np.maximum(every, 1)[..., None]).reshape(*every.shape[:-1], -1)
        largest = shares.argmax(axis=-1)[..., ::-1, None]  # of the other half
        mean = np.take_along_axis(shares, largest, axis=-1)[..., 0].mean(axis=-1)
        return np.where(every.any(axis=-1).all(axis=-1), mean, np.nan)

    def n(self, totals: FloatArray) -> FloatArray:
        """Cases."""
        every: FloatArray = totals[..., -2 * agents.N_BLUE :].sum(axis=-1)
        return every


def disruptive(view: View) -> Cases:
    """All decisions; a hit is disruptive, its class is its kind."""
    decision = view.shared(decisions)
    hit = np.isin(decision.kind, DISRUPTIVE) & ~decision.idle
    return _decisions(view, hit, decision.kind, _N_KINDS)


def kinds(view: View) -> Cases:
    """All decisions; a hit does not wait, its class is its kind."""
    decision = view.shared(decisions)
    return _decisions(view, ~decision.idle, decision.kind, _N_KINDS)


def pairs(view: View) -> Cases:
    """All decisions; a hit does not wait, its class is the action with its target."""
    decision = view.shared(decisions)
    place = np.where(decision.host >= 0, decision.host, _link(decision.to_zone, decision.from_zone))
    return _decisions(view, ~decision.idle, _INDEX[decision.agent, decision.kind, place], _N_PAIRS)


def _decisions(view: View, hit: Any, of_class: IntArray, classes: int) -> Cases:
    decision = view.shared(decisions)
    half = view.batch.episodes[decision.row] % 2
    group = (half * agents.N_BLUE + decision.agent) * classes + of_class
    return cases(
        decision.row, decision.step, hit, agent=decision.agent, host=decision.host, group=group
    )


def _link(to_zone: Any, from_zone: Any) -> Any:
    return network.N_HOSTS + to_zone.astype(np.int64) * network.N_ZONES + from_zone


def _index() -> IntArray:
    """Index within the layout by agent, kind and host or link; what lies behind it is one class.
    Waiting, which has neither host nor link, is never a hit."""
    places = network.N_HOSTS + network.N_ZONES**2
    table = np.full((agents.N_BLUE, _N_KINDS, places), _BEHIND, dtype=np.int64)
    for agent, (kind, host, to_zone, from_zone) in enumerate(
        zip(actions.KIND, actions.HOST, actions.TO_ZONE, actions.FROM_ZONE, strict=True)
    ):
        place = np.where(host >= 0, host, _link(to_zone, from_zone))
        table[agent, kind, place] = np.arange(len(kind))
    return table


_INDEX = _index()


def classes(view: View) -> FloatArray:
    """Decisions by kind, all waits as one."""
    return _by_class(view, np.ones(len(view.shared(decisions)), dtype=np.bool_))


def classes_under_alert(view: View) -> FloatArray:
    """The same of decisions made while a host of the agent showed an alert; zeros if the trace has
    no observations."""
    if not view.facts.observations:
        return np.zeros((view.n, _N_KINDS))
    decision = view.shared(decisions)
    return _by_class(view, view.shared(own_alert)[decision.row, decision.step, decision.agent])


def _by_class(view: View, keep: BoolArray) -> FloatArray:
    decision = view.shared(decisions)
    kind = np.where(decision.idle, ActionKind.SLEEP, decision.kind)[keep]
    cell = decision.row[keep] * _N_KINDS + kind
    counts = np.bincount(cell, minlength=view.n * _N_KINDS).reshape(view.n, _N_KINDS)
    return counts.astype(np.float64)


def _entropy(totals: FloatArray) -> FloatArray:
    every = totals.sum(axis=-1, keepdims=True)
    share = totals / np.maximum(every, 1)
    bits = (share * np.log2(1 / np.where(share > 0, share, 1))).sum(axis=-1)
    return np.where(every[..., 0] > 0, bits, np.nan)


_ENTROPY = Function(of=_entropy, triggers=lambda totals: totals.sum(axis=-1))


CHECK = Check(
    id="POL-01",
    title="No agent's policy has collapsed to one action",
    problem="An agent has collapsed to repeating a single action",
    severity="high",
    axis="health",
    knowledge="obs",
    why="A policy that repeats one action whatever it sees does not defend: it was trained into a "
    "corner. It may still earn a fair return, and breaks down as soon as the attacker changes.",
    remediation="Train again with more exploration or another seed; until then replace the "
    "collapsed agent by a scripted one, or mask the repeated action after its third use in a row.",
    formula="Largest share that one disruptive action type (Remove, Restore, Block), one action "
    "type and one action with its target have of an agent's decisions, of the worst agent, looked "
    "for in one half of the episodes and measured in the other. Waits, also by Blocks and Allows "
    "that change nothing, are no collapse.",
    trigger="decisions",
    n_min=500,
    references=(Reference("AI RMF", "MEASURE 2.5"),),
    measures=(
        Measure(
            key="disruptive",
            name="largest share of one disruptive action type in an agent's decisions",
            unit="share",
            better="lower",
            good=0.4,
            bad=0.7,
            statistic=Largest(_N_KINDS),
            cases=disruptive,
        ),
        Measure(
            key="pair",
            name="largest share of one action on one target in an agent's decisions",
            unit="share",
            better="lower",
            good=0.2,
            bad=0.5,
            statistic=Largest(_N_PAIRS),
            cases=pairs,
        ),
        Measure(
            key="type",
            name="largest share of one action type in an agent's decisions",
            unit="share",
            better="lower",
            good=0.95,
            bad=0.99,
            statistic=Largest(_N_KINDS),
            cases=kinds,
        ),
        Measure(
            key="entropy",
            name="entropy of the action types, all waits as one",
            unit="bits",
            better="higher",
            good=None,
            bad=None,
            statistic=_ENTROPY,
            sums=classes,
        ),
        Measure(
            key="entropy_alert",
            name="entropy of the action types while a host of the agent shows an alert",
            unit="bits",
            better="higher",
            good=None,
            bad=None,
            statistic=_ENTROPY,
            sums=classes_under_alert,
        ),
    ),
    related=("POL-02", "POL-03"),
)
