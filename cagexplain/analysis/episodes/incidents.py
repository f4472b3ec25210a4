"""Incidents of an episode in the words of its timeline, with what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cagexplain.analysis.episodes.timeline_parts import Incident, Loss
from cagexplain.cc4 import actions, agents, network
from cagexplain.facts.incidents import NEVER, Incidents
from cagexplain.facts.places import LEVEL_NAMES
from cagexplain.tracing.schema import LEVEL_CAUSES

_USER, _ROOT = LEVEL_NAMES[1:]


def in_words(incidents: Incidents, losses: Sequence[Loss]) -> tuple[Incident, ...]:
    """The incidents of one episode, in the order of their start.

    Args:
        incidents, losses: of the episode.
    """
    rows = pd.DataFrame(vars(incidents)).itertuples(index=False)
    named = (_incident(row, losses) for row in rows)
    return tuple(sorted(named, key=lambda incident: (incident.start, incident.host)))


def _incident(row: Any, losses: Sequence[Loss]) -> Incident:
    host = network.HOST_NAMES[row.host]
    costs = (
        loss.amount for loss in losses if loss.host == host and row.on - 1 <= loss.step < row.end
    )
    return Incident(
        host=host,
        agent=agents.BLUE[agents.BLUE_OF_HOST[row.host]],
        start=row.on,
        stop=row.end,
        cause=LEVEL_CAUSES[row.cause],
        top=_USER if row.root == NEVER else _ROOT,
        root=_unless_never(row.root),
        alert=_unless_never(row.alert),
        response=_unless_never(row.response),
        response_kind=None if row.response == NEVER else actions.KIND_NAMES[row.response_kind],
        ended=None if row.clear == NEVER else LEVEL_CAUSES[row.cleared_by],
        loss=sum(costs),
    )


def _unless_never(step: int) -> int | None:
    return None if step == NEVER else step
