"""ERA-08: the source of an attack is cleaned with its target.

What is judged is what the defender could know: an exploit through SSH raises a process alert on its
target and, in the same step, a connection alert on the host that it came from. Where both belong to
one agent, it sees both in one observation. That red was on the source, and which host it was, is
taken from the truth, so that no answer to a mere coincidence is asked for. Sources of other agents
show no more than a lone connection alert to their own agent; they are shown and not judged.

An eviction that is under way when the attack shows counts as well.
"""

from typing import Final

import numpy as np

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.agents import BLUE_OF_HOST
from cagexplain.cc4.layout import EVICTIONS
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.decoys import attempts
from cagexplain.facts.moments import Moments, evictions
from cagexplain.facts.view import DEFENDED, View, connection, decisions, process
from cagexplain.stats.estimates import HitShare

SOON: Final = 25
"""Steps within which the target is cleaned, and from then on within which its source is."""


def sources(view: View) -> Cases:
    """Sources of exploits whose target was cleaned soon; a hit was cleaned as well."""
    tried = view.shared(attempts)
    step, shows = tried.step + 1, tried.step + 1 < view.steps
    attack = tried.exploit & ~tried.failed & shows & (tried.source >= 0)
    attack &= DEFENDED[tried.source] & (tried.source != tried.host)
    row, step, target, source = (
        values[attack] for values in (tried.row, step, tried.host, tried.source)
    )
    shown = view.shared(process)[row, step, target] & view.shared(connection)[row, step, source]
    shown &= view.batch.levels[row, step, source] > 0
    cleaned = view.shared(evictions).next(row, target, step, step + SOON + 1)
    known = shown & (cleaned >= 0) & (cleaned + SOON < view.steps)
    row, step, target, source, cleaned = (
        values[known] for values in (row, step, target, source, cleaned)
    )
    too = sum(
        moments.count(row, source, step, cleaned + SOON + 1)
        for moments in (view.shared(evictions), view.shared(ended_evictions))
    )
    return cases(
        row,
        step,
        np.asarray(too) > 0,
        agent=BLUE_OF_HOST[source],
        host=source,
        group=BLUE_OF_HOST[source] == BLUE_OF_HOST[target],
    )


def ended_evictions(view: View) -> Moments:
    """When a Remove or Restore of a host took effect."""
    decision = view.shared(decisions)
    ended = np.isin(decision.kind, EVICTIONS) & (decision.ends >= 0)
    return Moments.of(view, decision.row[ended], decision.ends[ended], decision.host[ended])


def own_sources(view: View) -> Cases:
    """Those whose target is of the same agent."""
    every = view.shared(sources)
    return every.where(every.group == 1)


def other_sources(view: View) -> Cases:
    """Those whose target is another agent's."""
    every = view.shared(sources)
    return every.where(every.group == 0)


CHECK = Check(
    id="ERA-08",
    title="The source of an attack is cleaned with its target",
    problem="Targets of attacks are cleaned, and the hosts that they came from are left to the "
    "attacker",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="An attacker who keeps one foothold takes the others back. Evicting it from one host at a "
    "time only tells it that it was seen; all hosts of an attack are to be cleaned together.",
    remediation="When a host shows a process and a connection alert in one step, look for a lone "
    "connection alert of that step on the agent's other hosts: the attack came from there. Restore "
    "both, one right after the other.",
    formula="Of red's exploits that showed as a process alert on the target and a connection alert "
    f"on the source, a host of the same agent, and whose target was cleaned within {SOON} steps "
    "(Remove or Restore started): share in which the source was cleaned too, by "
    f"{SOON} steps after that.",
    trigger="attacks whose target was cleaned",
    n_min=20,
    references=(
        Reference("CSF", "RS.AN-03"),
        Reference("CSF", "RS.AN-08"),
        Reference("CSF", "RS.MI-02"),
        Reference("CISA playbook", "Eradication & Recovery"),
        Reference("COUN7ER", "CM0027"),
        Reference("ATT&CK", "T1210"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of the sources of attacks that are cleaned with their target",
            unit="share",
            better="higher",
            good=0.8,
            bad=0.5,
            statistic=HitShare(),
            cases=own_sources,
        ),
        Measure(
            key="elsewhere",
            name="share of the sources at other agents that are cleaned with the target",
            unit="share",
            better="higher",
            good=None,
            bad=None,
            statistic=HitShare(),
            cases=other_sources,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="No attack that showed its source had its target cleaned.",
    related=("ERA-07", "DET-03", "DET-07"),
    since="2",
)
