"""REC-01: few Restores of clean hosts.

Preparing the operational zone of the coming mission is no waste: a slow sweep of its hosts, whose
users are phished without any alert, makes it begin clean. So Restores there without an alert count
only where the host had been restored shortly before.

Most Restores of clean hosts are either answers to false alerts or rounds against intruders that
raise no alert; the share is therefore also shown apart for Restores with and without evidence.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.network import HOST_ZONE
from cagexplain.cc4.phases import COMING_OPERATION
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import Moments
from cagexplain.facts.recoveries import WINDOW, rebuilds, recent_alerts
from cagexplain.facts.view import View
from cagexplain.stats.estimates import HitShare

SLOW = 100


def restores(view: View) -> Cases:
    """Executed Restores; a hit met a clean host."""
    rebuild = view.shared(rebuilds)
    return cases(
        rebuild.row, rebuild.step, rebuild.level_before == 0, agent=rebuild.agent, host=rebuild.host
    )


def that_count(view: View) -> Cases:
    """Those that are no part of a slow sweep before a mission."""
    return restores(view).where(~_sweeps(view))


def with_evidence(view: View) -> Cases:
    """Of these, those of hosts that had shown an alert shortly before."""
    return restores(view).where(_evident(view) & ~_sweeps(view))


def without_evidence(view: View) -> Cases:
    """Of these, those of hosts that had not."""
    unseen = ~_evident(view) & (view.batch.process is not None)
    return restores(view).where(unseen & ~_sweeps(view))


def _sweeps(view: View) -> BoolArray:
    """``bool[rebuild]`` Restores of a slow sweep before a mission."""
    rebuild = view.shared(rebuilds)
    coming = COMING_OPERATION[view.batch.phase[rebuild.row, rebuild.step]]
    moments = Moments.of(view, rebuild.row, rebuild.step, rebuild.host)
    again = moments.count(rebuild.row, rebuild.host, rebuild.step - SLOW, rebuild.step) > 0
    sweeps: BoolArray = (HOST_ZONE[rebuild.host] == coming) & ~again & ~_evident(view)
    return sweeps


def _evident(view: View) -> BoolArray:
    rebuild = view.shared(rebuilds)
    if view.batch.process is None:  # nobody knows what was seen
        return np.zeros(len(rebuild), dtype=np.bool_)
    evident: BoolArray = view.shared(recent_alerts)[rebuild.row, rebuild.step, rebuild.host]
    return evident


CHECK = Check(
    id="REC-01",
    title="Few Restores hit clean hosts",
    problem="Clean machines are rebuilt, which interrupts work for nothing",
    severity="high",
    axis="practice",
    knowledge="truth",
    why="A rebuild costs a point and five steps of its agent, and deletes the decoys of the host. "
    "Spent on a clean host it buys nothing, unless it is part of a deliberate sweep for intruders "
    "that raise no alert.",
    remediation="Restore on evidence only, and sweep for silent intruders rarely: for instance "
    "each host at most once in 100 steps without an alert.",
    formula="Of the executed Restores: share of those whose host had no session of red when the "
    f"Restore took effect; also apart with and without an alert of the host in the {WINDOW} steps "
    "up to the decision. Restores without an alert in the operational zone of the coming mission, "
    f"of hosts that were not restored in the {SLOW} steps before, do not count.",
    trigger="executed Restores",
    n_min=30,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("CSF", "RC.RP-02"),
        Reference("COUN7ER", "CM0027"),
        Reference("D3FEND", "D3-RDI"),
        Reference("RE&CT", "RA5001"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of Restores, but for slow sweeps before a mission, that met a clean host",
            unit="share",
            better="lower",
            good=0.25,
            bad=0.60,
            statistic=HitShare(),
            cases=that_count,
        ),
        Measure(
            key="evident",
            name="share of Restores after an alert that met a clean host",
            unit="share",
            better="lower",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=with_evidence,
        ),
        Measure(
            key="blind",
            name="share of Restores without an alert that met a clean host",
            unit="share",
            better="lower",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=without_evidence,
        ),
    ),
    absent="The policy never restored a host.",
    related=("DET-07", "REC-02", "REC-03"),
)
