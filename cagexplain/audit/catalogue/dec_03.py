"""DEC-03: a touched decoy is answered.

A decoy is touched for certain by an ExploitRemoteService that failed and left an event on the host:
real services either fall or stay silent, so only a decoy gives an attack away and withstands it.
The event is a connection alert in the next observation (an exploit of a decoy raises no process
alert), and as the agent knows on which hosts it put decoys, it can tell that one was touched. The
catalogue's "response in the zone" would be met by whoever is busy in its zone at all, so an answer
must aim at what is concerned: the host, the agent's own host that the exploit came from, or the
traffic from that zone. The wider reading is shown beside it, and so are answers to scans of hosts
with decoys, which touch them too. Touches in the last steps of an episode are left out, since
nobody knows what would have followed.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.layout import HOST_ACTIONS
from cagexplain.cc4.network import HOST_ZONE, N_ZONES
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.decoys import attempts, covered
from cagexplain.facts.moments import Moments, responses
from cagexplain.facts.recoveries import WINDOW
from cagexplain.facts.view import View, decisions
from cagexplain.stats.estimates import HitShare


def touches(view: View) -> Cases:
    """Exploits that a decoy withstood; a hit was answered."""
    return _followed(view, _exploited(view), _answered(view))


def scans(view: View) -> Cases:
    """Scans that touched a decoy; a hit was answered."""
    tried = view.shared(attempts)
    met = view.shared(covered)[tried.row, tried.step, tried.host]
    return _followed(view, met & ~tried.exploit & tried.detected, _answered(view))


def in_zone(view: View) -> Cases:
    """Exploits that a decoy withstood; a hit was followed by an action on a host of the zone."""
    tried, decision = view.shared(attempts), view.shared(decisions)
    on_host = np.isin(decision.kind, HOST_ACTIONS)
    acted = Moments.of(
        view, decision.row[on_host], decision.step[on_host], HOST_ZONE[decision.host[on_host]]
    )
    start = tried.step + 1
    hit = acted.count(tried.row, HOST_ZONE[tried.host], start, start + WINDOW) > 0
    return _followed(view, _exploited(view), hit)


def _exploited(view: View) -> BoolArray:
    tried = view.shared(attempts)
    return tried.exploit & tried.failed & tried.detected


def _answered(view: View) -> BoolArray:
    """Which attempts were followed by an answer."""
    tried, decision = view.shared(attempts), view.shared(decisions)
    block = decision.kind == ActionKind.BLOCK
    link = decision.to_zone * N_ZONES + decision.from_zone
    blocks = Moments.of(view, decision.row[block], decision.step[block], link[block])
    answers = view.shared(responses)
    # The alert is in the observation of the next step.
    window = tried.step + 1, tried.step + 1 + WINDOW
    near = BLUE_OF_HOST[tried.source] == BLUE_OF_HOST[tried.host]
    known = tried.source >= 0
    traffic = HOST_ZONE[tried.host] * N_ZONES + HOST_ZONE[tried.source]
    hit: BoolArray = answers.count(tried.row, tried.host, *window) > 0
    hit |= known & near & (answers.count(tried.row, tried.source, *window) > 0)
    hit |= known & (blocks.count(tried.row, traffic, *window) > 0)
    return hit


def _followed(view: View, which: BoolArray, hit: BoolArray) -> Cases:
    tried = view.shared(attempts)
    which = which & (tried.step + 1 + WINDOW <= view.steps)
    host = tried.host[which]
    return cases(
        tried.row[which], tried.step[which] + 1, hit[which], agent=BLUE_OF_HOST[host], host=host
    )


CHECK = Check(
    id="DEC-03",
    title="A touched decoy is answered",
    problem="Touched decoys are ignored",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="Nobody has a reason to connect to a decoy but an intruder, so this is the surest alarm "
    "there is. Left unanswered, the decoy has won time that nobody uses.",
    remediation="On a connection alert of a host with a decoy, Analyse or Restore the host, or "
    "block the traffic from the subnet that the attack came from.",
    formula="Of red's exploits of defended hosts that a decoy withstood: share followed within "
    f"{WINDOW} steps by an Analyse, Remove or Restore of the host, or of the agent's host that the "
    "attack came from, or by a Block of the traffic from that subnet.",
    trigger="exploits of decoys",
    n_min=15,
    references=(
        Reference("Engage", "EGO0001"),
        Reference("Engage", "EAP0002"),
        Reference("CSF", "DE.AE-02"),
        Reference("SP 800-53", "SC-26"),
        Reference("ATT&CK", "T1210"),
        Reference("ATT&CK", "T1046"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of exploits of decoys that were answered",
            unit="share",
            better="higher",
            good=0.60,
            bad=0.15,
            statistic=HitShare(),
            cases=touches,
        ),
        Measure(
            key="scans",
            name="share of scans of hosts with decoys that were answered",
            unit="share",
            better="higher",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=scans,
        ),
        Measure(
            key="zone",
            name="share of exploits of decoys followed by any action on a host of the subnet",
            unit="share",
            better="higher",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=in_zone,
        ),
    ),
    absent="Red exploited no decoy.",
    related=("DEC-01", "DET-03"),
)
