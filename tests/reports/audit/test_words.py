"""The audit in words, and where numbers lie on its bars."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.audit.check import UNITS
from cagexplain.audit.results import (
    Change,
    Finding,
    Part,
    Place,
    ReferencePolicy,
    Span,
    Variation,
)
from cagexplain.audit.suspects import suspects
from reports.audit import lead_words, robustness, verdict_words
from reports.audit.course import drawing
from reports.audit.scale import bar, change_bars, scale_of
from reports.kit.numbers import NBSP
from reports.shared import findings as words
from reports.shared import show
from tests.support import audits as made

numbers = st.floats(-1e4, 1e4, allow_nan=False)


def test_limits_that_are_not_reached() -> None:
    open_ended = made.measured(unit="steps", low=64.0, high=None, value=71.0)
    assert show.limits(open_ended).replace(NBSP, " ") == "64 steps or more"
    never = dataclasses.replace(open_ended, value=None, reached=False)
    assert show.value(never).startswith("not reached within an episode")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (Change(10.0, 4.0, 16.0), "pays"),
        (Change(-10.0, -16.0, -4.0), "makes things worse"),
        (Change(10.0, -1.0, 21.0), "no clear effect"),
        (Change(10.0, None, None), "no clear effect"),
    ],
)
def test_a_price_pays_only_if_its_interval_says_so(change: Change, word: str) -> None:
    assert show.pays(dataclasses.replace(made.GAIN, reward=change))[1] == word


@pytest.mark.parametrize("better", ["higher", "lower", None])
@pytest.mark.parametrize("mean", [-2.0, 2.0])
def test_the_turn_of_an_effect(better: str | None, mean: float) -> None:
    effect = made.effect(better=better, change=Change(mean, mean - 1, mean + 1))
    expected = "changed"
    if better is not None:
        expected = "better" if (mean > 0) == (better == "higher") else "worse"
    assert show.turn(effect) == expected
    assert show.turn(dataclasses.replace(effect, change=Change(mean, -3.0, 3.0))) == "not sure"


def test_places_are_readable() -> None:
    assert show.place("restricted_zone_a_subnet_user_host_3") == "restricted zone A, user host 3"
    assert show.place("office_network_subnet") == "office network"
    assert show.place("something else") == "something else"


def finding(**changes: object) -> Finding:
    return made.finding(**changes)


def test_the_number_that_fails_is_told_not_the_first_one() -> None:
    passing = made.measured(key="a", name="first number", verdict="PASS")
    failing = made.measured(key="b", name="second number")
    text = words.measurement(finding(measures=(passing, failing)), made.audit())
    assert text.startswith("The second number is")


def test_a_place_is_named_only_if_it_is_clearly_worse_and_has_cases() -> None:
    def where(*parts: Part) -> str:
        return words.where(finding(parts=parts)).replace(NBSP, " ")

    even = (Part("zone", "office_network_subnet", 50, 100), Part("zone", "b", 49, 100))
    assert where(*even) == ""
    few = (Part("zone", "office_network_subnet", 90, 100), Part("zone", "b", 0, 3))
    assert where(*few) == ""
    worse = (Part("zone", "office_network_subnet", 90, 100), Part("zone", "b", 20, 100))
    assert where(*worse) == "Most often wrong: office network (90 % of 100, overall 55 %)."


def test_the_part_that_fails_is_named_with_its_cases_and_limits() -> None:
    text = words.where(finding()).replace(NBSP, " ")
    assert text == (
        "Blue agent 1, operational zone A: 150 of 150 first responses to root access there speak "
        "against the policy (0 to 2.0 %; the limits hold for all parts at once)."
    )
    whole = words.measurement(finding(whole="PASS"), made.audit())
    assert "Over all cases, the share" in whole and "That alone would pass" in whole


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("link", "office_network_subnet from internet_subnet", "office network from internet"),
        ("host kind", "server", "server hosts"),
        ("agent was", "busy", "when the agent was busy"),
        ("change of phase", "15 steps after one", "15 steps after a change of phase"),
        ("episodes", "25 of 50 episodes", "in 25 of 50 episodes"),
    ],
)
def test_places_of_every_kind_are_named(kind: str, name: str, text: str) -> None:
    assert words.place_name(Place(kind, name)).endswith(text)


def test_a_change_point_has_its_interval() -> None:
    def since(*span: int | None) -> str:
        part = dataclasses.replace(made.WORST, since=Span(*span))
        return words.since(finding(worst=part)).replace(NBSP, " ")

    assert since(250, 245, 260) == "From step 250 (95 % interval 245 to 260) to the end of the " + (
        "episode."
    )
    assert since(0, 0, 0, 100, 95, 105) == (
        "From the first step to step 100 (95 % interval 95 to 105)."
    )
    assert "sure to within 5 steps" in since(250, 250, 250)
    assert words.since(finding()) == ""


def _health(verdict: str, **changes: object) -> Finding:
    return finding(id="POL-02", axis="health", severity="high", verdict=verdict, **changes)


def test_by_the_book_needs_that_nothing_fails_warns_or_is_open() -> None:
    def says(*findings: Finding) -> str:
        return verdict_words.headline(
            made.audit(practice="compliant", outcome="effective", findings=findings)
        )

    good = finding(verdict="PASS", worst=None)
    assert says(good, _health("PASS")) == "It defends well, and it goes by the book."
    assert "with 1 warning" in says(good, _health("WARN"))
    assert "1 open check" in says(good, _health("INCONCLUSIVE"))
    assert "fails 1 lesser check" in says(good, finding(severity="low"))
    for verdict in ("WARN", "INCONCLUSIVE", "FAIL"):
        assert "by the book" not in says(good, _health(verdict))


def test_the_counts_of_a_side_add_up() -> None:
    audit = made.audit()
    for about, counts in verdict_words.tally(audit):
        assert sum(counts[:-1]) == counts[-1], about
    assert verdict_words.tally(audit)[-1][1][-1] == len(audit.findings)
    text = verdict_words.practice(audit)
    for axis in ("practice", "health"):
        n = sum(f.axis == axis for f in audit.findings)
        (side,) = re.findall(rf"{axis.capitalize()}, {n} checks: ([^.]*)\.", text)
        counted = re.sub(r"\([^)]*\)", "", side).split(", ")
        assert sum(int(part.split()[0]) for part in counted) == n


def test_why_averting_much_is_no_praise() -> None:
    sleep = ReferencePolicy("sleep", "scripted", -6600.0, 100)
    blind = ReferencePolicy("restore_cycle", "scripted", -600.0, 100)
    text = verdict_words.score(made.audit(references=(sleep, blind))).replace(NBSP, " ")
    assert "averts 94 % of that. That share is no praise" in text
    assert "looks at no alert, averts 91 %" in text


def test_an_audit_that_could_not_see_enough_says_so() -> None:
    unclear = finding(verdict="INCONCLUSIVE", worst=None, more_episodes=140, p=None)
    audit = made.audit(practice="undetermined", outcome="undetermined", findings=(unclear,) * 3)
    text = lead_words.recommendation(audit, suspects(audit))
    assert text.startswith("Do not sign yet: this audit could not see enough.")
    assert "0 could be judged and 3 could not" in text and "140 more episodes" in text
    assert "could not see enough" in verdict_words.practice(audit)


def test_one_sentence_says_whether_to_sign() -> None:
    def says(**changes: object) -> str:
        audit = made.audit(**changes)
        return lead_words.recommendation(audit, suspects(audit)).replace(NBSP, " ")

    assert says(findings=(finding(),)) == (
        "Do not sign until blue agent 1, which guards operational zone A, is repaired: there, "
        "intruders with full control are not answered by a rebuild."
    )
    since = dataclasses.replace(made.WORST, place=(), since=Span(250, 245, 255))
    assert says(findings=(finding(worst=since),)).startswith(
        "Do not sign until the whole team is repaired for the time from step 250 on: intruders"
    )
    places = (Place("agent", "blue_agent_1"), Place("episodes", "25 of 50 episodes"))
    some = dataclasses.replace(made.WORST, place=places)
    assert "(it fails in 25 of 50 episodes)" in says(findings=(finding(worst=some),))
    fine = {"practice": "compliant", "outcome": "effective"}
    passed = finding(verdict="PASS", worst=None)
    assert says(**fine, findings=(passed,)) == (
        "Nothing was found against signing, within what this audit can see (100 episodes of a "
        "simulated network and attacker)."
    )
    warned = says(**fine, findings=(passed, finding(verdict="WARN", worst=None)))
    assert warned.startswith("Nothing failed") and "weigh 1 warning, first: in part: " in warned
    brittle = says(**fine, findings=(passed, finding(axis="robustness", worst=None)))
    assert brittle.startswith("Of practice, health and outcome nothing failed")
    lesser = says(**fine, findings=(passed, finding(severity="low")))
    assert lesser.startswith("Sign only if you can do without blue agent 1")


def test_four_answers_for_a_reader_in_a_hurry() -> None:
    audit = made.audit(findings=(finding(), finding(id="DET-04")))
    answers = dict(lead_words.answers(suspects(audit)[0], audit))
    assert answers["Which part"].endswith("operational zone A. 2 checks fail there.")
    assert answers["Since when"].startswith("Throughout: no stretch of time")
    assert "150 of 150 first responses to root access there" in answers["How sure"]
    assert "in less than 1 of 1,000 audits" in answers["How sure"]
    assert answers["What to do"].startswith("Begin with blue agent 1.")
    assert "changes the return by +312" in answers["What to do"]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("phase", "mission B"), "In phase “mission B” of the mission."),
        (Place("episodes", "9 of 50 episodes"), "In 9 of 50 episodes, throughout these"),
    ],
)
def test_since_when_tells_phases_and_episodes(place: Place, text: str) -> None:
    worst = dataclasses.replace(made.WORST, place=(Place("agent", "blue_agent_1"), place))
    audit = made.audit(findings=(finding(worst=worst),))
    found = suspects(audit)
    assert dict(lead_words.answers(found[0], audit))["Since when"].startswith(text)


def test_the_course_of_a_finding_says_what_it_draws() -> None:
    drawn = drawing(finding(), 500)
    assert drawn is not None and len(drawn.bars) == 20
    assert (
        drawn.bars[0].height == 90 and drawn.bars[0].title == "steps 0 to 24: 90\u00a0% (9 of 10)"
    )
    assert drawn.bars[-1].height is None and "too few cases (3)" in drawn.bars[-1].title
    assert "of blue agent 1" in drawn.title and drawn.span is None
    timed = finding(worst=dataclasses.replace(made.WORST, since=Span(250, 245, 255)))
    shaded = drawing(timed, 500)
    assert shaded is not None and shaded.span == (50, 50)
    assert drawing(finding(course=None), 500) is None


def test_a_failure_that_chance_explains_says_so() -> None:
    text = words.measurement(finding(survives=False), made.audit())
    assert "chance alone" in text
    assert "chance alone" not in words.measurement(finding(), made.audit())


@pytest.mark.parametrize(
    ("percentile", "text"),
    [
        (0.0, "All 6 reference policies do better."),
        (1.0, "None of the 6 reference policies does better."),
        (0.5, "3 of 6 reference policies do better."),
        (None, ""),
    ],
)
def test_standing(percentile: float | None, text: str) -> None:
    assert words.standing(made.measured(percentile=percentile)) == text


def test_what_was_measured_to_lose_points_is_not_advised() -> None:
    """ERA-04's general advice is the very patch that loses points here."""
    harm = dataclasses.replace(
        made.LOSS,
        remedies=("restore_after_remove",),
        titles=("Restore a host after a Remove on it",),
        checks=("ERA-04", "ERA-03"),
    )
    finding = made.finding(id="ERA-04", price=harm)
    advised = words.declared("ERA-04").remediation
    alone = words.remedy(finding, made.audit(prices=(harm,)))
    assert alone.startswith("Retrain rather than patch. Do not patch it with “Restore a host after")
    beside = words.remedy(finding, made.audit(prices=(harm, made.GAIN)))
    assert beside.startswith("Restore a host with a process alert rather than Analyse or Remove.")
    assert advised not in alone and advised not in beside
    assert words.remedy(finding, made.audit(prices=(made.GAIN,))) == advised


