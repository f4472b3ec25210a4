"""The replay: an episode on the map of the network, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from cagexplain.analysis.episodes.frames import Frame, HostNow, frame
from cagexplain.analysis.episodes.moments import Moment, held, moments
from cagexplain.analysis.episodes.timeline import CAUSES, Timeline
from cagexplain.analysis.episodes.timeline_parts import Block
from cagexplain.cc4 import actions, agents, network, phases, red_fsm
from cagexplain.facts.places import LEVEL_NAMES
from reports.drawings.network import NARROW, WIDE, NetworkMap, lay_out, long_name
from reports.drawings.network_acts import Act, Acts
from reports.kit import terms
from reports.kit.pages import source
from reports.kit.sections import render
from reports.shared import replay_words as words

RATES: Final = (1, 2, 4, 8, 16, 32)
"""Steps a second."""
HEALTH: Final = ("", "degraded", "stopped")
_UPPER, _BASE, _LOWER = 6.0, 40.0, 60.0
"""In the strip: where the most hosts reach, the base line, and where the costliest step reaches."""
_BELIEVED: Final = {
    "U": "user session",
    "UD": "user session",
    "R": "root session",
    "RD": "root session",
}
"""What a state of red's machine takes for true."""


@dataclass(frozen=True)
class Marked:
    """A step that is a moment for what stands elsewhere on the page, such as an explained decision.

    Attributes:
        step: that the replay goes to.
        host: that it is about; None if it is about none.
        title: what happens, in a few words.
        anchor: of what stands elsewhere.
    """

    step: int
    host: str | None
    title: str
    anchor: str


@dataclass(frozen=True)
class Picture:
    """A step as a small picture, a path for each look."""

    width: float
    height: float
    links: str
    frames: str
    marks: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Still:
    """A step as a picture with the names of the subnets (where each stands), with what both sides
    do, and in a sentence."""

    picture: Picture
    titles: Sequence[tuple[float, float, str]]
    acts: Sequence[Act]
    says: str


@dataclass(frozen=True)
class Strip:
    """The course of the episode behind the slider, as paths in steps across."""

    user: str
    root: str
    cost: str
    phases: str
    moments: str
    most: int
    worst: float
    label: str


def style() -> str:
    """The rules of the player."""
    return source("shared/replay.css")


def script() -> str:
    """What makes it play."""
    return source("shared/replay.js")


def player(timeline: Timeline, marked: Sequence[Marked] = ()) -> Markup:
    """The map of an episode with its controls and key moments, those that are marked among them."""
    maps = [lay_out(timeline, plan) for plan in (WIDE, NARROW)]
    first = frame(timeline, 0)
    named = moments(timeline)
    return render(
        "shared/replay.html.j2",
        replay={
            "timeline": timeline,
            "id": anchor(timeline.episode),
            "maps": maps,
            "frame": first,
            "look": look,
            "says": words.situation(first),
            "strip": _strip(timeline, _steps(named, marked)),
            "moments": list(_moments(timeline, named, marked, maps[0])),
            "rates": RATES,
            "observed": timeline.observed,
            "blue": [_short_agent(name) for name in agents.BLUE],
            "red": [_short_agent(name) for name in agents.RED],
        },
    )


def anchor(episode: int) -> str:
    """Id of the replay of an episode on a page."""
    return f"replay-{episode}"


def _steps(named: Sequence[Moment], marked: Sequence[Marked]) -> list[int]:
    return sorted({*(moment.step for moment in named), *(mark.step for mark in marked)})


def look(now: HostNow) -> str:
    """CSS classes of a host's mark; the script makes the same."""
    classes = [f"l{LEVEL_NAMES.index(now.level)}", f"b-{now.state}"]
    if _mistaken(now):
        classes.append("off")
    marks = {"p": now.process, "c": now.connection, "d": now.decoys > 0}
    classes += [name for name, shown in marks.items() if shown]
    if now.health:
        classes.append(f"h{HEALTH.index(now.health)}")
    return " ".join(classes)


def _mistaken(now: HostNow) -> bool:
    """Whether red believes in a session that it has not, or not at that level."""
    return now.state in _BELIEVED and _BELIEVED[now.state] != now.level


def data(
    timeline: Timeline, row: Mapping[str, int], marked: Sequence[Marked] = ()
) -> dict[str, Any]:
    """What the script needs beside the data of the time line.

    Args:
        timeline: of the episode.
        row: number of each host.
        marked: further moments.
    """
    return {
        "zones": network.ZONES,
        "zoneNames": [terms.subnet(name) for name in network.ZONES],
        "counted": timeline.counted,
        "verbs": [
            [words.BLUE_VERBS.get(name, "") for name in actions.KIND_NAMES],
            [terms.RED_VERBS[name] for name in red_fsm.RED_ACTION_NAMES],
        ],
        "blocks": [part for block in timeline.blocks for part in _by_phase(block, timeline)],
        "failures": [
            [f.step, row.get(f.host, -1), row.get(f.target or "", -1)] for f in timeline.failures
        ],
        "phished": [[i.start, row[i.host]] for i in timeline.incidents if i.cause == "phishing"],
        "believed": _BELIEVED,
        "health": HEALTH,
        "levels": LEVEL_NAMES,
        "moments": _steps(moments(timeline), marked),
    }


