"""The episode view: the picture tells the data, hostile names stay text, scripts only add."""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from cagexplain.analysis.decisions.explain import DecisionReport
from cagexplain.analysis.episodes.timeline import Timeline, timelines
from cagexplain.cc4 import red_fsm
from reports.drawings.timeline import LEFT, PLOT, ROW, draw, short_name
from reports.kit.layout import Chapter, layout
from reports.shared import decisions
from reports.shared.timeline import section
from tests.support.browser import needs_browser, probe
from tests.support.explained import FULL, report
from tests.support.fixtures_pages import Element, parse
from tests.support.traces import record

HOSTILE = '</script><script>alert("x")</script>'


def alone(
    timelines: Sequence[Timeline], name: str = "random", explained: DecisionReport | None = None
) -> str:
    """The section on a page of its own, or with that of explained decisions."""
    sections = [section(timelines, decisions.marked(explained, timelines))]
    if explained is not None:
        sections.append(decisions.section(explained, "", {t.episode for t in timelines}))
    chapter = Chapter("Episodes", sections)
    return layout(title=name, header=escape(name), chapters=[chapter], footer="")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Timeline, ...]:
    trace = record(tmp_path_factory.mktemp("timeline") / "trace", "random", 2, steps=120)
    return timelines(trace, {1: "worst return of 2", 0: "best return of 2"})


@pytest.fixture(scope="module")
def page(told: tuple[Timeline, ...]) -> str:
    return alone(told)


@pytest.fixture(scope="module")
def document(page: str) -> Element:
    return parse(page)


def test_bands_tell_the_state_of_every_host_and_step(told: tuple[Timeline, ...]) -> None:
    timeline = told[0]
    drawing = draw(timeline)
    line_at = {drawing.rows[line.host]: i for i, line in enumerate(timeline.hosts)}
    drawn = np.full((len(timeline.hosts), timeline.steps), -1)
    for shape in drawing.bands:
        if "state" not in shape.look.split():
            continue
        for start, y, width in re.findall(r"M(\d+),([\d.]+)h(\d+)v", shape.path):
            row = next(i for top, i in line_at.items() if top <= float(y) < top + ROW)
            steps = slice(int(start), int(start) + int(width))
            assert (drawn[row, steps] == -1).all()
            drawn[row, steps] = red_fsm.STATE_NAMES.index(shape.title)
    for row, line in enumerate(timeline.hosts):
        for start, stop, state in line.states:
            assert (drawn[row, start:stop] == red_fsm.STATE_NAMES.index(state)).all()


def test_marks_stand_where_actions_begin(told: tuple[Timeline, ...]) -> None:
    timeline = told[0]
    drawing = draw(timeline)
    restores = [action for action in timeline.blue if action.kind == "Restore"]
    (shape,) = [s for s in drawing.blue if s.title == "Restore"]
    found = [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+),([\d.]+)", shape.path)]
    assert len(found) == len(restores)
    for (x, y), action in zip(found, restores, strict=True):
        assert x == pytest.approx(LEFT + PLOT * (action.start + 0.5) / timeline.steps, abs=0.06)
        assert 0 < y - drawing.rows[str(action.host)] < ROW


def test_bars_add_up_to_the_rewards(told: tuple[Timeline, ...]) -> None:
    timeline = told[0]
    chart = draw(timeline).charts[0]
    assert chart.marks[0].text == "0"
    scale = chart.height / -float(chart.marks[1].text.replace("−", "-"))
    for shape, (cause, values) in zip(chart.shapes, timeline.rewards.items(), strict=True):
        assert cause in shape.look
        heights = sum(float(h) for h in re.findall(r"v([\d.]+)", shape.path))
        steps = len(re.findall("M", shape.path))
        assert heights == pytest.approx(-sum(values) * scale, abs=0.06 * steps)
        assert steps == sum(value < 0 for value in values)


def test_the_page_shows_every_incident(document: Element, told: tuple[Timeline, ...]) -> None:
    for timeline in told:
        (article,) = [
            e for e in document if e.attributes.get("id") == f"timeline-{timeline.episode}"
        ]
        links = [a for a in article.all("a") if {"data-host", "data-to"} <= set(a.attributes)]
        shown = [(a.attributes["data-host"], int(a.attributes["data-to"])) for a in links]
        ends = [(i.host, min(i.stop + 10, timeline.steps)) for i in timeline.incidents]
        assert sorted(shown) == sorted(ends)
        headings = [e.text for e in article.all("h3")]
        assert f"{timeline.total:,.0f}".replace("-", "−") in headings[0]


def test_what_the_script_reads_is_the_same(document: Element, told: tuple[Timeline, ...]) -> None:
    scripts = [s for s in document.all("script") if s.attributes.get("type") == "application/json"]
    for script, timeline in zip(scripts, told, strict=True):
        data = json.loads(script.text)
        assert [h["id"] for h in data["hosts"]] == [line.host for line in timeline.hosts]
        assert data["hosts"][3]["states"] == [[r.start, r.value] for r in timeline.hosts[3].states]
        assert sum(map(sum, data["rewards"])) == sum(map(sum, timeline.rewards.values()))
        lost = sum(amount for host in data["hosts"] for _, amount in host["lost"])
        assert lost == sum(loss.amount for loss in timeline.losses)
        assert len(data["blue"]) == len(timeline.blue)


def test_hostile_names_stay_text(told: tuple[Timeline, ...]) -> None:
    timeline = told[0]
    host = dataclasses.replace(timeline.hosts[0], host=HOSTILE, states=timeline.hosts[0].states)
    incident = dataclasses.replace(timeline.incidents[0], host=HOSTILE)
    plain = {"blue": (), "red": (), "losses": ()}
    evil = dataclasses.replace(
        timeline, hosts=(host, *timeline.hosts), incidents=(incident,), reason=HOSTILE, **plain
    )
    html = alone([evil], HOSTILE)
    assert "<script>alert" not in html
    assert HOSTILE in parse(html).text


