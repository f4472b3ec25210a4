"""Policies that go on from the middle of an episode, in copies of its environments."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cagexplain.cc4 import actions
from cagexplain.cc4.layout import SLOT_START
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Decision, Policy, Weighing, decide
from cagexplain.policies.checkpoint import Checkpoint, save_checkpoint
from cagexplain.policies.learned import networks
from cagexplain.policies.registry import builtin_policies, load_policy
from cagexplain.policies.scripted.builtin import BUILTIN
from cagexplain.policies.scripted.punch import Punch

PARAMS = EnvParams(steps=70)
SEEDS = np.array([3, 4, 5])
ROWS = np.array([2, 0, 0, 1, 2])
BEFORE, AFTER = 25, 40  # steps; sampled policies draw new chunks of numbers in neither

CHECKPOINTS = {
    "flat": {"observation": "flat", "network": "mlp", "hidden": (8,)},
    "memory": {"observation": "memory", "network": "scores", "hidden": (8, 4)},
    "hosts": {"observation": "memory", "network": "hosts", "hidden": (8,)},
    "raw": {"observation": "raw", "network": "hosts", "hidden": (8,)},
    "shared": {"observation": "memory", "network": "shared", "hidden": (8, 8)},
    "lstm": {"observation": "flat", "hidden": (8,), "core": "lstm", "core_size": 8},
    "gru": {"observation": "memory", "hidden": (8,), "core": "gru", "core_size": 8},
}


def checkpoint(folder: Path, kind: str, **weights: str) -> Path:
    config = {"network": "mlp", "messages": "action", **CHECKPOINTS[kind]}
    stacks = networks.build_actors(config)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(1), 2.0)
    path = folder / f"{kind}.pt"
    content = {"actors": networks.stored(stacks), **weights}
    save_checkpoint(path, Checkpoint("ippo", "test", config, content, {}))
    return path


def play(policy: Policy, env: BatchedEnv, steps: int) -> list[Decision]:
    found = []
    for _ in range(steps):
        found.append(decide(policy, env))
        env.step(found[-1].actions, found[-1].messages)
    return found


def begun(policy: Policy, steps: int = BEFORE) -> BatchedEnv:
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    policy.reset(SEEDS)
    play(policy, env, steps)
    return env


def check_branching(policy: Policy) -> None:
    env = begun(policy)
    copies = BatchedEnv(len(ROWS), params=PARAMS, threads=1)
    copies.restore(env.save(), ROWS)
    first = play(policy.branch(ROWS), copies, AFTER)
    original = play(policy, env, AFTER)
    for ours, theirs in zip(first, original, strict=True):
        np.testing.assert_array_equal(ours.actions, theirs.actions[ROWS])
        for name in ("messages", "probability", "entropy"):
            mine, its = getattr(ours, name), getattr(theirs, name)
            assert (mine is None) == (its is None)
            if mine is not None:
                np.testing.assert_allclose(mine, its[ROWS], atol=1e-5)
    np.testing.assert_array_equal(copies.state, env.state[ROWS])


@pytest.mark.parametrize("name", sorted(builtin_policies()))
def test_a_branch_of_a_built_in_policy_plays_what_the_original_plays(name: str) -> None:
    check_branching(load_policy(name))


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_branch_of_a_checkpoint_plays_what_the_original_plays(
    kind: str, deterministic: bool, tmp_path: Path
) -> None:
    path = checkpoint(tmp_path, kind)
    check_branching(load_policy(str(path), deterministic=deterministic))


def test_a_branch_of_action_values_plays_what_the_original_plays(tmp_path: Path) -> None:
    check_branching(load_policy(str(checkpoint(tmp_path, "flat", outputs="values"))))


@pytest.mark.parametrize("name", ["random", "punch"])
def test_a_branch_keeps_sleep_masked(name: str) -> None:
    check_branching(load_policy(name, mask_sleep=True))


@pytest.mark.parametrize("name", [*sorted(BUILTIN), "ippo_tuned"])
def test_a_branch_before_the_first_step_begins_the_episode(name: str) -> None:
    policy = load_policy(name)
    env = begun(policy, steps=0)
    copies = BatchedEnv(len(ROWS), params=PARAMS, threads=1)
    copies.restore(env.save(), ROWS)
    ours = play(policy.branch(ROWS), copies, 10)
    for mine, its in zip(ours, play(policy, env, 10), strict=True):
        np.testing.assert_array_equal(mine.actions, its.actions[ROWS])


def test_branching_leaves_the_original_as_it_is() -> None:
    played = []
    for branches in (False, True):
        policy = load_policy("ippo_tuned", deterministic=False)
        env = begun(policy)
        if branches:
            copies = BatchedEnv(len(ROWS), params=PARAMS, threads=1)
            copies.restore(env.save(), ROWS)
            play(policy.branch(ROWS, np.arange(5)), copies, 10)
        played.append(np.stack([d.actions for d in play(policy, env, AFTER)]))
    np.testing.assert_array_equal(*played)


@pytest.mark.parametrize("name", ["random", "ippo_tuned"])
def test_new_seeds_give_new_chances_that_equal_seeds_share(name: str) -> None:
    policy = load_policy(name, deterministic=False if name == "ippo_tuned" else None)
    env = begun(policy)
    rows = np.zeros(4, np.int64)
    branch = policy.branch(rows, np.array([7, 8, 7, 9]))
    env_of_one = BatchedEnv(4, params=PARAMS, threads=1)
    env_of_one.restore(env.save(), rows)
    actions_played = np.stack([d.actions for d in play(branch, env_of_one, 20)], axis=1)
    np.testing.assert_array_equal(actions_played[0], actions_played[2])
    assert (actions_played[0] != actions_played[1]).any()
    assert (actions_played[1] != actions_played[3]).any()


@pytest.mark.parametrize("name", [*sorted(BUILTIN), "ippo_tuned"])
def test_other_actions_are_submitted_as_they_are(name: str) -> None:
    policy = load_policy(name)
    env = begun(policy)
    instead = np.tile(actions.MONITOR_INDEX, (len(SEEDS), 1))
    decision = policy.act(env.obs, env.mask, env.free, instead)
    np.testing.assert_array_equal(decision.actions, instead)


def test_what_is_done_instead_is_remembered() -> None:
    """A Restore that was not the policy's own idea resets what it remembers of the host."""
    policy = load_policy("punch")
    env = begun(policy, steps=0)
    restore = np.array([actions.index(a, actions.ActionKind.RESTORE, host=h) for a, h in OWN])
    free, nobody = np.ones_like(env.free), np.zeros_like(env.free)
    alerted = env.obs.copy()
    alerted[:] = 1  # alerts everywhere
    policy.act(alerted, env.mask, free, np.tile(restore, (len(SEEDS), 1)))
    for _ in range(4):
        policy.act(env.obs, env.mask, nobody)
    policy.act(env.obs, env.mask, free)  # the Restore is complete
    assert isinstance(policy, Punch)
    suspect = policy.now.alerted_at >= policy.now.restored_at
    assert not suspect[:, SLOT_START[:-1]].any()
    assert suspect.any()


