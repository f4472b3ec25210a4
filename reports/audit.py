"""The page of an audit: would you let this policy defend your network?"""

from __future__ import annotations

from collections.abc import Mapping

from cagexplain.analysis.decisions.explain import DecisionReport
from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.trees.results import Surrogate
from cagexplain.audit.results import Audit
from reports.layout import Chapter, layout
from reports.sections import (
    audit_about,
    audit_agents,
    audit_baseline,
    audit_checks,
    audit_machine,
    audit_moments,
    audit_prices,
    audit_robustness,
    audit_rules,
    audit_standing,
    audit_top,
    audit_verdict,
)
from reports.words import audit as told


def audit_page(
    audit: Audit,
    *,
    analysis: FsmAnalysis | None = None,
    explanations: DecisionReport | None = None,
    surrogate: Surrogate | None = None,
    why_not: Mapping[str, str] | None = None,
) -> str:
    """Make the page, one self-contained HTML document; what is not given is a marked gap in it.

    Args:
        audit: that is told.
        analysis: of the trace that was audited.
        explanations: of decisions in it.
        surrogate: decision trees of the policy.
        why_not: why one of the last two, by its name here, is missing although it was asked for.
    """
    reasons = why_not or {}
    compared = audit.baseline
    chapters = [
        Chapter(
            "Summary",
            [
                audit_verdict.section(audit),
                audit_top.section(audit),
                audit_prices.section(audit),
                *([audit_baseline.section(audit, compared)] if compared is not None else []),
            ],
        ),
        Chapter(
            "What it does",
            [
                audit_machine.section(analysis),
                audit_moments.section(
                    explanations, told.steps_of(audit), reasons.get("explanations", "")
                ),
                audit_agents.section(audit, analysis),
                audit_rules.section(audit, surrogate, reasons.get("surrogate", "")),
            ],
        ),
        Chapter(
            "How far it holds", [audit_robustness.section(audit), audit_standing.section(audit)]
        ),
        Chapter("All checks", [audit_checks.section(audit)]),
        Chapter(
            "About this page",
            [
                audit_about.methods(audit),
                audit_about.glossary(),
                audit_about.provenance(audit),
            ],
        ),
    ]
    return layout(
        title=f"{told.name_of(audit)}: audit",
        header=audit_verdict.header(audit),
        chapters=chapters,
        footer=f"Audit of “{told.name_of(audit)}”, {audit.created}.",
    )
