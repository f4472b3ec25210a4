"""Scripted blue policies.

Thirteen of them are those whose returns the reference data records for the real CC4 simulator;
their rules are kept to the letter, so that the same seed gives the same episode. `punch` is the
published rule of the CC4 team of that name, as far as the flat observation carries it.

Two words are used throughout. An agent is *free* when its submission will start; all policies but
`sleep`, `monitor`, `random` and `restore_spam` submit Sleep while busy. A *slot* is a position
among an agent's host actions of one class, the same as that of the host's alert bits: by subnet
(alphabetical), then servers, then user hosts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.common.arrays import BoolArray, Int64Array, IntArray
from cagexplain.policies.base import Decision, Instead, done

SLEEP: Final = np.array(actions.SLEEP_INDEX, dtype=np.int64)
NO_SLOT: Final = -1


def _ragged(rows: list[list[int]]) -> tuple[Int64Array, BoolArray]:
    """Stack rows of different lengths: values (padded with 0) and which of them are real."""
    width = max(len(row) for row in rows)
    values = np.zeros((len(rows), width), dtype=np.int64)
    real = np.zeros((len(rows), width), dtype=np.bool_)
    for i, row in enumerate(rows):
        values[i, : len(row)] = row
        real[i, : len(row)] = True
    return values, real


def _indices(*kinds: ActionKind) -> tuple[Int64Array, BoolArray]:
    """Each agent's action indices of some classes, class after class: ``[5, k]``."""
    return _ragged(
        [
            [int(i) for kind in kinds for i in np.flatnonzero(actions.KIND[agent] == kind)]
            for agent in range(N_BLUE)
        ]
    )


MASK_OFFSET: Final = np.array(actions.OFFSETS, dtype=np.int64)[:, None]

HOST_ACTIONS: Final = {kind: _indices(kind)[0] for kind in sorted(actions.HOST_KINDS)}
"""Action index by class, agent and slot."""


def slots_of(kind: ActionKind) -> Int64Array:
    """Slot of each action of a class, `NO_SLOT` for the other actions: ``[5, 242]``."""
    slots = np.full((N_BLUE, max(actions.SIZES)), NO_SLOT)
    for agent in range(N_BLUE):
        own = np.flatnonzero(actions.KIND[agent] == kind)
        slots[agent, own] = np.arange(len(own))
    return slots


_ANALYSED_SLOT: Final = slots_of(ActionKind.ANALYSE)
_RESTORED_SLOT: Final = slots_of(ActionKind.RESTORE)


def _slot_entries(bit: Callable[[int, int], int]) -> tuple[Int64Array, BoolArray]:
    """Entries of the concatenated observation with a kind of alert bit, by agent and slot."""
    return _ragged(
        [
            [observations.OFFSETS[agent] + bit(agent, int(host)) for host in hosts]
            for agent, hosts in enumerate(observations.HOSTS)
        ]
    )


PROCESS, IS_SLOT = _slot_entries(observations.process_bit)
CONNECTION, _ = _slot_entries(observations.connection_bit)


def alerts(obs: npt.NDArray[np.int8], entries: Int64Array) -> BoolArray:
    """Alert bits of this step, by agent and slot: ``bool[n, 5, 48]``."""
    return np.not_equal(obs[:, entries], 0) & IS_SLOT


def first_of(flags: BoolArray) -> tuple[BoolArray, Int64Array]:
    """Whether any flag of the last axis is set, and the position of the first one."""
    return np.any(flags, axis=-1), np.argmax(flags, axis=-1)


def _copied(state: Any, rows: IntArray) -> Any:
    """What a policy keeps per environment, for copies of some of them."""
    if isinstance(state, Rota):
        return state.branch(rows)
    if isinstance(state, list):
        return [copy.deepcopy(state[i]) for i in rows]
    return state[rows]


