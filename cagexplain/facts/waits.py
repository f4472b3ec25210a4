"""Times between two moments of red's stay on a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import numpy as np

from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.stays import NEVER, Stays

Onset = Literal["all", "visible", "silent"]
Moment = Literal["on", "alert", "response", "answer", "clear"]
"""Of a stay, as the columns of `Stays`."""

_OF_ONSET: Final[Mapping[Onset, Callable[[Stays], BoolArray]]] = {
    "all": lambda stays: np.ones(len(stays), dtype=np.bool_),
    "visible": lambda stays: stays.visible,
    "silent": lambda stays: ~stays.visible,
}


def waits(stays: Stays, begin: Moment, end: Moment, onset: Onset = "all") -> Cases:
    """Stays that have the first moment, at which the case is; a hit has the second one, and the
    duration goes until then. Without it the time is censored where the stay was last looked at.

    Args:
        stays: of red; the row of a case is the episode of its stay.
        begin, end: the moments.
        onset: which stays.
    """
    since, until = getattr(stays, begin), getattr(stays, end)
    seen, known = until != NEVER, (since != NEVER) & _OF_ONSET[onset](stays)
    # Whether red has left is known one step longer than what blue saw and did meanwhile.
    last = stays.end if end == "clear" else stays.end - 1
    return cases(
        stays.episode,
        since,
        seen,
        agent=BLUE_OF_HOST[stays.host],
        host=stays.host,
        duration=np.where(seen, until, last) - since,
    ).where(known)


def incidents(stays: Stays, hit: BoolArray | bool = True) -> Cases:
    """All stays, at their onset.

    Args:
        stays: of red.
        hit: ``bool[stay]``.
    """
    return cases(stays.episode, stays.on, hit, agent=BLUE_OF_HOST[stays.host], host=stays.host)
