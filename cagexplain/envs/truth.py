"""What really is and what really happened: for recorders and tests, never for policies."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import services
from cagexplain.common.arrays import BoolArray, Int8Array, Int16Array
from cagexplain.sim.jit import entry
from cagexplain.sim.types import Array


@dataclass(frozen=True)
class GroundTruth:
    """Views on the state of a batch of n environments; hosts by the slots of ``cc4.network``.

    They follow the environment: a step overwrites them, so copy what you keep. -1 means none.
    """

    host_exists: BoolArray
    """``[n, 137]``"""
    host_os: Int8Array
    """``[n, 137]`` index into ``services.OS_NAMES``"""
    services: Int16Array
    """``[n, 137]`` bit mask of real services, by ``services.Service``"""
    host_level: Int8Array
    """``[n, 137]`` 0 clean, 1 red user session, 2 red root session"""
    decoys: Int8Array
    """``[n, 137]`` kinds of decoy services on the host"""
    reliability: Int8Array
    """``[n, 137]`` lowest reliability among the host's services, 0 to 100 points"""
    ot_stopped: BoolArray
    """``[n, 137]`` whether red's Impact has stopped its OT service"""
    fsm_state: Int8Array
    """``[n, 6, 137]`` state of each host as each red agent holds it"""
    red_active: BoolArray
    """``[n, 6]``"""

    blue_action: Int16Array
    """``[n, 5]`` index of the action that goes on in the next step"""
    blue_ticks: Int8Array
    """``[n, 5]`` steps it still takes"""
    blue_submitted: Int16Array
    """``[n, 5]`` index submitted in the last step"""
    blue_started: BoolArray
    """``[n, 5]`` whether that submission counted (the agent was free)"""
    blue_done: Int16Array
    """``[n, 5]`` index of the action that completed in the last step"""
    blue_outcome: Int8Array
    """``[n, 5]`` its ``Outcome``"""
    blue_found: Int16Array
    """``[n, 5]`` kinds of malicious files that it listed, if it was an Analyse"""

    red_started: Int8Array
    """``[n, 6]`` ``RedAction`` chosen in the last step"""
    red_start_host: Int16Array
    red_start_zone: Int8Array
    red_start_source: Int16Array
    """``[n, 6]`` host of the source session; -1 if that session does not exist"""
    red_done: Int8Array
    """``[n, 6]`` ``RedAction`` that came due in the last step"""
    red_outcome: Int8Array
    red_done_host: Int16Array
    red_done_zone: Int8Array
    red_done_source: Int16Array
    red_detected: BoolArray
    """``[n, 6]`` whether it left an event on a host that blue watches"""
    red_busy: BoolArray
    """``[n, 6]`` an action goes on in the next step"""
    red_action: Int8Array
    red_target: Int16Array
    red_target_zone: Int8Array

    green_action: Int8Array
    """``[n, 137]`` ``GreenAction`` of the user on that host"""
    green_failure: Int8Array
    """``[n, 137]`` ``GreenFailure``"""
    green_target: Int16Array
    """``[n, 137]`` server accessed"""
    process_events: Int16Array
    """``[n, 137]`` events in the last step"""
    connection_events: Int16Array

    trans_n: Int16Array
    """``[n]`` number of evaluations of FSM tables at the beginning of the last step"""
    trans_agent: Int8Array
    """``[n, T]``; the first ``trans_n`` entries count"""
    trans_host: Int16Array
    trans_from: Int8Array
    trans_to: Int8Array
    """Equal to ``trans_from`` where the state stayed"""
    trans_cause: Int8Array
    """0..8 that action succeeded, 9..17 action ``cause - 9`` failed, 18 first observed, 19 session
    lost, 20 reassigned (a foreign host was taken: F instead of U), 21 a session of its own counts
    as a foothold"""


_RENAMED = {
    "host_os": "os",
    "host_exists": "exists",
    "blue_ticks": "blue_left",
    "red_target": "red_host",
    "red_target_zone": "red_zone",
}
_TRANSITION = {
    "trans_agent": "agent",
    "trans_host": "host",
    "trans_from": "before",
    "trans_to": "after",
    "trans_cause": "cause",
}
_FLAGS = {"host_exists", "ot_stopped", "red_active", "blue_started", "red_detected"}


def _lowest_reliability(state: Any) -> Int8Array:
    lowest = np.empty(state["svc_n"].shape, dtype=np.int8)
    _write_lowest(state["svc_n"], state["svc_order"], state["svc_reliability"], lowest)
    return lowest


@entry
def _write_lowest(count: Array, order: Array, points: Array, lowest: Array) -> None:
    for e in range(len(count)):
        for host in range(count.shape[1]):
            least = services.MAX_RELIABILITY
            for k in range(count[e, host]):
                least = min(least, points[e, host, order[e, host, k]])
            lowest[e, host] = least


_COMPUTED: Final[dict[str, Callable[[Any], npt.NDArray[Any]]]] = {
    "host_level": lambda s: np.where(s["host_roots"] > 0, 2, s["host_sessions"] > 0).astype(
        np.int8
    ),
    "decoys": lambda s: s["svc_n"] - s["n_real"],
    "reliability": _lowest_reliability,
    "blue_found": lambda s: (s["blue_files"] > 0).sum(axis=-1, dtype=np.int16),
    "red_busy": lambda s: s["red_action"] >= 0,
}


def of_state(state: np.ndarray[Any, np.dtype[np.void]]) -> GroundTruth:
    """The ground-truth view of the engine's state. Some small arrays are computed, the rest are
    views."""
    values: dict[str, Any] = {}
    for name in (f.name for f in fields(GroundTruth)):
        if name in _COMPUTED:
            values[name] = _COMPUTED[name](state)
        elif name in _TRANSITION:
            values[name] = state["transitions"][_TRANSITION[name]]
        else:
            column = state[_RENAMED.get(name, name)]
            values[name] = column.view(np.bool_) if name in _FLAGS else column
    return GroundTruth(**values)
