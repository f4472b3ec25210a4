"""`cagexplain reds`, and `--red FILE` in the commands that play."""

import json
from pathlib import Path

import pytest
import yaml

from cagexplain.analysis.decisions.replay import params_of
from cagexplain.analysis.fsm.analyse import red_table, trace_facts
from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.cc4.reds import PORTFOLIO, REDS, load_red
from cagexplain.cli.main import main
from cagexplain.tracing.trace import open_trace

SHORT = ("--episodes", "2", "--episode-length", "30")


@pytest.fixture
def mine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A table of the user's own, begun as a shipped one."""
    file = tmp_path / "mine.yaml"
    assert main(["reds", "greedy_live", "-o", str(file)]) == 0
    capsys.readouterr()
    file.write_text(file.read_text().replace("name: greedy_live", "name: mine"))
    return file


def test_lists_and_explains(capsys: pytest.CaptureFixture[str], mine: Path) -> None:
    assert main(["reds"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in REDS)
    assert listed.count("portfolio") == len(PORTFOLIO)
    assert main(["reds", "discovery"]) == 0
    told = capsys.readouterr().out
    assert "AggressiveServiceDiscovery 0.75" in told
    assert "Servers whose names it knows come first" in told
    assert main(["reds", str(mine)]) == 0
    assert capsys.readouterr().out.startswith("mine: greedy")


def test_yaml_is_a_file_that_reads_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, table in REDS.items():
        assert main(["reds", name, "--yaml"]) == 0
        file = tmp_path / f"{name}.yaml"
        file.write_text(capsys.readouterr().out)
        assert load_red(str(file)) == table


def test_yaml_needs_a_red(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reds", "--yaml"]) == 2
    assert "--yaml: no effect" in capsys.readouterr().err
    assert main(["reds", "gredy"]) == 2
    assert "Did you mean 'greedy'" in capsys.readouterr().err


def test_evaluates_against_a_file(capsys: pytest.CaptureFixture[str], mine: Path) -> None:
    out = mine.with_suffix(".json")
    command = ["evaluate", "expert", *SHORT, "--red", str(mine), "--json", str(out)]
    assert main(command) == 0
    assert "expert against mine" in capsys.readouterr().out
    stored = json.loads(out.read_text())["options"]["red"]
    assert stored == yaml.safe_load(mine.read_text())


def test_a_trace_keeps_the_table(
    capsys: pytest.CaptureFixture[str], mine: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "trace"
    assert main(["trace", "random", *SHORT, "--red", str(mine), "-o", str(folder)]) == 0
    mine.unlink()  # nothing needs the file any more
    trace = open_trace(folder)
    assert trace_facts(trace).red == "mine"
    assert red_table(trace).probability[State.UD, RedAction.ESCALATE] == 1.0
    assert params_of(trace).red_table == red_table(trace)
    page = tmp_path / "page.html"
    assert main(["fsm-report", str(folder), "-o", str(page)]) == 0
    assert "mine" in page.read_text()


def test_a_damaged_table_in_a_trace_is_one_error(
    capsys: pytest.CaptureFixture[str], mine: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "trace"
    assert main(["trace", "random", *SHORT, "--red", str(mine), "-o", str(folder)]) == 0
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    content["options"]["red"]["probability"]["U"] = {"Impact": 1}
    manifest.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(["fsm-report", str(folder), "-o", str(tmp_path / "page.html")]) == 1
    told = capsys.readouterr().err
    assert "options.red.probability.U.Impact: red cannot take Impact" in told
    assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "expert"],
        ["trace", "expert"],
        ["audit", "expert"],
        ["lockstep", "expert"],
        ["verify-submission", "nowhere"],
        ["surrogate", "expert"],
        ["train", "ippo", "--show"],
    ],
)
def test_a_bad_file_is_one_error_everywhere(
    command: list[str], capsys: pytest.CaptureFixture[str], mine: Path
) -> None:
    content = yaml.safe_load(mine.read_text())
    content["probability"]["K"] = {"AggressiveServiceDiscovery": 0.5}
    mine.write_text(yaml.safe_dump(content))
    assert main([*command, "--red", str(mine)]) == 2
    told = capsys.readouterr().err.strip()
    assert f"{mine}: " in told
    assert "probability.K: the row sums to 0.5" in told
    assert len(told.splitlines()) == 1


def test_training_keeps_the_table(capsys: pytest.CaptureFixture[str], mine: Path) -> None:
    assert main(["train", "ippo", "--red", str(mine), "--show"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["red", "mine"] in [words[:2] for words in lines]
