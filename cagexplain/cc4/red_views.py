"""What red agents observe, and how one chooses in their place.

This is what CybORG's red has: its own state machine, the sessions that the check at the end of each
step lists, and the results of its own actions. The mission phase, other agents' beliefs and blue's
actions are not in it. An agent without a session is not asked: it has no clock.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.agents import N_RED
from cagexplain.cc4.network import N_HOSTS, N_REAL_ZONES
from cagexplain.cc4.red_table import CHOICES

TABLE: Final = -1
"""The action of a choice that is left to red's table."""
AUTOMATIC: Final = -1
"""The source of a choice that is left to red's table."""
NO_SESSION, USER, ROOT = range(3)
"""The best session that an agent has on a host."""

CHOICE: Final = 3
"""Numbers of a choice: a ``RedAction``, the host (for DiscoverRemoteSystems the zone) that it is
aimed at, the id of the session that it comes from."""


class RedView(NamedTuple):
    """What the six red agents of ``n`` environments know before they choose.

    Attributes:
        active: ``bool[n, 6]`` it has a session.
        free: ``bool[n, 6]`` it is active and has no action in progress: it chooses now.
        state: ``int8[n, 6, 137]`` ``red_fsm.State`` of each host.
        named: ``bool[n, 6, 137]`` it knows the host's name.
        session: ``int8[n, 6, 137]`` `NO_SESSION`, `USER` or `ROOT`.
        scanned_by: ``int16[n, 6, 137]`` id of the session that scanned the host last; -1: none, or
            red's table chooses its sources blindly, which notes none.
        ready: ``bool[n, 6, 137]`` that session is alive, so that an Exploit can come from it.
        zone: ``bool[n, 6, 8]`` zones that it can sweep.
        done: ``int8[n, 6]`` its action that has just ended; -1: none, or one that was dropped, as
            its session had gone.
        success: ``bool[n, 6]`` of that.
        done_host: ``int16[n, 6]``, done_zone: ``int8[n, 6]`` that it was aimed at.
    """

    active: npt.NDArray[np.bool_]
    free: npt.NDArray[np.bool_]
    state: npt.NDArray[np.int8]
    named: npt.NDArray[np.bool_]
    session: npt.NDArray[np.int8]
    scanned_by: npt.NDArray[np.int16]
    ready: npt.NDArray[np.bool_]
    zone: npt.NDArray[np.bool_]
    done: npt.NDArray[np.int8]
    success: npt.NDArray[np.bool_]
    done_host: npt.NDArray[np.int16]
    done_zone: npt.NDArray[np.int8]

    @classmethod
    def nothing(cls, n: int) -> RedView:
        """Of ``n`` environments in which nothing is known."""
        agents, hosts = (n, N_RED), (n, N_RED, N_HOSTS)
        return cls(
            active=np.zeros(agents, np.bool_),
            free=np.zeros(agents, np.bool_),
            state=np.zeros(hosts, np.int8),
            named=np.zeros(hosts, np.bool_),
            session=np.zeros(hosts, np.int8),
            scanned_by=np.full(hosts, -1, np.int16),
            ready=np.zeros(hosts, np.bool_),
            zone=np.zeros((n, N_RED, N_REAL_ZONES), np.bool_),
            done=np.full(agents, -1, np.int8),
            success=np.zeros(agents, np.bool_),
            done_host=np.full(agents, -1, np.int16),
            done_zone=np.full(agents, -1, np.int8),
        )

    def choices(self) -> npt.NDArray[np.bool_]:
        """``bool[n, 6, 137, 9]``: what the agents may do to which host. Nothing, unless they are
        free; Impact and Degrade only where they hold root. DiscoverRemoteSystems is aimed at one
        of `zone`."""
        root = (self.session == ROOT).astype(np.int8)
        usable: npt.NDArray[np.bool_] = CHOICES[root, self.state]
        return usable & self.free[:, :, None, None]


def no_choices(n: int) -> npt.NDArray[np.int64]:
    """``int64[n, 6, 3]``: choices for ``n`` environments that leave everything to red's table."""
    choices = np.full((n, N_RED, CHOICE), AUTOMATIC, np.int64)
    choices[:, :, 0] = TABLE
    return choices
