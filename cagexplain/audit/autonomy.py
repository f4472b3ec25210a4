"""Which kinds of action a policy may take by itself: "act alone", "propose to an operator" or
"never".

Two numbers speak for a kind of action. *Precision* is the share of such actions that were
warranted, by what the agent could see or by the truth, as `KINDS` says. *Worth* is what they bring:
the same episodes are played with Sleep in their place (`cagexplain.audit.play.worth`). `RULES`
makes one advice of the two; the first rule that holds decides. All of this is data, so that it can
be read, and disputed, in one place.

An advice is one of many, so the limits are wider than those of single numbers (Bonferroni, which is
valid however the numbers depend on each other).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from cagexplain.audit.catalogue import dec_02, era_02, pol_02, rec_01
from cagexplain.audit.check import Check, Count
from cagexplain.audit.results import ActionAutonomy, Advice, Change, Part
from cagexplain.cc4 import agents
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import WAITS
from cagexplain.cc4.phases import COMMS_POLICY
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.batch import Batch, Tables
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import WINDOW, Changes, any_in_zone, changes, shown_phase
from cagexplain.facts.recoveries import recent_alerts
from cagexplain.facts.view import DEFENDED, TABLES, Facts, View, decisions
from cagexplain.stats.estimates import HitShare, estimate
from cagexplain.stats.interval import Interval, finite
from cagexplain.stats.means import CONFIDENCE

N_MIN: Final = 30
"""Fewest actions of a kind, and of an agent, for an advice."""


@dataclass(frozen=True)
class Kind:
    """A kind of action, and what is asked of it.

    Attributes:
        actions: action types that it stands for.
        warranted: what a warranted one did, in words.
        cases: such actions, or for waits the decisions that should be none; a hit was warranted.
        good: share of warranted ones from which on the policy may act alone.
        bad: share below which the actions are taken without reason.
        why: reason of the two thresholds.
        seen: whether `cases` needs what the agents saw.
    """

    actions: tuple[ActionKind, ...]
    warranted: str
    cases: Count
    good: float
    bad: float
    why: str
    seen: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is to wait, in place of which there is nothing to play."""
        return self.actions == WAITS


def _met_red(view: View) -> Cases:
    restores = rec_01.restores(view)
    return replace(restores, hit=~restores.hit)


def _stood(view: View) -> Cases:
    deployments = dec_02.deployments(view)
    return replace(deployments, hit=~deployments.hit)


def _acted_under_alert(view: View) -> Cases:
    under_alert = pol_02.idle_under_alert(view)
    return replace(under_alert, hit=~under_alert.hit)


def _looked_at_evidence(view: View) -> Cases:
    decision = view.shared(decisions)
    looked = decision.kind == ActionKind.ANALYSE
    row, step, host = decision.row[looked], decision.step[looked], decision.host[looked]
    reason = view.shared(recent_alerts)[row, step, host] | (decision.level_before[looked] > 0)
    return cases(row, step, reason, agent=decision.agent[looked], host=host)


def _closed_with_reason(view: View) -> Cases:
    change = view.shared(changes)
    red = any_in_zone((view.batch.levels > 0) & DEFENDED)
    near = red[change.row, change.step, change.from_zone]
    return _link_cases(change, _prohibited(view, change) | near, change.closed)


def _opened_as_asked(view: View) -> Cases:
    change = view.shared(changes)
    return _link_cases(change, ~_prohibited(view, change), ~change.closed)


def _prohibited(view: View, change: Changes) -> BoolArray:
    phase = view.shared(shown_phase)[change.row, change.step]
    closed: BoolArray = COMMS_POLICY[phase, change.to_zone, change.from_zone] == 1
    return closed


def _link_cases(change: Changes, hit: BoolArray, keep: BoolArray) -> Cases:
    link = {"to_zone": change.to_zone, "from_zone": change.from_zone}
    return cases(change.row, change.step, hit, agent=change.agent, **link).where(keep)


