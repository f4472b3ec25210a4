"""Where everything lies in the picture of an episode: hosts by subnet, steps from left to right.

Each kind of thing is one SVG path. Bands and bars are measured in steps, so that zooming is one
transformation; marks keep their size, and zooming moves the points at which they begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.episodes.timeline import CAUSES, Timeline
from cagexplain.analysis.episodes.timeline_parts import HostLine, Stretch
from reports.kit import numbers, terms

LEFT: Final = 176
PLOT: Final = 1000
RIGHT: Final = 56
WIDTH: Final = LEFT + PLOT + RIGHT
_TOP: Final = 40
ROW: Final = 16
"""Height of a host's row."""
_HEAD: Final = 22
_ZONE_GAP: Final = 4
_BAND: Final = (3, 9.5)
_PROCESS: Final = (0.3, 2.3)
_CONNECTION: Final = (0.3, 1)
_LEVELS: Final = {"user session": (12.8, 1), "root session": (12.8, 2.6)}
"""Offset from the top of a row and height of what is drawn in it."""
_RED_AT, _BLUE_AT = 5.5, 9.5
_CHART: Final = 100
_CHART_GAP: Final = 34
_BOTTOM: Final = 26
_MAJOR, _MINOR = 50, 10

_HEADER_KINDS: Final = ("AllowTrafficZone", "BlockTrafficZone")

BLUE_MARKS: Final = {
    "Restore": "m-3,-3h6v6h-6z",
    "Remove": "m-3.4,-2l1.4,-1.4l2,2l2,-2l1.4,1.4l-2,2l2,2l-1.4,1.4l-2,-2l-2,2l-1.4,-1.4l2,-2z",
    "Analyse": "m-3,0a3,3 0 1 0 6,0a3,3 0 1 0 -6,0z",
    "DeployDecoy": "m0,-3.6l3.6,6.4h-7.2z",
    "BlockTrafficZone": "m-1.5,-5h3v10h-3z",
    "AllowTrafficZone": "m0,-3l2.4,3l-2.4,3l-2.4,-3z",
}
"""Shapes of blue's actions, from their middle."""

RED_MARKS: Final = {
    "ExploitRemoteService": "m-2.8,-2.4h5.6l-2.8,4.8z",
    "PrivilegeEscalate": "m0,-3l2.8,2.6l-2.8,3.4l-2.8,-3.4z",
    "Impact": "m-0.9,-3.2h1.8v2.3h2.3v1.8h-2.3v2.3h-1.8v-2.3h-2.3v-1.8h2.3z",
    "DegradeServices": "m-3,-1.2h6v2.4h-6z",
    "AggressiveServiceDiscovery": "m-1.6,0a1.6,1.6 0 1 0 3.2,0a1.6,1.6 0 1 0 -3.2,0z",
    "StealthServiceDiscovery": "m-1.1,0a1.1,1.1 0 1 0 2.2,0a1.1,1.1 0 1 0 -2.2,0z",
    "DiscoverDeception": "m-0.5,-2.4h1v4.8h-1z",
    "DiscoverRemoteSystems": "m-2.6,1.6l2.6,-3.6l2.6,3.6h-1.2l-1.4,-2l-1.4,2z",
    "Withdraw": "m-2.6,0l2.6,-2.4v1.6h2.6v1.6h-2.6v1.6z",
}
"""Shapes of red's actions."""


@dataclass(frozen=True)
class Shape:
    """An SVG path: its CSS classes, what it stands for, its data."""

    look: str
    title: str
    path: str


