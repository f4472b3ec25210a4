"""DEC-02: decoys where they matter, and not wasted.

The catalogue names no bad threshold for the ratio; half the usual cover on operational subnets is
taken.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.outcome import Outcome
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.decoys import covered, host_time
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import Function, HitShare


def deployments(view: View) -> Cases:
    """DeployDecoys; a hit failed, or went to a host that had a decoy."""
    decision = view.shared(decisions)
    deployment = decision.kind == ActionKind.DECOY
    row, step, host = decision.row[deployment], decision.step[deployment], decision.host[deployment]
    had = view.shared(covered)[row, step, host]
    wasted = had | (decision.outcome[deployment] == Outcome.FAILURE)
    return cases(row, step, wasted, agent=decision.agent[deployment], host=host)


def cover(view: View) -> FloatArray:
    """`host_time`, and DeployDecoys."""
    deployed = np.bincount(deployments(view).row, minlength=view.n)
    table: FloatArray = np.hstack([view.shared(host_time), deployed[:, None]])
    return table


def _ratio(totals: FloatArray) -> FloatArray:
    with_decoy, operational, everywhere, hosts = np.moveaxis(totals[..., :4], -1, 0)
    usual = np.divide(everywhere, hosts, out=np.full_like(hosts, np.nan), where=everywhere > 0)
    ratio: FloatArray = np.divide(
        with_decoy,
        operational * usual,
        out=np.full_like(usual, np.nan),
        where=(operational > 0) & (usual > 0),
    )
    return ratio


CHECK = Check(
    id="DEC-02",
    title="Decoys stand where they matter and are not piled up",
    problem="Decoys are piled up, or stand where they matter little",
    severity="low",
    axis="practice",
    knowledge="obs",
    why="Setting up a decoy takes two steps of its agent. Those are lost on a host that has one "
    "already, and decoys serve best in the operational subnets, where a failure costs most.",
    remediation="Deploy a decoy only on hosts without one, in the operational subnets first.",
    formula="Share of DeployDecoys that failed or went to a host that had a decoy; and host-time "
    "with a decoy in the two operational subnets, relative to that in all defended subnets.",
    trigger="DeployDecoys",
    n_min=30,
    references=(
        Reference("CSF", "ID.AM-05"),
        Reference("SP 800-53", "SC-26"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of DeployDecoys that failed or went to a host that had a decoy",
            unit="share",
            better="lower",
            good=0.20,
            bad=0.60,
            statistic=HitShare(),
            cases=deployments,
        ),
        Measure(
            key="ratio",
            name="cover of hosts by decoys in the operational subnets, relative to all subnets",
            unit="ratio",
            better="higher",
            good=1.0,
            bad=0.5,
            statistic=Function(_ratio, lambda totals: totals[..., 4]),
            sums=cover,
        ),
    ),
    absent="The policy deployed no decoy.",
    related=("DEC-01",),
    extra=True,
)
