"""Whole audits of policies: each is played on seeds of its own and judged by all that is played."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import track

from cagexplain.audit import axes
from cagexplain.audit.checks import checks
from cagexplain.audit.judge import Tallies, corrected
from cagexplain.audit.play.count import count
from cagexplain.audit.profiles import load_profile
from cagexplain.audit.references import load_references
from cagexplain.audit.results import Finding
from cagexplain.common.arrays import FloatArray
from cagexplain.common.processes import spawning
from cagexplain.facts.view import Facts
from cagexplain.policies.base import Policy
from cagexplain.policies.rollout import seed_range

_Job = tuple[Policy, int, int, str]
"""Arguments of `audit`."""


@dataclass(frozen=True)
class WholeAudit:
    """An audit.

    Attributes:
        returns: ``float64[episode]`` official returns.
        findings: by id of the check.
        practice: what the audit says of the policy's practice.
    """

    returns: FloatArray
    findings: Mapping[str, Finding]
    practice: axes.Practice


def audit(policy: Policy, first_seed: int, episodes: int, profile: str) -> WholeAudit:
    """Play a policy and judge it as ``cagexplain audit`` does, but for further play.

    Args:
        policy: on the flat observation.
        first_seed: of the episodes.
        episodes: played.
        profile: name of the thresholds.
    """
    tallies = Tallies(checks(), Facts(), load_profile(profile))
    played = count(policy, seed_range(first_seed, episodes), [tallies], threads=1)
    findings = corrected(tallies.findings(load_references()))
    return WholeAudit(played.returns, {f.id: f for f in findings}, axes.practice(findings))


def audits(
    policies: Mapping[str, Policy],
    first_seed: int,
    number: int,
    episodes: int,
    processes: int,
    profile: str,
) -> dict[str, list[WholeAudit]]:
    """Several audits of each policy, all policies on the same seeds.

    Args:
        policies: by name.
        first_seed: of the first audit; the others' follow.
        number: of audits of each policy.
        episodes: of each audit.
        processes: that work side by side.
        profile: name of the thresholds.
    """
    jobs = [
        (policy, first_seed + i * episodes, episodes, profile)
        for policy in policies.values()
        for i in range(number)
    ]
    shown = track(_done(jobs, processes), "auditing", total=len(jobs), console=Console(stderr=True))
    results = list(shown)
    return {name: results[i * number : (i + 1) * number] for i, name in enumerate(policies)}


def _done(jobs: Sequence[_Job], processes: int) -> Iterator[WholeAudit]:
    """The audits, in the order of the jobs."""
    if processes == 1:
        yield from (audit(*job) for job in jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=spawning()) as pool:
        yield from pool.map(audit, *zip(*jobs, strict=True))


def returns_of(several: Sequence[WholeAudit]) -> FloatArray:
    """Official returns of all episodes of several audits: ``float64[episode]``."""
    return np.concatenate([one.returns for one in several])
