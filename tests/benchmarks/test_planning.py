"""Roll-outs as a teacher: futures are paired, reasons are forgotten, expectations are acted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.planning import (
    DECOY,
    FOLDS,
    HOLD,
    RESTORE,
    Comparisons,
    Futures,
    Questions,
    Taught,
    command,
    compare,
    eligible,
    hold,
    learn,
)
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import (
    ACTION_SLOT,
    ACTION_TYPE,
    OFFSETS,
    SLOT_AGENT,
    SLOT_IS_USER,
    SLOT_START,
)
from cagexplain.envs import BatchedEnv, Engine
from cagexplain.policies.base import decide
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.scripted.champion import Champion, Rules

AGENT = 1
SLOTS = np.arange(SLOT_START[AGENT], SLOT_START[AGENT + 1])
USER = int(SLOTS[SLOT_IS_USER[SLOTS]][0])
NOW = 200


class Expects:
    """A student that expects the same of everything."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def predict(self, inputs: Any) -> Any:
        return np.full(len(inputs), self.gain)


ALL, NOTHING = [Expects(1.0)], [Expects(1.0), Expects(0.0)]


def knowing(**facts: Any) -> Knowledge:
    """What agents know that have looked at all of their hosts, but for facts of `USER`."""
    now = Knowledge.fresh(1)
    now.clock[:], now.phase_of[:], now.analysed_at[:], now.decoys[:] = NOW, 1, NOW - 1, 3
    now.free[:], now.exists[:], now.called[:], now.most_sources[:] = True, True, True, 1
    now.scanned_from_at[:] = NOW - 20
    for name, value in facts.items():
        getattr(now, name)[0, USER] = value
    return now


def chosen_by_rules(now: Knowledge) -> int:
    policy = Champion()
    policy.now = now
    return int(policy.decide()[0, AGENT])


@pytest.mark.parametrize(
    "facts",
    [
        {"rooted": True},
        {"first": True, "source_from": NOW},
        {"exploited_at": NOW, "source_from": NOW - 90},
        {"exploited_at": NOW - 60, "removed_at": NOW - 55, "source_from": NOW - 25},
        {"source_from": NOW - 30, "targets": (1 << len(SLOTS)) - 1},
    ],
    ids=["root", "begins", "exploited source", "got through", "scanner"],
)
def test_every_reason_of_a_restore_can_be_forgotten(facts: dict[str, Any]) -> None:
    now = knowing(**facts)
    position = chosen_by_rules(now)
    assert (ACTION_TYPE[position], ACTION_SLOT[position]) == (ActionKind.RESTORE, USER)
    hold(now, np.array([0]), np.array([USER]))
    assert ACTION_TYPE[chosen_by_rules(now)] != ActionKind.RESTORE


@pytest.fixture(scope="module")
def play() -> tuple[BatchedEnv, Champion, Champion]:
    """Environments at a decision, the champion before and after it."""
    env, before = BatchedEnv(4, threads=1), Champion()
    env.reset(np.arange(4))
    before.reset(np.arange(4))
    for _ in range(60):
        env.step(decide(before, env).actions)
    after = before.branch(np.arange(4))
    decide(after, env)
    return env, before, after


def test_an_alternative_that_is_the_rules_own_choice_changes_nothing(play: Any) -> None:
    env, before, _ = play
    position = decide(before.branch(np.arange(4)), env).actions + OFFSETS
    e, agent = np.argwhere((ACTION_TYPE[position] == ActionKind.DECOY) & env.free)[0]
    slot = ACTION_SLOT[position[e, agent]]
    asked = Questions(np.array([DECOY]), np.array([e]), np.array([slot]))
    gain, differs = Futures(1, 40).gains(env, before, asked, 60, np.random.default_rng(0))
    assert not differs.any()
    assert (gain == 0).all()


