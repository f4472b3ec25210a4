"""What agents tell each other, held against what they see.

No code of messages is given, so a bit is read by what it goes with. It is *telling* if some agent's
bit of that number goes with the alerts of its hosts, of the kind that fits best. A raised bit then
says that there is such an alert; one that is raised when there is none says the opposite of what
its sender sees, whoever sends it and whenever.

A bit speaks up when an alert of the kind appears. It is asked twice then: in the step before, when
it should be down, and in that step, when it should be up. Half of both answers are right by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.cc4 import phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.common.arrays import BoolArray, FloatArray, IntArray
from cagexplain.facts.batch import codes
from cagexplain.facts.links import any_of_agent
from cagexplain.facts.view import View, connection, process

TELLING: Final = 0.25
"""Smallest correlation of a bit with alerts, within a phase of an episode, that is no accident."""
LIES: Final = 0.4
"""Share of right answers below which a bit is taken for a lie; it is half by chance."""


@dataclass(frozen=True)
class Statements:
    """What telling bits said about an alert that appeared, two entries each.

    Attributes:
        row, step, agent: where, when and who.
        bit: number within the message.
        true: whether the bit agrees with what the agent sees.
    """

    row: IntArray
    step: IntArray
    agent: IntArray
    bit: IntArray
    true: BoolArray


def sent(view: View) -> BoolArray:
    """``bool[n, T, 5, 8]`` message bits of each agent."""
    blue = view.batch.frame("blue")
    message = np.zeros((view.n, view.steps, N_BLUE), dtype=np.uint8)
    message[blue["row"], blue["step"], codes(blue, "agent")] = blue["message"]
    return np.unpackbits(message[..., None], axis=-1).view(np.bool_)


def statements(view: View) -> Statements:
    """All statements of telling bits."""
    bits = view.shared(sent)
    varies = (bits != bits[:1, :1]).any(axis=(0, 1))  # [agent, bit]
    none = np.empty(0, dtype=np.int64)
    columns = [(none, none, none, none, none > 0)]
    shown = _sights(view)
    fit = np.zeros((len(shown), *varies.shape))  # [kind, agent, bit]
    if varies.any():
        fit[:] = [_strength(view, bits, sight) for sight in shown]
    for agent, bit in np.argwhere(varies & (fit.max(axis=(0, 1)) >= TELLING)):
        sight = shown[fit[:, :, bit].max(axis=1).argmax()][:, :, agent]
        row, before = np.nonzero(sight[:, 1:] & ~sight[:, :-1])
        for step, wanted in ((before, False), (before + 1, True)):
            true = bits[row, step, agent, bit] == wanted
            columns.append((row, step, np.full_like(row, agent), np.full_like(row, bit), true))
    return Statements(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))


def lied(view: View) -> BoolArray:
    """``bool[n, 5, 8]`` bits that were lies in an episode."""
    said = view.shared(statements)
    shape = view.n, N_BLUE, MESSAGE_BITS
    place = np.ravel_multi_index((said.row, said.agent, said.bit), shape)
    size = int(np.prod(shape))
    every = np.bincount(place, minlength=size)
    true = np.bincount(place[said.true], minlength=size)
    lies: BoolArray = (true < LIES * every).reshape(shape)
    return lies


def _sights(view: View) -> tuple[BoolArray, ...]:
    """What a bit may be about: alerts of an agent's hosts by kind, ``bool[n, T, 5]`` each."""
    suspicious, contacted = view.shared(process), view.shared(connection)
    kinds = (suspicious, contacted, suspicious & contacted, suspicious | contacted)
    return tuple(any_of_agent(kind) for kind in kinds)


def _strength(view: View, bits: BoolArray, sight: BoolArray) -> FloatArray:
    """``float64[agent, bit]`` correlation of bits with what is seen, whatever its sign: the root
    of the mean square over phases and episodes, less what chance makes of so few steps."""
    squares, weight = np.zeros(bits.shape[2:]), 0
    for phase in range(phases.N_PHASES):
        inside = view.batch.phase == phase
        n = inside.sum(axis=1)
        for row in np.flatnonzero(n > 1):
            x, y = bits[row, inside[row]].astype(float), sight[row, inside[row], :, None]
            dx, dy = x - x.mean(axis=0), y - y.mean(axis=0)
            spread = (dx**2).sum(axis=0) * (dy**2).sum(axis=0)
            square = np.divide(
                (dx * dy).sum(axis=0) ** 2, spread, out=np.zeros_like(squares), where=spread > 0
            )
            squares += np.maximum(square - 1 / (n[row] - 1), 0)
            weight += 1
    strength: FloatArray = np.sqrt(squares / max(weight, 1))
    return strength
