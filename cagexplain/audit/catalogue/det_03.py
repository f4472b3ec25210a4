"""DET-03: time from a visible alert to the first response.

That the 90th percentile is at most 15 ticks is the same as that 90 % are answered within 15 ticks;
that the median is at least 15 is the same as that 50 % are. So this share has both borders.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.audit.statistics import Incidence, Quantile, Statistic
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View, rows_of, stays

SOON = 15


def waits(view: View) -> Cases:
    """Stays of red with an alert; the duration goes from the first one to the first response."""
    found = view.shared(stays)
    seen = found.alert >= 0
    host, alert, answer = found.host[seen], found.alert[seen], found.answer[seen]
    answered = answer >= 0
    return cases(
        rows_of(view, found.episode[seen]),
        alert,
        answered,
        agent=BLUE_OF_HOST[host],
        host=host,
        duration=np.where(answered, answer, found.end[seen]) - alert,
    )


def _measure(
    key: str, name: str, statistic: Statistic, good: float | None, bad: float | None
) -> Measure:
    share = isinstance(statistic, Incidence)
    return Measure(
        key=key,
        name=name,
        unit="share" if share else "ticks",
        better="higher" if share else "lower",
        good=good,
        bad=bad,
        statistic=statistic,
        cases=waits,
    )


CHECK = Check(
    id="DET-03",
    title="A visible alert is answered soon",
    problem="Visible alerts are answered late",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="An attacker needs a few steps from the first foothold to full control of a host. The time "
    "from the first alert to the first look or countermeasure decides how far it gets.",
    remediation="Give alerts precedence over routine work, remember those that come while the "
    "agent is busy, and answer them before anything else when it is free again.",
    formula="Over red's stays on a defended host with an alert of that host: Kaplan-Meier median "
    "of the ticks from the first alert to the first Analyse, Remove or Restore started on the "
    "host, and the share answered within 15 ticks. Stays that end unanswered are censored.",
    trigger="stays of red with an alert",
    n_min=20,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("SP 800-61", "3.2"),
    ),
    measures=(
        _measure(
            "value",
            "median wait from the first alert to the first response",
            Quantile(0.5),
            3,
            15,
        ),
        _measure(
            "soon",
            f"share of stays with an alert that are answered within {SOON} ticks",
            Incidence(SOON),
            0.90,
            0.50,
        ),
        _measure(
            "p90",
            "90th percentile of the wait from the first alert to the first response",
            Quantile(0.9),
            None,
            None,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("DET-04", "ERA-05"),
)