def test_a_check_of_conditions_names_the_worst_one() -> None:
    text = words.under(made.finding(id="ROB-02"), made.audit()).replace(NBSP, " ")
    assert text == (
        "Worst under “1,000 steps”: 1.81 times what it may lose (its return is −901 there, the "
        "expert’s −440, and usually −420)."
    )
    assert words.under(made.finding(id="ERA-01"), made.audit()) == ""


def test_the_attacker_that_undoes_most_is_named() -> None:
    usual = made.audit().variations[0]
    attackers = tuple(
        Variation(
            *(f"red_{name}", "attacker", f"{name}: strong", 40, Change(mean, None, None)),
            *(Change(mean + 420, None, None), None, ()),
            undone=undone,
        )
        for name, mean, undone in (
            ("greedy", -1500.0, Change(0.31, 0.22, 0.4)),
            ("silent", -2600.0, Change(0.52, 0.441, 0.6)),
            ("unknown", -9000.0, None),
        )
    )
    audit = made.audit(variations=(usual, *attackers))
    text = words.under(made.finding(id="ROB-03"), audit).replace(NBSP, " ")
    assert text == (
        "Worst under “silent: strong”: it undoes 52 % of the averted loss (the return is −2,600 "
        "there)."
    )
    assert words.under(made.finding(id="ROB-03"), made.audit()) == ""
    html = robustness.section(audit).html.replace(NBSP, " ")
    assert "52 %" in html and "(44 to 60 %)" in html and "judged by what it undoes" in html


