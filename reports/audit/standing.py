"""Where the policy stands among the reference policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.results import Audit, Finding, Measured
from reports.audit.scale import Bar, bar
from reports.audit.verdict import STYLE
from reports.kit.sections import Section, gap, render
from reports.shared import findings as words
from reports.shared import show

_TITLE = "Among other policies"
_RETURN: Final = "mean return per episode"


@dataclass(frozen=True)
class Standing:
    """A number of the policy on a line with those of the others.

    Attributes:
        check: whose number it is; None for the return.
        measured: the number; bar: the drawing.
        ends: of the scale, in words.
        standing: how many do better.
    """

    check: Finding | None
    measured: Measured
    bar: Bar
    ends: tuple[str, str]
    standing: str


def section(audit: Audit) -> Section:
    """Make the section; a marked gap without reference policies."""
    strips = _strips(audit)
    if not strips:
        html = gap("There are no reference policies for these numbers.", "")
        return Section("standing", _TITLE, html, STYLE)
    names = list(dict.fromkeys(name for strip in strips for name in strip.measured.standing))
    html = render(
        "audit/standing.html.j2",
        show=show,
        says=strips[0].standing,
        strips=strips,
        names=names,
        references=sorted(audit.references, key=lambda reference: -reference.mean_return),
        policy=show.name_of(audit),
        known={finding.id for finding in audit.findings},
        key=render("audit/key.html.j2", others=True),
    )
    return Section("standing", _TITLE, html, STYLE)


def _strips(audit: Audit) -> list[Standing]:
    overall = [_strip(None, score(audit))] if audit.references else []
    main = [(f, f.measures[0]) for f in audit.findings if f.measures and f.measures[0].standing]
    return [*overall, *(_strip(finding, measured) for finding, measured in main)]


def score(audit: Audit) -> Measured:
    """The mean return as a number like those of the checks."""
    mean = audit.mean_return
    standing: dict[str, float | None] = {r.name: r.mean_return for r in audit.references}
    no_better = sum(reference.mean_return <= mean.mean for reference in audit.references)
    return Measured(
        key="return",
        name=_RETURN,
        unit="points",
        better="higher",
        good=None,
        bad=None,
        value=mean.mean,
        low=mean.low,
        high=mean.high,
        n=show.episodes_of(audit) or 0,
        reached=True,
        verdict="NOT_APPLICABLE",
        standing=standing,
        percentile=no_better / len(standing) if standing else None,
    )


def _strip(finding: Finding | None, measured: Measured) -> Standing:
    drawn = bar(measured, others=True)
    ends: Sequence[str] = [show.amount(end, measured.unit) for end in drawn.ends]
    return Standing(finding, measured, drawn, (ends[0], ends[1]), words.standing(measured))
