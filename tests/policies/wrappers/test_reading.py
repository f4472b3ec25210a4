"""Wrappers hand on what raw observations tell."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cagexplain.cc4.layout import CONNECTION, PROCESS
from cagexplain.cc4.sightings import Sightings
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Policy, decide, reads
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.knowledge import NEVER
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.champion import Champion
from cagexplain.policies.wrappers.base import Wrapper
from cagexplain.policies.wrappers.guarded import Guarded
from cagexplain.policies.wrappers.noise import NoisyAlerts
from cagexplain.policies.wrappers.overrides import Overridden
from cagexplain.policies.wrappers.radio import Radio
from cagexplain.policies.wrappers.team import MixedTeam
from cagexplain.policies.wrappers.terse import Terse
from cagexplain.policies.wrappers.without import Without
from tests.policies.test_branch import check_branching

SEEDS = np.arange(70, 73)
PARAMS = EnvParams(steps=70)
WRAPPED: dict[str, Callable[[Policy], Policy]] = {
    "guarded": Guarded,
    "noise": NoisyAlerts,
    "overridden": lambda policy: Overridden(policy, []),
    "radio": lambda policy: Radio(policy, "lost"),
    "team": lambda policy: MixedTeam(policy, load_policy("champion"), [1, 4]),
    "terse": Terse,
    "without": lambda policy: Without(policy, []),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_changes_nothing_plays_as_ever(name: str) -> None:
    policy = WRAPPED[name](load_policy("champion"))
    assert reads(policy)
    plain, ours = (evaluate(each, SEEDS, PARAMS) for each in (load_policy("champion"), policy))
    np.testing.assert_array_equal(plain.penalties, ours.penalties)
    np.testing.assert_array_equal(plain.costs, ours.costs)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_branch_reads_on(name: str) -> None:
    check_branching(WRAPPED[name](load_policy("champion")))


def test_who_loses_all_alerts_knows_of_no_attack() -> None:
    champion = Champion()
    policy = NoisyAlerts(champion, drop=1.0)
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    policy.reset(SEEDS)
    seen = 0
    while not env.done.any():
        seen += int((env.sightings().attacked_by != 0).sum())
        env.step(decide(policy, env).actions)
    assert seen > 0
    assert (champion.now.exploited_at == NEVER).all()
    assert not champion.now.source.any()


class _Reader(Wrapper):
    """Keeps what the wrapped policy reads, with the vectors beside it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.shown: list[tuple[Sightings, Any]] = []
        self._latest = Sightings.nothing(1)

    def read(self, sightings: Sightings) -> None:
        self._latest = sightings
        super().read(sightings)

    def act(self, obs: Any, mask: Any, free: Any, instead: Any = None) -> Any:
        self.shown.append((self._latest, obs))
        return super().act(obs, mask, free, instead)


def test_a_lost_alert_takes_along_what_the_raw_observation_tells() -> None:
    reader = _Reader(load_policy("champion"))
    noisy = NoisyAlerts(reader, drop=0.5)
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    noisy.reset(SEEDS)
    real = []
    while not env.done.any():
        real.append(env.sightings())
        env.step(decide(noisy, env).actions)
    kept = total = 0
    for (shown, obs), truth in zip(reader.shown, real, strict=True):
        process, connection = obs[:, PROCESS] != 0, obs[:, CONNECTION] != 0
        np.testing.assert_array_equal(shown.exploited, truth.exploited & process)
        np.testing.assert_array_equal(shown.attacked_by, np.where(connection, truth.attacked_by, 0))
        np.testing.assert_array_equal(shown.listed, truth.listed)
        assert np.isin(shown.passed_by, [0, *np.unique(truth.passed_by)]).all()
        kept += int((shown.attacked_by != 0).sum())
        total += int((truth.attacked_by != 0).sum())
    assert 0.3 < kept / total < 0.7
