"""Whether two samples come from populations that are alike for all practical purposes.

A test that finds no significant difference shows nothing: too few episodes find none either. An
equivalence test turns the burden of proof round. Its null hypothesis is that the means differ by a
margin or more, and rejecting it takes evidence: two one-sided tests, TOST (Schuirmann 1987; Wellek
2010). At level alpha this is the same as asking whether the 1 - 2 alpha confidence interval of the
difference lies within the margin.

**Independent samples** are compared by Welch's t, which allows the spreads to differ. **Paired
samples** were played on the same seeds. Where both simulators consume the same generator in the
same order, a seed's world and chances are common to both, most of the variance between episodes
cancels in the differences, and far fewer episodes decide: the paired design is then the more
powerful one. Where they do not, pairing gains nothing, and costs half the degrees of freedom.

**Many metrics.** Each error has its own correction:

* "All returns are equivalent" needs none: claiming all at once is an intersection-union test, which
  errs with at most alpha if every single test does (Berger 1982; Berger and Hsu 1996).
* "At least 95 % of the metrics are equivalent" picks the most favourable ones, so it is tested as a
  partial conjunction (Benjamini and Heller 2008), which holds under any dependence.
* "This metric differs" may be claimed of any of them, so these p-values are adjusted by Holm's
  method (1979): at most alpha for one false claim or more.
* A single metric's EQUIVALENT holds at alpha for that metric. Who picks one out of the list
  afterwards should apply Holm's method to the p-values in the JSON.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from scipy import stats

from cagexplain.common.arrays import RealArray
from cagexplain.common.errors import UsageError
from cagexplain.stats.adjust import holm

ALPHA: Final = 0.05
POWER: Final = 0.8
"""With which probability the stated numbers of episodes would decide."""
SHARE: Final = 0.95
"""Part of the metrics that must be equivalent."""


class Verdict(StrEnum):
    """Of a comparison, or of all of them."""

    EQUIVALENT = "EQUIVALENT"
    DIFFERENT = "DIFFERENT"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_OBSERVED = "NOT OBSERVED"
    """Undefined in every episode of both samples, such as the success rate of an action that nobody
    took: nothing to compare."""


@dataclass(frozen=True)
class Summary:
    """A sample's episodes in which the metric is defined.

    Attributes:
        n: how many.
        mean: None without any.
        sd: sample standard deviation; None with fewer than two.
    """

    n: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Equivalence:
    """The comparison of a metric, A minus B.

    Attributes:
        a, b: the samples; in a paired comparison the episodes in which both are defined.
        margin: the largest difference that does not matter, in the metric's unit.
        difference: of the means; None where one is missing.
        low, high: its confidence interval at level 1 - 2 alpha; None with too few episodes.
        p_equivalent: of TOST; 1 with too few episodes. Small: the difference is below the margin.
        p_different: of the test whose null hypothesis is a difference within the margin. Small: it
            is beyond.
        needed: episodes of each sample that would probably decide (see `episodes_needed`); None
            where the data do not tell.
    """

    a: Summary
    b: Summary
    margin: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_equivalent: float = 1.0
    p_different: float = 1.0
    needed: int | None = None

    @property
    def observed(self) -> bool:
        """Whether either sample shows the metric."""
        return self.a.n + self.b.n > 0


def independent(a: RealArray, b: RealArray, margin: float, alpha: float = ALPHA) -> Equivalence:
    """Compare the means of two samples played on different seeds, by Welch's t.

    Args:
        a, b: ``[episodes]``; NaN where the metric is undefined, which is left out.
        margin: above 0.
        alpha: level of the tests, above 0 and below 0.5.

    Raises:
        UsageError: `margin` or `alpha` is out of range.
    """
    _require_sound(margin, alpha)
    kept_a, kept_b = a[~np.isnan(a)], b[~np.isnan(b)]
    summary_a, summary_b = summarise(kept_a), summarise(kept_b)
    if summary_a.sd is None or summary_b.sd is None:
        return _undecided(summary_a, summary_b, margin)
    variance_a, variance_b = summary_a.sd**2, summary_b.sd**2
    part_a, part_b = variance_a / summary_a.n, variance_b / summary_b.n
    freedom = float(summary_a.n + summary_b.n - 2)
    if part_a + part_b > 0:  # Welch and Satterthwaite
        freedom = (part_a + part_b) ** 2 / (
            part_a**2 / (summary_a.n - 1) + part_b**2 / (summary_b.n - 1)
        )
    defined = (summary_a.n + summary_b.n) / (len(a) + len(b))
    return _compare(
        summary_a,
        summary_b,
        margin,
        alpha,
        error=math.sqrt(part_a + part_b),
        freedom=freedom,
        played=min(len(a), len(b)),
        variance=(variance_a + variance_b) / defined,
    )


def paired(a: RealArray, b: RealArray, margin: float, alpha: float = ALPHA) -> Equivalence:
    """Compare two samples played on the same seeds, by the t-test of the differences.

    Equal samples (no variance and no difference) are equivalent.

    Args:
        a, b: ``[episodes]``, in the same order of seeds; pairs with a NaN are left out.
        margin: above 0.
        alpha: level of the tests, above 0 and below 0.5.

    Raises:
        UsageError: the samples differ in length, or `margin` or `alpha` is out of range.
    """
    _require_sound(margin, alpha)
    if len(a) != len(b):
        raise UsageError(
            f"{len(a)} and {len(b)} episodes are no pairs", remedy="Play the same seeds on both"
        )
    both = ~(np.isnan(a) | np.isnan(b))
    if not both.any():  # perhaps one sample alone shows the metric
        return _undecided(summarise(a[~np.isnan(a)]), summarise(b[~np.isnan(b)]), margin)
    summary_a, summary_b = summarise(a[both]), summarise(b[both])
    between = summarise(a[both] - b[both])
    if between.sd is None:
        return _undecided(summary_a, summary_b, margin)
    return _compare(
        summary_a,
        summary_b,
        margin,
        alpha,
        error=between.sd / math.sqrt(between.n),
        freedom=between.n - 1,
        played=len(a),
        variance=between.sd**2 / both.mean(),
    )


def summarise(values: RealArray) -> Summary:
    """Describe the values ``float[k]``, none of which is NaN."""
    n = len(values)
    return Summary(
        n,
        mean=float(values.mean()) if n else None,
        sd=float(values.std(ddof=1)) if n > 1 else None,
    )


def episodes_needed(variance: float, distance: float, alpha: float, *, sides: int) -> int | None:
    """Episodes of each sample that decide with the power `POWER` (Chow, Shao and Wang 2008, 3.2).

    Args:
        variance: of one difference (for independent samples the sum of both variances).
        distance: how far the true difference is from the margin.
        alpha: level.
        sides: 2 if the true difference is 0, as both one-sided tests can fail then; otherwise 1.

    Returns:
        At least 2; None if `distance` is 0.
    """
    if distance <= 0:
        return None
    quantiles = float(stats.norm.isf(alpha) + stats.norm.isf((1 - POWER) / sides))
    # The normal approximation lacks what Student's t adds, about half the squared quantile.
    extra = float(stats.norm.isf(alpha)) ** 2 / 2
    return max(2, math.ceil(quantiles**2 * variance / distance**2 + extra))


def partial_conjunction(p_values: Sequence[float], least: int) -> float:
    """P-value for "at least `least` of the null hypotheses are false".

    Bonferroni's version, which holds under any dependence (Benjamini and Heller 2008, theorem 1):
    were there fewer, `least` p-values up to p would take at least one of the
    ``len(p_values) - least + 1`` or more true hypotheses.
    """
    ordered = sorted(p_values)
    return min(1.0, (len(ordered) - least + 1) * ordered[least - 1])


@dataclass(frozen=True)
class Judgement:
    """What follows from all tests.

    Attributes:
        verdict: EQUIVALENT if all returns are and at least `SHARE` of the metrics are and nothing
            is DIFFERENT; DIFFERENT if anything is; otherwise INCONCLUSIVE.
        returns, metrics: verdict of each test, in their order.
        p_different_holm: adjusted p-values of "differs": of the returns, then of the metrics.
        p_returns: for "all returns are equivalent".
        p_metrics: for "at least `required` of the `observed` metrics are".
        equivalent: number of metrics found EQUIVALENT, each by itself.
        observed: number of metrics that either sample shows.
        required: number that must be equivalent.
        needed: episodes of each sample that would probably be enough; None if it is decided, or
            the data do not tell.
    """

    verdict: Verdict
    returns: tuple[Verdict, ...]
    metrics: tuple[Verdict, ...]
    p_different_holm: tuple[float, ...]
    p_returns: float
    p_metrics: float
    equivalent: int
    observed: int
    required: int
    needed: int | None


def judge(
    returns: Sequence[Equivalence], metrics: Sequence[Equivalence], alpha: float = ALPHA
) -> Judgement:
    """Decide on each test and on all together.

    Args:
        returns: comparisons of the return and its parts.
        metrics: those of the other metrics; one at least must be observed.
        alpha: level of each of the claims.
    """
    every = [*returns, *metrics]
    observed = [i for i, test in enumerate(every) if test.observed]
    adjusted = np.ones(len(every))
    adjusted[observed] = holm([every[i].p_different for i in observed])
    verdicts = tuple(_verdict(t, p, alpha) for t, p in zip(every, adjusted, strict=True))
    shown = [test for test in metrics if test.observed]
    required = math.ceil(SHARE * len(shown))
    p_returns = max(test.p_equivalent for test in returns)
    p_metrics = partial_conjunction([test.p_equivalent for test in shown], required)
    if Verdict.DIFFERENT in verdicts:
        verdict = Verdict.DIFFERENT
    elif max(p_returns, p_metrics) <= alpha:
        verdict = Verdict.EQUIVALENT
    else:
        verdict = Verdict.INCONCLUSIVE
    split = len(returns)
    return Judgement(
        verdict=verdict,
        returns=verdicts[:split],
        metrics=verdicts[split:],
        p_different_holm=tuple(float(p) for p in adjusted),
        p_returns=p_returns,
        p_metrics=p_metrics,
        equivalent=verdicts[split:].count(Verdict.EQUIVALENT),
        observed=len(shown),
        required=required,
        needed=_all_needed(returns, shown, required) if verdict == Verdict.INCONCLUSIVE else None,
    )


def _verdict(test: Equivalence, p_different: float, alpha: float) -> Verdict:
    if not test.observed:
        return Verdict.NOT_OBSERVED
    if test.p_equivalent <= alpha:
        return Verdict.EQUIVALENT
    return Verdict.DIFFERENT if p_different <= alpha else Verdict.INCONCLUSIVE


def _all_needed(
    returns: Sequence[Equivalence], metrics: Sequence[Equivalence], required: int
) -> int | None:
    def known(test: Equivalence) -> float:
        return math.inf if test.needed is None else test.needed

    most = max(*map(known, returns), sorted(map(known, metrics))[required - 1])
    played = max(max(test.a.n, test.b.n) for test in (*returns, *metrics))
    # What corrections for many metrics take comes on top, and may be all that is missing.
    return int(most) if played < most < math.inf else None


def _require_sound(margin: float, alpha: float) -> None:
    if not margin > 0:
        raise UsageError(f"{margin} is no margin", field="margin", remedy="Give a number above 0")
    if not 0 < alpha < 0.5:
        raise UsageError(
            f"{alpha} is no level of a test", field="alpha", remedy="Give a number from 0 to 0.5"
        )


def _undecided(a: Summary, b: Summary, margin: float) -> Equivalence:
    both = a.mean is not None and b.mean is not None
    return Equivalence(a, b, margin, difference=a.mean - b.mean if both else None)  # type: ignore[operator]


def _compare(
    a: Summary,
    b: Summary,
    margin: float,
    alpha: float,
    *,
    error: float,
    freedom: float,
    played: int,
    variance: float,
) -> Equivalence:
    """The tests of a difference with its standard error and degrees of freedom.

    `variance` is that of one difference, made larger where only some episodes show the metric.
    """
    assert a.mean is not None and b.mean is not None
    difference = a.mean - b.mean
    half = float(stats.t.isf(alpha, freedom)) * error
    inside = margin - abs(difference)
    return Equivalence(
        a,
        b,
        margin,
        difference=difference,
        low=difference - half,
        high=difference + half,
        p_equivalent=_beyond(inside, error, freedom),
        # Largest over the null hypothesis when the true difference lies on the margin, from where
        # it can come out on either side.
        p_different=min(
            1.0,
            _beyond(-inside, error, freedom) + _beyond(margin + abs(difference), error, freedom),
        ),
        needed=_needed(inside, margin, variance, alpha, played),
    )


def _beyond(distance: float, error: float, freedom: float) -> float:
    """Probability that Student's t exceeds ``distance / error``; the limit where error is 0."""
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / error, freedom))


def _needed(inside: float, margin: float, variance: float, alpha: float, played: int) -> int | None:
    """Enough if there is no difference at all; if that many were played, at the one observed."""
    if_equal = episodes_needed(variance, margin, alpha, sides=2)
    if if_equal is not None and if_equal > played:
        return if_equal
    return episodes_needed(variance, abs(inside), alpha, sides=1)
