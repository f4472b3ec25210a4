"""Blue's answers to red: what Removes and Restores meet and do, and alerts still unanswered."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import EVICTIONS, RESPONSES
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.batch import codes
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import Decisions, View, alerts, decisions, process, recently

WINDOW: Final = 10
"""Steps for which an alert counts as evidence, and within which an action follows on another."""
_ROOT: Final = 2


def rebuilds(view: View) -> Decisions:
    """Restores that were executed before the episode ended."""
    actions = view.shared(decisions)
    executed = (actions.kind == ActionKind.RESTORE) & (actions.ends >= 0)
    return Decisions(*(getattr(actions, name)[executed] for name in Decisions.__annotations__))


def recent_alerts(view: View) -> BoolArray:
    """``bool[n, T, 137]`` whether a host showed an alert of either kind in the last `WINDOW` steps,
    the present one included."""
    return recently(view.shared(alerts), WINDOW)


def open_alerts(view: View) -> BoolArray:
    """``bool[n, T, 137]`` hosts with a process alert in the last `WINDOW` steps, the present one
    included, that no Analyse, Remove or Restore has answered: none has been started since, and
    none that was under way then has ended since."""
    actions = view.shared(decisions)
    answer = np.isin(actions.kind, RESPONSES)
    row, host = actions.row[answer], actions.host[answer]
    answered = np.zeros((view.n, view.steps + 1, network.N_HOSTS), dtype=np.bool_)
    for step in (actions.step[answer], actions.ends[answer]):
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


def evictions_of_red(view: View) -> Cases:
    """Removes and Restores that took effect on a compromised host; a hit left it clean.

    What counts is red's access at the next decision: a fall from root to user is no eviction, and
    a host that red takes again within the step is not clean. Actions that end with the episode's
    last step, which no decision follows, are left out.
    """
    return _of(view, EVICTIONS)


def by_restore(view: View) -> Cases:
    """The Restores among them."""
    return _of(view, (ActionKind.RESTORE,))


def by_remove(view: View) -> Cases:
    """The Removes among them."""
    return _of(view, (ActionKind.REMOVE,))


def _of(view: View, kinds: tuple[ActionKind, ...]) -> Cases:
    actions = view.shared(decisions)
    effective = on_compromised(view, kinds)
    row, host = actions.row[effective], actions.host[effective]
    after = view.batch.levels[row, actions.ends[effective] + 1, host]
    return cases(
        row, actions.ends[effective], after == 0, agent=actions.agent[effective], host=host
    )


def on_compromised(view: View, kinds: tuple[ActionKind, ...]) -> BoolArray:
    """``bool[decision]`` Removes and Restores of some kinds whose effect on red can be seen."""
    actions = view.shared(decisions)
    return (
        np.isin(actions.kind, kinds) & (actions.level_before > 0) & (actions.ends + 1 < view.steps)
    )


def recoveries(view: View) -> Cases:
    """Executed Removes and Restores; a hit was useful: a Restore of a host with red on it, or a
    Remove of one with user access and no root, which it cannot end."""
    actions = view.shared(decisions)
    executed = np.isin(actions.kind, EVICTIONS) & (actions.ends >= 0)
    level = actions.level_before
    useful = (level > 0) & ((actions.kind == ActionKind.RESTORE) | (level < _ROOT))
    return cases(
        actions.row[executed],
        actions.ends[executed],
        useful[executed],
        agent=actions.agent[executed],
        host=actions.host[executed],
    )


def wasted(view: View) -> Cases:
    """The same; a hit was not useful."""
    every = view.shared(recoveries)
    return replace(every, hit=~every.hit)


def steps_under_restore(view: View) -> Cases:
    """Steps in which a Restore was running, each on one host."""
    actions = view.shared(decisions)
    restore = actions.kind == ActionKind.RESTORE
    first, agent, host, row = (
        x[restore] for x in (actions.step, actions.agent, actions.host, actions.row)
    )
    last = np.where(actions.ends[restore] >= 0, actions.ends[restore], view.steps - 1)
    length = last - first + 1
    step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length - first, length)
    return cases(
        *(np.repeat(row, length), step),
        agent=np.repeat(agent, length),
        host=np.repeat(host, length),
    )


def submitted(view: View) -> Cases:
    """Restores that were charged, whether they were carried out or not."""
    blue = view.batch.frame("blue")
    restore = codes(blue, "action_type") == ActionKind.RESTORE
    return cases(
        blue["row"],
        blue["step"],
        agent=codes(blue, "agent"),
        host=codes(blue, "target_host"),
    ).where(restore)


def charged(view: View) -> Cases:
    """Restores that were charged; a hit was dropped, as its agent was busy."""
    blue = view.batch.frame("blue")
    restore = codes(blue, "action_type") == ActionKind.RESTORE
    return replace(view.shared(submitted), hit=~blue["started"].to_numpy()[restore])
