"""Red's finite-state machine as it was lived in a trace.

States are nodes. An edge is how a red action ended on a host, or what no red action caused: a host
first seen, a session lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import networkx as nx
import numpy as np

from cagexplain.analysis.counts import ENDINGS, HANDED_OVER, SUCCESS, Counts
from cagexplain.analysis.distributions import distributions
from cagexplain.analysis.results import Result
from cagexplain.cc4 import red_fsm
from cagexplain.cc4.red_fsm import STATE_NAMES, RedAction, State, Variant

Kind = Literal["red", "blue", "seen"]


@dataclass(frozen=True)
class StateNode(Result):
    """A state of the FSM.

    Attributes:
        state: its name.
        host_steps: steps that hosts spent in it, over all episodes.
        time: their share of all host-steps.
    """

    state: str
    host_steps: int
    time: float


@dataclass(frozen=True)
class Transition(Result):
    """An edge of the FSM.

    Attributes:
        source, target: states; equal where a host's state stayed.
        kind: "red" for endings of red actions; "blue" for lost sessions, which blue's Remove and
            Restore cause; "seen" for hosts first observed.
        action: number of the red action; None for the other kinds.
        ending: of that action, one of `ENDINGS`; None for the other kinds.
        count: hosts that it happened to, over all episodes.
        attempts: hosts in the source state that the action ended on; None for the other kinds.
        rate: count / attempts.
        low, high: its confidence limits, which hold for all endings of the action at once.
        nominal: CC4's probability that red chooses the action for a host in the source state.
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


def fsm_graph(counts: Counts, variant: Variant) -> FsmGraph:
    """Build the graph.

    Transitions that the variant's table offers but the trace does not show are there with a count
    of 0.

    Args:
        counts: of the trace.
        variant: red's behaviour in it, for the nominal probabilities.
    """
    time = counts.host_steps.sum(axis=(0, 2), dtype=np.int64)
    states = tuple(
        StateNode(name, int(steps), float(steps / max(time.sum(), 1)))
        for name, steps in zip(STATE_NAMES, time, strict=True)
    )
    edges = [*_red_edges(counts, variant), *_other_edges(counts)]
    return FsmGraph(states, tuple(edges))


def _red_edges(counts: Counts, variant: Variant) -> Iterator[Transition]:
    pairs = [(state, action) for state in State for action in RedAction]
    endings = distributions(
        counts.results.reshape(counts.episodes, len(pairs), len(ENDINGS)),
        [f"{state.name} {action.name}" for state, action in pairs],
        ENDINGS,
    )
    for (state, action), found in zip(pairs, endings, strict=True):
        for ending, share in enumerate(found.shares):
            if share.count or (ending == SUCCESS and _offered(variant, state, action)):
                yield Transition(
                    source=STATE_NAMES[state],
                    target=STATE_NAMES[_target(state, action, ending)],
                    kind="red",
                    action=int(action),
                    ending=share.name,
                    count=share.count,
                    attempts=found.total,
                    rate=share.share,
                    low=share.low,
                    high=share.high,
                    nominal=float(variant.probability[state, action]),
                )


def _target(state: State, action: RedAction, ending: int) -> int:
    if ending == HANDED_OVER:
        return State.F
    moved = int(red_fsm.SUCCESS[state, action])
    return moved if ending == SUCCESS and moved >= 0 else state


def _offered(variant: Variant, state: State, action: RedAction) -> bool:
    """Whether red's table has a way to try this.

    A sweep is chosen for one host, yet ends on all known hosts of a subnet, whatever their state.
    """
    if red_fsm.SUCCESS[state, action] < 0 or not variant.probability[state].any():
        return False
    row = slice(None) if action == RedAction.DISCOVER_SYSTEMS else state
    return bool(variant.probability[row, action].any())


def _other_edges(counts: Counts) -> Iterator[Transition]:
    unknown, lost = STATE_NAMES[State.UNKNOWN], STATE_NAMES[State.KD]
    for name, n in zip(STATE_NAMES, counts.seen.sum(axis=0), strict=True):
        if n:
            yield Transition(unknown, name, "seen", None, None, int(n))
    for name, n in zip(STATE_NAMES, counts.lost.sum(axis=0), strict=True):
        if n:
            yield Transition(name, lost, "blue", None, None, int(n))
