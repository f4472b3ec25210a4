"""Red's attacks on operational services."""

from __future__ import annotations

import numpy as np

from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.outcome import EXECUTED, Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.facts.batch import codes
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View
from cagexplain.tracing import schema

_DONE = schema.RED_EVENTS.index("done")


def due(view: View) -> Cases:
    """Impacts that came due, successful or not: CC4 penalises both. Those whose source session was
    gone are left out."""
    return _impacts(view, *EXECUTED)


def stops(view: View) -> Cases:
    """Impacts that stopped a service."""
    return _impacts(view, Outcome.SUCCESS)


def _impacts(view: View, *outcomes: Outcome) -> Cases:
    red = view.batch.frame("red")
    came = (codes(red, "event") == _DONE) & (red["action"].to_numpy() == RedAction.IMPACT)
    came &= np.isin(codes(red, "outcome"), outcomes)
    host = codes(red, "target_host")[came]
    row, step = red["row"].to_numpy()[came], red["step"].to_numpy()[came]
    return cases(row, step, agent=BLUE_OF_HOST[host], host=host)