class Rota:
    """Each agent's valid actions of some classes, taken in turn.

    Args:
        mask: ``bool[n, 570]`` valid actions of the episode.
        kinds: action classes, in the order in which they are gone through.
    """

    def __init__(self, mask: BoolArray, *kinds: ActionKind) -> None:
        index, real = _indices(*kinds)
        valid = mask[:, index + MASK_OFFSET] & real
        first_valid = np.argsort(~valid, axis=-1, kind="stable")
        self._order = np.take_along_axis(np.broadcast_to(index, valid.shape), first_valid, axis=-1)
        self._count = valid.sum(axis=-1)
        self._taken = np.zeros_like(self._count)

    def next(self, turn: BoolArray) -> Int64Array:
        """The next action of each agent whose turn it is, Sleep for the others (``[n, 5]``)."""
        turn = turn & (self._count > 0)
        position = self._taken % np.maximum(self._count, 1)
        action = np.take_along_axis(self._order, position[..., None], axis=-1)[..., 0]
        self._taken += turn
        return np.where(turn, action, SLEEP)

    def branch(self, rows: IntArray) -> Rota:
        """The same, as far gone, for copies of some environments (m)."""
        twin = copy.copy(self)
        for name in ("_order", "_count", "_taken"):
            setattr(twin, name, getattr(self, name)[rows])
        return twin

    @property
    def unfinished(self) -> BoolArray:
        """Agents that have not yet gone through all their actions once (``[n, 5]``)."""
        unfinished: BoolArray = self._taken < self._count
        return unfinished


class Scripted:
    """What scripted policies share: neither messages nor probabilities, state set up at step 0."""

    kind: Literal["scripted", "checkpoint"] = "scripted"

    rests: ClassVar[bool] = False
    """Whether the rule submits Sleep or Monitor while free, so that Sleep cannot be masked."""

    state: ClassVar[tuple[str, ...]] = ()
    """Attributes with an entry per environment that `begin` sets: arrays, lists, a `Rota`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._begun = False

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes."""
        self._seeds = np.asarray(seeds)
        self._begun = False

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Choose by the rule. Its rota goes on even if something else is done `instead`."""
        if not self._begun:
            self.begin(mask)
            self._begun = True
        chosen = done(self.choose(obs, mask, free), instead)
        self.submitted(chosen, free)
        return Decision(chosen)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments."""
        twin = copy.copy(self)
        twin._seeds = self._seeds[rows] if seeds is None else np.asarray(seeds)
        if self._begun:
            for name in self.state:
                setattr(twin, name, _copied(getattr(self, name), rows))
            if seeds is not None:
                twin.reseed()
        return twin

    def describe(self) -> dict[str, Any]:
        """Name and rule."""
        return {"kind": self.kind, "name": self.name, "rule": BUILTIN[self.name].summary}

    def begin(self, mask: BoolArray) -> None:
        """Set up the state of new episodes, whose valid actions are now known."""

    def reseed(self) -> None:
        """Begin the streams of random numbers of new seeds, if there are any."""

    def submitted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember the actions ``[n, 5]`` that were submitted."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Actions ``int64[n, 5]``."""
        raise NotImplementedError


class Constant(Scripted):
    """The same action in every step."""

    rests = True

    def __init__(self, name: str, indices: tuple[int, ...]) -> None:
        super().__init__(name)
        self._indices = np.array(indices, dtype=np.int64)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return np.tile(self._indices, (len(mask), 1))


