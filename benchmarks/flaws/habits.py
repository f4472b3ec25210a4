"""Bad habits on some hosts, of some agents or in some phase only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import EVERYWHERE, Flawed
from benchmarks.flaws.seeing import Late
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import (
    ACTION_SLOT,
    N_LINKS,
    N_SLOTS,
    NONE,
    ON_SLOT,
    PHASE,
)
from cagexplain.cc4.observations import HOSTS_PER_BLOCK
from cagexplain.common.arrays import BoolArray, Int32Array, Int64Array
from cagexplain.policies.knowledge import NEVER


class Forgetful(Flawed):
    """Answers alerts in the step that shows them, and forgets those that it does not answer then.

    Args:
        where: slots whose alerts are forgotten.
    """

    def __init__(self, name: str, where: BoolArray = EVERYWHERE) -> None:
        super().__init__(name)
        self.where = where

    def known(self) -> BoolArray:
        """By what is shown."""
        return super().known() & ~self._forgotten(self.evidence_at())

    def unclear(self) -> BoolArray:
        """Among what is shown."""
        return super().unclear() & ~self._forgotten(self.now.alerted_at)

    def _forgotten(self, at: Int32Array) -> BoolArray:
        return self.where & (self.now.since(at) > 0)


class WrongHost(Flawed):
    """Restores the next host of the subnet, and takes the one that it meant for clean.

    Args:
        where: slots whose next host is hit in their place.
    """

    state = (*Flawed.state, "_next")

    def __init__(self, name: str, where: BoolArray = EVERYWHERE) -> None:
        super().__init__(name)
        self.where = where

    def begin(self, mask: BoolArray) -> None:
        """Which hosts there are."""
        super().begin(mask)
        self._next = next_slots(mask[:, ON_SLOT[ActionKind.ANALYSE]])

    def known(self) -> BoolArray:
        """But for what it believes to have restored."""
        believed = np.take_along_axis(self.now.restored_at, self._next, axis=1)
        return super().known() & ~(self.where & (believed > self.evidence_at()))

    def restore(self) -> Int64Array:
        """The next host."""
        meant = super().restore()
        slot = np.where(meant != NONE, ACTION_SLOT[meant], 0)
        wrong = ON_SLOT[ActionKind.RESTORE][np.take_along_axis(self._next, slot, axis=1)]
        return np.where((meant != NONE) & self.where[slot], wrong, meant)


def next_slots(exists: BoolArray) -> Int64Array:
    """The next existing host of the same subnet, after the last one the first: ``int64[n, 112]``.

    Args:
        exists: ``bool[n, 112]``.
    """
    slots = np.arange(N_SLOTS)
    block = slots - slots % HOSTS_PER_BLOCK
    following = np.tile(slots, (len(exists), 1))
    for ahead in reversed(range(1, HOSTS_PER_BLOCK)):
        candidate = block + (slots + ahead) % HOSTS_PER_BLOCK
        following = np.where(exists[:, candidate], candidate, following)
    return following


class Spares(Flawed):
    """Never does something on some hosts.

    Args:
        action_type: that it never does.
        where: slots of these hosts.
    """

    def __init__(self, name: str, action_type: ActionKind, where: BoolArray) -> None:
        super().__init__(name)
        self.action_type = action_type
        self.where = where

    def best(
        self, action_type: ActionKind, wanted: BoolArray, urgency: npt.ArrayLike
    ) -> Int64Array:
        """One of the other hosts."""
        spared = self.where & (action_type == self.action_type)
        return super().best(action_type, wanted & ~spared, urgency)


class LeavesSources(Flawed):
    """Cleans the targets of attacks, and leaves the hosts that they came from.

    Args:
        where: slots of sources that are left.
    """

    def __init__(self, name: str, where: BoolArray = EVERYWHERE) -> None:
        super().__init__(name)
        self.where = where

    def evidence_at(self) -> Int32Array:
        """Of targets, there."""
        source_at = np.where(self.where, NEVER, self.now.source_at)
        return np.maximum(self.target_at(), source_at)


class Alarmist(Flawed):
    """Restores in place of a look: it takes every alert for an intrusion.

    Args:
        where: slots of hosts where it does.
    """

    def __init__(self, name: str, where: BoolArray = EVERYWHERE) -> None:
        super().__init__(name)
        self.where = where

    def evidence_at(self) -> Int32Array:
        """Any alert, there, also of the connections that users make to servers every day."""
        alerted_at = np.where(self.where, self.now.alerted_at, NEVER)
        return np.maximum(super().evidence_at(), alerted_at)


class Opens(Flawed):
    """Leaves links open that the policy closes.

    Args:
        links: which, ``bool[56]``.
    """

    def __init__(self, name: str, links: BoolArray) -> None:
        super().__init__(name)
        assert links.shape == (N_LINKS,)
        self.links = links

    def closed(self) -> BoolArray:
        """The others."""
        return super().closed() & ~self.links


class LateInPhase(Late):
    """Sees alerts some steps after they were shown, while a mission phase runs.

    Args:
        delay: steps.
        phase: number of the phase.
    """

    def __init__(self, name: str, delay: int, phase: int) -> None:
        super().__init__(name, delay)
        self.phase = phase

    def take_in(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> None:
        """In which phase, first."""
        self._slow = obs[:, PHASE[0], None] == self.phase
        super().take_in(obs, mask, free)

    def alerts(
        self, process: BoolArray, connection: BoolArray, free: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """What the phase holds back comes later, everything else at once."""
        late = super().alerts(process & self._slow, connection & self._slow, free)
        return late[0] | (process & ~self._slow), late[1] | (connection & ~self._slow)
