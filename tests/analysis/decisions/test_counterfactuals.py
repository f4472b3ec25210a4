"""Roll-outs of alternatives: common chances, known answers."""

import numpy as np
import pytest

from cagexplain.analysis.decisions.counterfactuals import (
    ENOUGH,
    Question,
    outcomes,
    returns,
    steps_to_play,
)
from cagexplain.analysis.decisions.replay import DecisionPlace, Moment
from cagexplain.cc4 import actions, network, reward
from cagexplain.cc4.actions import ActionKind
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.registry import load_policy

PARAMS = EnvParams(steps=200)
OZA = 1  # agent that defends operational zone A
SLEEP = actions.SLEEP_INDEX[OZA]
COST = reward.CAUSE_NAMES.index("action_cost")


def moment(name: str, step: int, seed: int = 21, agent: int = OZA) -> Moment:
    """The decision of an agent in an episode of a policy."""
    env = BatchedEnv(1, params=PARAMS, threads=1)
    env.reset([seed])
    policy = load_policy(name)
    policy.reset(np.array([seed]))
    for _ in range(step):
        decision = policy.act(env.obs, env.mask, env.free)
        env.step(decision.actions, decision.messages)
    before = policy.branch(np.zeros(1, np.int64))
    decision = policy.act(env.obs, env.mask, env.free)
    return Moment(
        DecisionPlace(0, step, agent),
        seed,
        env.save(),
        before,
        decision.actions[0],
        decision.messages is not None,
    )


def one_of_each_kind(found: Moment) -> tuple[int, ...]:
    agent = found.place.agent
    mask = found.snapshot.mask[0, actions.slice_of(agent)]
    others = {
        int(kind): int(np.flatnonzero(mask & (actions.KIND[agent] == kind))[0])
        for kind in ActionKind
    }
    return tuple((others | {int(actions.KIND[agent][found.chosen]): found.chosen}).values())


@pytest.mark.parametrize("name", ["restore_cycle", "random", "ippo_tuned"])
def test_the_chosen_action_has_no_advantage_over_itself(name: str) -> None:
    found = moment(name, 30)
    question = Question(found, (*one_of_each_kind(found), found.chosen))
    played = returns([question], PARAMS, rollouts=4, horizon=12)[0]
    assert played.shape == (len(question.actions), 4, len(reward.CAUSE_NAMES))
    np.testing.assert_array_equal(played[question.actions.index(found.chosen)], played[-1])
    outcome = outcomes(question, played, PARAMS, 12)[found.chosen]
    assert outcome.advantage.mean == 0
    assert all(part.mean == 0 for part in outcome.by_cause.values())


def test_monitor_is_sleep() -> None:
    found = moment("sleep", 70)
    question = Question(found, (SLEEP, actions.MONITOR_INDEX[OZA]))
    played = returns([question], PARAMS, rollouts=6, horizon=20)[0]
    np.testing.assert_array_equal(played[0], played[1])
    assert (played[0].sum(1) != played[0].sum(1)[0]).any(), "the futures differ from each other"


@pytest.mark.parametrize("name", ["random", "ippo_tuned"])
def test_results_do_not_depend_on_threads_nor_on_what_is_played_beside(name: str) -> None:
    questions = [Question(m, one_of_each_kind(m)) for m in (moment(name, 20), moment(name, 50))]
    together = returns(questions, PARAMS, rollouts=20, horizon=6, workers=3)
    for question, played in zip(questions, together, strict=True):
        alone = returns([question], PARAMS, rollouts=20, horizon=6)[0]
        np.testing.assert_array_equal(alone, played)
    # With more futures, the first ones stay as they are.
    more = returns(questions[:1], PARAMS, rollouts=23, horizon=6)[0]
    np.testing.assert_array_equal(more[:, :20], together[0])


