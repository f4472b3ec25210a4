"""NET-05: emergency blocks are justified and lifted.

An emergency block closes a link that the communication policy in the observation decided on keeps
open. Alerts that blocks themselves cause justify nothing: a user who runs against a block leaves a
connection alert on the server, so that blocking at random would soon find its reason.

Alerts are so many that a block at any moment often follows one. So the share of blocks that do is
held against the share of other moments, in the hundred steps before, at which the same link would
have had a reason.

The time until a block is lifted counts from the block, so from the last alert that it answers. It
does not begin anew with later alerts: two subnets raise a false one every dozen steps or so, and a
block that waits for quiet would never be seen to be late. It is censored when the policy begins to
demand the block, or with the episode.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.phases import COMMS_POLICY, N_PHASES
from cagexplain.common.arrays import IntArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.chance import N_OTHERS, other_steps
from cagexplain.facts.links import (
    WINDOW,
    Changes,
    any_in_zone,
    caused_by_blocks,
    changes,
    phase_starts,
    shown_phase,
)
from cagexplain.facts.view import View, connection, process
from cagexplain.stats.estimates import Difference, Quantile

_LONG_AGO = -WINDOW


def justified(view: View) -> Cases:
    """Emergency blocks (group 1), and other moments at the same links; a hit had an alert in either
    subnet within the last steps."""
    blocks = view.shared(emergency_blocks)
    step = np.column_stack([blocks.step, other_steps(blocks.step, view.steps)]).ravel()
    row, agent, to_zone, from_zone = (
        np.repeat(values, 1 + N_OTHERS)
        for values in (blocks.row, blocks.agent, blocks.to_zone, blocks.from_zone)
    )
    last = view.shared(last_alert)[row, step]
    either = np.take_along_axis(last, np.stack([to_zone, from_zone], axis=1), axis=1)
    return cases(
        row,
        step,
        step - either.max(axis=1) < WINDOW,
        agent=agent,
        group=np.arange(len(step)) % (1 + N_OTHERS) == 0,
        to_zone=to_zone,
        from_zone=from_zone,
    )


def lifted(view: View) -> Cases:
    """Emergency blocks, with the steps until they were lifted."""
    blocks = view.shared(emergency_blocks)
    end = np.where(blocks.after >= 0, blocks.after, view.steps)
    for phase in range(1, N_PHASES):
        start = view.shared(phase_starts)[blocks.row, phase]
        demanded = COMMS_POLICY[phase, blocks.to_zone, blocks.from_zone] == 1
        end = np.where(demanded & (start > blocks.step), np.minimum(end, start), end)
    return cases(
        blocks.row,
        blocks.step,
        end == blocks.after,
        agent=blocks.agent,
        duration=end - blocks.step,
        to_zone=blocks.to_zone,
        from_zone=blocks.from_zone,
    )


def emergency_blocks(view: View) -> Changes:
    """Changes of links that closed what the policy in the observation kept open."""
    change = view.shared(changes)
    phase = view.shared(shown_phase)[change.row, change.step]
    return change.where(
        change.closed & (COMMS_POLICY[phase, change.to_zone, change.from_zone] == 0)
    )


def last_alert(view: View) -> IntArray:
    """``int16[n, T, 9]`` last step up to now in which a host of the zone showed an alert that no
    block had caused; long ago if there was none."""
    alerts = view.shared(process) | (view.shared(connection) & ~view.shared(caused_by_blocks))
    step = np.arange(view.steps, dtype=np.int16)[:, None]
    latest: IntArray = np.maximum.accumulate(
        np.where(any_in_zone(alerts), step, np.int16(_LONG_AGO)), axis=1
    )
    return latest


CHECK = Check(
    id="NET-05",
    title="Blocks beyond the communication policy have a reason, and are lifted again",
    problem="Extra blocks are set without a reason, or never lifted",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="Cutting a link that the mission wants open can stop an attack from spreading, at the "
    "users' cost. It is worth that while there are signs of an attack, and not for ever.",
    remediation="Block beyond the policy only within 10 steps of an alert in one of the two "
    "subnets, allow the traffic again within 50 steps, and block anew if the alerts go on.",
    formula="Of the blocks of links that the observation's communication policy keeps open: share "
    "with an alert in either subnet in the last 10 steps, minus that share at eight moments of the "
    "hundred steps before, alerts that blocks cause left out; and Kaplan-Meier median of the steps "
    "until they are lifted.",
    trigger="blocks beyond the communication policy",
    n_min=15,
    references=(
        Reference("CSF", "RS.MI-01"),
        Reference("CSF", "RC.RP-05"),
        Reference("SP 800-61", "RS.MI-01"),
        Reference("CISA playbook", "Containment"),
        Reference("RE&CT", "RA3102"),
        Reference("RE&CT", "RA5101"),
        Reference("ATT&CK", "T1210"),
        Reference("D3FEND", "D3-NTF"),
        Reference("D3FEND", "D3-RNA"),
        Reference("COUN7ER", "CM0065"),
    ),
    measures=(
        Measure(
            key="value",
            name="rise of the chance of an alert in either subnet shortly before such a block",
            unit="difference of shares",
            better="higher",
            good=0.2,
            bad=0.05,
            statistic=Difference(),
            cases=justified,
        ),
        Measure(
            key="lifted",
            name="median time until such a block is lifted",
            unit="steps",
            better="lower",
            good=50,
            bad=200,
            statistic=Quantile(0.5),
            cases=lifted,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="The policy blocked nothing that the communication policy keeps open.",
    related=("NET-01", "NET-04", "NET-07"),
)
