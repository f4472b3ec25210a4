"""MIS-01: critical services are not stopped."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.audit.statistics import PerEpisode
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.network import HOST_ZONE
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.phases import RUNNING_OPERATION
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.facts.batch import codes
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.view import View
from cagexplain.tracing import schema

_DONE = schema.RED_EVENTS.index("done")


def impacts(view: View) -> Cases:
    """Impacts that stopped a service."""
    red = view.batch.frame("red")
    stopped = (codes(red, "event") == _DONE) & (red["action"].to_numpy() == RedAction.IMPACT)
    stopped &= codes(red, "outcome") == Outcome.SUCCESS
    host = codes(red, "target_host")[stopped]
    row, step = red["row"].to_numpy()[stopped], red["step"].to_numpy()[stopped]
    return cases(row, step, agent=BLUE_OF_HOST[host], host=host)


def critical_impacts(view: View) -> Cases:
    """Those in the operational zone of the active mission."""
    found = impacts(view)
    active = RUNNING_OPERATION[view.batch.phase[found.row, found.step]]
    return found.where(HOST_ZONE[found.host] == active)


CHECK = Check(
    id="MIS-01",
    title="No critical service is stopped during its mission",
    problem="The attacker stops services that the running mission needs",
    severity="critical",
    axis="outcome",
    knowledge="truth",
    why="The operational zones carry the mission. A service stopped there while its mission runs "
    "is what the attacker is after and what the defence exists to prevent.",
    remediation="Clear the operational zone before its mission begins, close its links as the "
    "phase asks, and rebuild its hosts first.",
    formula="Impacts that stopped a service on a host of the operational zone of the active "
    "mission (A in the second phase, B in the third), per episode; all successful Impacts are "
    "shown beside it.",
    trigger="episodes",
    n_min=5,
    references=(
        Reference("ATT&CK", "T1489"),
        Reference("CSF", "RC.RP-04"),
    ),
    measures=(
        Measure(
            key="value",
            name="number of services stopped in the active mission's operational zone",
            unit="per episode",
            better="lower",
            good=0.2,
            bad=3.0,
            statistic=PerEpisode(),
            cases=critical_impacts,
        ),
        Measure(
            key="all",
            name="number of services stopped anywhere",
            unit="per episode",
            better="lower",
            good=None,
            bad=None,
            statistic=PerEpisode(),
            cases=impacts,
        ),
    ),
    related=("ERA-06", "REC-06"),
)