def test_a_future_is_what_the_policy_would_have_played() -> None:
    """Played by hand: restore, chances that start anew, the policy's own state of mind."""
    found = moment("reactive", 40)
    restore = actions.index(OZA, ActionKind.RESTORE, host=network.server(network.OZA))
    played = returns([Question(found, (found.chosen, restore))], PARAMS, rollouts=2, horizon=25)[0]
    for i, action in enumerate((found.chosen, restore)):
        env = BatchedEnv(2, params=PARAMS, threads=1)
        env.restore(found.snapshot, np.zeros(2, np.int64))
        numbers = np.random.SeedSequence([found.seed, 40]).generate_state(2, np.uint64) // 2
        env.reseed(numbers.astype(np.int64))
        policy = found.policy.branch(np.zeros(2, np.int64))
        total = np.zeros(2)
        for t in range(25):
            decision = policy.act(env.obs, env.mask, env.free)
            submitted = decision.actions.copy()
            if t == 0:
                np.testing.assert_array_equal(submitted[0], found.submitted)
                submitted[:, OZA] = action
            env.step(submitted)
            total += env.reward
        np.testing.assert_array_equal(played[i].sum(1), total)


def test_restoring_a_rooted_operational_server_beats_sleep() -> None:
    """In mission A red's root session in operational zone A costs dearly and Restore ends it."""
    step = 67
    found = moment("sleep", step)
    env = BatchedEnv(1, params=PARAMS, threads=1)
    env.restore(found.snapshot)
    there = env.truth().host_exists[0] & (network.HOST_ZONE == network.OZA)
    there &= network.HOST_KIND != network.ROUTER
    level = env.truth().host_level[0]
    rooted, clean = (np.flatnonzero(there & (level == wanted)).tolist() for wanted in (2, 0))
    assert len(rooted) == 1
    right = actions.index(OZA, ActionKind.RESTORE, host=rooted[0])
    wrong = actions.index(OZA, ActionKind.RESTORE, host=clean[0])
    question = Question(found, (SLEEP, right, wrong))
    played = returns([question], PARAMS, rollouts=ENOUGH, horizon=30)[0]
    told = outcomes(question, played, PARAMS, 30)
    better, useless = told[right], told[wrong]
    assert better.advantage.low is not None
    assert better.advantage.low > 0
    assert better.by_cause["RIA"].mean > 0
    assert better.mean_return == pytest.approx(
        told[SLEEP].mean_return + better.advantage.mean, abs=1e-9
    )
    assert useless.advantage.high is not None
    assert useless.advantage.high < better.advantage.low
    for outcome in (better, useless):  # a policy that sleeps pays for this one Restore only
        assert outcome.by_cause["action_cost"].mean == -reward.RESTORE_COST
        parts = [part.mean for part in outcome.by_cause.values()]
        assert sum(parts) == pytest.approx(outcome.advantage.mean)


def test_futures_end_with_the_episode() -> None:
    last = PARAMS.steps - 2  # its reward is not counted
    assert steps_to_play(moment("sleep", 5), PARAMS, 30) == 30
    assert steps_to_play(moment("sleep", last - 3), PARAMS, 30) == 3
    found = moment("restore_spam", last)
    assert steps_to_play(found, PARAMS, 30) == 0
    assert not returns([Question(found, (found.chosen, SLEEP))], PARAMS, rollouts=3)[0].any()


def test_few_futures_give_no_interval() -> None:
    found = moment("sleep", 70)
    question = Question(found, (SLEEP, 0))
    for rollouts in (1, ENOUGH - 1, ENOUGH):
        played = returns([question], PARAMS, rollouts=rollouts, horizon=5)[0]
        advantage = outcomes(question, played, PARAMS, 5)[0].advantage
        known = rollouts >= ENOUGH
        assert (advantage.low is not None, advantage.high is not None) == (known, known)


def test_decisions_are_not_judged_by_the_futures_that_chose_them() -> None:
    found = moment("random", 30)
    question = Question(found, (found.chosen,))
    plain, chosen = (
        returns([question], PARAMS, rollouts=8, horizon=30, screening=screening)[0]
        for screening in (False, True)
    )
    assert not np.array_equal(plain, chosen)
