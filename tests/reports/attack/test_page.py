"""The page of an attack."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis, analyse
from cagexplain.attack import figures as computed
from cagexplain.attack.learned import LearnedResult
from cagexplain.attack.results import Ablation, AttackResult, JudgedRed, Losses, RootStays
from cagexplain.cc4 import network, phases, reward
from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.cc4.reds import REDS
from reports.attack import figures, sight
from reports.attack.page import attack_report
from reports.kit import numbers, terms
from reports.kit.numbers import number, percent
from tests.support import attacks
from tests.support import page_checks as checks
from tests.support.browser import barriers, needs_browser, probe
from tests.support.fixtures_pages import Element, parse
from tests.support.page_checks import HOSTILE, rows
from tests.support.traces import record

TABLES = {"found_1": "silent_mixed", "found_2": "greedy_live"}
"""Shipped reds whose tables the made-up ones of the search have."""
HURT = (1, reward.RIA, network.OZA)
"""Phase, cause and subnet of what FOUND costs."""


def _with_table(red: JudgedRed) -> JudgedRed:
    table = REDS[TABLES.get(red.key, red.key)].document()
    return replace(red, table={**table, "name": red.key})


@pytest.fixture(scope="module")
def result() -> AttackResult:
    made = attacks.attack()
    reds = [_with_table(red) for red in made.reds]
    penalties = np.array(attacks.PENALTIES)
    penalties[HURT] -= 1700.0
    reds[3] = replace(
        reds[3],
        losses=Losses(
            tuple(tuple(tuple(row) for row in phase) for phase in penalties.tolist()),
            attacks.COSTS,
        ),
        root=RootStays(600, 420, 23, None, 2.5),
    )
    return replace(made, reds=tuple(reds))


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> FsmAnalysis:
    trace = record(tmp_path_factory.mktemp("attacked") / "trace", "expert", 3, steps=60)
    return analyse(trace, [1])


@pytest.fixture(scope="module")
def html(result: AttackResult, analysis: FsmAnalysis) -> str:
    return attack_report(result, analysis).html


@pytest.fixture(scope="module")
def page(html: str) -> Element:
    return parse(html)


def text_of(document: Element, section: str) -> str:
    return document.all("section", within=section)[0].text


@pytest.mark.parametrize("check", checks.EVERY_PAGE)
def test_what_holds_of_every_page(check: Callable[[Element], None], page: Element) -> None:
    check(page)


def test_the_page_loads_nothing(html: str, page: Element) -> None:
    checks.loads_nothing(html, page)


def test_exploitability_comes_first_with_the_reds_that_matter(
    result: AttackResult, page: Element
) -> None:
    first = page.all("section")[0]
    assert first.attributes["id"] == "exploitability"
    assert "At least this exploitable by attackers of this family" in first.text
    leading = rows(first.all("table")[0])
    keys = ["finite_state", "aggressive", "greedy", "found_1"]
    assert [next(key for key in keys if f"{key}:" in row[0]) for row in leading] == keys
    for key, row in zip(keys, leading, strict=True):
        red = result.red(key)
        mean = figures.points(computed.mean(red.policy))
        without = figures.points(computed.mean(red.policy, "without-contractor"))
        averted = figures.share(computed.averted(red))
        assert row[2] == f"{mean.value}{mean.limits}" and mean.limits
        assert row[4].startswith(without.value) and row[5].startswith(averted.value)
        assert row[6] == str(len(red.policy))
    assert leading[0][3] == "–", "the standard red has no change against itself"
    assert leading[3][3].startswith(
        figures.change(computed.change(result.worst.policy, result.standard.policy)).value
    )
    every = rows(first.all("table")[1])
    assert [row[0] for row in every] == [red.key for red in result.reds]


def test_bars_are_as_long_as_the_losses(result: AttackResult, page: Element) -> None:
    table = page.all("table", within="exploitability")[0]
    widths = [
        float(rect.attributes["width"][:-1])
        for rect in table.all("rect")
        if rect.attributes["class"] == "amount"
    ]
    losses = [
        -computed.mean(result.red(key).policy).mean
        for key in ("finite_state", "aggressive", "greedy", "found_1")
    ]
    assert np.allclose(np.array(widths) / widths[-1], np.array(losses) / losses[-1], atol=1e-3)


def test_an_attack_that_finds_nothing_says_so(result: AttackResult) -> None:
    harmless = replace(result.worst, policy=result.standard.policy)
    reds = tuple(harmless if red.key == result.found else red for red in result.reds)
    page = parse(attack_report(replace(result, reds=reds)).html)
    assert "No attacker was found that it bears surely worse" in text_of(page, "exploitability")


def test_a_search_that_ends_at_less_than_the_portfolio_says_so(result: AttackResult) -> None:
    greedy = result.red("greedy")
    returns = tuple(value - 50 for value in result.worst.policy.returns[: len(greedy.policy)])
    worse = replace(greedy, policy=replace(greedy.policy, returns=returns))
    reds = tuple(worse if red is greedy else red for red in result.reds)
    says = text_of(parse(attack_report(replace(result, reds=reds)).html), "exploitability")
    assert f"greedy does 50 points more harm on the same {len(returns)} seeds" in says
    usual = text_of(parse(attack_report(result).html), "exploitability")
    assert "more harm on the same" not in usual


def test_a_portfolio_that_nothing_beats_is_told(result: AttackResult) -> None:
    page = parse(attack_report(replace(result, found="greedy")).html)
    leading = rows(page.all("table", within="exploitability")[0])
    assert [row[0].split("greedy")[0] for row in leading if "greedy:" in row[0]] == [
        "the portfolio’s, chosen as the worst of all"
    ]
    assert "none proved worse than it" in text_of(page, "search")


def test_the_table_is_that_of_the_attacker(result: AttackResult, page: Element) -> None:
    (table,) = page.all("table", within="attack")
    red, usual = REDS["silent_mixed"], REDS["finite_state"]
    cells = rows(table)
    assert [row[0] for row in cells] == [state.name for state in State if state >= State.K]
    for row, state in zip(cells, list(State)[2:], strict=True):
        for action, cell in zip(RedAction, row[2:], strict=True):
            here, there = red.probability[state, action], usual.probability[state, action]
            if cell == "·":
                assert here == there == 0
            else:
                assert cell == percent(here) + (percent(there) if here != there else "")
    (more,) = [
        td
        for row in table.all("tr")
        for td in row.all("td")
        if row.all("th")[0].text.strip() == "R" and td.text.strip().startswith("65")
    ]
    assert more.classes == {"more", "much3"}, "65 % Impact where CC4's own red has 25 %"


def test_parts_are_ranked_by_what_they_bring(result: AttackResult, page: Element) -> None:
    found = rows(page.all("table", within="parts")[0])
    assert [row[0] for row in found] == [
        "the row of RD",
        "the choice of the host (any, with equal chance)",
    ]
    cost = -computed.change(result.worst.policy, result.standard.policy).mean
    for row, ablation in zip(found, result.ablation, strict=True):
        gained = computed.change(ablation.policy, result.worst.policy)
        assert row[2] == percent(gained.mean / cost)
        assert row[4].startswith(figures.change(gained).value)
    assert "Most hangs on the row of RD" in text_of(page, "parts")
    useless = replace(result, ablation=(Ablation("K", result.worst.policy),))
    assert "No single part" in text_of(parse(attack_report(useless).html), "parts")
    assert "Not shown" in text_of(parse(attack_report(replace(result, ablation=())).html), "parts")


def test_where_it_hurts_adds_up(result: AttackResult, page: Element) -> None:
    by_subnet, by_phase, stays = (rows(table) for table in page.all("table", within="damage"))
    losses = result.worst.losses
    whole = np.sum(losses.penalties) + np.sum(losses.costs)
    for table in (by_subnet, by_phase):
        assert table[-1][0] == "all" and table[-1][-1].startswith(number(whole))
    assert by_subnet[0][0] == "operational zone A", "where most is lost comes first"
    assert by_subnet[0][3].startswith(number(float(np.array(losses.penalties)[:, 2, 1].sum())))
    assert [row[0] for row in by_phase[:-1]] == list(phases.PHASE_NAMES)
    says = text_of(page, "damage")
    assert "Most is lost in operational zone A in phase mission A: 100\u00a0%" in says
    assert "half are over after 23 steps" in says
    assert ["of which blue ended", "75\u00a0%", "70\u00a0%"] in stays
    assert ["Steps until nine in ten were over", "60", "longer than the episode"] in stays


def test_what_blue_saw_is_that_of_the_trace(analysis: FsmAnalysis, page: Element) -> None:
    actions, metrics = (rows(table) for table in page.all("table", within="sight"))
    done = [action for action in analysis.red_actions if action.results.total]
    assert [(row[0], row[1]) for row in actions] == [
        (action.name, number(action.results.total)) for action in done
    ]
    for row, action in zip(actions, done, strict=True):
        assert row[3].startswith(f"{number(action.detected)} (")
    shown = {row[0]: row[1] for row in metrics}
    incidents = analysis.soc.metric("incidents")
    assert shown[incidents.name] == str(numbers.amount(incidents.value or 0, incidents.unit))


def test_one_episode_is_on_the_timeline(analysis: FsmAnalysis, page: Element) -> None:
    (article,) = page.all("article", within="timeline")
    assert article.all("h3")[0].text.startswith("Episode 1: return ")


def test_advice_follows_from_the_findings(result: AttackResult, analysis: FsmAnalysis) -> None:
    def headlines(changed: AttackResult, traced: FsmAnalysis | None = None) -> list[str]:
        document = parse(attack_report(changed, traced).html)
        return [b.text for b in document.all("b", within="advice")]

    usual = headlines(result)
    assert usual[:2] == ["Evict sooner.", "Guard operational zone A first in phase mission A."]
    assert usual[-1] == "Train or tune against it, then attack again."
    quick = replace(result.worst, root=RootStays(10, 10, 2, 3, 0.1))
    reds = tuple(quick if red.key == result.found else red for red in result.reds)
    assert "Evict sooner." not in headlines(replace(result, reds=reds))
    phantom = replace(result.worst, policy=attacks.episodes(-2000, phantom=15))
    reds = tuple(phantom if red.key == result.found else red for red in result.reds)
    assert "Read part of it as an attack on the rules." in headlines(replace(result, reds=reds))
    share = sight.silent_share(analysis.soc)
    assert share is not None
    look = "Look for red where nothing has raised an alert."
    assert (headlines(result, analysis)[0] == look) == (share >= 0.5)


def test_without_a_trace_its_parts_are_gaps(result: AttackResult) -> None:
    document = parse(attack_report(result).html)
    for section in ("sight", "timeline"):
        assert "Not shown" in text_of(document, section)
    checks.is_in_order(document)


def test_few_episodes_and_a_broken_search_are_warned_of(
    result: AttackResult, page: Element
) -> None:
    warnings = " ".join(e.text for e in page if "warning" in e.classes)
    assert "Only 12 held-out episodes." in warnings
    assert "broken off after 2 of 3 generations" in warnings
    whole = replace(result, search=replace(result.search, planned=2))
    assert "broken off" not in attack_report(whole).html


def test_how_it_was_found(result: AttackResult, page: Element) -> None:
    names = [dt.text for dt in page.all("dt", within="search")]
    values = dict(zip(names, (dd.text for dd in page.all("dd", within="search")), strict=True))
    assert values["Search"] == (
        "CMA-ES over 34 numbers, 2 generations of 16 attackers, 32 episodes each, seed 1"
    )
    assert values["Rules"].startswith("fenced: ")
    assert values["Held-out seeds"] == "990000 to 990011"
    assert [p.attributes["class"] for p in page.all("path", within="search")][:2] == [
        "line base",
        "line look1",
    ]


def test_hostile_names_stay_text(result: AttackResult) -> None:
    reds = tuple(
        dataclasses.replace(red, key=HOSTILE, summary=HOSTILE) if red is result.worst else red
        for red in result.reds
    )
    changed = replace(
        result,
        policy={"name": HOSTILE, "path": HOSTILE, "sha256": HOSTILE},
        options={"condition": HOSTILE, "steps": 500},
        reds=reds,
        found=HOSTILE,
        ablation=(Ablation(HOSTILE, result.ablation[0].policy),),
        search=replace(result.search, start=HOSTILE),
    )
    html = attack_report(changed).html
    document = parse(html)
    checks.loads_nothing(html, document)
    checks.allows_its_scripts_and_nothing_else(document)
    assert len(document.all("script")) == 1 and "49" not in document.all("title")[0].text
    assert document.all("b")[0].text == HOSTILE


def test_states_have_words(page: Element) -> None:
    heads = [th for th in page.all("th", within="attack") if "title" in th.attributes]
    assert terms.STATES["KD"] in {th.attributes["title"] for th in heads}


def learned(result: AttackResult, level: int) -> LearnedResult:
    return LearnedResult(
        policy=result.policy,
        options=result.options,
        aim="return",
        seeds=result.seeds,
        start=result.found,
        settings={"envs": 32},
        seed=0,
        seconds=61.0,
        history=(-1900.0, -2050.0),
        table=result.worst.policy,
        learned=attacks.episodes(level),
    )


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (-2150, "Yes: it changes what the policy gets by −150"),
        (-2000, "It is not shown that it does"),
        (-1900, "No, it does less: it changes what the policy gets by +100"),
    ],
)
def test_a_red_that_has_learned_stands_beside_the_table(
    result: AttackResult, page: Element, level: int, says: str
) -> None:
    assert "learning" not in [part.attributes.get("id") for part in page.all("section")]
    learning = learned(result, level)
    document = parse(attack_report(result, learned=learning).html)
    checks.is_in_order(document)
    checks.can_be_reached_by_its_contents(document)
    text = text_of(document, "learning")
    assert says in text and "2 rounds of 32 episodes, 61 seconds" in text
    table, other = rows(document.all("table", within="learning")[0])
    assert table[0] == result.found and other[0] == "learned"
    assert table[1].startswith(number(computed.mean(learning.table).mean))
    assert other[1].startswith(number(computed.mean(learning.learned).mean))


@needs_browser
@pytest.mark.parametrize(
    ("width", "flags"),
    [(500, ()), (1400, ()), (1400, ("--blink-settings=preferredColorScheme=0",))],
    ids=["narrow", "wide", "dark"],
)
def test_axe_finds_no_barrier(
    html: str, tmp_path: Path, width: int, flags: tuple[str, ...]
) -> None:
    assert barriers(html, tmp_path, width, *flags) == []


@needs_browser
def test_a_narrow_page_scrolls_in_its_tables_only(html: str, tmp_path: Path) -> None:
    wide = "return { wide: document.documentElement.scrollWidth };"
    assert probe(html, tmp_path, wide, 500)["wide"] <= 500
