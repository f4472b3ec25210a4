"""What several checks of deception need to know: how long decoys stood, and red's exploits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.cc4 import network
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.common.arrays import BoolArray, FloatArray, IntArray
from cagexplain.facts.batch import codes
from cagexplain.facts.view import DEFENDED, View, decoys, defended
from cagexplain.tracing import schema

_DONE: Final = schema.RED_EVENTS.index("done")
_SCANS: Final = (RedAction.AGGRESSIVE_SCAN, RedAction.STEALTH_SCAN)


@dataclass(frozen=True)
class Attempts:
    """Exploits and scans of defended hosts that red carried out, an entry each, by episode and
    step.

    Attributes:
        row, step, host: where, and the step in which it took effect.
        exploit: whether it is an exploit; otherwise it is a scan.
        failed: whether it failed.
        detected: whether it left an event on a host that blue watches.
        source: host that it came from, or -1.
    """

    row: IntArray
    step: IntArray
    host: IntArray
    exploit: BoolArray
    failed: BoolArray
    detected: BoolArray
    source: IntArray


def attempts(view: View) -> Attempts:
    """All attempts of the batch."""
    red = view.batch.frame("red")
    action, host, outcome = (
        red["action"].to_numpy(),
        codes(red, "target_host"),
        codes(red, "outcome"),
    )
    attempt = (codes(red, "event") == _DONE) & np.isin(action, (RedAction.EXPLOIT, *_SCANS))
    attempt &= (outcome != Outcome.DROPPED) & (host >= 0) & DEFENDED[host]
    order = np.flatnonzero(attempt)
    row, step = red["row"].to_numpy(), red["step"].to_numpy()
    order = order[np.lexsort((step[order], row[order]))]
    return Attempts(
        row=row[order],
        step=step[order],
        host=host[order],
        exploit=action[order] == RedAction.EXPLOIT,
        failed=outcome[order] == Outcome.FAILURE,
        detected=red["detected"].to_numpy()[order],
        source=codes(red, "source_host")[order],
    )


def covered(view: View) -> BoolArray:
    """``bool[n, T, 137]`` whether a decoy stands on a host when the step's decisions are made."""
    return view.shared(decoys) > 0


def host_time(view: View) -> FloatArray:
    """``float64[n, 4]`` host-steps with a decoy and all of them, of the hosts that blue defends:
    first in the operational zones, then everywhere."""
    exists = view.shared(defended)
    with_decoy = (view.shared(covered) & exists[:, None]).sum(axis=1)
    operational = np.isin(network.HOST_ZONE, network.OPERATIONAL_ZONES)
    columns = [
        steps[:, hosts].sum(axis=1)
        for hosts in (operational, np.ones_like(operational))
        for steps in (with_decoy, exists * view.steps)
    ]
    return np.stack(columns, axis=1).astype(np.float64)
