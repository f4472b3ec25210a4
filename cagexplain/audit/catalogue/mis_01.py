"""MIS-01: critical services are not stopped."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.network import HOST_ZONE
from cagexplain.cc4.phases import RUNNING_OPERATION
from cagexplain.facts.cases import Cases
from cagexplain.facts.impacts import stops
from cagexplain.facts.view import View
from cagexplain.stats.estimates import PerEpisode


def critical_impacts(view: View) -> Cases:
    """Impacts that stopped a service in the operational zone of the active mission."""
    impact = view.shared(stops)
    active = RUNNING_OPERATION[view.batch.phase[impact.row, impact.step]]
    return impact.where(HOST_ZONE[impact.host] == active)


CHECK = Check(
    id="MIS-01",
    title="No critical service is stopped during its mission",
    problem="The attacker stops services that the running mission needs",
    severity="critical",
    axis="outcome",
    knowledge="truth",
    why="The operational subnets carry the mission. A service stopped there while its mission runs "
    "is what the attacker is after and what the defence exists to prevent.",
    remediation="Clear the operational subnet before its mission begins, close its links as the "
    "phase asks, and rebuild its hosts first.",
    formula="Impacts that stopped a service on a host of the operational subnet of the active "
    "mission (A in the second phase, B in the third), per episode; all successful Impacts are "
    "shown beside it.",
    trigger="episodes",
    n_min=5,
    references=(
        Reference("CSF", "PR.IR-03"),
        Reference("CSF", "RS.MI-01"),
        Reference("ATT&CK", "T1489"),
    ),
    measures=(
        Measure(
            key="value",
            name="number of services stopped in the active mission's operational subnet",
            unit="per episode",
            better="lower",
            good=0.2,
            bad=3.0,
            statistic=PerEpisode(),
            cases=critical_impacts,
        ),
        Measure.of("stopped_services", "all", "number of services stopped anywhere"),
    ),
    related=("ERA-06", "REC-06"),
)
