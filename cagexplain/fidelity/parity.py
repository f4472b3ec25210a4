"""Whether a policy meets the same world on two simulators: margins, tests and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.fidelity.metrics import METRICS, RETURN, EpisodeMetric, Unit
from cagexplain.fidelity.samples import ParitySample, require_same
from cagexplain.policies.rollout import EVALUATION_SEED, seed_range
from cagexplain.stats import equivalence
from cagexplain.stats.equivalence import Equivalence, Judgement, Verdict

FORMAT: Final = "cagexplain.parity"
VERSION: Final = 1

SLEEP_TO_BEST: Final = 6139.0
"""From the mean return of doing nothing, −6439 over 40 episodes recorded from CybORG 4.0 (``sleep``
in ``tests/data/policy_returns.parquet``), to about −300, that of the best policy that comes with
this package (``punch``). What matters is small beside this span."""

SEED_GAP: Final = 1_000_000_000
"""From A's seeds to B's when the samples are independent: no sample is ever so large."""


@dataclass(frozen=True)
class Settings:
    """What counts as alike. To be chosen before looking at any result.

    Attributes:
        margin_return: margin of the return and all its parts, as a part of `span`.
        span: what returns are measured by, in points.
        margin_metric: margin of every other metric, as a part of B's mean (see `margin_of`).
        alpha: level of every claim.
        paired: both samples were played on the same seeds.
    """

    margin_return: float = 0.05
    span: float = SLEEP_TO_BEST
    margin_metric: float = 0.10
    alpha: float = equivalence.ALPHA
    paired: bool = False


@dataclass(frozen=True)
class MetricParity:
    """A metric with what was found about it.

    Attributes:
        p_different_holm: p-value of "differs", adjusted for all metrics.
    """

    metric: EpisodeMetric
    comparison: Equivalence
    verdict: Verdict
    p_different_holm: float


@dataclass(frozen=True)
class Parity:
    """The result.

    Attributes:
        settings: what counted as alike.
        a, b: the samples; in a paired comparison in the same order of seeds.
        rows: one per metric, in their order; the returns come first.
        judgement: the verdict on all.
    """

    settings: Settings
    a: ParitySample
    b: ParitySample
    rows: tuple[MetricParity, ...]
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        """On all metrics together."""
        return self.judgement.verdict

    def to_json(self) -> dict[str, Any]:
        """Everything but the episodes' values, as JSON can hold it."""
        judgement = asdict(self.judgement)
        for told_by_row in ("returns", "metrics", "p_different_holm"):
            del judgement[told_by_row]
        return {
            "format": FORMAT,
            "version": VERSION,
            "verdict": self.verdict,
            "settings": asdict(self.settings),
            "judgement": judgement,
            "samples": {
                side: {**asdict(sample.origin), "seeds": sample.seeds.tolist()}
                for side, sample in (("a", self.a), ("b", self.b))
            },
            "metrics": [
                {
                    "name": row.metric.name,
                    "group": row.metric.group,
                    "unit": row.metric.unit,
                    "description": row.metric.description,
                    "verdict": row.verdict,
                    **asdict(row.comparison),
                    "p_different_holm": row.p_different_holm,
                }
                for row in self.rows
            ],
        }


def seeds(
    episodes_a: int, episodes_b: int, *, first: int = EVALUATION_SEED, paired: bool = False
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Seeds to play on each simulator: the same ones if paired, otherwise none in common."""
    return (
        seed_range(first, episodes_a),
        seed_range(first if paired else first + SEED_GAP, episodes_b),
    )


def require_design(a: IntArray, b: IntArray, *, paired: bool) -> None:
    """Refuse seeds that do not fit the design.

    Args:
        a, b: ``int[n]``, ``int[m]``; the same ones if `paired`, otherwise none in common.
        paired: the design.

    Raises:
        CagexplainError: they do not fit.
    """
    odd = np.setxor1d(a, b) if paired else np.intersect1d(a, b)
    if len(odd) and paired:
        raise CagexplainError(
            f"{len(odd)} episodes have no partner, seed {odd[0]} first",
            where="samples",
            field="seed",
            remedy="Play the same seeds on both for a paired comparison",
        )
    if len(odd):
        raise CagexplainError(
            f"both have seed {odd[0]}, so they are not independent",
            where="samples",
            field="seed",
            remedy="Compare in pairs with --paired, or play other seeds with --seed",
        )


def compare(
    a: ParitySample, b: ParitySample, settings: Settings | None = None, *, same_options: bool = True
) -> Parity:
    """Compare two samples; B is the reference.

    Args:
        a, b: the samples.
        settings: what counts as alike.
        same_options: refuse samples of different policies or options. Without, the comparison asks
            how much the options matter.

    Raises:
        CagexplainError: the policy or the options differ, or the seeds do not fit the design.
        UsageError: a setting is out of range.
    """
    settings = settings or Settings()
    if same_options:
        remedy = "Play both with the same policy and options: otherwise any difference is theirs"
        require_same(b.origin, a.origin, ("policy", "options"), "sample B", remedy)
    require_design(a.seeds, b.seeds, paired=settings.paired)
    if settings.paired:
        b = b.select(a.seeds)
    test = equivalence.paired if settings.paired else equivalence.independent
    comparisons = [
        test(a_values, b_values, margin_of(metric, b_values, settings), settings.alpha)
        for metric, a_values, b_values in zip(METRICS, a.values.T, b.values.T, strict=True)
    ]
    split = sum(metric.group == RETURN for metric in METRICS)
    judgement = equivalence.judge(comparisons[:split], comparisons[split:], settings.alpha)
    verdicts = (*judgement.returns, *judgement.metrics)
    rows = zip(METRICS, comparisons, verdicts, judgement.p_different_holm, strict=True)
    return Parity(settings, a, b, tuple(MetricParity(*row) for row in rows), judgement)


def margin_of(
    metric: EpisodeMetric, reference: npt.NDArray[np.float64], settings: Settings
) -> float:
    """Largest difference of the metric that does not matter.

    Returns: a part of the span, the same for the return and its parts. Other metrics: a part of the
    reference's mean, but never less than `metrics.FLOOR`, so that a metric whose mean is about 0
    can be judged. A share m counts as the smaller of m and 1 - m: whether successes or failures are
    counted must make no difference.

    Args:
        metric: what is judged.
        reference: ``float64[n]`` of sample B; NaN where undefined.
        settings: parts and span.
    """
    if metric.group == RETURN:
        return settings.margin_return * settings.span
    defined = reference[~np.isnan(reference)]
    mean = abs(float(defined.mean())) if len(defined) else 0.0
    if metric.unit == Unit.SHARE:
        mean = min(mean, 1 - mean)
    return max(settings.margin_metric * mean, metric.floor)