def _thresholds(check: Check) -> dict[str, Any]:
    """Those of a check's first number, a share, turned so that a hit was warranted."""
    measure = check.measures[0]
    assert measure.good is not None
    assert measure.bad is not None
    if measure.better == "lower":
        return {"good": round(1 - measure.good, 6), "bad": round(1 - measure.bad, 6)}
    return {"good": measure.good, "bad": measure.bad}


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "Sleep and Monitor": Kind(
            actions=WAITS,
            warranted="came with no alert in view; counted are the decisions with one, and those "
            "of them in which the agent acted",
            cases=_acted_under_alert,
            **_thresholds(pol_02.CHECK),
            why="The thresholds of POL-02: a wait disturbs nobody, but while an alert is up it "
            "leaves the attacker the initiative. Blocks and Allows that change nothing are waits.",
            seen=True,
        ),
        "Analyse": Kind(
            actions=(ActionKind.ANALYSE,),
            warranted=f"looked at a host with an alert in the last {WINDOW} steps, or with red",
            cases=_looked_at_evidence,
            good=0.50,
            bad=0.10,
            why="A look costs two steps of its agent and disturbs nobody, so half of them may be "
            "made without evidence.",
            seen=True,
        ),
        "Remove": Kind(
            actions=(ActionKind.REMOVE,),
            warranted="met user access of red whose process had been reported",
            cases=era_02.that_can_work,
            **_thresholds(era_02.CHECK),
            why="The thresholds of ERA-02: where it cannot work, it costs three steps and reports "
            "success all the same.",
            seen=True,
        ),
        "Restore": Kind(
            actions=(ActionKind.RESTORE,),
            warranted="met a host that red was on",
            cases=_met_red,
            **_thresholds(rec_01.CHECK),
            why="The thresholds of REC-01: a rebuild interrupts the host’s users for five steps, "
            "so three of four must be needed.",
        ),
        "DeployDecoy": Kind(
            actions=(ActionKind.DECOY,),
            warranted="succeeded on a host that had no decoy",
            cases=_stood,
            **_thresholds(dec_02.CHECK),
            why="The thresholds of DEC-02: a decoy disturbs nobody, but a second one on the same "
            "host wastes two steps.",
        ),
        "BlockTrafficZone": Kind(
            actions=(ActionKind.BLOCK,),
            warranted="closed what the communication policy closes, or cut off a subnet in which "
            "red was on a defended host",
            cases=_closed_with_reason,
            good=0.90,
            bad=0.50,
            why="A wrong block stops the work of all users of two subnets at once.",
        ),
        "AllowTrafficZone": Kind(
            actions=(ActionKind.ALLOW,),
            warranted="opened what the communication policy keeps open",
            cases=_opened_as_asked,
            good=0.90,
            bad=0.50,
            why="A wrongly opened link lets an intruder into the next subnet.",
        ),
    }
)
"""By name, in the order of the table."""

_NUMBERS: Final = sum(1 if kind.waits else 2 for kind in KINDS.values())
TOGETHER: Final = 1 - (1 - CONFIDENCE) / _NUMBERS
"""Confidence of each precision and worth, so that all hold together at 95 %."""
_OF_AGENTS: Final = 1 - (1 - CONFIDENCE) / (len(KINDS) * agents.N_BLUE)


@dataclass(frozen=True)
class Rule:
    """What some evidence comes to.

    Attributes:
        advice: of those whose evidence it holds for.
        holds: whether it does.
        why: reason of the advice, as a sentence.
    """

    advice: Advice
    holds: Callable[[Kind, ActionAutonomy], bool]
    why: str


def _gains(row: ActionAutonomy) -> bool:
    return row.worth is not None and row.worth.clear and row.worth.mean > 0


def _costs(row: ActionAutonomy) -> bool:
    return row.worth is not None and row.worth.clear and row.worth.mean < 0


def _worth_having(kind: Kind, row: ActionAutonomy) -> bool:
    return kind.waits or _gains(row)


def _precise(kind: Kind, row: ActionAutonomy) -> bool:
    return row.precision.low is not None and row.precision.low >= kind.good


def _often(kind: Kind, row: ActionAutonomy) -> bool:
    return row.precision.low is not None and row.precision.low > kind.bad


def _blind(kind: Kind, row: ActionAutonomy) -> bool:
    return row.precision.high is not None and row.precision.high <= kind.bad


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "unused": Rule("unused", lambda kind, row: row.n == 0, "The policy never did it."),
        "few": Rule(
            "undetermined",
            lambda kind, row: row.n < N_MIN or row.precision.low is None,
            "Too few such actions, or nobody recorded what the agents saw.",
        ),
        "harms": Rule(
            "never",
            lambda kind, row: _costs(row),
            "The policy surely does better with Sleep in their place.",
        ),
        "blind": Rule(
            "never",
            lambda kind, row: _blind(kind, row) and not _gains(row),
            "Surely too few are warranted, and nothing shows that they win points.",
        ),
        "unplayed": Rule(
            "undetermined",
            lambda kind, row: row.worth is None and not kind.waits,
            "What they are worth was not played.",
        ),
        "agent": Rule(
            "propose",
            lambda kind, row: (
                _precise(kind, row)
                and _worth_having(kind, row)
                and any(part.fails for part in row.agents)
            ),
            "Right for the team as a whole, but an agent surely falls short of it.",
        ),
        "quiet": Rule(
            "alone",
            lambda kind, row: kind.waits and _precise(kind, row),
            "With an alert in view it surely acts for the most part, and does not wait.",
        ),
        "restless": Rule(
            "propose",
            lambda kind, row: kind.waits and _often(kind, row),
            "It also waits while alerts are up; an operator should know when it does.",
        ),
        "sound": Rule(
            "alone",
            lambda kind, row: _precise(kind, row) and _gains(row),
            "Surely warranted often enough, and surely worth it.",
        ),
        "loose": Rule(
            "propose",
            lambda kind, row: _gains(row),
            "They surely win points, but are not surely warranted often enough to go unseen.",
        ),
        "harmless": Rule(
            "propose",
            lambda kind, row: _precise(kind, row),
            "Surely warranted often enough, but nothing shows that they win points.",
        ),
        "open": Rule(
            "undetermined",
            lambda kind, row: True,
            "Neither the share of warranted ones nor their worth is clear.",
        ),
    }
)
"""By key, in the order in which they are asked."""


