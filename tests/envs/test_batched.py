"""BatchedEnv: independence of batch and threads, snapshots, checks of what it is given."""

import numpy as np
import pytest

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.sim.state import Error


def _random_actions(env: BatchedEnv, generator: np.random.Generator) -> np.ndarray:
    chosen = np.zeros((env.n_envs, N_BLUE), dtype=np.int64)
    for agent in range(N_BLUE):
        valid = env.mask[:, actions.slice_of(agent)]
        chosen[:, agent] = (generator.random(valid.shape) * valid).argmax(axis=1)
    return chosen


def _play(env: BatchedEnv, steps: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    rewards = []
    for _ in range(steps):
        messages = generator.random((env.n_envs, N_BLUE, 8)) < 0.5
        env.step(_random_actions(env, generator), messages)
        rewards.append(env.reward.copy())
    return rewards


def test_results_depend_neither_on_batch_nor_on_threads() -> None:
    seeds = np.arange(12) + 40
    generator = np.random.default_rng(1)
    together = BatchedEnv(12, threads=1)
    threaded = BatchedEnv(12, threads=3)
    assert threaded.threads == 3
    alone = [BatchedEnv(1) for _ in seeds]
    together.reset(seeds)
    threaded.reset(seeds)
    for env, seed in zip(alone, seeds, strict=True):
        env.reset([seed])
    for _ in range(120):
        chosen = _random_actions(together, generator)
        together.step(chosen)
        threaded.step(chosen)
        for env, row in zip(alone, chosen, strict=True):
            env.step(row[None, :])
    assert (together.state == threaded.state).all()
    assert (together.obs == threaded.obs).all()
    assert (together.state == np.concatenate([env.state for env in alone])).all()


def test_a_snapshot_continues_exactly_and_can_be_played_on_many_times() -> None:
    env = BatchedEnv(2)
    env.reset([1, 2])
    _play(env, 60)
    snapshot = env.save()
    first = _play(env, 40, seed=9)
    end = env.state.copy()
    env.restore(snapshot)
    assert (env.step_count == 60).all()
    assert all((a == b).all() for a, b in zip(first, _play(env, 40, seed=9), strict=True))
    assert (env.state == end).all()

    many = BatchedEnv(5)
    many.restore(snapshot, rows=[1] * 5)
    assert (many.state == snapshot.states[1]).all()
    assert (many.mask == snapshot.mask[1]).all()


def test_reset_where_leaves_the_others_alone() -> None:
    env = BatchedEnv(3)
    env.reset([1, 2, 3])
    _play(env, 10)
    before = env.state.copy()
    env.reset_where(np.array([False, True, False]), [0, 77, 0])
    assert env.step_count.tolist() == [10, 0, 10]
    assert (env.state[[0, 2]] == before[[0, 2]]).all()
    fresh = BatchedEnv(1)
    fresh.reset([77])
    assert (env.state[1] == fresh.state[0]).all()


@pytest.mark.parametrize(("steps", "calls"), [(500, 499), (10, 9), (2, 1)])
def test_episode_lengths(steps: int, calls: int) -> None:
    env = BatchedEnv(1, params=EnvParams(steps=steps))
    env.reset([3])
    sleep = np.array([actions.SLEEP_INDEX])
    for call in range(calls):
        assert not env.done[0]
        env.step(sleep)
        assert env.step_count[0] == call + 1
    assert env.done[0]
    with pytest.raises(UsageError, match="over"):
        env.step(sleep)


def test_phases_show_in_the_observation_of_their_first_call() -> None:
    env = BatchedEnv(1, params=EnvParams(steps=10))
    env.reset([3])
    seen = []
    for _ in range(9):
        env.step(np.array([actions.SLEEP_INDEX]))
        assert env.obs[0, observations.OFFSETS[4]] == env.phase[0]
        seen.append(int(env.phase[0]))
    assert seen == [0, 0, 0, 0, 1, 1, 1, 2, 2]


def test_messages_reach_the_others_in_the_same_step() -> None:
    env = BatchedEnv(1)
    env.reset([100])
    messages = np.zeros((1, N_BLUE, 8))
    messages[0, 2, 0] = 3  # any non-zero number counts as 1
    env.step(np.array([actions.SLEEP_INDEX]), messages)
    for agent in range(N_BLUE):
        received = env.obs[0, observations.slice_of(agent)][observations.message_slice(agent)]
        expected = {0: [8], 1: [8], 2: [], 3: [16], 4: [16]}[agent]
        assert np.flatnonzero(received).tolist() == expected
    env.step(np.array([actions.SLEEP_INDEX]))
    assert env.obs[0, observations.slice_of(0)][observations.message_slice(0)].sum() == 0


def test_busy_agents_are_not_free_and_pay_for_every_restore() -> None:
    env = BatchedEnv(1)
    env.reset([0])
    host = int(np.flatnonzero(env.mask[0, :6])[0])
    restore = actions.index(0, actions.ActionKind.RESTORE, host=int(actions.HOST[0][host]))
    row = np.array([[restore, *actions.SLEEP_INDEX[1:]]])
    free, cost = [], []
    for _ in range(6):
        env.step(row)
        free.append(bool(env.free[0, 0]))
        cost.append(int(env.action_cost[0, 0]))
    assert free == [False] * 4 + [True] + [False]
    assert cost == [-1] * 6


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (np.zeros((1, 5)), "float"),
        (np.zeros((2, 5), dtype=int), "shape"),
        (np.array([[82, 0, 0, 0, 0]]), "layout"),
        (np.array([[-1, 0, 0, 0, 0]]), "layout"),
    ],
)
def test_unusable_actions_are_refused_and_change_nothing(rows: np.ndarray, match: str) -> None:
    env = BatchedEnv(1)
    env.reset([0])
    before = env.state.copy()
    with pytest.raises(UsageError, match=match):
        env.step(rows)
    assert (env.state == before).all()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"steps": 1}, "steps"),
        ({"red": "green"}, "red"),
        ({"phishing": 1.5}, "phishing"),
        ({"red_duration": (1, 2)}, "red_duration"),
    ],
)
def test_parameters_are_checked(fields: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        EnvParams(**fields)  # type: ignore[arg-type]


def test_the_first_reset_needs_seeds() -> None:
    with pytest.raises(UsageError, match="seeds"):
        BatchedEnv(1).reset()
    with pytest.raises(UsageError, match="2 seeds for 1"):
        BatchedEnv(1).reset([1, 2])
    with pytest.raises(UsageError, match="not reset"):
        BatchedEnv(1).step(np.array([actions.SLEEP_INDEX]))


def test_an_exceeded_capacity_is_an_error_that_names_it() -> None:
    env = BatchedEnv(2)
    env.reset([0, 1])
    env.state["error"][1] = Error.PROCESSES
    with pytest.raises(CagexplainError, match="environment 1 outgrew the engine's room for proc"):
        env.step(np.array([actions.SLEEP_INDEX] * 2))


def test_more_phishing_means_more_sessions() -> None:
    """A parameter has its effect (all else, the seed included, equal)."""
    held = []
    for rate in (0.0, 0.01, 0.5):
        env = BatchedEnv(4, params=EnvParams(phishing=rate))
        env.reset(np.arange(4))
        for _ in range(50):
            env.step(np.array([actions.SLEEP_INDEX] * 4))
        held.append(int((env.truth().host_level > 0).sum()))
    assert held[0] < held[1] < held[2]