OWN = [(a, int(actions.HOST[a][0])) for a in range(5)]  # each agent's first host


def test_weights_are_log_probabilities_or_values(tmp_path: Path) -> None:
    sampled = load_policy("ippo_tuned", deterministic=False)
    valued = load_policy(str(checkpoint(tmp_path, "flat", outputs="values")))
    assert not isinstance(load_policy("random"), Weighing)
    for policy in (sampled, valued):
        assert isinstance(policy, Weighing)
        env = begun(policy)
        decision = policy.act(env.obs, env.mask, env.free)
        weights = policy.weights()
        assert weights.shape == env.mask.shape
        np.testing.assert_array_equal(np.isfinite(weights), env.mask)
        for agent in range(5):
            own = weights[:, actions.slice_of(agent)]
            if policy.values:
                best = np.where(env.free[:, agent], own.argmax(1), actions.SLEEP_INDEX[agent])
                np.testing.assert_array_equal(best, decision.actions[:, agent])
            else:
                np.testing.assert_allclose(np.exp(own).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_thinking_for_free_agents_only_changes_nothing_that_they_do(
    kind: str, tmp_path: Path
) -> None:
    policy = load_policy(str(checkpoint(tmp_path, kind)), deterministic=True)
    env = begun(policy)
    copies = BatchedEnv(len(ROWS), params=PARAMS, threads=1)
    copies.restore(env.save(), ROWS)
    played = play(policy.branch(ROWS, np.arange(len(ROWS))), copies, AFTER)
    for mine, its in zip(played, play(policy, env, AFTER), strict=True):
        np.testing.assert_array_equal(mine.actions, its.actions[ROWS])
        np.testing.assert_array_equal(mine.messages, its.messages[ROWS])
        assert mine.probability is None
