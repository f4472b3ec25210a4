"""Workers on a Ray cluster, which one process starts once for all of these tests."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from rich.console import Console

from cagexplain.common.errors import CagexplainError, UsageError
from tests.trainers.studies.conftest import ROOT
from tests.trainers.studies.test_runner import attempts, study
from trainers.studies.cluster import RayBackend, RayTask
from trainers.studies.jobs import standing, study_jobs
from trainers.studies.local import LocalBackend, stop_flag
from trainers.studies.run import Workplace, train
from trainers.studies.runner import RunState, entries, work

FAKE = "tests.support.fake_trainer:train"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayBackend]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # nodes find the tests
        backend = Workplace(workers=2, ray="local", function=FAKE).backend(lock=-1)
        assert isinstance(backend, RayBackend)
        yield backend
        ray.shutdown()


def test_missing_ray_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"--ray: Ray is not installed.*pip install ray"):
        RayBackend("auto")


def test_cluster_that_does_not_answer() -> None:
    with pytest.raises(CagexplainError, match="no Ray cluster answers at 'auto'"):
        RayBackend("auto")


@pytest.mark.slow
def test_results_are_those_of_local_workers(tmp_path: Path, cluster: RayBackend) -> None:
    made, console = study(tmp_path, "a", "killed_once", seeds=1), Console(file=io.StringIO())
    for side, backend in (("ray", cluster), ("local", LocalBackend(2, FAKE))):
        runs = train(study_jobs(made, tmp_path / side), backend, console)
        assert [run.state for run in runs] == [RunState.FINISHED] * 2
        assert attempts(tmp_path / side, "killed_once") == 2
    for name in ("a", "killed_once"):
        for file in ("result.json", "config.json"):
            place_in_study = Path("runs", name, "seed-0", file)
            there, here = (tmp_path / side / place_in_study for side in ("ray", "local"))
            assert there.read_bytes() == here.read_bytes()


@pytest.mark.slow
def test_run_on_a_cluster_saves_before_it_stops(tmp_path: Path, cluster: RayBackend) -> None:
    (run,) = entries(study_jobs(study(tmp_path, "slow_a", seeds=1), tmp_path / "out"))

    def watch() -> None:
        if run.standing.steps:
            run.cancel()

    work([run], cluster, watch)
    assert run.state is RunState.STOPPED
    assert standing(run.job).steps == 9_980


class _Error(Exception):
    pass


class _Cancelled(_Error):
    pass


class _InTask(_Error):
    pass


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [(_Cancelled(), 130, ""), (_InTask("no disk"), 1, "no disk\n"), (_Error("node died"), -9, "")],
)
def test_how_a_task_can_end(tmp_path: Path, raised: Exception, status: int, said: str) -> None:
    def get(reference: object) -> int:
        raise raised

    ray = SimpleNamespace(
        wait=lambda references, timeout: (references, []),
        get=get,
        exceptions=SimpleNamespace(
            TaskCancelledError=_Cancelled, RayTaskError=_InTask, RayError=_Error
        ),
    )
    log = tmp_path / "logs" / "run.log"
    assert RayTask(ray, None, log).status() == status
    assert (log.read_text() if log.exists() else "") == said


def test_a_task_is_asked_to_end_by_a_file(tmp_path: Path) -> None:
    ray = SimpleNamespace(wait=lambda references, timeout: ([], references))
    task = RayTask(ray, "task", tmp_path / "run.log")
    assert task.status() is None and not stop_flag(task.log).exists()
    task.stop()
    assert task.status() is None and stop_flag(task.log).exists()
    ray.wait, ray.get = (lambda references, timeout: (references, [])), lambda task: 130
    ray.exceptions = SimpleNamespace(
        TaskCancelledError=_Cancelled, RayTaskError=_InTask, RayError=_Error
    )
    assert task.status() == 130 and not stop_flag(task.log).exists()
