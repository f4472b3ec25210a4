"""Working through the runs of a study, with a trainer that is done at once."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from cagexplain.common.errors import CagexplainError
from tests.trainers.studies.conftest import ROOT
from trainers.studies.definition import Study, read_study
from trainers.studies.jobs import Standing, standing, study_jobs
from trainers.studies.local import locked
from trainers.studies.run import Workplace, run_study, show_plan
from trainers.studies.runner import ATTEMPTS, RunState, entries
from trainers.studies.table import summary, table

pytestmark = pytest.mark.slow

FAKE = Workplace(workers=2, function="tests.support.fake_trainer:train")


def write(folder: Path, *methods: str, seeds: int = 2, steps: int = 19_960) -> Path:
    lines = [f"  {name}: {{algorithm: ippo, settings: {{envs: 2}}}}" for name in methods]
    # Methods of equal settings would share their runs.
    lines = [line.replace("envs: 2", f"envs: {2 + n}") for n, line in enumerate(lines)]
    text = "\n".join([f"seeds: {seeds}", f"steps: {steps}", "methods:", *lines])
    file = folder / "study.yaml"
    file.write_text(text + "\n", encoding="utf-8")
    return file


def study(folder: Path, *methods: str, seeds: int = 2, steps: int = 19_960) -> Study:
    return read_study(write(folder, *methods, seeds=seeds, steps=steps))


def attempts(folder: Path, method: str, seed: int = 0) -> int:
    return len((folder / "runs" / method / f"seed-{seed}" / "attempts").read_text().splitlines())


def silent() -> Console:
    return Console(file=io.StringIO(), width=300)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_runs_are_trained_once_and_skipped_then(tmp_path: Path) -> None:
    out, made = tmp_path / "out", study(tmp_path, "a", "b")
    runs = run_study(made, out, FAKE, console=silent())
    assert [run.state for run in runs] == [RunState.FINISHED] * 4
    config = json.loads((out / "runs" / "b" / "seed-1" / "config.json").read_text())
    assert (config["seed"], config["envs"]) == (1, 3)
    console = silent()
    run_study(made, out, FAKE, console=console)
    assert [attempts(out, method, seed) for method in "ab" for seed in (0, 1)] == [1, 1, 1, 1]
    assert "0 to train, 0 steps (4 finished before, 0 continued)" in printed(console)
    (out / "runs" / "b" / "seed-1" / "config.json").write_text("[" * 100_000)
    with pytest.raises(CagexplainError, match=r"seed-1/config\.json: "):
        run_study(made, out, FAKE, console=silent())


def test_killed_worker_is_replaced_and_others_go_on(tmp_path: Path) -> None:
    out, console = tmp_path / "out", silent()
    run_study(study(tmp_path, "killed_once", "a", seeds=1), out, FAKE, console=console)
    assert attempts(out, "killed_once") == 2
    assert attempts(out, "a") == 1
    assert "killed_once, seed 0: waiting; 4,990 steps" in printed(console)
    assert "worker killed by signal 9, to be continued" in printed(console)


def test_worker_that_is_always_killed_is_given_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(CagexplainError, match="killed by signal 9, 4 times"):
        run_study(study(tmp_path, "killed_always", "a", seeds=1), out, FAKE, console=silent())
    assert attempts(out, "killed_always") == ATTEMPTS
    assert (out / "runs" / "a" / "seed-0" / "result.json").exists()


def test_failure_is_told_at_the_end_and_not_repeated(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(CagexplainError) as caught:
        run_study(study(tmp_path, "fails", "a", seeds=1), out, FAKE, console=silent())
    assert "1 of 2 runs failed" in str(caught.value)
    assert "fails, seed 0: Error: learning diverged. Lower learning_rate." in str(caught.value)
    assert attempts(out, "fails") == 1
    assert (out / "runs" / "a" / "seed-0" / "result.json").exists()


def test_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_study(study(tmp_path, "a"), out, FAKE, console=silent())
    before = (out / "study.json").read_text()
    with pytest.raises(CagexplainError) as caught:
        run_study(study(tmp_path, "a", "b", steps=39_920), out, FAKE, console=silent())
    assert "seed-0: steps was 19960, is now 39920" in str(caught.value)
    assert "envs" not in str(caught.value)
    assert not (out / "runs" / "b").exists()
    assert (out / "study.json").read_text() == before


def test_more_seeds_and_methods_may_be_added(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_study(study(tmp_path, "a", seeds=1), out, FAKE, console=silent())
    run_study(study(tmp_path, "a", "b", seeds=2), out, FAKE, console=silent())
    assert [attempts(out, m, s) for m in "ab" for s in (0, 1)] == [1, 1, 1, 1]


def test_two_studies_in_one_folder_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with locked(out), pytest.raises(CagexplainError, match="at work in this folder"):
        run_study(study(tmp_path, "a"), out, FAKE, console=silent())


_STUDY = """
import sys
from cagexplain.cli.main import main
import trainers.studies.run as run
run.Workplace.__init__.__defaults__ = (None, None, "tests.support.fake_trainer:train")
sys.exit(main())
"""


def begin(tmp_path: Path, *methods: str) -> subprocess.Popen[str]:
    """The command as a user's shell starts it, with workers that wait to be asked to end."""
    command = ["study", "run", str(write(tmp_path, *methods, seeds=1)), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", _STUDY, *command, "--output", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for method in methods:
        metrics = tmp_path / "out" / "runs" / method / "seed-0" / "metrics.parquet"
        while not metrics.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
    return process


def steps_of(tmp_path: Path, *methods: str) -> list[int]:
    jobs = study_jobs(read_study(tmp_path / "study.yaml"), tmp_path / "out")
    return [standing(job).steps for job in jobs if job.method in methods]


def test_ctrl_c_lets_the_workers_save(tmp_path: Path) -> None:
    process = begin(tmp_path, "slow_a", "slow_b")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "The same command continues" in output
    assert "Traceback" not in errors
    assert steps_of(tmp_path, "slow_a", "slow_b") == [9_980, 9_980]  # saved when asked to


def test_workers_of_a_killed_study_save_and_end(tmp_path: Path) -> None:
    process = begin(tmp_path, "slow_a")
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while steps_of(tmp_path, "slow_a") != [9_980]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    while True:  # the lock goes with the last of them
        try:
            with locked(tmp_path / "out"):
                break
        except CagexplainError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_table_shows_what_matters_where_there_is_little_room(tmp_path: Path) -> None:
    made = study(tmp_path, *"abcdef", seeds=2)
    runs = entries(study_jobs(made, tmp_path / "out"))
    for run in runs[:8]:
        run.state = RunState.FINISHED
    runs[8].state, runs[9].state = RunState.FAILED, RunState.RUNNING
    console = Console(file=io.StringIO(), width=100)
    console.print(table(runs, 3))
    shown = printed(console)
    assert shown.count("finished") == 1  # in the caption
    assert "failed" in shown and "running" in shown and "19,960" in shown
    assert summary(runs) == "2 waiting, 1 running, 8 finished, 1 failed"


def test_a_dry_run_says_how_long_it_takes_and_writes_nothing(tmp_path: Path) -> None:
    out, console = tmp_path / "out", silent()
    run_study(study(tmp_path, "a", seeds=1), out, FAKE, console=silent())  # 1,000 steps/s
    before = sorted(out.rglob("*"))
    wider = study(tmp_path, "a", "b", seeds=2)
    show_plan(wider, out, 2, console=console)
    assert sorted(out.rglob("*")) == before
    cells = [re.findall(r"[\w.,]+", row) for row in printed(console).splitlines() if "│" in row]
    assert ["a", "2", "1", "19,960", "0.0"] in cells
    assert ["b", "2", "2", f"{2 * 19_461:,}", "0.0"] in cells  # rounds of 3 episodes
    # Three runs of 20 s and a little less for two workers; b takes the speed of its algorithm.
    assert "3 runs, 2 at a time, take about 0:00:39" in printed(console)
    show_plan(wider, tmp_path / "elsewhere", 1, only=["b"], console=(other := silent()))
    assert "How long 2 runs take is unknown" in printed(other)
    assert "unknown" in printed(other) and not (tmp_path / "elsewhere").exists()
    show_plan(wider, tmp_path / "elsewhere", 1, only=["a"], kept=out, console=(third := silent()))
    assert "(1 finished before, 0 continued)" in printed(third)
    assert "1 runs, 1 at a time, take about 0:00:20" in printed(third)


def test_the_time_left_is_of_all_open_runs_at_their_own_speed(tmp_path: Path) -> None:
    runs = entries(study_jobs(study(tmp_path, "a", seeds=3), tmp_path / "out"))
    runs[1].state, runs[2].state = RunState.RUNNING, RunState.RUNNING
    runs[1].standing = Standing(steps=9_960, pace=0.001)  # 10 s left
    assert summary(runs) == "1 waiting, 2 running; about 0:00:30 left"
    runs[2].standing = Standing(steps=9_960, pace=0.003)  # 30 s left; the mean is 0.002
    assert summary(runs) == "1 waiting, 2 running; about 0:00:50 left"
