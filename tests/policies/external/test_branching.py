"""Episodes of foreign code depend on nothing but their seeds, and go on exactly in branches."""

from pathlib import Path

import numpy as np
import pytest

from cagexplain.common.errors import CagexplainError
from cagexplain.envs import BatchedEnv, Engine, Env, EnvParams
from cagexplain.policies.base import Policy, decide, reads, show
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.registry import load_policy
from tests.support.cyborg import require_cyborg
from tests.support.fake_env import FakeEnv

PARAMS = EnvParams(steps=30)
SEEDS = np.array([7, 3, 11])
ROWS = np.array([2, 0, 0, 1])
BEFORE, AFTER = 6, 8

# What it chooses depends on how often it was called, and on all generators that are seeded.
FUNCTION = """
import random
import numpy as np
{imports}

calls, memory = 0, []


def choose(agent, observation, mask):
    global calls
    calls += 1
    memory.append(random.randrange(20))
    drawn = memory[calls // 2] + calls + np.random.randint(20)
    return int(drawn + {more}) % len(mask)
"""
TORCH = {"imports": "import torch", "more": "torch.randint(20, (1,))"}
CLASS = """
import copy
import numpy as np
from cagexplain.cc4 import actions
from cagexplain.policies.base import Decision, done


class Counting:
    name = "counting"

    def reset(self, seeds):
        self.chances = [np.random.default_rng(seed) for seed in seeds]
        self.calls = np.zeros(len(seeds), np.int64)

    def act(self, obs, mask, free, instead=None):
        self.calls += 1
        drawn = np.stack([chances.integers(60, size=5) for chances in self.chances])
        return Decision(done(drawn + self.calls[:, None] % 20, instead))

    def branch(self, rows, seeds=None):
        twin = copy.deepcopy(self)
        twin.calls = self.calls[rows].copy()
        twin.chances = [copy.deepcopy(self.chances[row]) for row in rows]
        if seeds is not None:
            twin.chances = [np.random.default_rng(seed) for seed in seeds]
        return twin
"""
SUBMISSION = """
import numpy as np
from CybORG.Agents import BaseAgent
from CybORG.Agents.Wrappers import EnterpriseMAE

class Counting(BaseAgent):
    calls = 0

    def get_action(self, observation, action_space):
        self.calls += 1
        return (self.calls + np.random.randint(20)) % action_space.n

class Submission:
    NAME, TEAM, TECHNIQUE = "Counting", "us", "none"
    AGENTS = {f"blue_agent_{i}": Counting(f"blue_agent_{i}") for i in range(5)}

    def wrap(env):
        return EnterpriseMAE(env)
"""


def opened(folder: Path, form: str) -> Policy:
    texts = {
        "function": FUNCTION.format(imports="", more=0),
        "torch": FUNCTION.format(**TORCH),
        "class": CLASS,
        "submission": SUBMISSION,
    }
    names = {"function": "choose", "torch": "choose", "class": "Counting"}
    file = "submission.py" if form == "submission" else "agent.py"
    (folder / file).write_text(texts[form])
    spec = f"{folder}/agent.py:{names[form]}" if form in names else str(folder)
    return load_policy(spec, opening=Opening(trust=True))


def play(policy: Policy, env: Env, steps: int) -> np.ndarray:
    """Actions ``[steps, n, 5]``."""
    chosen = []
    for _ in range(steps):
        show(policy, env)
        chosen.append(policy.act(env.obs, env.mask, env.free).actions)
        env.step(chosen[-1])
    return np.stack(chosen)


def begun(policy: Policy, seeds: np.ndarray = SEEDS) -> BatchedEnv:
    env = BatchedEnv(len(seeds), params=PARAMS, threads=1)
    env.reset(seeds)
    policy.reset(seeds)
    return env


@pytest.mark.usefixtures("without_cyborg")
@pytest.mark.parametrize("form", ["function", "torch", "class", "submission"])
def test_an_episode_depends_on_its_seed_only(form: str, tmp_path: Path) -> None:
    policy = opened(tmp_path, form)
    together = play(policy, begun(policy), BEFORE)
    again = play(policy, begun(policy), BEFORE)
    np.testing.assert_array_equal(again, together)
    order = np.array([1, 2, 0])
    shuffled = play(policy, begun(policy, SEEDS[order]), BEFORE)
    np.testing.assert_array_equal(shuffled, together[:, order])
    for row, seed in enumerate(SEEDS):
        alone = play(policy, begun(policy, np.array([seed])), BEFORE)
        np.testing.assert_array_equal(alone[:, 0], together[:, row])
    assert (together[:, 0] != together[:, 1]).any()


