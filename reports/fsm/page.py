"""The page about one policy: what it does, when, how it reacts, and how well it defends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cagexplain.analysis.decisions.explain import DecisionReport
from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.trees.results import Surrogate
from reports.drawings.fsm import Drawing
from reports.fsm import (
    circumstances,
    distributions,
    machine,
    methods,
    overview,
    reactions,
    red,
    run,
    soc,
    study_tables,
    truth,
)
from reports.fsm.header import header
from reports.kit.layout import Chapter, layout
from reports.shared import decisions, spread, timeline, trees


@dataclass(frozen=True)
class Page:
    """The finished report.

    Attributes:
        html: the whole page.
        drawing: the picture of the whole team's state machine that is in it.
    """

    html: str
    drawing: Drawing


def fsm_report(
    analysis: FsmAnalysis,
    *,
    surrogate: Surrogate | None = None,
    explanations: DecisionReport | None = None,
    why_not: Mapping[str, str] | None = None,
) -> Page:
    """Make the page; what is not given is a marked gap in it.

    Args:
        analysis: of the trace.
        surrogate: decision trees of its policy.
        explanations: of decisions in the trace.
        why_not: why one of these two, by its name here, is missing although it was asked for.
    """
    facts, reasons = analysis.facts, why_not or {}
    drawn = machine.drawings(analysis)
    chapters = [
        Chapter("Summary", [overview.section(analysis)]),
        Chapter(
            "What blue does",
            [
                machine.section(analysis, drawn),
                distributions.targeted(analysis),
                distributions.situational(analysis),
                circumstances.section(analysis),
            ],
        ),
        Chapter(
            "How it reacts",
            [reactions.section(analysis.reactions), study_tables.section(analysis.study_tables)],
        ),
        Chapter(
            "How well it defends",
            [
                spread.section(analysis),
                soc.section(analysis.soc),
                truth.section(analysis),
                red.section(analysis),
            ],
        ),
        Chapter(
            "Why",
            [
                timeline.section(
                    analysis.timelines, decisions.marked(explanations, analysis.timelines)
                ),
                decisions.section(
                    explanations,
                    reasons.get("explanations", ""),
                    {timeline.episode for timeline in analysis.timelines},
                ),
                trees.section(surrogate, reasons.get("surrogate", "")),
            ],
        ),
        Chapter("About this page", [methods.section(), run.section(analysis)]),
    ]
    html = layout(
        title=f"{facts.name}: what it does, and when",
        header=header(analysis),
        chapters=chapters,
        footer=f"From the trace “{facts.trace}”.",
    )
    return Page(html, drawn[0].drawing)
