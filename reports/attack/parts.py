"""Which parts of the attack matter: put back to CC4's own, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cagexplain.attack import figures as computed
from cagexplain.attack.results import AttackResult
from reports.attack import figures, words
from reports.attack.figures import Figure
from reports.kit.numbers import percent
from reports.kit.pages import source
from reports.kit.sections import Section, gap, render

_TITLE = "What of it matters"


@dataclass(frozen=True)
class Row:
    """A part.

    Attributes:
        name: in words.
        gained: how much the policy loses less without it; by mean, in points.
        width: of the bar, in per cent of what the whole attack costs.
        share: of what the whole attack costs, as text.
        returned, change: with the part put back, as text.
    """

    name: str
    gained: float
    width: float
    share: str
    returned: Figure
    change: Figure


def section(result: AttackResult) -> Section:
    """Make the section."""
    rows = sorted(_rows(result), key=lambda row: -row.gained)
    if not rows:
        html = gap(
            "No part of it was put back.", "It is CC4’s own red, or nothing of it was tried."
        )
        return Section("parts", _TITLE, html)
    html = render(
        "attack/parts.html.j2",
        asks="Which parts of the attack does the loss come from?",
        says=_says(rows[0]),
        rows=rows,
        episodes=len(result.ablation[0].policy),
    )
    return Section("parts", _TITLE, html, source("attack/page.css"))


def _says(first: Row) -> str:
    if first.gained <= 0:
        return "No single part: whatever is put back, the others cost as much."
    return (
        f"Most hangs on {first.name}: with it put back, {percent(first.width / 100)} of what the "
        "attack costs is gone."
    )


def _rows(result: AttackResult) -> Iterator[Row]:
    worst, standard = result.worst.policy, result.standard.policy
    cost = -computed.change(worst, standard).mean
    for ablation in result.ablation:
        estimate = computed.change(ablation.policy, worst)
        share = estimate.mean / cost if cost > 0 else 0.0
        yield Row(
            words.part(ablation.part),
            estimate.mean,
            min(max(100 * share, 0.0), 100.0),
            percent(max(share, 0.0)) if cost > 0 else "–",
            figures.points(computed.mean(ablation.policy)),
            figures.change(estimate),
        )
