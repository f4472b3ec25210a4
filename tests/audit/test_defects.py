"""The planted defects: a sound table, and policies that really differ from the expert."""

import re

import numpy as np
import pytest

from benchmarks.defects import DEFECTS
from cagexplain.audit.checks import checks
from cagexplain.cc4 import actions
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.scripted.expert import Expert

SEEDS = np.array([31, 32, 33])
STEPS = 180
"""Phases of 60 steps, so that each policy meets changes of phase and has reason to hunt."""
OFFSETS = np.array(actions.OFFSETS)


def play(policy: Policy, env: BatchedEnv, steps: int) -> list[Decision]:
    made = []
    for _ in range(steps):
        made.append(policy.act(env.obs, env.mask, env.free))
        assert np.take_along_axis(env.mask, made[-1].actions + OFFSETS, axis=1).all()
        env.step(made[-1].actions, made[-1].messages)
    return made


def begun(policy: Policy) -> BatchedEnv:
    env = BatchedEnv(len(SEEDS), params=EnvParams(steps=STEPS), threads=1)
    env.reset(SEEDS)
    policy.reset(SEEDS)
    return env


def told(decisions: list[Decision]) -> np.ndarray:
    """Actions and messages, step by step."""
    silence = np.zeros((*decisions[0].actions.shape, 8), dtype=np.uint8)
    words = [silence if d.messages is None else d.messages for d in decisions]
    return np.concatenate([np.stack([d.actions for d in decisions])[..., None], words], axis=-1)


@pytest.fixture(scope="module")
def experts() -> np.ndarray:
    policy = Expert()
    return told(play(policy, begun(policy), STEPS - 1))


def test_the_table_is_sound() -> None:
    assert len(DEFECTS) >= 24
    summaries = [defect.summary for defect in DEFECTS.values()]
    assert len(set(summaries)) == len(summaries)
    for name, defect in DEFECTS.items():
        assert defect.name == name
        assert re.fullmatch(r"[A-Z]{3}-\d\d", defect.check)
        assert defect.summary.startswith(("it ", "one ", "the "))


def test_every_defect_is_meant_for_a_check_of_the_catalogue() -> None:
    assert {defect.check for defect in DEFECTS.values()} <= {check.id for check in checks()}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_plays_otherwise_than_the_expert(name: str, experts: np.ndarray) -> None:
    policy = DEFECTS[name].make()
    assert policy.describe() == {
        "kind": "scripted",
        "name": name,
        "rule": f"expert, but {DEFECTS[name].summary}",
    }
    played = told(play(policy, begun(policy), STEPS - 1))
    assert (played != experts).any()


@pytest.mark.parametrize("name", DEFECTS)
def test_a_branch_of_a_defect_goes_on_as_it_would(name: str) -> None:
    policy = DEFECTS[name].make()
    env = begun(policy)
    play(policy, env, 100)
    rows = np.array([1, 1, 0])
    copies = BatchedEnv(len(rows), params=EnvParams(steps=STEPS), threads=1)
    copies.restore(env.save(), rows)
    branched = told(play(policy.branch(rows), copies, 60))
    np.testing.assert_array_equal(branched, told(play(policy, env, 60))[:, rows])
