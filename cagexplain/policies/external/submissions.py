"""In the processes of foreign code: an official submission plays as the official evaluation has it.

The environment that it wraps looks like CybORG and is played by us: every step of it is an exchange
of the submission's actions for the engine's next record.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import CagexplainError
from cagexplain.envs.lookalike import Lookalike, load_parts
from cagexplain.envs.lookalike.exchange import Record, record_of
from cagexplain.policies.external.messages import Chosen, Load, World
from cagexplain.policies.external.players import Episode, ForeignFailure, Loadable, during

_FACTS: Final = ("NAME", "TEAM", "TECHNIQUE")


def load_submission(load: Load) -> Loadable:
    """The class ``Submission`` of a module, as the official evaluation takes it."""
    path = load.options.get("cyborg_path")
    try:
        parts = load_parts(None if path is None else Path(path))
    except CagexplainError as error:
        raise ForeignFailure(
            f"submissions take their classes from CybORG: {error}", "its start"
        ) from error
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
    texts = {name: getattr(submission, name, None) for name in _FACTS}
    facts = {name: text for name, text in texts.items() if isinstance(text, str) and text}
    return Loadable("submission", _Player(submission, parts), facts)


class _Player:
    """Plays episode after episode in one environment, as long as we send records."""

    def __init__(self, submission: Any, parts: Any) -> None:
        self._submission, self._parts = submission, parts

    def __call__(self, episode: Episode) -> None:
        exchange = _Exchange(episode)
        exchange.begin()
        with during("wrap"):
            env = self._submission.wrap(Lookalike(self._parts, exchange, exchange.steps))
        while True:
            play(self._submission, env, exchange.steps)


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
        chosen = {}
        for name, agent in submission.AGENTS.items():
            with during(f"get_action of {name}"):
                if name in env.agents:
                    space = env.action_space(name)
                    chosen[name] = agent.get_action(observations[name], space)
        with during("step"):
            observations, _, ended, cut, _ = env.step(chosen)
            over = all(ended.get(name, False) or cut.get(name, False) for name in env.agents)
        if over:
            return


class _Exchange:
    """Sends actions to us and waits for the record of what came of them."""

    steps: int

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._record: Record = None
        self._played = False

    def begin(self) -> Record:
        """The record that an episode begins with; the same one until a step is played, however
        often wrappers reset."""
        if self._record is None or self._played:
            self._record, self._played = self._next(), False
        return self._record

    def step(self, actions: npt.NDArray[np.int64], messages: npt.NDArray[np.uint8]) -> Record:
        """The record after a step of actions ``int64[5]`` and messages ``uint8[5, 8]``."""
        self._episode.send(
            Chosen(
                np.asarray(actions, np.int64).tobytes(), np.asarray(messages, np.uint8).tobytes()
            )
        )
        self._record, self._played = self._next(), True
        return self._record

    def _next(self) -> Record:
        world = self._episode.receive()
        assert isinstance(world, World)
        self.steps = world.steps
        return record_of(world.record)
