"""How the numbers of a page were made, and what they do not say."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.stats import durations, entropy
from cagexplain.stats.bootstrap import RESAMPLES
from cagexplain.stats.means import MIN_EPISODES
from reports.drawings.fsm_picture import RARE
from reports.kit.numbers import number
from reports.kit.sections import Section, render


def section() -> Section:
    """Make the section."""
    return Section(
        "methods", "Methods and limits", render("fsm/methods.html.j2", entries=_entries())
    )


def _entries() -> Iterator[tuple[str, str]]:
    yield (
        "Decision",
        "One started action of a free agent. An agent is busy for 2 steps with Analyse and "
        "DeployDecoy, 3 with Remove, 5 with Restore; those steps are no decisions, and what it "
        "submits meanwhile is ignored.",
    )
    yield (
        "State of a host",
        "Red has six agents, and each keeps its own state for every host it knows. A host’s state "
        "is that of the agent that owns the host’s subnet; before that agent knows it, the most "
        "advanced state that any red agent holds; “unknown” if none does. Order: unknown, F, K, "
        "KD, S, SD, U, UD, R, RD. It is taken at the moment of the decision.",
    )
    yield (
        "Targeted view",
        "A decision counts for the state of the host that it targets. Only Analyse, Remove, "
        "Restore and DeployDecoy target a host. This is the view of Rigoni et al. (2025), "
        "figure 8.",
    )
    yield (
        "Situational view",
        "Every decision counts for the worst state among the hosts in the agent’s subnets.",
    )
    yield (
        "Host-time",
        "Steps that user and server hosts spend in a state, summed over hosts and episodes. "
        "Routers are left out.",
    )
    yield (
        "Arrows",
        "What happens to the entries of the six red agents’ tables. A sweep (action 0) touches "
        "every known host of a subnet and counts once per host. Sessions get lost by blue’s Remove "
        f"and Restore. Arrows with fewer than {RARE} counts are dotted and grey; possible ones "
        "that never happened are drawn with a 0; none is hidden.",
    )
    yield (
        "Intervals",
        f"95 %, from {number(RESAMPLES)} bootstrap resamples of whole episodes, because the steps "
        "of an episode depend on each other. For shares they are Wilson intervals for the "
        "effective sample size that the bootstrap finds, with Student’s t for few episodes and "
        "Bonferroni’s correction over the actions, so the intervals of one state hold together. "
        "Where all decisions of a state are the same, an episode counts as one. Over the whole "
        "page some interval will miss by chance. Those of shares need two episodes or more, of "
        f"means and rates {MIN_EPISODES}, of times {durations.MIN_EPISODES}, of entropies "
        f"{entropy.MIN_EPISODES}: with fewer they would cover the truth less often than claimed. "
        "They say nothing about other red variants, other training runs or other networks than "
        "CC4’s.",
    )
    yield (
        "“Clear leader”",
        "The interval of the most chosen action lies above those of all others. Otherwise the page "
        "says “≈ tie”.",
    )
    yield (
        "Base rate of reactions",
        "The share of the same response among decisions without the event, in the same subnet and "
        "phase. The test conditions on blue’s own habits as well, such as rounds over its hosts, "
        "and takes whole episodes as units; p-values are adjusted for all tests of the trace "
        "(Holm 1979).",
    )
    yield (
        "Times",
        "Kaplan-Meier estimates with the end of the episode as censoring: what was still running "
        "then counts as longer, not as finished. Intervals from resampled episodes.",
    )
    yield (
        "Evictions",
        "“Completed just before” means in the step before red lost its last session on the host. "
        "A Restore just before does not exclude other reasons, such as red’s own withdrawal. "
        "A session that red does not know of, such as one from phishing, is lost without a "
        "transition: it is not among the losses, and its end is “cleared unnoticed”.",
    )
    yield (
        "What this is not",
        "A description of habits, not of causes: that blue restores many hosts in RD does not show "
        "that RD made it do so. Blue sees neither red’s states nor the truth; it acts on alerts. "
        "States with few decisions say little, however large the share.",
    )
    yield (
        "Belief “wrong”",
        "The true condition of the host is not what the state stands for: no session for unknown, "
        "K, KD, S, SD; a user session for U, UD; a root session for R, RD.",
    )
