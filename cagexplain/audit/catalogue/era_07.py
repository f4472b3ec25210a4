"""ERA-07: cleared hosts stay clean.

What a host that was cleared is compared with must be as exposed: hosts of the same zone that red
has not been on *until then*. (Hosts that it is never on would be chosen by what happens later.)
Zones and times with many such hosts must not weigh more than those with few, so each cleared host
is held against the same number of them, the next ones in the zone's order, and again from the
first one if there are fewer. A cleared host without any, or whose following steps the episode cuts
off, is no case.
"""

import numpy as np
import numpy.typing as npt

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4 import network
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.moments import onsets
from cagexplain.facts.view import View, all_incidents, defended, rows_of
from cagexplain.stats.estimates import HitShare, Relative

WITHIN = 50
PEERS = 4
_SLOTS = network.HOSTS_PER_ZONE


def cleared(view: View) -> Cases:
    """Evictions; a hit has red on the host again soon."""
    row, step, host = _clears(view)
    return _again(view, row, step, host, 1)


def against_peers(view: View) -> Cases:
    """Evictions with peers in group 1, their peers in group 0; a hit has red on the host soon."""
    row, step, host = _clears(view)
    peers = _peers(view, row, step, host)
    some = peers[:, 0] >= 0
    row, step, host, peers = row[some], step[some], host[some], peers[some]
    return _again(
        view,
        np.concatenate([row, np.repeat(row, PEERS)]),
        np.concatenate([step, np.repeat(step, PEERS)]),
        np.concatenate([host, peers.ravel()]),
        np.repeat([1, 0], [len(row), PEERS * len(row)]),
    )


def _clears(view: View) -> tuple[npt.NDArray[np.int64], ...]:
    incident = view.shared(all_incidents)
    ended = ~incident.censored & (incident.clear + WITHIN < view.steps)
    step, host = (values[ended].astype(np.int64) for values in (incident.clear, incident.host))
    return rows_of(view, incident.episode[ended]).astype(np.int64), step, host


def _peers(
    view: View,
    row: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    host: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """``int64[clear, PEERS]`` hosts of the zone that red had not been on until then; -1 without."""
    incident = view.shared(all_incidents)
    untouched = np.full((view.n, network.N_HOSTS), view.steps)
    np.minimum.at(untouched, (rows_of(view, incident.episode), incident.host), incident.on)
    # The other hosts of the zone in the order that begins behind the cleared one.
    first = host // _SLOTS * _SLOTS
    others = first[:, None] + (host[:, None] + np.arange(1, _SLOTS)) % _SLOTS
    fits = view.shared(defended)[row[:, None], others]
    fits &= untouched[row[:, None], others] > step[:, None]
    order = np.argsort(~fits, axis=1, kind="stable")
    number = np.count_nonzero(fits, axis=1)[:, None]
    turn = np.arange(PEERS) % np.maximum(number, 1)
    chosen = np.take_along_axis(others, np.take_along_axis(order, turn, axis=1), axis=1)
    return np.where(number > 0, chosen, -1)


def _again(
    view: View,
    row: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    host: npt.NDArray[np.int64],
    group: object,
) -> Cases:
    hit = view.shared(onsets).next(row, host, step + 1, step + 1 + WITHIN) >= 0
    return cases(row, step, hit, agent=BLUE_OF_HOST[host], host=host, group=group)


CHECK = Check(
    id="ERA-07",
    title="Cleared hosts stay clean",
    problem="Machines that were cleaned are soon taken again",
    severity="medium",
    axis="outcome",
    knowledge="truth",
    why="An attacker comes back to hosts that it knows. If a cleaned host falls again sooner than "
    "one that was never attacked, the way in is still open and the work is done again and again.",
    remediation="After a Restore put decoys back, block the subnet that the attack came from where "
    "the mission allows it, and clean the source of the attack, too.",
    formula="Share of cleared hosts that red is on again within 50 steps, divided by that share "
    "among hosts of the same subnet that red had not been on until then, four for each cleared "
    "host.",
    trigger="evictions of red",
    n_min=20,
    references=(
        Reference("CSF", "RC.RP-05"),
        Reference("SP 800-61", "RC.RP-05"),
        Reference("CISA playbook", "Eradication & Recovery"),
        Reference("COUN7ER", "CM0027"),
    ),
    measures=(
        Measure(
            key="value",
            name="risk of a cleared host to fall within 50 steps, relative to untouched ones",
            unit="ratio",
            better="lower",
            good=1.2,
            bad=2.0,
            statistic=Relative(),
            cases=against_peers,
        ),
        Measure(
            key="again",
            name="share of cleared hosts that red is on again within 50 steps",
            unit="share",
            better="lower",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=cleared,
        ),
    ),
    absent="Red was evicted from no host early enough to see whether it came back.",
    related=("ERA-05", "DEC-01"),
)
