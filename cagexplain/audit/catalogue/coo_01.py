"""COO-01: agents do not undo each other, and messages matter.

Agents own disjoint hosts, so they can only meet on links: one agent controls the traffic from zone
A to zone B, the other one the traffic back, and green needs both. The two directions therefore
count as one link, and a reversal is a Block (or Allow) that took effect at most 20 steps after the
other agent's Allow (or Block) did.

What messages are worth is the conditional mutual information of a received bit and the type of
action that the receiver starts, given whether it sees an alert of its own (Cover and Thomas 2006,
section 2.5), as the mean over all bits that are not constant. Counts are few, so it is too large on
average; the same number with the messages of an episode shifted round in time, which keeps how they
change and breaks what they have to do with decisions, is subtracted. Messages and decisions that
merely change together with the mission's phase look as if they had to do with each other.

Lies inform, too, as they say the opposite of what is true. They are no merit: bits that are lies in
an episode (COO-02) count as if they had not been sent.

The catalogue gives no bad thresholds, and 0 reversals as the good one, which no interval can show;
those here are this module's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import xlogy

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import N_KINDS
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.cc4.network import N_ZONES
from cagexplain.cc4.observations import MESSAGE_BITS, N_MESSAGE_ENTRIES
from cagexplain.common.arrays import BoolArray, FloatArray, IntArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import changes
from cagexplain.facts.messages import lied, sent
from cagexplain.facts.tally import tally
from cagexplain.facts.view import View, alerts, decisions
from cagexplain.stats.estimates import Function, HitShare

WINDOW: Final = 20
"""Steps within which a change undoes an earlier one."""
_SHAPE: Final = (2, N_BLUE, N_MESSAGE_ENTRIES, 2, 2, N_KINDS)
"""Axes of the tables: true and shifted messages, receiver, received bit, own alert, value of the
bit, type of action."""
_TABLE: Final = (-3, -2, -1)
_OWN: Final = np.arange(N_BLUE)[:, None] == BLUE_OF_HOST
_GOLDEN: Final = 0.618  # multiples of it, without their integers, are spread evenly


def link_changes(view: View) -> Cases:
    """Blocks and Allows that took effect; a hit undid what another agent had just done."""
    change = view.shared(changes)
    width = view.steps + 1

    def key(to_zone: IntArray, from_zone: IntArray) -> IntArray:
        return ((change.row * N_ZONES + to_zone) * N_ZONES + from_zone) * width + change.step

    keys = key(change.to_zone, change.from_zone)
    reverse_keys = key(change.from_zone, change.to_zone)
    order = np.argsort(keys)
    last = order[np.searchsorted(keys[order], reverse_keys) - 1]
    undone = (keys[last] // width == reverse_keys // width) & (keys[last] < reverse_keys)
    undone &= (reverse_keys - keys[last] <= WINDOW) & (change.closed[last] != change.closed)
    undone &= change.agent[last] != change.agent
    return cases(
        change.row,
        change.step,
        undone,
        agent=change.agent,
        to_zone=change.to_zone,
        from_zone=change.from_zone,
    )


def message_tables(view: View) -> FloatArray:
    """Decisions by what the receiver was told, saw and did: ``float64[n, k]``, see `_SHAPE`. All 0
    if nobody ever said anything new."""
    received = _received(view)
    table = np.zeros((view.n, *_SHAPE))
    if (received == received[:, 1:2])[:, 1:].all():
        return table.reshape(view.n, -1)
    decision, alert_bits = view.shared(decisions), view.shared(alerts)
    rows = np.arange(view.n)[:, None]
    shift = view.steps // 4 + (view.batch.episodes * _GOLDEN % 1 * view.steps / 2).astype(int)
    moved = received[rows, (np.arange(view.steps) + shift[:, None]) % view.steps]
    for agent in range(N_BLUE):
        of_agent = decision.agent == agent
        row, step = decision.row[of_agent], decision.step[of_agent]
        alert = alert_bits[row, step][:, _OWN[agent]].any(axis=1)
        for place, messages in enumerate((received, moved)):
            bits = messages[row, step, agent]
            common = (row, view.n), (alert.astype(int), 2), (decision.kind[of_agent], N_KINDS)
            every = tally(*common)[:, None]
            ones = np.stack(
                [tally(*common, where=bits[:, bit]) for bit in range(N_MESSAGE_ENTRIES)], axis=1
            )
            table[:, place, agent] = np.stack([every - ones, ones], axis=3)
    return table.reshape(view.n, -1)


def _received(view: View) -> BoolArray:
    """``bool[n, T, 5, 32]`` message bits that each agent's decisions were made on: what the others
    sent in the step before. Lies are taken for nothing."""
    bits = view.shared(sent) & ~view.shared(lied)[:, None]
    received = np.zeros((view.n, view.steps, N_BLUE, N_MESSAGE_ENTRIES), dtype=np.bool_)
    for agent in range(N_BLUE):
        others = np.delete(bits[:, :-1], agent, axis=2)
        received[:, 1:, agent] = others.reshape(*others.shape[:2], (N_BLUE - 1) * MESSAGE_BITS)
    return received


def _live(totals: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The tables, and which received bits ``[..., receiver, bit]`` are not constant."""
    counts = totals.reshape(*totals.shape[:-1], *_SHAPE)
    values: FloatArray = counts[..., 0, :, :, :, :, :].sum(axis=(-3, -1))
    live: BoolArray = np.all(values > 0, axis=-1)
    return counts, live


