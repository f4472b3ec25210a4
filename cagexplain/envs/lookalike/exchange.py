"""Where the look-alike gets the engine's records from: it steps no engine itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from cagexplain.common.errors import UsageError
from cagexplain.envs.batched import BatchedEnv
from cagexplain.sim.state import STATE

Record = Any
"""One element of :data:`cagexplain.sim.state.STATE`."""

_COUNTED: Final = {
    **dict.fromkeys(("proc_pid", "proc_kind", "proc_session", "proc_next"), "proc_top"),
    **dict.fromkeys(("sus_pid", "sus_next"), "sus_n"),
    "events": "event_n",
}
"""Long fields, of which the first entries are in use, and the field that says how many."""
_UNREAD: Final = ("known_ids", "known_has", "transitions", "ses_ports", "ports_used")
"""Long fields that nothing here asks for."""


def _fixed() -> list[slice]:
    """Where the bytes of all other fields are."""
    layout: Any = STATE.fields
    ends, start = [], 0
    for offset, size in sorted(
        (layout[name][1], layout[name][0].itemsize) for name in (*_COUNTED, *_UNREAD)
    ):
        ends.append(slice(start, offset))
        start = offset + size
    return [*ends, slice(start, STATE.itemsize)]


_FIXED: Final = _fixed()


def _in_use(record: Record) -> Iterator[slice]:
    """Where the bytes of the long fields' entries are that are in use."""
    layout: Any = STATE.fields
    for name, count in _COUNTED.items():
        field, offset = layout[name][:2]
        yield slice(offset, offset + int(record[count]) * field.base.itemsize)


def content_of(record: Record) -> bytes:
    """What a look-alike reads of a record. A message of this size fits into a socket at once, so
    that whoever sends it waits for nobody."""
    whole = memoryview(record.tobytes())
    return b"".join(whole[span] for span in (*_FIXED, *_in_use(record)))


def record_of(content: bytes) -> Record:
    """The record that was sent as such content, writable; what was left out is zero."""
    record = np.zeros(1, STATE)
    whole, left = record.view(np.uint8), np.frombuffer(content, np.uint8)
    for span in itertools.chain(_FIXED, _in_use(record[0])):  # the first ones say how many follow
        size = span.stop - span.start
        whole[span], left = left[:size], left[size:]
    return record[0]


class Exchange(Protocol):
    """Whoever plays the engine for a look-alike."""

    def begin(self) -> Record:
        """A new episode: the record after its reset."""

    def step(self, actions: npt.NDArray[np.int64], messages: npt.NDArray[np.uint8]) -> Record:
        """Play one step of actions ``int64[5]`` and messages ``uint8[5, 8]``; the new record."""


class InProcess:
    """An exchange over an environment of this process.

    Args:
        env: one environment.
        seed: of the first episode; the next ones go on with its generator.
        skip_worlds: before the first episode; see ``BatchedEnv.reset``.
    """

    def __init__(self, env: BatchedEnv, seed: int, *, skip_worlds: int = 0) -> None:
        if env.n_envs != 1:
            raise UsageError(
                "the look-alike plays one environment", field="env", remedy="Make a BatchedEnv(1)"
            )
        self.env = env
        self._seeds: list[int] | None = [seed]
        self._skip_worlds = skip_worlds

    def begin(self) -> Record:
        """The record after the reset."""
        self.env.reset(self._seeds, skip_worlds=self._skip_worlds)
        self._seeds, self._skip_worlds = None, 0
        return self.env.state[0]

    def step(self, actions: npt.NDArray[np.int64], messages: npt.NDArray[np.uint8]) -> Record:
        """The record after the step."""
        self.env.step(actions[None], messages[None])
        return self.env.state[0]