def needed(block: Block, phase: str) -> bool:
    """Whether users' accesses take a blocked link in a mission phase: an access and its answer both
    have to pass."""
    there, back = (network.ZONES.index(name) for name in (block.zone, block.source))
    reach = phases.GREEN_REACH[phases.PHASE_NAMES.index(phase)]
    return bool(reach[there, back] or reach[back, there])


def _by_phase(block: Block, timeline: Timeline) -> Iterator[list[int]]:
    """A block as the script reads it: first step and end, the link, whether users need it."""
    link = [network.ZONES.index(name) for name in (block.zone, block.source)]
    for run in timeline.phases:
        start, stop = max(block.start, run.start), min(block.stop, run.stop)
        if start < stop:
            yield [start, stop, *link, int(needed(block, run.value))]


def _short_agent(name: str) -> str:
    return name.replace("_agent_", " ")


def _moments(
    timeline: Timeline, named: Sequence[Moment], marked: Sequence[Marked], drawing: NetworkMap
) -> Iterator[dict[str, Any]]:
    """The moments by step, each with a picture; those of one step together."""
    lines = {line.host: line for line in timeline.hosts}
    for step in _steps(named, marked):
        now = frame(timeline, step)
        parts = [moment for moment in named if moment.step == step]
        pointed = [mark for mark in marked if mark.step == step]
        places = [long_name(lines[m.host]) if m.host in lines else "" for m in parts]
        titles = [words.title(m, p, now.phase) for m, p in zip(parts, places, strict=True)]
        titles += [mark.title for mark in pointed]
        hosts = [*(mark.host for mark in pointed), *(moment.host for moment in parts)]
        yield {
            "step": step,
            "host": next((host for host in hosts if host in lines), None),
            "title": "; ".join(titles),
            "details": list(dict.fromkeys(filter(None, map(words.detail, parts)))),
            "explained": [mark.anchor for mark in pointed],
            "picture": _picture(drawing, now),
            "alt": words.situation(now),
        }


def still(timeline: Timeline, step: int) -> Still:
    """A step as a picture for a page that has no replay of the episode."""
    drawing, now = lay_out(timeline, WIDE), frame(timeline, step)
    return Still(
        _picture(drawing, now),
        [(box.x + 12, box.y + 22, box.title) for box in drawing.zones],
        list(Acts(drawing, timeline, words.BLUE_VERBS, terms.RED_VERBS).of(now)),
        words.situation(now),
    )


def _picture(drawing: NetworkMap, now: Frame) -> Picture:
    paths: dict[str, list[str]] = {}
    for spot in drawing.spots:
        host = now.hosts[spot.host]
        level = LEVEL_NAMES.index(host.level)
        shape = "h20v20h-20z" if spot.kind == "server" else "a10,10 0 1 0 20,0a10,10 0 1 0 -20,0z"
        x, y = spot.x - 10, spot.y - (10 if spot.kind == "server" else 0)
        paths.setdefault(f"body l{level} b-{host.state}", []).append(f"M{x:g},{y:g}{shape}")
        if host.process or host.connection:
            dot = f"M{spot.x + 4:g},{spot.y - 10:g}a7,7 0 1 0 14,0a7,7 0 1 0 -14,0z"
            paths.setdefault("proc", []).append(dot)
    frames = "".join(
        f"M{box.x:g},{box.y:g}h{box.width:g}v{box.height:g}h-{box.width:g}z"
        for box in drawing.zones
    )
    x, y, width, height = drawing.cloud
    return Picture(
        drawing.plan.width,
        drawing.height,
        "".join(drawing.links),
        f"{frames}M{x:g},{y:g}h{width:g}v{height:g}h-{width:g}z",
        [(name, "".join(parts)) for name, parts in sorted(paths.items())],
    )


def _strip(timeline: Timeline, marks: Sequence[int]) -> Strip:
    counts = held(timeline)
    user, root = ([step[name] for step in counts] for name in LEVEL_NAMES[1:])
    both = [a + b for a, b in zip(user, root, strict=True)]
    most = max(both, default=0)
    costs = [-sum(timeline.rewards[cause][t] for cause in CAUSES) for t in range(timeline.steps)]
    worst = max(costs, default=0.0)
    up, down = (_BASE - _UPPER) / max(most, 1), (_LOWER - _BASE) / max(worst, 1.0)
    bars = "".join(
        f"M{t},{_BASE:g}h1v{cost * down:.1f}h-1z" for t, cost in enumerate(costs) if cost
    )
    return Strip(
        user=_stairs([_BASE - n * up for n in both]),
        root=_stairs([_BASE - n * up for n in root]),
        cost=bars,
        phases="".join(f"M{run.start},0V62" for run in timeline.phases[1:]),
        moments="".join(f"M{step + 0.5:g},0v7" for step in marks),
        most=most,
        worst=-worst,
        label=f"Course of episode {timeline.episode}: red holds at most {most} hosts that blue "
        f"defends; the costliest step costs {worst:g}",
    )


def _stairs(heights: Sequence[float]) -> str:
    """The area between a value per step and the base line."""
    path = [f"M0,{_BASE:g}"]
    last = None
    for step, height in enumerate(heights):
        if height != last:
            path.append(f"H{step}V{height:.1f}")
            last = height
    return "".join([*path, f"H{len(heights)}V{_BASE:g}z"])
