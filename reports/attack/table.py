"""The attack in words, and its table beside CC4's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.attack.results import AttackResult
from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, RedAction, State
from cagexplain.cc4.red_table import STATES, RedTable, allowed
from reports.attack import words
from reports.kit import terms
from reports.kit.numbers import percent
from reports.kit.pages import source
from reports.kit.sections import Section, render

_MUCH: Final = (0.05, 0.2, 0.4, 0.7)
"""Differences of probabilities from which on a cell has the next darker colour."""


@dataclass(frozen=True)
class Cell:
    """A probability of the table.

    Attributes:
        value, usual: here and in CC4's table, as text.
        look: CSS classes; of how much it differs.
        differs: whether it does so visibly.
    """

    value: str
    usual: str
    look: str
    differs: bool


@dataclass(frozen=True)
class Row:
    """A state: its hosts' weight among those of all states, as text, and its actions."""

    state: str
    means: str
    weight: Cell
    cells: Sequence[Cell | None]


def section(result: AttackResult) -> Section:
    """Make the section."""
    red, usual = (
        RedTable.from_document(judged.table) for judged in (result.worst, result.standard)
    )
    told = words.told(red)
    html = render(
        "attack/table.html.j2",
        asks="What does this attacker do?",
        says=told[0],
        told=told[1:],
        name=result.found,
        actions=list(zip(RED_ACTION_NAMES, terms.RED_ACTIONS, strict=True)),
        rows=list(_rows(red, usual)),
    )
    return Section("attack", "In words and as a table", html, source("attack/page.css"))


def _rows(red: RedTable, usual: RedTable) -> Iterator[Row]:
    for state in STATES:
        yield Row(
            state.name,
            terms.STATES[state.name],
            _cell(_weight(red, state), _weight(usual, state)),
            [_probability(red, usual, state, action) for action in RedAction],
        )


def _weight(red: RedTable, state: State) -> float:
    """The chance of a state where red has hosts in all of them, as many in each."""
    if red.state_weight is None:
        return 1 / len(STATES)
    return float(red.state_weight[state] / red.state_weight.sum())


def _probability(red: RedTable, usual: RedTable, state: State, action: RedAction) -> Cell | None:
    """None for what no such red can do there."""
    here, there = (float(table.probability[state, action]) for table in (red, usual))
    if not here and not there and not allowed(red.impacts)[state, action]:
        return None
    return _cell(here, there)


def _cell(here: float, there: float) -> Cell:
    size = sum(abs(here - there) >= least for least in _MUCH)
    look = f"{'more' if here > there else 'less'} much{size}" if size else ""
    return Cell(percent(here), percent(there), look, bool(size))
