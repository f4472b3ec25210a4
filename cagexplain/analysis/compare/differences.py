"""How the choices and the metrics of two samples differ.

The difference of two groups of choices is the total variation distance of their shares, that of
two metrics their difference; both are tested by permuting whole episodes
(`cagexplain.stats.permutation`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from cagexplain.analysis.compare.samples import Sample
from cagexplain.analysis.metrics.definitions import Better
from cagexplain.cc4 import actions
from cagexplain.common.arrays import FloatArray
from cagexplain.common.results import Result
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.permutation import (
    MIN_COUNTS,
    MIN_EPISODES,
    Differences,
    Gaps,
    compare,
    jensen_shannon,
    joined,
    ratio_difference,
    restricted_mean,
    restricted_mean_difference,
)

SIGNIFICANT: Final = 0.05

_TAIL: Final = (1 - CONFIDENCE) / 2
_AT_ONCE: Final = 2**23
"""Counts of a sample that are compared at once: 64 MB."""

Counts = npt.NDArray[np.int32]


@dataclass(frozen=True)
class GroupDifference(Result):
    """How a group's choices differ between two samples.

    Attributes:
        group: such as a state.
        total_a, total_b: decisions.
        episodes_a, episodes_b: episodes that have any.
        distance: total variation distance of the shares, 0 to 1. This and all below are None where
            a side has fewer than 20 decisions or 6 episodes with any.
        low, high: its confidence limits.
        chance: the mean distance if the labels of the episodes are permuted.
        divergence: Jensen-Shannon divergence of the shares in nats.
        p: permutation p-value of no difference.
        p_adjusted: the same, adjusted for all groups of all views and all pairs of samples.
        action: action type whose share differs most.
        change: its share in b minus that in a.
    """

    group: str
    total_a: int
    total_b: int
    episodes_a: int
    episodes_b: int
    distance: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    divergence: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    action: str | None = None
    change: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below 5 %."""
        return self.p_adjusted is not None and self.p_adjusted < SIGNIFICANT


@dataclass(frozen=True)
class ViewDifference(Result):
    """All groups of a view: ``view`` names it as in `Sample.tables`."""

    view: str
    groups: tuple[GroupDifference, ...]


