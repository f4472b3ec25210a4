"""Runs on full disks, beside other processes, in folders with leftovers; what they say first."""

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cagexplain.cc4 import phases
from cagexplain.cli.main import explain
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import atomic_write, remove_leftovers
from cagexplain.common.locks import locked
from cagexplain.policies import checkpoint as checkpoint_file
from cagexplain.policies.checkpoint import write_plain
from tests.support.paths import ROOT
from tests.support.training_env import FakeEnv
from trainers.core import loop, trackers
from trainers.core.config import RunConfig
from trainers.core.logging import MetricsLog, read_metrics
from trainers.core.result import RESULT
from trainers.registry import find_preset
from trainers.studies.jobs import Job

SETTINGS = replace(
    find_preset("ippo", "tuned"), envs=4, hidden=(4,), epochs=1, minibatches=1, network="mlp"
)
PER_ROUND = 4 * 40
CONFIG = RunConfig("ippo", "tuned", 4 * PER_ROUND, 3, 2 * PER_ROUND, 2, 2)


def fake(n_envs, threads, red):
    return FakeEnv(n_envs)


def start(folder, config=CONFIG):
    return loop.start(config, SETTINGS, folder, threads=1, make_env=fake)


def resume(folder):
    return loop.resume(folder, threads=1, make_env=fake)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return start(tmp_path_factory.mktemp("whole") / "run").train()


class FullDisk:
    """After some writes, there is no more room."""

    def __init__(self, monkeypatch, writes):
        self.left, self.fsync = writes, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.fsync(descriptor)


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_disk_that_is_full_at_the_start_leaves_a_folder_to_use_again(tmp_path, whole, writes):
    folder = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(patch, writes)
        with pytest.raises(OSError) as error:
            start(folder)
    assert explain(error.value).problem == "disk full" and error.value.filename
    if not (folder / loop.RESUME).exists():
        assert list(folder.iterdir()) == []
        start(folder)
    assert resume(folder).train().final_returns == whole.final_returns


def test_a_disk_that_gets_full_on_the_way_leaves_a_run_to_resume(tmp_path, whole):
    folder, failures = tmp_path / "run", 0
    start(folder)
    for writes in range(100):  # with every attempt, there is room for one more
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, writes)
            try:
                result = resume(folder).train()
                break
            except OSError as error:
                assert error.errno == errno.ENOSPC and error.filename
                failures += 1
    assert failures > 8
    assert result.final_returns == whole.final_returns
    assert result.evaluations == whole.evaluations
    assert len(read_metrics(folder)) == 4
    assert not list(folder.glob(".*.tmp"))


def test_pytorchs_writer_does_not_hide_that_the_disk_is_full(tmp_path, monkeypatch):
    @contextmanager
    def full(path):
        with open("/dev/full", "wb", buffering=0) as file:
            yield file

    monkeypatch.setattr(checkpoint_file, "atomic_write", full)
    with pytest.raises(OSError) as error:
        write_plain(tmp_path / "x.pt", "test", {"x": torch.zeros(1000)})
    assert error.value.errno == errno.ENOSPC


def test_a_run_goes_on_without_tensorboard(tmp_path, monkeypatch, capsys):
    class Broken(trackers.RecordWriter):
        def write(self, data):
            if self._writer.tell() > 100:
                raise OSError(errno.EIO, "the disk has gone")
            super().write(data)

    monkeypatch.setattr(trackers, "RecordWriter", Broken)
    start(tmp_path / "run").train()
    assert len(read_metrics(tmp_path / "run")) == 4
    assert capsys.readouterr().out.count("No more scalars for TensorBoard: the disk has gone") == 1


def test_tensorboard_reads_what_is_logged(tmp_path):
    for first in (0, 2):  # the second one as a resumed run, which repeats a round
        log = MetricsLog(tmp_path, first, 10 * first)
        for k in range(first, 3):
            log.add({"round": k, "steps": 10 * (k + 1), "return": -float(k + first)})
        log.save()
        log.close()
    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in shown.Scalars("return")] == [(10, 0), (20, -1), (30, -4)]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"round": [0]}, "steps"),
        ({"round": ["0"], "steps": [1], "return": [0.0]}, "round is not of type int64"),
        ({"round": [None], "steps": [1], "return": [0.0]}, "round"),
        ({"round": [0], "steps": [1], "return": ["good"]}, "return is not of type double"),
    ],
)
def test_metrics_with_other_columns_are_refused(tmp_path, columns, said):
    pq.write_table(pa.table(columns), tmp_path / "metrics.parquet")
    with pytest.raises(CagexplainError, match=said) as error:
        read_metrics(tmp_path)
    assert error.value.where == tmp_path / "metrics.parquet"


