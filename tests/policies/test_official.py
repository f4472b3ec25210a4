"""`--protocol official`: the worlds and the score of CC4's own evaluation script."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cagexplain.cc4 import actions
from cagexplain.cli.evaluate import command
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, Engine, EnvParams
from cagexplain.envs.lookalike.exchange import InProcess
from cagexplain.envs.lookalike.standin import StandIn, importable
from cagexplain.policies.evaluation import evaluate, evaluate_official
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import OFFICIAL, SEEDS
from tests.support.cyborg import require_cyborg

SEED = 900_301
PARAMS = EnvParams(steps=40)

SUBMISSION = """
from CybORG.Agents.Wrappers import BlueFlatWrapper


class Agent:
    def __init__(self, name):
        self.name = name

    def get_action(self, observation, action_space):
        vector, labels = observation
        return {choose}


class Wrapped(BlueFlatWrapper):
    def _with_labels(self, vectors):
        return {{name: (vectors[name], self.action_labels(name)) for name in vectors}}

    def reset(self, *arguments, **options):
        vectors, info = super().reset(*arguments, **options)
        return self._with_labels(vectors), info

    def step(self, *arguments, **options):
        vectors, *others = super().step(*arguments, **options)
        return self._with_labels(vectors), *others


class Submission:
    NAME = TEAM = TECHNIQUE = "test"
    AGENTS = {{f"blue_agent_{{i}}": Agent(f"blue_agent_{{i}}") for i in range(5)}}

    def wrap(env):
        return Wrapped(env)
"""
"""Answers with an expression of what it sees."""
COUNTS = """
import random

from CybORG.Agents import BaseAgent
from CybORG.Agents.Wrappers import EnterpriseMAE

EPISODES = 0


class Agent(BaseAgent):
    def get_action(self, observation, action_space):
        chance = {chance}
        return int(observation.sum() + EPISODES * 17 + chance) % action_space.n


class Wrapped(EnterpriseMAE):
    def reset(self, *arguments, **named):
        global EPISODES
        EPISODES += 1
        return super().reset(*arguments, **named)


class Submission:
    NAME = TEAM = TECHNIQUE = "test"
    AGENTS = {{f"blue_agent_{{i}}": Agent(f"blue_agent_{{i}}") for i in range(5)}}

    def wrap(env):
        return Wrapped(env)
