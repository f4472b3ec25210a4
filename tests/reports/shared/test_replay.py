"""The replay: what the page has gives back every step, in Python and in the browser."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from cagexplain.analysis.episodes.frames import HostNow, frame
from cagexplain.analysis.episodes.moments import moments
from cagexplain.analysis.episodes.timeline import Timeline, timelines
from cagexplain.analysis.fsm.analyse import trace_facts
from cagexplain.cc4 import network, phases
from cagexplain.envs import EnvParams
from cagexplain.facts.places import LEVEL_NAMES
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace
from reports.drawings.network import NARROW, WIDE, Plan, lay_out
from reports.drawings.network_acts import Acts
from reports.kit.terms import RED_VERBS
from reports.replay.page import replay_page
from reports.shared.replay import data as data_of
from reports.shared.replay import look, player
from reports.shared.replay_words import BLUE_VERBS
from tests.support import page_checks as checks
from tests.support.browser import barriers, needs_browser, opened, probe
from tests.support.fixtures_pages import Element, parse

STEPS = 99
PLANS = {plan.name: plan for plan in (WIDE, NARROW)}
DARK = "--blink-settings=preferredColorScheme=0"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("replay") / "trace"
    Recording(folder, load_policy("random"), np.arange(3, 4), EnvParams(steps=STEPS + 1)).run()
    return open_trace(folder)


@pytest.fixture(scope="module")
def timeline(trace: Trace) -> Timeline:
    return timelines(trace, {0: "asked for"})[0]


@pytest.fixture(scope="module")
def page(trace: Trace, timeline: Timeline) -> str:
    return replay_page(timeline, trace_facts(trace))


@pytest.fixture(scope="module")
def document(page: str) -> Element:
    return parse(page)


@pytest.fixture(scope="module")
def data(document: Element) -> dict[str, Any]:
    (script,) = [s for s in document.all("script") if "type" in s.attributes]
    content: dict[str, Any] = json.loads(script.text)
    return content


def at(host: dict[str, Any], step: int) -> HostNow:
    """A host at a step, from what the page has."""

    def value(runs: list[list[Any]]) -> Any:
        return next((run[2:] or [True] for run in runs if run[0] <= step < run[1]), [None])[0]

    return HostNow(
        state=[state for start, state in host["states"] if start <= step][-1],
        level=value(host["levels"]) or LEVEL_NAMES[0],
        process=bool(value(host["process"])),
        connection=bool(value(host["connection"])),
        decoys=int(value(host["decoys"]) or 0),
        health=value(host["health"]) or "",
    )


def test_the_data_of_the_page_give_back_every_step(
    data: dict[str, Any], timeline: Timeline
) -> None:
    for step in range(STEPS):
        now = frame(timeline, step)
        assert [at(host, step) for host in data["hosts"]] == list(now.hosts)
        shut = {
            (to, source) for start, stop, to, source, _ in data["blocks"] if start <= step < stop
        }
        zones = network.ZONES
        assert shut == {(zones.index(b.zone), zones.index(b.source)) for b in now.blocks}
        assert sum(failure[0] == step for failure in data["failures"]) == len(now.failures)
        assert sum(cause[step] for cause in data["rewards"]) == pytest.approx(now.reward)
        due = [action for action in data["red"] if action[1] == step]
        assert len(due) == sum(action.step == step for action in now.red)


def test_blocks_that_users_need_are_told_apart(data: dict[str, Any], timeline: Timeline) -> None:
    names = [run.value for run in timeline.phases for _ in range(run.start, run.stop)]
    kinds = set()
    for start, stop, to, source, needed in data["blocks"]:
        (phase,) = set(names[start:stop])
        reach = phases.GREEN_REACH[phases.PHASE_NAMES.index(phase)]
        assert needed == (reach[to, source] or reach[source, to])
        kinds.add(needed)
    assert kinds == {0, 1}


@pytest.mark.parametrize("plan", [WIDE, NARROW], ids=lambda plan: plan.name)
def test_no_two_things_of_the_map_overlap(plan: Plan, timeline: Timeline) -> None:
    drawing = lay_out(timeline, plan)
    assert [spot.host for spot in drawing.spots] == list(range(len(timeline.hosts)))
    spots = np.array([(spot.x, spot.y) for spot in drawing.spots])
    apart = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    assert apart[~np.eye(len(spots), dtype=bool)].min() > 30 * plan.scale
    for spot in drawing.spots:
        (box,) = [b for b in drawing.zones if b.zone == timeline.hosts[spot.host].zone]
        assert box.x + 13 < spot.x < box.x + box.width - 13
        assert box.y + 34 < spot.y < min([g.y for g in box.gates] or [box.y + box.height]) - 30
    for box in drawing.zones:
        assert box.x >= 0 and box.x + box.width <= plan.width
        assert box.y + box.height <= drawing.height
        assert len(box.gates) == (0 if "contractor" in box.zone else 8)
    assert len(drawing.links) == len(network.ROUTER_LINKS)


def test_every_moment_has_a_picture_and_a_link(document: Element, timeline: Timeline) -> None:
    (sheet,) = [e for e in document if "replay-sheet" in e.classes]
    steps = [int(a.attributes["data-step"]) for a in sheet.all("a")]
    assert steps == sorted({m.step for m in moments(timeline)})
    pictures = sheet.all("svg")
    assert len(pictures) == len(steps)
    for step, picture in zip(steps, pictures, strict=True):
        levels = [host.level for host in frame(timeline, step).hosts]
        drawn = [p.attributes for p in picture.all("path") if "l2" in p.classes]
        assert sum(p["d"].count("M") for p in drawn) == levels.count(LEVEL_NAMES[2])


@pytest.mark.parametrize(
    "check",
    [
        checks.allows_its_scripts_and_nothing_else,
        checks.is_in_order,
        checks.can_be_reached_by_its_contents,
        checks.every_picture_has_words,
        checks.is_complete_without_script,
    ],
)
def test_what_holds_of_every_page(check: Any, document: Element) -> None:
    check(document)


def test_it_loads_nothing(page: str, document: Element) -> None:
    checks.loads_nothing(page, document)


def test_it_is_the_same_every_time(page: str, trace: Trace) -> None:
    (again,) = timelines(trace, {0: "asked for"})
    assert replay_page(again, trace_facts(trace)) == page


def test_a_long_episode_adds_little_to_a_page(tmp_path: Path) -> None:
    """The map, and its part of the data."""
    params = EnvParams(steps=500)
    Recording(tmp_path / "t", load_policy("random"), np.arange(1), params).run()
    (long,) = timelines(open_trace(tmp_path / "t"), {0: "asked for"})
    row = {line.host: number for number, line in enumerate(long.hosts)}
    runs = [[line.decoys, line.health] for line in long.hosts]
    sources = [[999, 9] for _ in (*long.red, *long.blue)]
    added = [
        json.dumps(part, separators=(",", ":")) for part in (data_of(long, row), runs, sources)
    ]
    assert len(player(long)) + sum(map(len, added)) < 300_000


def test_hostile_names_stay_text(trace: Trace, timeline: Timeline) -> None:
    evil = checks.HOSTILE
    host = dataclasses.replace(timeline.hosts[0], host=evil)
    incident = dataclasses.replace(timeline.incidents[0], host=evil)
    without = {"blue": (), "red": (), "losses": (), "failures": ()}
    shown = dataclasses.replace(
        timeline, hosts=(host, *timeline.hosts[1:]), reason=evil, incidents=(incident,), **without
    )
    facts = dataclasses.replace(trace_facts(trace), policy={"name": evil}, trace=evil)
    page = replay_page(shown, facts)
    assert "<script>alert" not in page and "<img" not in page
    assert str(escape(evil)) in page
    document = parse(page)
    assert evil in document.text
    assert all(e.tag != "img" for e in document)


_PROBE = """
const player = document.querySelector(".replay"), map = player.querySelector(".replay-map");
const layer = [...player.querySelectorAll(".replay-layer")].find((l) => l.offsetParent);
const press = (key, shiftKey = false) =>
  map.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
