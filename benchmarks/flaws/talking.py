"""An expert whose agents tell each other what they see, and what can be wrong with that."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.flaws.base import Flawed
from benchmarks.flaws.lapses import TEAM, by_agent
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import SLOT_AGENT, SLOT_IS_SERVER, SLOT_IS_USER
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.cc4.phases import DEFAULT_STEPS
from cagexplain.common.arrays import BoolArray, Int32Array, Int64Array
from cagexplain.policies.base import Decision, Instead
from cagexplain.policies.knowledge import NEVER
from cagexplain.policies.scripted.expert import Expert, Rule

ALERT, EXPLOIT = range(2)
"""Bits of a message: an own host shows a process alert; one shows both alerts, an exploit through
SSH. The other bits stay 0."""
VIGILANCE: Final = 10
"""Steps for which a host that was looked at is not looked at again on hearsay."""
LONG: Final = 100
"""Steps since a user host's last Restore after which hearsay is believed."""


class Talks(Expert):
    """Tells the others what it sees, and heeds what they tell.

    An exploit through SSH lights the host that it came from, which may be another agent's: whoever
    hears of one takes lone connection alerts of that step on user hosts that were not restored for
    long for sources, too. An agent with nothing better to do looks at its servers in turn while
    others report alerts.
    """

    state = (*Expert.state, "_hearsay_at")

    def begin(self, mask: BoolArray) -> None:
        """Nothing was told."""
        super().begin(mask)
        self._hearsay_at = np.full_like(self.now.source_at, NEVER)

    def take_in(self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray) -> None:
        """And listen: what is heard was sent a step ago, on what was seen then."""
        now = self.now
        lone = now.connection & ~now.process
        super().take_in(obs, mask, free)
        source = lone & self.heard(EXPLOIT)[:, SLOT_AGENT] & SLOT_IS_USER & (self.age() > LONG)
        self._hearsay_at = np.where(source, now.clock[:, None] - 1, self._hearsay_at)

    def heard(self, bit: int) -> BoolArray:
        """Whether any other agent has sent a bit: ``bool[n, 5]``."""
        messages = self.now.messages.reshape(-1, N_BLUE, N_BLUE - 1, MESSAGE_BITS)
        heard: BoolArray = np.any(messages[..., bit], axis=2)
        return heard

    def evidence_at(self) -> Int32Array:
        """Also by what the others told."""
        return np.maximum(super().evidence_at(), self._hearsay_at)

    def playbook(self) -> tuple[Rule, ...]:
        """Vigilance comes last."""
        return *super().playbook(), self.watch

    def watch(self) -> Int64Array:
        """Look at the server that nobody has looked at for longest, while others report alerts."""
        alarmed = self.heard(ALERT)[:, SLOT_AGENT] & SLOT_IS_SERVER
        unwatched = self.now.since(self.looked_at())
        return self.best(ActionKind.ANALYSE, alarmed & (unwatched > VIGILANCE), unwatched)

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Choose, and tell."""
        return replace(super().act(obs, mask, free, instead), messages=self.tell())

    def tell(self) -> npt.NDArray[np.uint8]:
        """What each agent sends: ``uint8[n, 5, 8]``."""
        messages = np.zeros((*self.now.free.shape, MESSAGE_BITS), np.uint8)
        messages[..., ALERT] = by_agent(self.now.process)
        messages[..., EXPLOIT] = by_agent(self.now.process & self.now.connection)
        return messages


class Lies(Flawed, Talks):
    """Tells the opposite of what it sees.

    Args:
        agents: numbers of those that lie.
        first, end: the steps in which they do, the last one excluded.
    """

    state = Talks.state

    def __init__(
        self, name: str, agents: tuple[int, ...] = TEAM, first: int = 0, end: int = DEFAULT_STEPS
    ) -> None:
        super().__init__(name)
        self.agents = np.isin(TEAM, agents)
        self.first, self.end = first, end

    def tell(self) -> npt.NDArray[np.uint8]:
        """The bits that mean something, the wrong way round."""
        messages = super().tell()
        clock = self.now.clock[:, None]
        lies = self.agents & (clock >= self.first) & (clock < self.end)
        messages[..., [ALERT, EXPLOIT]] ^= lies[..., None]
        return messages
