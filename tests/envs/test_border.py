"""Whatever an environment is given: it is used, or refused with one error and nothing changed."""

import itertools
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, EnvParams, ParallelCC4, Snapshot, parallel_env
from cagexplain.envs.cyborg.env import CybORGEnv
from tests.support import fake_cyborg
from tests.support.episodes import ARRAYS

pytestmark = pytest.mark.slow

N = 2
PARAMS = EnvParams(steps=6)
SLEEP = np.tile(actions.SLEEP_INDEX, (N, 1))
CALLS = 25
"""Calls of an example: with the examples below, 11,250 in all."""


class Hostile:
    """Fails in every way in which an array can be asked of an object."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise RuntimeError("no array")

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __len__(self) -> int:
        raise RuntimeError("no length")


# No number between 6 and 65,536: it would be taken, as a batch size or a number of worlds.
ODD = [None, True, False, *range(-3, 6), 10**6, 2**31, 2**63, 2**64 - 1, -(2**63), 2**70]
ODD += [0.0, 0.5, 1.0, -1.0, 1e300, float("nan"), float("inf"), 1j, "", "a", "3", "rng", b"1"]
ODD += [[], {}, (), set(), range(2), slice(None), object(), Hostile(), print, int, Ellipsis]
ODD += [np.int8(1), np.uint64(2**63), np.float32(1), np.bool_(True), np.datetime64("2026-01-01")]
ODD += [np.timedelta64(1, "s"), np.str_("1"), np.ma.masked, [[1], [2, 3]], [None, 1], [1, "a"]]
ODD += [
    [True, False],
    [0, 1],
    [2**70, 1],
    [10**6, 3],
    BLUE[0],
    *(["blue_agent_9"] * 2),
    [Hostile()],
]
DTYPES = ["?", "b", "i4", "i8", "u1", "u8", ">i8", "f4", "f8", "c8", "U3", "S2", "O", "M8[s]", "V4"]
SHAPES = [(), (1,), (2,), (2,), (3,), (5,), (8,), (0,), (2, 5), (2, 5), (5, 2), (1, 5), (10,)]
SHAPES += [(2, 5, 8), (2, 5, 8), (5, 8), (2, 5, 7), (2, 8, 5), (2, 0), (2, 1)]
LAYOUTS: list[Callable[[np.ndarray], Any]] = [
    lambda array: array,
    np.asfortranarray,
    np.ndarray.tolist,
    lambda array: np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array,
    lambda array: array.T,
]


def _array(dtype: str, shape: tuple[int, ...], high: int, layout: int, seed: int) -> Any:
    numbers = np.random.default_rng(seed).integers(0, high, shape)
    array = numbers.astype(dtype) if dtype != "V4" else np.zeros(shape, dtype)
    if seed == 0 and array.size and dtype in ("i4", "i8", ">i8", "f8"):
        array.flat[-1] = -1
    array.flags.writeable = seed % 2 == 0
    return LAYOUTS[layout](array)


FLAGS = np.array([True, False])
FITTING = [0, 1, 3, SLEEP, SLEEP + 1, np.ones((N, 5, 8)), [1] * 8, FLAGS, [1, 0], np.array([1, 1])]
FITTING += [
    None,
    True,
    {},
    {BLUE[0]: 1},
    {BLUE[4]: FLAGS.repeat(4)},
    BLUE[2],
    "box",
    "messages",
    PARAMS,
]
FITTING += [PARAMS.red, PARAMS.red_duration]
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(FITTING),
    st.builds(
        _array,
        st.sampled_from(DTYPES),
        st.sampled_from(SHAPES),
        st.sampled_from([1, 2, 3, 82, 300]),
        st.integers(0, len(LAYOUTS) - 1),
        st.integers(0, 3),
    ),
)
BROKEN = ["states", "obs", "mask", "reward"]


def _broken(env: BatchedEnv, a: Any, b: Any) -> Snapshot:
    """A snapshot with one array replaced; not by states, which are taken as they are."""
    name = BROKEN[len(repr(type(b))) % len(BROKEN)]
    return replace(env.save(), **{name: a})


Call = Callable[[Any, Any, Any], Any]
PROTOCOL: dict[str, Call] = {
    "reset": lambda env, a, b: env.reset(a),
    "reset, skipping": lambda env, a, b: env.reset([1, 2], skip_worlds=a),
    "reset, both": lambda env, a, b: env.reset(a, skip_worlds=b),
    "step": lambda env, a, b: env.step(a),
    "step, both": lambda env, a, b: env.step(a, b),
    "step, messages": lambda env, a, b: env.step(SLEEP, a),
    "full_state": lambda env, a, b: env.full_state(a),
    "raw_observation": lambda env, a, b: env.raw_observation(a, b),
    "raw_observation, agent": lambda env, a, b: env.raw_observation(1, a),
    "generator_state": lambda env, a, b: env.generator_state(a),
}
BATCHED: dict[str, Call] = PROTOCOL | {
    "reset_where": lambda env, a, b: env.reset_where(a),
    "reset_where, both": lambda env, a, b: env.reset_where(a, b),
    "reset_where, seeds": lambda env, a, b: env.reset_where(FLAGS, a),
    "reset_where, skipping": lambda env, a, b: env.reset_where(FLAGS, [1, 2], skip_worlds=a),
    "reseed": lambda env, a, b: env.reseed(a),
    "save": lambda env, a, b: env.save(a),
    "restore": lambda env, a, b: env.restore(a),
    "restore, rows": lambda env, a, b: env.restore(env.save([1, 0]), a),
    "restore, broken": lambda env, a, b: env.restore(_broken(env, a, b)),
    "size": lambda env, a, b: BatchedEnv(a, params=PARAMS),
    "threads": lambda env, a, b: BatchedEnv(1, threads=a),
    "params": lambda env, a, b: BatchedEnv(1, params=a),
    **{
        f.name: lambda env, a, b, name=f.name: EnvParams(**{name: a})  # type: ignore[misc]
        for f in fields(EnvParams)
    },
}
A, B = BLUE[0], BLUE[4]
TEAM: dict[str, Call] = {
    "reset": lambda env, a, b: env.reset(a),
    "reset, options": lambda env, a, b: env.reset(1, a),
    "step": lambda env, a, b: env.step(a),
    "step, action": lambda env, a, b: env.step({A: a}),
    "step, actions": lambda env, a, b: env.step({A: a, B: b}),
    "step, agent": lambda env, a, b: env.step({_key(a): 1}),
    "step, messages": lambda env, a, b: env.step({}, a),
    "step, message": lambda env, a, b: env.step({A: 1}, {B: a}),
    "step, sender": lambda env, a, b: env.step({A: 1}, {_key(a): [1] * 8}),
    "step, official": lambda env, a, b: env.step({"actions": a, "messages": b}),
    "step, official action": lambda env, a, b: env.step({"actions": {A: a}, "messages": {B: b}}),
    "step, official and more": lambda env, a, b: env.step({"actions": {}, _key(a): b}),
    "observation_space": lambda env, a, b: env.observation_space(a),
    "action_space": lambda env, a, b: env.action_space(a),
    "action_labels": lambda env, a, b: env.action_labels(a),
    **{
        name: lambda env, a, b, name=name: parallel_env(**{name: a})  # type: ignore[misc]
        for name in ("params", "render_mode", "pad_spaces", "observations", "raw_observations")
    },
}


def _key(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return str(type(value))
    return value


def _shown(env: Any) -> list[Any]:
    """Every bit of an environment that a refusal must leave as it was."""
    if isinstance(env, ParallelCC4):
        return [env.agents, *_shown(env._env)]
    arrays = [getattr(env, name) for name in ARRAYS]
    arrays += [env.state] if isinstance(env, BatchedEnv) else []
    return [array.tobytes() for array in arrays]


def _refusal(call: Call, env: Any, values: tuple[Any, Any]) -> str | None:
    """What was said; None if the values were used. Anything but a UsageError is a failure."""
    before = _shown(env)
    try:
        call(env, *values)
    except UsageError as error:
        assert _shown(env) == before
        text = str(error)
        assert "\n" not in text
        return text
    return None


def _calls(table: dict[str, Call]) -> Any:
    call = st.tuples(st.sampled_from(sorted(table)), st.tuples(VALUES, VALUES))
    return st.lists(call, min_size=CALLS, max_size=CALLS)


def _examples(n: int) -> Any:
    checks = [HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large]
    return settings(max_examples=n, suppress_health_check=checks)


@_examples(200)
@given(_calls(BATCHED))
def test_batches(calls: list[tuple[str, tuple[Any, Any]]]) -> None:
    env = BatchedEnv(N, params=PARAMS)
    env.reset([1, 2])
    for name, values in calls:
        if env.done.any():
            env.reset()
        _refusal(BATCHED[name], env, values)


@_examples(150)
@given(_calls(TEAM))
def test_teams(calls: list[tuple[str, tuple[Any, Any]]]) -> None:
    env = parallel_env(PARAMS)
    env.reset(seed=1)
    for name, values in calls:
        if not env.agents:
            env.reset()
        _refusal(TEAM[name], env, values)


@_examples(100)
@given(_calls(PROTOCOL))
def test_the_adapter_of_cyborg_refuses_the_same(
    calls: list[tuple[str, tuple[Any, Any]]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        fake_cyborg.install(monkeypatch)
        ours, theirs = BatchedEnv(N), CybORGEnv(N)
    ours.reset([1, 2])
    theirs.reset([1, 2])
    for name, values in calls:
        call = PROTOCOL[name]
        assert _refusal(call, ours, values) == _refusal(call, theirs, values), name
        assert _shown(theirs) == _shown(ours)[:-1]


@pytest.mark.parametrize("name", sorted(BATCHED.keys() - {"restore", "restore, broken"}))
def test_a_batch_takes_some_of_what_is_thrown(name: str) -> None:
    env = BatchedEnv(N, params=PARAMS)
    env.reset([1, 2])
    assert _some_fit(BATCHED[name], env)


@pytest.mark.parametrize("name", sorted(TEAM))
def test_a_team_takes_some_of_what_is_thrown(name: str) -> None:
    env = parallel_env(PARAMS)
    env.reset(seed=1)
    assert _some_fit(TEAM[name], env)


def _some_fit(call: Call, env: Any) -> bool:
    pairs = itertools.product(FITTING, repeat=2)
    return any(_refusal(call, env, values) is None for values in pairs)
