"""POL-05: no agent falls silent.

A silence is a time in which an agent does nothing at all, neither on hosts nor on links, although
its hosts show alerts in at least `LONG` steps of it. Sound policies have none, and one that acts at
random hardly any. A case is a step with an alert, so that the share tells how much of what there
was to see fell into silences, and the steps tell since when.
"""

from typing import Final

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.effects import own_alert
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare

LONG: Final = 6
"""Fewest steps with an alert, of an agent that does nothing meanwhile, that are a silence."""


def in_silence(view: View) -> Cases:
    """Steps with an alert of the agent; a hit lies in a silence."""
    row, agent, step = np.nonzero(view.shared(own_alert).swapaxes(1, 2))
    busy = view.shared(working)
    # Whatever an agent does ends its silence, so steps of one silence have as much work before.
    work = np.cumsum(busy, axis=1)[row, step, agent]
    silence = (row * N_BLUE + agent) * (view.steps + 1) + work
    idle = ~busy[row, step, agent]
    length = np.bincount(silence[idle], minlength=int(silence.max(initial=0)) + 1)
    return cases(row, step, idle & (length[silence] >= LONG), agent=agent)


def working(view: View) -> BoolArray:
    """``bool[n, T, 5]`` whether an action that is no wait starts or is under way."""
    decision = view.shared(decisions)
    work = ~decision.idle
    row, step, agent, ends = (
        values[work] for values in (decision.row, decision.step, decision.agent, decision.ends)
    )
    change = np.zeros((view.n, view.steps + 1, N_BLUE), dtype=np.int16)
    np.add.at(change, (row, step, agent), 1)
    np.add.at(change, (row, np.where(ends >= 0, ends, view.steps - 1) + 1, agent), -1)
    return np.cumsum(change[:, :-1], axis=1) > 0


CHECK = Check(
    id="POL-05",
    title="No agent falls silent while its hosts show alerts",
    problem="An agent falls silent and does nothing any more, whatever its hosts show",
    severity="high",
    axis="health",
    knowledge="obs",
    why="A defender that stops leaves its part of the network to the attacker, for the rest of the "
    "episode or until it wakes up. As the others go on, the sum may still look well.",
    remediation="Find out what the silence begins with: a step, a phase, a number of actions, an "
    "event or an input that was never trained on. Watch the agent from outside and replace it when "
    "alerts stay without any action.",
    formula="Of the steps in which a host of the agent shows an alert: share in silences, times in "
    f"which the agent starts and carries out nothing but waits for at least {LONG} such steps.",
    trigger="steps with an alert",
    n_min=100,
    references=(
        Reference("CSF", "RS.MA-01"),
        Reference("AI RMF", "MEASURE 2.5"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of the steps with an alert that lie in a silence of their agent",
            unit="share",
            better="lower",
            good=0.06,
            bad=0.10,
            statistic=HitShare(),
            cases=in_silence,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="No host of an agent showed an alert.",
    related=("POL-02", "POL-06", "DET-04"),
    since="2",
)