class Random(Scripted):
    """Uniform over the valid actions in every step, busy or not.

    The stream is that of the reference data: ``default_rng(10000 + seed)``, one choice per agent
    and step in agent order. A broadcast ``integers`` call draws the same numbers.
    """

    state = ("_generators",)

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        self.reseed()

    def reseed(self) -> None:
        """A generator for each seed."""
        self._generators = [np.random.default_rng(10_000 + int(seed)) for seed in self._seeds]

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        parts = [mask[:, actions.slice_of(agent)] for agent in range(N_BLUE)]
        counts = np.stack([part.sum(axis=1) for part in parts], axis=1)
        ranks = np.stack([g.integers(0, n) for g, n in zip(self._generators, counts, strict=True)])
        # The action of rank r is the first one up to which r + 1 actions are valid.
        return np.stack(
            [
                (np.cumsum(part, axis=1) > ranks[:, agent, None]).argmax(axis=1)
                for agent, part in enumerate(parts)
            ],
            axis=1,
        )


class Cycle(Scripted):
    """All valid actions of some classes in turn, for ever, one whenever the agent is free."""

    state = ("_rota",)

    def __init__(self, name: str, *kinds: ActionKind) -> None:
        super().__init__(name)
        self._kinds = kinds

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        self._rota = Rota(mask, *self._kinds)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return self._rota.next(free)


class Spam(Cycle):
    """A cycle that goes on while the agent is busy: most submissions are ignored, all are paid."""

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return self._rota.next(np.ones_like(free))


class Once(Cycle):
    """A cycle that is gone through once, then Sleep."""

    rests = True

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        return self._rota.next(free & self._rota.unfinished)


class Reactive(Scripted):
    """Respond to the first process alert of the last observation, else Analyse hosts in turn."""

    state = ("_rota",)

    def __init__(self, name: str, response: ActionKind) -> None:
        super().__init__(name)
        self._responses = HOST_ACTIONS[response]

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        self._rota = Rota(mask, ActionKind.ANALYSE)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        alarm, slot = first_of(alerts(obs, PROCESS))
        routine = self._rota.next(free & ~alarm)
        response = self._responses[np.arange(N_BLUE), slot]
        return np.where(free & alarm, response, routine)


class CommsBlock(Scripted):
    """Make the blocks agree with the comms policy that the observation shows, a pair at a time."""

    rests = True

    PAIRS: Final = [
        [(to, frm) for to in zones for frm in network.ALPHABETICAL if frm != to]
        for zones in BLUE_ZONES
    ]
    BLOCKED, REAL = _ragged(
        [
            [observations.OFFSETS[a] + observations.blocked_bit(a, to, frm) for to, frm in pairs]
            for a, pairs in enumerate(PAIRS)
        ]
    )
    PROHIBITED, _ = _ragged(
        [
            [observations.OFFSETS[a] + observations.policy_bit(a, to, frm) for to, frm in pairs]
            for a, pairs in enumerate(PAIRS)
        ]
    )
    BLOCK, _ = _indices(ActionKind.BLOCK)
    ALLOW, _ = _indices(ActionKind.ALLOW)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        prohibited = obs[:, self.PROHIBITED] != 0
        blocked = obs[:, self.BLOCKED] != 0
        wrong, pair = first_of((prohibited != blocked) & self.REAL)
        agents = np.arange(N_BLUE)
        block = np.take_along_axis(prohibited, pair[..., None], axis=-1)[..., 0]
        correction = np.where(block, self.BLOCK[agents, pair], self.ALLOW[agents, pair])
        return np.where(free & wrong, correction, SLEEP)


