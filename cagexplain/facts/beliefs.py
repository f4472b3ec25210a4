"""What red's agents believed, looked up at single steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from cagexplain.cc4 import agents, network, red_fsm
from cagexplain.common.arrays import IntArray
from cagexplain.facts.batch import codes


class Beliefs:
    """Which FSM state a red agent held for a host at a step, from the recorded changes."""

    _STEPS = 1 << 20  # more than any episode has

    def __init__(self, transitions: pd.DataFrame) -> None:
        key = self._key(transitions, codes(transitions, "host"))
        order = np.argsort(key, kind="stable")
        # A sentinel before all keys makes every look-up find something.
        self._keys = np.concatenate([[-1], key[order]])
        self._states = np.concatenate([[0], codes(transitions, "to_state")[order]])

    def states(self, red: pd.DataFrame) -> npt.NDArray[np.int64]:
        """States after the changes at the beginning of the steps of `red`, for its agents and
        target hosts; UNKNOWN for hosts not known."""
        key = self._key(red, codes(red, "target_host"))
        latest = np.searchsorted(self._keys, key, side="right") - 1
        same = self._keys[latest] // self._STEPS == key // self._STEPS
        return np.where(same, self._states[latest], int(red_fsm.State.UNKNOWN))

    def _key(self, frame: pd.DataFrame, host: IntArray) -> npt.NDArray[np.int64]:
        table = np.asarray(frame["row"], dtype=np.int64) * agents.N_RED + codes(frame, "agent")
        step = np.asarray(frame["step"], dtype=np.int64)
        return (table * network.N_HOSTS + host).astype(np.int64) * self._STEPS + step