def _information(totals: FloatArray) -> FloatArray:
    if not totals.any():
        return np.full(totals.shape[:-1], np.nan)
    counts, live = _live(totals)

    def surprise(*summed: int) -> FloatArray:
        margin = counts.sum(axis=summed, keepdims=True)
        total: FloatArray = xlogy(margin, margin).sum(axis=_TABLE)
        return total

    nats = surprise() - surprise(-1) - surprise(-2) + surprise(-1, -2)
    decided = counts.sum(axis=_TABLE) * np.log(2)
    bits = np.divide(nats, decided, out=np.zeros_like(nats), where=decided > 0)
    gain = (bits[..., 0, :, :] - bits[..., 1, :, :]) * live
    n: FloatArray = live.sum(axis=(-2, -1)).astype(np.float64)
    mean: FloatArray = np.divide(
        gain.sum(axis=(-2, -1)), n, out=np.full_like(n, np.nan), where=n > 0
    )
    return mean


def _informed_decisions(totals: FloatArray) -> FloatArray:
    """Decisions of receivers of bits that are not constant."""
    counts, live = _live(totals)
    decided = counts[..., 0, :, :, :, :, :].sum(axis=_TABLE)
    n_decisions: FloatArray = (decided * live).max(axis=-1).sum(axis=-1)
    return n_decisions


CHECK = Check(
    id="COO-01",
    title="Agents do not undo each other's blocks, and what they tell each other matters",
    problem="The defenders undo each other’s blocks, or send messages without effect",
    severity="low",
    axis="practice",
    knowledge="obs",
    why="Each agent controls one direction of a link; if one opens what another has just closed, "
    "neither gets what it wants and users lose their connection meanwhile. Messages that nobody "
    "acts on are noise that the team pays attention to for nothing.",
    remediation="Let agents follow the phase's communication policy, which is the same for both "
    "ends of a link; send what the others can act on, such as alerts, or send nothing.",
    formula="Of the Blocks and Allows that took effect: share that came within "
    f"{WINDOW} steps after the opposite change of the same link's other direction by another "
    "agent. And the mean information of a received message bit about the type of action, given "
    "own alerts, less that of messages shifted in time; lies (COO-02) count for nothing.",
    trigger="link changes, or decisions after messages",
    n_min=20,
    references=(
        Reference("CSF", "RS.CO-03"),
        Reference("SP 800-53", "IR-4(4)"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of link changes that undo another agent's",
            unit="share",
            better="lower",
            good=0.02,
            bad=0.20,
            statistic=HitShare(),
            cases=link_changes,
        ),
        Measure(
            key="messages",
            name="mean information of a received message bit about the type of action",
            unit="bits",
            better="higher",
            good=0.01,
            bad=0.001,
            statistic=Function(_information, _informed_decisions),
            sums=message_tables,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="No agent changed a link, and none sent a message that varies.",
    related=("COO-02", "NET-06"),
    extra=True,
)
