"""Counts how many hosts red holds over the episode."""

from __future__ import annotations

from typing import Final

import numpy as np

from cagexplain.audit.results import HeldHosts
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.facts.batch import Batch, Tables
from cagexplain.facts.posture import held
from cagexplain.facts.view import TABLES, Facts, View, defended
from cagexplain.stats import means

EVERY: Final = 5
"""Steps from one point of the curve to the next: a hundred points in an episode of CC4."""
_DIGITS: Final = 3


class Holdings:
    """Counts the hosts that red holds; a `Collector` of a pass over a trace or over episodes in
    memory.

    Args:
        facts: about the play.
    """

    tables: Tables = TABLES

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._held: list[Int64Array] = []
        self._hosts: list[Int64Array] = []

    def add(self, batch: Batch) -> None:
        """Count some episodes."""
        view = View(batch, self._facts)
        self._held.append(held(view)[:, ::EVERY])
        self._hosts.append(view.shared(defended).sum(axis=1))

    def result(self) -> HeldHosts:
        """What was counted, of one episode at least."""
        counts, hosts = np.concatenate(self._held), np.concatenate(self._hosts)
        few = means.too_few(len(counts)) is not None
        low, high = (np.empty(0), np.empty(0)) if few else means.limits(counts)
        return HeldHosts(
            every=EVERY,
            mean=_rounded(counts.mean(axis=0)),
            low=_rounded(low),
            high=_rounded(high),
            hosts=round(float(hosts.mean()), _DIGITS),
            episodes=len(counts),
        )


def _rounded(line: FloatArray) -> tuple[float, ...]:
    return tuple(np.round(line, _DIGITS).tolist())
