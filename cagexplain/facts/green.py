"""What becomes of green users' work."""

from __future__ import annotations

from typing import Final

import numpy as np

from cagexplain.cc4 import network
from cagexplain.cc4.agents import BLUE_OF_ZONE
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.batch import codes
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.tally import tally
from cagexplain.facts.view import View, blocked
from cagexplain.tracing.schema import GREEN_CAUSES, GREEN_KINDS

BLOCKED: Final = GREEN_CAUSES.index("traffic_blocked")
_LOCAL: Final = GREEN_KINDS.index("GreenLocalWork")


def lost_accesses(view: View) -> Cases:
    """Accesses of green users that a block stopped, at the user's host; the agent is the one that
    keeps the block, or one of two."""
    green = view.batch.frame("green")
    lost = codes(green, "cause") == BLOCKED
    row, step = green["row"].to_numpy()[lost], green["step"].to_numpy()[lost]
    user, server = codes(green, "host")[lost], codes(green, "target_host")[lost]
    near, far = network.HOST_ZONE[user], network.HOST_ZONE[server]
    # A block counts already in the step that sets it, whose row tells the state before.
    after = np.minimum(step + 1, view.steps - 1)
    inbound = view.shared(blocked)[row, after, near, far]
    return cases(row, step, agent=BLUE_OF_ZONE[np.where(inbound, near, far)], host=user)


def work(view: View) -> Int64Array:
    """``int64[n, zone, 2]`` local work and accesses of the users of each zone that did not fail,
    and all of them."""
    return _by_zone(view, np.ones(len(view.batch.frame("green_work")), dtype=np.bool_))


def local_work(view: View) -> Int64Array:
    """The same of local work, which fails on degraded or stopped services."""
    return _by_zone(view, codes(view.batch.frame("green_work"), "kind") == _LOCAL)


def accesses(view: View) -> Int64Array:
    """The same of accesses, which fail on blocked traffic."""
    return _by_zone(view, codes(view.batch.frame("green_work"), "kind") != _LOCAL)


def _by_zone(view: View, keep: BoolArray) -> Int64Array:
    table = view.batch.frame("green_work")
    tries = table["attempts"].to_numpy()
    served = tries - sum(table[cause].to_numpy() for cause in GREEN_CAUSES)
    axes = ((table["row"].to_numpy(), view.n), (codes(table, "zone"), network.N_ZONES))
    return np.stack(
        [tally(*axes, where=keep, weights=numbers) for numbers in (served, tries)], axis=2
    ).astype(np.int64)