@pytest.fixture(scope="module")
def explained(told: tuple[Timeline, ...]) -> DecisionReport:
    """A decision of each of the episodes shown, and one of another episode."""
    acts = [next(a for a in t.blue[40:] if a.host is not None) for t in told]
    there = [
        dataclasses.replace(FULL, episode=t.episode, step=a.start, agent=a.agent)
        for t, a in zip(told, acts, strict=True)
    ]
    return report(*there, dataclasses.replace(FULL, episode=7))


def test_explained_decisions_are_moments_of_their_replays(
    told: tuple[Timeline, ...], explained: DecisionReport
) -> None:
    document = parse(alone(told, explained=explained))
    for number, (timeline, decision) in enumerate(zip(told, explained.decisions, strict=False)):
        (player,) = [e for e in document if e.attributes.get("id") == f"replay-{timeline.episode}"]
        (sheet,) = [e for e in player if "replay-sheet" in e.classes]
        (entry,) = [li for li in sheet.all("li") if f"#decisions-{number}" in hrefs(li)]
        link = entry.all("a")[0].attributes
        assert (link["data-step"], link["href"]) == (
            *(str(decision.step), f"#replay-{timeline.episode}"),
        )
        action = next(
            a for a in timeline.blue if (a.start, a.agent) == (decision.step, decision.agent)
        )
        assert link["data-host"] == action.host
        assert "explained: blue agent" in entry.text
        (choice,) = [e for e in player if "replay-moments" in e.classes]
        assert str(decision.step) in [o.attributes["value"] for o in choice.all("option")]
    ways = [href for a in document.all("article") if "decision" in a.classes for href in hrefs(a)]
    assert ways == [f"#replay-{timeline.episode}" for timeline in told], "none to the third"
    for script, decision in zip(data_of(document), explained.decisions, strict=False):
        assert decision.step in script["moments"]


def hrefs(element: Element) -> list[str]:
    return [link.attributes["href"] for link in element.all("a")]


def data_of(document: Element) -> list[dict[str, Any]]:
    return [json.loads(s.text) for s in document.all("script") if "type" in s.attributes]


@needs_browser
def test_a_decision_opens_its_step_in_the_replay_of_another_tab(
    told: tuple[Timeline, ...], explained: DecisionReport, tmp_path: Path
) -> None:
    second = told[1].episode
    seen = probe(
        alone(told, explained=explained),
        tmp_path,
        f"""const player = document.querySelector("#replay-{second}");
        const hidden = player.offsetParent === null;
        document.querySelector('.decision a[href="#replay-{second}"]').click();
        return {{ hidden, shown: player.offsetParent !== null,
                  step: player.querySelector(".replay-step").textContent }};""",
        1300,
    )
    step = explained.decisions[1].step
    assert seen == {"hidden": True, "shown": True, "step": f"Step {step}"}


def test_three_long_episodes_take_little_of_a_page(tmp_path: Path) -> None:
    trace = record(tmp_path / "trace", "random", 1, steps=500)
    found = section(timelines(trace, {0: "the only episode"}))
    assert 3 * len(found.html) + len(found.style) + len(found.script) < 2.4e6


def test_no_episode_is_a_marked_gap() -> None:
    found = section([])
    assert "gap" in {c for e in parse(str(found.html)) for c in e.classes}
    assert not found.script


_PROBE = """
const picture = document.querySelector(".timeline-picture"), svg = picture.querySelector("svg");
const press = (key, shiftKey = false) =>
  picture.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
const readout = document.querySelector(".timeline-readout");
const mark = svg.querySelector(".marks path.act");
const [x] = mark.getAttribute("d").match(/[\\d.]+/);
press("ArrowRight", true); press("ArrowRight"); press("ArrowDown");
const moved = readout.textContent;
press("+");
const zoomed = document.querySelector(".to").value - document.querySelector(".from").value;
const shifted = mark.getAttribute("d").match(/[\\d.]+/)[0];
press("0");
const box = document.querySelector('[data-layer="act"]');
box.click();
return {
  moved, zoomed, shifted: shifted !== x, back: mark.getAttribute("d").match(/[\\d.]+/)[0] === x,
  hidden: getComputedStyle(mark).display, wide: document.documentElement.scrollWidth,
  height: svg.getBoundingClientRect().height,
  colours: [...svg.querySelectorAll(".state")].map((e) => getComputedStyle(e).fill),
};
"""


@needs_browser
def test_it_answers_the_keyboard_in_light_and_dark(
    page: str, told: tuple[Timeline, ...], tmp_path: Path
) -> None:
    dark = "--blink-settings=preferredColorScheme=0"
    views = [probe(page, tmp_path, _PROBE, 500), probe(page, tmp_path, _PROBE, 1300, dark)]
    for seen, width in zip(views, (500, 1300), strict=True):
        assert seen["moved"].startswith("Step 11, ")
        assert f"restricted zone A, {short_name(told[0].hosts[1])}: state" in seen["moved"]
        assert 10 <= seen["zoomed"] <= 61
        assert seen["shifted"] and seen["back"]
        assert seen["hidden"] == "none"
        assert seen["wide"] <= width
        assert seen["height"] > 500
        assert len(set(seen["colours"])) == len(seen["colours"]) >= 6
    unknown = {"none"}
    assert set(views[0]["colours"]) & set(views[1]["colours"]) == unknown
