"""Many reds in one batch: the same episodes as one by one, and what is watched of them."""

from __future__ import annotations

import numpy as np
import pytest

from cagexplain.attack.arena import Arena, Stopped, Trial, _Progress
from cagexplain.attack.watch import Watched
from cagexplain.cc4 import phases
from cagexplain.cc4.reds import REDS
from cagexplain.envs import EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from tests.support.attacks import phantom_red

STEPS = 120
NAMES = ("finite_state", "greedy", "silent_degrade")
SEEDS = np.arange(5000, 5006)
TRIALS = [Trial(REDS[name], SEEDS[:n]) for name, n in zip(NAMES, (6, 4, 5), strict=True)]


@pytest.fixture(scope="module")
def watched() -> list[Watched]:
    with Arena(load_policy("reactive"), EnvParams(steps=STEPS), 2) as arena:
        return arena.watch(TRIALS)


@pytest.mark.parametrize("number", range(len(TRIALS)))
def test_episodes_are_those_of_evaluate(watched: list[Watched], number: int) -> None:
    trial, seen = TRIALS[number], watched[number]
    single = evaluate(load_policy("reactive"), trial.seeds, EnvParams(steps=STEPS, red=trial.red))
    assert seen.episodes.returns == tuple(single.returns.tolist())
    without = np.array(seen.episodes.returns) - seen.episodes.contractor
    assert np.array_equal(without, single.without_contractor)
    assert np.array_equal(seen.penalties, single.penalties)
    assert np.array_equal(seen.costs, single.costs)
    assert sum(map(sum, seen.losses.costs)) == pytest.approx(single.costs.sum() / len(trial.seeds))


def test_scores_are_the_aims_of_the_same_episodes(watched: list[Watched]) -> None:
    with Arena(load_policy("reactive"), EnvParams(steps=STEPS), 1) as arena:
        for aim in ("return", "without-contractor"):
            for score, seen in zip(arena.scores(TRIALS, aim), watched, strict=True):
                assert np.array_equal(score, seen.episodes.of(aim))


def test_phantom_is_a_part_of_the_impacts(watched: list[Watched]) -> None:
    for seen in watched:
        assert all(
            i <= p <= 0 for i, p in zip(seen.episodes.impacts, seen.episodes.phantom, strict=True)
        )


def test_impacts_on_hosts_that_red_lost_are_phantom() -> None:
    """A red that lives on them, against a policy that restores everything all the time."""
    with Arena(load_policy("restore_cycle"), EnvParams(steps=STEPS), 1) as arena:
        loose, fenced = (
            seen.episodes
            for seen in arena.watch([Trial(phantom_red(), SEEDS), Trial(REDS["greedy"], SEEDS)])
        )
    assert loose.phantom_share is not None and fenced.phantom_share is not None
    assert loose.phantom_share > 0.5 > 10 * fenced.phantom_share


def test_root_is_kept_against_a_policy_that_sleeps_and_lost_against_one_that_restores() -> None:
    trial = [Trial(REDS["greedy"], SEEDS)]
    stays = []
    for name in ("sleep", "restore_cycle"):
        with Arena(load_policy(name), EnvParams(steps=STEPS), 1) as arena:
            (seen,) = arena.watch(trial)
            stays.append(seen.root)
            assert seen.running.sum() + seen.ended.sum() == seen.root.n
            assert (seen.ended[:, 0] == 0).all()
    idle, busy = stays
    assert idle.ended == 0 and idle.median is None and idle.n > 0
    assert busy.ended > 0 and busy.held < idle.held


def test_steps_are_told() -> None:
    told: list[int] = []
    with Arena(load_policy("sleep"), EnvParams(steps=10), 1, told.append) as arena:
        arena.scores(TRIALS, "return")
    assert sum(told) == phases.calls(10) * sum(len(trial.seeds) for trial in TRIALS)


def test_threads_end_when_the_arena_is_left_in_the_middle() -> None:
    def advance(steps: int) -> None:
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Arena(load_policy("sleep"), EnvParams(steps=10), 1, advance) as arena,
    ):
        arena.scores(TRIALS, "return")
    assert arena._stopped.is_set()
    with pytest.raises(Stopped):
        _Progress(lambda _: None, arena._stopped).after_step(_Env(), None)  # type: ignore[arg-type]


class _Env:
    n_envs = 1
