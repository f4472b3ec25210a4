import dataclasses

import pytest

from cagexplain.common.errors import UsageError
from trainers import registry
from trainers.config import RunConfig, check, from_plain, override
from trainers.ppo_config import PAPER, TUNED


def test_paper_preset_is_the_studys_column():
    published = {
        "observation": "flat",
        "envs": 10,  # episodes per update, 5,000 steps
        "gamma": 0.99,
        "learning_rate": 2.5e-4,
        "anneal": True,
        "hidden": (256, 256),
        "epochs": 10,
        "minibatches": 1,
        "clip": 0.1,
        "gae_lambda": 0.95,
        "entropy": 0.01,
        "value": 0.5,
        "max_grad_norm": 0.5,
        "adam_eps": 1e-5,
        "target_kl": 0.02,
    }
    assert published.items() <= dataclasses.asdict(PAPER).items()


@pytest.mark.parametrize("preset", [PAPER, TUNED])
def test_presets_are_within_their_own_ranges_and_survive_storage(preset):
    check(preset)
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(preset).items()}
    assert from_plain(type(preset), plain) == preset


def test_overrides_are_read_by_type():
    changed = override(
        PAPER,
        ["epochs=3", "learning_rate=1e-3", "hidden=64,32", "target_kl=none", "anneal=false"],
    )
    assert (changed.epochs, changed.learning_rate, changed.hidden) == (3, 1e-3, (64, 32))
    assert changed.target_kl is None
    assert changed.anneal is False
    assert override(PAPER, ["target_kl=0.5", "envs=1e2"]).envs == 100


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("epohcs=3", "Did you mean epochs"),
        ("qwertyuiop=3", "Known are observation"),
        ("epochs", "key=value"),
        ("epochs=0", "out of range"),
        ("epochs=2.5", "a whole number"),
        ("gamma=1.01", "from 0 to 1"),
        ("gamma=nan", "out of range"),
        ("learning_rate=fast", "a number"),
        ("anneal=perhaps", "true or false"),
        ("hidden=64,big", "whole numbers separated by commas"),
        ("hidden=64,0", "out of range"),
        ("observation=everything", "flat, memory"),
        ("gamma=none", "a number"),
    ],
)
def test_bad_overrides_are_refused_with_the_remedy(assignment, said):
    with pytest.raises(UsageError) as error:
        override(PAPER, [assignment])
    assert said in str(error.value)


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="Did you mean ippo"):
        registry.find_algorithm("ipo")
    with pytest.raises(UsageError, match="Did you mean tuned"):
        registry.find_preset("ippo", "tunde")
    with pytest.raises(UsageError, match="Known are paper, tuned"):
        registry.find_preset("ippo", "xyz")


def test_run_ranges():
    good = RunConfig("ippo", "tuned", 1000, 0, 100, 10, 10)
    check(good)
    for bad in ({"steps": 0}, {"seed": -1}, {"eval_every": 0}, {"eval_episodes": 0}):
        with pytest.raises(UsageError, match="out of range"):
            check(dataclasses.replace(good, **bad))
