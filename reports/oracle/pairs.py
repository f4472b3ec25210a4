"""The table of all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.attack.oracle.results import Blue, OracleResult
from reports.kit.numbers import interval, number, percent
from reports.kit.pages import source
from reports.kit.sections import Section, render

_MUCH: Final = (0.1, 0.3, 0.55, 0.8)
"""Shares of the largest loss from which on a cell has the next darker colour."""


@dataclass(frozen=True)
class Cell:
    """A mean, its interval, and CSS classes of its size; whether it is the row's worst."""

    value: str
    limits: str
    look: str
    worst: bool


@dataclass(frozen=True)
class Row:
    """A policy: where it comes from, its weight in blue's mixture, and its cells."""

    key: str
    origin: str
    weight: str
    cells: Sequence[Cell]


def section(result: OracleResult) -> Section:
    """Make the section."""
    final = result.final
    html = render(
        "oracle/pairs.html.j2",
        asks="What does each policy get under each attacker?",
        says=_says(result),
        reds=[(red.key, red.summary, _weight(final.red.get(red.key))) for red in result.reds],
        rows=list(_rows(result)),
        value=number(final.value.mean),
        limits=interval(final.value.low, final.value.high, number),
    )
    return Section("pairs", "All pairs", html, source("oracle/page.css"))


def _says(result: OracleResult) -> str:
    worst = {blue.key: result.worst(blue.key) for blue in result.blues}
    best = max(worst, key=lambda key: worst[key][1].mean)
    red, mean = worst[best]
    return (
        f"The policy that bears its worst attacker best is {best}: {number(mean.mean)} points per "
        f"episode under {red}. The mixture of policies gets {number(result.final.value.mean)} "
        "under the mixture of attackers."
    )


def _rows(result: OracleResult) -> Iterator[Row]:
    most = max(-pair.mean.mean for row in result.pairs for pair in row)
    for blue, row in zip(result.blues, result.pairs, strict=True):
        worst, _ = result.worst(blue.key)
        cells = [
            Cell(
                number(pair.mean.mean),
                interval(pair.mean.low, pair.mean.high, number),
                _look(-pair.mean.mean / most) if most > 0 else "",
                red.key == worst,
            )
            for pair, red in zip(row, result.reds, strict=True)
        ]
        yield Row(blue.key, _origin(blue), _weight(result.final.blue.get(blue.key)), cells)


def _origin(blue: Blue) -> str:
    name = str(blue.policy.get("name", "unnamed"))
    if blue.teacher is not None:
        return f"{name}, trained from {blue.teacher}"
    return "" if name == blue.key else name


def _weight(weight: float | None) -> str:
    return percent(weight) if weight else "–"


def _look(share: float) -> str:
    size = sum(share >= least for least in _MUCH)
    return f"hot much{size}" if size else ""
