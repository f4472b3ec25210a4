"""Examples of a finding: cases that speak against the policy."""

from __future__ import annotations

from typing import Final

import numpy as np

from cagexplain.audit.parts import Criterion, against
from cagexplain.audit.results import Evidence, WorstPart
from cagexplain.audit.splits import PLAIN
from cagexplain.cc4 import agents, network
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.cases import Cases
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.view import View

_PART_OF: Final = {split.kinds[0]: column for column, split in enumerate(PLAIN, start=6)}
"""Columns of the parts that an example belongs to, behind those of the case itself."""


class Examples:
    """Cases that speak against the policy, some of each batch."""

    def __init__(self) -> None:
        self._cases = CompactArray()

    def add(self, criterion: Criterion, cases: Cases, view: View, most: int) -> None:
        """Keep some of the cases of a batch, spread over them evenly.

        Args:
            criterion: tells which speak against the policy.
            cases, view: of the batch.
            most: number of them.
        """
        bad = cases.where(against(criterion, cases) & criterion.statistic.shown(cases))
        some = bad.where(_spread(len(bad), most))
        columns = (
            *(view.batch.episodes[some.row], some.step),
            *(some.agent, some.host, some.to_zone, some.from_zone),
            *(split.number(view, some) for split in PLAIN),
        )
        self._cases.add(np.stack([np.asarray(column, np.int64) for column in columns], axis=1))

    def chosen(self, worst: WorstPart | None, most: int) -> tuple[Evidence, ...]:
        """Some examples, spread evenly; those of the worst part if there is one.

        Args:
            worst: part of the finding.
            most: number of them.
        """
        kept = np.asarray(self._cases)
        if worst is not None:
            kept = kept[_belongs(kept, worst)]
        return tuple(_evidence(*kept[i].tolist()) for i in _spread(len(kept), most))


def _belongs(kept: Int64Array, worst: WorstPart) -> BoolArray:
    """``bool[example]``: in every part of the worst one's that it is asked of, and at that time."""
    belongs, step, since = np.ones(len(kept), dtype=np.bool_), kept[:, 1], worst.since
    if since is not None:
        belongs &= (step >= since.start) & (step < (np.inf if since.stop is None else since.stop))
    for place in worst.place:
        if place.kind in _PART_OF:
            column = _PART_OF[place.kind]
            names = [name for (name,) in PLAIN[column - 6].names]
            belongs &= np.isin(kept[:, column], (-1, names.index(place.name)))
    return belongs


def _evidence(
    episode: int, step: int, agent: int, host: int, to_zone: int, from_zone: int, *parts: int
) -> Evidence:
    return Evidence(
        episode,
        step,
        agents.BLUE[agent] if agent >= 0 else None,
        network.HOST_NAMES[host] if host >= 0 else None,
        _link(to_zone, from_zone),
    )


def _link(to_zone: int, from_zone: int) -> str | None:
    if to_zone < 0 or from_zone < 0:
        return None
    return f"{network.ZONES[to_zone]} from {network.ZONES[from_zone]}"


def _spread(n: int, most: int) -> Int64Array:
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)
