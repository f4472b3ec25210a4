"""A policy with Sleep in place of some of its actions."""

import numpy as np

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import ACTION_TYPE, OFFSETS, SLEEP_INDEX
from cagexplain.envs import Engine, EnvParams
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.without import Without

TYPES = (ActionKind.RESTORE, ActionKind.DECOY)


def test_only_the_named_types_become_sleep_and_the_policy_is_not_told() -> None:
    seeds = np.arange(3)
    env = Engine().make(len(seeds), EnvParams(steps=60))
    plain, without = load_policy("reactive"), Without(load_policy("reactive"), TYPES)
    for policy in (plain, without):
        policy.reset(seeds)
    env.reset(seeds)
    void = 0
    for _ in range(59):
        whole, partial = (
            policy.act(env.obs, env.mask, env.free).actions for policy in (plain, without)
        )
        # Both see the same, so they choose the same as long as neither knows of the difference.
        replaced = np.isin(ACTION_TYPE[whole + OFFSETS], TYPES)
        np.testing.assert_array_equal(partial, np.where(replaced, SLEEP_INDEX, whole))
        void += int(replaced.sum())
        env.step(partial)
    env.close()
    assert void > 0


def test_it_says_what_it_is_without() -> None:
    described = Without(load_policy("reactive"), TYPES).describe()
    assert described["without"] == ["Restore", "DeployDecoy"]
    assert described["name"] == "reactive without Restore, DeployDecoy"
