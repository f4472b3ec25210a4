"""DET-03: time from a visible alert to the first response.

The catalogue names a bad border for the median only. The 90th percentile needs one as well to be
judged: 100 ticks, a fifth of an episode.
"""

import numpy as np

from cagexplain.analysis.practices.cases import Cases, cases
from cagexplain.analysis.practices.check import Check, Measure, Reference
from cagexplain.analysis.practices.statistics import Quantile
from cagexplain.analysis.practices.view import View, rows_of, stays
from cagexplain.cc4.agents import BLUE_OF_HOST


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


def _measure(key: str, name: str, share: float, good: float, bad: float) -> Measure:
    return Measure(
        key=key,
        name=f"{name} of the wait from the first alert to the first response",
        unit="ticks",
        better="lower",
        good=good,
        bad=bad,
        statistic=Quantile(share),
        cases=waits,
    )


CHECK = Check(
    id="DET-03",
    title="A visible alert is answered soon",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="An attacker needs a few steps from the first foothold to full control of a host. The time "
    "from the first alert to the first look or countermeasure decides how far it gets.",
    remediation="Give alerts precedence over routine work, remember those that come while the "
    "agent is busy, and answer them before anything else when it is free again.",
    formula="Over red's stays on a defended host with an alert of that host: Kaplan-Meier median "
    "and 90th percentile of the ticks from the first alert to the first Analyse, Remove or Restore "
    "started on the host. Stays that end unanswered are censored.",
    trigger="stays of red with an alert",
    n_min=20,
    references=(
        Reference("CSF", "RS.MA-02", "Incident reports are triaged and validated"),
        Reference("SP 800-61", "3.2", "Detection and Analysis"),
    ),
    measures=(
        _measure("value", "median", 0.5, 3, 15),
        _measure("p90", "90th percentile", 0.9, 15, 100),
    ),
    needs=frozenset({"observations"}),
    related=("DET-04", "ERA-05"),
)
