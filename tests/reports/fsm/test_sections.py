"""What the sections of the page about one policy show of the analysis."""

import dataclasses

import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from cagexplain.analysis.reactions.results import LagPoint, Reaction
from cagexplain.stats.interval import Interval
from reports.fsm import (
    circumstances,
    machine,
    reactions,
    reactions_words,
    soc,
    study_tables,
)
from reports.kit import estimates, numbers
from tests.support.fixtures_pages import Analyse, Element, parse
from tests.support.page_checks import rows, table_with


def gaps(document: Element) -> list[str]:
    return [element.text for element in document if "gap" in element.classes]


def test_what_was_not_recorded_or_made_is_a_marked_gap(document: Element) -> None:
    found = gaps(document)
    assert len(found) == 5
    assert all(text.strip().startswith("Not shown.") for text in found)
    assert sum("without --no-observations" in text for text in found) == 3
    assert sum("fsm-report TRACE --critical" in text for text in found) == 1
    assert sum("fsm-report TRACE --rules" in text for text in found) == 1


def test_every_reaction_is_in_the_table_with_its_mark(
    analysis: FsmAnalysis, document: Element
) -> None:
    found = table_with(document, "reactions", "Lift")
    assert len(found) == len(analysis.reactions.reactions)
    for row, reaction in zip(found, analysis.reactions.reactions, strict=True):
        assert row[:3] == [reaction.event, reaction.response, reaction.scope]
        assert row[-1].endswith("★") == reaction.significant
        if reaction.best is None:
            assert row[-1].startswith("not enough data: n")
        else:
            assert row[4] == numbers.number(reaction.best.n)


POINT = LagPoint(3, 400, 120, 0.3, 0.1, 0.2, 0.15, 0.25, 3.0, 1e-6, 1e-4)
LAGS = tuple(dataclasses.replace(POINT, lag=lag) for lag in range(-5, 16))
REACTION = Reaction("process alert", "alert", "Restore", "host", 20, LAGS, POINT, True, (), ())


def with_reactions(analysis: FsmAnalysis, *found: Reaction) -> Element:
    changed = dataclasses.replace(analysis.reactions, reactions=found)
    return parse(str(reactions.section(changed).html))


def test_significance_is_told_by_a_mark_and_a_sign_not_by_colour_alone(
    analysis: FsmAnalysis,
) -> None:
    rarer = dataclasses.replace(
        REACTION,
        response="Remove",
        best=dataclasses.replace(POINT, difference=-0.06, lift=0.4),
    )
    unsure = dataclasses.replace(REACTION, response="Analyse", significant=False)
    cells = {
        cell.attributes["class"]: cell.text
        for cell in with_reactions(analysis, REACTION, rarer, unsure).all("td")
        if "title" in cell.attributes
    }
    assert cells["more much3"].startswith("▲ +20.0\u00a0pp ★")
    assert cells["less much2"].startswith("▼ −6.0\u00a0pp ★")
    assert cells["unsure"].startswith("+20.0") and "★" not in cells["unsure"]


def test_a_lag_profile_per_significant_reaction(analysis: FsmAnalysis) -> None:
    quiet = dataclasses.replace(REACTION, response="Analyse", significant=False)
    document = with_reactions(analysis, REACTION, quiet)
    labels = [
        svg.attributes["aria-label"]
        for svg in document.all("svg")
        if "→" in svg.attributes.get("aria-label", "")
    ]
    assert labels == [
        "process alert → Restore: 30\u00a0% at lag 3 against 10\u00a0% expected, "
        "+20.0\u00a0pp (+15.0\u00a0pp to +25.0\u00a0pp)"
    ]
    silent = with_reactions(analysis, quiet)
    assert "No pair of event and response differs" in silent.text


def test_too_few_events_give_no_number(analysis: FsmAnalysis) -> None:
    nothing = [
        LagPoint(lag, 7, 1, None, None, None, None, None, None, None, None) for lag in range(-5, 16)
    ]
    few = dataclasses.replace(REACTION, lags=tuple(nothing), best=None, significant=False)
    (cell,) = [c for c in with_reactions(analysis, few).all("td") if "title" in c.attributes]
    assert cell.text == "–n = 7"
    assert cell.attributes["title"] == "not enough data: n\u00a0=\u00a07"


@pytest.mark.parametrize(
    ("verdict", "begins"),
    [
        ("yes", "Yes, there are consistent reactions"),
        ("weak", "There are reactions, but weak ones"),
        ("no", "No consistent reaction was found"),
    ],
)
def test_the_answer_names_its_number(analysis: FsmAnalysis, verdict: str, begins: str) -> None:
    answer = dataclasses.replace(
        analysis.reactions.answer,
        **{"verdict": verdict, "consistency": 0.34, "low": 0.3, "high": 0.38, "event": "an alert"},
        **{"response": "Restore", "scope": "host", "lag": 1, "rate": 0.4, "base": 0.06, "n": 900},
        window=None,
    )
    text = reactions_words.answer(dataclasses.replace(analysis.reactions, answer=answer))
    assert text.startswith(f"{begins}: consistency 34\u00a0% (30\u00a0% to 38\u00a0%)")
    assert "1 step after" in text and "n\u00a0=\u00a0900" in text
    assert "of cases within 16 steps" in reactions_words.strongest(
        dataclasses.replace(answer, window=16)
    )