@dataclass(frozen=True)
class Text:
    """A text, or a mark on an axis that says it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Zone:
    """The rows of a subnet: heading, who defends it, and where they lie."""

    name: str
    agent: str
    y: float
    height: float


@dataclass(frozen=True)
class StepMark:
    """A step on the axis; minor ones show when one looks closely."""

    step: int
    minor: bool


@dataclass(frozen=True)
class Chart:
    """A diagram below the rows: where it lies, the marks of its vertical axis, what it shows."""

    title: str
    y: float
    height: float
    marks: Sequence[Text]
    shapes: Sequence[Shape]


@dataclass(frozen=True)
class Drawing:
    """The whole picture.

    Attributes:
        height: of the picture, whose width is `WIDTH`.
        rows: upper edge of each host's row, and of the heading of each subnet, by name.
        bands, blue_lines: paths in steps across and pixels down.
        blue, red: marks, in pixels.
    """

    height: float
    rows: dict[str, float]
    zones: Sequence[Zone]
    labels: Sequence[Text]
    losses: Sequence[Text]
    phases: Sequence[Stretch]
    ticks: Sequence[StepMark]
    axis: float
    bands: Sequence[Shape]
    blue_lines: str
    blue: Sequence[Shape]
    red: Sequence[Shape]
    charts: Sequence[Chart]


def draw(timeline: Timeline) -> Drawing:
    """Lay out an episode."""
    zones, rows = _zones(timeline.hosts)
    lower = zones[-1].y + zones[-1].height
    charts = [
        _reward_chart(timeline, lower + _CHART_GAP),
        _return_chart(timeline, lower + 2 * _CHART_GAP + _CHART),
    ]
    axis = charts[-1].y + _CHART
    return Drawing(
        height=axis + _BOTTOM,
        rows=rows,
        zones=zones,
        labels=[Text(LEFT - 6, rows[line.host] + 11, short_name(line)) for line in timeline.hosts],
        losses=[
            Text(LEFT + PLOT + 6, rows[line.host] + 11, numbers.number(line.loss))
            for line in timeline.hosts
            if line.loss
        ],
        phases=timeline.phases,
        ticks=[StepMark(step, step % _MAJOR != 0) for step in range(0, timeline.steps + 1, _MINOR)],
        axis=axis,
        bands=list(_bands(timeline, rows)),
        blue_lines="".join(
            f"M{action.start},{_f(rows[action.host] + _BLUE_AT)}h{action.stop - action.start}"
            for action in timeline.blue
            if action.host is not None
        ),
        blue=list(_blue(timeline, rows)),
        red=list(_red(timeline, rows)),
        charts=charts,
    )


def short_name(line: HostLine) -> str:
    """The name of a host within its subnet: "server 0"."""
    return line.host.removeprefix(f"{line.zone}_").replace("_host_", " ").replace("_", " ")


def _zones(hosts: Sequence[HostLine]) -> tuple[list[Zone], dict[str, float]]:
    zones: list[Zone] = []
    rows: dict[str, float] = {}
    y: float = _TOP
    for zone in dict.fromkeys(line.zone for line in hosts):
        lines = [line for line in hosts if line.zone == zone]
        height = _HEAD + ROW * len(lines)
        agent = lines[0].agent or "undefended"
        zones.append(Zone(terms.subnet(zone), agent.replace("_agent_", " "), y, height))
        rows[zone] = rows[f"{zone}_router"] = y  # a router has no row, and hardly ever an action
        rows |= {line.host: y + _HEAD + ROW * i for i, line in enumerate(lines)}
        y += height + _ZONE_GAP
    return zones, rows


def _bands(timeline: Timeline, rows: dict[str, float]) -> Iterator[Shape]:
    hosts = timeline.hosts
    yield from _run_shapes(hosts, rows, lambda line: line.states, "state", lambda _: _BAND)
    yield from _run_shapes(hosts, rows, lambda line: line.levels, "truth", _LEVELS.__getitem__)
    yield from _run_shapes(
        hosts, rows, lambda line: line.connection or (), "net", lambda _: _CONNECTION
    )
    yield from _run_shapes(hosts, rows, lambda line: line.process or (), "proc", lambda _: _PROCESS)


def _run_shapes(
    hosts: Iterable[HostLine],
    rows: dict[str, float],
    runs: Callable[[HostLine], Sequence[Stretch]],
    look: str,
    place: Callable[[str], tuple[float, float]],
) -> Iterator[Shape]:
    """One path per value of the hosts' runs."""
    parts: dict[str, list[str]] = {}
    for line in hosts:
        for start, stop, value in runs(line):
            offset, height = place(value)
            parts.setdefault(value, []).append(
                _box(start, rows[line.host] + offset, stop - start, height)
            )
    for value, boxes in sorted(parts.items()):
        yield Shape(f"{look} {look}-{value.split(' ')[0]}", value, "".join(boxes))


