"""Round by round: the mixtures, the answers to them, and what these gain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cagexplain.analysis.fsm.analyse import MeanReturn
from cagexplain.attack.oracle.results import OracleResult, Weights
from reports.kit.numbers import interval, number, percent
from reports.kit.sections import Section, render


@dataclass(frozen=True)
class Row:
    """A round, as text; figures are a mean and its interval."""

    number: int
    blue: str
    red: str
    red_answer: str
    blue_answer: str
    low: tuple[str, str]
    high: tuple[str, str]
    gap: tuple[str, str]


def section(result: OracleResult) -> Section:
    """Make the section."""
    html = render(
        "oracle/rounds.html.j2",
        asks="How far are the mixtures from an equilibrium?",
        says=_says(result),
        rows=list(_rows(result)),
    )
    return Section("rounds", "Round by round", html)


def _says(result: OracleResult) -> str:
    last = result.rounds[-1]
    gap = last.gap
    if gap.low is not None and gap.low > 0:
        return (
            f"At least {number(gap.mean)} points per episode: in the last round, red’s answer "
            f"({last.red}) pressed blue’s mixture down to {number(last.low.mean)}, and blue’s "
            f"({last.blue}) got {number(last.high.mean)} from red’s mixture."
        )
    return (
        "In the last round neither search nor training answered the other side’s mixture with "
        "something surely better. That is no proof that there is nothing better."
    )


def _rows(result: OracleResult) -> Iterator[Row]:
    for number_, each in enumerate(result.rounds, start=1):
        yield Row(
            number_,
            _mixture(each.mixtures.blue),
            _mixture(each.mixtures.red),
            each.red,
            each.blue,
            *map(_figure, (each.low, each.high, each.gap)),
        )


def _figure(mean: MeanReturn) -> tuple[str, str]:
    return number(mean.mean), interval(mean.low, mean.high, number)


def _mixture(weights: Weights) -> str:
    return ", ".join(f"{key} {percent(weight)}" for key, weight in weights.items())
