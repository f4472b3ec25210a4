"""A red that has learned, beside the table that it began as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cagexplain.attack import figures as computed
from cagexplain.attack.learned import LearnedResult
from cagexplain.attack.results import Episodes
from reports.attack import figures
from reports.attack.figures import Figure
from reports.kit.numbers import decimal, number, percent
from reports.kit.sections import Section, render


@dataclass(frozen=True)
class Row:
    """One of both, as text."""

    name: str
    returned: Figure
    without: Figure
    phantom: str


def section(result: LearnedResult) -> Section:
    """Make the section."""
    html = render(
        "attack/learning.html.j2",
        asks="Does an attacker that learns do more harm than the table?",
        says=_says(result),
        rows=[_row(result.start, result.table), _row("learned", result.learned)],
        facts=list(_facts(result)),
    )
    return Section("learning", "An attacker that learns", html)


def _says(result: LearnedResult) -> str:
    change = figures.change(result.change)
    by = f"{change.value} points per episode ({change.limits or 'no interval'})"
    if result.worse:
        return f"Yes: it changes what the policy gets by {by}."
    if result.better:
        return f"No, it does less: it changes what the policy gets by {by}."
    return f"It is not shown that it does: the change is {by}."


def _row(name: str, episodes: Episodes) -> Row:
    return Row(
        name,
        figures.points(computed.mean(episodes)),
        figures.points(computed.mean(episodes, "without-contractor")),
        percent(episodes.phantom_share),
    )


def _facts(result: LearnedResult) -> Iterator[tuple[str, str]]:
    rounds, envs = number(len(result.history)), int(result.settings.get("envs", 0))
    yield "Learned", f"{rounds} rounds of {envs} episodes, {decimal(result.seconds)} seconds"
    first, last = number(result.history[0]), number(result.history[-1])
    yield "Mean in the first and last round", f"{first} and {last}"
    yield "Seed", str(result.seed)
