"""The page about one policy: what it does, when, how it reacts, and how well it defends."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from cagexplain.analysis.fsm import FsmAnalysis
from cagexplain.analysis.reactions import Reactions
from cagexplain.analysis.soc import Soc
from cagexplain.analysis.study_tables import StudyTables
from reports import words
from reports.fsm_drawing import Drawing
from reports.layout import Chapter, layout
from reports.sections import (
    Section,
    circumstances,
    distributions,
    gap,
    machine,
    methods,
    overview,
    red,
    render,
    run,
    study_tables,
    timeline,
    truth,
)
from reports.sections import reactions as reactions_section
from reports.sections import soc as soc_section
from reports.words import reactions as reaction_words
from reports.words import soc as soc_words
from reports.words.findings import Finding, compromised_time


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page."""

    value: str
    name: str
    note: str


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
    reactions: Reactions | None = None,
    tables: StudyTables | None = None,
    soc: Soc | None = None,
) -> Page:
    """Make the page; what is not given is a marked gap in it.

    Args:
        analysis: of the trace.
        reactions: of the same trace.
        tables: the study's three tables of it.
        soc: its metrics.
    """
    facts = analysis.facts
    again = f"cagexplain fsm-report {shlex.quote(facts.trace)}"
    drawn = machine.drawings(analysis)
    html = layout(
        title=f"{facts.name}: what it does, and when",
        header=render(
            "header.html.j2",
            facts=facts,
            episodes=len(facts.seeds),
            tiles=_tiles(analysis),
            brief_facts=run.brief(facts),
        ),
        chapters=[
            Chapter("Summary", [overview.section(analysis, list(_more(reactions, soc)))]),
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
                "How it reacts and defends",
                [
                    reactions_section.section(reactions)
                    if reactions is not None
                    else _missing("reactions", "Reactions", again),
                    study_tables.section(tables)
                    if tables is not None
                    else _missing("study", "The study’s three tables", again),
                    soc_section.section(soc)
                    if soc is not None
                    else _missing("soc", "SOC metrics", again),
                ],
            ),
            Chapter("Whom it meets", [truth.section(analysis), red.section(analysis)]),
            Chapter("In detail", [timeline.section(analysis.timelines)]),
            Chapter("About this page", [methods.section(), run.section(analysis)]),
        ],
        footer=f"From the trace “{facts.trace}”.",
    )
    return Page(html, drawn[0].drawing)


def _missing(id: str, title: str, command: str) -> Section:
    """A section whose analysis was not made."""
    return Section(id, title, gap("This was not analysed.", "Make the report again:", command))


def _more(reactions: Reactions | None, soc: Soc | None) -> Iterator[Finding]:
    """Findings beyond those of the state machine."""
    if reactions is not None:
        yield from reaction_words.findings(reactions)
    if soc is not None:
        yield from soc_words.findings(soc)


def _tiles(analysis: FsmAnalysis) -> Iterator[Tile]:
    total, n = analysis.returns.total, len(analysis.facts.seeds)
    yield Tile(words.number(total.mean), "return per episode", words.estimate_interval(total))
    compromised, root = compromised_time(analysis)
    yield Tile(
        words.percent(compromised),
        "of host-time with a red session",
        f"{words.percent(root)} with root",
    )
    yield Tile(
        words.number(analysis.effort.total),
        "blue decisions",
        f"{words.number(analysis.effort.total / n)} per episode, all agents together",
    )
    in_root = max(
        (mix for mix in analysis.mix.targeted if mix.group in ("R", "RD")),
        key=lambda mix: mix.total,
    )
    top = in_root.top
    if top is None:
        yield Tile("never", f"does blue act on hosts in {in_root.group}", "no decision there")
        return
    named = in_root.clear or top.low is None
    yield Tile(
        top.name if named else "No favourite",
        f"{'most often done to' if named else 'among actions on'} hosts in {in_root.group}",
        f"{top.name} {words.percent(top.share)} of {words.number(in_root.total)}, "
        f"{words.interval(top)}",
    )
