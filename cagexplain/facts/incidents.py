"""Incidents of a trace as columns: every time that red was on a host that blue defends.

Red is on a host while its true level of compromise is at least 1. Times are steps: an incident has
begun at step ``on`` if the decisions of that step are the first that were made with red on the
host, and is over at step ``clear`` if those of that step are the first without it. So the length of
an incident, ``clear - on``, is the number of decisions that were made during it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import agents, network
from cagexplain.cc4.layout import RESPONSES
from cagexplain.common.arrays import Int32Array, IntArray
from cagexplain.facts.batch import Batch, Tables, codes
from cagexplain.facts.compact import CompactArray

TABLES: Final[Tables] = {
    "levels": ("from_level", "to_level", "cause", "process_event", "connection_event")
}
"""Columns that a collector must ask for to find the incidents of a batch."""
NEVER: Final = -1

_CONTRACTED: Final = agents.BLUE_OF_HOST < 0
"""Hosts that no blue agent defends: the contractor network's, where red always begins."""
_ROOT: Final = 2


@dataclass(frozen=True)
class Incidents:
    """Incidents on defended hosts, a row each; `NEVER` (-1) where something did not happen.

    Attributes:
        episode: number of the episode in the trace.
        host: slot of the host.
        on: first step with red on the host.
        cause: what brought red there, as an index into ``schema.LEVEL_CAUSES``: an exploit
            (``red_action``) or a phishing mail.
        visible: whether an alert of the host was raised by that step, so that the decisions of step
            `on` could see it; otherwise the onset was silent.
        alert: first step of the incident with an alert of the host, of a malicious process or a
            network connection, in the observation decided on. Always `NEVER` without observations.
        response: first step of the incident in which the host's agent started one of `RESPONSES`
            on it.
        response_kind: which, as `ActionKind`.
        answer: first step in which such an action was started at or after `alert`.
        root: first step with a root session.
        clear: first step without red; `NEVER` if red was there when the episode ended.
        cleared_by: why red left, as an index into ``schema.LEVEL_CAUSES``.
        end: first step after the incident, or the number of steps if it outlasted the episode.
    """

    episode: Int32Array
    host: Int32Array
    on: Int32Array
    cause: Int32Array
    visible: npt.NDArray[np.bool_]
    alert: Int32Array
    response: Int32Array
    response_kind: Int32Array
    answer: Int32Array
    root: Int32Array
    clear: Int32Array
    cleared_by: Int32Array
    end: Int32Array

    def __len__(self) -> int:
        return len(self.episode)

    def where(self, keep: npt.NDArray[np.bool_]) -> Incidents:
        """Some of the incidents, by a mask: keep ``bool[incident]``."""
        return Incidents(*(getattr(self, field.name)[keep] for field in fields(self)))

    @property
    def censored(self) -> npt.NDArray[np.bool_]:
        """Whether red was still there when the episode ended."""
        return np.equal(self.clear, NEVER)


def incidents_of(batch: Batch) -> Incidents:
    """The incidents of a batch, by episode, host and time.

    A host that is cleared and taken again within one step has one incident; one that is left before
    any decision was made has none. As in CC4, red begins on no defended host.
    """
    changes = batch.frame("levels")
    keys = _Keys(batch.steps)
    place = keys.place(changes["row"].to_numpy(), codes(changes, "host"))
    key = keys.at(place, changes["step"].to_numpy() + 1)  # the new level counts from the next step
    order = np.argsort(key, kind="stable")
    defended = ~_CONTRACTED[codes(changes, "host")]
    before, after = changes["from_level"].to_numpy(), changes["to_level"].to_numpy()
    begins, ends, rooted = (
        order[flags[order]]
        for flags in (
            defended & (before == 0),
            defended & (after == 0),
            defended & (after == _ROOT),
        )
    )
    begins = begins[key[begins] % keys.width < batch.steps]
    first = key[begins]
    place = first // keys.width
    clear, ending = keys.next(key[ends], place, first, keys.at(place, batch.steps + 1))
    last = np.where(ending >= 0, clear, batch.steps)
    stop = keys.at(place, last)

    def during(moments: npt.NDArray[np.int64]) -> tuple[Int32Array, npt.NDArray[np.int64]]:
        return keys.next(moments, place, first, stop)

    responses, kinds = _responses(batch, keys)
    response, which = during(responses)
    alert, _ = during(_alerts(batch, keys))
    alerted = np.where(alert == NEVER, stop, keys.at(place, alert))
    host = place % network.N_HOSTS
    cause = codes(changes, "cause")
    return Incidents(
        episode=batch.episodes[place // network.N_HOSTS].astype(np.int32),
        host=host.astype(np.int32),
        on=(first % keys.width).astype(np.int32),
        cause=cause[begins].astype(np.int32),
        visible=(changes["process_event"] | changes["connection_event"]).to_numpy()[begins],
        alert=alert,
        response=response,
        response_kind=np.append(kinds, NEVER)[which].astype(np.int32),
        answer=keys.next(responses, place, alerted, stop)[0],
        root=during(key[rooted])[0],
        clear=clear,
        cleared_by=np.append(cause[ends], NEVER)[ending].astype(np.int32),
        end=last.astype(np.int32),
    )


class KeptIncidents:
    """The incidents of several batches, compressed."""

    def __init__(self) -> None:
        self._columns = CompactArray()

    def add(self, incidents: Incidents) -> None:
        """Append those of a batch."""
        columns = [getattr(incidents, field.name) for field in fields(Incidents)]
        self._columns.add(np.stack(columns, axis=1, dtype=np.int32))

    def all(self) -> Incidents:
        """Those of all batches."""
        columns = {field.name: self._columns.part(i) for i, field in enumerate(fields(Incidents))}
        return Incidents(**{**columns, "visible": columns["visible"] > 0})


class _Keys:
    """Numbers that order moments by episode, host and step."""

    def __init__(self, steps: int) -> None:
        self.width = steps + 2

    @staticmethod
    def place(row: IntArray, host: IntArray) -> npt.NDArray[np.int64]:
        return row.astype(np.int64) * network.N_HOSTS + host

    def at(self, place: npt.NDArray[np.int64], step: IntArray | int) -> npt.NDArray[np.int64]:
        return place * self.width + step

    def next(
        self,
        moments: npt.NDArray[np.int64],
        place: npt.NDArray[np.int64],
        first: npt.NDArray[np.int64],
        stop: npt.NDArray[np.int64],
    ) -> tuple[Int32Array, npt.NDArray[np.int64]]:
        """First of the ascending moments with ``first <= moment < stop``: its step, and its
        position among them; `NEVER` for both if there is none."""
        position = np.searchsorted(moments, first)
        padded = np.append(moments, np.iinfo(np.int64).max)
        inside = padded[position] < stop
        step = np.where(inside, padded[position] - place * self.width, NEVER)
        return step.astype(np.int32), np.where(inside, position, NEVER)


def _responses(batch: Batch, keys: _Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """When a response was started on a host, ascending, and which."""
    row, step, agent = np.nonzero(batch.started & np.isin(batch.kind, RESPONSES))
    key = keys.at(keys.place(row, batch.target[row, step, agent]), step)
    order = np.argsort(key, kind="stable")
    return key[order], batch.kind[row, step, agent][order]


def _alerts(batch: Batch, keys: _Keys) -> npt.NDArray[np.int64]:
    """When an alert of a host was up, ascending."""
    if batch.process is None or batch.connection is None:
        return np.empty(0, dtype=np.int64)
    row, step, host = np.nonzero(batch.process | batch.connection)
    return np.sort(keys.at(keys.place(row, host), step))
