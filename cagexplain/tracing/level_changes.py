"""Changes of hosts' true compromise in a step, and what caused them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.common.arrays import Array
from cagexplain.tracing import schema
from cagexplain.tracing.columns import Rows

if TYPE_CHECKING:
    from cagexplain.envs import GroundTruth

_BY_RED, _BY_PHISHING, _BY_REMOVE, _BY_RESTORE, _BY_OTHERS = range(len(schema.LEVEL_CAUSES))
_RED_RAISES: Final = (RedAction.EXPLOIT, RedAction.ESCALATE)


def level_changes(truth: GroundTruth, before: Array, done_kind: Array, done_host: Array) -> Rows:
    """Rows of the table `levels` for one step, the number of the episode within the batch first.

    A rise is red's or phishing's doing, a fall blue's or red's. Within a step blue acts before
    green, and green before red, so a fall can be the sum of a Restore and of an exploit after it:
    it counts as the Restore's.

    Args:
        truth: after the step.
        before: ``int8[n, 137]`` levels before it.
        done_kind: ``int8[n, 5]`` kinds of the blue actions that took effect in it, else -1.
        done_host: ``int16[n, 5]`` hosts that they targeted, else -1.
    """
    after = truth.host_level
    episode, host = at = np.nonzero(before != after)
    succeeded = truth.red_outcome[episode] == Outcome.SUCCESS
    by_red = succeeded & (truth.red_done_host[episode] == host[:, None])
    by_blue = done_host[episode] == host[:, None]

    def any_of(at_host: Array, kinds: Array, *wanted: int) -> Array:
        now = kinds[episode]
        return np.asarray(
            (at_host & np.logical_or.reduce([now == kind for kind in wanted])).any(axis=1)
        )

    rose = after[at] > before[at]
    cause = np.select(
        [
            rose & any_of(by_red, truth.red_done, *_RED_RAISES),
            rose,
            any_of(by_blue, done_kind, ActionKind.RESTORE),
            any_of(by_blue, done_kind, ActionKind.REMOVE),
            any_of(by_red, truth.red_done, RedAction.WITHDRAW),
        ],
        [_BY_RED, _BY_PHISHING, _BY_RESTORE, _BY_REMOVE, _BY_RED],
        _BY_OTHERS,
    )
    return {
        "episode": episode,
        "host": host,
        "from_level": before[at],
        "to_level": after[at],
        "cause": cause,
        "process_event": truth.process_events[at] > 0,
        "connection_event": truth.connection_events[at] > 0,
    }
