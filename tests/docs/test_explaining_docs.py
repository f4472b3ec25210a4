"""The code of docs/explaining.md runs."""

import re

import pytest

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "explaining.md"


def test_the_experiment_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    (experiment,) = (block for block in blocks if "EPISODES" in block)
    short = experiment.replace("EPISODES = 100", "EPISODES = 2")
    assert short != experiment
    exec(compile(short, str(PAGE), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    kind, change, *_ = lines[-1].split()
    assert kind == "Restore" and int(change) < -500
