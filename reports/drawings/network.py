"""CC4's network as a map: where subnets, hosts and links lie, for wide and for narrow windows.

The routers form a tree below the internet, so no two links cross. What a host looks like in a step
is a matter of CSS classes alone; nothing here depends on the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.analysis.episodes.timeline_parts import HostLine
from cagexplain.cc4 import network
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.cc4.network import ADM, CON, INT, OFF, OZA, OZB, PAZ, RZA, RZB
from reports.drawings.timeline import short_name
from reports.kit import terms

_HEAD: Final = 34
_GATES: Final = 26
_PAD: Final = 9
_PITCH: Final = 47
"""From a row of hosts to the next."""
_CLOUD: Final = 40
"""Height of the internet."""

_GATED: Final = (RZA, OZA, RZB, OZB, CON, PAZ, ADM, OFF, INT)
"""Where traffic that can be blocked comes from, in the order of the gates."""


@dataclass(frozen=True)
class Plan:
    """An arrangement of the subnets.

    Attributes:
        name: CSS class of the picture.
        grid: subnets by row, from left to right.
        zone_width, gap, rise: width of a subnet, and the distances between columns and rows.
        columns: hosts side by side in a subnet.
        scale: of a host's mark.
        gate_columns: gates side by side.
    """

    name: str
    grid: tuple[tuple[int, ...], ...]
    zone_width: int
    gap: int
    rise: int
    columns: int
    scale: float
    gate_columns: int

    @property
    def width(self) -> int:
        """Of the whole picture."""
        return len(self.grid[0]) * (self.zone_width + self.gap) - self.gap


WIDE: Final = Plan("wide", ((RZA, CON, PAZ, RZB), (OZA, ADM, OFF, OZB)), 272, 24, 40, 6, 1.0, 8)
NARROW: Final = Plan(
    "narrow", ((RZA, RZB), (OZA, OZB), (CON, PAZ), (ADM, OFF)), 196, 16, 26, 5, 0.9, 4
)


@dataclass(frozen=True)
class Gate:
    """Where traffic from a subnet into another can be stopped."""

    source: str
    short: str
    x: float
    y: float


@dataclass(frozen=True)
class ZoneBox:
    """A subnet: its frame, its heading, its router and its gates."""

    zone: str
    title: str
    agent: str
    x: float
    y: float
    width: float
    height: float
    gates: Sequence[Gate]


@dataclass(frozen=True)
class Spot:
    """A host: its number in the timeline, and the middle of its mark.

    Attributes:
        short: its name within the subnet in few characters: "s0", "u7".
        long: the same with the subnet: "restricted zone A, server 0".
    """

    host: int
    kind: str
    short: str
    long: str
    x: float
    y: float


@dataclass(frozen=True)
class NetworkMap:
    """The whole map; the internet lies at the top."""

    plan: Plan
    height: float
    cloud: tuple[float, float, float, float]
    zones: Sequence[ZoneBox]
    spots: Sequence[Spot]
    links: Sequence[str]


def lay_out(timeline: Timeline, plan: Plan) -> NetworkMap:
    """Place the hosts of an episode."""
    of_zone = {
        zone: [(n, line) for n, line in enumerate(timeline.hosts) if line.zone == name]
        for zone, name in enumerate(network.ZONES)
    }
    boxes: dict[int, ZoneBox] = {}
    spots: list[Spot] = []
    y: float = _CLOUD + plan.rise
    for row in plan.grid:
        shapes = [_rows(of_zone[zone], plan) for zone in row]
        servers, users = (max(shape[k] for shape in shapes) for k in (0, 1))
        gates = _GATES * -(-(len(_GATED) - 1) // plan.gate_columns)
        height = _HEAD + _PITCH * (servers + users) + gates + _PAD
        for column, zone in enumerate(row):
            x = column * (plan.zone_width + plan.gap)
            boxes[zone] = _box(zone, x, y, height, plan)
            spots += _spots(of_zone[zone], x, y + _HEAD, servers, plan)
        y += height + plan.rise
    cloud = _cloud(plan)
    return NetworkMap(
        plan=plan,
        height=y - plan.rise + 1,
        cloud=cloud,
        zones=[boxes[zone] for zone in range(network.N_REAL_ZONES)],
        spots=sorted(spots, key=lambda spot: spot.host),
        links=[_link(*pair, boxes, cloud, plan) for pair in network.ROUTER_LINKS],
    )


def long_name(line: HostLine) -> str:
    """A host with its subnet: "restricted zone A, server 0"."""
    return f"{terms.subnet(line.zone)}, {short_name(line)}"


def _rows(lines: Sequence[tuple[int, HostLine]], plan: Plan) -> tuple[int, int]:
    """How many rows the servers of a subnet take, and its user hosts."""
    servers = sum(line.kind == "server" for _, line in lines)
    return -(-servers // plan.columns), -(-(len(lines) - servers) // plan.columns)


def _spots(
    lines: Sequence[tuple[int, HostLine]], x: float, y: float, server_rows: int, plan: Plan
) -> list[Spot]:
    pitch = (plan.zone_width - 2 * _PAD) / plan.columns
    spots = []
    for kind, top in (("server", 0), ("user", server_rows)):
        chosen = [(n, line) for n, line in lines if line.kind == kind]
        for place, (n, line) in enumerate(chosen):
            row, column = divmod(place, plan.columns)
            name = short_name(line)
            spots.append(
                Spot(
                    n,
                    kind,
                    f"{name[:1]}{name.rpartition(' ')[2]}",
                    long_name(line),
                    round(x + _PAD + pitch * (column + 0.5), 1),
                    round(y + _PITCH * (top + row) + 19, 1),
                )
            )
    return spots


def _box(zone: int, x: float, y: float, height: float, plan: Plan) -> ZoneBox:
    agent = BLUE_OF_ZONE[zone]
    gates = []
    if agent >= 0:
        pitch = (plan.zone_width - 2 * _PAD) / plan.gate_columns
        rows = -(-(len(_GATED) - 1) // plan.gate_columns)
        for place, source in enumerate(z for z in _GATED if z != zone):
            row, column = divmod(place, plan.gate_columns)
            gates.append(
                Gate(
                    network.ZONES[source],
                    network.ZONE_SHORT[source],
                    round(x + _PAD + pitch * (column + 0.5), 1),
                    round(y + height - _GATES * (rows - row) + _GATES / 2 - 2, 1),
                )
            )
    title = terms.subnet(network.ZONES[zone])
    return ZoneBox(
        network.ZONES[zone],
        title[:1].upper() + title[1:],
        f"blue {agent}" if agent >= 0 else "no blue",
        x,
        y,
        plan.zone_width,
        height,
        gates,
    )


def _cloud(plan: Plan) -> tuple[float, float, float, float]:
    """Corner and size of the internet's frame: over the middle columns."""
    width = plan.width / 2
    return (plan.width - width) / 2, 0.5, width, _CLOUD


def _link(
    above: int,
    below: int,
    boxes: dict[int, ZoneBox],
    cloud: tuple[float, float, float, float],
    plan: Plan,
) -> str:
    """The line from a router to the one below it, along the gaps between the subnets."""
    target = boxes[below]
    x, y = target.x + target.width / 2, target.y
    if above != INT:
        source = boxes[above]
        start = source.x + source.width / 2
        bend = y - plan.rise / 2
        return f"M{start:g},{source.y + source.height:g}V{bend:g}H{x:g}V{y:g}"
    left, top, width, height = cloud
    first_row = min(box.y for box in boxes.values())
    if y == first_row:
        middle = top + height / 2
        if left < x < left + width:
            return f"M{x:g},{top + height:g}V{y:g}"
        return f"M{left if x <= left else left + width:g},{middle:g}H{x:g}V{y:g}"
    return f"M{plan.width / 2:g},{top + height:g}V{y - plan.rise / 2:g}H{x:g}V{y:g}"
