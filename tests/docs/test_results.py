"""What docs/results.md and the pages in docs/results say is what the kept runs say."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from scripts import results
from trainers.studies.definition import read_study


@pytest.fixture(scope="module")
def files() -> Mapping[Path, str]:
    return results.files()


def test_pages_and_pictures_are_those_of_the_kept_runs(files: Mapping[Path, str]) -> None:
    """If this fails, call `make results`."""
    for path, text in files.items():
        assert path.read_text(encoding="utf-8") == text, path
    drawn = {path for path in files if path.suffix == ".svg"}
    assert drawn == {*(results.DOCS / "results").glob("*/*.svg")}


def test_every_figure_of_every_study_has_its_row(files: Mapping[Path, str]) -> None:
    text = files[results.DOCS / "results.md"]
    for name in ("paper", "tuned", "tuned-variants"):
        study = read_study(results.ROOT / "studies" / f"{name}.yaml")
        for figure in study.figures:
            command = f"`cagexplain study run studies/{name}.yaml --only {figure.id}`"
            assert text.count(command) == 1
    for name in ("paper", "tuned"):
        assert f"`cagexplain study explain runs/{name}`" in text


def test_links_lead_to_headings(files: Mapping[Path, str]) -> None:
    headings = {
        f"results/{path.name}#{results.anchor(line.lstrip('# '))}"
        for path, text in files.items()
        if path.suffix == ".md"
        for line in text.splitlines()
        if line.startswith("## ")
    }
    links = {
        link.split(")")[0]
        for link in files[results.DOCS / "results.md"].split("](")[1:]
        if link.startswith("results/") and "#" in link.split(")")[0]
    }
    assert links and links <= headings


def test_rows_say_what_the_files_of_runs_hold(files: Mapping[Path, str]) -> None:
    """Counted from result.json and from the tables of the pages, not as the rows were made."""
    text = files[results.DOCS / "results.md"]
    rows = re.findall(r"^\|.*`cagexplain study run .*$", text, re.M)
    assert len(rows) > 10
    for row in rows:
        cells = [cell.strip() for cell in row.split("|")]
        ((name, figure_id),) = re.findall(r"studies/([\w-]+)\.yaml --only ([\w-]+)", cells[2])
        study = read_study(results.ROOT / "studies" / f"{name}.yaml")
        (figure,) = [each for each in study.figures if each.id == figure_id]
        ends = {
            method: [
                results.DATA / name / "runs" / entry.runs / f"seed-{seed}" / "result.json"
                for seed in study.seeds
            ]
            for method, entry in study.methods.items()
        }
        wanted = [end for method in figure.methods for end in ends[method]]
        there = [json.loads(end.read_text())["seconds"] for end in wanted if end.exists()]
        assert cells[3] == (f"{len(there)} of {len(wanted)}" if there else "not run yet")
        assert cells[4] == (f"{sum(there) / 3600:.1f}" if there else "")
        complete = {method for method, runs in ends.items() if all(end.exists() for end in runs)}
        judged: Counter[str] = Counter()
        if there:
            page = files[results.DOCS / "results" / f"{name}.md"]
            verdicts = dict(
                re.findall(rf"^\| {re.escape(figure.title)} \| (.+) \| (\w+) \|$", page, re.M)
            )
            for finding in figure.findings:
                methods = {m for c in finding.comparisons for m in (c.method, c.other)}
                full = methods <= complete
                judged[verdicts[finding.text].lower() if full else "with too few runs"] += 1
        said = {kind: int(n) for n, kind in re.findall(r"(\d+) ([a-z ]+)", cells[5].split("](")[0])}
        said |= {kind: int(n) for n, kind in re.findall(r"(\d+) (with too few runs)", cells[5])}
        assert said == dict(judged)


def test_rows_of_budgets_say_how_far_above_random_play_runs_ended(
    files: Mapping[Path, str],
) -> None:
    text = files[results.DOCS / "results.md"]
    block = text.partition("<!-- budgets -->")[2].partition("<!-- /budgets -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| (\d+) \| (\S+) \| (\S+) \|$", block, re.M)
    expected = []
    for name in ("tuned", "tuned-long"):
        for place in sorted((results.DATA / name / "runs").glob("*")):
            ends = [json.loads(end.read_text()) for end in place.glob("*/result.json")]
            above = [end["final_mean"] - end["random_mean"] for end in ends]
            worst, mean = (f"{x:+,.0f}".replace("-", "−") for x in (min(above), np.mean(above)))
            expected.append((place.name, f"{ends[0]['steps']:,}", str(len(ends)), worst, mean))
    assert sorted(rows) == sorted(expected)
