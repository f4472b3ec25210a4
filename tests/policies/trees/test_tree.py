"""Policies that are decision trees."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.layout import SLOT_START
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import decide
from cagexplain.policies.registry import load_policy, reload_policy
from cagexplain.policies.rollout import play
from cagexplain.policies.trees.files import MAX_WEIGHT, load_tree, save_tree
from cagexplain.policies.trees.named_features import NAMES
from cagexplain.policies.trees.tree import Tree, TreePolicy
from tests.policies.test_branch import check_branching
from tests.support.planted import planted

SEEDS = np.arange(40, 44)
PARAMS = EnvParams(steps=120)


def tree(*nodes: tuple[str, float, int, int] | float) -> Tree:
    """From (feature, threshold, left, right) for questions and weights for leaves."""
    rows = [(None, 0.0, -1, -1, n) if isinstance(n, float) else (*n, 0.0) for n in nodes]
    feature, threshold, left, right, weight = zip(*rows, strict=True)
    return Tree(
        np.array([-1 if name is None else NAMES.index(name) for name in feature]),
        np.array(threshold),
        np.array(left),
        np.array(right),
        np.array(weight),
    )


RESTORES = tree(
    ("action is Restore", 0.5, 1, 2),
    ("action is Sleep", 0.5, 3, 4),
    ("process alert now", 0.5, 5, 6),
    1e-6,
    1.0,
    1e-6,
    50.0,
)
CHANCES = tree(("action is Sleep", 0.5, 1, 2), ("action is Monitor", 0.5, 3, 4), 3.0, 1e-9, 1.0)


def test_plays_the_rule_that_it_is() -> None:
    ours = TreePolicy([RESTORES] * N_BLUE, deterministic=True)
    theirs = planted("restores_on_process")
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    for policy in (ours, theirs):
        policy.reset(SEEDS)
    restores = 0
    for _ in range(100):
        free = env.free
        chosen = theirs.act(env.obs, env.mask, free).actions
        np.testing.assert_array_equal(ours.act(env.obs, env.mask, free).actions, chosen)
        restores += int((free & (chosen != np.array(actions.SLEEP_INDEX))).sum())
        env.step(chosen)
    assert restores > 10


def test_a_tree_reads_if_it_asks_for_what_raw_observations_tell(tmp_path: Path) -> None:
    removes = tree(
        ("action is Remove", 0.5, 1, 2),
        ("action is Sleep", 0.5, 3, 4),
        ("exploit since Restore or Remove", 0.5, 5, 6),
        1e-6,
        1.0,
        1e-6,
        50.0,
    )
    assert not TreePolicy([RESTORES] * N_BLUE).reads
    policy = TreePolicy([RESTORES] * 4 + [removes], deterministic=True)
    save_tree(tmp_path / "tree.json", policy)
    policy = load_tree(tmp_path / "tree.json")
    assert policy.reads
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    policy.reset(SEEDS)
    answered = 0
    while not env.done.any():
        seen = env.sightings().exploited[:, SLOT_START[4] :].any(axis=1)
        chosen = decide(policy, env).actions
        at_once = seen & env.free[:, 4]
        assert (actions.KIND[4][chosen[at_once, 4]] == ActionKind.REMOVE).all()
        answered += int(at_once.sum())
        env.step(chosen)
    assert answered > 0


def test_draws_in_proportion_to_the_weights() -> None:
    policy = TreePolicy([CHANCES] * N_BLUE)
    env = BatchedEnv(64, params=PARAMS, threads=1)
    env.reset(np.arange(64))
    policy.reset(np.arange(64))
    slept, decisions = np.zeros(N_BLUE), 0
    for _ in range(60):
        decision = policy.act(env.obs, env.mask, env.free)
        chosen = decision.actions
        sleeps = chosen == np.array(actions.SLEEP_INDEX)
        monitors = chosen == np.array(actions.MONITOR_INDEX)
        assert (sleeps | monitors).all()
        np.testing.assert_allclose(decision.probability[sleeps], 0.75, rtol=1e-5)
        np.testing.assert_allclose(decision.entropy, 0.5623, atol=1e-3)
        slept += sleeps.sum(axis=0)
        decisions += len(chosen)
        env.step(chosen)
    # Five standard errors: chance breaks this once in two million runs, and the seeds are fixed.
    np.testing.assert_allclose(slept / decisions, 0.75, atol=5 * np.sqrt(0.1875 / decisions))


def test_invalid_actions_weigh_nothing_and_the_rest_add_up() -> None:
    policy = TreePolicy([RESTORES] * N_BLUE)
    env = BatchedEnv(3, params=PARAMS, threads=1)
    env.reset(SEEDS[:3])
    policy.reset(SEEDS[:3])
    policy.act(env.obs, env.mask, env.free)
    chance = np.exp(policy.weights())
    assert (chance[~env.mask] == 0).all() and (chance[env.mask] > 0).all()
    np.testing.assert_allclose(np.add.reduceat(chance, actions.OFFSETS, axis=1), 1, rtol=1e-5)


def test_an_episode_does_not_depend_on_the_batch() -> None:
    def returns(seeds: np.ndarray) -> np.ndarray:
        env = BatchedEnv(len(seeds), params=PARAMS, threads=1)
        play(TreePolicy([CHANCES] * N_BLUE), env, seeds)
        return env.obs.copy()

    np.testing.assert_array_equal(returns(SEEDS)[2:], returns(SEEDS[2:]))


def test_branches_go_on_as_the_original() -> None:
    check_branching(TreePolicy([CHANCES] * N_BLUE))


def test_explains_the_way_to_the_leaf() -> None:
    policy = TreePolicy([RESTORES] * N_BLUE, deterministic=True)
    env = BatchedEnv(1, params=PARAMS, threads=1)
    env.reset([1])
    policy.reset(np.array([1]))
    policy.act(env.obs, env.mask, env.free)
    restore = next(
        i
        for i in np.flatnonzero(actions.KIND[0] == ActionKind.RESTORE)
        if env.mask[0, actions.OFFSETS[0] + i]
    )
    way = policy.explain(0, 0, int(restore))
    assert [(q.feature, q.value, q.above) for q in way] == [
        ("action is Restore", 1.0, True),
        ("process alert now", 0.0, False),
    ]
    sleep = policy.explain(0, 0, actions.SLEEP_INDEX[0])
    assert [(q.feature, q.above) for q in sleep] == [
        ("action is Restore", False),
        ("action is Sleep", True),
    ]


def test_size_and_depth() -> None:
    assert (RESTORES.leaves, RESTORES.depth) == (4, 2)
    assert (CHANCES.leaves, CHANCES.depth) == (3, 2)


def written(path: Path) -> Path:
    save_tree(path, TreePolicy([RESTORES] * 4 + [CHANCES], name="mine", teacher={"name": "x"}))
    return path


def test_a_file_gives_the_same_policy(tmp_path: Path) -> None:
    path = written(tmp_path / "tree.json")
    policy = load_policy(str(path))
    assert isinstance(policy, TreePolicy)
    assert (policy.name, policy.kind, policy.deterministic) == ("mine", "tree", False)
    for ours, theirs in zip(policy.trees, [RESTORES] * 4 + [CHANCES], strict=True):
        for name in ("feature", "threshold", "left", "right", "weight"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    again = reload_policy(policy.describe())
    assert isinstance(again, TreePolicy) and again.describe()["path"] == str(path.absolute())
    assert load_tree(path, deterministic=True).deterministic


def _set(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


FIRST = ("agents", BLUE[0])
N_NODES = 7


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_set("kind", value="checkpoint"), "kind"),
        (_set("format_version", value=2), "format_version"),
        (_set("layout", value={}), "layout"),
        (_set("messages", value="<b>"), "messages"),
        (_set("deterministic", value=1), "deterministic"),
        (_set("agents", value={}), "agents"),
        (_set(*FIRST, value=3), "agents.blue_agent_0"),
        (_set(*FIRST, "feature", value=["nonsense"] * N_NODES), "agents.blue_agent_0.feature"),
        (_set(*FIRST, "feature", value=[["list"]] * N_NODES), "agents.blue_agent_0.feature[0]"),
        (_set(*FIRST, "threshold", value=[1.0]), "agents.blue_agent_0.threshold"),
        (_set(*FIRST, "threshold", value=["1"] * N_NODES), "agents.blue_agent_0.threshold[0]"),
        (_set(*FIRST, "weight", value=[0.0] * N_NODES), "agents.blue_agent_0.weight"),
        (_set(*FIRST, "weight", value=[1.7e308] * N_NODES), "agents.blue_agent_0.weight[0]"),
        (_set(*FIRST, "left", value=[10**30] * N_NODES), "agents.blue_agent_0.left[0]"),
        (_set(*FIRST, "left", value=[1.5] * N_NODES), "agents.blue_agent_0.left[0]"),
        (_set("name", value=None), "name"),
        (_set("teacher", value={"steps": 10**30}), "teacher.steps"),
        (_set(*FIRST, "left", value=[0] * N_NODES), "agents.blue_agent_0.left"),
        (_set(*FIRST, "left", value=[99] * N_NODES), "agents.blue_agent_0.left"),
        (_set(*FIRST, "right", value=[3] * N_NODES), "agents.blue_agent_0.left"),
    ],
)
def test_a_wrong_file_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], field: str
) -> None:
    path = written(tmp_path / "tree.json")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CagexplainError) as caught:
        load_tree(path)
    assert caught.value.field == field and caught.value.where == path and caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"name": "\\ud800"}',
        '{"teacher": NaN}',
        '{"a": "\xff"}',
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tree.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CagexplainError) as caught:
        load_tree(path)
    assert caught.value.where == path


def test_what_is_no_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    os.mkfifo(path)
    with pytest.raises(CagexplainError, match="this is a pipe"):
        load_tree(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(CagexplainError, match="this is a device"):
        load_tree(path)
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(CagexplainError, match="has 10,737,418,240 bytes"):
        load_tree(path)


def test_the_largest_weights_still_make_probabilities() -> None:
    largest = replace(CHANCES, weight=np.where(CHANCES.feature == -1, MAX_WEIGHT, 0.0))
    for deterministic in (False, True):
        policy = TreePolicy([largest] * N_BLUE, deterministic=deterministic)
        env = BatchedEnv(2, params=PARAMS, threads=1)
        env.reset(SEEDS[:2])
        policy.reset(SEEDS[:2])
        decision = policy.act(env.obs, env.mask, env.free)
        assert np.isfinite(decision.probability).all() and np.isfinite(decision.entropy).all()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="no such tree policy"):
        load_policy(str(tmp_path / "none.json"))
