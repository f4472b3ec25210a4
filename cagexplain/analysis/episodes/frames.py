"""One step of an episode as a whole: what is true of every host and link when it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.analysis.episodes.timeline_parts import (
    Block,
    BlueAction,
    Failure,
    HostLine,
    RedActionSpan,
    Stretch,
)
from cagexplain.facts.places import LEVEL_NAMES


@dataclass(frozen=True)
class HostNow:
    """A host at a step.

    Attributes:
        state: of the host in red's finite-state machine.
        level: true compromise, one of `LEVEL_NAMES`.
        process, connection: whether the alert was up; False if observations were not recorded.
        decoys: how many kinds of decoys stand on it.
        health: ``""``, ``"degraded"`` or ``"stopped"``, as in `HostLine`.
    """

    state: str
    level: str
    process: bool
    connection: bool
    decoys: int
    health: str


@dataclass(frozen=True)
class Frame:
    """A step.

    Attributes:
        step, phase: when.
        hosts: in the order of the timeline's.
        blocks: of links that hold.
        blue, red: actions that are under way, those included that come due in this step.
        failures: of green users in this step.
        reward: of the step.
    """

    step: int
    phase: str
    hosts: tuple[HostNow, ...]
    blocks: tuple[Block, ...]
    blue: tuple[BlueAction, ...]
    red: tuple[RedActionSpan, ...]
    failures: tuple[Failure, ...]
    reward: float


def frame(timeline: Timeline, step: int) -> Frame:
    """The step of an episode, ``0 <= step < timeline.steps``."""
    last = timeline.steps - 1
    return Frame(
        step=step,
        phase=_value(timeline.phases, step),
        hosts=tuple(_host(line, step) for line in timeline.hosts),
        blocks=tuple(b for b in timeline.blocks if b.start <= step < b.stop),
        blue=tuple(a for a in timeline.blue if a.start <= step < a.stop),
        red=tuple(
            a for a in timeline.red if a.start <= step <= (last if a.step is None else a.step)
        ),
        failures=tuple(f for f in timeline.failures if f.step == step),
        reward=sum(values[step] for values in timeline.rewards.values()),
    )


def _host(line: HostLine, step: int) -> HostNow:
    return HostNow(
        state=_value(line.states, step),
        level=_value(line.levels, step) or LEVEL_NAMES[0],
        process=bool(_value(line.process or (), step)),
        connection=bool(_value(line.connection or (), step)),
        decoys=int(_value(line.decoys, step) or 0),
        health=_value(line.health, step),
    )


def _value(runs: Sequence[Stretch], step: int) -> str:
    """Value of the run that has the step; empty if none has."""
    return next((run.value for run in runs if run.start <= step < run.stop), "")
