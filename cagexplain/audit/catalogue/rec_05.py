"""REC-05: the more important host first.

Zones of different mission weight never belong to one agent: agents 0 to 3 have one zone each, and
the three of agent 4 weigh the same in every phase. So among the hosts of one agent the kind of host
decides: a server before a user host. Red reaches further zones over servers, and a process alert on
a server is never false, since only users' own work raises false ones. What is counted are the
choices that an agent really makes, so leaving all alerts alone counts neither way. The catalogue's
sign test against one half becomes thresholds a little beyond it on either side.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.layout import RESPONSES
from cagexplain.cc4.reward import HOST_WEIGHT
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.recoveries import WINDOW, open_alerts
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare


def conflicts(view: View) -> Cases:
    """Answers to one of several open process alerts on hosts of different weight; a hit is the
    answer to the heaviest."""
    decision, unanswered = view.shared(decisions), view.shared(open_alerts)
    answer = np.flatnonzero(np.isin(decision.kind, RESPONSES))
    answer = answer[unanswered[decision.row[answer], decision.step[answer], decision.host[answer]]]
    row, step, agent, host = (
        column[answer] for column in (decision.row, decision.step, decision.agent, decision.host)
    )
    weight = HOST_WEIGHT[view.batch.phase[row, step]]
    rivals = unanswered[row, step] & (agent[:, None] == BLUE_OF_HOST)
    heaviest = np.where(rivals, weight, HOST_WEIGHT.min()).max(axis=1)
    lightest = np.where(rivals, weight, HOST_WEIGHT.max()).min(axis=1)
    answered_weight = weight[np.arange(len(row)), host]
    answers = cases(row, step, answered_weight == heaviest, agent=agent, host=host)
    return answers.where(heaviest > lightest)


CHECK = Check(
    id="REC-05",
    title="The more important host comes first",
    problem="Less important machines are helped first",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="Several machines raise the alarm at once and an agent can treat one at a time. Which one "
    "comes first decides what the attacker gets: over a server it reaches other subnets, and an "
    "alarm of a server is never false.",
    remediation="Order open alerts by the mission weight of the subnet, then servers before user "
    "hosts, then by age.",
    formula=f"Of the Analyse, Remove and Restore started on a host with a process alert of the "
    f"last {WINDOW} steps not answered yet, while such an alert was open on another of the agent's "
    "hosts of different weight: share aimed at the heaviest. Weight: penalties of the subnet in "
    "the phase, then server before user host.",
    trigger="answers to one of several alerts on hosts of different weight",
    n_min=20,
    references=(
        Reference("CSF", "RS.MA-03"),
        Reference("CSF", "ID.AM-05"),
        Reference("SP 800-61", "RS.MA-03"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of answers that go to the heaviest of the alerted hosts",
            unit="share",
            better="higher",
            good=0.55,
            bad=0.45,
            statistic=HitShare(),
            cases=conflicts,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="No agent ever chose between alerts on hosts of different weight.",
    related=("DET-03", "DET-04"),
)
