"""Single decisions in reports: what they say follows from the numbers, and names stay text."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.analysis.decisions.counterfactuals import FutureDifference
from cagexplain.analysis.decisions.explain import Option
from cagexplain.analysis.decisions.flips import Flip, Flips
from reports.decisions.page import decisions_page
from reports.shared.decisions import section
from reports.shared.decisions_words import (
    limits,
    overall,
    plain,
    signed,
    stretched,
    summary,
    telling,
    verdict,
)
from tests.support.browser import needs_browser, probe
from tests.support.explained import (
    BARE,
    BETTER,
    FULL,
    LUCKY,
    OPEN,
    UNSURE,
    WORSE,
    explanation,
    option,
    outcome,
    report,
)
from tests.support.fixtures_pages import Element, parse

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def page() -> str:
    return decisions_page(report(FULL, BARE))


@pytest.fixture(scope="module")
def document(page: str) -> Element:
    return parse(page)


@pytest.mark.parametrize(
    ("tested", "expected"),
    [(BETTER, "better"), (OPEN, "open"), (WORSE, "worse"), (BARE.options[1], "unknown"),
     (FULL.options[0], "chosen"), (option("Sleep", outcome(9.0, None, None)), "open")],
)  # fmt: skip
def test_only_an_interval_off_zero_decides(tested: Option, expected: str) -> None:
    assert verdict(tested) == expected


def test_sentences_follow_the_numbers() -> None:
    sentences = summary(FULL)
    assert "The policy gave this action 62\u00a0%, and 70\u00a0% to Restore" in sentences[0]
    assert sentences[1] == (
        "Better would have been: Analyse user host 2 (operational zone A): "
        "+12.4 [+4.0, +20.0] in reward over 100 steps."
    )
    assert "phase = 1 and process alert" in sentences[2]
    assert sentences[3] == (
        "What spoke most for it: process alert on server host 0 (operational zone A)."
    )
    assert sentences[4] == "Without the process alert, it would have preferred “Sleep”."
    assert "up to 2 entries" in " ".join(summary(BARE))


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ((OPEN, WORSE), "No alternative is surely better"),
        ((WORSE,), "Every alternative does worse"),
        ((WORSE, UNSURE), "No alternative is surely better"),
        ((LUCKY, BETTER), "Better would have been: Analyse"),
    ],
)
def test_the_best_alternative_is_judged(others: tuple[Option, ...], says: str) -> None:
    assert any(sentence.startswith(says) for sentence in summary(explanation(*others)))


def test_a_random_draw_is_told() -> None:
    sentences = summary(explanation(WORSE, likeliest=False))
    assert any("drawn at random" in sentence for sentence in sentences)


def test_all_decisions_are_summed_up() -> None:
    text = overall(report(FULL, explanation(WORSE), BARE))
    assert text == (
        "Other actions were tried in 2 decisions. "
        "In 1, another action would surely have been better: a mistake. "
        "In 1, all the others would surely have been worse: rightly chosen."
    )
    assert "In all of them, no other" in overall(report(explanation(OPEN), explanation(LUCKY)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AllowTrafficZone RZB <- OZB",
         "Open the traffic to restricted zone B from operational zone B"),
        ("DeployDecoy user_host_0 (OFF)", "Deploy a decoy on user host 0 (office network)"),
        ("process alert on server_host_0 (OZA)",
         "process alert on server host 0 (operational zone A)"),
        ("Sleep", "Sleep"),
    ],
)  # fmt: skip
def test_names_are_told_without_abbreviations(name: str, text: str) -> None:
    assert plain(name) == text


def test_a_moment_tells_something_only_beyond_the_price_of_an_action() -> None:
    dearer = option("Restore user_host_2 (OZA)", outcome(-1.0, -1.0, -1.0))
    assert not telling(explanation(dearer), 1) and not telling(explanation(OPEN), 1)
    assert telling(explanation(BETTER), 1) and telling(explanation(WORSE), 1)
    assert not telling(explanation(BETTER), 1.6), "many alternatives were looked at"


def test_more_alternatives_need_clearer_differences() -> None:
    one, many = report(explanation(BETTER)), report(*[explanation(BETTER, OPEN, WORSE)] * 30)
    assert stretched(one) == pytest.approx(1.0)
    assert stretched(many) == pytest.approx(1.763, abs=0.02)


@given(st.floats(-1e6, 1e6))
def test_signs_are_always_there(value: float) -> None:
    text = signed(value)
    assert float(text.replace("−", "-").replace(",", "")) == pytest.approx(value, abs=0.5)
    assert text[0] in "+−" or float(text) == 0


def test_limits_that_are_not_known_are_not_made_up() -> None:
    assert limits(FutureDifference(3.0, None, None)) == "no interval"


def test_every_option_has_its_row_and_bar(document: Element) -> None:
    rows = document.all("tr", within="decisions-0")
    named = {row.all("th")[0].text: row for row in rows if row.all("th")}
    for tested in FULL.options:
        row = named[plain(tested.name)]
        assert ("chosen" in row.classes) == tested.chosen
        assert len(row.all("svg")) == (not tested.chosen)
    (bar,) = named[plain(BETTER.name)].all("svg")
    zero, length = (
        float(element.attributes[name].rstrip("%"))
        for element, name in ((bar.all("rect")[1], "x"), (bar.all("rect")[1], "width"))
    )
    assert zero == pytest.approx(100 * 31 / 51, abs=0.01)
    assert length == pytest.approx(100 * 12.4 / 51, abs=0.01)
    assert "better" in bar.classes


def test_what_is_missing_is_marked(document: Element) -> None:
    bare = next(e for e in document if e.attributes.get("id") == "decisions-1")
    assert "not played out" in bare.text
    assert "no alert" in bare.text
    full = next(e for e in document if e.attributes.get("id") == "decisions-0")
    assert "not varied" in next(e for e in full if "gap" in e.classes).text


def test_no_decision_is_a_marked_gap() -> None:
    found = parse(str(section(report()).html))
    assert any("gap" in element.classes for element in found)
    assert "fsm-report TRACE --critical" in found.text


def test_hostile_names_stay_text() -> None:
    evil = dataclasses.replace(
        FULL,
        action=HOSTILE,
        alerts=(HOSTILE,),
        options=tuple(dataclasses.replace(o, name=HOSTILE) for o in FULL.options),
        path=(HOSTILE,),
        notes=(HOSTILE,),
        flips=Flips(HOSTILE, 1, 1, 1, (Flip((HOSTILE,), HOSTILE, HOSTILE),), 1),
    )
    html = decisions_page(dataclasses.replace(report(evil), policy=HOSTILE, selection=HOSTILE))
    assert "<script>alert" not in html
    assert HOSTILE in parse(html).text


_PROBE = """
const bars = [...document.querySelector(".options").querySelectorAll("svg.diverging .bar")];
return {
  wide: document.documentElement.scrollWidth,
  bars: bars.map((bar) => bar.getBoundingClientRect().width),
};
"""


@needs_browser
@pytest.mark.parametrize("width", [500, 1300])
def test_it_fits_the_window(page: str, tmp_path: Path, width: int) -> None:
    seen = probe(page, tmp_path, _PROBE, width)
    assert seen["wide"] <= width
    better, open_, worse = seen["bars"]
    assert better / worse == pytest.approx(12.4 / 25, rel=0.02)
    assert open_ / worse == pytest.approx(1.5 / 25, rel=0.05)