def test_what_a_killed_writer_left_is_swept(tmp_path, whole):
    folder = tmp_path / "run"
    start(folder)
    with atomic_write(folder / loop.RESUME) as file:
        name = Path(file.name)
        leftover = name.read_bytes()
        file.write((folder / loop.RESUME).read_bytes())
    assert not name.exists()
    name.write_bytes(leftover)  # as it is called, and after a kill still lies there
    (folder / ".mine.tmp").touch()
    resume(folder).train()
    assert not name.exists()
    assert (folder / ".mine.tmp").exists()


def test_only_temporary_files_of_ours_are_removed(tmp_path):
    for name in (".resume.pt.0123abcd.tmp", ".a.0123abcd.tmp", "a.0123abcd.tmp", ".a.tmp", "b"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.0123abcd.tmp", ".a.tmp", "b"}


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path, whole):
    folder = tmp_path / "run"
    start(folder)
    holds = (
        "import sys; from pathlib import Path; from cagexplain.common.locks import locked\n"
        "with locked(Path(sys.argv[1]), '', remedy=''): print('held', flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holds, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"held\n"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(CagexplainError, match="another process trains this run"):
        resume(folder).train()
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    process.kill()  # the lock ends with its holder, however that ends
    process.communicate()
    assert resume(folder).train().final_returns == whole.final_returns


def test_a_run_that_was_continued_in_the_meantime_is_left_alone(tmp_path):
    folder = tmp_path / "run"
    start(folder)
    late = resume(folder)
    resume(folder)._save_resume()
    with pytest.raises(CagexplainError, match="continued this run in the meantime"):
        late.train()
    with locked(folder, "busy", remedy="wait"):  # and nothing is held any more
        pass


@pytest.mark.parametrize(
    ("steps", "envs", "rounds"),
    [(60_000, 64, 1), (2_000, 8, 1), (2_000_000, 10, 400), (1, 1, 1), (998, 2, 1), (1_996, 2, 2)],
)
def test_steps_are_whole_rounds_for_runs_and_studies_alike(steps, envs, rounds):
    per_round = envs * phases.calls(phases.DEFAULT_STEPS)
    config = replace(CONFIG, steps=steps)
    assert config.rounds(per_round) == rounds
    job = Job("m", Path("f"), Path("l"), config, replace(SETTINGS, envs=envs))
    assert job.steps == rounds * per_round


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (PER_ROUND // 2, f"Training {PER_ROUND} steps, not 80: a round has {PER_ROUND} (4 ep"),
        (2 * PER_ROUND - 1, f"Training {PER_ROUND} steps, not 319: a round"),
        (PER_ROUND, ""),
    ],
)
def test_how_many_steps_are_trained_is_said_first(tmp_path, capsys, steps, said):
    run = start(tmp_path / "run", replace(CONFIG, steps=steps))
    assert run.train().steps == PER_ROUND
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(said) if said else "Training" not in first


def test_a_damaged_file_of_settings_names_itself(tmp_path):
    from trainers.studies.jobs import refuse_differences

    start(tmp_path / "run")
    job = Job("m", tmp_path / "run", tmp_path / "log", CONFIG, SETTINGS)
    refuse_differences([job])
    for text in ("[]", "{", "[" * 100_000):
        (tmp_path / "run" / loop.CONFIG).write_text(text)
        with pytest.raises(CagexplainError) as error:
            refuse_differences([job])
        assert error.value.where == tmp_path / "run" / loop.CONFIG
    shutil.rmtree(tmp_path / "run")
    refuse_differences([job])


def test_a_finished_run_lacks_settings_that_are_younger_than_it(tmp_path):
    from trainers.studies.jobs import refuse_differences

    start(tmp_path / "run")
    job = Job("m", tmp_path / "run", tmp_path / "log", CONFIG, SETTINGS)
    path = tmp_path / "run" / loop.CONFIG
    complete = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in complete.items() if k != "warm_tie"}))
    with pytest.raises(CagexplainError, match="warm_tie was -, is now"):
        refuse_differences([job])  # it cannot be continued
    (tmp_path / "run" / RESULT).write_text("{}")
    refuse_differences([job])
    for settings, text in (
        (replace(SETTINGS, warm_tie=0.5), "warm_tie was 0.3, is now 0.5"),
        (replace(SETTINGS, gamma=0.5), "gamma was"),
    ):
        with pytest.raises(CagexplainError, match=text):
            refuse_differences([replace(job, settings=settings)])
    path.write_text(json.dumps({k: v for k, v in complete.items() if k != "gamma"}))
    with pytest.raises(CagexplainError, match="gamma was -"):
        refuse_differences([job])  # no default: who knows what it was
