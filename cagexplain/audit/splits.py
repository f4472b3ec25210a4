"""Ways to cut the cases of a check into parts: by agent, subnet, phase, kind of host, link, ..."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.cc4 import agents, network, phases
from cagexplain.common.arrays import IntArray
from cagexplain.facts.cases import Cases
from cagexplain.facts.links import phase_starts
from cagexplain.facts.view import View

Number = Callable[[View, Cases], IntArray]
"""Which part each case belongs to, ``int[case]``; -1 for none."""

AROUND: Final = 15
"""Steps before and after a change of phase that count as near it."""


@dataclass(frozen=True)
class Split:
    """A way to cut cases into parts.

    Attributes:
        kinds: what tells the parts apart: one thing, or two at once.
        names: of the parts: a name for each of `kinds`.
        number: of the part of each case.
    """

    kinds: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    number: Number

    def __mul__(self, other: Split) -> Split:
        """Cuts by both."""

        def number(view: View, cases: Cases) -> IntArray:
            one, two = self.number(view, cases), other.number(view, cases)
            both: IntArray = np.where((one >= 0) & (two >= 0), one * len(other.names) + two, -1)
            return both

        names = tuple(one + two for one in self.names for two in other.names)
        return Split(self.kinds + other.kinds, names, number)


def _by(kind: str, names: tuple[str, ...], number: Number) -> Split:
    return Split((kind,), tuple((name,) for name in names), number)


def _subnet(view: View, cases: Cases) -> IntArray:
    subnet: IntArray = np.where(
        cases.host >= 0, network.HOST_ZONE[cases.host], np.asarray(cases.to_zone)
    )
    return subnet


def _phase(view: View, cases: Cases) -> IntArray:
    return np.asarray(view.batch.phase[cases.row, cases.step])


def _host_kind(view: View, cases: Cases) -> IntArray:
    return np.where(cases.host >= 0, network.HOST_KIND[cases.host], -1)


def _link(view: View, cases: Cases) -> IntArray:
    link: IntArray = cases.to_zone * network.N_ZONES + cases.from_zone
    return np.where((cases.to_zone >= 0) & (cases.from_zone >= 0), link, -1)


def _busy(view: View, cases: Cases) -> IntArray:
    """Only for cases of hosts: links and decisions are not asked of a busy agent."""
    busy = ~view.batch.started[cases.row, cases.step, cases.agent]
    return np.where((cases.agent >= 0) & (cases.host >= 0), busy, -1)


def _near_change(view: View, cases: Cases) -> IntArray:
    after = cases.step[:, None] - view.shared(phase_starts)[cases.row, 1:]
    return np.select(
        [
            ((after < 0) & (after >= -AROUND)).any(axis=1),
            ((after >= 0) & (after < AROUND)).any(axis=1),
        ],
        [0, 1],
        2,
    )


AGENT: Final = _by("agent", agents.BLUE, lambda view, cases: cases.agent)
_SUBNET: Final = _by("zone", network.ZONES, _subnet)
_PHASE: Final = _by("phase", phases.PHASE_NAMES, _phase)
_KIND: Final = _by("host kind", network.KIND_NAMES, _host_kind)
_BUSY: Final = _by("agent was", ("free", "busy"), _busy)
_LINK: Final = _by(
    "link", tuple(f"{to} from {of}" for to in network.ZONES for of in network.ZONES), _link
)
_CHANGE: Final = _by(
    "change of phase",
    (f"{AROUND} steps before one", f"{AROUND} steps after one", "away from one"),
    _near_change,
)

PLAIN: Final = (AGENT, _SUBNET, _PHASE, _KIND, _BUSY, _LINK, _CHANGE)
"""Cuts by one thing, which the pages show in tables."""
SPLITS: Final = (*PLAIN, *(AGENT * other for other in (_PHASE, _KIND, _BUSY)), _SUBNET * _BUSY)
"""All cuts but those by time and by episode, which `cagexplain.audit.stretches` makes."""