class Warrants:
    """Counts how many actions of each kind were warranted; a `Collector` of a pass over a trace.

    Args:
        facts: about the play.
    """

    tables: Tables = TABLES

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._counts: list[Int64Array] = []

    def add(self, batch: Batch) -> None:
        """Count some episodes."""
        view = View(batch, self._facts)
        self._counts.append(
            np.stack([self._of_kind(kind, view) for kind in KINDS.values()], axis=1)
        )

    def _of_kind(self, kind: Kind, view: View) -> Int64Array:
        """``int64[n, agent, 2]`` warranted actions of a kind, and all of them."""
        shape = (view.n, agents.N_BLUE)
        each = kind.cases(view) if self._judges(kind) else _taken(kind, view)
        place = np.ravel_multi_index((each.row, each.agent), shape)
        counts = [
            np.bincount(place[keep], minlength=view.n * agents.N_BLUE).reshape(shape)
            for keep in (each.hit, np.ones(len(each), dtype=np.bool_))
        ]
        return np.stack(counts, axis=2)

    def _judges(self, kind: Kind) -> bool:
        """Whether it is recorded what tells warranted actions from others."""
        return self._facts.observations or not kind.seen

    @property
    def used(self) -> tuple[str, ...]:
        """Kinds that occur."""
        totals = self._table[..., 1].sum(axis=(0, 2))
        return tuple(name for name, total in zip(KINDS, totals, strict=True) if total)

    @property
    def _table(self) -> Int64Array:
        """``int64[episode, kind, agent, 2]``."""
        nothing = np.zeros((0, len(KINDS), agents.N_BLUE, 2), np.int64)
        return np.concatenate([nothing, *self._counts])

    def table(self, worth: Mapping[str, Change], pairs: int) -> tuple[ActionAutonomy, ...]:
        """The advice for each kind.

        Args:
            worth: of the kinds that were played, with limits at `TOGETHER`.
            pairs: of episodes that it rests on.
        """
        counts = self._table
        return tuple(
            advised(
                name,
                counts[:, i],
                worth.get(name),
                pairs if name in worth else 0,
                judged=self._judges(kind),
            )
            for i, (name, kind) in enumerate(KINDS.items())
        )


def _taken(kind: Kind, view: View) -> Cases:
    """All actions of a kind, none of them known to be warranted."""
    decision = view.shared(decisions)
    every = cases(decision.row, decision.step, False, agent=decision.agent)
    return every.where(np.isin(decision.kind, kind.actions))


def advised(
    name: str, counts: Int64Array, worth: Change | None, pairs: int, *, judged: bool = True
) -> ActionAutonomy:
    """The advice for a kind of action.

    Args:
        name: of the kind.
        counts: ``int64[episode, agent, 2]`` warranted actions, and all of them.
        worth: see `ActionAutonomy`.
        pairs: of episodes that it rests on.
        judged: whether it is known which actions were warranted.
    """
    kind, team = KINDS[name], counts.sum(axis=1)
    row = ActionAutonomy(
        kind=name,
        advice="undetermined",
        rule="open",
        n=int(team[:, 1].sum()),
        episodes=int(np.count_nonzero(team[:, 1])),
        precision=_share(team, TOGETHER) if judged else Interval(None, None, None),
        agents=tuple(
            _part(agent, counts[:, i], kind.good)
            for i, agent in enumerate(agents.BLUE)
            if judged and counts[:, i, 1].any()
        ),
        worth=worth,
        pairs=pairs,
    )
    key, rule = next((key, rule) for key, rule in RULES.items() if rule.holds(kind, row))
    return replace(row, advice=rule.advice, rule=key)


def _part(agent: str, counts: Int64Array, good: float) -> Part:
    share = _share(counts, _OF_AGENTS)
    hits, n = (int(total) for total in counts.sum(axis=0))
    enough = n >= N_MIN and share.high is not None
    return Part(
        kind="agent",
        name=agent,
        bad=n - hits,
        n=n,
        low=share.low,
        high=share.high,
        fails=share.high < good if enough and share.high is not None else None,
    )


def _share(counts: Int64Array, confidence: float) -> Interval:
    """Share of warranted actions, from ``int64[episode, 2]``."""
    if not counts.size:
        return Interval(None, None, None)
    known = estimate(HitShare(), counts, confidence=confidence)
    return Interval(finite(known.value), finite(known.low), finite(known.high))
