"""REC-03: Restores in the zones of the active mission are justified."""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.network import HOST_ZONE
from cagexplain.cc4.phases import MISSION_ZONES
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.recoveries import rebuilds
from cagexplain.facts.view import View
from cagexplain.stats.estimates import HitShare


def critical_restores(view: View) -> Cases:
    """Executed Restores decided on in the active mission's zones; a hit met a clean host."""
    rebuild = view.shared(rebuilds)
    in_mission = MISSION_ZONES[view.batch.phase[rebuild.row, rebuild.step], HOST_ZONE[rebuild.host]]
    restores = cases(
        rebuild.row, rebuild.step, rebuild.level_before == 0, agent=rebuild.agent, host=rebuild.host
    )
    return restores.where(in_mission)


CHECK = Check(
    id="REC-03",
    title="Hosts of the active mission are restored only when they are compromised",
    problem="Clean machines of the running mission are rebuilt",
    severity="high",
    axis="practice",
    knowledge="truth",
    why="While a mission runs, its restricted and operational subnets are where an outage hurts "
    "most. Rebuilding a healthy machine there puts the mission at risk for nothing.",
    remediation="In the subnets of the running mission, restore only hosts with an alert in the "
    "last 10 steps; sweep these subnets before their mission begins.",
    formula="Of the executed Restores that were decided on in the restricted or operational subnet "
    "of the active mission (A in the second phase, B in the third): share that met a host without "
    "a session of red.",
    trigger="executed Restores in subnets of the active mission",
    n_min=10,
    references=(
        Reference("CSF", "RC.RP-02"),
        Reference("CSF", "ID.AM-05"),
        Reference("SP 800-61", "RC.RP-02"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of Restores in the active mission's subnets that met a clean host",
            unit="share",
            better="lower",
            good=0.25,
            bad=0.60,
            statistic=HitShare(),
            cases=critical_restores,
        ),
    ),
    absent="The policy restored no host in the subnets of an active mission.",
    related=("REC-01",),
)
