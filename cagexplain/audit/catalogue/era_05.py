"""ERA-05: dwell time."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.audit.statistics import Quantile
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.network import HOST_ZONE
from cagexplain.cc4.reward import CRITICAL_ZONES
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View, rows_of, stays


def visible(view: View) -> Cases:
    """Stays of red whose onset raised an alert, with their lengths."""
    return _stays(view, True)


def silent(view: View) -> Cases:
    """Stays of red whose onset raised none."""
    return _stays(view, False)


def visible_critical(view: View) -> Cases:
    """Of the visible ones those that began in a critical zone."""
    return _critical(view, view.shared(visible))


def silent_critical(view: View) -> Cases:
    """Of the silent ones those that began in a critical zone."""
    return _critical(view, view.shared(silent))


def _stays(view: View, seen: bool) -> Cases:
    found = view.shared(stays)
    own = found.visible == seen
    host = found.host[own]
    return cases(
        rows_of(view, found.episode[own]),
        found.on[own],
        ~found.censored[own],
        agent=BLUE_OF_HOST[host],
        host=host,
        duration=(found.end - found.on)[own],
    )


def _critical(view: View, found: Cases) -> Cases:
    phase = view.batch.phase[found.row, found.step]
    return found.where(CRITICAL_ZONES[phase, HOST_ZONE[found.host]])


def _measure(
    key: str,
    name: str,
    counted: object,
    share: float = 0.5,
    good: float | None = None,
    bad: float | None = None,
) -> Measure:
    return Measure(
        key=key,
        name=name,
        unit="ticks",
        better="lower",
        good=good,
        bad=bad,
        statistic=Quantile(share),
        cases=counted,  # type: ignore[arg-type]
    )


CHECK = Check(
    id="ERA-05",
    title="Red does not stay long",
    problem="Intruders stay long",
    severity="critical",
    axis="outcome",
    knowledge="truth",
    why="The longer an attacker stays on a host, the further it spreads and the more services it "
    "breaks. Onsets that raise no alert are told apart: they are much harder to end.",
    remediation="Answer process alerts at once, and add a slow sweep of Restores for footholds "
    "that raise no alert.",
    formula="Kaplan-Meier median (and 90th percentile) of the ticks from red's arrival on a "
    "defended host until it is evicted, apart for onsets with and without an alert.",
    trigger="stays of red",
    n_min=30,
    references=(Reference("SP 800-61", "3.3.4"),),
    measures=(
        _measure(
            "visible", "median stay of red after an onset with an alert", visible, 0.5, 10, 50
        ),
        _measure("silent", "median stay of red after an onset without alert", silent, 0.5, 60, 150),
        _measure(
            "visible_p90", "90th percentile of stays after an onset with an alert", visible, 0.9
        ),
        _measure(
            "silent_p90", "90th percentile of stays after an onset without alert", silent, 0.9
        ),
        _measure(
            "visible_critical",
            "median stay in the zone of the running mission after an onset with an alert",
            visible_critical,
        ),
        _measure(
            "silent_critical",
            "median stay in the zone of the running mission after an onset without alert",
            silent_critical,
        ),
    ),
    related=("DET-07", "ERA-03"),
)
