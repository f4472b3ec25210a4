"""Policies whose behaviour is known, so that analyses can be held against the truth.

Every class tells its planted truth. A busy agent submits Sleep, as the built-in policies do. "The
first host" is the first in the order of the alert bits: by subnet (alphabetical), then servers,
then user hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.network import INT, OFF
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.envs import Engine, Env, EnvParams
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.base import Rota, Scripted
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace

_SLOTS: Final = max(len(hosts) for hosts in observations.HOSTS)
_AGENTS: Final = np.arange(N_BLUE)
SLEEP: Final = np.array(actions.SLEEP_INDEX, dtype=np.int64)


def _by_slot(value: Any) -> Int64Array:
    """``value(agent, host)`` of every agent's hosts: ``[5, 48]``, -1 beyond its own."""
    table = np.full((N_BLUE, _SLOTS), -1, dtype=np.int64)
    for agent, hosts in enumerate(observations.HOSTS):
        table[agent, : len(hosts)] = [value(agent, int(host)) for host in hosts]
    return table


HOST: Final = _by_slot(lambda agent, host: host)
"""Host by agent and slot."""
ON_HOST: Final = {
    kind: _by_slot(lambda agent, host, kind=kind: actions.index(agent, kind, host=host))
    for kind in sorted(actions.HOST_KINDS)
}
"""Action index by kind, agent and slot."""
PROCESS, CONNECTION = (
    _by_slot(lambda agent, host, bit=bit: observations.OFFSETS[agent] + bit(agent, host))
    for bit in (observations.process_bit, observations.connection_bit)
)


def alert_bits(obs: npt.NDArray[np.int8], entries: Int64Array) -> BoolArray:
    """Alert bits by agent and slot: ``bool[n, 5, 48]``."""
    return (obs[:, entries] != 0) & (entries >= 0)


def _first(flags: BoolArray, kind: ActionKind) -> tuple[BoolArray, Int64Array]:
    """Whether an agent has any flagged host, and the action on the first one."""
    return flags.any(axis=-1), ON_HOST[kind][_AGENTS, flags.argmax(axis=-1)]


class Planted(Scripted):
    """What the planted policies share."""

    rests: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__(type(self).__name__)

    def describe(self) -> dict[str, Any]:
        """Name and planted truth."""
        return {"kind": self.kind, "name": self.name, "rule": (type(self).__doc__ or "").strip()}


