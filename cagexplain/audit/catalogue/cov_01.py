"""COV-01: no host and no zone is neglected.

The distance between zones is that of agent 4, the only one with several: it compares where its
process alerts come from with where its actions on hosts go.
"""

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST, BLUE_ZONES
from cagexplain.cc4.layout import HOST_ACTIONS
from cagexplain.cc4.network import HOST_ZONE, N_HOSTS, N_ZONES
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.tally import tally
from cagexplain.facts.view import View, decisions, process
from cagexplain.stats.estimates import Function, HitShare
from cagexplain.stats.permutation import jensen_shannon

_ZONES = np.array(max(BLUE_ZONES, key=len))
"""Zones of the agent that has several."""


def alerted_hosts(view: View) -> Cases:
    """Hosts of an episode with a process alert, at the first one; a hit was never acted on."""
    shown = view.shared(process)
    row, host = np.nonzero(shown.any(axis=1))
    decision = view.shared(decisions)
    acted = np.zeros((view.n, N_HOSTS), dtype=np.bool_)
    on_host = np.isin(decision.kind, HOST_ACTIONS)
    acted[decision.row[on_host], decision.host[on_host]] = True
    first = shown.argmax(axis=1)[row, host]
    return cases(row, first, ~acted[row, host], agent=BLUE_OF_HOST[host], host=host)


def by_zone(view: View) -> FloatArray:
    """Process alerts by zone, then actions on hosts by zone: ``float64[n, 6]``."""
    row, _, host = np.nonzero(view.shared(process))
    decision = view.shared(decisions)
    on_host = np.isin(decision.kind, HOST_ACTIONS)
    columns = [
        tally((rows, view.n), (HOST_ZONE[hosts], N_ZONES))[:, _ZONES]
        for rows, hosts in ((row, host), (decision.row[on_host], decision.host[on_host]))
    ]
    table: FloatArray = np.hstack(columns).astype(np.float64)
    return table


def _distance(totals: FloatArray) -> FloatArray:
    nats = jensen_shannon(*np.split(totals, 2, axis=-1))
    distance: FloatArray = np.sqrt(
        np.maximum(nats, 0) / np.log(2)
    )  # rounding can fall below nothing
    return distance


def _alerts(totals: FloatArray) -> FloatArray:
    alerts: FloatArray = totals[..., : len(_ZONES)].sum(axis=-1)
    return alerts


CHECK = Check(
    id="COV-01",
    title="No host and no subnet is neglected",
    problem="Some machines or subnets are neglected",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="A defence that never touches some machines leaves the attacker a place to stay, however "
    "good it is elsewhere. One agent has to share its time among three subnets; it should go where "
    "the alarms are.",
    remediation="Let the agent choose among all of its hosts by open alerts, and check that every "
    "host can be chosen.",
    formula="Of the hosts that showed a process alert in an episode: share on which their agent "
    "started no action in the whole episode. And for the agent with three subnets the "
    "Jensen-Shannon distance (0 equal, 1 disjoint) between the subnets of its process alerts and "
    "of its actions on hosts.",
    trigger="hosts with a process alert",
    n_min=20,
    references=(
        Reference("CSF", "RS.MA-02"),
        Reference("CSF", "RS.AN-08"),
        Reference("CISA playbook", "Detection & Analysis"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of alerted hosts that were never acted on",
            unit="share",
            better="lower",
            good=0.05,
            bad=0.25,
            statistic=HitShare(),
            cases=alerted_hosts,
        ),
        Measure(
            key="distance",
            name="distance between where the three-subnet agent's alerts are and where it acts",
            unit="distance",
            better="lower",
            good=0.1,
            bad=0.4,
            statistic=Function(_distance, _alerts),
            sums=by_zone,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("DET-04", "POL-02"),
)
