"""BatchedEnv: independence of batch and threads, snapshots, checks of what it is given."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.red_fsm import N_RED_ACTIONS
from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.sim.state import Error
from tests.support.reds import random_table


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


def test_each_environment_may_have_its_own_red() -> None:
    reds = (*REDS, *map(random_table, range(8)))
    each = [EnvParams(steps=60, red=red) for red in reds]
    mixed = BatchedEnv(len(reds), params=each, threads=2)
    assert [red.name for red in mixed.reds] == [params.red_name for params in each]
    mixed.reset(np.arange(len(reds)))
    generator = np.random.default_rng(3)
    alone = [BatchedEnv(1, params=params) for params in each]
    for seed, env in enumerate(alone):
        env.reset([seed])
    for _ in range(59):
        chosen = _random_actions(mixed, generator)
        mixed.step(chosen)
        for env, row in zip(alone, chosen, strict=True):
            env.step(row[None, :])
    assert (mixed.state == np.concatenate([env.state for env in alone])).all()
    assert (mixed.obs == np.concatenate([env.obs for env in alone])).all()


@pytest.mark.parametrize(
    "params",
    [
        [EnvParams()],
        [EnvParams(), EnvParams(steps=20)],
        [EnvParams(), EnvParams(phishing=0.5)],
        [EnvParams(), "greedy"],
        3,
    ],
)
def test_environments_of_a_batch_differ_in_red_only(params: Any) -> None:
    with pytest.raises(UsageError, match="params: "):
        BatchedEnv(2, params=params)


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


def test_what_is_done_begins_anew_without_a_reward() -> None:
    """``done`` shows the state, which the reset changes while it is the choice."""
    env = BatchedEnv(2)
    env.reset([1, 2])
    while not env.reward.all():
        _play(env, 1)
    env.done[1] = True  # as if its episode were shorter
    kept = float(env.reward[0])
    env.reset_where(env.done)
    assert env.reward.tolist() == [kept, 0]
    assert env.step_count[1] == 0 < env.step_count[0]


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
        ({"red_duration": (1.5,) * N_RED_ACTIONS}, "red_duration"),
        ({"steps": 10.5}, "steps: 10.5 is no whole number"),
        ({"steps": True}, "steps: True is no whole number"),
        ({"steps": "10"}, "steps: '10' is no whole number"),
        ({"red": ["finite_state"]}, "red"),
        ({"phishing": "0.5"}, "phishing: '0.5' is no probability"),
        ({"phishing": True}, "phishing: True is no probability"),
        ({"phishing": float("nan")}, "phishing: nan is no probability"),
    ],
)
def test_parameters_are_checked(fields: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        EnvParams(**fields)  # type: ignore[arg-type]


def test_parameters_are_plain_numbers_however_they_were_given() -> None:
    given = EnvParams(
        steps=np.int64(10), phishing=np.float32(0.5), red_duration=[1] * N_RED_ACTIONS
    )
    plain = EnvParams(steps=10, phishing=0.5, red_duration=(1,) * N_RED_ACTIONS)
    assert given == plain
    assert json.dumps(given.as_dict()) == json.dumps(plain.as_dict())


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((np.zeros(0, bool),), r"chosen: .* shape \(0,\).*of shape \(3,\)"),
        ((np.ones(2, bool),), "chosen"),
        ((np.ones((3, 1), bool),), "chosen"),
        (([0, 1],), "chosen"),
        (([0, 1, 1],), "chosen: this is int64 .* truth values"),
        ((True,), "chosen"),
        ((np.ones(3, bool), [1, 2]), "2 seeds for 3"),
        ((np.ones(3, bool), [1, 2, -3]), "seeds: .*whole numbers from 0"),
        ((np.ones(3, bool), [1, 2, 1.5]), "seeds: .*whole numbers from 0"),
        ((np.ones(3, bool), [True] * 3), "seeds: .*whole numbers from 0"),
        ((np.ones(3, bool), "abc"), "seeds"),
    ],
)
def test_a_choice_is_a_truth_value_for_each(arguments: tuple[Any, ...], match: str) -> None:
    env = BatchedEnv(3)
    env.reset([1, 2, 3])
    before = env.state.copy()
    with pytest.raises(UsageError, match=match):
        env.reset_where(*arguments)
    assert (env.state == before).all()


@pytest.mark.parametrize("skipped", [-1, 0.5, True, None, 10**9])
def test_skipped_worlds_are_a_whole_number(skipped: Any) -> None:
    env = BatchedEnv(1)
    with pytest.raises(UsageError, match="skip_worlds"):
        env.reset([1], skip_worlds=skipped)
    with pytest.raises(UsageError, match="not reset"):
        env.step(np.array([actions.SLEEP_INDEX]))


def test_seeds_may_be_of_any_size() -> None:
    env = BatchedEnv(2)
    env.reset([2**70, 2**64 - 1])
    twin = BatchedEnv(2)
    twin.reset(np.zeros(2, int))
    twin.reseed([2**70, 2**64 - 1])
    twin.reset()
    assert (env.state == twin.state).all()


def test_the_first_reset_is_of_all() -> None:
    env = BatchedEnv(3)
    with pytest.raises(UsageError, match="leaves environments out"):
        env.reset_where(np.array([True, True, False]), [1, 2, 3])
    for ask in (env.save, env.truth, lambda: env.full_state(0), lambda: env.reseed([1, 2, 3])):
        with pytest.raises(UsageError, match="not reset"):
            ask()
    env.reset_where(np.ones(3, bool), [1, 2, 3])
    env.step(np.array([actions.SLEEP_INDEX] * 3))


@pytest.mark.parametrize("name", ["states", "obs", "mask", "reward"])
def test_a_snapshot_is_whole(name: str) -> None:
    env = BatchedEnv(3)
    env.reset([1, 2, 3])
    saved = env.save()
    _play(env, 3)
    before = env.state.copy(), env.obs.copy()
    array = getattr(saved, name)
    for broken in (array[:2], array[:, None], array.view(np.uint8), array.tolist()):
        with pytest.raises(UsageError, match="snapshot"):
            env.restore(replace(saved, **{name: broken}))
    for rows in ([0, 1], [0, 1, 3], [0, 1, -1], [0.0, 1.0, 2.0], [True] * 3, 1):
        with pytest.raises(UsageError, match="rows"):
            env.restore(saved, rows)
    assert (env.state == before[0]).all()
    assert (env.obs == before[1]).all()


def test_restored_episodes_last_as_long_as_this_environment_says() -> None:
    short, long = (BatchedEnv(1, params=EnvParams(steps=steps)) for steps in (5, 8))
    short.reset([1])
    _play(short, 4)
    assert short.done.all()
    long.restore(short.save())
    assert not long.done.any()
    _play(long, 3)
    assert long.done.all()
    short.restore(long.save())
    assert short.done.all()
    with pytest.raises(UsageError, match="over"):
        _play(short, 1)


@pytest.mark.parametrize("index", [-1, 3, 1.0, True, None, "rng", slice(None), [0]])
def test_one_environment_is_named_by_its_number(index: Any) -> None:
    env = BatchedEnv(3)
    env.reset([1, 2, 3])
    for ask in (env.full_state, env.generator_state, lambda i: env.raw_observation(i, 0)):
        with pytest.raises(UsageError, match="env"):
            ask(index)
    with pytest.raises(UsageError, match="agent"):
        env.raw_observation(0, 5 if index == 3 else index)


@pytest.mark.parametrize("messages", [1, [0] * 8, np.zeros((1, 5, 7)), None, "a"])
def test_message_bits_have_a_shape(messages: Any) -> None:
    env = BatchedEnv(1)
    env.reset([1])
    if messages is None:
        messages = np.full((1, N_BLUE, 8), np.nan)
    with pytest.raises(UsageError, match="messages"):
        env.step(np.array([actions.SLEEP_INDEX]), messages)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, 10**9])
def test_a_batch_has_a_size(size: Any) -> None:
    with pytest.raises(UsageError, match="n_envs"):
        BatchedEnv(size)
    with pytest.raises(UsageError, match="threads"):
        BatchedEnv(1, threads=size)


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