class RestoresOnProcess(Planted):
    """Restores the first host that shows a process alert, in the same step; else sleeps."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        alarm, restore = _first(self.heeded(alert_bits(obs, PROCESS)), ActionKind.RESTORE)
        return np.where(free & alarm, restore, SLEEP)

    def heeded(self, alerts: BoolArray) -> BoolArray:
        """The alerts that it reacts to."""
        return alerts


class IgnoresSubnet(RestoresOnProcess):
    """As `RestoresOnProcess`, but no host of one subnet (by default the office's) is ever a target.

    Agent 4, which defends it, still answers alerts in its two other subnets.
    """

    def __init__(self, zone: int = OFF) -> None:
        super().__init__()
        self._heeded = np.where(HOST >= 0, network.HOST_ZONE[HOST], zone) != zone

    def heeded(self, alerts: BoolArray) -> BoolArray:
        return alerts & self._heeded


class RestoresLater(Planted):
    """Restores the first host that showed a process alert exactly `delay` steps ago; else sleeps.

    So a response that the agent is free for comes `delay` steps after the alert, never at another
    lag: what was missed because the agent was busy is forgotten.
    """

    state = ("_past",)

    def __init__(self, delay: int) -> None:
        super().__init__()
        self._delay = delay

    def begin(self, mask: BoolArray) -> None:
        self._past = np.zeros((len(mask), self._delay + 1, N_BLUE, _SLOTS), dtype=np.bool_)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        self._past = np.roll(self._past, 1, axis=1)
        self._past[:, 0] = alert_bits(obs, PROCESS)
        alarm, restore = _first(self._past[:, self._delay], ActionKind.RESTORE)
        return np.where(free & alarm, restore, SLEEP)


class ByPhase(Planted):
    """Phase 0: sleeps. Phase 1: Restores the first host with a process alert, else sleeps.
    Phase 2: Analyses the first host with a process alert, else sleeps."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        phase = obs[:, np.array(observations.OFFSETS) + observations.PHASE]
        alerts = alert_bits(obs, PROCESS)
        alarm, restore = _first(alerts, ActionKind.RESTORE)
        _, analyse = _first(alerts, ActionKind.ANALYSE)
        action = np.where(phase == 1, restore, analyse)
        return np.where(free & alarm & (phase > 0), action, SLEEP)


class RemovesAndRestores(Planted):
    """Restores the first host with a process alert; if there is none, Removes on the first host
    with a connection alert; else sleeps."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        process, restore = _first(alert_bits(obs, PROCESS), ActionKind.RESTORE)
        connection, remove = _first(alert_bits(obs, CONNECTION), ActionKind.REMOVE)
        action = np.where(process, restore, np.where(connection, remove, SLEEP))
        return np.where(free, action, SLEEP)


class AnalysesThenRestores(Planted):
    """On a process alert: Analyses the first such host, and Restores it in the next free step,
    whatever that step shows. Else Analyses the hosts in turn."""

    state = ("_rota", "_pending")

    def begin(self, mask: BoolArray) -> None:
        self._rota = Rota(mask, ActionKind.ANALYSE)
        self._pending = np.full((len(mask), N_BLUE), -1)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        alerts = alert_bits(obs, PROCESS)
        second = free & (self._pending >= 0)
        first = free & ~second & alerts.any(axis=-1)
        slot = alerts.argmax(axis=-1)
        action = np.where(
            second,
            ON_HOST[ActionKind.RESTORE][_AGENTS, self._pending],
            np.where(first, ON_HOST[ActionKind.ANALYSE][_AGENTS, slot], SLEEP),
        )
        self._pending = np.where(first, slot, np.where(second, -1, self._pending))
        return np.where(first | second, action, self._rota.next(free & ~first & ~second))


class BlocksOnAlert(Planted):
    """Blocks what comes from the internet into its first subnet (alphabetical) whenever any of its
    hosts shows a process alert; else sleeps. It never acts on a host."""

    _BLOCK: Final = np.array(
        [
            actions.index(agent, ActionKind.BLOCK, to_zone=zones[0], from_zone=INT)
            for agent, zones in enumerate(BLUE_ZONES)
        ]
    )

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        alarm = alert_bits(obs, PROCESS).any(axis=-1)
        return np.where(free & alarm, self._BLOCK, SLEEP)


class Chances(Planted):
    """Draws a kind with the given probabilities in every free step, and its host uniformly among
    the agent's; what is left of the probability is Sleep. It looks at nothing."""

    state = ("_generators",)

    def __init__(self, probabilities: Mapping[ActionKind, float]) -> None:
        super().__init__()
        self._kinds = [*probabilities, ActionKind.SLEEP]
        self._limits = np.cumsum(list(probabilities.values()))

    def begin(self, mask: BoolArray) -> None:
        self.reseed()

    def reseed(self) -> None:
        self._generators = [np.random.default_rng(20_000 + int(seed)) for seed in self._seeds]

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        draws = np.stack([generator.random((N_BLUE, 2)) for generator in self._generators])
        drawn = np.searchsorted(self._limits, draws[..., 0], side="right")
        exists = _existing(mask)
        rank = (draws[..., 1] * exists.sum(axis=-1)).astype(np.int64)
        slot = (np.cumsum(exists, axis=-1) > rank[..., None]).argmax(axis=-1)
        action = np.broadcast_to(SLEEP, drawn.shape)
        for position, kind in enumerate(self._kinds[:-1]):
            action = np.where(drawn == position, ON_HOST[kind][_AGENTS, slot], action)
        return np.where(free, action, SLEEP)


class RestoresFirstServers(Chances):
    """In each free step, with a chance of 30 %, Restores server_host_0 of its first subnet
    (alphabetical), where red comes first; else sleeps. It looks at nothing, and yet its actions and
    red's meet more often than elsewhere."""

    def __init__(self) -> None:
        super().__init__({ActionKind.RESTORE: 0.3})

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        acts = super().choose(obs, mask, free) != SLEEP
        return np.where(acts, ON_HOST[ActionKind.RESTORE][:, 0], SLEEP)


class EveryMth(Planted):
    """Restores its hosts in turn, one in every `period`-th step (0, period, ...); else sleeps.

    It looks at nothing. `period` must be 5 or more, so that the agent is always free.
    """

    state = ("_rota",)

    def __init__(self, period: int) -> None:
        super().__init__()
        self._period = period

    def begin(self, mask: BoolArray) -> None:
        self._rota = Rota(mask, ActionKind.RESTORE)
        self._step = 0

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        turn = self._step % self._period == 0
        self._step += 1
        return self._rota.next(free & turn)


class AnswersMessages(Planted):
    """Agent 0 sets its first message bit while a host of its own shows a process alert, and sleeps.
    Agents 1 to 3 Restore server_host_0 of their subnet in the step in which they see that bit (the
    step after the alert was shown to agent 0), and sleep else. Agent 4 sleeps."""

    _LISTENERS: Final = np.array([1, 2, 3])
    # Agent 0 is the first of everybody else's senders.
    _BIT: Final = np.array(
        [observations.OFFSETS[a] + observations.message_slice(a).start for a in (1, 2, 3)]
    )

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: npt.NDArray[Any] | None = None,
    ) -> Decision:
        messages = np.zeros((len(obs), N_BLUE, observations.MESSAGE_BITS), dtype=np.uint8)
        messages[:, 0, 0] = alert_bits(obs, PROCESS)[:, 0].any(axis=-1)
        return Decision(super().act(obs, mask, free, instead).actions, messages)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        told = np.zeros_like(free)
        told[:, self._LISTENERS] = obs[:, self._BIT] != 0
        return np.where(free & told, ON_HOST[ActionKind.RESTORE][:, 0], SLEEP)


