"""Where and when the attack hurts, and how long red stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.attack.results import AttackResult, JudgedRed, Losses
from cagexplain.cc4 import network, phases, reward
from cagexplain.common.arrays import FloatArray
from reports.kit import terms
from reports.kit.numbers import decimal, number, percent
from reports.kit.pages import source
from reports.kit.sections import Section, render

_MUCH: Final = (0.03, 0.1, 0.2, 0.4)
"""Shares of the whole loss from which on a cell has the next darker colour."""
_COSTS: Final = "blue’s actions"
_NEVER: Final = "more than half outlast their episode"


@dataclass(frozen=True)
class Cell:
    """A loss per episode as text, the same under CC4's own red, and CSS classes of its size."""

    value: str
    usual: str
    look: str


@dataclass(frozen=True)
class Row:
    """A subnet or mission phase: its losses, the sum last."""

    name: str
    cells: Sequence[Cell]


def section(result: AttackResult) -> Section:
    """Make the section."""
    worst, usual = (_losses(red.losses) for red in (result.worst, result.standard))
    html = render(
        "attack/damage.html.j2",
        asks="Where and when does it hurt, and how long does red stay?",
        says=_says(result),
        causes=[*(terms.CAUSES[cause] for cause in reward.CAUSES), _COSTS],
        subnets=list(_by_subnet(worst, usual)),
        phases=list(_by_phase(worst, usual)),
        stays=list(_stays(result)),
    )
    return Section("damage", "Where it hurts", html, source("attack/page.css"))


@dataclass(frozen=True)
class Place:
    """Where and when much is lost: a subnet and a mission phase by CC4's names, and the share of
    all that is lost beyond what CC4's own red costs."""

    subnet: str
    phase: str
    share: float


def heaviest(result: AttackResult, zones: Sequence[int]) -> Place | None:
    """Of some subnets the one, with the phase, in which most is lost beyond what CC4's own red
    costs; None if nothing is."""
    more = _losses(result.worst.losses) - _losses(result.standard.losses)
    by_place = more.sum(axis=1)[:, list(zones)]
    whole = float(more.sum())
    if whole >= 0 or by_place.min() >= 0:
        return None
    phase, zone = map(int, np.unravel_index(int(by_place.argmin()), by_place.shape))
    share = float(by_place[phase, zone]) / whole
    return Place(network.ZONES[zones[zone]], phases.PHASE_NAMES[phase], share)


def _says(result: AttackResult) -> str:
    place = heaviest(result, range(network.N_ZONES))
    where = (
        "It costs no more than CC4’s own red."
        if place is None
        else f"Most is lost in {terms.subnet(place.subnet)} in phase {place.phase}: "
        f"{percent(place.share)} of what it costs beyond CC4’s own red."
    )
    if not result.worst.root.n:
        return f"{where} Red never had root on a defended host."
    stay = result.worst.root.median
    lasts = _NEVER if stay is None else f"half are over after {number(stay)} steps"
    return f"{where} Of red’s stays with root, {lasts}."


def _losses(losses: Losses) -> FloatArray:
    """``float64[phase, cause, zone]``; the last cause are the costs of actions, which have no
    subnet and stand behind all zones."""
    table = np.zeros((phases.N_PHASES, len(reward.CAUSE_NAMES), network.N_ZONES + 1))
    table[:, :-1, :-1] = losses.penalties
    table[:, -1, -1] = np.sum(losses.costs, axis=1)
    return table


def _by_subnet(worst: FloatArray, usual: FloatArray) -> Iterator[Row]:
    here, there = worst.sum(axis=0).T, usual.sum(axis=0).T
    names = [*map(terms.subnet, network.ZONES), "wherever"]
    order = [zone for zone in here.sum(axis=1).argsort() if here[zone].any() or there[zone].any()]
    yield from _rows(names, here, there, order)


def _by_phase(worst: FloatArray, usual: FloatArray) -> Iterator[Row]:
    here, there = worst.sum(axis=2), usual.sum(axis=2)
    yield from _rows(phases.PHASE_NAMES, here, there, range(phases.N_PHASES))


def _rows(
    names: Sequence[str], here: FloatArray, there: FloatArray, order: Sequence[int]
) -> Iterator[Row]:
    whole = float(here.sum())
    for place in order:
        yield Row(names[place], _cells(here[place], there[place], whole))
    yield Row("all", _cells(here.sum(axis=0), there.sum(axis=0), 0.0))


def _cells(here: FloatArray, there: FloatArray, whole: float) -> list[Cell]:
    values = [*zip(here.tolist(), there.tolist(), strict=True)]
    looks = [_look(value / whole) if whole else "" for value, _ in values]
    cells = [
        Cell(number(value), number(usual), look)
        for (value, usual), look in zip(values, looks, strict=True)
    ]
    return [*cells, Cell(number(float(here.sum())), number(float(there.sum())), "")]


def _look(share: float) -> str:
    size = sum(share >= least for least in _MUCH)
    return f"hot much{size}" if size else ""


def _stays(result: AttackResult) -> Iterator[tuple[str, list[str]]]:
    """What is told of stays with root, under CC4's own red and under FOUND."""
    reds = (result.standard, result.worst)
    told: dict[str, Callable[[JudgedRed], str]] = {
        "Stays with root per episode": lambda red: decimal(red.root.n / len(red.policy)),
        "of which blue ended": lambda red: percent(
            red.root.ended / red.root.n if red.root.n else None
        ),
        "Steps until half were over": lambda red: _steps(red.root.median),
        "Steps until nine in ten were over": lambda red: _steps(red.root.p90),
        "Defended hosts with root at a time": lambda red: decimal(red.root.held),
    }
    for name, value in told.items():
        yield name, [value(red) for red in reds]


def _steps(value: int | None) -> str:
    return "longer than the episode" if value is None else number(value)