"""
"""Remembers how many episodes it has begun."""
SLEEPS = 'labels.index("Sleep")'
CYCLES = "int(vector.sum()) % len(labels)"
"""Depends on what the agent sees, so a difference in any vector changes what is done."""


def test_consecutive_worlds_of_one_generator_the_first_discarded() -> None:
    found = evaluate_official(load_policy("sleep"), SEED, 3, PARAMS)
    env = BatchedEnv(1, params=PARAMS)
    env.reset([SEED])  # drawn at construction
    expected = []
    for _ in range(3):
        env.reset()
        rewards = []
        while not env.done.all():
            env.step([actions.SLEEP_INDEX])
            rewards.append(float(env.reward[0]))
        expected.append(sum(rewards[:-1]))
    assert found.returns.tolist() == expected
    mean, deviation = found.official()
    assert mean == pytest.approx(np.mean(expected))
    assert deviation == pytest.approx(np.std(expected, ddof=1))


def test_the_first_world_is_that_of_skip_worlds() -> None:
    policy = load_policy("reactive")
    official = evaluate_official(policy, SEED, 1, PARAMS)
    assert (
        official.returns[0] == evaluate(policy, np.array([SEED]), PARAMS, skip_worlds=1).returns[0]
    )
    assert official.official()[1] is None


def test_every_output_names_its_protocol(tmp_path: Path) -> None:
    for protocol in (SEEDS, OFFICIAL):
        file = tmp_path / f"{protocol}.json"
        arguments = ["sleep", "--episode-length", "20", "--episodes", "2", "--json", str(file)]
        found = CliRunner().invoke(command, [*arguments, "--protocol", protocol])
        assert found.exit_code == 0, found.output
        assert f"Protocol {protocol}: " in found.output
        assert ("The official script: mean " in found.output) is (protocol == OFFICIAL)
        document = json.loads(file.read_text())
        assert document["protocol"]["name"] == document["options"]["protocol"] == protocol
        worlds = [episode.get("world") for episode in document["episodes"]]
        assert worlds == ([1, 2] if protocol == OFFICIAL else [None, None])


def test_one_world_after_the_other_takes_no_batch() -> None:
    arguments = ["sleep", "--episodes", "2", "--protocol", "official", "--batch", "2"]
    found = CliRunner().invoke(command, arguments)
    assert isinstance(found.exception, UsageError)
    assert found.exception.where == "--batch"


@pytest.mark.usefixtures("without_cyborg")
def test_a_submission_plays_all_episodes_with_the_same_agents(tmp_path: Path) -> None:
    folder = _folder(tmp_path, COUNTS.format(chance="random.randrange(40)"))
    found = evaluate_official(
        load_policy(str(folder), opening=Opening(trust=True)), SEED, 3, PARAMS
    )
    expected = []
    with importable():
        module: dict[str, Any] = {}
        exec((folder / "submission.py").read_text(), module)
        submission = module["Submission"]
        random.seed(SEED)
        world = StandIn(InProcess(BatchedEnv(1, params=PARAMS), SEED, skip_worlds=1))
        wrapped = submission.wrap(world)
        for _ in range(3):
            seen, _ = wrapped.reset()
            rewards = []
            while wrapped.agents:
                chosen = {
                    name: agent.get_action(seen[name], wrapped.action_space(name))
                    for name, agent in submission.AGENTS.items()
                }
                seen, reward, *_ = wrapped.step(chosen)
                rewards.append(reward["blue_agent_0"])
            expected.append(sum(rewards[:-1]))
    assert module["EPISODES"] == 3
    assert found.returns.tolist() == expected


@pytest.mark.usefixtures("without_cyborg")
def test_after_an_official_play_episodes_begin_anew(tmp_path: Path) -> None:
    folder = _folder(tmp_path, COUNTS.format(chance=0))
    policy = load_policy(str(folder), opening=Opening(trust=True))
    first = evaluate_official(policy, SEED, 2, PARAMS).returns
    np.testing.assert_array_equal(evaluate_official(policy, SEED, 2, PARAMS).returns, first)


def test_on_cyborg_the_agents_stay_the_same_as_well(tmp_path: Path) -> None:
    cyborg = require_cyborg()
    folder = _folder(tmp_path, COUNTS.format(chance=0))
    policy = load_policy(str(folder), opening=Opening(trust=True, cyborg_path=cyborg))
    params = EnvParams(steps=12)
    ours = evaluate_official(policy, SEED, 2, params).returns
    engine = Engine("cyborg", cyborg_path=cyborg)
    np.testing.assert_array_equal(
        evaluate_official(policy, SEED, 2, params, engine=engine).returns, ours
    )


@pytest.mark.parametrize(
    "code, steps",
    [
        (SUBMISSION.format(choose=SLEEPS), 500),
        (SUBMISSION.format(choose=CYCLES), 500),
        (COUNTS.format(chance=0), 60),
    ],
    ids=["sleeps", "cycles", "counts"],
)
def test_gives_the_numbers_of_the_official_script(code: str, steps: int, tmp_path: Path) -> None:
    cyborg = require_cyborg()
    package = sys.modules["CybORG"].__file__
    assert package is not None
    script = Path(package).parent / "Evaluation" / "evaluation.py"
    folder = _folder(tmp_path, code)
    places = [str(cyborg)] if cyborg else []
    ran = subprocess.run(
        [
            *(sys.executable, "-c", _RUN, str(steps), str(script)),
            *(str(folder), str(tmp_path / "out"), "--seed", str(SEED), "--max-eps", "2"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*places, *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    score = json.loads((tmp_path / "out" / "summary.json").read_text())["reward"]
    policy = load_policy(str(folder), opening=Opening(trust=True, cyborg_path=cyborg))
    ours = evaluate_official(policy, SEED, 2, EnvParams(steps=steps))
    assert ours.official() == (score["mean"], score["stdev"])


def _folder(place: Path, code: str) -> Path:
    folder = place / "submission"
    folder.mkdir()
    (folder / "submission.py").write_text(code)
    return folder


_RUN = """
import runpy, sys
from cagexplain.envs.cyborg.locate import keep_placeholders, load
load(None)
keep_placeholders()
from CybORG.Simulator.Scenarios import EnterpriseScenarioGenerator as Generator
begin, steps = Generator.__init__, int(sys.argv[1])
Generator.__init__ = lambda self, **named: begin(self, **{**named, "steps": steps})
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The script, unmodified, on a CybORG whose optional packages stand in as for the adapter. Episodes
have a given length: the script leaves them when they are over."""
