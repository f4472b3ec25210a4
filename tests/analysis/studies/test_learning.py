"""The analysis of a study's folder, with made-up runs, and its report."""

import json
import math
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cagexplain.analysis.studies.learning import Verdict, analyse_study, curve, read_run
from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError
from reports.study.page import StudyPage, cell, signed, span, study_report
from tests.support.fabricated import claim, run, study

HOSTILE = '<script>alert("x")</script> & | `y` \'"'
FINALS = {"a": [-600.0, -640, -610, -590, -620], "b": [-2000.0, -2100, -1900, -2050, -1950]}


def test_numbers_by_hand(tmp_path: Path) -> None:
    result = analyse_study(study(tmp_path, FINALS))
    a = result.methods["a"]
    assert (a.mean, a.best, a.iqm) == pytest.approx((-612, -590, -610))
    assert a.sd == pytest.approx(np.sqrt(1480 / 4))  # squares: 144 + 784 + 4 + 484 + 64
    assert a.low is not None and a.high is not None and a.low < -610 < a.high
    assert (a.steps, a.seconds, a.rate, a.episodes) == (40 * 4990, 102.0, 2000.0, 3)
    (pair,) = result.figures[0].pairs
    assert (pair.a, pair.b, pair.difference) == ("a", "b", pytest.approx(1388))
    assert (pair.improvement, pair.p) == (1.0, pair.p_holm)
    assert result.seconds == 2 * (100 + 101 + 102 + 103 + 104)


def test_curves(tmp_path: Path) -> None:
    run(tmp_path / "x", 0, [-10.0, -20, -30, -40], -5)
    run(tmp_path / "y", 1, [-30.0, -40, -50, -60], -5)
    found = curve("m", [read_run(tmp_path / "x"), read_run(tmp_path / "y")])
    assert found.steps == [4990, 9980, 14970, 19960]
    assert found.mean == [-20, -30, -40, -50]
    assert found.sd == pytest.approx([np.sqrt(200)] * 4)
    assert (found.low, found.high) == (None, None)  # that takes five runs
    single = curve("m", [read_run(tmp_path / "x")])
    assert (single.sd, single.low, single.mean) == (None, None, [-10, -20, -30, -40])


def test_long_curves_are_averaged_in_equal_groups(tmp_path: Path) -> None:
    run(tmp_path / "x", 0, [float(i) for i in range(250)], -5)
    found = curve("m", [read_run(tmp_path / "x")])
    assert (found.rounds, len(found.mean)) == (3, 84)
    assert found.mean[:2] == [1, 4] and found.mean[-1] == 249  # the last group is a single round
    assert found.steps[:2] == [3 * 4990, 6 * 4990] and found.steps[-1] == 250 * 4990


def test_measures(tmp_path: Path) -> None:
    run(tmp_path / "x", 0, [float(i) for i in range(20)], -5)
    found = read_run(tmp_path / "x")
    assert found.measure(None) == -5
    assert found.measure((0, 0.1)) == 0.5
    assert found.measure((0.9, 1.0)) == 18.5
    run(tmp_path / "y", 0, [7.0, 8.0], -5)  # too short for tenths: at least one round
    short = read_run(tmp_path / "y")
    assert (short.measure((0, 0.1)), short.measure((0.9, 1.0))) == (7, 8)


def findings() -> list[dict[str, object]]:
    above = claim("a", "clearly above", "b", low=100.0)
    below = claim("a", "below", "b", high=0.0)
    unknown = claim("a", "above", "c", low=0.0)
    return [
        {"text": "yes", "comparisons": [above]},
        {"text": "no", "comparisons": [above, below]},
        {"text": "who knows", "comparisons": [above, unknown]},
    ]


def test_findings(tmp_path: Path) -> None:
    result = analyse_study(study(tmp_path, FINALS | {"c": []}, findings()))
    yes, no, perhaps = result.figures[0].findings
    assert (yes.verdict, no.verdict, perhaps.verdict) == (
        *(Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE),
    )
    assert [c.verdict for c in no.claims] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert perhaps.claims[1].difference is None
    assert (result.finished, result.wanted) == (10, 15)
    assert [c.method for c in result.figures[0].curves] == ["a", "b"]


def test_what_cannot_be_analysed(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match=r"study\.json: there is no such file"):
        analyse_study(tmp_path)
    folder = study(tmp_path / "empty", {"a": []})
    with pytest.raises(CagexplainError, match="no run of this study is finished"):
        analyse_study(folder)
    (folder / "study.json").write_text("{}")
    with pytest.raises(CagexplainError, match="missing required field 'name'"):
        analyse_study(folder)
    folder = study(tmp_path / "damaged", {"a": [-5.0]})
    (folder / "runs" / "a" / "seed-0" / "metrics.parquet").write_text("PAR1")
    with pytest.raises(CagexplainError, match="the metrics are damaged"):
        analyse_study(folder)


def _put(*path: str | int) -> Callable[[Any], Callable[[Any], None]]:
    """A change of one entry of a document."""

    def change(value: Any) -> Callable[[Any], None]:
        def apply(whole: Any) -> None:
            for part in path[:-1]:
                whole = whole[part]
            whole[path[-1]] = value

        return apply

    return change


