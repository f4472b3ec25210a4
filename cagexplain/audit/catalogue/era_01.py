"""ERA-01: root access is answered by Restore.

Blue cannot see root access. What it can see is judged beside it, as a number that is only shown:
whether the first answer to a process alert of the last `WINDOW` steps, or to an Analyse that listed
an escalation file (for a policy that sees files), is Restore.
"""

import numpy as np

from cagexplain.audit.check import Check, Count, Measure, Reference
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.layout import RESPONSES
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import Moments, escalation_files, process_alerts, responses
from cagexplain.facts.view import View, all_incidents, decisions, rows_of
from cagexplain.stats.estimates import HitShare

WINDOW = 10


def first_responses_to_root(view: View) -> Cases:
    """Incidents whose first response came while red was root; a hit is a Restore."""
    incident = view.shared(all_incidents)
    late = (incident.response >= 0) & (incident.root >= 0) & (incident.response >= incident.root)
    return cases(
        rows_of(view, incident.episode[late]),
        incident.response[late],
        incident.response_kind[late] == ActionKind.RESTORE,
        agent=BLUE_OF_HOST[incident.host[late]],
        host=incident.host[late],
    )


def first_responses_to_evidence(view: View) -> Cases:
    """First responses after evidence of a compromise; a hit is a Restore."""
    decision = view.shared(decisions)
    response = np.isin(decision.kind, RESPONSES)
    row, step, host, kind = (
        values[response] for values in (decision.row, decision.step, decision.host, decision.kind)
    )

    def evidence(moments: Moments, known_after: int) -> BoolArray:
        """Whether there was any that no earlier response could know of."""
        last = moments.last(row, host, step + 1 - known_after)
        recent = (last >= 0) & (last > step - known_after - WINDOW)
        since = np.where(recent, last + known_after, step)
        first: BoolArray = recent & (view.shared(responses).count(row, host, since, step) == 0)
        return first

    answers = np.zeros(len(row), dtype=np.bool_)
    if view.facts.observations:
        answers |= evidence(view.shared(process_alerts), 0)
    if view.facts.sees_files:
        answers |= evidence(view.shared(escalation_files), 1)
    return cases(
        row[answers],
        step[answers],
        kind[answers] == ActionKind.RESTORE,
        agent=BLUE_OF_HOST[host[answers]],
        host=host[answers],
    )


def _measure(key: str, name: str, counted: Count, good: float | None, bad: float | None) -> Measure:
    return Measure(
        key=key,
        name=name,
        unit="share",
        better="higher",
        good=good,
        bad=bad,
        statistic=HitShare(),
        cases=counted,
    )


CHECK = Check(
    id="ERA-01",
    title="Root access is answered by Restore",
    problem="Intruders with full control are not answered by a rebuild",
    severity="critical",
    axis="practice",
    knowledge="truth",
    why="Once red is root on a host, only a rebuild evicts it: Remove stops user processes only, "
    "and Analyse evicts nobody. Every other answer leaves the attacker in control of the host.",
    remediation="Answer a process alert on a host, and an alert that comes back after Remove, with "
    "Restore; forbid Remove and Analyse as first answer to a process alert.",
    formula="Of the incidents on a host whose first Analyse, Remove or Restore by its agent "
    "came while red was root: share in which it was Restore.",
    trigger="first responses to root access",
    n_min=20,
    references=(
        Reference("CSF", "RS.MI-02"),
        Reference("SP 800-61", "RS.MI-02"),
        Reference("CISA playbook", "Eradication & Recovery"),
        Reference("COUN7ER", "CM0027"),
        Reference("D3FEND", "D3-RDI"),
        Reference("RE&CT", "RA5001"),
    ),
    measures=(
        _measure(
            "value",
            "share of first responses to root access that are Restore",
            first_responses_to_root,
            0.80,
            0.40,
        ),
        _measure(
            "visible",
            "share of first responses to a process alert (or a listed escalation file) that are "
            "Restore",
            first_responses_to_evidence,
            None,
            None,
        ),
    ),
    absent="Red was root on no host when the first response to it came.",
    related=("ERA-02", "ERA-04"),
)