def _blue(timeline: Timeline, rows: dict[str, float]) -> Iterator[Shape]:
    at: dict[tuple[str, str], list[str]] = {}
    for action in timeline.blue:
        place = str(action.host or action.zone)
        if place not in rows:  # traffic into the internet, where nothing is
            continue
        x = _x(action.start + 0.5, timeline)
        y = rows[place] + (_BLUE_AT if action.host else _HEAD / 2)
        failed = "failed" if action.outcome == "FAILURE" else ""
        at.setdefault((action.kind, failed), []).append(f"M{x},{_f(y)}{BLUE_MARKS[action.kind]}")
    for (kind, failed), marks in sorted(at.items()):
        layer = "traffic" if kind in _HEADER_KINDS else "act"
        yield Shape(f"{layer} {failed}".strip(), f"{kind} {failed}".strip(), "".join(marks))


def _red(timeline: Timeline, rows: dict[str, float]) -> Iterator[Shape]:
    at: dict[tuple[str, ...], list[str]] = {}
    for action in timeline.red:
        place = action.host or action.zone
        if action.step is None or action.outcome == "DROPPED" or place not in rows:
            continue
        x = _x(action.step + 0.5, timeline)
        y = rows[place] + (_RED_AT if action.host else _HEAD / 2)
        failed = "failed" if action.outcome == "FAILURE" else ""
        event = "event" if action.detected else ""
        mark = f"M{x},{_f(y)}{RED_MARKS[action.kind]}"
        at.setdefault((action.kind, failed, event), []).append(mark)
    for (kind, *looks), marks in sorted(at.items()):
        words_of = [word for word in looks if word]
        yield Shape(" ".join(["red", *words_of]), ", ".join([kind, *words_of]), "".join(marks))


def _reward_chart(timeline: Timeline, y: float) -> Chart:
    steps = range(timeline.steps)
    worst = max((-sum(timeline.rewards[c][t] for c in CAUSES) for t in steps), default=0.0) or 1.0
    scale = _CHART / worst
    below = [0.0] * timeline.steps
    shapes = []
    for cause in CAUSES:
        boxes = []
        for t in steps:
            height = -timeline.rewards[cause][t] * scale
            if height > 0:
                boxes.append(_box(t, y + below[t], 1, height))
                below[t] += height
        shapes.append(Shape(f"cause cause-{cause}", CAUSE_NAMES[cause], "".join(boxes)))
    marks = [Text(LEFT - 6, y + value * scale, numbers.number(0 - value)) for value in (0.0, worst)]
    return Chart("Reward per step", y, _CHART, marks, shapes)


CAUSE_NAMES: Final = dict(zip(CAUSES, terms.CAUSES.values(), strict=True))
"""What the parts of the reward are."""


def _return_chart(timeline: Timeline, y: float) -> Chart:
    total, points = 0.0, []
    for t in range(timeline.counted):
        total += sum(timeline.rewards[cause][t] for cause in CAUSES)
        points.append(total)
    lowest = min(points, default=0.0) or -1.0
    scale = _CHART / -lowest
    line = f"M0,{_f(y)}" + "".join(f"L{t + 1},{_f(y - v * scale)}" for t, v in enumerate(points))
    marks = [Text(LEFT - 6, y - value * scale, numbers.number(value)) for value in (0.0, lowest)]
    return Chart("Return so far", y, _CHART, marks, [Shape("so-far", "Return so far", line)])


def _x(step: float, timeline: Timeline) -> str:
    return _f(LEFT + PLOT * step / timeline.steps)


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x},{_f(y)}h{width}v{_f(height)}h-{width}z"


def _f(value: float) -> str:
    """A number of pixels in few characters."""
    return f"{value:.1f}".removesuffix(".0")
