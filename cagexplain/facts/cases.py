"""What a check counts: single cases with their place and time.

From the same cases come the number that is judged, where and when it is worst, and the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import IntArray


@dataclass(frozen=True)
class Cases:
    """Cases of a batch, one entry each; -1 where agent, host or duration mean nothing.

    Attributes:
        row: index of the episode within the batch.
        step: when.
        hit: whether the case has the property that is counted.
        agent: number of the blue agent.
        host: slot of the host.
        to_zone, from_zone: of a link, as indices into `network.ZONES`.
        group: 0 or 1, for statistics that compare two groups: cases of group 1 are those under the
            condition, of group 0 those without it.
        duration: in steps, for statistics of durations: until the hit, or, without a hit, as long
            as the case was followed.
        other: whether, without a hit, a competing event ended the case; for cumulative incidences.
    """

    row: IntArray
    step: IntArray
    hit: npt.NDArray[np.bool_]
    agent: IntArray
    host: IntArray
    group: IntArray
    duration: IntArray
    other: npt.NDArray[np.bool_]
    to_zone: IntArray
    from_zone: IntArray

    def __len__(self) -> int:
        return len(self.row)

    def where(self, keep: npt.NDArray[Any]) -> Cases:
        """Some of the cases, by a mask or by positions: ``keep[case]``."""
        return Cases(*(getattr(self, field.name)[keep] for field in fields(self)))

    def at(self, row: IntArray) -> Cases:
        """The same cases in other rows: row ``int[case]``."""
        return replace(self, row=row)


def cases(
    row: Any,
    step: Any,
    hit: Any = True,
    *,
    agent: Any = -1,
    host: Any = -1,
    group: Any = 0,
    duration: Any = -1,
    other: Any = False,
    to_zone: Any = -1,
    from_zone: Any = -1,
) -> Cases:
    """Make cases; anything but `row` may be one value for all.

    Args:
        row, step, hit, agent, host, group, duration, other, to_zone, from_zone: see `Cases`.
    """
    rows = np.asarray(row, dtype=np.int64)

    def column(value: Any, kind: type[np.generic]) -> npt.NDArray[Any]:
        return np.broadcast_to(np.asarray(value, dtype=kind), rows.shape)

    return Cases(
        rows,
        column(step, np.int64),
        column(hit, np.bool_),
        column(agent, np.int64),
        column(host, np.int64),
        column(group, np.int64),
        column(duration, np.int64),
        column(other, np.bool_),
        column(to_zone, np.int64),
        column(from_zone, np.int64),
    )