const step = () => Number(player.querySelector(".replay-strip input").value);
const text = (name) => player.querySelector(name).textContent;
const looks = () => [...layer.querySelectorAll(".host")].map((h) => h.getAttribute("class"));
const shut = () => layer.querySelectorAll(".gate.shut").length;
const seen = {};
press("ArrowRight"); press("ArrowRight", true); press("ArrowLeft");
seen.walked = step();
const acts = () => [...layer.querySelectorAll(".acts g g")].map((group) => [
  group.getAttribute("class"), group.textContent,
  [...group.querySelectorAll("path")].map((path) => path.getAttribute("d")).join(" "),
]);
seen.looks = {}; seen.shut = {}; seen.acts = {};
for (const t of STEPS) {
  press("Home"); for (let i = 0; i < t; i += 1) press("ArrowRight");
  seen.looks[t] = looks(); seen.shut[t] = shut(); seen.acts[t] = acts();
}
press("End"); seen.end = step();
const backwards = looks(); press("Home"); press("End");
seen.again = looks().join() === backwards.join();
press("Home"); press("PageDown"); seen.moment = step();
press(" "); seen.playing = text(".replay-play");
seen.quiet = player.querySelector(".replay-says").ariaLive;
press(" "); seen.stopped = text(".replay-play");
const readout = document.querySelector(".timeline-readout");
player.querySelector('.replay-sheet a:last-of-type').click();
seen.timeline = readout.textContent.split(",")[0];
seen.here = step();
const picture = document.querySelector(".timeline-picture");
picture.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
seen.back = step();
layer.querySelectorAll(".host")[5].dispatchEvent(new MouseEvent("click", { bubbles: true }));
seen.host = readout.textContent.split("\\n")[0];
seen.says = text(".replay-says"); seen.title = layer.querySelector(".host title").textContent;
seen.wide = document.documentElement.scrollWidth;
seen.bar = player.querySelector(".replay-bar").hidden;
seen.layer = layer.classList[1];
return seen;
"""


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", path)]


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "plan"), [(1440, "wide"), (500, "narrow")])
def test_it_answers_the_keyboard(
    page: str, timeline: Timeline, tmp_path: Path, width: int, plan: str
) -> None:
    asked = [0, 7, 50, STEPS - 1]
    seen = probe(page, tmp_path, _PROBE.replace("STEPS", str(asked)), width)
    assert seen["layer"] == plan and seen["wide"] <= width and not seen["bar"]
    assert (seen["walked"], seen["end"], seen["again"]) == (10, STEPS - 1, True)
    for step in asked:
        now = frame(timeline, step)
        kinds = [line.kind for line in timeline.hosts]
        expected = [f"host {k} {look(h)}" for k, h in zip(kinds, now.hosts, strict=True)]
        assert seen["looks"][str(step)] == expected
        assert seen["shut"][str(step)] == len(now.blocks)
        drawn = list(Acts(lay_out(timeline, PLANS[plan]), timeline, BLUE_VERBS, RED_VERBS).of(now))
        assert len(drawn) == len(seen["acts"][str(step)])
        for act, (kind, label, paths) in zip(drawn, seen["acts"][str(step)], strict=True):
            assert (act.look, act.label[2] if act.label else "") == (kind, label)
            expected_paths = " ".join(path for _, path, _ in act.paths)
            assert numbers(paths) == pytest.approx(numbers(expected_paths), abs=0.06)
    steps = sorted({m.step for m in moments(timeline)})
    assert seen["moment"] == steps[1]
    assert (seen["playing"], seen["quiet"], seen["stopped"]) == ("Pause", "off", "Play")
    assert seen["timeline"] == f"Step {seen['here']}"
    assert seen["back"] == 0
    assert seen["says"].startswith("Step 0, pre-planning: ")
    assert "in truth" in seen["title"] and "red’s belief" in seen["title"]


@needs_browser
@pytest.mark.slow
def test_it_plays_under_the_policy_of_the_page_without_an_error(page: str, tmp_path: Path) -> None:
    """The scripts run where the page allows them, so what they unhide is there."""
    document = opened(page, tmp_path, 1440)
    (bar,) = [e for e in document if "replay-bar" in e.classes]
    assert "hidden" not in bar.attributes
    noisy = page.replace(
        "<head>", '<head><script>onerror = (m) => { document.title = "broken: " + m; };</script>', 1
    )
    seen = probe(
        noisy,
        tmp_path,
        """document.querySelector(".replay-play").click();
        document.querySelector('[data-go="after"]').click();
        document.querySelector('[data-go="back"]').click();
        return { title: document.title };""",
        1440,
    )
    assert "broken" not in seen["title"]


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "flags"), [(1440, ()), (500, (DARK,))])
def test_axe_has_no_complaint(page: str, tmp_path: Path, width: int, flags: tuple[str]) -> None:
    assert barriers(page, tmp_path, width, *flags) == []


@needs_browser
@pytest.mark.slow
def test_a_sheet_of_paper_has_the_wide_map_alone(page: str, tmp_path: Path) -> None:
    seen = probe(
        page.replace("@media print", "@media all"),
        tmp_path,
        """return Object.fromEntries([...document.querySelectorAll(".replay-layer")].map((layer) =>
          [layer.classList[1], layer.getBoundingClientRect().height]));""",
        688,
    )
    assert 200 < seen["wide"] < 500 and seen["narrow"] == 0