@dataclass(frozen=True)
class MetricDifference(Result):
    """How a quantity differs between two samples.

    Attributes:
        metric: its name.
        unit: of its values.
        better: whether a good defence has a higher or a lower value.
        value_a, value_b: mean over episodes, pooled quotient or Kaplan-Meier mean; None where it is
            undefined.
        n_a, n_b: episodes that it rests on.
        difference: b minus a. This and all below are None where a side has fewer than 6 episodes
            or, of times, 20 of them.
        low, high: its confidence limits.
        effect: the difference in standard deviations between episodes (Cohen's d); None also of
            times, and where episodes do not vary.
        p: permutation p-value of no difference.
        p_adjusted: the same, adjusted for all metrics and all pairs of samples.
    """

    metric: str
    unit: str
    better: Better
    value_a: float | None
    value_b: float | None
    n_a: int
    n_b: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    effect: float | None = None
    p: float | None = None
    p_adjusted: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below 5 %."""
        return self.p_adjusted is not None and self.p_adjusted < SIGNIFICANT


def view_differences(
    a: Sample, b: Sample, views: Sequence[str], paired: bool
) -> Iterator[ViewDifference]:
    """Compare the choices of two samples. p-values are adjusted for all groups of all views.

    Args:
        a, b: the samples.
        views: to compare; both must have them.
        paired: whether their seeds are the same and the episodes of a seed belong together.
    """
    cells = [math.prod(a.tables[view].counts.shape[1:]) for view in views]
    differences = joined(
        [_distances(a, b, views[block], paired) for block in _blocks(cells, len(a.seeds))]
    )
    sides = [[s.tables[view].counts for view in views] for s in (a, b)]
    bare = [
        [_sizes(name, first[:, g], second[:, g]) for g, name in enumerate(a.tables[view].groups)]
        for view, first, second in zip(views, *sides, strict=True)
    ]
    tested = np.array([_enough(group) for groups in bare for group in groups])
    p, adjusted = differences.p, differences.family_p(tested)
    place = iter(range(len(tested)))
    for view, groups, first, second in zip(views, bare, *sides, strict=True):
        kinds = a.tables[view].kinds
        yield ViewDifference(
            view,
            tuple(
                replace(
                    group,
                    **_shift(kinds, first[:, g], second[:, g]),
                    **_distance(group, differences, i, float(p[i])),
                    p=float(p[i]),
                    p_adjusted=float(adjusted[i]),
                )
                if tested[i]
                else group
                for g, (group, i) in enumerate(zip(groups, place, strict=False))
            ),
        )


def _blocks(cells: Sequence[int], episodes: int) -> Iterator[slice]:
    """Quantities to compare at once: all, unless so many cells of so many episodes take too much
    memory. The labels are drawn once for each block, alike.

    Args:
        cells: of each quantity.
        episodes: of a sample.
    """
    start, size = 0, 0
    for i, more in enumerate(cells):
        if size and (size + more) * episodes > _AT_ONCE:
            yield slice(start, i)
            start, size = i, 0
        size += more
    yield slice(start, len(cells))


def _distances(a: Sample, b: Sample, views: Sequence[str], paired: bool) -> Differences:
    """Total variation distances in all groups of some views."""
    sides = [[s.tables[view].counts[_rows(s)] for view in views] for s in (a, b)]
    # A row of cells, group after group.
    flat_a, flat_b = (
        np.concatenate([table.reshape(len(table), -1) for table in side], axis=1) for side in sides
    )
    gaps = Gaps(np.concatenate([np.full(t.shape[1], t.shape[2]) for t in sides[0]]))
    direction = np.sign(gaps(flat_a.sum(axis=0), flat_b.sum(axis=0)))
    return compare(
        flat_a,
        flat_b,
        lambda first, second: gaps.sums(np.abs(gaps(first, second))) / 2,
        smooth=lambda first, second: gaps.sums(gaps(first, second) * direction) / 2,
        paired=paired,
    )


def _sizes(name: str, a: Counts, b: Counts) -> GroupDifference:
    """How much there is of a group; counts are ``int[episode, kind]``."""
    (total_a, episodes_a), (total_b, episodes_b) = (
        (int(side.sum()), int((side.sum(axis=1) > 0).sum())) for side in (a, b)
    )
    return GroupDifference(name, total_a, total_b, episodes_a, episodes_b)


def _enough(group: GroupDifference) -> bool:
    return (
        min(group.total_a, group.total_b) >= MIN_COUNTS
        and min(group.episodes_a, group.episodes_b) >= MIN_EPISODES
    )


def _shift(kinds: Sequence[int], a: Counts, b: Counts) -> dict[str, Any]:
    """Which share differs most, and the divergence."""
    summed = [side.sum(axis=0, dtype=np.float64) for side in (a, b)]
    gap = summed[1] / summed[1].sum() - summed[0] / summed[0].sum()
    most = int(np.abs(gap).argmax())
    return {
        "divergence": float(jensen_shannon(*summed)),
        "action": actions.KIND_NAMES[kinds[most]],
        "change": float(gap[most]),
    }


def _distance(group: GroupDifference, differences: Differences, i: int, p: float) -> dict[str, Any]:
    value = float(differences.value[i])
    episodes = (group.episodes_a, group.episodes_b)
    low, high = _distance_limits(
        value, float(differences.error[i]), float(differences.bias[i]), episodes
    )
    return {
        "distance": value,
        "low": low if p < SIGNIFICANT else 0.0,  # the test does not exclude that nothing differs
        "high": high,
        "chance": float(np.nanmean(differences.relabelled[:, i])),
    }


def _distance_limits(
    value: float, error: float, bias: float, episodes: Sequence[int]
) -> tuple[float, float]:
    """Limits of a distance, which sampling makes too large.

    Resamples are farther apart than the sample by `bias`, and the sample than the truth by at
    least as much, so the lower limit is taken twice that lower, and the upper one is not. Where
    nothing varies, every side may be off by what its episodes, one trial each, cannot exclude.
    """
    if error == 0:
        below = above = sum(1 - _TAIL ** (1 / n) for n in episodes)
    else:
        half = float(stdtrit(min(episodes) - 1, 1 - _TAIL)) * error
        below, above = half + 2 * max(bias, 0.0), half
    return max(value - below, 0.0), min(value + above, 1.0)


def metric_differences(
    a: Sample, b: Sample, metrics: Sequence[str], times: Sequence[str], paired: bool
) -> Iterator[MetricDifference]:
    """Compare metrics of two samples. p-values are adjusted for all metrics and times.

    Args:
        a, b: the samples.
        metrics, times: to compare; both must have them.
        paired: as in `view_differences`.
    """
    parts = [_quotients(a, b, metrics, paired)] if metrics else []
    lengths = [math.prod(a.times[t].counts.shape[1:]) for t in times]
    blocks = _blocks(lengths, len(a.seeds)) if times else ()
    parts += [_durations(a, b, times[block], paired) for block in blocks]
    if not parts:
        return
    values = [value for each, _ in parts for value in each]
    combined = joined([differences for _, differences in parts])
    tested = np.array([v.enough for v in values]) & ~np.isnan(combined.value)
    p, adjusted = combined.p, combined.family_p(tested)
    for i, value in enumerate(values):
        if not tested[i]:
            yield value.metric
            continue
        difference, spread = float(combined.value[i]), value.spread
        fewest = min(value.metric.n_a, value.metric.n_b)
        half = float(stdtrit(fewest - 1, 1 - _TAIL) * combined.error[i])
        yield replace(
            value.metric,
            difference=difference,
            low=difference - half,
            high=difference + half,
            effect=difference / spread if spread else None,
            p=float(p[i]),
            p_adjusted=float(adjusted[i]),
        )


@dataclass(frozen=True)
class _Value:
    """A metric without its difference, whether there is enough of it for one, and the standard
    deviation between episodes."""

    metric: MetricDifference
    enough: bool
    spread: float | None


def _quotients(
    a: Sample, b: Sample, metrics: Sequence[str], paired: bool
) -> tuple[list[_Value], Differences]:
    sides = [
        np.stack(
            [np.column_stack([s.metrics[m].numerator, s.metrics[m].denominator]) for m in metrics],
            axis=1,
        )[_rows(s)]
        for s in (a, b)
    ]
    values = []
    for i, name in enumerate(metrics):
        first, second = (side[:, i] for side in sides)
        n = [int((side[:, 1] > 0).sum()) for side in (first, second)]
        facts = (name, a.metrics[name].unit, a.metrics[name].better)
        metric = MetricDifference(*facts, _pooled(first), _pooled(second), n[0], n[1])
        enough = min(n) >= MIN_EPISODES
        spread = math.sqrt((_variance(first) + _variance(second)) / 2) if enough else None
        values.append(_Value(metric, enough, spread))
    return values, compare(sides[0], sides[1], ratio_difference, paired=paired)


def _durations(
    a: Sample, b: Sample, times: Sequence[str], paired: bool
) -> tuple[list[_Value], Differences]:
    sides = [
        np.stack([np.asarray(s.times[t].counts)[_rows(s)] for t in times], axis=1) for s in (a, b)
    ]
    values = []
    for i, name in enumerate(times):
        each = [side[:, i] for side in sides]
        n = [int(side.any(axis=(1, 2)).sum()) for side in each]
        first, second = (restricted_mean(side.sum(axis=0, dtype=np.float64)) for side in each)
        metric = MetricDifference(name, "steps", "lower", _known(first), _known(second), n[0], n[1])
        enough = min(n) >= MIN_EPISODES and min(int(side.sum()) for side in each) >= MIN_COUNTS
        values.append(_Value(metric, enough, None))
    return values, compare(sides[0], sides[1], restricted_mean_difference, paired=paired)


def _known(value: FloatArray) -> float | None:
    return None if np.isnan(value) else float(value)


def _rows(s: Sample) -> npt.NDArray[np.int64]:
    """Episodes in the order of their seeds, so that those of equal seeds can be paired."""
    return np.argsort(s.seeds, kind="stable")


def _pooled(side: FloatArray) -> float | None:
    above, below = side.sum(axis=0)
    return float(above / below) if below > 0 else None


def _variance(side: FloatArray) -> float:
    """Variance between episodes of a quotient, linearised; ``side`` is ``[episode, 2]``."""
    above, below = side.sum(axis=0)
    each = (side[:, 0] - above / below * side[:, 1]) / side[:, 1].mean()
    return float(each.var(ddof=1))
