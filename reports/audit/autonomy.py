"""What the policy may do by itself: each kind of action with its precision and its worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.autonomy import KINDS, RULES, Kind
from cagexplain.audit.results import ActionAutonomy, Advice, Audit
from reports.audit.scale import change_bars
from reports.audit.verdict import STYLE
from reports.kit import numbers
from reports.kit.numbers import number, percent
from reports.kit.sections import Section, gap, render
from reports.shared import show

_TITLE: Final = "What it may do by itself"


@dataclass(frozen=True)
class Look:
    """How an advice reads, and its CSS class and icon, which are those of verdicts."""

    word: str
    style: str
    icon: str


LOOKS: Final[dict[Advice, Look]] = {
    "alone": Look("act alone", "pass", "✓"),
    "propose": Look("propose to an operator", "warn", "!"),
    "never": Look("never", "fail", "✗"),
    "undetermined": Look("not enough evidence", "open", "?"),
    "unused": Look("not used", "none", "–"),
}
"""By advice, in the order of the summary."""


@dataclass(frozen=True)
class Line:
    """A row of the table as it is shown."""

    row: ActionAutonomy
    look: Look
    share: str
    limits: str
    why: str


def section(audit: Audit) -> Section:
    """Make the section; a marked gap if the audit is of a version that did not ask."""
    if not audit.autonomy:
        html = gap("The audit does not say.", "Make it again with this version.")
        return Section("autonomy", _TITLE, html, STYLE)
    html = render(
        "audit/autonomy.html.j2",
        show=show,
        says=_says(audit),
        lines=list(
            zip(
                [_line(row) for row in audit.autonomy],
                change_bars([row.worth for row in audit.autonomy]),
                strict=True,
            )
        ),
        pairs=max(row.pairs for row in audit.autonomy),
        kinds=KINDS,
        rules=[(rule, LOOKS[rule.advice]) for rule in RULES.values()],
    )
    return Section("autonomy", _TITLE, html, STYLE)


def _says(audit: Audit) -> str:
    groups = (
        (look.word, [row.kind for row in audit.autonomy if row.advice == advice])
        for advice, look in LOOKS.items()
    )
    sentences = [f"{word}: {', '.join(kinds)}" for word, kinds in groups if kinds]
    says = "; ".join(sentences)
    return f"{says[0].upper()}{says[1:]}."


def _line(row: ActionAutonomy) -> Line:
    share, low, high = row.precision.value, row.precision.low, row.precision.high
    limits = ""
    if low is not None and high is not None:
        limits = numbers.between(numbers.amount(low, "share"), numbers.amount(high, "share"))
    return Line(
        row=row,
        look=LOOKS[row.advice],
        share="–" if share is None else percent(share),
        limits=f"({limits})" if limits else "",
        why=" ".join(_reasons(row, KINDS[row.kind])),
    )


def _reasons(row: ActionAutonomy, kind: Kind) -> Iterator[str]:
    yield RULES[row.rule].why
    short = [part for part in row.agents if part.fails]
    if 0 < len(short) < len(row.agents) and row.advice in ("alone", "propose"):
        agents = ", ".join(
            f"{show.place(part.name)} ({percent(1 - part.bad / part.n)} of {number(part.n)})"
            for part in short
        )
        yield f"Surely below the {percent(kind.good)} that acting alone takes: {agents}."
