"""REC-06: damaged services are repaired."""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.network import N_HOSTS
from cagexplain.cc4.services import MAX_RELIABILITY
from cagexplain.facts.batch import codes
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.incidents import NEVER
from cagexplain.facts.moments import Moments
from cagexplain.facts.view import DEFENDED, View
from cagexplain.stats.estimates import Quantile


def damages(view: View) -> Cases:
    """Times during which a service of a defended host was degraded or stopped; a hit ended before
    the episode did."""
    changes = view.batch.frame("services")
    row, step, host = changes["row"].to_numpy(), changes["step"].to_numpy(), codes(changes, "host")
    damaged = (changes["reliability"].to_numpy() < MAX_RELIABILITY) | changes["stopped"].to_numpy()
    place = row * N_HOSTS + host
    order = np.lexsort((step, place))
    row, step, host, damaged = (column[order] for column in (row, step, host, damaged))
    before = np.zeros_like(damaged)  # at the beginning everything is healthy
    before[1:] = damaged[:-1] & (place[order][1:] == place[order][:-1])
    begin = damaged & ~before & DEFENDED[host] & (step + 1 < view.steps)
    mended = before & ~damaged
    healthy = Moments.of(view, row[mended], step[mended] + 1, host[mended])
    row, on, host = row[begin], step[begin] + 1, host[begin]
    end = healthy.next(row, host, on, view.steps)
    repaired = end != NEVER
    return cases(
        row,
        on,
        repaired,
        agent=BLUE_OF_HOST[host],
        host=host,
        duration=np.where(repaired, end, view.steps) - on,
    )


def _measure(key: str, name: str, share: float, good: float | None, bad: float | None) -> Measure:
    return Measure(
        key=key,
        name=name,
        unit="steps",
        better="lower",
        good=good,
        bad=bad,
        statistic=Quantile(share),
        cases=damages,
    )


CHECK = Check(
    id="REC-06",
    title="Damaged services are repaired soon",
    problem="Damaged services stay damaged for long",
    severity="high",
    axis="outcome",
    knowledge="truth",
    why="An intruder with full control degrades services or stops them, and no alert says so. "
    "Users' work fails for as long as nobody rebuilds the machine: this is where most of the loss "
    "comes from.",
    remediation="Rebuild hosts that were alerted on, even late, and sweep user hosts with slow "
    "rounds of Restores: damage can only be found by its cause.",
    formula="Kaplan-Meier median (and 90th percentile) of the steps from the first loss of "
    "reliability or stop of a service on a defended host until all its services are whole again.",
    trigger="damaged hosts",
    n_min=20,
    references=(
        Reference("CSF", "RC.RP-05"),
        Reference("SP 800-61", "RC.RP-05"),
        Reference("ATT&CK", "T1499"),
        Reference("ATT&CK", "T1489"),
    ),
    measures=(
        _measure("value", "median time until damaged services are whole again", 0.5, 30, 100),
        _measure(
            "p90", "90th percentile of the time until damaged services are whole", 0.9, None, None
        ),
    ),
    absent="Red damaged no service.",
    related=("ERA-05", "MIS-01"),
)
