"""DEC-01: a decoy stands before the first exploit.

Only the first attempt on a host in an episode counts: red tries again where it failed, so that
later attempts crowd on hosts that withstand. An attempt meets the decoys that stand at the
beginning of the step in which it takes effect. A decoy that stands is not one that works: it only
draws an exploit if red's scan found it, on a port that the host's real services leave free.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.network import N_HOSTS
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.decoys import attempts, covered, host_time
from cagexplain.facts.view import View
from cagexplain.stats.estimates import HitShare


def first_attempts(view: View) -> Cases:
    """First exploit attempt on each host of an episode; a hit met a decoy."""
    tried = view.shared(attempts)
    exploit = np.flatnonzero(tried.exploit)  # in order of time
    _, first = np.unique((tried.row * N_HOSTS + tried.host)[exploit], return_index=True)
    first = exploit[np.sort(first)]
    row, step, host = tried.row[first], tried.step[first], tried.host[first]
    met = view.shared(covered)[row, step, host]
    return cases(row, step, met, agent=BLUE_OF_HOST[host], host=host)


def decoy_time(view: View) -> FloatArray:
    """Host-steps with a decoy, and all of them, for `HitShare`."""
    return view.shared(host_time)[:, 2:]


CHECK = Check(
    id="DEC-01",
    title="A decoy stands on a host before the first exploit hits it",
    problem="The attacker’s first attempts meet no decoy",
    severity="medium",
    axis="practice",
    knowledge="truth",
    why="A decoy is a false service that nobody needs. An intruder that attacks it fails and gives "
    "itself away; one that finds no decoy gets in at the first try. It helps only if it is there "
    "before the attack.",
    remediation="Put a decoy on every host at the beginning of the episode, servers first, and put "
    "it back after each Restore.",
    formula="Of the hosts that red tried to exploit: share that had at least one decoy when the "
    "first attempt of the episode took effect; the share of all host-time with a decoy is shown "
    "beside it.",
    trigger="hosts that red tried to exploit",
    n_min=30,
    references=(
        Reference("SP 800-53", "SC-26"),
        Reference("Engage", "EAC0005"),
        Reference("D3FEND", "D3-DNR"),
        Reference("ATT&CK", "T1210"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of hosts whose first exploit attempt met a decoy",
            unit="share",
            better="higher",
            good=0.60,
            bad=0.20,
            statistic=HitShare(),
            cases=first_attempts,
        ),
        Measure(
            key="host_time",
            name="share of host-time with a decoy",
            unit="share",
            better="higher",
            good=None,
            bad=None,
            statistic=HitShare(),
            sums=decoy_time,
        ),
    ),
    absent="Red tried to exploit no host.",
    related=("DEC-02", "DEC-03", "REC-04"),
)
