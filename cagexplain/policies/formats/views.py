"""What a foreign network is shown, and what its outputs mean: forms of observations and actions.

Every form of an agent's observation is a choice of columns of one wide row per environment
(`widened`), so that a form is a table and not a program. A width that only one form has says which
form it is; `cagexplain.policies.formats.descriptor` asks where there are several.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.phases import N_PHASES
from cagexplain.common.arrays import Float32Array, Int64Array

Observation: TypeAlias = Literal["official", "padded", "team"]
"""Whose entries: the agent's own vector (92 or 210), the same with zeros up to 210, or the vectors
of all agents side by side (578)."""
Encoding: TypeAlias = Literal["numbers", "one_hot"]
"""How entries become inputs: as they are, or each as one of its values, as Stable-Baselines3 and
RLlib do with the official `MultiDiscrete` space (185, 421 or 1161 inputs)."""
Identity: TypeAlias = Literal["none", "supersuit", "last", "first"]
"""Five more entries that say which agent it is: of value 2 at the end, as SuperSuit appends them to
`parallel_env(observations="box")`; or of value 1 at the end or at the beginning."""
Actions: TypeAlias = Literal["official", "padded", "team"]
"""Actions that the network chooses among: the agent's own (82 or 242), padded to 242, or those of
all agents side by side (570)."""

_VALUES: Final = np.full(observations.TOTAL, 2, np.int64)
"""Values that each of the 578 entries can have: a phase, then bits, agent after agent."""
_VALUES[np.array(observations.OFFSETS) + observations.PHASE] = N_PHASES
_ENTRY: Final = np.repeat(np.arange(observations.TOTAL), _VALUES)
_VALUE: Final = np.concatenate([np.arange(values) for values in _VALUES])
"""Entry and value that each column of the one-hot encoding stands for: ``int64[1161]``."""
_CONSTANTS: Final = observations.TOTAL + len(_ENTRY)
"""First of the columns that hold 0, 1 and 2."""
_MARK: Final = {"supersuit": 2, "last": 1, "first": 1}
"""The value of the entry that names the agent, by identity."""


@dataclass(frozen=True)
class View:
    """A form of observations."""

    observation: Observation
    encoding: Encoding
    identity: Identity

    def columns(self, agent: int) -> Int64Array:
        """Columns of `widened` that are the inputs of an agent's network: ``int64[inputs]``."""
        return _columns(self, agent)


VIEWS: Final = tuple(
    View(*form) for form in itertools.product(*map(get_args, (Observation, Encoding, Identity)))
)
"""All forms."""


@cache
def _columns(view: View, agent: int) -> Int64Array:
    entries = np.arange(observations.TOTAL)
    if view.observation != "team":
        entries = entries[observations.slice_of(agent)]
    columns, padding = entries, [0]
    if view.encoding == "one_hot":
        columns, padding = observations.TOTAL + np.flatnonzero(np.isin(_ENTRY, entries)), [1, 0]
    if view.observation == "padded":
        missing = max(observations.SIZES) - len(entries)
        columns = np.append(columns, _CONSTANTS + np.tile(padding, missing))
    if view.identity != "none":
        who = np.full(N_BLUE, _CONSTANTS)
        who[agent] += _MARK[view.identity]
        columns = np.append(*((who, columns) if view.identity == "first" else (columns, who)))
    columns.flags.writeable = False  # it is shared
    return columns


def widened(obs: npt.NDArray[np.int8]) -> Float32Array:
    """The row that all forms are parts of: the vectors, the same one-hot, and the constants.

    Args:
        obs: ``int8[n, 578]``.

    Returns:
        ``float32[n, 578 + 1161 + 3]``.
    """
    constants = np.broadcast_to(np.arange(3, dtype=np.float32), (len(obs), 3))
    return np.concatenate([obs, obs[:, _ENTRY] == _VALUE, constants], axis=1, dtype=np.float32)


def action_range(form: Actions, agent: int) -> slice:
    """The outputs of a network among which an agent's action is chosen: first its official actions
    in their order, then those that only other agents have."""
    if form == "team":
        return actions.slice_of(agent)
    return slice(0, max(actions.SIZES) if form == "padded" else actions.SIZES[agent])


def n_outputs(form: Actions, agent: int) -> int:
    """Outputs of an agent's network."""
    return actions.TOTAL if form == "team" else action_range(form, agent).stop
