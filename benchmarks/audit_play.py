"""What the benchmarks of the audit share: many episodes played, their sums judged as audits."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import Progress

from cagexplain.audit.check import Check
from cagexplain.audit.checks import checks
from cagexplain.audit.judge import judged
from cagexplain.audit.play.team import Play, PlayCounts, Team
from cagexplain.audit.profiles import Profile
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding
from cagexplain.cc4 import phases
from cagexplain.facts.view import Facts
from cagexplain.policies.base import Policy
from cagexplain.policies.rollout import seed_range
from cagexplain.stats.estimates import estimate


def playable(idents: Sequence[str] = ()) -> tuple[Check, ...]:
    """Checks that are counted on play and apply to a policy on the flat observation.

    Args:
        idents: only these; all if there are none.
    """
    return tuple(
        check
        for check in checks()
        if check.source == "play"
        and not (check.applies and check.applies(Facts()))
        and (not idents or check.id in idents)
    )


def keys(wanted: Sequence[Check]) -> tuple[str, ...]:
    """Keys of all measures of some checks."""
    return tuple(f"{check.id}.{measure.key}" for check in wanted for measure in check.measures)


def play(
    policies: Mapping[str, Policy],
    wanted: Mapping[str, Sequence[Check]],
    first_seed: int,
    episodes: int,
    processes: int,
) -> dict[str, PlayCounts]:
    """Play every policy on the same seeds and count.

    Args:
        policies: by name.
        wanted: checks to count, by name of the policy.
        first_seed: of the episodes.
        episodes: of each policy.
        processes: that play.
    """
    seeds = seed_range(first_seed, episodes)
    plays = [Play(name, seeds, keys(wanted[name])) for name in policies]
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(
            "playing", total=len(plays) * episodes * phases.calls(phases.DEFAULT_STEPS)
        )
        with Team(policies, processes, lambda steps: bar.advance(task, steps)) as team:
            return dict(zip(policies, team.play(plays), strict=True))


def judge(
    counts: PlayCounts,
    episodes: slice,
    wanted: Sequence[Check],
    profile: Profile,
    usual: References,
) -> dict[str, Finding]:
    """The findings, by check, of an audit of some of the episodes."""
    findings = {}
    part = counts.part(episodes)
    for check in wanted:
        intervals = [
            estimate(
                measure.statistic,
                part.sums[f"{check.id}.{measure.key}"],
                usual_deff=usual.deff(check.id, measure),
            )
            for measure in check.measures
        ]
        findings[check.id] = judged(check, intervals, profile, usual, len(part.returns))
    return findings


def slices(count: int, size: int) -> list[slice]:
    """Disjoint audits of the same size."""
    return [slice(i * size, (i + 1) * size) for i in range(count)]
