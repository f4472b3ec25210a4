"""The audit in words, and where numbers lie on its bars."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.audit.check import UNITS
from cagexplain.audit.results import Change, Finding, Part
from reports.audit import verdict_words
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
    assert where(*worse) == "Most often wrong: b (80 % of 100, overall 45 %)."


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