def test_every_metric_of_the_team_is_shown(analysis: FsmAnalysis, document: Element) -> None:
    shown = [
        row for table in document.all("table", within="soc") if "soc" in table.classes
        for row in rows(table)
    ]  # fmt: skip
    names = " ".join(row[0] for row in shown)
    for metric in analysis.soc.metrics:
        if metric.scope == "team":
            assert metric.name.removesuffix(" (median)").removesuffix(" (mean)") in names
    clean = analysis.soc.metric("clean_hosts")
    row = next(row for row in shown if row[0].startswith("Clean hosts"))
    assert row[1:3] == [numbers.plain(clean.value, "share"), estimates.metric_limits(clean)]
    assert "81\u00a0% H-MARL Expert" in row[-1]


def test_a_metric_without_a_value_says_why(analysis: FsmAnalysis) -> None:
    metrics = tuple(
        dataclasses.replace(m, value=None, low=None, high=None, reason="There were none.")
        for m in analysis.soc.metrics
    )
    changed = dataclasses.replace(analysis.soc, metrics=metrics)
    document = parse(str(soc.section(changed).html))
    for table in document.all("table"):
        assert all("There were none." in " ".join(row) for row in rows(table))


def test_the_tables_of_the_study(analysis: FsmAnalysis, document: Element) -> None:
    section = next(s for s in document.all("section") if s.attributes["id"] == "study")
    for table in analysis.study_tables.tables:
        if table.missing is None and table.strength is not None:
            assert f"Cramér’s V {table.strength:.2f}" in section.text
    against = dataclasses.replace(analysis.study_tables, supported=False, against=("after red",))
    text = str(study_tables.section(against).html)
    assert "does not hold for this policy: Blue after red" in text
    unknown = dataclasses.replace(analysis.study_tables, supported=None)
    assert "Unknown: not enough data" in str(study_tables.section(unknown).html)


def test_drawings_of_team_agents_and_phases_stand_side_by_side(
    analysis: FsmAnalysis, document: Element
) -> None:
    drawn = [
        svg.attributes["aria-label"].removeprefix("State machine: ")
        for svg in document.all("svg", within="machine")
        if "fsm" in svg.classes and "aria-label" in svg.attributes
    ]
    phases = [f"Phase: {phase}" for phase in analysis.mix_by_phase]
    assert drawn == ["Whole team", *analysis.mix_by_agent, *phases]


def test_sessions_that_red_notices_are_drawn_and_named(
    analysis: FsmAnalysis, analysed: Analyse
) -> None:
    noticing = analysed("sleep", red="silent_own")
    edges = [edge for edge in noticing.graph.transitions if edge.kind == "own"]
    drawn = machine.drawings(noticing)
    html = machine.section(noticing, drawn).html
    (table,) = (t for t in parse(html).all("table") if "Ending" in t.text)
    causes = [row[:2] for row in rows(table) if row[2] == "own session noticed"]
    assert causes == [[edge.source, edge.target] for edge in edges] != []
    svg = parse(drawn[0].drawing.svg)
    assert sum({"edge", "own"} <= element.classes for element in svg) == len(edges)
    assert "red noticed a session of its own on" in svg.text
    offer = 'data-hide="own"'
    assert offer in html
    assert offer not in machine.section(analysis, machine.drawings(analysis)).html


def test_stays_that_are_too_few_give_no_number(analysis: FsmAnalysis) -> None:
    nothing = Interval(None, None, None)
    states = tuple(
        dataclasses.replace(
            *(survival,), n=4, ended=1, enough=False, curve=(),
            median=nothing, p90=nothing, restricted_mean=nothing,
        )
        for survival in analysis.dwelling.states
    )  # fmt: skip
    changed = dataclasses.replace(
        analysis, dwelling=dataclasses.replace(analysis.dwelling, states=states)
    )
    drawn = machine.drawings(analysis)[:1]
    document = parse(str(machine.section(changed, drawn).html))
    table = next(t for t in document.all("table") if "9 in 10" in t.text)
    assert all(row[3] == "not enough data: n\u00a0=\u00a04" for row in rows(table))


def test_stays_that_are_enough_have_their_times(analysis: FsmAnalysis, document: Element) -> None:
    found = {row[0]: row[3:] for row in table_with(document, "machine", "9 in 10 end within")}
    known = {
        node.state: stays
        for node, stays in zip(analysis.graph.states, analysis.dwelling.states, strict=True)
        if stays.enough
    }
    assert len(known) > 3
    for state, stays in known.items():
        assert found[state][:2] == [estimates.steps(stays.median), estimates.steps(stays.p90)]


def test_what_evicts_red_is_shown_with_its_counts(analysis: FsmAnalysis, document: Element) -> None:
    found = table_with(document, "machine", "Losses")
    held = [c for c in analysis.evictions.causes if c.group in ("U", "UD", "R", "RD")]
    assert [(row[0], row[-1]) for row in found] == [
        (cause.group, numbers.number(cause.total)) for cause in held
    ]


def test_entropy_is_given_with_a_comparison(analysed: Analyse) -> None:
    document = parse(str(circumstances.section(analysed("sleep", 2)).html))
    (row, *_) = [
        r for table in document.all("table") if "equal choices" in table.text for r in rows(table)
    ]
    assert row[3].startswith("0.00") and row[4] == "1.0"
