"""The page about a study: what was not run, and what the policies do."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cagexplain.analysis.studies.explained_run import ExplainedRun
from cagexplain.analysis.studies.learning import analyse_study
from cagexplain.analysis.studies.strategies import analyse_strategies
from reports.study.page import StudyPage, study_report
from tests.support import page_checks as checks
from tests.support.browser import barriers, needs_browser, probe
from tests.support.fabricated import (
    EARLY,
    LATE,
    MILD_THEN_HARD,
    Shares,
    conduct,
    explained,
    nudged,
    policies,
    study,
)
from tests.support.fixtures_pages import Element, parse

pytestmark = pytest.mark.slow

IPPO = {
    **{"algorithm": "ippo", "critic": "own", "messages": "none", "steps": 2_000_000},
    **{"reward": "global", "intrinsic": "none"},
}
TALK: Shares = {**MILD_THEN_HARD, "RD": {"Analyse": 0.8, "Restore": 0.2}}
MILD: Shares = dict.fromkeys((*EARLY, *LATE), MILD_THEN_HARD["K"])
HOSTILE = f"Two {checks.HOSTILE} bits | `*"


def some(masked: Shares, allowed: Shares, n: int) -> list[ExplainedRun]:
    return [
        explained(*(conduct(nudged(shares, 0.02 * seed)) for shares in (masked, allowed)))
        for seed in range(n)
    ]


def report(folder: Path) -> StudyPage:
    return study_report(analyse_study(folder), analyse_strategies(folder))


@dataclass(frozen=True)
class Made:
    page: StudyPage
    document: Element
    folder: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """IPPO is as the paper says only while its Sleep is masked; another method has a hostile name;
    of a third a single run is finished, below random play, shorter and with other packages."""
    folder = policies(
        tmp_path_factory.mktemp("page"),
        {
            "ippo": some(MILD_THEN_HARD, MILD, 3),
            "talk": some(TALK, TALK, 3),
            "r_qmix": some(MILD_THEN_HARD, MILD_THEN_HARD, 1),
        },
        {
            "ippo": IPPO,
            "talk": IPPO | {"messages": "2bit"},
            "r_qmix": {"algorithm": "r_qmix", "steps": 1_000_000},
        },
        {"ippo": "IPPO", "talk": HOSTILE, "r_qmix": "R_QMIX"},
    )
    runs = folder / "runs"
    for place, changes in {
        runs / "r_qmix" / "seed-0" / "result.json": {
            "random_mean": -10.0,
            "steps": 99_800,
            "versions": {"cagexplain": "0.1.0", "torch": "2.9"},
        },
        runs / "ippo" / "seed-0" / "result.json": {
            "versions": {"cagexplain": "0.1.0", "torch": "2.7"}
        },
        runs / "talk" / "seed-2" / "config.json": {"gamma": 0.5},
    }.items():
        place.write_text(json.dumps(json.loads(place.read_text()) | changes))
    page = report(folder)
    return Made(page, parse(page.html), folder)


def test_it_is_complete_in_order_and_escaped(made: Made) -> None:
    checks.loads_nothing(made.page.html, made.document)
    checks.is_in_order(made.document)
    checks.can_be_reached_by_its_contents(made.document)
    checks.every_picture_has_words(made.document)
    assert not made.document.all("script")
    assert "<script" not in made.page.html + made.page.pictures["figure-8"]
    assert set(re.findall(r"(?<!\\)<[^>]*>", made.page.markdown)) == {
        *("<details>", "<summary>", "</summary>", "</details>"),
    }


SAID: Sequence[str] = (
    "6 of 9 runs are finished.",
    "(2 of 3), R_QMIX (1 of 3).",
    "Rigoni et al. (2025) trained 5 seeds of 2,000,000 steps each.",
    "This study wants 3 seeds of each method.",
    "Only 1,000,000 steps long: R_QMIX.",
    "talk, seed 2: has another gamma",
    "torch 2.7: IPPO; 2.9: R_QMIX.",
    "below random: seed 0",
    "Gradient steps",
    "6 of 9 runs are explained, 10 episodes of each under either condition.",
    "That Sleep is masked changes the verdict of: ",
)


@pytest.mark.parametrize("said", SAID)
def test_what_both_forms_say(made: Made, said: str) -> None:
    assert said in made.document.all("body")[0].text.replace("\u00a0", " ")
    assert said in made.page.markdown.replace("\\", "")


def test_the_first_paragraph_says_what_was_not_run(made: Made) -> None:
    first = made.document.all("header")[0].all("p")[1]
    assert first.text.startswith("6 of 9 runs are finished. Fewer than wanted have")


def test_a_whole_study_is_not_said_to_lack_anything(tmp_path: Path) -> None:
    folder = study(tmp_path, {"a": [-600.0 - n for n in range(5)]}, configs={"a": IPPO})
    page = report(folder)
    assert "5 of 5 runs are finished. Rigoni et al." in page.html
    for word in ("Fewer than wanted", "This study wants", "steps long", "do not count", "differ "):
        assert word not in page.html.partition("<main>")[0].partition("<header>")[2]
    assert "same number of steps" not in page.html
    assert "below random:" not in page.html


def test_equal_steps(made: Made) -> None:
    (table,) = [t for t in made.document.all("table", within="figure-1") if "same number" in t.text]
    assert [row[0] for row in checks.rows(table)] == ["IPPO", HOSTILE, "R_QMIX"]
    assert "Training return after 99,800 steps" in made.page.markdown


def test_verdicts_under_both_conditions(made: Made) -> None:
    rows = checks.table_with(made.document, "strategies", "Sleep allowed")
    harder, *others = rows
    assert "The masking changes this verdict." in harder[0]
    assert [cell.split()[-1] for cell in harder[1:]] == ["inconclusive", "contradicted"]
    assert all("masking changes" not in text for text, *_ in others)
    listed = checks.table_with(made.document, "findings", "Our runs")
    assert [row[1] for row in listed] == [row[0].partition(" The masking")[0] for row in rows]


def test_figure_8_of_every_method(made: Made) -> None:
    drawn = [s for s in made.document.all("svg", within="strategies") if "small" in s.classes]
    assert len(drawn) == 2 * 3  # methods under both conditions
    ippo, talk, single = drawn[:3]
    for picture in drawn:
        states = [t.text for t in picture.all("text") if "state" in t.classes]
        assert len(states) == 10
    notes = [[t.text for t in p.all("text") if "within" in t.classes] for p in (ippo, single)]
    assert notes == [["3/3"] * 8, ["1/1"] * 8]
    assert not [c for c in ippo.all("circle") if "ring" in c.classes]
    marked = [g for g in talk.all("g") if any("ring" in c.classes for c in g.all("circle"))]
    assert [g.all("text")[0].text for g in marked] == ["RD"]
    file = ElementTree.fromstring(made.page.pictures["figure-8"])
    tags = [element.tag.rpartition("}")[2] for element in file.iter()]
    assert tags.count("circle") == 3 * 10 + 1
    assert not {"script", "image", "use", "a"} & set(tags)
    assert "![Most chosen action by state](figure-8.svg)" in made.page.markdown


def test_distances_from_the_base(made: Made) -> None:
    rows = checks.table_with(made.document, "strategies", "unknown")
    tables = [row for row in rows if row[0] == HOSTILE]
    assert tables  # of choices or of distances; the numbers are those of Markdown
    line = next(
        line
        for line in made.page.markdown.partition("differs from IPPO")[2].splitlines()
        if line.startswith("| R")
    )
    assert [c.strip() for c in line.split("|")[2:6]] == ["–", "–", "2.0 %", "2.0 %"]


def test_claims_have_their_intervals(made: Made) -> None:
    claims = [
        row
        for table in made.document.all("table", within="strategies")
        for row in checks.rows(table)
        if len(row) == 5 and row[0] == "R_QMIX: Analyse in RD"
    ]
    assert claims[0] == ["R_QMIX: Analyse in RD", "> 0.10", "0.30", "no interval", "? inconclusive"]
    assert "| IPPO: hard in U to RD − in K to SD | \\> 0.05 | 0.58 | 0.53 to 0.63 |" in (
        made.page.markdown
    )


def test_markdown_tables_are_whole(made: Made) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", made.page.markdown, flags=re.MULTILINE)
    assert len(blocks) > 20
    for block in blocks:
        cells = {re.sub(r"\\.", "", line).count("|") for line in block.splitlines()}
        assert len(cells) == 1, block


def test_without_explained_runs_one_line_says_how(tmp_path: Path) -> None:
    page = report(study(tmp_path, {"a": [-600.0]}))
    assert "<code>cagexplain study explain FOLDER</code>" in page.html
    assert "No run is explained: `cagexplain study explain FOLDER`" in page.markdown
    assert "figure-8" not in page.pictures


_FITS = """
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  return { width: innerWidth, wide: document.documentElement.scrollWidth };
"""


@needs_browser
@pytest.mark.parametrize("width", [500, 1400])
def test_the_page_fits_the_window(made: Made, tmp_path: Path, width: int) -> None:
    seen = probe(made.page.html, tmp_path, _FITS, width)
    assert seen["width"] == width and seen["wide"] <= width


@needs_browser
@pytest.mark.parametrize(
    ("width", "flags"),
    [(1400, ()), (500, ("--blink-settings=preferredColorScheme=0",))],
    ids=["light", "dark and narrow"],
)
def test_axe_finds_no_barrier(
    made: Made, tmp_path: Path, width: int, flags: tuple[str, ...]
) -> None:
    assert barriers(made.page.html, tmp_path, width, *flags) == []
