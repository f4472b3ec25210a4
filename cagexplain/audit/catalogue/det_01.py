"""DET-01: alerts change what the agent does.

The host is acted on by any of Analyse, Remove, Restore and DeployDecoy. An agent that sees several
alerts can act on one host only, so the value of the most attentive policy is below 1.
"""

import numpy as np

from cagexplain.audit.check import Check, Count, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View, alerts, connection, decisions, defended, process
from cagexplain.stats.estimates import Difference


def on_alert(view: View) -> Cases:
    """Hosts of free agents; group 1 shows an alert, a hit is acted on."""
    return _acted_on(view, view.shared(alerts))


def on_process(view: View) -> Cases:
    """The same for process alerts."""
    return _acted_on(view, view.shared(process))


def on_connection(view: View) -> Cases:
    """The same for connection alerts."""
    return _acted_on(view, view.shared(connection))


def aimed_at(view: View) -> BoolArray:
    """``bool[n, T, 137]`` hosts that an action of the step was started on."""
    decision = view.shared(decisions)
    on_host = decision.host >= 0
    aimed = np.zeros((view.n, view.steps, len(BLUE_OF_HOST)), dtype=np.bool_)
    aimed[decision.row[on_host], decision.step[on_host], decision.host[on_host]] = True
    return aimed


def watched(view: View) -> BoolArray:
    """``bool[n, T, 137]`` defended hosts whose agent was free to act."""
    return view.batch.started[:, :, BLUE_OF_HOST] & view.shared(defended)[:, None]


def _acted_on(view: View, shown: BoolArray) -> Cases:
    free, aimed = view.shared(watched), view.shared(aimed_at)
    row, step, host = np.nonzero(free & shown)
    # Of the many hosts without alert only their numbers count: first the hits of each episode, then
    # the rest.
    quiet = free & ~shown
    hits = np.count_nonzero(quiet & aimed, axis=(1, 2))
    rest = np.count_nonzero(quiet, axis=(1, 2)) - hits
    episode = np.tile(np.arange(view.n), 2)
    others = np.repeat(episode, np.concatenate([hits, rest]))
    none = np.full(len(others), -1)
    return cases(
        np.concatenate([row, others]),
        np.concatenate([step, none]),
        np.concatenate([aimed[row, step, host], np.arange(len(others)) < hits.sum()]),
        agent=np.concatenate([BLUE_OF_HOST[host], none]),
        host=np.concatenate([host, none]),
        group=np.arange(len(row) + len(others)) < len(row),
    )


def _measure(key: str, kind: str, counted: Count, good: float | None, bad: float | None) -> Measure:
    return Measure(
        key=key,
        name=f"rise of the chance that a host is acted on when it shows {kind}",
        unit="difference of shares",
        better="higher",
        good=good,
        bad=bad,
        statistic=Difference(),
        cases=counted,
    )


CHECK = Check(
    id="DET-01",
    title="Alerts change what the agent does",
    problem="Alerts hardly change what the defenders do",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="Monitoring that nobody reacts to detects nothing. If a host with an alert is acted on no "
    "more often than a quiet one, the defence would be the same without its sensors.",
    remediation="Let an alert decide the target: act on the host that shows it, first of all on "
    "hosts with a process alert. If the policy was trained, check that it learned from the alert "
    "bits at all.",
    formula="Over all defended hosts whose agent was free to act: share acted on (Analyse, Remove, "
    "Restore or DeployDecoy started on the host) in steps in which the host showed an alert, minus "
    "that share in steps in which it showed none.",
    trigger="hosts with an alert whose agent was free",
    n_min=100,
    references=(
        Reference("CSF", "DE.AE-02"),
        Reference("CSF", "RS.MA-02"),
        Reference("SP 800-53", "SI-4(7)"),
    ),
    measures=(
        _measure("value", "an alert", on_alert, 0.20, 0.02),
        _measure("process", "a process alert", on_process, None, None),
        _measure("connection", "a connection alert", on_connection, None, None),
    ),
    needs=frozenset({"observations"}),
    related=("DET-02", "DET-03", "DET-04"),
)
