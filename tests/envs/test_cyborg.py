"""CybORGEnv: the same as the engine through the same protocol (needs CybORG)."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cagexplain.cc4 import actions
from cagexplain.cc4.reds import PORTFOLIO, VARIANTS
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, Engine, EnvParams, GroundTruth
from cagexplain.envs.protocol import Env
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace
from tests.support.cyborg import require_cyborg
from tests.support.reds import random_table

STEPS = 25
ARRAYS = ("obs", "mask", "free", "reward", "reward_parts", "action_cost", "phase", "step_count")


@pytest.fixture
def engine() -> Engine:
    return Engine("cyborg", 2, require_cyborg())


def _same(ours: Env, theirs: Env, step: int) -> None:
    for name in (*ARRAYS, "done"):
        here, there = getattr(ours, name), getattr(theirs, name)
        assert np.array_equal(here, there), f"{name} after {step} steps"
    here, there = ours.truth(), theirs.truth()
    assert here.trans_n.tolist() == there.trans_n.tolist()
    logged = np.arange(there.trans_agent.shape[1]) < there.trans_n[:, None]
    for name in (field.name for field in fields(GroundTruth)):
        mine, its = getattr(here, name), getattr(there, name)
        if name.startswith("trans_") and name != "trans_n":
            mine = np.where(logged, mine[:, : its.shape[1]], 0)
        assert np.array_equal(mine, its), f"{name} after {step} steps"


@pytest.mark.parametrize("red", VARIANTS)
@pytest.mark.parametrize("skip_worlds", [0, 1])
def test_equals_the_engine(engine: Engine, red: str, skip_worlds: int) -> None:
    params = EnvParams(steps=STEPS, red=red)
    ours, theirs = BatchedEnv(3, params=params), engine.make(3, params)
    generator = np.random.default_rng(0)
    for seeds in ([3, 14, 15], None):  # a second episode goes on with the generators
        ours.reset(seeds, skip_worlds=skip_worlds)
        theirs.reset(seeds, skip_worlds=skip_worlds)
        for step in range(STEPS - 1):
            _same(ours, theirs, step)
            chosen = generator.integers(actions.SIZES, size=(3, 5))
            messages = generator.integers(0, 2, (3, 5, 8))
            ours.step(chosen, messages)
            theirs.step(chosen, messages)
        _same(ours, theirs, STEPS - 1)
        assert theirs.done.all()
        for env in range(3):
            assert ours.full_state(env) == theirs.full_state(env)
            assert ours.generator_state(env) == theirs.generator_state(env)
    theirs.close()


@pytest.mark.parametrize("seed", range(8))
def test_plays_any_table_exactly(engine: Engine, seed: int) -> None:
    """Every habit occurs in these tables, and each agent and state gets its turn."""
    params = EnvParams(steps=60, red=random_table(seed))
    ours, theirs = BatchedEnv(1, params=params), engine.make(1, params)
    ours.reset([seed])
    theirs.reset([seed])
    generator = np.random.default_rng(seed)
    for step in range(59):
        _same(ours, theirs, step)
        chosen = generator.integers(actions.SIZES, size=(1, 5))
        # Half of them with a blue that lets red get far.
        ours.step(chosen if seed % 2 else np.zeros_like(chosen))
        theirs.step(chosen if seed % 2 else np.zeros_like(chosen))
    _same(ours, theirs, 59)
    assert ours.full_state(0) == theirs.full_state(0)
    assert ours.generator_state(0) == theirs.generator_state(0)
    theirs.close()


@pytest.mark.parametrize("red", ["degrader", *PORTFOLIO])
def test_plays_the_portfolio_exactly(engine: Engine, red: str) -> None:
    params = EnvParams(steps=40, red=red)
    seeds, player = np.arange(2), load_policy("expert")
    ours = evaluate(player, seeds, params)
    theirs = evaluate(player, seeds, params, engine=engine, batch=2)
    assert (ours.penalties == theirs.penalties).all()
    assert (ours.costs == theirs.costs).all()


def test_habits_of_the_random_tables() -> None:
    reds = [random_table(seed) for seed in range(8)]
    for habit in ("prefer_servers", "own_sessions", "source", "impacts"):
        assert len({getattr(red, habit) for red in reds}) == 2, habit
    for part in ("state_weight", "durations"):
        assert {getattr(red, part) is None for red in reds} == {True, False}, part
    assert any((red.unvisited != red.probability).any() for red in reds)


def test_evaluates_to_the_same_returns(engine: Engine) -> None:
    seeds, params = np.arange(5), EnvParams(steps=40)
    ours = evaluate(load_policy("reactive"), seeds, params)
    theirs = evaluate(load_policy("reactive"), seeds, params, engine=engine, batch=2)
    assert (ours.penalties == theirs.penalties).all()
    assert (ours.costs == theirs.costs).all()
    assert theirs.options["engine"]["name"] == "CybORG"


def test_traces_to_the_same_tables(engine: Engine, tmp_path: Path) -> None:
    seeds, params = np.arange(2), EnvParams(steps=40)
    for name, chosen in (("ours", Engine()), ("theirs", engine)):
        Recording(tmp_path / name, load_policy("random"), seeds, params, engine=chosen).run()
    ours, theirs = open_trace(tmp_path / "ours"), open_trace(tmp_path / "theirs")
    assert theirs.manifest.engine["name"] == "CybORG"
    for table in ours.manifest.tables:
        mine, its = (
            pd.concat([pd.read_parquet(p) for p in sorted((tmp_path / n / table).iterdir())])
            for n in ("ours", "theirs")
        )
        pd.testing.assert_frame_equal(mine, its)


def test_refuses_what_cyborg_cannot_do(engine: Engine) -> None:
    with pytest.raises(UsageError, match="phishing"):
        engine.make(1, EnvParams(phishing=0.5))
    env = engine.make(1, EnvParams(steps=3))
    with pytest.raises(UsageError, match="seeds"):
        env.reset()
    with pytest.raises(UsageError, match="reset"):
        env.step(np.array([actions.SLEEP_INDEX]))
    env.reset([1])
    with pytest.raises(UsageError, match="actions"):
        env.step(np.array([[82, 0, 0, 0, 0]]))
    for _ in range(2):
        env.step(np.array([actions.SLEEP_INDEX]))
    with pytest.raises(UsageError, match="reset"):
        env.step(np.array([actions.SLEEP_INDEX]))


def test_a_failure_names_seed_and_step(monkeypatch: pytest.MonkeyPatch) -> None:
    path = require_cyborg()
    env = Engine("cyborg", 1, path).make(2)
    env.reset([7, 8])
    env.step(np.array([actions.SLEEP_INDEX] * 2))
    world = env._workers[0]._worlds[1]  # type: ignore[attr-defined]

    def fail(*_: object) -> None:
        raise KeyError("gone")

    monkeypatch.setattr(world, "step", fail)
    with pytest.raises(CagexplainError, match=r"step 1 with seed 8: KeyError: 'gone'"):
        env.step(np.array([actions.SLEEP_INDEX] * 2))
