"""The named conditions: what they change, and that a CybORG changed alike plays the same."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions, network
from cagexplain.cc4.conditions import CONDITIONS, STANDARD
from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, Engine, EnvParams
from cagexplain.envs.cyborg.locate import load
from tests.support.cyborg import require_cyborg

STEPS = 60


@pytest.mark.parametrize("name", CONDITIONS)
def test_parameters_know_their_condition(name: str) -> None:
    params = EnvParams(steps=STEPS, red="impact").under(name)
    assert params.condition == name
    assert (params == EnvParams(steps=STEPS, red="impact")) is (name == STANDARD)


def test_other_parameters_have_no_condition() -> None:
    assert EnvParams(phishing=0.5).condition == "custom"
    with pytest.raises(UsageError, match="fast_red"):
        EnvParams().under("stealthy")


def test_names_are_not_those_of_red() -> None:
    assert not set(CONDITIONS) & set(REDS)


def test_constant_networks_are_full() -> None:
    env = BatchedEnv(4, params=EnvParams().under("constant_size"))
    env.reset([1, 2, 3, 4])
    real = slice(0, network.N_REAL_ZONES)
    assert (env.state["n_users"][:, real] == network.MAX_USERS).all()
    assert (env.state["n_servers"][:, real] == network.MAX_SERVERS).all()
    assert (env.state["exists"] == 1).all()


@pytest.mark.parametrize("value", [(0, 3), (4, 3), (3, 11), 3, ("a", "b"), (1.5, 2.5)])
def test_sizes_that_cannot_be_are_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="users_per_zone"):
        EnvParams(users_per_zone=value)


def _set_sizes(api: Any, change: Callable[..., None]) -> None:
    for kind, most in (("USER", network.MAX_USERS), ("SERVER", network.MAX_SERVERS)):
        change(api.EnterpriseScenarioGenerator, f"MIN_{kind}_HOSTS", most)
        change(api.EnterpriseScenarioGenerator, f"MAX_{kind}_HOSTS", most)


def _set_rates(change: Callable[..., None], cls: Any, **values: Any) -> None:
    """Set what the constructor of a class of CybORG gives its objects."""
    construct = cls.__init__

    @functools.wraps(construct)  # CybORG reads the signatures of its actions
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        if type(self) is cls:
            vars(self).update(values)

    change(cls, "__init__", __init__)


def _set_phishing(api: Any, change: Callable[..., None]) -> None:
    _set_rates(change, api.EnterpriseGreenAgent, phishing_error_rate=0.75)


def _set_hidden(api: Any, change: Callable[..., None]) -> None:
    from CybORG.Simulator.Actions import AbstractActions as abstract

    _set_rates(change, api.EnterpriseGreenAgent, fp_detection_rate=0.75)
    for cls in (abstract.AggressiveServiceDiscovery, abstract.StealthServiceDiscovery):
        _set_rates(change, cls, detection_rate=0.0)


def _set_fast(api: Any, change: Callable[..., None]) -> None:
    from CybORG.Simulator.Actions import AbstractActions as abstract

    for name in (
        *("StealthServiceDiscovery", "DiscoverDeception", "ExploitRemoteService"),
        *("PrivilegeEscalate", "Impact", "DegradeServices"),
    ):
        _set_rates(change, getattr(abstract, name), duration=1)


CYBORG = {
    "constant_size": _set_sizes,
    "phishing": _set_phishing,
    "hidden_red": _set_hidden,
    "fast_red": _set_fast,
}


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name != STANDARD])
def test_cyborg_changed_alike_plays_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = require_cyborg()
    theirs = Engine("cyborg", 1, path).make(2, EnvParams(steps=STEPS))
    usual = BatchedEnv(2, params=EnvParams(steps=STEPS))
    ours = BatchedEnv(2, params=EnvParams(steps=STEPS).under(name))
    CYBORG[name](load(path), monkeypatch.setattr)
    for env in (theirs, usual, ours):
        env.reset([11, 12])
    generator, differs = np.random.default_rng(0), False
    for step in range(STEPS - 1):
        for env in range(2):
            assert ours.full_state(env) == theirs.full_state(env), f"state after {step} steps"
            assert ours.generator_state(env) == theirs.generator_state(env)
        for array in ("obs", "mask", "free", "reward", "reward_parts"):
            assert (getattr(ours, array) == getattr(theirs, array)).all(), f"{array}, step {step}"
        differs |= ours.generator_state(0) != usual.generator_state(0)
        chosen = generator.integers(actions.SIZES, size=(2, 5))
        for env in (ours, theirs, usual):
            env.step(chosen)
    assert differs  # the condition does something in these episodes