@pytest.mark.parametrize("practice", ["compliant", "unorthodox", "undetermined"])
@pytest.mark.parametrize("outcome", ["effective", "ineffective", "undetermined"])
def test_both_verdicts_fit_in_a_sentence(practice: str, outcome: str) -> None:
    text = verdict_words.headline(made.audit(practice=practice, outcome=outcome))
    assert text.endswith(".") and text[0].isupper()
    assert ("still open" in text) == ("undetermined" in (practice, outcome))


@given(
    value=numbers,
    width=st.floats(0, 500),
    thresholds=st.lists(numbers, min_size=2, max_size=2, unique=True),
    others=st.lists(st.one_of(st.none(), numbers), max_size=5),
    unit=st.sampled_from(UNITS),
)
def test_a_bar_keeps_the_order_of_its_numbers(
    value: float, width: float, thresholds: list[float], others: list[float | None], unit: str
) -> None:
    good, bad = thresholds
    found = made.measured(
        unit=unit,
        better="higher" if good > bad else "lower",
        **{"good": good, "bad": bad, "value": value, "low": value - width, "high": value + width},
        standing={str(i): other for i, other in enumerate(others)},
    )
    drawn = bar(found, others=True)
    assert drawn.value is not None and drawn.interval is not None
    spans = [span for span in (drawn.good, drawn.bad, drawn.interval) if span is not None]
    for span in spans:
        assert 0 <= span.start <= span.start + span.width <= 100 + 1e-9
    start, stop = drawn.interval.start, drawn.interval.start + drawn.interval.width
    assert start - 1e-6 <= drawn.value <= stop + 1e-6
    assert len(drawn.dots) == len(others)
    scale = scale_of([value, good, bad], found)
    ordered = sorted([value, good, bad])
    places = [scale.at(number) for number in ordered]
    assert places == sorted(places)


@given(st.lists(st.one_of(st.none(), st.tuples(numbers, st.floats(0, 100))), max_size=6))
def test_changes_lie_on_the_right_side_of_none(found: list[tuple[float, float] | None]) -> None:
    changes = [c and Change(c[0], c[0] - c[1], c[0] + c[1]) for c in found]
    for change, drawn in zip(changes, change_bars(changes), strict=True):
        assert (change is None) == (drawn is None)
        if change is not None and drawn is not None:
            right = drawn.start >= drawn.zero - 1e-9
            assert right if change.mean > 0 else drawn.start <= drawn.zero + 1e-9
            assert drawn.low is not None and drawn.high is not None
            assert 0 <= drawn.low <= drawn.high <= 100
