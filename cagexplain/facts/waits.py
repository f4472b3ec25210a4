"""Times between two moments of an incident."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import numpy as np

from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.incidents import NEVER, Incidents

Onset = Literal["all", "visible", "silent"]
Moment = Literal["on", "alert", "response", "answer", "clear"]
"""Of an incident, as the columns of `Incidents`."""

_OF_ONSET: Final[Mapping[Onset, Callable[[Incidents], BoolArray]]] = {
    "all": lambda incidents: np.ones(len(incidents), dtype=np.bool_),
    "visible": lambda incidents: incidents.visible,
    "silent": lambda incidents: ~incidents.visible,
}


def waits(incidents: Incidents, begin: Moment, end: Moment, onset: Onset = "all") -> Cases:
    """Incidents that have the first moment, at which the case is; a hit has the second one, and the
    duration goes until then. Without it the time is censored where the incident was last looked at.

    Args:
        incidents: the row of a case is the episode of its incident.
        begin, end: the moments.
        onset: which incidents.
    """
    since, until = getattr(incidents, begin), getattr(incidents, end)
    hit, known = until != NEVER, (since != NEVER) & _OF_ONSET[onset](incidents)
    # Whether red has left is known one step longer than what blue saw and did meanwhile.
    last = incidents.end if end == "clear" else incidents.end - 1
    return cases(
        incidents.episode,
        since,
        hit,
        agent=BLUE_OF_HOST[incidents.host],
        host=incidents.host,
        duration=np.where(hit, until, last) - since,
    ).where(known)


def at_onset(incidents: Incidents, hit: BoolArray | bool = True) -> Cases:
    """All incidents, at their onset.

    Args:
        incidents: all that count.
        hit: ``bool[incident]``, or one value for all.
    """
    return cases(
        incidents.episode,
        incidents.on,
        hit,
        agent=BLUE_OF_HOST[incidents.host],
        host=incidents.host,
    )
