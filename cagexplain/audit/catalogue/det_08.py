"""DET-08: the response hits the host that alerts.

Who sweeps or hunts also acts on quiet hosts while a neighbour's alert is open, by chance; who
misses its target does so at once, and more often than at any other time. So the share of responses
to quiet hosts that come while another host of the subnet waits for one is held against that share
at other moments. Responses to hosts that showed an alert themselves lately miss nothing and are no
case, so that answers to several alerts at once are not blamed, and neither is a look at the
neighbours of a host that was answered.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4 import network
from cagexplain.cc4.layout import RESPONSES
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.chance import N_OTHERS, other_steps
from cagexplain.facts.links import count_in_zone
from cagexplain.facts.recoveries import open_alerts
from cagexplain.facts.view import View, alerts, decisions, recently
from cagexplain.stats.estimates import Difference

QUIET = 25
"""Steps without an alert after which a host counts as quiet."""


def beside(view: View) -> Cases:
    """Responses to quiet hosts (group 1), and other moments of the free agent at the same hosts; a
    hit has another host of the subnet with a process alert that nobody has answered."""
    decision = view.shared(decisions)
    response = np.isin(decision.kind, RESPONSES)
    row, step, host, agent = (
        values[response] for values in (decision.row, decision.step, decision.host, decision.agent)
    )
    quiet = ~recently(view.shared(alerts), QUIET)[row, step, host]
    row, step, host, agent = row[quiet], step[quiet], host[quiet], agent[quiet]
    moments = np.column_stack([step, other_steps(step, view.steps)]).ravel()
    row, host, agent = (np.repeat(values, 1 + N_OTHERS) for values in (row, host, agent))
    every = cases(
        row,
        moments,
        _neighbour_waits(view, row, moments, host),
        agent=agent,
        host=host,
        group=np.arange(len(moments)) % (1 + N_OTHERS) == 0,
    )
    return every.where(view.batch.started[row, moments, agent])


def _neighbour_waits(view: View, row: IntArray, step: IntArray, host: IntArray) -> BoolArray:
    waiting = view.shared(open_alerts)
    zone = network.HOST_ZONE[host]
    others: BoolArray = count_in_zone(waiting)[row, step, zone] > waiting[row, step, host]
    return others


CHECK = Check(
    id="DET-08",
    title="The response hits the host that alerts, not its neighbour",
    problem="The defenders treat the neighbour of the host that raised the alarm",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="A response on the wrong machine disturbs a clean host, and leaves the attacker on the one "
    "that raised the alarm. From outside it looks as if the defence had reacted.",
    remediation="Take the target of Analyse, Remove and Restore from the very entry of the "
    "observation that shows the alert, and check the order of hosts between observation and "
    "actions.",
    formula="Of the Analyses, Removes and Restores started on a host without an alert in the last "
    f"{QUIET} steps: share started while another host of its subnet had an unanswered process "
    "alert of the last 10 steps, minus that share at eight moments of the hundred steps before.",
    trigger="responses to quiet hosts",
    n_min=50,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("CSF", "RC.RP-02"),
        Reference("COUN7ER", "CM0027"),
    ),
    measures=(
        Measure(
            key="value",
            name="rise of the chance that a neighbour waits for an answer when a quiet host gets "
            "one",
            unit="difference of shares",
            better="lower",
            good=0.05,
            bad=0.15,
            statistic=Difference(),
            cases=beside,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="No response went to a host that had shown no alert.",
    related=("DET-01", "DET-04", "REC-01"),
    since="2",
)
