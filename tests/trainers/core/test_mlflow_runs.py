"""A run that MLflow tracks: the same training, all of it in one run of MLflow, whatever happens.

The tests of MLflow itself run where the extra "mlflow" is installed.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.checkpoint import load_checkpoint
from tests.support.training_env import FakeEnv
from trainers.core import logging as logging_file
from trainers.core import loop, mlflow_runs
from trainers.core.config import RunConfig
from trainers.core.logging import read_metrics
from trainers.core.result import RunResult
from trainers.registry import find_preset

pytestmark = pytest.mark.slow

SETTINGS = replace(
    find_preset("ippo", "tuned"), envs=4, hidden=(4,), epochs=1, minibatches=1, network="mlp"
)
PER_ROUND = 4 * 40
ROUNDS = 4
CONFIG = RunConfig("ippo", "tuned", ROUNDS * PER_ROUND, 3, 2 * PER_ROUND, 2, 2)


def fake(n_envs: int, threads: int, reds: Any) -> Any:
    return FakeEnv(n_envs)


def train(folder: Path, track: str | None = None) -> RunResult:
    run = loop.start(CONFIG, SETTINGS, folder, threads=1, make_env=fake, track=track)
    return run.train()


def resume(folder: Path, track: str | None = None) -> RunResult:
    return loop.resume(folder, threads=1, make_env=fake, track=track).train()


def assert_same_training(folder: Path, other: Path) -> None:
    """The same weights, bit for bit, and the same metrics."""
    for name in (loop.BEST, loop.LAST):
        a, b = (load_checkpoint(place / name).weights for place in (folder, other))
        assert leaves(a)
        for x, y in zip(leaves(a), leaves(b), strict=True):
            assert torch.equal(x, y)
    a, b = (
        [{k: v for k, v in row.items() if "second" not in k} for row in read_metrics(place)]
        for place in (folder, other)
    )
    assert a == b
    assert len(a) == ROUNDS


def leaves(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [leaf for item in items for leaf in leaves(item)]


@pytest.fixture(scope="module")
def untracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untracked") / "run"
    train(folder)
    return folder


@pytest.mark.parametrize("track", ["", "mlflow", "mlflow:", "wandb:project", "http://x"])
def test_another_form_is_one_error(track: str) -> None:
    with pytest.raises(UsageError, match="names no tracker") as error:
        mlflow_runs.require(track)
    assert error.value.where == "--track"
    assert "mlflow:sqlite:///mlflow.db" in str(error.value)


def test_without_mlflow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match="MLflow is not installed") as error:
        mlflow_runs.require("mlflow:sqlite:///mlflow.db")
    assert "pip install -e '.[mlflow]'" in str(error.value)


def test_the_commands_refuse_before_they_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    study = tmp_path / "study.yaml"
    study.write_text("steps: 100000\nseeds: [0]\nmethods:\n  ippo: {algorithm: ippo}\n")
    for command in (["train", "ippo"], ["study", "run", str(study)]):
        output = tmp_path / "run"
        assert main([*command, "--track", "mlflow:sqlite:///x.db", "-o", str(output)]) == 2
        assert "MLflow is not installed" in capsys.readouterr().err
        assert not output.exists()


@pytest.mark.parametrize("rounds", [0, 2])
def test_a_run_goes_on_without_a_tracker_that_dies(
    tmp_path: Path,
    untracked: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rounds: int,
) -> None:
    class Dying:
        """Answers for some rounds."""

        def __init__(self, *arguments: Any) -> None:
            self.left = rounds
            self.add()

        def add(self, *arguments: Any) -> None:
            self.left -= 1
            if self.left < 0:
                raise ConnectionError("the server has gone")

        def close(self) -> None:
            raise AssertionError("it is no longer asked")

    monkeypatch.setattr(logging_file, "MlflowRun", Dying)
    train(tmp_path / "run", "mlflow:http://somewhere")
    said = capsys.readouterr().out
    assert said.count("No more scalars for MLflow: the server has gone") == 1
    assert "TensorBoard" not in said
    assert_same_training(tmp_path / "run", untracked)


def test_a_damaged_file_of_the_run_is_one_error(tmp_path: Path) -> None:
    (tmp_path / mlflow_runs.RUN).write_text('{"run_id": 5}')
    with pytest.raises(CagexplainError, match="run_id") as error:
        mlflow_runs.remembered(tmp_path)
    assert "begins a new run of MLflow" in str(error.value)


# What MLflow holds afterwards, in a database of its own.


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("mlflow", reason="the extra 'mlflow' is not installed")
    folder = tmp_path_factory.mktemp("mlflow")
    track = f"mlflow:sqlite:///{folder}/mlflow.db"
    # By itself, MLflow would put artefacts into the working directory.
    client(track).create_experiment(mlflow_runs.EXPERIMENT, str(folder / "artefacts"))
    return track


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What MLflow writes into the working directory is no file of the project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


def client(store: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=mlflow_runs.location(store))


def history(store: str, folder: Path, name: str) -> list[tuple[int, float]]:
    run_id = mlflow_runs.remembered(folder)
    metrics = client(store).get_metric_history(run_id, name)
    return sorted((metric.step, metric.value) for metric in metrics)


def test_settings_metrics_and_files_are_there(store: str, tmp_path: Path, untracked: Path) -> None:
    folder = tmp_path / "run"
    result = train(folder, store)
    assert_same_training(folder, untracked)
    run = client(store).get_run(mlflow_runs.remembered(folder))
    assert run.info.status == "FINISHED"
    settings = {**asdict(CONFIG), **asdict(SETTINGS)}
    assert run.data.params == {name: str(value) for name, value in settings.items()}
    assert run.data.metrics["final_mean"] == result.final_mean
    for name in ("return", "evaluation", "entropy", "seconds/update"):
        rows = [row for row in read_metrics(folder) if name in row]
        assert rows
        there = [(int(row["steps"]), row[name]) for row in rows]
        assert dict(history(store, folder, name)) == pytest.approx(dict(there))
    files = {file.path for file in client(store).list_artifacts(run.info.run_id)}
    assert files == {"config.json", "metrics.parquet", "ckpt.pt", "last.pt", "result.json"}


def test_a_resumed_run_goes_on_in_the_same_run(
    store: str, tmp_path: Path, untracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(loop.Display, "update", lambda *arguments: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(folder, store)
    run_id = mlflow_runs.remembered(folder)
    assert client(store).get_run(run_id).info.status == "KILLED"
    assert [step for step, _ in history(store, folder, "return")] == [PER_ROUND]
    resume(folder, store)
    assert mlflow_runs.remembered(folder) == run_id
    assert client(store).get_run(run_id).info.status == "FINISHED"
    steps = [step for step, _ in history(store, folder, "return")]
    assert steps == [PER_ROUND * (k + 1) for k in range(ROUNDS)]  # each once
    assert_same_training(folder, untracked)


def test_rounds_without_a_tracker_are_sent_later(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(loop.Display, "update", lambda *arguments: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(folder)
    resume(folder, store)
    assert len(history(store, folder, "return")) == ROUNDS


def test_a_store_that_breaks_in_the_middle_does_not_end_the_run(
    store: str,
    tmp_path: Path,
    untracked: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    log_batch, sent = MlflowClient.log_batch, []

    def broken(*arguments: Any, **named: Any) -> Any:
        sent.append(arguments)
        if len(sent) > 3:
            raise MlflowException("database is gone\n(a long explanation)")
        return log_batch(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", broken)
    train(tmp_path / "run", store)
    assert capsys.readouterr().out.count("No more scalars for MLflow: database is gone\n") == 1
    assert_same_training(tmp_path / "run", untracked)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "nonsense:x", "mlruns", "file:mlruns", "sqlite:////proc/x.db"]
)
def test_where_nothing_answers_is_one_error(
    store: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(CagexplainError, match="MLflow cannot track there") as error:
        mlflow_runs.require(f"mlflow:{uri}")
    assert "\n" not in error.value.problem
    assert error.value.where == f"mlflow:{uri}"


def test_a_run_that_is_not_there_is_one_error(store: str, tmp_path: Path) -> None:
    (tmp_path / mlflow_runs.RUN).write_text('{"run_id": "0123456789abcdef0123456789abcdef"}')
    with pytest.raises(CagexplainError, match="0123456789abcdef"):
        mlflow_runs.require(store, tmp_path)


def test_a_worker_of_a_study_tracks_its_run(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainers.studies import worker
    from trainers.studies.jobs import Job

    job = Job("m", tmp_path / "run", tmp_path / "log", CONFIG, SETTINGS, store)
    monkeypatch.setattr(loop, "start", partial(loop.start, make_env=fake))
    worker.train(job.to_json())
    assert len(history(store, job.folder, "return")) == ROUNDS


AUDIT = ["--episodes", "10", "--episode-length", "60", "--prices", "0", "--variations", "0"]


def test_an_audit_joins_the_run_of_its_checkpoint(store: str, tmp_path: Path) -> None:
    from cagexplain.audit import document

    folder, output = tmp_path / "run", tmp_path / "audit"
    train(folder, store)
    policy = ["audit", str(folder / "ckpt.pt"), *AUDIT, "--moments", "0", "-o", str(output)]
    assert main([*policy, "--track", store]) == 0
    audit = document.read(output / "audit.json")
    run = client(store).get_run(mlflow_runs.remembered(folder))
    assert run.data.metrics["audit/return"] == audit.mean_return.mean
    for verdict in ("FAIL", "INCONCLUSIVE"):
        count = sum(finding.verdict == verdict for finding in audit.findings)
        assert run.data.metrics.get(f"audit/{verdict}", 0) == count
    assert (run.data.tags["practice"], run.data.tags["outcome"]) == (audit.practice, audit.outcome)
    files = {file.path for file in client(store).list_artifacts(run.info.run_id, "audit")}
    assert files == {"audit/audit.html", "audit/audit.json"}
    # Its trace names the same checkpoint.
    again = ["audit", str(output / "trace"), *AUDIT[4:], "--moments", "0"]
    assert main([*again, "-o", str(tmp_path / "again"), "--track", store]) == 0
    history = client(store).get_metric_history(run.info.run_id, "audit/return")
    assert len(history) == 2


def test_an_audit_of_what_was_not_tracked_is_refused(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "audit"
    assert main(["audit", "sleep", *AUDIT, "-o", str(output), "--track", store]) == 2
    assert "has no run of MLflow" in capsys.readouterr().err
    assert not output.exists()
