"""What `cagexplain compare` shows and where it writes."""

from pathlib import Path

import pytest

from cagexplain.cli.compare import LINES
from cagexplain.cli.main import main

SHORT = ["--episodes", "2", "--episode-length", "10"]


def test_few_lines_and_a_page_below_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for policy in ("sleep", "random"):
        assert main(["trace", policy, *SHORT, "-o", policy]) == 0
    capsys.readouterr()
    assert main(["compare", "sleep", "random"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("sleep and random, on the same seeds:")
    assert told[1].startswith("  Return −") and told[1].endswith(": not enough data, n = 2")
    assert told[-1] == "runs/compare-sleep-random-1.html" and Path(told[-1]).is_file()
    many = ["compare", *["sleep", "random"] * 3, "--json", "all.json"]  # fifteen pairs
    assert main(many) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == LINES
    assert told[-3].startswith("... ") and told[-3].endswith("--full shows all, and the page.")
    assert told[-1] == "all.json"
    assert main([*many, "--full"]) == 0
    full = capsys.readouterr().out.splitlines()
    assert len(full) > 100
    assert full[-2] == "runs/compare-sleep-random-sleep-random-sleep-random-2.html"
    assert {path.name for path in tmp_path.iterdir()} == {"all.json", "random", "runs", "sleep"}
