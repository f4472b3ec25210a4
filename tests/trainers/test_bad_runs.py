"""Runs whose learning goes wrong, and configurations that cannot be run."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.checkpoint import load_checkpoint, read_plain
from cagexplain.policies.learned import networks
from tests.support.training_env import FakeEnv
from trainers import registry
from trainers.core import loop
from trainers.core.config import RunConfig
from trainers.core.health import LIMIT, Diverged, check_finite
from trainers.core.logging import read_metrics

PER_ROUND = 4 * 40
CONFIG = RunConfig("ippo", "tuned", 10 * PER_ROUND, 3, 2 * PER_ROUND, 4, 6)
SETTINGS = dataclasses.replace(registry.find_preset("ippo", "tuned"), envs=4, hidden=(16,))


class Learner:
    """Does nothing but count its rounds, until it breaks."""

    def __init__(self, settings, seed, threads, device, breaks):
        self.actors = networks.build_actors(vars(settings))
        for stack in self.actors:
            stack.initialise(torch.Generator().manual_seed(seed), 1.0)
        self.breaks = breaks

    def round(self, env, seeds, number, of, clock):
        metrics = {
            "return": -float(number),
            "gradient_steps": 1.0,
            "value_loss": 0.1,
            "entropy": 1.0,
        }
        self.actors[0].layers[-1][1].fill_(number)
        self.breaks(self, number, metrics)
        return metrics

    def weights(self):
        return {"actors": networks.stored(self.actors), "outputs": "logits"}

    def state(self):
        return self.weights()

    def load(self, state):
        networks.restore(self.actors, state["actors"])


def metric(value):
    def breaks(learner, number, metrics):
        if number == 5:
            metrics["value_loss"] = value

    return breaks


def weight(value):
    def breaks(learner, number, metrics):
        if number == 5:
            learner.actors[1].layers[0][0].view(-1)[3] = value

    return breaks


def inside(learner, number, metrics):
    if number == 5:
        check_finite("critic_grad_norm of agent 2, epoch 1", math.inf)


@pytest.mark.parametrize(
    ("breaks", "quantity"),
    [
        (metric(math.nan), "value_loss is nan"),
        (metric(-math.inf), "value_loss is -inf"),
        (metric(2 * LIMIT), r"value_loss is 2e\+12"),
        (weight(math.nan), r"weights\.actors\[1\]\[0\]\[0\] is nan"),
        (weight(math.inf), r"weights\.actors\[1\]\[0\]\[0\] is inf"),
        (inside, "critic_grad_norm of agent 2, epoch 1 is inf"),
    ],
)
def test_divergence_stops_the_run_and_keeps_the_last_good_state(
    tmp_path, monkeypatch, breaks, quantity
):
    def make(*args):
        return Learner(*args, breaks)

    entry = dataclasses.replace(registry.ALGORITHMS["ippo"], make=make)
    monkeypatch.setitem(registry.ALGORITHMS, "ippo", entry)
    folder = tmp_path / "run"
    run = loop.start(
        CONFIG, SETTINGS, folder, threads=1, make_env=lambda n, threads, red: FakeEnv(n)
    )
    with pytest.raises(CagexplainError, match=quantity) as error:
        run.train()
    assert "round 5, begun after 800 steps" in str(error.value)
    assert "ckpt.pt and resume.pt hold the last good state" in str(error.value)
    assert "lower learning_rate" in str(error.value)

    # The evaluations after rounds 1 and 3 were good, and the last saved state is the latter's.
    assert read_plain(folder / loop.RESUME, "resume file")["progress"]["rounds"] == 4
    assert [row["round"] for row in read_metrics(folder)] == [0, 1, 2, 3]
    for name in (loop.BEST, loop.LAST):
        weights = load_checkpoint(folder / name).weights["actors"]
        assert all(
            tensor.isfinite().all() for group in weights for layer in group for tensor in layer
        )
    assert (load_checkpoint(folder / loop.LAST).weights["actors"][0][-1][1] == 3).all()
    assert not (folder / "result.json").exists()
    loop.resume(folder, make_env=lambda n, threads, red: FakeEnv(n))  # it can still be read


def test_divergence_before_the_first_evaluation(tmp_path, monkeypatch):
    def breaks(learner, number, metrics):
        metrics["value_loss"] = math.nan

    entry = dataclasses.replace(
        registry.ALGORITHMS["ippo"], make=lambda *args: Learner(*args, breaks)
    )
    monkeypatch.setitem(registry.ALGORITHMS, "ippo", entry)
    run = loop.start(CONFIG, SETTINGS, tmp_path, make_env=lambda n, threads, red: FakeEnv(n))
    with pytest.raises(CagexplainError, match=r"saved: resume\.pt holds the last good state"):
        run.train()
    assert not (tmp_path / loop.BEST).exists()


@pytest.mark.parametrize(
    "value",
    [0.0, -LIMIT, 3, True, "words", None, torch.zeros(0), torch.tensor([1, 2]), [{"a": [1.0]}]],
)
def test_healthy_values(value):
    check_finite("x", value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "x is nan"),
        (np.float64("inf"), "x is inf"),
        (-1.1e12, r"x is -1.1e\+12"),
        (torch.tensor([[0.0, math.nan], [math.inf, 1.0]]), "x is nan"),
        (torch.tensor(-math.inf), "x is inf"),
        ({"fine": 1.0, "a": [0.0, {"b": (0, math.nan)}]}, r"x\.a\[1\]\.b\[1\] is nan"),
    ],
)
def test_unhealthy_values_are_named(value, said):
    with pytest.raises(Diverged, match=said):
        check_finite("x", value)


def refused(tmp_path, config=CONFIG, settings=SETTINGS, **options):
    folder = tmp_path / "run"
    with pytest.raises(CagexplainError) as error:
        loop.start(config, settings, folder, make_env=None, **options)
    assert not folder.exists()  # nothing is left of a run that cannot be
    return error.value


def test_a_device_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    error = refused(tmp_path, device="cuda")
    assert isinstance(error, UsageError)
    assert "no CUDA device" in str(error)
    assert "--device cpu" in str(error)
    assert "cpu or cuda" in str(refused(tmp_path, device="tpu"))


def test_settings_that_do_not_go_together(tmp_path):
    settings = dataclasses.replace(SETTINGS, network="hosts", core="lstm")
    assert "core" in str(refused(tmp_path, settings=settings))


def test_settings_out_of_range(tmp_path):
    assert "gamma" in str(refused(tmp_path, settings=dataclasses.replace(SETTINGS, gamma=2)))
    assert "red" in str(refused(tmp_path, dataclasses.replace(CONFIG, red="purple")))


def test_folder_with_a_run(tmp_path):
    def start():
        return loop.start(CONFIG, SETTINGS, tmp_path, make_env=lambda n, threads, red: FakeEnv(n))

    start()
    with pytest.raises(CagexplainError, match=r"there is a run .* Continue it with --resume"):
        start()


def test_folder_with_something_else(tmp_path):
    (tmp_path / "letter.txt").write_text("important")
    with pytest.raises(CagexplainError, match="not empty"):
        loop.start(CONFIG, SETTINGS, tmp_path, make_env=lambda n, threads, red: FakeEnv(n))
