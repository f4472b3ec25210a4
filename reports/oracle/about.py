"""What was played, and what the figures mean."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.attack.oracle.results import OracleResult
from cagexplain.attack.rules import MEANING
from cagexplain.cc4 import phases
from reports.kit import terms
from reports.kit.numbers import number
from reports.kit.sections import Section, render


def section(result: OracleResult) -> Section:
    """Make the section."""
    html = render(
        "oracle/about.html.j2",
        asks="How was this played?",
        says="Each round plays all pairs, solves their game, and answers both mixtures.",
        facts=list(_facts(result)),
    )
    return Section("about", "How it was played", html)


def _facts(result: OracleResult) -> Iterator[tuple[str, str]]:
    plan, search, options = result.plan, result.plan.search, result.options
    yield "Points", terms.AIMS[result.aim]
    yield "Rules", f"{result.rules}: {MEANING[result.rules]}"
    yield (
        "Each search",
        f"CMA-ES from the worst of the portfolio and of red’s list, {number(plan.generations)} "
        f"generations of {search.population} attackers, {search.episodes} episodes each against "
        "every policy of the mixture",
    )
    yield "Each training", f"PPO, {number(plan.steps)} steps" if plan.steps else "none"
    yield "Seed of searches and trainings", str(result.seed)
    yield (
        "Episodes of a pair",
        f"{number(plan.table)} to choose by, {number(plan.held_out)} held out",
    )
    yield "Held-out seeds", f"{result.seeds[0]} to {result.seeds[-1]}"
    if isinstance(steps := options.get("steps"), int):
        yield "Episode length", f"{phases.calls(steps)} steps played (CybORG’s steps={steps})"
    yield "Condition", str(options.get("condition", "standard"))
    yield "Made", f"{result.created}, cagexplain {result.version}"
