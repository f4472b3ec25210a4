"""A policy that reports no probabilities plays as ever."""

import numpy as np

from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.terse import Terse
from tests.policies.test_branch import check_branching

SEEDS = np.arange(70, 74)
PARAMS = EnvParams(steps=60)


def test_it_does_the_same_and_reports_no_probabilities() -> None:
    policy = load_policy("ippo_tuned")
    terse = Terse(policy)
    plain, ours = evaluate(policy, SEEDS, PARAMS), evaluate(terse, SEEDS, PARAMS)
    np.testing.assert_array_equal(plain.penalties, ours.penalties)
    np.testing.assert_array_equal(plain.costs, ours.costs)
    assert terse.describe() == policy.describe()
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    terse.reset(SEEDS)
    assert terse.act(env.obs, env.mask, env.free).probability is None


def test_its_branch_goes_on_where_it_is() -> None:
    check_branching(Terse(load_policy("ippo_tuned")))
