"""`cagexplain train` as a user calls it, on the real simulator."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cagexplain.cli.main import main
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED
from trainers.logging import read_metrics

SMALL = ["--set", "envs=2", "--set", "hidden=16", "--set", "epochs=1", "--eval-episodes", "2"]
SMALL += ["--final-episodes", "3", "--threads", "1"]


def train(*args):
    return main(["train", "ippo", *map(str, args)])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert train(*SMALL, "--steps", 3000, "--eval-every", 1000, "--out", folder) == 0
    return folder


def test_run_on_the_real_simulator(finished):
    rows = read_metrics(finished)
    assert [row["steps"] for row in rows] == [998, 1996, 2994]
    assert all(row["return"] < -100 for row in rows)


def test_final_return_is_what_evaluate_finds(finished):
    """The judgement at the end of a run is the one that `cagexplain evaluate` repeats."""
    policy = load_policy(str(finished / "ckpt.pt"))
    result = evaluate(policy, range(EVALUATION_SEED, EVALUATION_SEED + 3))
    assert policy.describe()["summary"]["final_return"] == pytest.approx(result.returns.mean())


def test_paper_preset_runs(tmp_path):
    small = [*SMALL, "--set", "observation=flat"]
    assert train("--preset", "paper", *small, "--steps", 998, "--out", tmp_path / "run") == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--preset", "tunde"], "Did you mean tuned?"),
        (["--set", "gama=0.9"], "Did you mean gamma?"),
        (["--set", "gamma=2"], "Give a value from 0 to 1"),
        (["--steps", "0"], "steps: 0 is out of range"),
        (["--eval-every", "-5"], "eval_every: -5 is out of range"),
        (["--threads", "0"], "--threads"),
        (["--steps", "many"], "not a valid integer"),
    ],
)
def test_wrong_options_get_one_clear_error_and_leave_nothing(tmp_path, capsys, args, said):
    assert train(*args, "--out", tmp_path / "run") == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()


def test_unknown_algorithm(tmp_path, capsys):
    assert main(["train", "ipo", "--out", str(tmp_path / "run")]) == 2
    assert "Did you mean ippo?" in capsys.readouterr().err


def test_folder_in_use(finished, capsys):
    assert train(*SMALL, "--out", finished) == 1
    assert "not empty" in capsys.readouterr().err


def test_resume_refuses_other_settings(finished, capsys):
    assert train("--resume", "--out", finished, "--set", "gamma=0.9") == 2
    assert "--set cannot be changed" in capsys.readouterr().err
    assert train("--resume", "--out", finished, "--steps", 5000) == 2


def test_resume_without_a_run(tmp_path, capsys):
    assert train("--resume", "--out", tmp_path) == 1
    assert "no run to resume" in capsys.readouterr().err


def test_ctrl_c_saves_and_exits_with_130(tmp_path):
    folder = tmp_path / "run"
    options = [*SMALL, "--steps", "1000000", "--out", str(folder)]
    code = "import sys; from cagexplain.cli.main import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", "ippo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"COLUMNS": "200"},
    )
    while not read_metrics(folder):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Saved. Continue with" in output
    assert "Traceback" not in errors
    load_policy(str(folder / "last.pt"))
