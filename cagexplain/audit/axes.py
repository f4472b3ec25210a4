"""Where a policy stands on two axes: does it follow the practices, and does it defend well?

They are kept apart on purpose. A policy that defends well may break the practices, and one that
follows all of them may defend badly; neither is hidden by a score that adds everything up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from cagexplain.audit.check import Axis
from cagexplain.audit.results import Finding

Practice = Literal["compliant", "unorthodox", "undetermined"]
Outcome = Literal["effective", "ineffective", "undetermined"]

DECISIVE: Final = ("critical", "high")
"""Severities of the checks that an axis rests on."""
ENOUGH: Final = 0.5
"""Share of the decisive checks that must have a verdict before nothing is held against a policy."""


def practice(findings: Sequence[Finding]) -> Practice:
    """Unorthodox if a decisive practice check fails; compliant if none does and most are judged."""
    fails = _axis(findings, "practice")
    return {True: "unorthodox", False: "compliant", None: "undetermined"}[fails]  # type: ignore[return-value]


def outcome(findings: Sequence[Finding]) -> Outcome:
    """Ineffective if a decisive outcome check fails; effective if none does and most are judged."""
    fails = _axis(findings, "outcome")
    return {True: "ineffective", False: "effective", None: "undetermined"}[fails]  # type: ignore[return-value]


def _axis(findings: Sequence[Finding], axis: Axis) -> bool | None:
    """Whether a decisive check of an axis fails; None if that cannot be said.

    A FAIL is held against the policy if it survives the correction for the number of checks. One
    that does not may be chance, but as long as there is one, nobody can say that none fails.
    """
    decisive = [f for f in findings if f.axis == axis and f.severity in DECISIVE]
    fails = [f.survives is not False for f in decisive if f.verdict == "FAIL"]
    if fails:
        return True if any(fails) else None
    applicable = [f for f in decisive if f.verdict != "NOT_APPLICABLE"]
    judged = [f for f in applicable if f.verdict in ("PASS", "WARN")]
    return False if applicable and len(judged) >= ENOUGH * len(applicable) else None
