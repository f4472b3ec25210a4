"""ERA-05: dwell time."""

from cagexplain.analysis.metrics.definitions import definition
from cagexplain.audit.check import Check, Count, Measure, Reference
from cagexplain.cc4.network import HOST_ZONE
from cagexplain.cc4.reward import CRITICAL_ZONES
from cagexplain.facts.cases import Cases
from cagexplain.facts.view import View
from cagexplain.stats.estimates import Quantile


def visible(view: View) -> Cases:
    """Incidents whose onset raised an alert, with their lengths."""
    return definition("dwell_visible_median").of_team(view)


def silent(view: View) -> Cases:
    """Incidents whose onset raised none."""
    return definition("dwell_silent_median").of_team(view)


def visible_critical(view: View) -> Cases:
    """Of the visible ones those that began in a critical zone."""
    return _critical(view, visible(view))


def silent_critical(view: View) -> Cases:
    """Of the silent ones those that began in a critical zone."""
    return _critical(view, silent(view))


def _critical(view: View, onsets: Cases) -> Cases:
    phase = view.batch.phase[onsets.row, onsets.step]
    return onsets.where(CRITICAL_ZONES[phase, HOST_ZONE[onsets.host]])


def _shown(key: str, name: str, counted: Count, share: float = 0.5) -> Measure:
    return Measure(
        key=key,
        name=name,
        unit="steps",
        better="lower",
        good=None,
        bad=None,
        statistic=Quantile(share),
        cases=counted,
    )


CHECK = Check(
    id="ERA-05",
    title="Red does not stay long",
    problem="Intruders stay long",
    severity="critical",
    axis="outcome",
    knowledge="truth",
    why="The longer an attacker stays on a host, the further it spreads and the more services it "
    "breaks. Onsets that raise no alert are shown apart: they are much harder to end.",
    remediation="Answer process alerts at once, and add a slow sweep of Restores for footholds "
    "that raise no alert.",
    formula="Kaplan-Meier median (and 90th percentile) of the steps from red's arrival on a "
    "defended host until it is evicted, apart for onsets with and without an alert.",
    trigger="incidents",
    n_min=30,
    references=(
        Reference("CSF", "RS.MI-02"),
        Reference("SP 800-61", "RS.MI-02"),
        Reference("CISA playbook", "Eradication & Recovery"),
    ),
    measures=(
        Measure.of(
            "dwell_visible_median",
            "visible",
            "median dwell time after an onset with an alert",
            good=10,
            bad=50,
        ),
        Measure.of(
            "dwell_silent_median",
            "silent",
            "median dwell time after an onset without alert",
            good=60,
            bad=150,
        ),
        _shown(
            "visible_p90",
            "90th percentile of dwell time after an onset with an alert",
            visible,
            0.9,
        ),
        _shown(
            "silent_p90", "90th percentile of dwell time after an onset without alert", silent, 0.9
        ),
        _shown(
            "visible_critical",
            "median dwell time in the subnet of the running mission after an onset with an alert",
            visible_critical,
        ),
        _shown(
            "silent_critical",
            "median dwell time in the subnet of the running mission after an onset without alert",
            silent_critical,
        ),
    ),
    related=("DET-07", "ERA-03"),
)
