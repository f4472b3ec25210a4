"""Recounts of recorded episodes in plain Python, to hold counts of checks against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cagexplain.cc4 import agents, network
from tests.support.small import Recorded

RESPONSES = ("Analyse", "Remove", "Restore")


@dataclass
class Stay:
    """A stay of red: where, its first step, the first step after it, and its level by step."""

    row: int
    host: int
    on: int
    end: int
    levels: list[int]
    cleared: bool

    @property
    def place(self) -> tuple[int, int]:
        """Episode and host."""
        return self.row, self.host

    def first(self, steps: Iterable[int]) -> int | None:
        """The first of some steps that lies in the stay."""
        return min((step for step in steps if self.on <= step < self.end), default=None)


def defended(play: Recorded) -> Iterator[tuple[int, int]]:
    """Episode and host of all user and server hosts that blue defends."""
    for row in play.rows("hosts"):
        host = network.HOST_NAMES.index(row.host)
        if agents.BLUE_OF_HOST[host] >= 0 and row.kind in ("user", "server"):
            yield row.episode, host


def levels(play: Recorded) -> dict[tuple[int, int], list[int]]:
    """Red's level by step on every defended host, by episode and host."""
    found = {place: [0] * play.length for place in defended(play)}
    for row in play.rows("levels"):
        place = row.episode, network.HOST_NAMES.index(row.host)
        if place in found:
            rest = play.length - row.step - 1
            found[place][row.step + 1 :] = [row.to_level] * rest
    return found


def stays(play: Recorded) -> list[Stay]:
    """All stays of red."""
    last = {
        (row.episode, network.HOST_NAMES.index(row.host)): row.to_level
        for row in play.rows("levels")
        if row.step == play.length - 1
    }
    found = []
    for (row, host), level in levels(play).items():
        step = 0
        while step < play.length:
            end = step
            while end < play.length and level[end] > 0:
                end += 1
            if end > step:
                cleared = end < play.length or last.get((row, host)) == 0
                found.append(Stay(row, host, step, end, level[step:end], cleared))
            step = end + 1
    return found


def started(play: Recorded, kinds: tuple[str, ...]) -> dict[tuple[int, int], list[int]]:
    """Steps in which such an action was started on a host, by episode and host."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for decision in play.decisions():
        if decision.action_type in kinds and decision.target_host is not None:
            host = network.HOST_NAMES.index(decision.target_host)
            found[decision.episode, host].append(decision.step)
    return found


def shown(alerts: set[tuple[int, int, str]]) -> dict[tuple[int, int], list[int]]:
    """Steps in which a host showed an alert, by episode and host."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, step, name in alerts:
        found[row, network.HOST_NAMES.index(name)].append(step)
    return found
