"""The table of figures in docs/results.md says what the kept runs and the report say."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Final

import pytest

from tests.docs import pages
from trainers.studies.definition import read_study

TEXT: Final = (pages.ROOT / "docs" / "results.md").read_text(encoding="utf-8")
DATA: Final = pages.ROOT / "docs" / "results" / "data"
ROWS: Final = [
    tuple(cell.strip() for cell in row.split("|")[2:6])
    for row in re.findall(r"^\|.*`cagexplain study (?:run|explain) [^`]*` \|.*$", TEXT, re.M)
]
"""Command, runs finished, hours, our result."""


def test_every_figure_has_its_rows() -> None:
    words = "".join(command for command, *_ in ROWS)
    for study, figures in (("paper", "234567"), ("tuned", "2356"), ("tuned-variants", "47")):
        for figure in figures:
            assert f"studies/{study}.yaml --only figure-{figure}`" in words
    assert "--only table-2" in words and "study explain runs/tuned" in words


@pytest.mark.parametrize(("command", "finished", "hours", "result"), ROWS)
def test_rows_of_the_figures(command: str, finished: str, hours: str, result: str) -> None:
    if "study explain" in command:
        (name,) = re.findall(r"runs/(\w+)", command)
        assert finished == f"{len([*DATA.glob(f'{name}/runs/*/*/explain.json')])} explained"
        figure = "Policies (figure 8)"
    else:
        ((name, figure_id),) = re.findall(r"studies/([\w-]+)\.yaml --only ([\w-]+)", command)
        study = read_study(pages.ROOT / "studies" / f"{name}.yaml")
        (one,) = [each for each in study.figures if each.id == figure_id]
        runs = [
            DATA / name / "runs" / study.methods[method].runs / f"seed-{seed}" / "result.json"
            for method in one.methods
            for seed in study.seeds
        ]
        there = [json.loads(run.read_text()) for run in runs if run.exists()]
        took = sum(run["seconds"] for run in there) / 3600
        assert finished == (f"{len(there)} of {len(runs)}" if there else "not run yet")
        assert hours == (f"{took:.1f}" if there else "")
        figure = one.title
    verdicts = Counter(
        verdict.lower()
        for title, verdict in re.findall(r"^\| ([^|]+) \| [^|]+ \| ([A-Z]+) \|$", TEXT, re.M)
        if title == figure
    )
    if name == "tuned":
        said = {verdict: int(n) for n, verdict in re.findall(r"(\d) (\w+ed|inconclusive)", result)}
        assert said == dict(verdicts)
    else:
        assert result in ("", "too few runs for a verdict")
