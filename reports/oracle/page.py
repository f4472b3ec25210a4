"""The page of a double oracle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cagexplain.attack.oracle.results import OracleResult
from reports.kit.layout import Chapter, layout
from reports.kit.numbers import number
from reports.kit.sections import render
from reports.oracle import about, pairs, rounds

FEW: Final = 30
"""With fewer held-out episodes the page warns."""


@dataclass(frozen=True)
class OraclePage:
    """The finished page."""

    html: str


def oracle_report(result: OracleResult) -> OraclePage:
    """Make the page."""
    html = layout(
        title="Policies and attackers that answer each other",
        header=_header(result),
        chapters=[
            Chapter("Summary", [pairs.section(result), rounds.section(result)]),
            Chapter("About this page", [about.section(result)]),
        ],
        footer="From oracle.json.",
    )
    return OraclePage(html)


def _header(result: OracleResult) -> Markup:
    return render(
        "oracle/header.html.j2",
        blues=len(result.blues),
        reds=len(result.reds),
        rounds=number(len(result.rounds)),
        episodes=len(result.seeds),
        few=len(result.seeds) < FEW,
    )
