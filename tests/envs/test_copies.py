"""A copy of an environment, and the original, behave as one that was never copied."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest

from cagexplain.envs import BatchedEnv, EnvParams, parallel_env
from cagexplain.envs.batched import _VIEWS
from tests.support.episodes import STEPS, N, begun, equal, rest, team_begun, team_rest

PATIENCE = 120
"""Seconds until a worker counts as hanging."""


def _without_copying(env: Any) -> Any:
    """As Ray and joblib send it: the receiver's buffers are the sender's, and read-only."""
    buffers: list[pickle.PickleBuffer] = []
    sent = pickle.dumps(env, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(sent, buffers=[buffer.raw().toreadonly() for buffer in buffers])


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "without copying": _without_copying,
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("calls", [0, 4, STEPS - 1])
def test_a_copied_batch_goes_on(threads: int, way: str, calls: int) -> None:
    env = begun(threads, calls)
    assert env.threads == threads
    again = COPIES[way](env)
    expected = rest(begun(threads, calls), calls)
    equal(rest(again, calls), expected)
    equal(rest(env, calls), expected)  # and the copy has not touched it


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_of_an_unused_batch_still_needs_its_first_reset(way: str) -> None:
    env = COPIES[way](BatchedEnv(N, params=EnvParams(steps=STEPS)))
    env.reset(np.arange(N))
    equal(rest(env, 0), rest(begun(1, 0), 0))


def test_every_array_that_shows_the_state_is_a_view_of_it() -> None:
    """None can be forgotten: a copy shares its memory with its own state as the original does."""

    def views(of: BatchedEnv) -> set[str]:
        arrays = {name: value for name, value in vars(of).items() if isinstance(value, np.ndarray)}
        return {name for name, value in arrays.items() if np.shares_memory(value, of.state)}

    env = begun(1, 2)
    assert views(copy.deepcopy(env)) == views(env) == {"state", *_VIEWS}


def test_a_pickled_batch_is_hardly_larger_than_its_state() -> None:
    env = begun(2, 2)
    assert len(pickle.dumps(env)) < 1.02 * env.state.nbytes


def test_a_fresh_process_goes_on() -> None:
    env = begun(2, 4)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        seen = pool.submit(rest, env, 4).result(PATIENCE)
    equal(seen, rest(begun(2, 4), 4))


def _answer(env: BatchedEnv, pipe: Connection) -> None:
    pipe.send(rest(env, 4))


def test_a_forked_process_goes_on() -> None:
    """It inherits the pool without its threads, which it would wait for for ever."""
    env = begun(2, 4)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(env, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(PATIENCE), "the process does not answer"
        seen = ours.recv()
    finally:
        process.kill()
    expected = rest(begun(2, 4), 4)
    equal(seen, expected)
    equal(rest(env, 4), expected)


def test_a_closed_batch_starts_its_threads_again() -> None:
    env = begun(2, 4)
    env.close()
    env.close()
    equal(rest(env, 4), rest(begun(2, 4), 4))


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("calls", [0, 4, STEPS - 1])
def test_a_copied_team_goes_on(way: str, calls: int) -> None:
    env = team_begun(calls)
    again = COPIES[way](env)
    expected = team_rest(team_begun(calls), calls)
    np.testing.assert_equal(team_rest(again, calls), expected)
    np.testing.assert_equal(team_rest(env, calls), expected)


def test_a_copied_team_ends_after_its_last_step() -> None:
    """The smallest input: the episode of a copy never ended."""
    env = copy.deepcopy(parallel_env(EnvParams(steps=STEPS)))
    env.reset(seed=1)
    calls = 0
    while env.agents:
        _, _, _, truncated, _ = env.step({})
        calls += 1
    assert calls == STEPS - 1
    assert all(truncated.values())
