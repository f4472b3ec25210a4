"""What several checks need to know about incidents and what happened on hosts meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import EVICTIONS, RESPONSES
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.facts.incidents import NEVER
from cagexplain.facts.view import View, all_incidents, connection, decisions, process, rows_of

_ALL_FILES = 2


@dataclass(frozen=True)
class Moments:
    """Steps at which something happened on a host, ready to be searched.

    Attributes:
        keys: ``int64[m]``, ascending: numbers that order moments by episode, host and step.
        steps: of an episode.
    """

    keys: npt.NDArray[np.int64]
    steps: int

    @classmethod
    def of(cls, view: View, row: IntArray, step: IntArray, host: IntArray) -> Moments:
        """Moments in any order; row, step and host: ``int[moment]`` each."""
        keys = (row.astype(np.int64) * network.N_HOSTS + host) * (view.steps + 1) + step
        return cls(np.sort(keys), view.steps)

    def next(self, row: IntArray, host: IntArray, start: IntArray, stop: Any) -> IntArray:
        """First step of each host with ``start <= step < stop``; `NEVER` if there is none.

        Args:
            row, host, start: ``int[k]`` each.
            stop: a number, or ``int[k]``.
        """
        first, last = self._between(row, host, start, stop)
        step = np.append(self.keys, 0)[first] % (self.steps + 1)
        return np.where(last > first, step, NEVER)

    def count(self, row: IntArray, host: IntArray, start: IntArray, stop: Any) -> IntArray:
        """How many steps of each host there are with ``start <= step < stop``.

        Args:
            row, host, start: ``int[k]`` each.
            stop: a number, or ``int[k]``.
        """
        first, last = self._between(row, host, start, stop)
        return last - first

    def last(self, row: IntArray, host: IntArray, stop: Any) -> IntArray:
        """Last step of each host with ``step < stop``; `NEVER` if there is none.

        Args:
            row, host: ``int[k]`` each.
            stop: a number, or ``int[k]``.
        """
        first, last = self._between(row, host, np.zeros_like(row), stop)
        step = np.append(self.keys, 0)[last - 1] % (self.steps + 1)
        return np.where(last > first, step, NEVER)

    def _between(
        self, row: IntArray, host: IntArray, start: IntArray, stop: Any
    ) -> tuple[IntArray, IntArray]:
        place = (np.asarray(row, dtype=np.int64) * network.N_HOSTS + host) * (self.steps + 1)
        begin, end = (place + np.clip(edge, 0, self.steps) for edge in (start, stop))
        return np.searchsorted(self.keys, begin), np.searchsorted(self.keys, np.maximum(begin, end))


def _started(view: View, kinds: tuple[ActionKind, ...]) -> Moments:
    actions = view.shared(decisions)
    chosen = np.isin(actions.kind, kinds)
    return Moments.of(view, actions.row[chosen], actions.step[chosen], actions.host[chosen])


def _shown(view: View, flags: BoolArray) -> Moments:
    return Moments.of(view, *np.nonzero(flags))


def responses(view: View) -> Moments:
    """When an Analyse, Remove or Restore of a host started."""
    return _started(view, RESPONSES)


def evictions(view: View) -> Moments:
    """When a Remove or Restore of a host started."""
    return _started(view, EVICTIONS)


def restores(view: View) -> Moments:
    """When a Restore of a host started."""
    return _started(view, (ActionKind.RESTORE,))


def process_alerts(view: View) -> Moments:
    """When a host showed a process alert."""
    return _shown(view, view.shared(process))


def connection_alerts(view: View) -> Moments:
    """When a host showed a connection alert."""
    return _shown(view, view.shared(connection))


def analyses(view: View) -> Moments:
    """When an Analyse of a host ended, so that its result is known from the next step on."""
    actions = view.shared(decisions)
    listed = actions.files >= 0
    return Moments.of(view, actions.row[listed], actions.ends[listed], actions.host[listed])


def escalation_files(view: View) -> Moments:
    """When an Analyse of a host ended that listed both kinds of malicious files: red leaves the
    first on its way in, the second when it has become root."""
    actions = view.shared(decisions)
    both = actions.files == _ALL_FILES
    return Moments.of(view, actions.row[both], actions.ends[both], actions.host[both])


def onsets(view: View) -> Moments:
    """When incidents began."""
    incidents = view.shared(all_incidents)
    return Moments.of(view, rows_of(view, incidents.episode), incidents.on, incidents.host)


def first_process_alert(view: View) -> IntArray:
    """``int[incident]`` first step of each incident with a process alert, or `NEVER`."""
    incidents = view.shared(all_incidents)
    return view.shared(process_alerts).next(
        rows_of(view, incidents.episode), incidents.host, incidents.on, incidents.end
    )


def incident_at(view: View, row: IntArray, step: IntArray, host: IntArray) -> IntArray:
    """Which incident a host has at a step, as a position among `all_incidents`; -1 if red is away.

    Args:
        view: of the batch.
        row, step, host: ``int[k]`` each.
    """
    incidents = view.shared(all_incidents)
    width = view.steps + 1

    def key(rows: IntArray, hosts: IntArray, at: IntArray) -> npt.NDArray[np.int64]:
        return (rows.astype(np.int64) * network.N_HOSTS + hosts) * width + at

    begins = key(rows_of(view, incidents.episode), incidents.host, incidents.on)
    last = np.searchsorted(begins, key(row, host, step), side="right") - 1
    ends = np.append(begins - incidents.on + incidents.end, -1)
    return np.where(key(row, host, step) < ends[last], last, -1)