STATED = ("figures", 0, "findings", 0, "comparisons", 0)
WRONG_STUDIES = {
    "seeds": (_put("seeds")("many"), "seeds"),
    "negative seed": (_put("seeds", 1)(-1), r"seeds\[\.\.\.\]|seeds"),
    "margin": (_put("margin")("wide"), "margin"),
    "not a number": (_put("margin")(float("nan")), "not valid JSON"),
    "half a character": (_put("name")("\ud800"), "not valid JSON"),
    "methods": (_put("methods")([]), "methods"),
    "outside": (_put("methods", "a", "runs")("../../elsewhere"), "runs"),
    "runs of nobody": (_put("methods", "a", "runs")("z"), "methods.a.runs: there is no method 'z'"),
    "figure of nobody": (_put("figures", 0, "methods")(["z"]), "there is no method 'z'"),
    "claim of nobody": (_put(*STATED, "other")("z"), "there is no method 'z'"),
    "window": (_put(*STATED, "window")([0, 7]), "window"),
}


@pytest.mark.parametrize("name", WRONG_STUDIES)
def test_a_wrong_study_is_told_with_the_field(name: str, tmp_path: Path) -> None:
    change, told = WRONG_STUDIES[name]
    folder = study(tmp_path, {"a": [-5.0], "b": [-6.0]}, findings()[:1])
    whole = json.loads((folder / "study.json").read_text())
    change(whole)
    (folder / "study.json").write_text(json.dumps(whole))
    with pytest.raises(CagexplainError, match=told) as raised:
        analyse_study(folder)
    assert raised.value.where == folder / "study.json"


WRONG_RESULTS = {
    "no episodes": _put("final_returns")([]),
    "a word": _put("final_mean")("good"),
    "no number": _put("seconds")(float("nan")),
    "no seed": lambda whole: whole.pop("seed"),
}


@pytest.mark.parametrize("name", WRONG_RESULTS)
def test_a_wrong_result_is_told(name: str, tmp_path: Path) -> None:
    place = study(tmp_path, {"a": [-5.0]}) / "runs" / "a" / "seed-0"
    whole = json.loads((place / "result.json").read_text())
    WRONG_RESULTS[name](whole)
    (place / "result.json").write_text(json.dumps(whole))
    with pytest.raises(CagexplainError) as raised:
        read_run(place)
    assert raised.value.where == place / "result.json"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"steps": [1, 2], "return": [-5.0, math.nan]}, "return: this column has a number"),
        ({"steps": [1, 2], "return": [-5.0, -math.inf]}, "return: this column has a number"),
        ({"steps": [1, 2], "return": ["a", "b"]}, "return: this column has something else"),
        ({"steps": [2, 1], "return": [-5.0, -4.0]}, "steps: the steps do not rise"),
        ({"steps": [1, 2]}, "return"),
        ({"steps": [], "return": []}, "steps"),
    ],
)
def test_a_wrong_table_is_told_with_the_column(
    columns: dict[str, list[Any]], told: str, tmp_path: Path
) -> None:
    place = study(tmp_path, {"a": [-5.0]}) / "runs" / "a" / "seed-0"
    pq.write_table(pa.table(columns), place / "metrics.parquet")
    with pytest.raises(CagexplainError, match=told) as raised:
        read_run(place)
    assert raised.value.where == place / "metrics.parquet"


def change(file: Path, **more: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | more))


def test_runs_of_other_settings_are_left_out_and_told(tmp_path: Path) -> None:
    """Also if a setting came to be or went."""
    folder = study(tmp_path, FINALS, configs={"a": {"gamma": 0.9, "envs": 2}})
    place = folder / "runs" / "a"
    change(place / "seed-1" / "config.json", gamma=0.5, envs=4)
    change(place / "seed-3" / "config.json", added=1)
    result = analyse_study(folder)
    assert result.left_out == [
        "a, seed 1: has another envs, gamma",
        "a, seed 3: has another added",
    ]
    assert (result.methods["a"].seeds, result.finished) == ([0, 2, 4], 8)
    (place / "seed-0" / "config.json").write_text("[1]")
    with pytest.raises(CagexplainError, match=r"seed-0/config\.json: expected 'object'"):
        analyse_study(folder)


def test_a_run_that_is_older_than_a_setting_had_its_default(tmp_path: Path) -> None:
    folder = study(tmp_path, FINALS, configs={"a": {"gamma": 0.9, "young": 1}})
    place = folder / "runs" / "a"
    (place / "seed-1" / "config.json").write_text(json.dumps({"gamma": 0.9, "seed": 1}))
    assert analyse_study(folder).left_out == ["a, seed 1: has another young"]
    content = json.loads((folder / "study.json").read_text())
    for default, left_out in ((1, []), (2, ["a, seed 1: has another young"])):
        content["methods"]["a"]["defaults"] = {"young": default}
        (folder / "study.json").write_text(json.dumps(content))
        assert analyse_study(folder).left_out == left_out


