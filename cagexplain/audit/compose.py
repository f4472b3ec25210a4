"""One audit from its parts: what was played, judged, priced and varied."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from cagexplain import __version__
from cagexplain.analysis.trees.results import Surrogate
from cagexplain.audit import axes
from cagexplain.audit.autonomy import Warrants
from cagexplain.audit.checks import CATALOGUE, checks
from cagexplain.audit.held import Holdings
from cagexplain.audit.judge import Tallies, corrected, declared, judged, muted, part_may_fail
from cagexplain.audit.playbook import Responses
from cagexplain.audit.profiles import Profile
from cagexplain.audit.references import References
from cagexplain.audit.results import (
    ActionAutonomy,
    Audit,
    Change,
    Compared,
    Finding,
    HeldHosts,
    Playbook,
    Price,
    Variation,
)
from cagexplain.cc4 import conditions, phases
from cagexplain.cc4.reds import red_name
from cagexplain.common.arrays import FloatArray
from cagexplain.common.errors import CagexplainError
from cagexplain.facts.batch import run
from cagexplain.facts.view import Facts
from cagexplain.policies.evaluation import estimate
from cagexplain.policies.registry import source_of
from cagexplain.policies.rollout import SEEDS
from cagexplain.stats.estimates import MIN_EPISODES, Estimate
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.shares import Ratio
from cagexplain.stats.spreads import Skewed
from cagexplain.tracing.trace import Trace

_PACKAGES: Final = ("numba", "numpy", "pandas", "pyarrow", "scipy")
_REWARDS: Final = ("episode", "reward", "counted")
_RED: Final = "finite_state"
_USUAL: Final = {"steps": phases.DEFAULT_STEPS, "red": _RED, "condition": conditions.STANDARD}
"""Of the episodes that the reference policies were recorded in."""


def facts_of(trace: Trace) -> Facts:
    """What a trace tells before anything is counted."""
    manifest = trace.manifest
    return Facts(
        sees_files=bool(manifest.policy.get("sees_files", False)),
        observations="observations" in trace.tables,
        engine=manifest.engine["name"],
        steps=int(manifest.options["steps"]),
    )


def comparable(trace: Trace) -> bool:
    """Whether its episodes are such as the reference policies were recorded in."""
    options = trace.manifest.options
    return all(options.get(key, value) == value for key, value in _USUAL.items())


@dataclass(frozen=True)
class Judged:
    """What a trace shows by itself.

    Attributes:
        findings: for every check of the catalogue; those that were not played are not applicable.
        mean_return: official return.
        playbook: usual responses; None without observations.
        warrants: how many actions of each kind were warranted.
        held: hosts that red holds over the episode.
    """

    findings: tuple[Finding, ...]
    mean_return: Change
    playbook: Playbook | None
    warrants: Warrants
    held: HeldHosts


def judge(trace: Trace, profile: Profile, references: References) -> Judged:
    """Count all checks in a trace and judge them.

    Raises:
        CagexplainError: the trace has no finished episode, or is damaged.
    """
    if trace.n_episodes == 0:
        raise CagexplainError(
            "no episode of the trace is finished",
            where=trace.path,
            remedy="Go on with the recording: 'cagexplain trace ... --resume'",
        )
    facts = facts_of(trace)
    tallies, responses = Tallies(checks(), facts, profile), Responses()
    warrants, holdings = Warrants(facts), Holdings(facts)
    run(trace, [tallies, warrants, holdings, *([responses] if facts.observations else [])])
    returns = np.concatenate([_returns(steps) for steps in trace.batches("steps", _REWARDS)])
    (reward,) = estimate(returns[:, None])
    return Judged(
        tallies.findings(references),
        Change(reward.mean, reward.low, reward.high),
        responses.playbook() if facts.observations else None,
        warrants,
        holdings.result(),
    )


def _returns(steps: pd.DataFrame) -> FloatArray:
    """Official returns of the episodes of a batch."""
    rewards = steps[steps["counted"]].groupby("episode")["reward"]
    returns: FloatArray = rewards.sum().to_numpy(np.float64)
    return returns


def outside(
    findings: Sequence[Finding],
    numbers: Mapping[str, Sequence[Estimate] | str],
    profile: Profile,
    references: References,
    episodes: int,
) -> tuple[Finding, ...]:
    """Put findings in whose numbers come from further play.

    Args:
        findings: of the catalogue.
        numbers: by id of the check: the intervals of its measures, or why there are none.
        profile, references: as for the others.
        episodes: of the further play.
    """
    merged = list(findings)
    for check in checks():
        intervals = numbers.get(check.id)
        if intervals is None:
            continue
        place = next(i for i, finding in enumerate(merged) if finding.id == check.id)
        if isinstance(intervals, str):
            finding = Finding(
                verdict="NOT_APPLICABLE", reason=intervals, **declared(check, profile)
            )
        else:
            finding = judged(check, intervals, profile, references, episodes)
        merged[place] = muted(finding, profile.muted(check))
    return tuple(merged)


def of_surrogate(surrogate: Surrogate) -> list[Estimate]:
    """The numbers of SUR-01: the balanced fidelity of the worst agent, and what the trees lose
    beyond the policy as a part of its own loss."""
    tree, lost = surrogate.least, surrogate.team.relative

    def interval(ratio: Ratio | None, n: float) -> Estimate:
        limits = (None,) * 3 if ratio is None else (ratio.value, ratio.low, ratio.high)
        middle, least, most = (np.nan if number is None else number for number in limits)
        episodes = 0 if ratio is None else ratio.episodes
        # Only the limits are known; Student's quantile tells the error that they come from.
        freedom = max(episodes - 1, 1)
        error = (most - least) / 2 / float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
        known = np.isfinite([middle, least, most]).all()
        spread = Skewed(middle, 0.0, error, 0.0, freedom) if known else None
        return Estimate(middle, least, most, n, episodes, np.nan, spread)

    return [interval(tree.fidelity.balanced.trees, tree.decisions), interval(lost, tree.decisions)]


def compose(
    trace: Trace,
    profile: Profile,
    references: References,
    judged_play: Judged,
    findings: Sequence[Finding],
    command: str,
    *,
    prices: Sequence[Price] = (),
    bundle: Price | None = None,
    variations: Sequence[Variation] = (),
    autonomy: Sequence[ActionAutonomy] = (),
    baseline: Compared | None = None,
    failed: Mapping[int, str] | None = None,
    notes: Sequence[str] = (),
) -> Audit:
    """Put the parts together.

    Args:
        trace: that was judged.
        profile, references: that it was judged by.
        judged_play: what the trace shows.
        findings: of all checks, those of further play among them.
        command: that makes this audit again.
        prices, bundle, variations, autonomy, baseline: further parts.
        failed: message by seed of the episodes in which the policy failed.
        notes: what could not be done, as sentences.
    """
    manifest = trace.manifest
    findings = corrected([_priced(finding, prices) for finding in findings])
    return Audit(
        policy=_with_source(manifest.policy),
        play={
            "trace": str(trace.path),
            "engine": manifest.engine,
            "red": red_name(manifest.options.get("red", _RED)),
            "condition": manifest.options.get("condition", conditions.STANDARD),
            "protocol": manifest.options.get("protocol", SEEDS),
            "steps": manifest.options["steps"],
            "calls": phases.calls(manifest.options["steps"]),
            "episodes": trace.n_episodes,
            "seeds": [manifest.seeds[0], manifest.seeds[-1]],
            "recorded": manifest.created,
            "failed": {str(seed): message for seed, message in (failed or {}).items()},
        },
        profile=profile.describe(),
        command=command,
        versions={
            "cagexplain": __version__,
            "catalogue": CATALOGUE,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        mean_return=judged_play.mean_return,
        practice=axes.practice(findings),
        outcome=axes.outcome(findings),
        findings=findings,
        fails_expected_by_chance=_by_chance(findings),
        references=references.policies,
        prices=tuple(prices),
        bundle=bundle,
        variations=tuple(variations),
        baseline=baseline,
        playbook=judged_play.playbook,
        autonomy=tuple(autonomy),
        held=judged_play.held,
        notes=(*_caveats(trace, findings, len(failed or {})), *notes),
    )


def _with_source(policy: Mapping[str, Any]) -> dict[str, Any]:
    """What a policy says about itself; a built-in one also in which file it is."""
    source = source_of(policy)
    return {**policy, "source": source} if source else dict(policy)


def _caveats(trace: Trace, findings: Sequence[Finding], failed: int) -> Iterator[str]:
    """What a reader must know before reading on, as sentences."""
    episodes, wanted = trace.n_episodes, len(trace.manifest.seeds) - failed
    if episodes < wanted:
        yield f"The recording is unfinished: {episodes} of {wanted} episodes are judged."
    if episodes < 2 * MIN_EPISODES:
        subject = "1 episode was" if episodes == 1 else f"{episodes} episodes were"
        yield f"Only {subject} audited: most verdicts cannot be more than inconclusive."
    if not comparable(trace):
        yield (
            "The reference policies, Sleep among them, were recorded in episodes of "
            f"{phases.DEFAULT_STEPS} steps against the attacker {_RED}. This audit was not, so its "
            "numbers are not held against theirs, and thresholds in steps may be out of reach."
        )
    if errors := [finding.id for finding in findings if finding.verdict == "ERROR"]:
        yield f"Not all checks could be carried out; errors in {', '.join(errors)}."
    if muted_checks := [f"{f.id} ({f.reason.rstrip('.')})" for f in findings if f.muted]:
        # So that nobody takes their silence for a good result.
        subject = "1 check is" if len(muted_checks) == 1 else f"{len(muted_checks)} checks are"
        yield (
            f"{subject} muted by the profile and counted in no verdict: {', '.join(muted_checks)}."
        )


def _by_chance(findings: Sequence[Finding]) -> float:
    """Most FAILs to expect of a policy that is exactly on all bad thresholds: an interval misses
    the truth on the bad side with half of what it leaves to chance, any number fails its check, and
    so do its parts, which share as much once more."""
    twice = {
        (check.id, measure.key)
        for check in checks()
        for measure in check.measures
        if part_may_fail(check, measure)
    }
    judged_numbers = sum(
        2 if (finding.id, measured.key) in twice else 1
        for finding in findings
        if not finding.muted
        for measured in finding.measures
        if measured.verdict != "NOT_APPLICABLE" and measured.n >= finding.n_min
    )
    return (1 - CONFIDENCE) / 2 * judged_numbers


def _priced(finding: Finding, prices: Sequence[Price]) -> Finding:
    """A finding with the price of its remedy: of those that answer it, and do not surely lose
    points if any does not, the one that gains most among those that surely mend its own numbers, if
    any do."""
    singles = [price for price in prices if finding.id in price.checks and len(price.remedies) == 1]
    if finding.verdict not in ("FAIL", "WARN") or not singles:
        return finding

    def rank(price: Price) -> tuple[bool, bool, float]:
        return not price.reward.loses, _mends(price, finding.id), price.reward.mean

    return replace(finding, price=max(singles, key=rank))


def _mends(price: Price, check: str) -> bool:
    """Whether a remedy surely betters a number of a check."""
    changes = [
        (effect.change, effect.better)
        for effect in price.effects
        if effect.key.startswith(f"{check}.")
    ]
    return any(
        change is not None and change.clear and (change.mean > 0) == (better == "higher")
        for change, better in changes
    )
