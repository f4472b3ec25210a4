"""COO-02: messages are true.

A bit of a message means what it goes with; see `cagexplain.facts.messages`. That a raised bit says
"alert" is the convention here, and that it says the same whoever sends it and whenever: a sender
that turns it round, at all times, in a phase or in some episodes, tells the others the opposite of
what it sees. Bits that go with no alert of their sender are not judged; COO-01 asks whether anybody
heeds them.
"""

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.messages import statements
from cagexplain.facts.view import View
from cagexplain.stats.estimates import HitShare


def told(view: View) -> Cases:
    """What telling bits said; a hit is true."""
    said = view.shared(statements)
    return cases(said.row, said.step, said.true, agent=said.agent)


CHECK = Check(
    id="COO-02",
    title="What agents tell each other is true",
    problem="An agent tells the others the opposite of what it sees",
    severity="high",
    axis="practice",
    knowledge="obs",
    why="Who hears that all is quiet while a host is under attack is worse off than who hears "
    "nothing. A message whose meaning depends on who sends it, or when, cannot be relied on.",
    remediation="Let every bit mean the same for all agents at all times, and raise it for alerts "
    "and for nothing else. Receivers should not act on a sender whose messages do not fit what "
    "follows.",
    formula="Of the message bits that go with alerts of the sender's hosts, asked when an alert "
    "appears and in the step before: share that is up with the alert, or down without it. Half are "
    "right by chance; in a lie hardly any.",
    trigger="statements of messages",
    n_min=100,
    references=(
        Reference("CSF", "DE.AE-03"),
        Reference("CSF", "RS.MA-02"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of statements about alerts that are true",
            unit="share",
            better="higher",
            good=0.6,
            bad=0.4,
            statistic=HitShare(),
            cases=told,
        ),
    ),
    needs=frozenset({"observations"}),
    absent="The agents send no messages, or none that has to do with the alerts that they see.",
    related=("COO-01",),
    since="2",
)
