"""What several checks of recovery need to know: executed Restores, and alerts still unanswered."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import RESPONSES
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.view import Decisions, View, alerts, decisions, process, recently

WINDOW: Final = 10
"""Steps for which an alert counts as evidence, and within which an action follows on another."""


def rebuilds(view: View) -> Decisions:
    """Restores that were executed before the episode ended."""
    made = view.shared(decisions)
    own = (made.kind == ActionKind.RESTORE) & (made.ends >= 0)
    return Decisions(*(getattr(made, name)[own] for name in Decisions.__annotations__))


def recent_alerts(view: View) -> BoolArray:
    """``bool[n, T, 137]`` whether a host showed an alert of either kind in the last `WINDOW` steps,
    the present one included."""
    return recently(view.shared(alerts), WINDOW)


def open_alerts(view: View) -> BoolArray:
    """``bool[n, T, 137]`` hosts with a process alert in the last `WINDOW` steps, the present one
    included, that no Analyse, Remove or Restore has answered: none has been started since, and
    none that was under way then has ended since."""
    made = view.shared(decisions)
    answer = np.isin(made.kind, RESPONSES)
    row, host = made.row[answer], made.host[answer]
    answered = np.zeros((view.n, view.steps + 1, network.N_HOSTS), dtype=np.bool_)
    for step in (made.step[answer], made.ends[answer]):
        answered[row, step + 1, host] = True  # step -1 is before everything: it answers nothing
    shown = _latest(view.shared(process))
    now = np.arange(view.steps, dtype=np.int16)[None, :, None]
    is_open: BoolArray = (shown >= 0) & (now - shown < WINDOW)
    is_open &= shown >= _latest(answered[:, :-1])
    return is_open


def _latest(flags: BoolArray) -> npt.NDArray[np.int16]:
    """Latest step up to each one at which a flag was up; -1 if there was none."""
    step = np.arange(flags.shape[1], dtype=np.int16)[None, :, None]
    return np.maximum.accumulate(np.where(flags, step, np.int16(-1)), axis=1)
