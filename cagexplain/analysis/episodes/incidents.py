"""Incidents of an episode: every stay of red on a host that blue defends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from cagexplain.analysis.episodes.timeline_parts import (
    BlueAction,
    HostLine,
    Incident,
    Loss,
    Stretch,
)
from cagexplain.cc4 import actions, layout
from cagexplain.facts.places import LEVEL_NAMES

_RESPONSES: Final = tuple(actions.KIND_NAMES[each] for each in layout.RESPONSES)


def incidents(
    hosts: Iterable[HostLine],
    blue: Sequence[BlueAction],
    losses: Sequence[Loss],
    causes: Mapping[tuple[str, int], str],
    steps: int,
) -> tuple[Incident, ...]:
    """Find the incidents of an episode, in the order of their start.

    Args:
        hosts, blue, losses: of the episode; `blue` and `losses` in the order of steps.
        causes: why the level of a host changed, by the host and the step that began with the new
            level.
        steps: of the episode.
    """
    found = []
    for line in hosts:
        if line.agent is None:
            continue
        answers = [a for a in blue if a.host == line.host and a.kind in _RESPONSES]
        lost = [loss for loss in losses if loss.host == line.host]
        for start, stop in _stays(line.levels):
            response = next((a for a in answers if start <= a.start < stop), None)
            during = [run for run in line.levels if start <= run.start < stop]
            found.append(
                Incident(
                    host=line.host,
                    agent=line.agent,
                    start=start,
                    stop=stop,
                    cause=causes.get((line.host, start)),
                    top=max((run.value for run in during), key=LEVEL_NAMES.index),
                    root=_first(during, start, stop, value=LEVEL_NAMES[2]),
                    alert=_first((*(line.process or ()), *(line.connection or ())), start, stop),
                    response=response.start if response else None,
                    response_kind=response.kind if response else None,
                    ended=causes.get((line.host, stop)) if stop < steps else None,
                    loss=sum(loss.amount for loss in lost if start - 1 <= loss.step < stop),
                )
            )
    return tuple(sorted(found, key=lambda incident: (incident.start, incident.host)))


def _stays(levels: Sequence[Stretch]) -> Iterator[tuple[int, int]]:
    """Edges of runs that follow each other without a gap."""
    starts, stops = {run.start for run in levels}, {run.stop for run in levels}
    return zip(sorted(starts - stops), sorted(stops - starts), strict=True)


def _first(
    runs: Iterable[Stretch], start: int, stop: int, *, value: str | None = None
) -> int | None:
    """First step of some that a run covers, perhaps only one of a certain value."""
    return min(
        (
            max(run.start, start)
            for run in runs
            if run.start < stop and run.stop > start and value in (None, run.value)
        ),
        default=None,
    )