def test_a_restore_costs_a_point_at_once(play: Any) -> None:
    env, before, after = play
    e, agent = np.argwhere(env.free)[0]
    slot = np.flatnonzero((agent == SLOT_AGENT) & after.now.exists[e])[0]
    asked = Questions(np.full(3, RESTORE), np.full(3, e), np.full(3, slot))
    gain, differs = Futures(3, 1).gains(env, before, asked, 60, np.random.default_rng(0))
    assert differs.all()
    assert (gain == -1).all()


def test_futures_end_before_the_reward_that_does_not_count(play: Any) -> None:
    env, before, _ = play
    e, agent = np.argwhere(env.free)[0]
    slot = np.flatnonzero(agent == SLOT_AGENT)[0]
    asked = Questions(np.array([RESTORE]), np.array([e]), np.array([slot]))
    futures = Futures(1, 40)
    gain, _ = futures.gains(env, before, asked, futures.counted, np.random.default_rng(0))
    assert (gain == 0).all()


def test_alternatives_are_asked_of_free_agents_about_hosts_that_exist() -> None:
    now = knowing(rooted=True)
    policy = Champion()
    policy.now = now
    now.free[0, 4] = False
    now.exists[0, SLOTS[-1]] = False
    possible = eligible(now, policy.decide(), now.free)
    assert np.flatnonzero(possible[HOLD]).tolist() == [USER]
    assert not possible[RESTORE].any()
    for flags in possible[2:]:
        assert not flags[0, (SLOT_AGENT == 4) | (SLOT_AGENT == AGENT)].any()
        assert flags[0, SLOT_AGENT == 0].any()


@pytest.mark.slow
def test_who_expects_nothing_plays_as_the_champion_and_who_expects_all_holds_all() -> None:
    def restores(policy: Champion) -> Any:
        return evaluate(policy, np.arange(4), engine=Engine(workers=1)).costs

    as_ever = restores(Champion())
    assert as_ever.sum() < 0
    same = Taught({HOLD: NOTHING, RESTORE: NOTHING}, 0.1)
    assert (restores(same) == as_ever).all()
    holding = Taught({HOLD: ALL, RESTORE: NOTHING}, 0.1)
    assert restores(holding).sum() > as_ever.sum()
    restoring = Taught({HOLD: NOTHING, RESTORE: ALL}, 0.1)
    assert restores(restoring).sum() < 2 * as_ever.sum()


def test_students_learn_what_gains_and_are_judged_by_other_episodes() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(3000, 2)).astype(np.float32)
    gain = np.where(inputs[:, 1] > 0, 1.0, -1.0)[:, None, None] + rng.normal(size=(3000, 2, 2))
    episode = np.repeat(np.arange(30), 100)
    lesson = learn(Comparisons(np.zeros(3000, np.int64), episode, inputs, gain))
    assert len(lesson.students) == FOLDS
    assert (lesson.expected[inputs[:, 1] > 0.1] > 0.5).all()
    assert (lesson.expected[inputs[:, 1] < -0.1] < -0.5).all()
    # What is different in a single episode is not expected of it.
    gain[episode == 7] += 100
    again = learn(Comparisons(np.zeros(3000, np.int64), episode, inputs, gain))
    assert abs(again.expected[episode == 7].mean()) < 1


def test_too_few_episodes_are_refused() -> None:
    told = CliRunner().invoke(command, ["--episodes", "1", "--share", "0.01", "--horizon", "1"])
    assert told.exit_code == 1
    assert "fewer than 5 episodes" in told.output


def test_comparisons_repeat_and_name_their_episodes() -> None:
    first, again = (compare(np.arange(7, 11), Rules(), share=0.02, horizon=3) for _ in range(2))
    for one, other in zip(vars(first).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(first.episode) <= set(range(7, 11))
    assert len(first.kind) > 0
    assert np.isfinite(first.inputs).all()


@pytest.mark.slow
def test_in_small_it_tells_both_tables() -> None:
    arguments = ["--episodes", "16", "--share", "0.06", "--horizon", "5", "--play", "2"]
    told = CliRunner().invoke(command, arguments)
    assert told.exit_code == 0, told.output
    for row in ("| hold |", "| restore |", "| champion |", "| taught |"):
        assert row in told.output
