"""What the checks of a policy's health need to know beside `view`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import WAITS
from cagexplain.cc4.outcome import Outcome
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.facts.batch import codes
from cagexplain.facts.links import WINDOW, any_of_agent
from cagexplain.facts.view import LINKS, View, alerts, decisions, decoys
from cagexplain.tracing.schema import LEVEL_CAUSES

_BY_REMOVE = LEVEL_CAUSES.index("Remove")
_SAME = ("row", "host", "files")
"""What two Analyses must have in common to tell the same."""


def own_alert(view: View) -> BoolArray:
    """``bool[n, T, 5]`` whether a host of the agent shows an alert when it decides."""
    return any_of_agent(view.shared(alerts))


def in_vain(view: View) -> BoolArray:
    """``bool[decision]`` whether an action that is no wait ended without any change.

    What counts as a change: a Block or Allow that changed the link; a Restore of a host that red
    held, or that changed decoys or the health of services; a Remove that lowered red's level; a
    DeployDecoy that added a kind of decoy; an Analyse that told something new, so not the same as
    one of the host that ended at most ten steps before. That a host is clean is news, too. Actions
    that the end of the episode cut off are not judged.
    """
    actions = view.shared(decisions)
    changed = {
        ActionKind.RESTORE: (actions.level_before > 0) | _at(view, _service_changes(view)),
        ActionKind.REMOVE: _at(view, _evictions(view)),
        ActionKind.DECOY: _at(view, _new_decoys(view)),
        ActionKind.ANALYSE: ~_told_before(view),
        **dict.fromkeys(LINKS, actions.outcome == Outcome.SUCCESS),
        **{kind: np.ones(len(actions), dtype=np.bool_) for kind in WAITS},
    }
    ended = actions.ends >= 0
    vain: BoolArray = ended & ~np.choose(actions.kind, [changed[kind] for kind in ActionKind])
    return vain


def _at(view: View, keys: IntArray) -> BoolArray:
    """``bool[decision]`` whether one of some changes happened on the host as the action ended."""
    actions = view.shared(decisions)
    changed: BoolArray = np.isin(_key(view, actions.row, actions.ends, actions.host), keys) & (
        actions.host >= 0
    )
    return changed


def _key(view: View, row: Any, step: Any, host: Any) -> Any:
    return (row * view.steps + step) * network.N_HOSTS + host


def _keys(view: View, table: str, keep: Any = slice(None)) -> IntArray:
    frame = view.batch.frame(table)
    host = codes(frame, "host")
    keys: IntArray = _key(view, frame["row"].to_numpy(), frame["step"].to_numpy(), host)[keep]
    return keys


def _service_changes(view: View) -> IntArray:
    return _keys(view, "services")


def _evictions(view: View) -> IntArray:
    return _keys(view, "levels", codes(view.batch.frame("levels"), "cause") == _BY_REMOVE)


def _new_decoys(view: View) -> IntArray:
    frame = view.batch.frame("services")
    before = view.shared(decoys)[frame["row"], frame["step"], codes(frame, "host")]
    return _keys(view, "services", frame["decoys"].to_numpy() > before)


def _told_before(view: View) -> BoolArray:
    """``bool[decision]`` whether an Analyse listed what another one of the host just had."""
    actions = view.shared(decisions)
    looks = np.flatnonzero((actions.kind == ActionKind.ANALYSE) & (actions.ends >= 0))
    looks = looks[np.lexsort((actions.ends[looks], actions.host[looks], actions.row[looks]))]
    now, past = looks[1:], looks[:-1]
    same = [getattr(actions, name)[now] == getattr(actions, name)[past] for name in _SAME]
    again = np.logical_and.reduce(same) & (actions.ends[now] - actions.ends[past] <= WINDOW)
    repeated = np.zeros(len(actions), dtype=np.bool_)
    repeated[now[again]] = True
    return repeated
