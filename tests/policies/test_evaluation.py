import json

import numpy as np
import pandas as pd
import pytest

from cagexplain.cc4 import network
from cagexplain.envs import EnvParams, engines
from cagexplain.policies.base import Decision
from cagexplain.policies.evaluation import Evaluation, estimate, evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import Observer, batches, seed_range
from cagexplain.policies.scripted.builtin import BUILTIN
from tests.support.fake_env import FakeEnv
from tests.support.paths import DATA

STEPS = 13


class Ledger(Observer):
    """Every reward as it comes, by seed."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, np.ndarray, np.ndarray, float]] = []

    def begin(self, env: FakeEnv, seeds: np.ndarray) -> None:
        self.seeds, self.t = seeds, 0

    def after_step(self, env: FakeEnv, decision: Decision) -> None:
        for e, seed in enumerate(self.seeds):
            parts, cost = env.reward_parts[e].copy(), env.action_cost[e].copy()
            self.rows.append(
                (int(seed), self.t, int(env.phase[e]), parts, cost, float(env.reward[e]))
            )
        self.t += 1


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BatchedEnv", FakeEnv)


def test_returns_are_the_sums_of_all_rewards_but_the_last(fake_engine: None) -> None:
    ledger = Ledger()
    seeds = np.array([4, 2, 9, 7, 5])
    found = evaluate(
        load_policy("random"), seeds, EnvParams(steps=STEPS), batch=2, observers=[ledger]
    )
    assert {t for _, t, *_ in ledger.rows} == set(range(STEPS - 1))
    for i, seed in enumerate(seeds):
        rows = [row for row in ledger.rows if row[0] == seed and row[1] < STEPS - 2]
        assert found.returns[i] == sum(row[5] for row in rows)
        for phase in range(3):
            assert found.by_phase[i, phase] == sum(row[5] for row in rows if row[2] == phase)
        for cause in range(3):
            assert found.by_cause[i, cause] == sum(row[3][cause].sum() for row in rows)
        assert found.by_cause[i, 3] == sum(row[4].sum() for row in rows)
        for zone in range(9):
            assert found.by_zone[i, zone] == sum(row[3][:, zone].sum() for row in rows)
    np.testing.assert_array_equal(found.seeds, seeds)


def test_the_batch_does_not_matter(fake_engine: None) -> None:
    results = [
        evaluate(load_policy("random"), seed_range(30, 7), EnvParams(steps=STEPS), batch=batch)
        for batch in (1, 3, 7, 100)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].penalties, other.penalties)
        np.testing.assert_array_equal(results[0].costs, other.costs)


def test_batches_cover_all_seeds_in_order() -> None:
    parts = batches(np.arange(10), 4)
    assert [len(part) for part in parts] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(10))


def example() -> Evaluation:
    rng = np.random.default_rng(0)
    return Evaluation(
        policy={"name": "made up"},
        options={"red": "finite_state", "protocol": "seeds"},
        seeds=np.arange(20),
        penalties=-rng.integers(0, 50, (20, 3, 3, 9)),
        costs=-rng.integers(0, 5, (20, 3, 5)),
    )


def test_summary_and_json_agree_with_the_episodes() -> None:
    found = example()
    summary = found.summary()
    total = summary["return"]["return"]
    assert total.mean == pytest.approx(found.returns.mean())
    assert total.sd == pytest.approx(found.returns.std(ddof=1))
    for group in ("phase", "cause"):
        assert sum(part.mean for part in summary[group].values()) == pytest.approx(total.mean)
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [episode["return"] for episode in content["episodes"]] == found.returns.tolist()
    for episode in content["episodes"]:
        assert sum(episode["phase"].values()) == episode["return"]
        assert sum(episode["cause"].values()) == episode["return"]
    assert content["summary"]["return"]["return"]["low"] == total.low


def test_one_episode_has_no_spread() -> None:
    (found,) = estimate(np.array([[-5.0]]))
    assert (found.mean, found.sd, found.low, found.high) == (-5.0, None, None, None)


def test_wider_confidence_gives_wider_intervals() -> None:
    values = np.random.default_rng(3).normal(size=(30, 1))
    (narrow,), (wide,) = estimate(values, confidence=0.8), estimate(values, confidence=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


UNRECORDED = {"punch", "expert", "champion", "champion_robust"}


@pytest.mark.parametrize("name", sorted(set(BUILTIN) - UNRECORDED))
def test_scripted_policies_earn_what_they_earn_in_cyborg(name: str) -> None:
    """Every episode of the reference data, by phase, cause and subnet, to the point."""
    recorded = pd.read_parquet(DATA / "policy_returns.parquet", filters=[("policy", "==", name)])
    assert len(recorded) >= 8
    found = evaluate(load_policy(name), recorded["seed"].to_numpy(), skip_worlds=1)
    subnets = [f"ret_sub_{zone.removesuffix('_subnet')}" for zone in network.ZONES]
    for values, columns in (
        (found.returns[:, None], ["ret"]),
        (found.by_phase, [f"ret_phase{i}" for i in range(3)]),
        (found.by_cause, ["ret_LWF", "ret_ASF", "ret_RIA", "ret_action_cost"]),
        (found.by_zone, subnets),
    ):
        np.testing.assert_array_equal(values, recorded[columns])


def test_punch_beats_restoring_blindly() -> None:
    seeds = seed_range(500, 16)
    punch, blind = (evaluate(load_policy(name), seeds) for name in ("punch", "restore_cycle"))
    assert punch.returns.mean() > blind.returns.mean()


def test_fake_env_is_a_fair_stand_in() -> None:
    """It offers what is read from the real environment."""
    from cagexplain.envs import BatchedEnv

    params = EnvParams(steps=5)
    real, fake = BatchedEnv(2, params=params), FakeEnv(2, params=params)
    for env in (real, fake):
        env.reset(np.array([1, 2]))
        env.step(np.full((2, 5), 16))
    for name, ours in vars(fake).items():
        if isinstance(ours, np.ndarray):
            theirs = getattr(real, name)
            assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype), name
    for name, ours in vars(fake.truth()).items():
        theirs = getattr(real.truth(), name)
        assert theirs.dtype == ours.dtype, name
        assert theirs.shape[:2] == ours.shape[:2] or name.startswith("trans_"), name
