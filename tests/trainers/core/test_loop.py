import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.checkpoint import load_checkpoint, read_plain
from cagexplain.policies.learned.trained import load_trained
from cagexplain.policies.rollout import EVALUATION_SEED
from tests.support.paths import ROOT
from tests.support.training_env import FakeEnv
from trainers.core import loop
from trainers.core.config import RunConfig
from trainers.core.display import Display
from trainers.core.evaluation import VALIDATION_SEED, evaluate, training_seeds
from trainers.core.logging import MetricsLog, read_metrics
from trainers.core.result import read_result
from trainers.registry import find_preset

pytestmark = pytest.mark.slow

SETTINGS = replace(find_preset("ippo", "tuned"), envs=4, hidden=(16,), epochs=2, minibatches=2)
PER_ROUND = 4 * 40
CONFIG = RunConfig("ippo", "tuned", 12 * PER_ROUND, 3, 3 * PER_ROUND, 4, 6)


def fake(n_envs, threads, red):
    return FakeEnv(n_envs)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "whole"
    result = loop.start(CONFIG, SETTINGS, folder, threads=1, make_env=fake).train()
    assert result == read_result(folder)
    return folder


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for item in items for tensor in tensors(item)]


def numbers(value):
    """Everything but the tensors."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return None if isinstance(value, torch.Tensor) else value


def assert_same_run(a, b):
    """Weights, optimisers and normalisers bit for bit, and the same history."""
    x, y = (read_plain(folder / loop.RESUME, "resume file") for folder in (a, b))
    assert len(tensors(x["learner"])) > 100
    for one, other in zip(tensors(x["learner"]), tensors(y["learner"]), strict=True):
        assert torch.equal(one, other)
    assert numbers(x["learner"]) == numbers(y["learner"])
    assert x["progress"]["evaluations"] == y["progress"]["evaluations"]
    histories = []
    for folder in (a, b):
        rows = read_metrics(folder)
        timeless = [{k: v for k, v in row.items() if "second" not in k} for row in rows]
        histories.append(timeless)
    assert histories[0] == histories[1]
    for name in (loop.BEST, loop.LAST):
        one, other = (load_checkpoint(folder / name) for folder in (a, b))
        for p, q in zip(tensors(one.weights), tensors(other.weights), strict=True):
            assert torch.equal(p, q)


def test_a_run_leaves_what_it_promises(finished):
    names = {path.name for path in finished.iterdir() if path.name != ".lock"}
    expected = {"ckpt.pt", "last.pt", "resume.pt", "config.json", "tensorboard"}
    assert names == expected | {"metrics.parquet", "result.json"}
    assert len(read_metrics(finished)) == 12
    assert list((finished / "tensorboard").iterdir())
    config = json.loads((finished / "config.json").read_text())
    assert config["algorithm"] == "ippo"
    assert config["learning_rate"] == 3e-3


def test_metrics_tell_where_time_goes_and_how_learning_does(finished):
    row = read_metrics(finished)[-1]
    assert {"return", "evaluation", "steps_per_second", "entropy", "kl", "clipped"} <= set(row)
    assert {"explained_variance", "value_mean", "actor_grad_norm"} <= set(row)
    parts = ("simulation", "inference", "update", "evaluation")
    assert {f"seconds/{part}" for part in parts} <= set(row)
    assert row["steps"] == 12 * PER_ROUND
    assert 0 < row["entropy"] <= 1


def test_best_checkpoint_is_the_best_evaluation_and_is_judged_on_others(finished):
    rows = [row for row in read_metrics(finished) if "evaluation" in row]
    assert [row["steps"] for row in rows] == [k * PER_ROUND for k in (3, 6, 9, 12)]
    best = max(rows, key=lambda row: row["evaluation"])
    checkpoint = load_checkpoint(finished / loop.BEST)
    assert checkpoint.summary["steps"] == best["steps"]
    assert checkpoint.summary["best_return"] == best["evaluation"]
    policy = load_trained(finished / loop.BEST)
    again = evaluate(policy, EVALUATION_SEED, 6, FakeEnv)
    assert checkpoint.summary["final_return"] == again.mean
    assert checkpoint.summary["final_episodes"] == 6
    result = json.loads((finished / "result.json").read_text())
    assert result["final_returns"] == again.episodes.tolist()
    assert (result["final_mean"], result["final_std"]) == (again.mean, again.std)
    assert result["evaluations"] == [[row["steps"], row["evaluation"]] for row in rows]
    assert result["best_steps"] == best["steps"]
    assert {"algorithm": "ippo", "preset": "tuned", "seed": 3, "steps": 12 * PER_ROUND}.items() <= (
        result.items()
    )
    assert result["steps_per_second"] == pytest.approx(result["steps"] / result["seconds"])


def test_seeds_of_training_and_evaluation_are_disjoint():
    drawn = np.concatenate([training_seeds(s, k, 100) for s in range(3) for k in range(50)])
    assert drawn.min() >= 0
    assert drawn.max() < EVALUATION_SEED < EVALUATION_SEED + 100_000 <= VALIDATION_SEED
    assert len(np.unique(drawn)) > 0.95 * len(drawn)


def test_evaluation_counts_as_the_official_one():
    class Sleeper:
        def reset(self, seeds):
            pass

        def act(self, obs, mask, free):
            from cagexplain.policies.base import Decision

            return Decision(actions=np.tile([49, 49, 49, 49, 145], (len(obs), 1)))

    result = evaluate(Sleeper(), 5, 3, lambda n: FakeEnv(n, steps=11))
    assert result.episodes.tolist() == [-45.0] * 3  # nine of ten rewards of -5


def test_killed_run_resumes_to_the_same_weights(finished, tmp_path):
    """kill -9 in the middle, then --resume: bit for bit what the undisturbed run gave."""
    folder = tmp_path / "killed"
    process = _spawn(folder)
    resume = folder / loop.RESUME
    while not (resume.exists() and read_plain(resume, "resume file")["progress"]["rounds"] > 0):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)  # somewhere in a later round
    process.wait()
    saved = read_plain(folder / loop.RESUME, "resume file")["progress"]["rounds"]
    assert 0 < saved < 12
    loop.resume(folder, threads=2, make_env=fake).train()
    assert_same_run(finished, folder)


def test_run_resumes_from_before_its_first_evaluation(finished, tmp_path):
    folder = tmp_path / "early"
    loop.start(CONFIG, SETTINGS, folder, threads=1, make_env=fake)
    loop.resume(folder, make_env=fake).train()
    assert_same_run(finished, folder)


def test_a_warm_start_resumes_from_its_middle(tmp_path):
    """The state after an evaluation in the middle of the imitation leads to the same end."""
    settings = replace(
        SETTINGS, network="shared", hidden=(8, 8), warm_start="reactive", warm_rounds=6
    )
    config = replace(CONFIG, steps=9 * PER_ROUND)
    whole, part = tmp_path / "whole", tmp_path / "part"
    loop.start(config, settings, whole, threads=1, make_env=fake).train()
    run = loop.start(config, settings, part, threads=1, make_env=fake)
    judge = run._evaluate

    def die(*arguments):
        if run.progress.rounds > 3:
            raise MemoryError
        return judge(*arguments)

    run._evaluate = die
    with pytest.raises(MemoryError):
        run.train()
    again = loop.resume(part, threads=1, make_env=fake)
    assert again.progress.rounds == 3
    again.train()
    assert_same_run(whole, part)


def test_terminated_run_saves_first_and_resumes(finished, tmp_path):
    """As after Ctrl-C, which the tests of the command line press."""
    folder = tmp_path / "stopped"
    process = _spawn(folder, slow=True)
    while not read_metrics(folder):  # written with the first evaluation
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Saved. Continue with --resume" in output
    rounds = read_plain(folder / loop.RESUME, "resume file")["progress"]["rounds"]
    assert 0 < rounds == len(read_metrics(folder)) < 12
    assert not (folder / "result.json").exists()
    load_trained(folder / loop.LAST)
    loop.resume(folder, make_env=fake).train()
    assert_same_run(finished, folder)


def _spawn(folder, slow=False):
    """The run of `finished` as a process of its own."""
    pause = "import time; time.sleep(0.1)" if slow else "pass"
    code = (
        "import sys\n"
        "from tests.trainers.core.test_loop import *\n"
        "class Slow(FakeEnv):\n"
        "    def reset(self, *args, **options):\n"
        f"        {pause}\n"
        "        super().reset(*args, **options)\n"
        "slow = lambda n, threads, red: Slow(n)\n"
        "run = loop.start(CONFIG, SETTINGS, sys.argv[1], threads=1, make_env=slow)\n"
        "try:\n"
        "    run.train()\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_finished_run_leaves_its_replay_memory_out(tmp_path):
    settings = replace(
        find_preset("qmix", "paper"), envs=4, hidden=(8,), replay=8, updates=1, batch=4
    )
    config = replace(CONFIG, algorithm="qmix", preset="paper")
    run = loop.start(config, settings, tmp_path / "run", threads=1, make_env=fake)
    kept = read_plain(tmp_path / "run" / loop.RESUME, "resume file")["learner"]
    assert "memory" in kept
    first = run.train()
    kept = read_plain(tmp_path / "run" / loop.RESUME, "resume file")["learner"]
    assert "memory" not in kept and "optimiser" in kept
    assert loop.resume(tmp_path / "run", make_env=fake).train() == first


def test_a_finished_run_only_tells_its_result(finished, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / loop.BEST).unlink()  # nothing is judged again

    def no_play(n_envs, threads, red):
        env = FakeEnv(n_envs)
        env.reset = None
        return env

    result = loop.resume(folder, make_env=no_play).train()
    assert result == read_result(finished)
    (told,) = capsys.readouterr().out.splitlines()  # no progress bar, and paths are not wrapped
    assert told.startswith("This run is finished") and told.endswith(str(folder / loop.BEST))
    del before[loop.BEST]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_run_killed_before_its_result_is_only_judged_again(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    (folder / "result.json").unlink()
    result = loop.resume(folder, make_env=fake).train()
    assert result == read_result(finished)
    assert len(read_metrics(folder)) == 12


@pytest.mark.parametrize("red", ["finite_state", "aggressive"])
def test_training_and_evaluation_meet_the_chosen_attacker(tmp_path, red):
    met = set()

    def make(n_envs, threads, variant):
        met.add(variant)
        return FakeEnv(n_envs)

    config = replace(CONFIG, steps=1, red=red)
    loop.start(config, SETTINGS, tmp_path / "run", make_env=make).train()
    assert met == {REDS[red]}
    assert load_checkpoint(tmp_path / "run" / loop.BEST).config["red"] == red
    assert loop.default_env(1, 1, REDS[red]).params.red == red


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"x")])
def test_lost_weights_are_noticed_before_training_goes_on(finished, tmp_path, damage):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    (folder / "result.json").unlink()
    damage(folder / loop.BEST)
    with pytest.raises(CagexplainError, match="the best weights of this run are lost"):
        loop.resume(folder, make_env=fake).train()


def test_an_interruption_shows_at_once():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    display = Display(1000, 0, console)
    display.end_soon()
    display.close()
    assert "ending: return" in console.file.getvalue()


def test_nothing_to_resume(tmp_path):
    with pytest.raises(CagexplainError, match="no run to resume"):
        loop.resume(tmp_path, make_env=fake)


def test_resume_file_that_does_not_fit(finished, tmp_path):
    content = read_plain(finished / loop.RESUME, "resume file")
    content["settings"] = dict(content["settings"], hidden=[17])
    torch.save(content, tmp_path / loop.RESUME)
    with pytest.raises(CagexplainError, match="cannot be continued"):
        loop.resume(tmp_path, make_env=fake)


def test_damaged_resume_file(finished, tmp_path):
    whole = (finished / loop.RESUME).read_bytes()
    (tmp_path / loop.RESUME).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CagexplainError, match="damaged"):
        loop.resume(tmp_path, make_env=fake)


def test_metrics_are_a_table_of_the_finished_rounds(tmp_path):
    log = MetricsLog(tmp_path, 0, 0)
    for k in range(4):
        log.add({"round": k, "steps": 10 * k, "return": -k} | ({"extra": 0.5} if k == 1 else {}))
    assert read_metrics(tmp_path) == []  # until it is saved
    log.save()
    log.add({"round": 4, "steps": 40, "return": -4.0})
    log.close()

    table = pq.read_table(tmp_path / "metrics.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {"round": "int64", "steps": "int64", "return": "double", "extra": "double"}
    assert table["extra"].to_pylist() == [None, 0.5, None, None]
    assert [row["return"] for row in read_metrics(tmp_path)] == [0, -1, -2, -3]
    assert ["extra" in row for row in read_metrics(tmp_path)] == [False, True, False, False]

    log = MetricsLog(tmp_path, 2, 20)  # resumed
    log.add({"round": 2, "steps": 20, "return": 7})
    log.save()
    log.close()
    assert [row["return"] for row in read_metrics(tmp_path)] == [0, -1, 7]
