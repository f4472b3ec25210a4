"""The smoke study, trained by the real trainers, from the file to the report."""

import json
import shutil
from pathlib import Path

import pytest

from cagexplain.cli.main import main
from tests.trainers.studies.conftest import ROOT
from trainers.studies.definition import read_study
from trainers.studies.jobs import study_jobs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "smoke"
    command = ["study", "run", str(ROOT / "studies" / "smoke.yaml"), "--output", str(out)]
    assert main([*command, "--workers", "2"]) == 0
    return out


def test_smoke_study(trained: Path) -> None:
    assert main(["study", "report", str(trained)]) == 0
    results = json.loads((trained / "results.json").read_text())
    assert results["finished"] == results["wanted"] == 8
    assert all(-10_000 < method["mean"] < 0 for method in results["methods"].values())
    (figure,) = results["figures"]
    assert [len(curve["steps"]) for curve in figure["curves"]] == [3] * 4
    assert (trained / "figure-2.svg").exists() and (trained / "results.md").exists()
    page = (trained / "report.html").read_text()
    assert "Smoke test" in page
    assert "No run is explained. <code>cagexplain study explain" in page
    assert results["strategies"] is None and not (trained / "figure-8.svg").exists()


def test_explained_study(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two runs one has its checkpoint; what is kept is enough for the report."""
    folder, kept = tmp_path / "study", tmp_path / "kept"
    for run in ("runs/ippo/seed-0", "runs/maddpg/seed-1"):
        shutil.copytree(trained / run, folder / run)
    shutil.copy(trained / "study.json", folder)
    (folder / "runs/maddpg/seed-1/ckpt.pt").unlink()
    command = ["study", "explain", str(folder), "--episodes", "10", "--kept", str(kept)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "Not explained, as their checkpoints are not here: runs/maddpg/seed-1." in said
    assert said.endswith(f"Next: cagexplain study report {kept}\n")
    assert {path.name for path in (kept / "runs/ippo/seed-0").iterdir()} == {
        *("config.json", "explain.json", "metrics.parquet", "result.json"),
    }

    assert main(["study", "report", str(kept)]) == 0
    strategies = json.loads((kept / "results.json").read_text())["strategies"]
    assert (strategies["explained"], strategies["wanted"]) == (1, 8)
    masked = strategies["conditions"][0]
    assert [method["id"] for method in masked["methods"]] == ["ippo"]
    assert {s["verdict"] for s in masked["sentences"]} == {"INCONCLUSIVE"}  # of a single run
    assert "1 of 8 runs are explained, 10 episodes of each" in (kept / "report.html").read_text()
    assert (kept / "figure-8.svg").exists()

    before = (folder / "runs/ippo/seed-0/explain.json").stat().st_mtime_ns
    assert main(command) == 0  # nothing is done twice
    assert (folder / "runs/ippo/seed-0/explain.json").stat().st_mtime_ns == before


def test_explain_wants_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "explain", str(tmp_path)]) == 1
    assert "Give the folder of a `cagexplain study run`" in capsys.readouterr().err


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


@pytest.mark.parametrize("name", ["tuned", "tuned-variants", "tuned-long"])
def test_our_own_studies_can_be_trained(name: str, tmp_path: Path) -> None:
    study = read_study(ROOT / "studies" / f"{name}.yaml")
    jobs = study_jobs(study, tmp_path)
    assert len(jobs) == len(study.seeds) * len(study.methods)
    assert all(figure.findings for figure in study.figures)
