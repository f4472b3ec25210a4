"""In the processes of foreign code: an official submission plays as the official evaluation has it.

The environment that it wraps looks like CybORG and is played by us: every step of it is an exchange
of the submission's actions for the engine's next record.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.cc4.reds import as_table
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.envs.cyborg.locate import keep_placeholders
from cagexplain.envs.cyborg.locate import load as load_cyborg
from cagexplain.envs.cyborg.world import scenario_of
from cagexplain.envs.lookalike import Lookalike, Parts, load_parts
from cagexplain.envs.lookalike.actions import Indices
from cagexplain.envs.lookalike.exchange import Record, record_of
from cagexplain.envs.lookalike.standin import StandIn, importable
from cagexplain.policies.external.messages import Chosen, Load, ToChild, Twin, World
from cagexplain.policies.external.players import Episode, ForeignFailure, Loadable, during

_STAND_INS: Final = contextlib.ExitStack()
"""Holds the stand-ins for as long as this process lasts: agents may import as late as they play."""
_FACTS: Final = ("NAME", "TEAM", "TECHNIQUE")


def load_submission(load: Load) -> Loadable:
    """The class ``Submission`` of a module, as the official evaluation takes it."""
    submission, parts, cyborg_path = imported(load)
    texts = {name: getattr(submission, name, None) for name in _FACTS}
    facts = {name: text for name, text in texts.items() if isinstance(text, str) and text}
    if parts is None:
        facts["CYBORG"] = "stand-in"
    return Loadable("submission", _Player(submission, parts, cyborg_path), facts)


def imported(load: Load) -> tuple[Any, Parts | None, Path | None]:
    """The submission of a module, the parts of CybORG that it plays with (None: stand-ins), and
    the folder of CybORG.

    Raises:
        ForeignFailure: it is none, or CybORG cannot be used.
    """
    path = load.options.get("cyborg_path")
    cyborg_path = None if path is None else Path(path)
    parts = _parts(cyborg_path)
    with during("its import"):
        module = importlib.import_module(load.entry)
        submission = getattr(module, "Submission", None)
        if submission is None:
            raise ForeignFailure("it defines no class Submission", "its import")
        agents = getattr(submission, "AGENTS", None)
    if not isinstance(agents, dict) or not callable(getattr(submission, "wrap", None)):
        raise ForeignFailure("its class Submission has no AGENTS or no wrap", "its import")
    if others := [str(name) for name in agents if name not in BLUE]:
        raise ForeignFailure(
            f"its agents are called {', '.join(others)}, and not {BLUE[0]} to {BLUE[-1]} as in the "
            "official evaluation: it has an evaluation of its own, which cannot be played here",
            "its import",
        )
    if absent := [name for name in BLUE if name not in agents]:
        raise ForeignFailure(f"its AGENTS lack {', '.join(absent)}", "its import")
    return submission, parts, cyborg_path


def _parts(cyborg_path: Path | None) -> Parts | None:
    """The classes of the user's CybORG; None if there is none, and imports of it bring stand-ins
    from now on."""
    if cyborg_path is None and importlib.util.find_spec("CybORG") is None:
        _STAND_INS.enter_context(importable())
        return None
    try:
        parts = load_parts(cyborg_path)
        keep_placeholders()
        return parts
    except CagexplainError as error:
        raise ForeignFailure(str(error), "the import of CybORG") from error


class _Player:
    """Plays episode after episode in one environment, as long as we send records."""

    def __init__(self, submission: Any, parts: Parts | None, cyborg_path: Path | None) -> None:
        self._submission, self._parts = submission, parts
        self._cyborg_path = cyborg_path

    def __call__(self, episode: Episode) -> None:
        first = episode.receive()
        if isinstance(first, Twin):
            self._play_on_cyborg(episode, first)
            return
        exchange = Exchange(episode, first)
        steps = exchange.steps
        world: Any = (
            StandIn(exchange) if self._parts is None else Lookalike(self._parts, exchange, steps)
        )
        with during("wrap"):
            env = self._submission.wrap(world)
        while True:
            play(self._submission, env, steps)

    def _play_on_cyborg(self, episode: Episode, first: Twin) -> None:
        """Play on a real CybORG, step by step beside ours."""
        if self._parts is None:
            raise ForeignFailure("there is no CybORG to play on; give its folder by --cyborg-path")
        api = load_cyborg(self._cyborg_path)
        cyborg = api.CybORG(
            scenario_of(api, EnvParams(steps=first.steps, red=as_table(first.red))), seed=0
        )
        with during("wrap"):
            env = self._submission.wrap(cyborg)
        cyborg.set_seed(first.seed)
        for _ in range(first.skipped):
            cyborg.reset()
        _beside(cyborg, episode, first, self._parts)
        while True:
            play(self._submission, env, first.steps)


def play(submission: Any, env: Any, steps: int) -> None:
    """Play an episode as the official evaluation plays it.

    Args:
        submission: with its ``AGENTS``.
        env: that it has wrapped.
        steps: of the episode, at most.
    """
    with during("reset"):
        observations, _ = env.reset()
    for _ in range(steps):
        chosen = choices(submission, env, observations)
        observations, _, over = step(env, chosen)
        if over:
            return


def choices(submission: Any, env: Any, observations: Any) -> dict[str, Any]:
    """What the agents choose, asked in their order."""
    chosen = {}
    for name, agent in submission.AGENTS.items():
        with during(f"get_action of {name}"):
            if name in env.agents:
                chosen[name] = agent.get_action(observations[name], env.action_space(name))
    return chosen


def step(env: Any, chosen: dict[str, Any]) -> tuple[Any, Any, bool]:
    """Observations and rewards of a step, and whether it was the last one."""
    with during("step"):
        observations, rewards, ended, cut, _ = env.step(chosen)
        over = all(ended.get(name, False) or cut.get(name, False) for name in env.agents)
    return observations, rewards, over


class Exchange:
    """Sends actions to us and waits for the record of what came of them."""

    steps: int

    def __init__(self, episode: Episode, first: ToChild) -> None:
        self._episode = episode
        self._record = self._of(first)
        self._played = False

    def begin(self) -> Record:
        """The record that an episode begins with; the same one until a step is played, however
        often wrappers reset."""
        if self._played:
            self._record, self._played = self._of(self._episode.receive()), False
        return self._record

    def step(self, actions: npt.NDArray[np.int64], messages: npt.NDArray[np.uint8]) -> Record:
        """The record after a step of actions ``int64[5]`` and messages ``uint8[5, 8]``."""
        self._episode.send(
            Chosen(
                np.asarray(actions, np.int64).tobytes(), np.asarray(messages, np.uint8).tobytes()
            )
        )
        self._record, self._played = self._of(self._episode.receive()), True
        return self._record

    def _of(self, world: ToChild) -> Record:
        assert isinstance(world, World)
        self.steps = world.steps
        return record_of(world.record)


def _beside(cyborg: Any, episode: Episode, first: Twin, parts: Parts) -> None:
    """Have every step of a CybORG also played by ours, and both compared: by the reward, and by the
    state of the generator, which everything that happens there draws from."""
    step, reset, indices = cyborg.parallel_step, cyborg.reset, Indices(parts)
    begins: ToChild | None = first  # what an episode begins with; None once it is played

    def compare(reward: float | None, twin: ToChild) -> None:
        assert isinstance(twin, Twin)
        generator = str(cyborg.np_random.bit_generator.state["state"])
        same_reward = reward is None or reward == twin.reward
        if generator != twin.generator or not same_reward:
            what = "random numbers" if same_reward else f"reward ({reward:g}, not {twin.reward:g})"
            raise ForeignFailure(
                f"its CybORG went another way than ours, by its {what}: it was changed, reset "
                "again, or drawn from otherwise than by steps",
                "step",
            )

    def resetting(*arguments: Any, **named: Any) -> Any:
        nonlocal begins
        result = reset(*arguments, **named)
        begins = begins or episode.receive()
        compare(None, begins)
        return result

    def stepping(
        actions: dict[str, Any] | None = None, messages: dict[str, Any] | None = None, **named: Any
    ) -> Any:
        nonlocal begins
        begins = None
        controller, chosen = cyborg.environment_controller, np.zeros(N_BLUE, np.int64)
        bits = np.zeros((N_BLUE, MESSAGE_BITS), np.uint8)
        for number, agent in enumerate(BLUE):
            action = (actions or {}).get(agent) or parts.Sleep()
            interface = controller.agent_interfaces[agent]
            accepted = controller.replace_action_if_invalid(action, interface)
            chosen[number] = indices.of(number, action, accepted)
            if messages and agent in messages:
                bits[number] = np.asarray(messages[agent])
        episode.send(Chosen(chosen.tobytes(), bits.tobytes()))
        result = step(actions, messages, **named)
        compare(float(sum(controller.reward["Blue"].values())), episode.receive())
        return result

    cyborg.parallel_step, cyborg.reset = stepping, resetting
