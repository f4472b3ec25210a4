"""Stand-ins for CybORG: the same as its wrappers, and clear errors for what they have not."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.envs.lookalike import InProcess
from cagexplain.envs.lookalike.missing import NotThere
from cagexplain.envs.lookalike.standin import StandIn, importable, wrappers
from tests.support.cyborg import require_cyborg

STEPS = 40
SUBMISSION = '''
from CybORG import CybORG
from CybORG.Agents import BaseAgent
from CybORG.Agents.SimpleAgents.BaseAgent import BaseAgent as Same
from CybORG.Agents.Wrappers import BaseWrapper, BlueFlatWrapper, EnterpriseMAE
from CybORG.Agents.Wrappers.EnterpriseMAE import EnterpriseMAE as Mae
from CybORG.Simulator.Actions import Restore, Sleep
from CybORG.Simulator.Scenarios import EnterpriseScenarioGenerator

assert Same is BaseAgent and Mae is EnterpriseMAE


class Restorer(BaseAgent):
    """Restores the first host with a process event."""

    def __init__(self, name):
        super().__init__(name)

    def get_action(self, observation, action_space):
        (vector, space), block = observation, 1 + 27
        for position, action in enumerate(space["actions"][33:49]):
            if vector[block + position] and isinstance(action, Restore):
                return 33 + position
        return Sleep()


class Wrapper(EnterpriseMAE):
    """Gives agents their vectors together with their actions."""

    def reset(self, *args, **kwargs):
        observations, info = super().reset(*args, **kwargs)
        return self.both(observations), info

    def step(self, actions):
        observations, *rest = super().step(actions)
        return self.both(observations), *rest

    def both(self, observations):
        return {a: (v, self.get_action_space(a)) for a, v in observations.items()}


class Submission:
    NAME, TEAM, TECHNIQUE = "stand-in", "us", "rules"
    AGENTS = {f"blue_agent_{i}": Restorer(f"blue_agent_{i}") for i in range(5)}

    def wrap(env):
        return Wrapper(env)
'''


def stand_in(seed: int, steps: int = STEPS) -> tuple[StandIn, BatchedEnv]:
    env = BatchedEnv(1, params=EnvParams(steps=steps), threads=1)
    return StandIn(InProcess(env, seed)), env


@pytest.fixture
def package() -> Iterator[None]:
    with importable():
        yield


def _same_spaces(ours: Any, theirs: Any) -> None:
    for agent in BLUE:
        assert str(ours.action_space(agent)) == str(theirs.action_space(agent))
        for name in ("hosts", "subnets", "action_labels", "action_mask"):
            assert getattr(ours, name)(agent) == getattr(theirs, name)(agent), name
        assert [str(a) for a in ours.actions(agent)] == [str(a) for a in theirs.actions(agent)]
        for mine, its in zip(ours.actions(agent), theirs.actions(agent), strict=True):
            for name in ("name", "duration", "priority", "cost"):
                assert getattr(mine, name) == getattr(its, name), (str(its), name)
            for name, value in vars(mine).items():
                assert its.get_params()[name] == value, (str(its), name)
    assert ours.is_padded == theirs.is_padded
    assert ours.possible_agents == theirs.possible_agents


@pytest.mark.parametrize("seed", [3, 14])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", ["BlueFlatWrapper", "BlueEnterpriseWrapper", "EnterpriseMAE"])
def test_equals_the_wrappers_of_cyborg(name: str, padded: bool, seed: int) -> None:
    from cagexplain.envs.lookalike import load_parts

    api = load_parts(require_cyborg())
    scenario = api.EnterpriseScenarioGenerator(
        blue_agent_class=api.SleepAgent,
        green_agent_class=api.EnterpriseGreenAgent,
        red_agent_class=api.FiniteStateRedAgent,
        steps=STEPS,
    )
    cyborg = api.CybORG(scenario, seed=0)
    theirs = getattr(api, name)(cyborg, pad_spaces=padded)
    cyborg.set_seed(seed)
    ours = wrappers.CLASSES[name](stand_in(seed)[0], pad_spaces=padded)
    generator = np.random.default_rng(seed)
    for _ in range(2):  # the second episode goes on with the generator
        results = ours.reset(), theirs.reset()
        _same(results)
        _same_spaces(ours, theirs)
        for _ in range(STEPS - 1):
            chosen = dict(zip(BLUE, generator.integers(actions.SIZES).tolist(), strict=True))
            del chosen[BLUE[generator.integers(5)]]  # who is missing sleeps
            told = {agent: generator.integers(0, 2, 8).astype(bool) for agent in BLUE[:3]}
            results = ours.step(chosen, told), theirs.step(chosen, told)
            _same(results)
            for agent in BLUE:
                last = [str(wrapper.get_last_action(agent)[0]) for wrapper in (ours, theirs)]
                assert last[0] == last[1]
        assert ours.agents == theirs.agents == []
    if name != "BlueFlatWrapper":
        for space in ("short_observation_space", "long_observation_space"):
            assert getattr(ours, space).shape == getattr(theirs, space).shape


def _same(results: tuple[Any, Any]) -> None:
    """Observations, rewards, dones and infos; the types of their numbers too."""
    for ours, theirs in zip(*results, strict=True):
        assert ours.keys() == theirs.keys()
        for agent, value in theirs.items():
            assert type(ours[agent]) is type(value)
            if isinstance(value, np.ndarray):
                assert ours[agent].dtype == value.dtype
                assert np.array_equal(ours[agent], value)
            else:
                assert ours[agent] == value


def test_a_submission_runs_without_cyborg(tmp_path: Path, package: None) -> None:
    names: dict[str, Any] = {}
    exec(compile(SUBMISSION, str(tmp_path / "submission.py"), "exec"), names)
    submission = names["Submission"]
    cyborg, env = stand_in(5, steps=200)
    wrapped = submission.wrap(cyborg)
    observations, _ = wrapped.reset()
    restored = 0
    for _ in range(199):
        chosen = {
            agent: submission.AGENTS[agent].get_action(
                observations[agent], wrapped.action_space(agent)
            )
            for agent in BLUE[:4]
        }
        observations, rewards, _, truncated, _ = wrapped.step(chosen)
        restored += int((env.action_cost < 0).sum())
        assert rewards[BLUE[0]] == env.reward[0]
        at = 0
        for agent, (vector, _) in observations.items():
            assert np.array_equal(vector, env.obs[0, at : at + len(vector)]), agent
            at += len(vector)
    assert truncated["__all__"] and wrapped.agents == []
    assert restored > 0


def test_plays_what_only_objects_can_say(package: None) -> None:
    from CybORG.Simulator.Actions import BlockTrafficZone, InvalidAction, Restore

    cyborg, env = stand_in(5)
    wrapped = wrappers.EnterpriseMAE(cyborg)
    wrapped.reset()
    block = BlockTrafficZone(0, BLUE[0], "internet_subnet", "office_network_subnet")
    foreign = Restore(0, BLUE[1], "office_network_subnet_user_host_0")
    _, rewards, *_ = wrapped.step({BLUE[0]: block, BLUE[1]: foreign, BLUE[2]: InvalidAction()})
    assert env.state["blocks"].sum() == 1
    assert rewards[BLUE[0]] == pytest.approx(-1.1 + env.reward_parts.sum())
    assert str(wrapped.get_last_action(BLUE[0])[0]) == "BlockTrafficZone"
    assert type(wrapped.get_last_action(BLUE[1])[0]).__name__ == "InvalidAction"


@pytest.mark.parametrize(
    "statement",
    [
        "from CybORG.Shared.Enums import TernaryEnum",
        "import CybORG.Simulator.State",
        "from CybORG.Agents.Wrappers import VisualiseRedExpansion",
        "from CybORG.Simulator.Actions import Impact",
    ],
)
def test_an_import_that_is_not_there_says_what_would_bring_it(
    statement: str, package: None
) -> None:
    with pytest.raises(ImportError, match=r"imports CybORG\..*--cyborg-path") as caught:
        exec(statement, {})
    assert isinstance(caught.value, CagexplainError)


@pytest.mark.parametrize(
    "code",
    [
        "env.environment_controller.state.hosts",
        "env.get_observation('blue_agent_0')['message']",
        "len(env.get_observation('blue_agent_0'))",
        "'Files' in env.get_observation('blue_agent_0')",
        "env.scenario_generator",
        "EnterpriseScenarioGenerator(steps=500)",
    ],
)
def test_what_needs_cyborg_says_so(code: str, package: None) -> None:
    from CybORG.Simulator.Scenarios import EnterpriseScenarioGenerator

    cyborg, _ = stand_in(5)
    cyborg.reset()
    names = {"env": cyborg, "EnterpriseScenarioGenerator": EnterpriseScenarioGenerator}
    with pytest.raises(NotThere, match="--cyborg-path"):
        eval(code, names)


def test_a_raw_observation_says_whether_the_action_runs_and_how_it_ended() -> None:
    cyborg, env = stand_in(5)
    wrapped = wrappers.EnterpriseMAE(cyborg)
    wrapped.reset()
    generator, outcomes = np.random.default_rng(5), set()
    while wrapped.agents:
        for number, agent in enumerate(BLUE):
            success = cyborg.get_observation(agent)["success"]
            assert success.name == env.raw_observation(0, number)["success"]
            assert (success.name != "IN_PROGRESS") == env.free[0, number]
            assert (success == True, success == False) == (  # noqa: E712  # as submissions ask
                success.name == "TRUE",
                success.name == "FALSE",
            )
            outcomes.add(str(success))
        wrapped.step({agent: int(generator.integers(82)) for agent in BLUE})
    assert outcomes == {"TRUE", "FALSE", "UNKNOWN", "IN_PROGRESS"}


def test_bad_input_is_refused() -> None:
    cyborg, _ = stand_in(5)
    with pytest.raises(UsageError, match="seed"):
        cyborg.reset(seed=3)
    wrapped = wrappers.EnterpriseMAE(cyborg)
    wrapped.reset()
    with pytest.raises(UsageError, match="messages"):
        wrapped.step({}, {BLUE[0]: np.zeros(3)})


def test_is_gone_afterwards() -> None:
    before = {name for name in sys.modules if name.startswith("CybORG")}
    with importable():
        import CybORG.Agents  # noqa: F401
    assert {name for name in sys.modules if name.startswith("CybORG")} == before
    assert not any(type(finder).__module__.endswith("standin.modules") for finder in sys.meta_path)
