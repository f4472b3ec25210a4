"""The policy under other conditions."""

from __future__ import annotations

from cagexplain.audit.results import Audit, Variation
from reports.audit.scale import change_bars
from reports.audit.verdict import STYLE
from reports.kit.numbers import percent
from reports.kit.sections import Section, gap, render
from reports.shared import show

_TITLE = "Under other conditions"


def section(audit: Audit) -> Section:
    """Make the section; a marked gap if nothing else was tried."""
    if not audit.variations:
        html = gap(
            "The policy was not played under other conditions.", "That takes its checkpoint."
        )
        return Section("robustness", _TITLE, html, STYLE)
    bars = change_bars([variation.change for variation in audit.variations])
    html = render(
        "audit/robustness.html.j2",
        show=show,
        says=_says(audit),
        rows=[(v, bar, _look(v)) for v, bar in zip(audit.variations, bars, strict=True)],
        findings=[f for f in audit.findings if f.axis == "robustness"],
        known={finding.id for finding in audit.findings},
    )
    return Section("robustness", _TITLE, html, STYLE)


def _says(audit: Audit) -> str:
    lost = [v for v in audit.variations if v.change is not None and _look(v)[0] == "worse"]
    compared = [v for v in audit.variations if v.change is not None]
    if not compared:
        return "No other condition can be compared with the usual ones."
    if not lost:
        return f"None of {len(compared)} other conditions surely costs points."
    worst = min(lost, key=lambda v: v.change.mean if v.change else 0.0)
    share = worst.relative_loss
    lead = f", {percent(share.mean)} of its lead over doing nothing" if share else ""
    change = show.points(worst.change) if worst.change else ""
    return (
        f"{len(lost)} of {len(compared)} other conditions surely cost{'s' * (len(lost) == 1)} "
        f"points; most does "
        f"“{worst.name}”: {change}{lead}."
    )


def _look(variation: Variation) -> tuple[str, str]:
    """CSS class and words for a change."""
    if variation.change is None:
        return "open", "not compared"
    if not variation.change.clear:
        return "open", "no clear change"
    return ("better", "better") if variation.change.mean > 0 else ("worse", "worse")
