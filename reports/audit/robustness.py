"""The policy under other conditions."""

from __future__ import annotations

from cagexplain.audit.results import Audit, Variation
from reports.audit.scale import change_bars
from reports.audit.verdict import STYLE
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
        rows=[(v, bar, _style(v)) for v, bar in zip(audit.variations, bars, strict=True)],
        findings=[f for f in audit.findings if f.axis == "robustness"],
        known={finding.id for finding in audit.findings},
        why_not=_why_not,
    )
    return Section("robustness", _TITLE, html, STYLE)


def _says(audit: Audit) -> str:
    # That a lost agent's own subnets fall is no news; what the others lose is judged.
    compared = [v for v in audit.variations if v.change is not None and v.group != "team"]
    lost = [v for v in compared if v.change is not None and v.change.loses]
    if not compared:
        return "No other condition can be compared with the usual ones."
    if not lost:
        return f"None of {len(compared)} other conditions surely costs points."
    worst = min(lost, key=lambda v: v.change.mean if v.change else 0.0)
    change = show.points(worst.change) if worst.change else ""
    return (
        f"{len(lost)} of {len(compared)} other conditions surely cost{'s' * (len(lost) == 1)} "
        f"points; most does “{worst.name}”: {change}. {_beside_the_expert(audit)}"
    ).strip()


def _beside_the_expert(audit: Audit) -> str:
    """Under which condition the policy does worst beside a fixed good defender."""
    judged = [(v.multiple.mean, v) for v in audit.variations if v.multiple is not None]
    if not judged:
        return ""
    _, worst = max(judged, key=lambda pair: pair[0])
    return (
        f"Beside the built-in expert it does worst under “{worst.name}”: "
        f"{show.times(worst.multiple)} what it may lose {show.times_limits(worst.multiple)}."
    )


def _why_not(variation: Variation) -> str:
    """Why a condition has no verdict of its own."""
    if variation.key == "usual":
        return "what the others are held against"
    if variation.group == "training":
        return f"{variation.check} judges all training seeds together"
    if variation.undone is not None:
        return "judged by what it undoes"
    return "not judged"


def _style(variation: Variation) -> str:
    """CSS class of a change."""
    if variation.change is None or not variation.change.clear:
        return "open"
    return "worse" if variation.change.loses else "better"
