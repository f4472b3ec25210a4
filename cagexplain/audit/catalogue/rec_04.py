"""REC-04: recovery is verified and re-armed.

Counted is the start of an Analyse or DeployDecoy on the host, in the steps after the Restore took
effect. Restores that took effect within the last steps of an episode are left out, since nobody
knows what would have followed.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import ActionKind
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import Moments
from cagexplain.facts.recoveries import WINDOW, rebuilds
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare


def restores(view: View) -> Cases:
    """Executed Restores; a hit was followed by an Analyse or a decoy."""
    return _followed(view, ActionKind.ANALYSE, ActionKind.DECOY)


def verified(view: View) -> Cases:
    """The same; a hit was followed by an Analyse."""
    return _followed(view, ActionKind.ANALYSE)


def rearmed(view: View) -> Cases:
    """The same; a hit was followed by a decoy."""
    return _followed(view, ActionKind.DECOY)


def _followed(view: View, *kinds: ActionKind) -> Cases:
    decision, rebuild = view.shared(decisions), view.shared(rebuilds)
    after = np.isin(decision.kind, kinds)
    moments = Moments.of(view, decision.row[after], decision.step[after], decision.host[after])
    start = rebuild.ends + 1
    hit = moments.count(rebuild.row, rebuild.host, start, start + WINDOW) > 0
    followed = cases(rebuild.row, rebuild.step, hit, agent=rebuild.agent, host=rebuild.host)
    return followed.where(start + WINDOW <= view.steps)


CHECK = Check(
    id="REC-04",
    title="Restored hosts are checked or get a decoy again",
    problem="Rebuilt machines are neither checked nor protected by a decoy again",
    severity="low",
    axis="practice",
    knowledge="obs",
    why="Machines that were attacked once are attacked again, and a rebuild deletes their decoys. "
    "Looking at the host once more, or setting up a decoy, shows whether the intruder is back.",
    remediation="Follow every Restore with a DeployDecoy on the same host.",
    formula="Of the executed Restores with a full window after them: share followed within "
    f"{WINDOW} steps by the start of an Analyse or DeployDecoy on the same host.",
    trigger="executed Restores",
    n_min=20,
    references=(
        Reference("CSF", "RC.RP-05"),
        Reference("SP 800-61", "RC.RP-05"),
        Reference("CISA playbook", "Eradication & Recovery"),
        Reference("Engage", "EAC0005"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of Restores followed by an Analyse or a decoy",
            unit="share",
            better="higher",
            good=0.50,
            bad=0.10,
            statistic=HitShare(),
            cases=restores,
        ),
        Measure(
            key="verified",
            name="share of Restores followed by an Analyse",
            unit="share",
            better="higher",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=verified,
        ),
        Measure(
            key="rearmed",
            name="share of Restores followed by a decoy",
            unit="share",
            better="higher",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=rearmed,
        ),
    ),
    absent="The policy never restored a host.",
    related=("DEC-01", "ERA-07"),
    extra=True,
)
