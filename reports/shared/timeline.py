"""The episode view: chosen episodes step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from cagexplain.analysis.episodes.timeline import CAUSES, Timeline
from cagexplain.cc4 import actions, network, red_fsm
from cagexplain.cc4.outcome import OUTCOME_NAMES
from reports.drawings import timeline as drawing
from reports.drawings.network import long_name
from reports.kit import numbers, terms
from reports.kit.pages import source
from reports.kit.sections import Section, gap, render
from reports.shared import replay
from reports.shared.replay import Marked
from reports.shared.replay_words import CHANGES

_STRETCH: Final = 10
"""Steps of a costly stretch."""
_STRETCHES: Final = 5
_INCIDENTS: Final = 12
"""Incidents that are shown at once; the others are one click away."""

_LAYERS: Final = (
    ("states", "states"),
    ("truth", "true sessions"),
    ("alerts", "alerts"),
    ("act", "blue on hosts"),
    ("traffic", "traffic control"),
    ("red", "red"),
    ("failed", "failed actions"),
)


@dataclass(frozen=True)
class Stretch:
    """Steps ``start <= t < stop`` that cost much: by cause, and the hosts that lost most."""

    start: int
    stop: int
    phase: str
    loss: float
    causes: str
    hosts: str


def section(
    timelines: Sequence[Timeline], marked: Mapping[int, Sequence[Marked]] | None = None
) -> Section:
    """The section about chosen episodes; a marked gap if none was chosen.

    Args:
        timelines: of the episodes.
        marked: by number of the episode, further moments of its replay.
    """
    if not timelines:
        html = gap(
            "No episode was chosen.", "Name one with --episode, or leave the choice to the report."
        )
        return Section("timeline", "Episodes step by step", html)
    return Section(
        "timeline",
        "Episodes step by step",
        render(
            "shared/timeline.html.j2",
            asks="What happens in a single episode, host by host and step by step?",
            says=_says(timelines),
            layers=_LAYERS,
            episodes=[_episode(t, (marked or {}).get(t.episode, ())) for t in timelines],
            states=[(s, terms.STATES[s]) for s in red_fsm.STATE_NAMES],
            blue_marks=drawing.BLUE_MARKS,
            blue_words=terms.BLUE_ACTIONS,
            red_marks=[
                (name, drawing.RED_MARKS[name], text)
                for name, text in zip(red_fsm.RED_ACTION_NAMES, terms.RED_ACTIONS, strict=True)
            ],
            cause_names=drawing.CAUSE_NAMES,
            observed=timelines[0].observed,
            width=drawing.WIDTH,
            left=drawing.LEFT,
            plot=drawing.PLOT,
            row=drawing.ROW,
            changes=CHANGES,
            shown=_INCIDENTS,
        ),
        source("shared/timeline.css") + replay.style(),
        source("shared/timeline.js") + replay.script(),
    )


def _episode(timeline: Timeline, marked: Sequence[Marked]) -> dict[str, Any]:
    picture = drawing.draw(timeline)
    incidents = sorted(timeline.incidents, key=lambda i: (i.loss, i.start - i.stop))
    lines = {line.host: line for line in timeline.hosts}
    return {
        "timeline": timeline,
        "id": f"timeline-{timeline.episode}",
        "drawing": picture,
        "replay": replay.player(timeline, marked),
        "scale": f"{drawing.PLOT / timeline.steps:.6f}",
        "data": _data(timeline, picture, marked),
        "stretches": list(_stretches(timeline)),
        "incidents": [(i, long_name(lines[i.host])) for i in incidents],
        "summary": _summary(timeline),
        "tab": f"{timeline.reason}: {numbers.number(timeline.total)}",
    }


def _says(timelines: Sequence[Timeline]) -> str:
    """What went wrong in the episode that went worst of those shown."""
    worst = min(timelines, key=lambda t: t.total)
    line = min(worst.hosts, key=lambda host: host.loss)
    named = f"Episode {worst.episode} ({worst.reason}) returned {numbers.number(worst.total)}"
    if not line.loss:
        return f"{named}: nothing was lost on any host."
    held = sum(run.stop - run.start for run in line.levels)
    return (
        f"{named}; {numbers.number(line.loss)} was lost on {long_name(line)}, where red had a "
        f"session in {held} of {worst.steps} steps."
    )


def _summary(timeline: Timeline) -> str:
    """The episode in a sentence or two."""
    incidents = timeline.incidents
    worst = min(CAUSES, key=lambda cause: sum(timeline.rewards[cause]))
    parts = [
        f"{len(incidents)} time{'s' * (len(incidents) != 1)} red got a session on a defended host, "
        f"{sum(i.root is not None for i in incidents)} times root; "
        f"{sum(i.ended is None for i in incidents)} stayed to the end."
    ]
    if sum(timeline.rewards[worst]) < 0:
        parts.append(f"Most was lost to {drawing.CAUSE_NAMES[worst]}.")
    return " ".join(parts)


def _stretches(timeline: Timeline) -> Iterator[Stretch]:
    """The costliest stretches that do not overlap, the costliest first."""
    per_step = [sum(timeline.rewards[c][t] for c in CAUSES) for t in range(timeline.steps)]
    starts = range(max(timeline.steps - _STRETCH, 0) + 1)
    ranked = sorted(starts, key=lambda s: sum(per_step[s : s + _STRETCH]))
    chosen: list[int] = []
    for start in ranked:
        free = all(abs(start - other) >= _STRETCH for other in chosen)
        if free and sum(per_step[start : start + _STRETCH]) < 0:
            chosen.append(start)
        if len(chosen) == _STRETCHES:
            break
    for start in chosen:
        yield _stretch(timeline, start, min(start + _STRETCH, timeline.steps))


def _stretch(timeline: Timeline, start: int, stop: int) -> Stretch:
    lines = {line.host: line for line in timeline.hosts}
    by_cause = {cause: sum(timeline.rewards[cause][start:stop]) for cause in CAUSES}
    by_host: dict[str, float] = {}
    for loss in timeline.losses:
        if start <= loss.step < stop:
            by_host[loss.host] = by_host.get(loss.host, 0.0) + loss.amount
    worst = sorted(by_host, key=by_host.__getitem__)[:3]
    return Stretch(
        start,
        stop,
        next(run.value for run in timeline.phases if run.start <= start < run.stop),
        sum(by_cause.values()),
        ", ".join(
            f"{numbers.number(value)} {drawing.CAUSE_NAMES[cause]}"
            for cause, value in sorted(by_cause.items(), key=lambda item: item[1])
            if value
        ),
        "; ".join(f"{long_name(lines[host])} {numbers.number(by_host[host])}" for host in worst),
    )


def _data(timeline: Timeline, picture: drawing.Drawing, marked: Sequence[Marked]) -> Markup:
    """What the script reads out, as JSON with numbers in place of names that recur."""
    row = {line.host: number for number, line in enumerate(timeline.hosts)}
    lost: dict[str, dict[int, float]] = {host: {} for host in row}
    for loss in timeline.losses:
        if loss.host in lost:
            lost[loss.host][loss.step] = lost[loss.host].get(loss.step, 0) + loss.amount
    data = {
        "steps": timeline.steps,
        "phases": timeline.phases,
        "kinds": [actions.KIND_NAMES, red_fsm.RED_ACTION_NAMES],
        "outcomes": [name.lower() for name in OUTCOME_NAMES],
        "hosts": [
            {
                "id": line.host,
                "name": long_name(line),
                "agent": line.agent,
                "y": picture.rows[line.host],
                "states": [[r.start, r.value] for r in line.states],
                "levels": line.levels,
                "process": [r[:2] for r in line.process or ()],
                "connection": [r[:2] for r in line.connection or ()],
                "decoys": line.decoys,
                "health": line.health,
                "lost": [[step, _plain(amount)] for step, amount in lost[line.host].items()],
            }
            for line in timeline.hosts
        ],
        "blue": [
            [
                *(a.start, a.stop, a.agent[-1], actions.KIND_NAMES.index(a.kind)),
                *(row.get(a.host or "", -1), OUTCOME_NAMES.index(a.outcome)),
                None if a.probability is None else round(a.probability, 3),
                f"{_short(a.zone)} ← {_short(a.source)}" if a.source else "",
                *(_zone(a.zone), _zone(a.source)),
            ]
            for a in timeline.blue
        ],
        "red": [
            [
                *(a.start, a.step, a.agent[-1], red_fsm.RED_ACTION_NAMES.index(a.kind)),
                *(row.get(a.host or "", -1), OUTCOME_NAMES.index(a.outcome), int(a.detected)),
                *(row.get(a.source or "", -1), _zone(a.zone)),
            ]
            for a in timeline.red
        ],
        "rewards": [[_plain(value) for value in timeline.rewards[cause]] for cause in CAUSES],
        **replay.data(timeline, row, marked),
    }
    return htmlsafe_json_dumps(data, dumps=_compact)


def _compact(data: Any, **options: Any) -> str:
    return json.dumps(data, separators=(",", ":"), **options)


def _plain(value: float) -> float:
    """A whole number without its decimal."""
    return int(value) if value == int(value) else value


def _zone(name: str | None) -> int:
    """Number of a subnet; -1 without one."""
    return -1 if name is None else network.ZONES.index(name)


def _short(zone: str | None) -> str:
    return terms.subnet(zone or "")
