"""What happens on the map in a step: red's and blue's actions, and what users fail to do.

The script of the replay (``shared/replay.js``) draws the same for every step that is played.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.episodes.frames import Frame
from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.analysis.episodes.timeline_parts import BlueAction, Failure, RedActionSpan
from reports.drawings.network import NetworkMap

_BEND: Final = 0.16
"""How far the middle of a line lies aside, in parts of its length."""
_BRACKET: Final = "M-19,-11v-8h8M11,-19h8v8M19,11v8h-8M-11,19h-8v-8"
_GATE: Final = "M-17,-4v-6h6M11,-10h6v6M17,4v6h-6M-11,10h-6v-6"
_HEAD: Final = "M0,0l-9,-4.5v9z"
_SIGNS: Final = {"going": "", "done": " ✓", "failed": " ✗"}

Point = tuple[float, float]


@dataclass(frozen=True)
class Act:
    """A group of shapes.

    Attributes:
        look: its CSS classes.
        move: transformation of the group; empty for none.
        paths: CSS class, path and transformation of each.
        ring: middle and radius of a circle.
        label: where a word stands, and the word.
    """

    look: str
    move: str = ""
    paths: tuple[tuple[str, str, str], ...] = ()
    ring: tuple[float, float, float] | None = None
    label: tuple[float, float, str] | None = None


class Acts:
    """Draws on a map.

    Args:
        drawing: the map.
        timeline: whose hosts it shows.
        blue_verbs, red_verbs: a word for each action.
    """

    def __init__(
        self,
        drawing: NetworkMap,
        timeline: Timeline,
        blue_verbs: Mapping[str, str],
        red_verbs: Mapping[str, str],
    ) -> None:
        self._scale = drawing.plan.scale
        self._spots: dict[str, Point] = {
            line.host: (spot.x, spot.y)
            for line, spot in zip(timeline.hosts, drawing.spots, strict=True)
        }
        self._zones: dict[str, Point] = {
            box.zone: (box.x + box.width / 2, box.y + 17) for box in drawing.zones
        }
        self._gates: dict[tuple[str, str], Point] = {
            (box.zone, gate.source): (gate.x, gate.y) for box in drawing.zones for gate in box.gates
        }
        self._blue_verbs, self._red_verbs = blue_verbs, red_verbs

    def of(self, frame: Frame) -> Iterator[Act]:
        """What happens in a step, the topmost last."""
        yield from map(self._failure, frame.failures)
        for red in frame.red:
            yield self._red(red, frame.step)
        yield from map(self._blue, frame.blue)

    def swept(self, frame: Frame) -> set[str]:
        """Subnets that red sweeps for hosts."""
        return {action.zone for action in frame.red if action.host is None}

    def _place(self, host: str | None, zone: str | None) -> Point:
        """Of a host; of the heading of a subnet for routers and whole subnets."""
        return self._spots.get(host or "") or self._zones.get(zone or "", (0, 0))

    def _failure(self, failure: Failure) -> Act:
        x, y = self._spots[failure.host]
        access = (
            [("access", f"M{_at((x, y))}L{_at(self._spots[failure.target])}", "")]
            if failure.target in self._spots
            else []
        )
        cross = ("cross", f"M{x - 18:g},{y - 16:g}l8,8m0,-8l-8,8", "")
        return Act("green-act", paths=(*access, cross))

    def _red(self, action: RedActionSpan, step: int) -> Act:
        due = {"SUCCESS": "done"}.get(action.outcome, "failed")
        state = due if action.step == step else "going"
        target = self._place(action.host, action.zone)
        paths: tuple[tuple[str, str, str], ...] = ()
        ring = None
        if action.source in self._spots and action.source != action.host:
            paths = self._way(self._spots[action.source], target)
        elif action.host is not None:
            ring = (*target, 18 * self._scale)
        word = self._red_verbs[action.kind] + _SIGNS[state]
        label = (target[0], target[1] + 28 * self._scale, word)
        return Act(f"red-act {state}", paths=paths, ring=ring, label=label)

    def _way(self, source: Point, target: Point) -> tuple[tuple[str, str, str], ...]:
        """A bent line between two marks, and the head of an arrow at its end."""
        (x1, y1), (x2, y2) = source, target
        middle = ((x1 + x2) / 2 + (y2 - y1) * _BEND, (y1 + y2) / 2 - (x2 - x1) * _BEND)

        def trim(point: Point, by: float) -> Point:
            dx, dy = middle[0] - point[0], middle[1] - point[1]
            share = by * self._scale / math.hypot(dx, dy)
            return point[0] + dx * share, point[1] + dy * share

        start, end, tip = trim(source, 15), trim(target, 22), trim(target, 15)
        turned = math.degrees(math.atan2(tip[1] - end[1], tip[0] - end[0]))
        move = f"translate({_at(tip)}) rotate({turned:.1f}) scale({self._scale:g})"
        return ("way", f"M{_at(start)}Q{_at(middle)} {_at(end)}", ""), ("tip", _HEAD, move)

    def _blue(self, action: BlueAction) -> Act:
        gate = self._gates.get((action.zone or "", action.source or ""))
        spot = gate or self._place(action.host, action.zone)
        return Act(
            "blue-act",
            f"translate({_at(spot)}) scale({self._scale:g})",
            (("bracket", _GATE if gate else _BRACKET, ""),),
            label=(0, -12 if gate else -21, self._blue_verbs[action.kind]),
        )


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
