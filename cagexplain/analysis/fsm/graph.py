"""Red's finite-state machine as it was lived in a trace.

States are nodes. An edge is how a red action ended on a host, or what no red action caused: a host
first seen, a session lost, a session noticed that was not fought for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import networkx as nx
import numpy as np

from cagexplain.analysis.fsm.counts import (
    ENDINGS,
    EVICTORS,
    HANDED_OVER,
    RECOVERIES,
    RECOVERY_EFFECTS,
    SUCCESS,
    Counts,
    pool,
)
from cagexplain.cc4 import red_fsm
from cagexplain.cc4.red_fsm import STATE_NAMES, RedAction, State
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import IntArray
from cagexplain.common.results import Result
from cagexplain.stats.distribution import CategoryShare, Distribution, distributions
from cagexplain.stats.durations import Survival

Kind = Literal["red", "blue", "seen", "own"]


@dataclass(frozen=True)
class StateNode(Result):
    """A state of the FSM.

    Attributes:
        state: its name.
        host_steps: steps that hosts spent in it, over all episodes.
        time: their share of all host-steps.
        spells: stays of hosts in it.
        ended: how many of those ended before their episode did.
        dwell: median steps of a stay, stays that did not end counted as censored; None if that is
            not reached, if there are too few stays, or if dwell times were not given.
        dwell_low, dwell_high: its confidence limits.
        dwell_mean: mean steps of a stay, no more than 100 counted of each; None likewise.
    """

    state: str
    host_steps: int
    time: float
    spells: int | None = None
    ended: int | None = None
    dwell: float | None = None
    dwell_low: float | None = None
    dwell_high: float | None = None
    dwell_mean: float | None = None


@dataclass(frozen=True)
class Transition(Result):
    """An edge of the FSM.

    Attributes:
        source, target: states; equal where a host's state stayed.
        kind: "red" for endings of red actions; "blue" for lost sessions, which blue's Remove and
            Restore cause; "seen" for hosts first observed; "own" for hosts that became footholds
            by a session of red's own, such as phishing gives, where its table lets that count.
        action: number of the red action; None for the other kinds.
        ending: of that action, one of `ENDINGS`; None for the other kinds.
        count: hosts that it happened to, over all episodes.
        attempts: hosts in the source state that the action ended on; None for the other kinds.
        rate: count / attempts.
        low, high: its confidence limits, which hold for all endings of the action at once.
        nominal: CC4's probability that red chooses the action for a host in the source state.
        evictors: of the kind "blue", what blue had completed on the host just before.
    """

    source: str
    target: str
    kind: Kind
    action: int | None
    ending: str | None
    count: int
    attempts: int | None = None
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    nominal: float | None = None
    evictors: tuple[CategoryShare, ...] | None = None


@dataclass(frozen=True)
class FsmGraph(Result):
    """Nodes and edges, in the order of states and actions."""

    states: tuple[StateNode, ...]
    transitions: tuple[Transition, ...]

    def networkx(self) -> nx.MultiDiGraph:
        """The graph for NetworkX; attributes as in `StateNode` and `Transition`.

        Keys of parallel edges are (action, outcome) for red's, else the kind.
        """
        graph = nx.MultiDiGraph()
        for node in self.states:
            graph.add_node(node.state, **asdict(node))
        for edge in self.transitions:
            key = edge.kind if edge.action is None else (edge.action, edge.ending)
            graph.add_edge(edge.source, edge.target, key, **asdict(edge))
        return graph


@dataclass(frozen=True)
class Evictions(Result):
    """What makes red lose its last session on a host.

    Attributes:
        causes: per state, the losses by what blue had completed on the host in the step before.
        effects: per recovery and state, what it did.
    """

    causes: tuple[Distribution, ...]
    effects: dict[str, tuple[Distribution, ...]]


def fsm_graph(
    counts: Counts,
    table: RedTable,
    agent: int | None = None,
    phase: int | None = None,
    dwell: tuple[Survival, ...] | None = None,
) -> FsmGraph:
    """Build the graph.

    Transitions that red's table offers but the trace does not show are there with a count
    of 0.

    Args:
        counts: of the trace.
        table: how red chose in it, for the nominal probabilities.
        agent: only hosts in the zones of this blue agent, or elsewhere (index in
            ``counts.PLACES``); all without.
        phase: only one mission phase, 0 to 2; all without.
        dwell: dwell times per state of the same hosts.
    """
    time = pool(counts.host_steps, agent, phase).sum(axis=(0, 2), dtype=np.int64)
    states = tuple(
        StateNode(name, int(steps), float(steps / max(time.sum(), 1)), **_dwell(dwell, code))
        for code, (name, steps) in enumerate(zip(STATE_NAMES, time, strict=True))
    )
    results = pool(counts.results, agent, phase)
    others = (pool(each, agent, phase) for each in (counts.discovered, counts.lost, counts.own))
    return FsmGraph(states, (*_red_edges(results, table), *_other_edges(*others)))


def evictions(counts: Counts, agent: int | None = None, phase: int | None = None) -> Evictions:
    """What evicts red, over all hosts, of one place or in one mission phase."""
    recoveries = pool(counts.recoveries, agent, phase)
    return Evictions(
        causes=distributions(pool(counts.lost, agent, phase), STATE_NAMES, EVICTORS),
        effects={
            name: distributions(recoveries[:, :, code], STATE_NAMES, RECOVERY_EFFECTS)
            for code, name in enumerate(RECOVERIES)
        },
    )


def _dwell(dwell: tuple[Survival, ...] | None, state: int) -> dict[str, Any]:
    if dwell is None:
        return {}
    survival = dwell[state]
    return {
        "spells": survival.n,
        "ended": survival.ended,
        "dwell": survival.median.value,
        "dwell_low": survival.median.low,
        "dwell_high": survival.median.high,
        "dwell_mean": survival.restricted_mean.value,
    }


def _red_edges(results: IntArray, table: RedTable) -> Iterator[Transition]:
    pairs = [(state, action) for state in State for action in RedAction]
    endings = distributions(
        results.reshape(len(results), len(pairs), len(ENDINGS)),
        [f"{state.name} {action.name}" for state, action in pairs],
        ENDINGS,
    )
    for (state, action), distribution in zip(pairs, endings, strict=True):
        for ending, share in enumerate(distribution.shares):
            if share.count or (ending == SUCCESS and _offered(table, state, action)):
                yield Transition(
                    source=STATE_NAMES[state],
                    target=STATE_NAMES[_target(state, action, ending)],
                    kind="red",
                    action=int(action),
                    ending=share.name,
                    count=share.count,
                    attempts=distribution.total,
                    rate=share.share,
                    low=share.low,
                    high=share.high,
                    nominal=float(table.probability[state, action]),
                )


def _target(state: State, action: RedAction, ending: int) -> int:
    if ending == HANDED_OVER:
        return State.F
    moved = int(red_fsm.SUCCESS[state, action])
    return moved if ending == SUCCESS and moved >= 0 else state


def _offered(table: RedTable, state: State, action: RedAction) -> bool:
    """Whether red's table has a way to try this.

    A sweep is chosen for one host, yet ends on all known hosts of a subnet, whatever their state.
    """
    if red_fsm.SUCCESS[state, action] < 0 or not table.probability[state].any():
        return False
    row = slice(None) if action == RedAction.DISCOVER_SYSTEMS else state
    return bool(table.probability[row, action].any())


def _other_edges(discovered: IntArray, lost: IntArray, own: IntArray) -> Iterator[Transition]:
    unknown, known = STATE_NAMES[State.UNKNOWN], STATE_NAMES[State.KD]
    for name, n in zip(STATE_NAMES, discovered.sum(axis=0), strict=True):
        if n:
            yield Transition(unknown, name, "seen", None, None, int(n))
    for distribution in distributions(lost, STATE_NAMES, EVICTORS):
        if distribution.total:
            yield Transition(
                distribution.group,
                known,
                "blue",
                None,
                None,
                distribution.total,
                evictors=distribution.shares,
            )
    for name, n in zip(STATE_NAMES, own.sum(axis=0), strict=True):
        if n:
            foothold = State.UD if name.endswith("D") else State.U
            yield Transition(name, STATE_NAMES[foothold], "own", None, None, int(n))
