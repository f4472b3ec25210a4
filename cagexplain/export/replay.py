"""Plays exported folders on recorded episodes; a script for an interpreter of its own.

    python -IB replay.py FOLDER RECORDING ANSWERS [FOLDER RECORDING ANSWERS ...]

A recording holds what the agents of some episodes were shown (see `cagexplain.export.checking`). In
place of CybORG the folder gets a wrapper that shows just that, and the loop is that of the official
evaluation. The answers are every action and message. Neither this package nor Numba can be
imported meanwhile.
"""

from __future__ import annotations

import importlib
import importlib.abc
import json
import sys
import types
from typing import Any

import numpy as np

BLUE = [f"blue_agent_{i}" for i in range(5)]
FORBIDDEN = ("cagexplain", "numba", "msgspec", "CybORG")


class Refusal(importlib.abc.MetaPathFinder):
    """Lets nobody import what the official evaluation does not bring."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Refuse, or leave it to others."""
        if fullname.partition(".")[0] in FORBIDDEN:
            raise ModuleNotFoundError(f"an exported policy imports {fullname}", name=fullname)


class Success:
    """How the last action ended, as a raw observation says it."""

    def __init__(self, name: str) -> None:
        self.name = name


class EnterpriseMAE:
    """The official wrapper with recorded episodes in place of CybORG.

    Args:
        env: the recording.
    """

    def __init__(self, env: Any) -> None:
        self.env = env
        self.agents: list[str] = []
        self.answers: list[tuple[list[int], list[Any]]] = []
        self._episode = -1

    def reset(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The next episode."""
        self._episode, self._step, self.agents = self._episode + 1, 0, BLUE
        return self._shown(), {}

    def step(self, actions: Any, messages: Any) -> tuple[dict[str, Any], Any, Any, Any, Any]:
        """The next step, whatever is done."""
        silence = np.zeros(8, np.bool_)
        sent = [(messages or {}).get(name, silence) for name in BLUE]
        self.answers.append(([actions[name] for name in BLUE], sent))
        self._step += 1
        done = self._step == len(self.env["obs"][self._episode]) - 1
        self.agents = [] if done else BLUE
        ended = dict.fromkeys(BLUE, done)
        return self._shown(), dict.fromkeys(BLUE, 0.0), ended, ended, {}

    def action_mask(self, name: str) -> list[bool]:
        """The valid actions of the episode."""
        mask, ends = self.env["mask"][self._episode], self.env["action_ends"]
        mine: list[bool] = np.split(mask, ends)[BLUE.index(name)].tolist()
        return mine

    def observation_change(self, name: str, observation: Any) -> Any:
        """The vector."""
        return observation["vector"]

    def _shown(self) -> dict[str, Any]:
        at = self._episode, self._step
        vectors = np.split(self.env["obs"][at].astype(np.int64), self.env["entry_ends"])
        raw = [
            {**entries, "vector": vector, "success": Success(entries["success"])}
            for vector, entries in zip(vectors, self.env["raw"][at[0]][at[1]], strict=True)
        ]
        return {name: self.observation_change(name, raw[i]) for i, name in enumerate(BLUE)}


def play(folder: str, recording: Any) -> Any:
    """Load a folder as the official script does, and play all recorded episodes by its loop."""
    for name in [n for n in sys.modules if n.partition(".")[0] in ("submission", "blue_policy")]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    submission = importlib.import_module("submission").Submission
    sys.path.remove(folder)
    wrapped: Any = submission.wrap(recording)
    for _ in range(len(recording["obs"])):
        observations, _ = wrapped.reset()
        while wrapped.agents:
            actions = {
                name: agent.get_action(observations[name], None)  # the space is not looked at
                for name, agent in submission.AGENTS.items()
            }
            observations = wrapped.step(actions)[0]
    return wrapped


def main(arguments: list[str]) -> None:
    """Write the answers of every folder."""
    sys.meta_path.insert(0, Refusal())
    wrappers: Any = types.ModuleType("CybORG.Agents.Wrappers")
    wrappers.EnterpriseMAE = EnterpriseMAE
    sys.modules["CybORG.Agents.Wrappers"] = wrappers
    for parent in ("CybORG", "CybORG.Agents"):
        sys.modules[parent] = types.ModuleType(parent)
    for folder, recording, answers in zip(*[iter(arguments)] * 3, strict=True):
        with np.load(recording, allow_pickle=False) as archive:
            shown = dict(archive)
        shown["raw"] = json.loads(shown["raw"].tobytes())
        wrapped = play(folder, shown)
        actions, messages = zip(*wrapped.answers, strict=True)
        np.savez(answers, actions=np.array(actions), messages=np.array(messages, np.uint8))


if __name__ == "__main__":
    main(sys.argv[1:])