@pytest.mark.usefixtures("without_cyborg")
@pytest.mark.parametrize("form", ["function", "torch", "class", "submission"])
def test_a_branch_goes_on_as_the_original(form: str, tmp_path: Path) -> None:
    policy = opened(tmp_path, form)
    unbranched = begun(policy)
    expected = play(policy, unbranched, BEFORE + AFTER)
    env = begun(policy)
    play(policy, env, BEFORE)
    saved, same = env.save(), policy.branch(ROWS)
    other = policy.branch(ROWS, np.arange(100, 104))
    copies = BatchedEnv(len(ROWS), params=PARAMS, threads=1)
    copies.restore(saved, ROWS)
    np.testing.assert_array_equal(play(same, copies, AFTER), expected[BEFORE:][:, ROWS])
    copies.restore(saved, ROWS)
    differs = play(other, copies, AFTER)
    for row in range(len(ROWS)):
        assert (differs[:, row] != expected[BEFORE:, ROWS[row]]).any()
    assert (differs[:, 1] != differs[:, 2]).any()  # of one row, with two seeds
    np.testing.assert_array_equal(play(policy, env, AFTER), expected[BEFORE:])
    np.testing.assert_array_equal(env.state, unbranched.state)


@pytest.mark.parametrize("form", ["function", "class"])
def test_a_branch_of_a_branch_and_one_before_the_first_step(form: str, tmp_path: Path) -> None:
    policy = opened(tmp_path, form)
    expected = play(policy, begun(policy), BEFORE + 2)
    env = begun(policy)
    early = policy.branch(ROWS)
    copies = BatchedEnv(len(ROWS), params=PARAMS, threads=1)
    copies.restore(env.save(), ROWS)
    np.testing.assert_array_equal(play(early, copies, BEFORE), expected[:BEFORE, ROWS])
    late = early.branch(np.array([3, 1]))
    rest = BatchedEnv(2, params=PARAMS, threads=1)
    rest.restore(copies.save(), np.array([3, 1]))
    np.testing.assert_array_equal(play(late, rest, 2), expected[BEFORE:, ROWS[[3, 1]]])


ON_CYBORG = "plays on CybORG cannot be branched: .* cannot be saved.*leave out '--engine cyborg'"


@pytest.mark.usefixtures("without_cyborg")
def test_there_is_no_branch_where_our_simulator_does_not_play(tmp_path: Path) -> None:
    policy = opened(tmp_path, "submission")
    env = begun(policy)
    policy.branch(ROWS)  # nothing has been played
    play(policy, env, 1)
    policy.branch(ROWS)
    show(policy, FakeEnv(len(SEEDS), params=PARAMS))
    with pytest.raises(CagexplainError, match=ON_CYBORG) as told:
        policy.branch(ROWS)
    assert str(tmp_path) in str(told.value)


def test_there_is_no_branch_on_cyborg(tmp_path: Path) -> None:
    path = require_cyborg()
    (tmp_path / "submission.py").write_text(SUBMISSION)
    policy = load_policy(str(tmp_path), opening=Opening(trust=True, cyborg_path=path))
    env = Engine("cyborg", 1, path).make(1, PARAMS)
    try:
        env.reset(SEEDS[:1])
        policy.reset(SEEDS[:1])
        play(policy, env, 2)
        with pytest.raises(CagexplainError, match=ON_CYBORG):
            policy.branch(np.zeros(1, np.int64))
    finally:
        env.close()


def test_foreign_code_can_read_raw_observations(tmp_path: Path) -> None:
    """A rule of ours in a process of its own plays as ever, in a branch too."""
    file = tmp_path / "agent.py"
    file.write_text("from cagexplain.policies.scripted.champion import Champion\n")
    theirs = load_policy(f"{file}:Champion", opening=Opening(trust=True))
    ours = load_policy("champion")
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    for policy in (ours, theirs):
        assert reads(policy)
        policy.reset(SEEDS)
    assert theirs.describe()["reads"] is True
    for _ in range(20):
        chosen = decide(ours, env).actions
        np.testing.assert_array_equal(decide(theirs, env).actions, chosen)
        env.step(chosen)
    again = BatchedEnv(len(ROWS), params=PARAMS, threads=1)
    again.restore(env.save(), ROWS)
    branches = [policy.branch(ROWS) for policy in (ours, theirs)]
    while not again.done.any():
        chosen, same = (decide(branch, again).actions for branch in branches)
        np.testing.assert_array_equal(chosen, same)
        again.step(chosen)
