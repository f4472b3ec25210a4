"""How the attacker was found, and what the figures mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cagexplain.attack.results import AttackResult, Generation
from cagexplain.attack.rules import MEANING
from cagexplain.cc4 import phases
from reports.kit import numbers, terms
from reports.kit.charts import Chart, Frame, Tick, ticks
from reports.kit.charts import Line as Drawn
from reports.kit.numbers import number
from reports.kit.sections import Section, render


def section(result: AttackResult) -> Section:
    """Make the section."""
    history = result.search.history
    html = render(
        "attack/search.html.j2",
        asks="How was this attacker found?",
        says=_says(result),
        facts=list(_facts(result)),
        chart=_chart(history) if len(history) > 1 else None,
    )
    return Section("search", "How it was found", html)


def _says(result: AttackResult) -> str:
    search = result.search
    tried = len(search.history) * search.population
    begun = f"From {search.start}, the worst of the portfolio or what was given,"
    if result.worst.role != "searched":
        return f"{begun} {number(tried)} attackers were tried, and none proved worse than it."
    return f"{begun} {number(tried)} attackers were tried."


def _facts(result: AttackResult) -> Iterator[tuple[str, str]]:
    search, options = result.search, result.options
    yield "Policy", str(result.policy.get("name", "unnamed"))
    if result.policy.get("sha256"):
        yield "SHA-256", str(result.policy["sha256"])
    yield "Rules", f"{result.rules}: {MEANING[result.rules]}"
    yield "Aim", terms.AIMS[result.aim]
    yield "Start", f"{search.start}, each candidate in {number(search.portfolio_episodes)} episodes"
    yield (
        "Search",
        f"CMA-ES over {search.parameters} numbers, {len(search.history)} generations of "
        f"{search.population} attackers, {search.episodes} episodes each, seed {search.seed}",
    )
    yield "Choice of the worst", f"among five, in {number(search.chosen_episodes)} episodes each"
    first, last = result.seeds[0], result.seeds[-1]
    yield "Held-out seeds", f"{first} to {last}"
    if isinstance(steps := options.get("steps"), int):
        yield "Episode length", f"{phases.calls(steps)} steps played (CybORG’s steps={steps})"
    yield "Condition", str(options.get("condition", "standard"))
    if search.budget is not None:
        yield "Budget", f"{number(search.budget)} seconds"
    yield "Time", f"{numbers.decimal(search.seconds)} seconds of search"
    yield "Made", f"{result.created}, cagexplain {result.version}"


def _chart(history: Sequence[Generation]) -> Chart:
    """Losses by generation: of the candidates' mean, and of the best."""
    losses = [(-each.mean, -each.best) for each in history]
    most = max(max(pair) for pair in losses) or 1.0
    frame = Frame(len(history), most, 1, width=460, height=200, left=56)
    steps = range(1, len(history) + 1)
    lines = [
        Drawn(
            name,
            look,
            frame.line([(step, pair[i]) for step, pair in zip(steps, losses, strict=True)]),
        )
        for i, (name, look) in enumerate((("mean of all", "base"), ("best", "look1")))
    ]
    return Chart(
        "Loss by generation",
        f"best from {number(losses[0][1])} to {number(losses[-1][1])} points",
        frame,
        [Tick(frame.x(x), f"{x:g}") for x in ticks(1, len(history), factors=(1, 2, 5, 10))],
        [Tick(frame.y(y), number(y)) for y in ticks(0, most)],
        "generation",
        lines,
    )