def test_what_runs_tell_beside_their_return(tmp_path: Path) -> None:
    folder = study(tmp_path, FINALS)
    place = folder / "runs" / "a"
    for seed in range(5):
        change(place / f"seed-{seed}" / "result.json", random_mean=-700.0)
    change(place / "seed-2" / "result.json", gradient_steps=900.0, versions={"torch": "9"})
    found = analyse_study(folder).methods["a"]
    assert found.above_random == [final + 700 for final in found.finals]
    assert found.gradient_steps == (4 * 400 + 900) / 5
    assert found.versions == [{"cagexplain": "0.1.0"}, {"torch": "9"}]


def test_returns_after_equal_steps(tmp_path: Path) -> None:
    folder = study(tmp_path, FINALS)
    assert analyse_study(folder).figures[0].equal is None
    shutil.rmtree(folder / "runs" / "b")
    for seed, rise in enumerate((0.0, 10.0)):
        short = [-4000.0 + rise + n for n in range(20)]
        run(folder / "runs" / "b" / f"seed-{seed}", seed, short, -1950)
    equal = analyse_study(folder).figures[0].equal
    assert equal is not None and equal.steps == 20 * 4990
    assert equal.methods["b"] == -4000 + 5 + 18.5  # the last two of twenty rounds
    runs = [read_run(folder / "runs" / "a" / f"seed-{seed}") for seed in range(5)]
    assert equal.methods["a"] == pytest.approx(np.mean([r.returns[16:20] for r in runs]))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> StudyPage:
    """With hostile names, a method without runs, and one with a single run."""
    titles = {name: f"{name} {HOSTILE}" for name in ("a", "b", "", "figure-1")}
    finals = FINALS | {"c": [], "d": [-800.0]}
    stated = [{"text": HOSTILE, "comparisons": [claim("a", "above", "b", low=0.0)]}]
    folder = study(tmp_path_factory.mktemp("study"), finals, findings() + stated, titles)
    return study_report(analyse_study(folder), None)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.links += [value or "" for key, value in attrs if key in ("href", "src")]


def test_page_is_complete_and_escaped(page: StudyPage) -> None:
    parser = _Parser()
    parser.feed(page.html)
    assert "script" not in parser.tags
    assert parser.links and all(link.startswith("#") for link in parser.links)
    assert {link[1:] for link in parser.links} <= set(parser.ids)
    assert len(parser.ids) == len(set(parser.ids))
    assert "&lt;script&gt;alert" in page.html
    assert "<script" not in page.html
    assert "http" not in page.html.replace("http-equiv", "")


def test_page_has_the_numbers(page: StudyPage) -> None:
    text = re.sub(r"<[^>]*>", " ", page.html)
    for said in ("−612", "−590", "+1,388", "11 of 20", "no finished run", "1 of 5 runs"):
        assert said in text
    assert page.html.count('class="said supported"') == 2 + 2 + 4  # summary, finding, claims
    assert "The curves as a table" in text


def test_markdown(page: StudyPage) -> None:
    rows = [line for line in page.markdown.splitlines() if line.startswith("|")]
    inner = [re.sub(r"\\.", "", row).count("|") for row in rows]
    assert set(inner) == {4, 7, 8, 12}  # whole tables, whatever the names hold
    assert "<script>" not in page.markdown
    assert "![Learning curves](figure-1.svg)" in page.markdown
    assert "−612" in page.markdown and "**CONTRADICTED**: no" in page.markdown


def test_picture_is_well_formed_and_loads_nothing(page: StudyPage) -> None:
    root = ElementTree.fromstring(page.pictures["figure-1"])
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert not {"script", "image", "use", "a"} & set(tags)
    paths = [e for e in root.iter() if e.tag.endswith("path")]
    lines = [e for e in paths if "line" in e.attrib["class"].split()]
    bands = [e for e in paths if "band" in e.attrib["class"].split()]
    assert len(bands) == 4  # two methods with several runs, in two diagrams
    assert len(lines) == 6 + 3  # three methods, and in the key
    for path in lines[:6] + bands:
        points = re.findall(r"([\d.]+),([\d.]+)", path.attrib["d"])
        assert all(60 <= float(x) <= 520 and 0 <= float(y) <= 320 for x, y in points)


def test_report_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study(tmp_path / "s", FINALS)
    assert main(["study", "report", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    written = json.loads((folder / "results.json").read_text())
    assert written["methods"]["a"]["mean"] == pytest.approx(-612)
    assert {p.name for p in folder.iterdir()} >= {"results.md", "figure-1.svg"}
    other = tmp_path / "page.html"
    assert main(["study", "report", str(folder), "--output", str(other)]) == 0
    assert other.read_text() == (folder / "report.html").read_text()
    assert main(["study", "report", str(tmp_path / "nowhere")]) == 1


def test_words() -> None:
    assert [signed(v) for v in (12.4, -1234.0, 0.2, -0.2, None)] == ["+12", "−1,234", "0", "0", "–"]
    assert span(None, 3) == "no interval"
    assert cell("a|b\n*c*") == "a\\|b \\*c\\*"
