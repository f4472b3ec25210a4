"""Runs of equal values of hosts over the steps of an episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import network

_WITH_STATE = np.isin(network.HOST_KIND, (network.USER, network.SERVER))


@dataclass(frozen=True)
class Runs:
    """Runs in the order of episodes, hosts and steps; every array is ``[run]``.

    Attributes:
        row: episode.
        host: index of the host.
        start: first step.
        length: steps.
        code: the value.
    """

    row: npt.NDArray[np.int64]
    host: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]


def runs_of(values: npt.NDArray[Any], exists: npt.NDArray[np.bool_]) -> Runs:
    """Find the maximal runs of equal values of the existing user and server hosts.

    Args:
        values: ``[n, steps, 137]``.
        exists: ``bool[n, 137]``.
    """
    row, host = np.nonzero(exists & _WITH_STATE)
    lines = np.ascontiguousarray(values[row, :, host])
    begins = np.ones(lines.shape, dtype=np.bool_)
    begins[:, 1:] = lines[:, 1:] != lines[:, :-1]
    at = np.flatnonzero(begins)
    line, start = np.divmod(at, lines.shape[1])
    return Runs(
        row=row[line],
        host=host[line],
        start=start,
        length=np.diff(at, append=lines.size),
        code=lines.ravel()[at].astype(np.int64),
    )
