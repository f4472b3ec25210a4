"""The smoke study, trained by the real trainers, from the file to the report."""

import json
from pathlib import Path

import pytest

from cagexplain.cli.main import main
from tests.studies.conftest import ROOT
from trainers.studies.definition import read_study
from trainers.studies.jobs import study_jobs


@pytest.mark.slow
def test_smoke_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "smoke"
    command = ["study", "run", str(ROOT / "studies" / "smoke.yaml"), "--output", str(out)]
    assert main([*command, "--workers", "2"]) == 0
    assert "8 finished" in capsys.readouterr().out
    assert main(["study", "report", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["finished"] == results["wanted"] == 8
    assert all(-10_000 < method["mean"] < 0 for method in results["methods"].values())
    (figure,) = results["figures"]
    assert [len(curve["steps"]) for curve in figure["curves"]] == [3] * 4
    assert (out / "figure-2.svg").exists() and (out / "results.md").exists()
    assert "Smoke test" in (out / "report.html").read_text()


def test_paper_study_can_be_trained(tmp_path: Path) -> None:
    """Every method exists, with three seeds of the stated lengths."""
    study = read_study(ROOT / "studies" / "paper.yaml")
    jobs = study_jobs(study, tmp_path)
    assert len(jobs) == 3 * 31
    assert {job.run.preset for job in jobs} == {"paper"}
    short = {job.method for job in jobs if job.run.steps == 1_000_000}
    assert {job.run.steps for job in jobs if job.method not in short} == {2_000_000}
    assert short == {
        name for name in study.methods if name.startswith(("r_", "grid_")) or name.endswith("_1m")
    }
    assert [figure.id for figure in study.figures] == [
        *(f"figure-{number}" for number in range(2, 8)),
        "table-2",
    ]
    assert all(figure.findings for figure in study.figures)


@pytest.mark.parametrize("name", ["tuned", "tuned-variants"])
def test_our_own_studies_can_be_trained(name: str, tmp_path: Path) -> None:
    study = read_study(ROOT / "studies" / f"{name}.yaml")
    jobs = study_jobs(study, tmp_path)
    assert len(jobs) == 3 * len(study.methods)
    assert all(figure.findings for figure in study.figures)
