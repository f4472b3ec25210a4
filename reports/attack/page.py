"""The page about the attacker that a policy bears worst."""

from __future__ import annotations

from dataclasses import dataclass

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.attack.learned import LearnedResult
from cagexplain.attack.results import AttackResult
from reports.attack import advice, damage, exploitability, learning, parts, search, sight, table
from reports.attack.header import header
from reports.kit.layout import Chapter, layout
from reports.shared import timeline


@dataclass(frozen=True)
class AttackPage:
    """The finished page."""

    html: str


def attack_report(
    result: AttackResult,
    analysis: FsmAnalysis | None = None,
    learned: LearnedResult | None = None,
) -> AttackPage:
    """Make the page.

    Args:
        result: of the attack.
        analysis: of the trace of episodes under FOUND, the first of whose timelines is shown; what
            rests on it is a marked gap without.
        learned: a red that has learned from FOUND; without, nothing is said of one.
    """
    html = layout(
        title=f"{result.policy.get('name', 'unnamed')}: how bad it can get",
        header=header(result),
        chapters=[
            Chapter("Summary", [exploitability.section(result), advice.section(result, analysis)]),
            Chapter("The attack", [table.section(result), parts.section(result)]),
            Chapter("Beyond a table", [learning.section(learned)] if learned else []),
            Chapter(
                "What it does",
                [
                    damage.section(result),
                    sight.section(analysis),
                    timeline.section(analysis.timelines[:1] if analysis else ()),
                ],
            ),
            Chapter("About this page", [search.section(result)]),
        ],
        footer="From attack.json.",
    )
    return AttackPage(html)
