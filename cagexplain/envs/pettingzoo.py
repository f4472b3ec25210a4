"""One CC4 environment as a PettingZoo ``ParallelEnv`` with the official layouts."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from pettingzoo import ParallelEnv

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4 import observations
from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.network import HOST_NAMES, N_ZONES
from cagexplain.common.errors import UsageError
from cagexplain.envs.batched import BatchedEnv
from cagexplain.sim.params import EnvParams

Vector = npt.NDArray[np.int64]


class ParallelCC4(ParallelEnv[str, Vector, int]):  # type: ignore[misc]  # PettingZoo is untyped
    """The five blue agents of CC4.

    Observations and actions are those of CybORG's ``BlueFlatWrapper`` (92 / 210 entries, 82 / 242
    actions); ``infos[agent]["action_mask"]`` is the agent's mask, ``int8``, fixed for an episode.
    Every agent gets the team reward. The end of an episode is a truncation.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "cc4_v0",
        "render_modes": [],
        "is_parallelizable": True,
    }

    def __init__(self, params: EnvParams | None = None, render_mode: str | None = None) -> None:
        self._env = BatchedEnv(1, params=params, threads=1)
        self.render_mode = render_mode
        self.possible_agents = list(BLUE)
        self.agents: list[str] = []
        self.observation_spaces = {
            agent: spaces.MultiDiscrete([3] + [2] * (size - 1))
            for agent, size in zip(BLUE, observations.SIZES, strict=True)
        }
        self.action_spaces = {
            agent: spaces.Discrete(size)
            for agent, size in zip(BLUE, action_layout.SIZES, strict=True)
        }
        self._seeded = False

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """MultiDiscrete: the phase (3 values), then bits."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Discrete(82) or Discrete(242)."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Vector], dict[str, dict[str, Any]]]:
        """New episode; without a seed the generator continues (at first: with a random seed)."""
        if seed is None and not self._seeded:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._env.reset(None if seed is None else [seed])
        self._seeded = True
        self.agents = list(BLUE)
        return self._observations(), self._infos()

    def step(
        self, actions: dict[str, int], messages: dict[str, npt.ArrayLike] | None = None
    ) -> tuple[
        dict[str, Vector],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """One step. Agents missing in ``actions`` sleep; ``messages`` are 8 bits per agent."""
        if not self.agents:
            raise UsageError(
                "the episode is over", field="step", remedy="call reset() before the next step"
            )
        row = np.array([actions.get(a, action_layout.SLEEP_INDEX[i]) for i, a in enumerate(BLUE)])
        bits = np.zeros((1, len(BLUE), observations.MESSAGE_BITS), dtype=np.bool_)
        for agent, message in (messages or {}).items():
            bits[0, BLUE.index(agent)] = np.not_equal(message, 0)
        self._env.step(row[None, :], bits)
        done = bool(self._env.done[0])
        reward = float(self._env.reward[0])
        if done:
            self.agents = []
        return (
            self._observations(),
            dict.fromkeys(BLUE, reward),
            dict.fromkeys(BLUE, False),
            dict.fromkeys(BLUE, done),
            self._infos(),
        )

    def action_labels(self, agent: str) -> list[str]:
        """The wrapper's labels of the agent's actions in the current world."""
        number = BLUE.index(agent)
        state = self._env.state[0]
        cidr = tuple(f"10.0.{int(state['cidr'][zone])}.0/24" for zone in range(N_ZONES))
        exists = state["exists"]
        return [
            action_layout.label(
                number,
                action,
                exists=bool(host < 0 or exists[host]),
                cidr=cidr,
            )
            for action, host in enumerate(action_layout.HOST[number])
        ]

    def hosts(self) -> list[str]:
        """Names of the hosts that exist in the current world, in simulator order."""
        return [HOST_NAMES[host] for host in np.flatnonzero(self._env.state["exists"][0])]

    def render(self) -> None:
        """Nothing to render: traces and reports show what happened."""

    def close(self) -> None:
        """Nothing to close beside the threads."""
        self._env.close()

    def _observations(self) -> dict[str, Vector]:
        row = self._env.obs[0].astype(np.int64)
        return {agent: row[observations.slice_of(i)].copy() for i, agent in enumerate(BLUE)}

    def _infos(self) -> dict[str, dict[str, Any]]:
        row = self._env.mask[0].astype(np.int8)
        return {
            agent: {"action_mask": row[action_layout.slice_of(i)].copy()}
            for i, agent in enumerate(BLUE)
        }


def parallel_env(params: EnvParams | None = None, render_mode: str | None = None) -> ParallelCC4:
    """A CC4 environment with PettingZoo's parallel interface."""
    return ParallelCC4(params, render_mode)
