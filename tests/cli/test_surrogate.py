"""`cagexplain surrogate` from the command line, and what the other commands make of its trees."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from cagexplain.cli.main import main

pytestmark = pytest.mark.slow

SMALL = ["--fit-episodes", "6", "--episodes", "3", "--leaves", "8", "--episode-length", "80"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("surrogate") / "new"
    assert main(["surrogate", "reactive", *SMALL, "-o", str(path)]) == 0
    return path


def test_writes_what_it_promises(folder: Path) -> None:
    agents = [f"blue_agent_{i}" for i in range(5)]
    expected = {"tree.json", "surrogate.json", "surrogate.html"}
    expected |= {f"{agent}.{form}" for agent in agents for form in ("txt", "dot", "svg")}
    assert {path.name for path in folder.iterdir()} == expected
    content = json.loads((folder / "surrogate.json").read_text())
    assert [tree["agent"] for tree in content["agents"]] == agents
    for agent in agents:
        ElementTree.parse(folder / f"{agent}.svg")
        assert (folder / f"{agent}.dot").read_text().count("->") == 2 * (
            (folder / f"{agent}.txt").read_text().count("? yes:")
        )
    assert "Analyse a host, if no hosts longer without Analyse" in (
        folder / "surrogate.html"
    ).read_text().replace("\n", " ")


def test_the_trees_are_a_policy(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = str(folder / "tree.json")
    assert main(["evaluate", tree, "--episodes", "2", "--episode-length", "60"]) == 0
    assert "tree-reactive" in capsys.readouterr().out
    trace = tmp_path / "t"
    assert main(["trace", tree, "--episodes", "2", "--episode-length", "60", "-o", str(trace)]) == 0
    manifest = json.loads((trace / "manifest.json").read_text())
    assert manifest["policy"]["kind"] == "tree"
    assert manifest["policy"]["teacher"]["name"] == "reactive"
    assert main(["fsm-report", str(trace)]) == 0
    assert "tree-reactive" in (trace / "fsm-report.html").read_text()


def test_a_trace_is_enough(tmp_path: Path) -> None:
    trace, out = tmp_path / "t", tmp_path / "s"
    options = ["--episodes", "8", "--episode-length", "60"]
    assert main(["trace", "reactive", *options, "-o", str(trace)]) == 0
    assert main(["surrogate", str(trace), "--leaves", "4", "-o", str(out)]) == 0
    assert json.loads((out / "surrogate.json").read_text())["source"] == "trace"


def test_a_trace_without_observations_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, out = tmp_path / "t", tmp_path / "s"
    options = ["--episodes", "8", "--episode-length", "20", "--no-observations"]
    assert main(["trace", "sleep", *options, "-o", str(trace)]) == 0
    assert main(["surrogate", str(trace), "-o", str(out)]) == 1
    assert "observations" in capsys.readouterr().err
    assert not (out / "tree.json").exists()


def test_a_used_folder_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "tree.json").read_bytes()
    assert main(["surrogate", "sleep", *SMALL, "-o", str(folder)]) != 0
    assert str(folder) in capsys.readouterr().err
    assert (folder / "tree.json").read_bytes() == before


def test_an_unknown_policy_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surrogate", "reactiv"]) == 2
    assert "reactive" in capsys.readouterr().err


def test_a_report_holds_decisions_and_rules_or_says_why_not(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, trace = tmp_path / "tree.json", tmp_path / "t"
    tree.write_bytes((folder / "tree.json").read_bytes())
    options = ["--episodes", "1", "--episode-length", "40"]
    assert main(["trace", str(tree), *options, "-o", str(trace)]) == 0
    assert main(["fsm-report", str(trace), "--critical", "1"]) == 0
    page = (trace / "fsm-report.html").read_text()
    assert "No decision of this trace was explained" not in page
    tree.unlink()
    capsys.readouterr()
    assert main(["fsm-report", str(trace), "--critical", "1"]) == 0
    assert "gap" in capsys.readouterr().err
    assert "is not here (any more)" in (trace / "fsm-report.html").read_text()


def test_names_with_brackets_and_controls_stay_text(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The terminal's own markup is written in brackets, too; its commands begin with escape."""
    name, shown = "[/x]\x1b[2J\u202e", r"[/x]\x1b[2J\u202e"
    content = json.loads((folder / "tree.json").read_text()) | {"name": name}
    tree, trace = tmp_path / "tree.json", tmp_path / "t"
    tree.write_text(json.dumps(content))
    played = ["--episodes", "2", "--episode-length", "40"]
    assert main(["trace", str(tree), *played, "-o", str(trace)]) == 0
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    compare = ["compare", str(trace), str(trace), "-o", str(page), "--json", str(numbers)]
    assert main(compare) == main([*compare, "--full"]) == 0
    assert main(["evaluate", str(tree), *played]) == 0
    told = capsys.readouterr().out
    assert told.count(f"{shown} (t) #1 and {shown} (t) #2") == 2
    assert f"{shown} against finite_state" in told
    for text in (told, page.read_text(), numbers.read_text()):
        assert shown in text.replace("\\u001b", "\\x1b")
        assert not {"\x1b", "\u202e"} & set(text)
    few = ["--fit-episodes", "2", "--episodes", "2", "--leaves", "4", "--episode-length", "40"]
    assert main(["surrogate", str(tree), *few, "-o", str(tmp_path / "new")]) == 0
    assert f"{shown} plays" in capsys.readouterr().err


def test_a_failure_leaves_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "damaged.json").write_text("{")
    out = tmp_path / "s"
    assert main(["surrogate", str(tmp_path / "damaged.json"), "-o", str(out)]) == 1
    assert not out.exists()
