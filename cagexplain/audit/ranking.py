"""What is most pressing in an audit: the order of findings, and the parts of the cases to name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cagexplain.audit.check import Severity
from cagexplain.audit.results import Audit, Finding, Measured, Part

Comparison = Literal["worse", "better", "alike", "too few cases"]

FEW: Final = 10
"""Cases that a part must have to be named or compared."""
_WEIGHTS: Final[dict[Severity, float]] = {
    **{"critical": 8.0, "high": 4.0, "medium": 2.0, "low": 1.0, "info": 0.5}
}
"""What a failure of a severity weighs when findings are put in order."""
_CLEARLY: Final = 0.05
"""By how much a part must be worse than the whole to be named."""
_PART: Final = 0.05
"""Share of the cases that a part must have to be named."""
_ALIKE: Final = 0.02
"""By how much a part's share may differ from the whole's and still be like it."""
_SHARES: Final = ("share", "difference of shares")
_KINDS: Final = ("zone", "agent", "phase")


@dataclass(frozen=True)
class Standout:
    """A part of the cases that stands out.

    Attributes:
        part: named.
        share: of its cases that speak against the policy, if `whole` is given; otherwise its part
            of all cases, as single cases cannot be told good from bad.
        cases: that `share` is of.
        whole: share of all cases that speak against the policy.
    """

    part: Part
    share: float
    cases: int
    whole: float | None


def in_order(findings: Iterable[Finding], audit: Audit) -> list[Finding]:
    """Findings by how pressing they are, the most pressing first.

    By severity, a warning half as heavy as a failure, and up to twice as heavy the more of the
    return a remedy was measured to win back.
    """
    return sorted(findings, key=lambda finding: -_weight(finding, audit.mean_return.mean))


def wrong(audit: Audit) -> list[Finding]:
    """What the policy fails or is warned of, the most pressing first."""
    problems = [f for f in audit.findings if f.verdict in ("FAIL", "WARN") and f.axis != "meta"]
    return in_order(problems, audit)


def _weight(finding: Finding, mean_return: float) -> float:
    weight = _WEIGHTS[finding.severity] * (1.0 if finding.verdict == "FAIL" else 0.5)
    if finding.price is None or not finding.price.reward.clear:
        return weight
    won = max(finding.price.reward.mean, 0.0) / max(abs(mean_return), 1.0)
    return weight * (1.0 + min(won, 1.0))


def counts_shares(measured: Measured) -> bool:
    """Whether each case of a number speaks for or against the policy."""
    return measured.unit in _SHARES


def against(part: Part, measured: Measured) -> int | None:
    """Cases of a part that speak against the policy; None if that cannot be told from it."""
    if not counts_shares(measured):
        return None
    return part.n - part.hits if measured.better == "higher" else part.hits


def standouts(finding: Finding) -> list[Standout]:
    """The subnet, the agent and the phase that are clearly worse than the whole; one of each at
    most."""
    measured = finding.decisive
    if measured is None:
        return []
    kinds = [[part for part in finding.parts if part.kind == kind] for kind in _KINDS]
    worst = [_worst(parts, measured) for parts in kinds if len(parts) > 1]
    return [part for part in worst if part is not None]


def _worst(parts: Sequence[Part], measured: Measured) -> Standout | None:
    total = sum(part.n for part in parts)
    if not total:
        return None
    if not counts_shares(measured):
        part = max(parts, key=lambda part: part.n)
        share = part.n / total
        clear = share >= 1 / len(parts) + _CLEARLY
        return Standout(part, share, total, None) if clear else None
    rates = [
        ((against(part, measured) or 0) / part.n, part)
        for part in parts
        if part.n >= max(FEW, _PART * total)
    ]
    if not rates:
        return None
    whole = sum(against(part, measured) or 0 for part in parts) / total
    rate, part = max(rates, key=lambda pair: pair[0])
    return Standout(part, rate, part.n, whole) if rate >= whole + _CLEARLY else None


def compared(part: Part, parts: Sequence[Part], measured: Measured) -> Comparison | None:
    """How a part does beside all parts of its kind; None if cases are not for or against."""
    bad = against(part, measured)
    if bad is None:
        return None
    if part.n < FEW:
        return "too few cases"
    share = bad / part.n
    whole = sum(against(each, measured) or 0 for each in parts) / sum(each.n for each in parts)
    if share > whole + _ALIKE:
        return "worse"
    return "better" if share < whole - _ALIKE else "alike"
