"""Robustness: what is known in advance comes out."""

from functools import cache

import numpy as np
import pytest

from cagexplain.audit.play import robustness
from cagexplain.audit.play.robustness import CONDITIONS, Varied, vary
from cagexplain.audit.play.team import PlayCounts
from cagexplain.audit.results import Variation
from cagexplain.cc4 import actions, red_fsm
from cagexplain.cc4.red_fsm import VARIANTS
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.noise import NoisyAlerts
from tests.support.small import ENOUGH

pytestmark = pytest.mark.slow

SEEDS = np.arange(300, 300 + ENOUGH)
STEPS = 100
PARAMS = EnvParams(steps=STEPS)


@cache
def varied(name: str, *siblings: str) -> Varied:
    return vary(
        load_policy(name), SEEDS, PARAMS, siblings=[load_policy(other) for other in siblings]
    )


def variation(found: Varied, key: str) -> Variation:
    (one,) = [v for v in found.variations if v.key == key]
    return one


def test_every_condition_is_played_once_the_usual_ones_first() -> None:
    found = varied("punch", "punch")
    keys = [v.key for v in found.variations]
    assert keys[0] == "usual"
    assert len(set(keys)) == len(keys)
    assert {c.key for c in CONDITIONS} - set(keys) == {"red_finite_state"}
    reds = {key.removeprefix("red_") for key in keys if key.startswith("red_")}
    assert reds | {"finite_state", "verbose"} == set(VARIANTS)
    assert {v.group for v in found.variations} == {
        *("usual", "alerts", "red", "length", "network", "training")
    }
    assert all(v.episodes == len(SEEDS) for v in found.variations)


def test_returns_are_those_of_the_evaluation_under_the_condition() -> None:
    found = varied("punch", "punch")
    policy = load_policy("punch")
    usual = evaluate(policy, SEEDS, PARAMS).returns
    for key, other in (
        ("drop_alerts", evaluate(NoisyAlerts(policy, drop=0.25), SEEDS, PARAMS)),
        ("red_impact", evaluate(policy, SEEDS, EnvParams(steps=STEPS, red="impact"))),
        ("phishing", evaluate(policy, SEEDS, EnvParams(steps=STEPS, phishing=0.75))),
    ):
        one = variation(found, key)
        assert one.mean_return.mean == pytest.approx(other.returns.mean())
        assert one.change is not None
        assert one.change.mean == pytest.approx((other.returns - usual).mean())
    assert variation(found, "long").change is None
    assert variation(found, "smallest_networks").change is None


def test_relative_losses_are_shares_of_what_the_policy_averts() -> None:
    found = varied("punch", "punch")

    def averted(params: EnvParams) -> float:
        policy, sleep = (evaluate(load_policy(n), SEEDS, params) for n in ("punch", "sleep"))
        return 1 - float(policy.returns.sum() / sleep.returns.sum())

    loss = variation(found, "red_degrade").relative_loss
    assert loss is not None
    wanted = 1 - averted(EnvParams(steps=STEPS, red="degrade")) / averted(PARAMS)
    assert loss.mean == pytest.approx(wanted)
    assert variation(found, "usual").relative_loss is None
    (worst,) = found.numbers["ROB-02"]
    assert not isinstance(worst, str)
    judged = [c.key for c in CONDITIONS if c.judged and c.key != "red_finite_state"]
    losses = [variation(found, key).relative_loss for key in judged]
    assert worst.value == pytest.approx(max(one.mean for one in losses if one))
    assert worst.low <= worst.value <= worst.high
    assert (worst.n, worst.episodes) == (len(SEEDS), len(SEEDS))


def test_sleep_loses_nothing_by_noise_and_has_no_lead_to_lose() -> None:
    found = varied("sleep")
    for key in ("drop_alerts", "invented_alerts"):
        change = variation(found, key).change
        assert change is not None and (change.mean, change.low, change.high) == (0, 0, 0)
    assert all(v.relative_loss is None for v in found.variations)
    assert isinstance(found.numbers["ROB-01"], str)


def test_networks_are_the_smallest_and_the_largest_of_the_pool() -> None:
    found = {condition.key: own for condition, own in robustness._networks(SEEDS, PARAMS)}
    pool = SEEDS[-1] + 1 + np.arange(robustness.POOL * len(SEEDS))
    env = BatchedEnv(len(pool), params=PARAMS, threads=1)
    env.reset(pool)
    kinds = np.concatenate(actions.KIND)
    sizes = dict(
        zip(pool, env.mask[:, kinds == actions.ActionKind.RESTORE].sum(axis=1), strict=True)
    )
    small, large = (
        [sizes[seed] for seed in found[f"{key}_networks"]] for key in ("smallest", "largest")
    )
    ordered = sorted(sizes.values())
    assert sorted(small) == ordered[: len(SEEDS)]
    assert sorted(large) == ordered[-len(SEEDS) :]


def mixed(shares: np.ndarray, seed: int, episodes: int = 40, decisions: int = 300) -> PlayCounts:
    """A play whose decisions, all in one state, are of kinds with these shares."""
    generator = np.random.default_rng(seed)
    table = np.zeros((episodes, red_fsm.N_STATES, actions.N_KINDS))
    table[:, red_fsm.State.U] = generator.multinomial(decisions, shares, size=episodes)
    sums = {"action_mix": table.reshape(episodes, -1)}
    none = np.zeros(episodes, np.int64)
    return PlayCounts(none.astype(float), sums, none, none)


def test_policies_that_do_the_same_are_not_apart() -> None:
    shares = np.array([0.3, 0.1, 0.1, 0.2, 0.1, 0.1, 0.05, 0.05])
    found = robustness._stability([mixed(shares, seed) for seed in range(3)])
    assert not isinstance(found, str)
    assert abs(found[0].value) < 0.01
    assert found[0].low <= found[0].value <= found[0].high
    assert found[0].n == 3


def test_policies_that_share_no_action_are_wholly_apart() -> None:
    first, second = np.eye(actions.N_KINDS)[[0, 3]]
    found = robustness._stability([mixed(first, 0), mixed(second, 1)])
    assert not isinstance(found, str)
    assert found[0].value == pytest.approx(1)
    assert np.isnan(found[0].low) and np.isnan(found[0].high)  # one distance has no interval


def test_the_interval_is_about_training_seeds_not_about_episodes_alone() -> None:
    """Two policies agree and one does not: what a further one would do, nobody can say."""
    same, other = np.eye(actions.N_KINDS)[[0, 3]]
    (three,) = robustness._stability([mixed(same, 0), mixed(same, 1), mixed(other, 2)])
    assert not isinstance(three, str)
    assert three.value == pytest.approx(2 / 3)
    assert three.low < 0 and three.high > 1
    # Without one of the two that agree the distance is 1, without the other one 0.
    error = np.sqrt(2 / 3 * (2 * (1 - 2 / 3) ** 2 + (0 - 2 / 3) ** 2))
    assert three.high - three.low == pytest.approx(2 * 4.303 * error, rel=1e-3)


def test_the_same_policy_as_its_own_sibling_is_not_apart() -> None:
    found = varied("punch", "punch")
    (excess,) = found.numbers["ROB-01"]
    assert not isinstance(excess, str)
    assert excess.value == pytest.approx(0, abs=1e-9)
    change = variation(found, "sibling_0").change
    assert change is not None and change.mean == 0
