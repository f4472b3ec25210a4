"""NET-07: no self-made alerts chased.

What triggered a response is the newest alert that its host showed in the last ten steps; the check
is about responses triggered by a connection alert without a process alert beside it.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.layout import RESPONSES
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import WINDOW, caused_by_blocks, last_steps, settled
from cagexplain.facts.view import View, connection, decisions, process
from cagexplain.stats.estimates import HitShare


def chased(view: View) -> Cases:
    """Responses that a connection alert triggered; a hit if a blocked user had caused it."""
    decision = view.shared(decisions)
    response = np.flatnonzero(np.isin(decision.kind, RESPONSES))
    row, step, host = decision.row[response], decision.step[response], decision.host[response]
    suspicious = last_steps(view.shared(process), row, step, host, WINDOW)
    contacted = last_steps(view.shared(connection), row, step, host, WINDOW)
    newest = (suspicious | contacted).argmax(axis=1)
    by_contact = (contacted & ~suspicious)[np.arange(len(row)), newest]
    by_contact &= view.shared(settled)[row, step - newest]
    row, step, host, newest = (x[by_contact] for x in (row, step, host, newest))
    self_caused = view.shared(caused_by_blocks)[row, step - newest, host]
    return cases(row, step, self_caused, agent=decision.agent[response][by_contact], host=host)


CHECK = Check(
    id="NET-07",
    title="No alert that the defence itself caused is chased",
    problem="The defenders chase alerts that their own blocks caused",
    severity="low",
    axis="practice",
    knowledge="truth",
    why="A user who runs against a block leaves a connection alert on the server that could not be "
    "reached. Whoever answers it investigates the own blocks, while real alerts wait.",
    remediation="Lift blocks between subnets whose users work together, and do not respond to a "
    "connection alert on a server that such a block cuts off.",
    formula="Of the responses on a host whose newest alert in the last 10 steps was a connection "
    "alert alone: share in which it was written by a user's blocked access and by nothing of red. "
    "Alerts in the 20 steps after a change of phase, which links need to follow it, do not count.",
    trigger="responses triggered by a connection alert",
    n_min=20,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("CSF", "DE.AE-08"),
        Reference("CIS", "13.11"),
        Reference("D3FEND", "D3-NTA"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of responses to connection alerts that an own block had caused",
            unit="share",
            better="lower",
            good=0.05,
            bad=0.30,
            statistic=HitShare(),
            cases=chased,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="No response was triggered by a connection alert alone.",
    related=("NET-01", "NET-04", "NET-05"),
    extra=True,
)
