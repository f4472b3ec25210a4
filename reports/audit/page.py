"""The page of an audit: would you let this policy defend your network?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cagexplain.analysis.decisions.explain import DecisionReport
from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.trees.results import Surrogate
from cagexplain.audit.results import Audit
from reports.audit import (
    about,
    agents,
    autonomy,
    baseline,
    checks,
    evaluators,
    machine,
    moments,
    prices,
    robustness,
    rules,
    standing,
    top,
    verdict,
)
from reports.kit.layout import Chapter, layout
from reports.shared import show, spread


def audit_page(
    audit: Audit,
    *,
    analysis: FsmAnalysis | None = None,
    explanations: DecisionReport | None = None,
    timelines: Sequence[Timeline] = (),
    surrogate: Surrogate | None = None,
    why_not: Mapping[str, str] | None = None,
) -> str:
    """Make the page, one self-contained HTML document; what is not given is a marked gap in it.

    Args:
        audit: to show.
        analysis: of the trace that was audited.
        explanations: of decisions in it.
        timelines: of the episodes that these are in, for a map of each.
        surrogate: decision trees of the policy.
        why_not: why one of the last two, by its name here, is missing although it was asked for.
    """
    reasons = why_not or {}
    compared = audit.baseline
    chapters = [
        Chapter(
            "Summary",
            [
                verdict.section(audit),
                top.section(audit),
                spread.section(analysis),
                prices.section(audit),
                *([baseline.section(audit, compared)] if compared is not None else []),
            ],
        ),
        Chapter(
            "What it does",
            [
                machine.section(analysis),
                moments.section(
                    explanations,
                    show.steps_of(audit),
                    reasons.get("explanations", ""),
                    {finding.id for finding in audit.findings},
                    timelines,
                ),
                agents.section(audit, analysis),
                rules.section(audit, surrogate, reasons.get("surrogate", "")),
            ],
        ),
        Chapter("How far it holds", [robustness.section(audit)]),
        Chapter("For evaluators", [autonomy.section(audit), evaluators.section(audit)]),
        Chapter("All checks", [checks.section(audit), standing.section(audit)]),
        Chapter(
            "About this page",
            [
                about.methods(audit),
                about.glossary(),
                about.provenance(audit),
            ],
        ),
    ]
    return layout(
        title=f"{show.name_of(audit)}: audit",
        header=verdict.header(audit),
        chapters=chapters,
        footer=f"Audit of “{show.name_of(audit)}”, {audit.created}.",
    )
