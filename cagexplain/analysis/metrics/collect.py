"""What the SOC metrics are estimated from, collected in one pass over a trace."""

from __future__ import annotations

from typing import ClassVar

from cagexplain.analysis.metrics.definitions import COUNTED
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.batch import Batch, Tables
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.incidents import TABLES as INCIDENT_TABLES
from cagexplain.facts.incidents import Incidents, KeptIncidents
from cagexplain.facts.view import Facts, View, all_incidents
from cagexplain.tracing import schema


class Collector:
    """Collects sums over episodes of what is counted, and the incidents for what is timed.

    Attributes:
        episodes: number of episodes.
        steps: of an episode.
        observed: whether the trace tells what blue saw.
    """

    tables: ClassVar[Tables] = {
        "levels": INCIDENT_TABLES["levels"],
        "blue": (
            *("target_zone", "source_zone", "outcome", "found"),
            *("completed", "completed_level"),
        ),
        "red": ("step", "event", "action", "target_host", "outcome"),
        "green": ("step", "host", "cause", "target_host"),
        "green_work": ("zone", "kind", "attempts", *schema.GREEN_CAUSES),
    }

    def __init__(self) -> None:
        self._sums = {each.key: CompactArray() for each in COUNTED}
        self._incidents = KeptIncidents()
        self.episodes = 0
        self.steps = 0
        self.observed = False

    def add(self, batch: Batch) -> None:
        """Count in some whole episodes."""
        view = View(batch, Facts())
        for each in COUNTED:
            self._sums[each.key].add(each.sums(view)[:, None])
        self._incidents.add(view.shared(all_incidents))
        self.episodes += batch.n
        self.steps = batch.steps
        self.observed = batch.process is not None

    @property
    def incidents(self) -> Incidents:
        """Those of all episodes."""
        return self._incidents.all()

    def sums(self, key: str) -> FloatArray:
        """``float64[episode, 1 + part, column]`` of a counted quantity: team, then parts."""
        return self._sums[key].part(0)
