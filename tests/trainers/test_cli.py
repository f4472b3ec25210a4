"""`cagexplain train` as a user calls it, on the real simulator."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cagexplain.cli.main import main
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED
from tests.support.paths import ROOT
from trainers.core.logging import read_metrics
from trainers.registry import find_preset

pytestmark = pytest.mark.slow

SMALL = ["--set", "envs=2", "--set", "hidden=16", "--set", "epochs=1", "--eval-episodes", "2"]
SMALL += ["--final-episodes", "3", "--workers", "1"]


def train(*args):
    return main(["train", "ippo", *map(str, args)])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert train(*SMALL, "--steps", 3000, "--eval-every", 1000, "--output", folder) == 0
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
    assert train("--preset", "paper", *small, "--steps", 998, "--output", tmp_path / "run") == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--preset", "tunde"], "Did you mean tuned?"),
        (["--set", "gama=0.9"], "--set: gama: there is no such setting. Did you mean gamma?"),
        (["--set", "gamma=2"], "Give a value from 0 to 1"),
        (["--steps", "0"], "steps: 0 is out of range"),
        (["--eval-every", "-5"], "eval_every: -5 is out of range"),
        (["--workers", "0"], "--workers"),
        (["--steps", "many"], "steps: 'many' is not a whole number"),
        (["--red", "purple"], "red: there is no red 'purple'. Run `cagexplain reds`"),
        (["--messages", "9bit"], "messages: '9bit' is unknown. Choose none, action, 2bit, 8bit"),
        (["--reward", "team"], "Choose global, individual, hybrid"),
        (["--intrinsic", "joy"], "Choose none, ngu"),
        (["--warm-start", "champoin"], "warm_start: 'champoin' is neither a built-in policy"),
        (["--warm-start", "json:loads"], "training runs no code of others"),
        (["--set", "core=lstm", "--set", "network=hosts"], "core"),
        (["--device", "tpu"], "'--device'"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_options_get_one_clear_error_and_leave_nothing(tmp_path, capsys, args, said):
    assert train(*args, "--output", tmp_path / "run") in (1, 2)
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()


def test_unknown_algorithm(tmp_path, capsys):
    assert main(["train", "ipo", "--output", str(tmp_path / "run")]) == 2
    assert "Did you mean ippo?" in capsys.readouterr().err


def test_no_gpu_is_said_before_anything_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert train("--device", "cuda", "--output", tmp_path / "run") == 2
    assert "Use --device cpu" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def show(capsys, monkeypatch):
    """Rows of `--show` by setting: value and meaning with range, word by word."""

    def show(*args):
        monkeypatch.setenv("COLUMNS", "200")
        assert train(*args, "--show") == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        return {row[0]: row[1:] for row in rows if row}

    return show


def test_settings_come_from_preset_file_options_and_set_in_this_order(tmp_path, show):
    path = tmp_path / "mine.yaml"
    path.write_text("preset: paper\ngamma: 0.5\nclip: 0.3\nseed: 4\nred: verbose\nreward: hybrid\n")
    given = ["--config", path, "--red", "stealthy", "--reward", "individual", "--set", "clip=0.4"]
    shown = show(*given, "--set", "reward=global")
    expected = {
        "algorithm": "ippo",
        "preset": "paper",
        "epochs": "10",  # of this preset
        "gamma": "0.5",
        "seed": "4",
        "red": "stealthy",
        "clip": "0.4",
        "reward": "global",
    }
    assert {name: shown[name][0] for name in expected} == expected
    shown = show("--preset", "tuned", *given)  # an option beats the file
    epochs = str(find_preset("ippo", "tuned").epochs)
    assert [shown[name][0] for name in ("preset", "epochs", "gamma")] == ["tuned", epochs, "0.5"]


def test_show_explains_every_setting_and_trains_nothing(tmp_path, show, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert " ".join(show()["gamma"]) == "0.99 discount per environment step (from 0 to 1)"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\ngama: 0.9\n", "line 2: gama: there is no such setting. Did you mean gamma?"),
        ("gamma: high\n", "line 1: gamma: 'high' is not a number"),
        ("\n\ngamma: 2\n", "line 3: gamma: 2.0 is out of range"),
        ("algorithm: qmix\n", "line 1: algorithm: these are settings of qmix, not of ippo"),
        ("preset: tunde\n", "Did you mean tuned?"),
        ("gamma: [\n", "cannot be read as YAML"),
    ],
)
def test_wrong_files_are_refused_with_the_line(tmp_path, capsys, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert train("--config", path, "--output", tmp_path / "run") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_folder_in_use(finished, capsys):
    assert train(*SMALL, "--output", finished) == 1
    assert "Continue it with --resume" in capsys.readouterr().err


def test_resume_refuses_other_settings_and_shows_them(finished, capsys):
    other = ["--set", "gamma=0.9", "--set", "envs=2", "--steps", 5000, "--preset", "paper"]
    assert train("--resume", "--output", finished, *other) == 2
    errors = capsys.readouterr().err
    rows = [line.split() for line in errors.splitlines()[1:-1]]
    assert rows == [
        ["setting", "stored", "given"],
        ["preset", "tuned", "paper"],
        ["steps", "3000", "5000"],
        ["gamma", "0.99", "0.9"],
    ]


@pytest.mark.parametrize("other", [["mappo"], ["qmix", "--set", "replay=100"]])
def test_resume_refuses_another_algorithm(finished, capsys, other):
    assert main(["train", *other, "--resume", "--output", str(finished)]) == 2
    rows = [line.split() for line in capsys.readouterr().err.splitlines()[1:-1]]
    assert rows == [["setting", "stored", "given"], ["algorithm", "ippo", other[0]]]


def test_resume_takes_the_same_settings_again(finished, capsys):
    before = (finished / "result.json").read_bytes()
    again = [*SMALL, "--steps", 3000, "--config", finished / "config.json"]
    assert train("--resume", "--output", finished, *again) == 0
    assert "This run is finished" in capsys.readouterr().out
    assert (finished / "result.json").read_bytes() == before


def test_resume_without_a_run(tmp_path, capsys):
    assert train("--resume", "--output", tmp_path) == 1
    assert "no run to resume" in capsys.readouterr().err


def test_ctrl_c_saves_and_exits_with_130(tmp_path):
    folder = tmp_path / "run"
    options = [*SMALL, "--steps", "1000000", "--eval-every", "1", "--output", str(folder)]
    code = "import sys; from cagexplain.cli.main import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", "ippo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
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