class RestoresRoot(Planted):
    """Restores the first host on which red is root, in the step that begins so; else sleeps.

    No observation tells that: `record` lets it see the true state.
    """

    env: Env

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        root = (self.env.truth().host_level[:, HOST] == 2) & (HOST >= 0)
        alarm, restore = _first(root, ActionKind.RESTORE)
        return np.where(free & alarm, restore, SLEEP)


def _existing(mask: BoolArray) -> BoolArray:
    """Hosts that exist, by agent and slot: those that may be Analysed."""
    index = ON_HOST[ActionKind.ANALYSE]
    valid: BoolArray = mask[:, index + np.array(actions.OFFSETS)[:, None]] & (index >= 0)
    return valid


PLANTED: Final[dict[str, Any]] = {
    "restores_on_process": RestoresOnProcess,
    "ignores_subnet": IgnoresSubnet,
    "restores_later": lambda: RestoresLater(3),
    "by_phase": ByPhase,
    "removes_and_restores": RemovesAndRestores,
    "analyses_then_restores": AnalysesThenRestores,
    "blocks_on_alert": BlocksOnAlert,
    "chances": lambda: Chances(
        {ActionKind.ANALYSE: 0.3, ActionKind.REMOVE: 0.1, ActionKind.RESTORE: 0.15}
    ),
    "restores_first_servers": RestoresFirstServers,
    "every_tenth": lambda: EveryMth(10),
    "answers_messages": AnswersMessages,
    "restores_root": RestoresRoot,
}
"""Every planted policy with its usual parameters, by name."""


class _Showing:
    """The engine, which shows its environments to a policy that may see the truth."""

    def __init__(self, policy: Policy) -> None:
        self._engine = Engine()
        self._policy = policy

    def describe(self) -> dict[str, Any]:
        return self._engine.describe()

    def make(self, n_envs: int, params: EnvParams) -> Env:
        env = self._engine.make(n_envs, params)
        if isinstance(self._policy, RestoresRoot):
            self._policy.env = env
        return env


def planted(name: str) -> Policy:
    """A new policy: one of `PLANTED`, or a built-in one."""
    return PLANTED[name]() if name in PLANTED else load_policy(name)


def record(
    folder: Path,
    policy: str | Policy,
    episodes: int,
    *,
    first_seed: int = 7,
    steps: int = 500,
    observations: bool = True,
    **options: Any,
) -> Trace:
    """Record a planted or a built-in policy in the real engine."""
    player = planted(policy) if isinstance(policy, str) else policy
    recording = Recording(
        folder,
        player,
        np.arange(first_seed, first_seed + episodes),
        EnvParams(steps=steps),
        engine=_Showing(player),  # type: ignore[arg-type]
        with_observations=observations,
        **options,
    )
    recording.run()
    return open_trace(folder)
