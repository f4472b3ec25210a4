"""One CC4 environment as a PettingZoo ``ParallelEnv`` with the official layouts."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from pettingzoo import ParallelEnv

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4 import observations as observation_layout
from cagexplain.cc4 import phases
from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.network import HOST_NAMES, N_ZONES
from cagexplain.common.errors import UsageError
from cagexplain.common.inputs import shown, whole_number
from cagexplain.envs import checks
from cagexplain.envs.batched import BatchedEnv
from cagexplain.sim.params import EnvParams

Vector = npt.NDArray[Any]
"""``int64``, or ``float32`` of ``observations="box"``."""
Form = Literal["multi_discrete", "box"]

_PADDING_LABEL: Final = "[Padding] Sleep"


class ParallelCC4(ParallelEnv[str, Vector, int]):  # type: ignore[misc]  # PettingZoo is untyped
    """The five blue agents of CC4.

    Observations and actions are those of CybORG's ``BlueFlatWrapper`` (92 / 210 entries, 82 / 242
    actions). Every agent gets the team reward. The end of an episode is a truncation.

    ``infos[agent]`` holds

    * ``action_mask`` - the agent's valid actions, ``int8``, fixed for an episode
    * ``busy`` - whether an action of its goes on, so that what it submits next is discarded
    * ``raw_observation`` - on request, the dictionary behind its vector (see ``envs.raw``)

    A copy (``copy.deepcopy``, ``pickle``) goes on as the original would. What cannot be used is
    refused with a ``UsageError`` before anything changes.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "cc4_v0",
        "render_modes": [],
        "is_parallelizable": True,
    }

    def __init__(
        self,
        params: EnvParams | None = None,
        render_mode: str | None = None,
        *,
        pad_spaces: bool = False,
        observations: Form = "multi_discrete",
        raw_observations: bool = False,
    ) -> None:
        """
        Args:
            params: of the environment; by default the official evaluation's.
            render_mode: PettingZoo's; there is none.
            pad_spaces: give all agents the largest agent's spaces, as CybORG's wrappers do: zeros
                are appended to vectors, and actions that sleep and that the mask forbids.
            observations: ``"multi_discrete"``, the official space (``int64``), or ``"box"``, the
                same numbers as ``float32`` from 0 to 2, which wrappers and trainers know best.
            raw_observations: whether infos hold the agents' raw observations.
        """
        if render_mode is not None:
            raise UsageError(
                f"there is no render mode {shown(render_mode)}",
                field="render_mode",
                remedy="Leave it out; traces and reports show what happened",
            )
        if not isinstance(observations, str) or observations not in get_args(Form):
            raise UsageError(
                f"there is no form {shown(observations)}",
                field="observations",
                remedy=f"Choose one of {', '.join(get_args(Form))}",
            )
        self._env = BatchedEnv(1, params=params, threads=1)
        self.render_mode = render_mode
        self.is_padded = checks.flag(pad_spaces, "pad_spaces")
        self._with_raw = checks.flag(raw_observations, "raw_observations")
        self._dtype = np.float32 if observations == "box" else np.int64
        self.possible_agents = list(BLUE)
        self.agents: list[str] = []
        # Where an agent's entries lie among all agents' with a zero, the padding, appended.
        self._observed = self._columns(observation_layout.OFFSETS, observation_layout.SIZES)
        self._masked = self._columns(action_layout.OFFSETS, action_layout.SIZES)
        self.observation_spaces = {
            agent: self._space([columns]) for agent, columns in self._observed.items()
        }
        self.action_spaces = {
            agent: spaces.Discrete(len(columns)) for agent, columns in self._masked.items()
        }
        self.state_space = self._space([np.arange(size) for size in observation_layout.SIZES])
        self._was_reset = False

    def _columns(
        self, offsets: tuple[int, ...], sizes: tuple[int, ...]
    ) -> dict[str, npt.NDArray[np.intp]]:
        padded = max(sizes)
        by_agent = {}
        for agent, offset, size in zip(BLUE, offsets, sizes, strict=True):
            columns = np.arange(offset, offset + size)
            if self.is_padded:
                columns = np.pad(columns, (0, padded - size), constant_values=sum(sizes))
            by_agent[agent] = columns
        return by_agent

    def _space(self, vectors: list[npt.NDArray[np.intp]]) -> spaces.Space[Any]:
        """The space of some agents' vectors side by side: a phase, then bits."""
        values = [n for v in vectors for n in (phases.N_PHASES, *[2] * (len(v) - 1))]
        if self._dtype is np.int64:
            return spaces.MultiDiscrete(values)
        # One bound for all entries: wrappers that append entries expect it.
        return spaces.Box(0.0, phases.N_PHASES - 1, (len(values),), np.float32)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The phase (3 values), then bits; of ``observations="box"`` a Box."""
        return self.observation_spaces[BLUE[_number(agent)]]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Discrete(82) or Discrete(242)."""
        return self.action_spaces[BLUE[_number(agent)]]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Vector], dict[str, dict[str, Any]]]:
        """New episode; without a seed the generator continues (at first: with a random seed).

        PettingZoo passes ``options``; this environment has none and ignores them.
        """
        if seed is None and not self._was_reset:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._env.reset(None if seed is None else [seed])
        self._was_reset = True
        self.agents = list(BLUE)
        return self._observations(), self._infos()

    def step(
        self, actions: Mapping[str, Any], messages: Mapping[str, npt.ArrayLike] | None = None
    ) -> tuple[
        dict[str, Vector],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """One step.

        Args:
            actions: an index per agent; who is missing sleeps. Also CybORG's form with messages,
                ``{"actions": {...}, "messages": {...}}``.
            messages: 8 bits per agent, which the others read in this step's observations; who is
                missing sends zeros.
        """
        actions, messages = _by_agent(actions, messages)
        row = np.array(action_layout.SLEEP_INDEX)
        for agent, action in actions.items():
            number = _number(agent)
            index = whole_number(
                action, f"actions: {agent}", 0, int(self.action_spaces[agent].n) - 1
            )
            if index < action_layout.SIZES[number]:  # the rest is padding
                row[number] = index
        bits = np.zeros((1, len(BLUE), observation_layout.MESSAGE_BITS), dtype=np.bool_)
        for agent, message in messages.items():
            number = _number(agent)
            bits[0, number] = checks.bits(message, f"messages: {agent}", bits.shape[2:])
        checks.was_reset(self._was_reset, "step")
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

    def state(self) -> Vector:
        """What the agents see together: their vectors side by side, without padding (578 entries).

        Never the ground truth: a centralised critic may use it, and so may agents that share all
        they see.
        """
        checks.was_reset(self._was_reset, "state")
        state: Vector = self._env.obs[0].astype(self._dtype)
        return state

    def action_labels(self, agent: str) -> list[str]:
        """The wrapper's labels of the agent's actions in the current world."""
        number = _number(agent)
        checks.was_reset(self._was_reset, "action_labels")
        state = self._env.state[0]
        cidr = tuple(f"10.0.{int(state['cidr'][zone])}.0/24" for zone in range(N_ZONES))
        exists = state["exists"]
        labels = [
            action_layout.label(
                number,
                action,
                exists=bool(host < 0 or exists[host]),
                cidr=cidr,
            )
            for action, host in enumerate(action_layout.HOST[number])
        ]
        return labels + [_PADDING_LABEL] * (len(self._masked[agent]) - len(labels))

    def hosts(self) -> list[str]:
        """Names of the hosts that exist in the current world, in simulator order."""
        checks.was_reset(self._was_reset, "hosts")
        return [HOST_NAMES[host] for host in np.flatnonzero(self._env.state["exists"][0])]

    def render(self) -> None:
        """Nothing to render: traces and reports show what happened."""

    def close(self) -> None:
        """Nothing to close beside the threads."""
        self._env.close()

    def _observations(self) -> dict[str, Vector]:
        row = _with_padding(self._env.obs[0], self._dtype)
        return {agent: row[columns] for agent, columns in self._observed.items()}

    def _infos(self) -> dict[str, dict[str, Any]]:
        row = _with_padding(self._env.mask[0], np.int8)
        free = self._env.free[0].tolist()
        infos: dict[str, dict[str, Any]] = {
            agent: {"action_mask": row[columns], "busy": not free[number]}
            for number, (agent, columns) in enumerate(self._masked.items())
        }
        if self._with_raw:
            for number, info in enumerate(infos.values()):
                info["raw_observation"] = self._env.raw_observation(0, number)
        return infos


parallel_env = ParallelCC4
"""The name under which PettingZoo's users look for a parallel environment."""


def _with_padding(values: npt.NDArray[Any], dtype: type[Any]) -> npt.NDArray[Any]:
    """The values and a zero."""
    row = np.zeros(len(values) + 1, dtype)
    row[:-1] = values
    return row


def _number(agent: object) -> int:
    """An agent's number.

    Raises:
        UsageError: there is no such blue agent.
    """
    if isinstance(agent, str) and agent in BLUE:
        return BLUE.index(agent)
    raise UsageError(
        f"there is no blue agent {shown(agent)}",
        field="agent",
        remedy=f"Choose one of {', '.join(BLUE)}",
    )


def _by_agent(actions: Any, messages: Any) -> tuple[Mapping[Any, Any], Mapping[Any, Any]]:
    """Actions and messages by agent, from either form."""
    if isinstance(actions, Mapping) and "actions" in actions:
        if messages is not None or not actions.keys() <= {"actions", "messages"}:
            raise UsageError(
                "this mixes CybORG's form with another one",
                field="actions",
                remedy='Give {"actions": {...}, "messages": {...}} and nothing else',
            )
        actions, messages = actions["actions"], actions.get("messages")
    if messages is None:
        messages = {}
    for value, field in ((actions, "actions"), (messages, "messages")):
        if not isinstance(value, Mapping):
            raise UsageError(
                f"{shown(value)} is no dictionary by agent",
                field=field,
                remedy="Give a dictionary such as {'blue_agent_0': ...}",
            )
    return actions, messages