class Punch(Scripted):
    """Analyse each host in turn, and Restore it when it looks compromised.

    The published rule decides on the files that Analyse lists. The flat observation does not carry
    them, so here Analyse tells nothing and only costs its two steps. What is left of "looks
    compromised" is that an alert, of either kind, was shown on the host since it was last restored.
    Alerts are shown for one step only, so they are remembered until the host's turn, also while
    the agent is busy. This misses what raises no alert (users who were phished, escalation), and
    restores hosts that were only scanned, or falsely reported.
    """

    state = ("_rota", "_suspect", "_analysed", "_restored")

    def begin(self, mask: BoolArray) -> None:
        """Set up new episodes."""
        self._rota = Rota(mask, ActionKind.ANALYSE)
        self._suspect = np.zeros((len(mask), *IS_SLOT.shape), dtype=np.bool_)
        self._analysed = np.full((len(mask), N_BLUE), NO_SLOT)
        self._restored = np.full((len(mask), N_BLUE), NO_SLOT)

    def choose(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> Int64Array:
        """Choose by the rule."""
        # A Restore undoes what was seen on its host until then. Red acts after blue, so what the
        # step of its completion shows, which is this observation, counts again.
        env, agent = np.nonzero(free & (self._restored != NO_SLOT))
        self._suspect[env, agent, self._restored[env, agent]] = False
        self._suspect |= alerts(obs, PROCESS) | alerts(obs, CONNECTION)

        slot = np.maximum(self._analysed, 0)
        looks_compromised = np.take_along_axis(self._suspect, slot[..., None], axis=-1)[..., 0]
        restore = free & (self._analysed != NO_SLOT) & looks_compromised
        analyse = free & ~restore
        return np.where(
            restore,
            HOST_ACTIONS[ActionKind.RESTORE][np.arange(N_BLUE), slot],
            self._rota.next(analyse),
        )

    def submitted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember which host is analysed or restored, if any."""
        agents = np.arange(N_BLUE)
        self._analysed = np.where(free, _ANALYSED_SLOT[agents, chosen], self._analysed)
        self._restored = np.where(free, _RESTORED_SLOT[agents, chosen], self._restored)


@dataclass(frozen=True)
class Builtin:
    """An entry of the table of built-in policies.

    Attributes:
        summary: one line about the rule.
        rule: class of the policy, called with its name and `arguments`.
    """

    summary: str
    rule: Callable[..., Scripted]
    arguments: tuple[Any, ...] = ()

    def make(self, name: str) -> Scripted:
        """The policy."""
        return self.rule(name, *self.arguments)


_K = ActionKind


def _expert(name: str) -> Scripted:
    from cagexplain.policies.scripted.expert import Expert  # builds on this module

    return Expert(name)


BUILTIN: Final[Mapping[str, Builtin]] = MappingProxyType(
    {
        "sleep": Builtin("Sleep in every step", Constant, (actions.SLEEP_INDEX,)),
        "random": Builtin("a random valid action in every step, busy or not", Random),
        "monitor": Builtin(
            "Monitor in every step, which is the same as Sleep",
            Constant,
            (actions.MONITOR_INDEX,),
        ),
        "analyse_cycle": Builtin("Analyse every host in turn", Cycle, (_K.ANALYSE,)),
        "remove_cycle": Builtin("Remove on every host in turn", Cycle, (_K.REMOVE,)),
        "restore_cycle": Builtin("Restore every host in turn", Cycle, (_K.RESTORE,)),
        "decoy_cycle": Builtin("DeployDecoy on every host in turn", Cycle, (_K.DECOY,)),
        "block_all_then_sleep": Builtin(
            "block all incoming traffic, then Sleep", Once, (_K.BLOCK,)
        ),
        "reactive": Builtin(
            "Restore on a process alert, else Analyse in turn", Reactive, (_K.RESTORE,)
        ),
        "reactive_remove": Builtin(
            "Remove on a process alert, else Analyse in turn", Reactive, (_K.REMOVE,)
        ),
        "comms_block": Builtin("block and allow traffic as the comms policy says", CommsBlock),
        "block_allow_cycle": Builtin(
            "block all incoming traffic, allow it again, and so on",
            Cycle,
            (_K.BLOCK, _K.ALLOW),
        ),
        "restore_spam": Builtin(
            "Restore every host in turn, in every step, busy or not", Spam, (_K.RESTORE,)
        ),
        "punch": Builtin("Analyse every host in turn, Restore it if it had alerts", Punch),
        "expert": Builtin("playbook: comms policy, Restore on evidence, decoys, hunt", _expert),
    }
)
"""The built-in policies by name."""
