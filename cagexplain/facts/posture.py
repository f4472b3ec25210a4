"""Which hosts are free of red, and for how long."""

from __future__ import annotations

import numpy as np

from cagexplain.cc4 import network
from cagexplain.common.arrays import Array, Int64Array
from cagexplain.facts.view import View, defended

_ROOT = 2
_ZONE = np.eye(network.N_ZONES, dtype=np.int64)[network.HOST_ZONE]  # [host, zone]


def clean_time(view: View) -> Int64Array:
    """``int64[n, zone, 2]`` steps of defended hosts without red when decisions are made, and all
    their steps."""
    return _host_steps(view, view.batch.levels == 0)


def time_without_root(view: View) -> Int64Array:
    """The same without a root session of red."""
    return _host_steps(view, view.batch.levels < _ROOT)


def held(view: View) -> Int64Array:
    """``int64[n, T]`` defended hosts that red has a session on when decisions are made."""
    held_now = (view.batch.levels > 0) & view.shared(defended)[:, np.newaxis]
    counts: Int64Array = np.count_nonzero(held_now, axis=2)
    return counts


def _host_steps(view: View, good: Array) -> Int64Array:
    hosts = view.shared(defended)
    return np.stack([good.sum(axis=1) * hosts @ _ZONE, view.steps * hosts @ _ZONE], axis=2)
