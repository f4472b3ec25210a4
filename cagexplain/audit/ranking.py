"""What is most pressing in an audit: the order of findings, and the parts of the cases to name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cagexplain.audit.check import Severity
from cagexplain.audit.results import VERDICTS, Audit, Finding, Part

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


@dataclass(frozen=True)
class Standout:
    """A part of the cases that stands out.

    Attributes:
        part: named.
        share: of its cases that speak against the policy.
        cases: that `share` is of.
        whole: share of all cases that speak against the policy.
    """

    part: Part
    share: float
    cases: int
    whole: float


def in_order(findings: Iterable[Finding], audit: Audit) -> list[Finding]:
    """Findings by how pressing they are, the most pressing first.

    By severity, a warning half as heavy as a failure, and up to twice as heavy the more of the
    return a remedy was measured to win back; of what weighs the same, failures come first.
    """
    mean = audit.mean_return.mean
    return sorted(findings, key=lambda f: (-_weight(f, mean), VERDICTS.index(f.verdict)))


def wrong(audit: Audit) -> list[Finding]:
    """What the policy fails or is warned of, the most pressing first."""
    problems = [f for f in audit.findings if f.verdict in ("FAIL", "WARN") and f.axis != "meta"]
    return in_order(problems, audit)


def weight(findings: Iterable[Finding], audit: Audit) -> float:
    """How pressing findings are together."""
    return sum(_weight(finding, audit.mean_return.mean) for finding in findings)


def _weight(finding: Finding, mean_return: float) -> float:
    weight = _WEIGHTS[finding.severity] * (1.0 if finding.verdict == "FAIL" else 0.5)
    if finding.price is None or not finding.price.reward.clear:
        return weight
    won = max(finding.price.reward.mean, 0.0) / max(abs(mean_return), 1.0)
    return weight * (1.0 + min(won, 1.0))


def standouts(finding: Finding) -> list[Standout]:
    """The parts that are clearly worse than the whole: one of a kind at most."""
    kinds = dict.fromkeys(part.kind for part in finding.parts)
    by_kind = [[part for part in finding.parts if part.kind == kind] for kind in kinds]
    worst = [_worst(parts) for parts in by_kind if len(parts) > 1]
    return [standout for standout in worst if standout is not None]


def _worst(parts: Sequence[Part]) -> Standout | None:
    total = sum(part.n for part in parts)
    enough = [part for part in parts if part.n >= max(FEW, _PART * total)]
    if not enough:
        return None
    whole = _share(parts)
    worst = max(enough, key=lambda part: part.bad / part.n)
    share = worst.bad / worst.n
    return Standout(worst, share, worst.n, whole) if share >= whole + _CLEARLY else None


def compared(part: Part, parts: Sequence[Part]) -> Comparison:
    """How a part does beside all parts of its kind."""
    if part.n < FEW:
        return "too few cases"
    share, whole = part.bad / part.n, _share(parts)
    if share > whole + _ALIKE:
        return "worse"
    return "better" if share < whole - _ALIKE else "alike"


def _share(parts: Sequence[Part]) -> float:
    """Share of the cases of all parts that speak against the policy."""
    return sum(part.bad for part in parts) / sum(part.n for part in parts)
