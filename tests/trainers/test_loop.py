import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cagexplain.common.errors import CagexplainError
from cagexplain.policies.checkpoint import load_checkpoint, read_plain
from cagexplain.policies.rollout import EVALUATION_SEED
from cagexplain.policies.trained import load_trained
from tests.trainers.fake_env import FakeEnv
from trainers import loop
from trainers.config import RunConfig
from trainers.evaluation import VALIDATION_SEED, evaluate, training_seeds
from trainers.logging import MetricsLog, read_metrics
from trainers.ppo_config import TUNED

ROOT = Path(__file__).parents[2]
SETTINGS = replace(TUNED, envs=4, hidden=(16,), epochs=2, minibatches=2)
PER_ROUND = 4 * 40
CONFIG = RunConfig("ippo", "tuned", 12 * PER_ROUND, 3, 3 * PER_ROUND, 4, 6)


def fake(n_envs, threads):
    return FakeEnv(n_envs)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "whole"
    loop.start(CONFIG, SETTINGS, folder, threads=1, make_env=fake).train()
    return folder


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for item in items for tensor in tensors(item)]


def assert_same_run(a, b):
    """Weights, optimisers and normalisers bit for bit, and the same history."""
    x, y = (read_plain(folder / loop.RESUME, "resume file") for folder in (a, b))
    assert len(tensors(x["learner"])) > 100
    for one, other in zip(tensors(x["learner"]), tensors(y["learner"]), strict=True):
        assert torch.equal(one, other)
    assert x["learner"]["norms"] == y["learner"]["norms"]
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
    names = {path.name for path in finished.iterdir()}
    expected = {"ckpt.pt", "last.pt", "resume.pt", "config.json", "metrics.jsonl", "tensorboard"}
    assert names == expected
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_saves_first_and_resumes(finished, tmp_path, number):
    folder = tmp_path / "stopped"
    process = _spawn(folder, slow=True)
    while not read_metrics(folder):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Saved. Continue with --resume" in output
    rounds = read_plain(folder / loop.RESUME, "resume file")["progress"]["rounds"]
    assert rounds == len(read_metrics(folder)) < 12
    load_trained(folder / loop.LAST)
    loop.resume(folder, make_env=fake).train()
    assert_same_run(finished, folder)


def _spawn(folder, slow=False):
    """The run of `finished` as a process of its own."""
    pause = "import time; time.sleep(0.2)" if slow else "pass"
    code = (
        "import sys\n"
        "from tests.trainers.test_loop import *\n"
        "class Slow(FakeEnv):\n"
        "    def reset(self, *args, **options):\n"
        f"        {pause}\n"
        "        super().reset(*args, **options)\n"
        "slow = lambda n, threads: Slow(n)\n"
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


def test_resuming_a_finished_run_only_judges_again(finished, tmp_path):
    before = load_checkpoint(finished / loop.BEST).summary["final_return"]
    run = loop.resume(finished, make_env=fake)
    assert run.train().summary["final_return"] == before
    assert len(read_metrics(finished)) == 12


def test_folder_in_use_is_refused(finished):
    with pytest.raises(CagexplainError, match="not empty"):
        loop.start(CONFIG, SETTINGS, finished, make_env=fake)


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


def test_metrics_after_the_resumed_round_and_half_lines_are_dropped(tmp_path):
    with MetricsLog(tmp_path, 0, 0) as log:
        for k in range(4):
            log.write({"round": k, "steps": 10 * k, "return": -k})
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"round": 4, "ste')
    assert len(read_metrics(tmp_path)) == 4
    with MetricsLog(tmp_path, 2, 20) as log:
        log.write({"round": 2, "steps": 20, "return": 7})
    assert [row["return"] for row in read_metrics(tmp_path)] == [0, -1, 7]
