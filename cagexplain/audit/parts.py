"""Judges the parts of a number's cases: where, when and in which episodes a policy fails.

A number over all cases hides a part that fails if the others do well: one agent of five, one
subnet, the second half of every episode, every other episode. So each number that is judged and
that has single cases is judged again for every part of them, by the same thresholds. Medians and
other quantiles of durations are judged as what they say: that half of the cases end within so many
steps. Counts per episode have no thresholds for a part of it, and are judged for the whole only.

Many parts are looked at, and some would fail by chance. Every kind of part gets an equal share of
the error that a number is allowed, and within a kind every part an equal share of that
(Bonferroni): a part fails if its one-sided p-value at the bad threshold, times the number of parts
of its kind, times the number of kinds, is at most `TAIL`. This holds however the parts depend on
each other and the cases on others of their episode, as the p-values rest on whole episodes. It is
cautious: parts overlap, so the true error is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from scipy import sparse
from scipy.special import xlogy

from cagexplain.audit.check import Measure
from cagexplain.audit.results import Part, Place, Span
from cagexplain.audit.splits import PLAIN, SPLITS, Split
from cagexplain.audit.verdicts import beyond, p_value
from cagexplain.cc4 import agents
from cagexplain.common.arrays import Array, BoolArray, FloatArray, Int64Array, IntArray
from cagexplain.facts.cases import Cases
from cagexplain.facts.compact import CompactArray, CompactMatrix
from cagexplain.facts.view import View
from cagexplain.stats.estimates import (
    MIN_EPISODES,
    Difference,
    Estimate,
    HitShare,
    Incidence,
    OfCases,
    PerCases,
    Quantile,
    estimate,
)
from cagexplain.stats.interval import finite
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.spreads import Skewed, excess

TAIL: Final = (1 - CONFIDENCE) / 2
"""One-sided error that a number is allowed, for the whole and once more for all of its parts."""
FEW: Final = 20
"""Fewest cases of a part for a verdict; they lie in at least `MIN_EPISODES` episodes."""
KINDS: Final = len(SPLITS) + 4
"""Kinds of parts: the splits, and stretches of time and episodes, of the team and by agent."""
TESTED: Final = 3
"""Most parts of a kind that are tested, beside those of `PLAIN`: those that stand out most."""
CELL: Final = 5
"""Steps of the shortest stretch of time that is told apart."""
_PARTS: Final = sum(len(split.names) for split in SPLITS)
EVERYBODY: Final = agents.N_BLUE
"""Place of the whole team behind the agents, in counts by agent."""


@dataclass(frozen=True)
class Criterion:
    """How a number is judged for a part.

    Attributes:
        statistic: of the part's cases.
        better: as of the measure.
        bad: threshold.
    """

    statistic: OfCases
    better: str
    bad: float

    @property
    def of_parts(self) -> bool:
        """Whether the threshold means the same for a part as for the whole."""
        return isinstance(self.statistic, HitShare | Difference | PerCases | Incidence)


def criterion_of(measure: Measure, bad: float) -> Criterion:
    """How a measure with single cases, and with a bad threshold, is judged for parts."""
    statistic = measure.statistic
    if isinstance(statistic, Quantile):
        assert measure.better == "lower", "a duration"
        return Criterion(Incidence(at=int(bad)), "higher", statistic.share)
    assert isinstance(statistic, OfCases)
    return Criterion(statistic, measure.better, bad)


def against(criterion: Criterion, cases: Cases) -> BoolArray:
    """``bool[case]`` which cases speak against the policy."""
    hit = cases.hit
    if isinstance(criterion.statistic, Incidence):
        hit = hit & (cases.duration <= criterion.statistic.at)
    bad: BoolArray = ~hit if criterion.better == "higher" else hit
    return bad


@dataclass
class Pieces:
    """What is counted of the parts of a number's cases.

    Attributes:
        criterion: how they will be judged.
        sums: of each batch, split after split, ``float64[episode * part, column]``, most of them 0.
        common: ``float64[episode, 1, column]``: cases without a step, which any part is compared
            with.
        bad: by split ``int64[part, 2]``: cases against the policy, and all.
        cells: ``uint16[episode, agent, cell, 2]``: the same by agent and stretches of `CELL` steps;
            `EVERYBODY` comes after the agents.
    """

    criterion: Criterion
    sums: list[CompactMatrix] = field(default_factory=list)
    common: CompactArray = field(default_factory=CompactArray)
    bad: list[Int64Array] = field(
        default_factory=lambda: [np.zeros((len(s.names), 2), np.int64) for s in SPLITS]
    )
    cells: CompactArray = field(default_factory=CompactArray)

    def add(self, cases: Cases, view: View) -> None:
        """Count the cases of a batch."""
        statistic = self.criterion.statistic
        anywhere = cases.step < 0
        self.common.add(statistic.sums(cases.where(anywhere), view.n, view.steps)[:, None])
        cases = cases.where(~anywhere)
        known = statistic.shown(cases)
        bad = against(self.criterion, cases)
        sums = []
        for split, table in zip(SPLITS, self.bad, strict=True):
            n_parts = len(split.names)
            part = split.number(view, cases)
            inside = cases.where(part >= 0)
            inside = inside.at(inside.row * n_parts + part[part >= 0])
            sums.append(sparse.csr_array(statistic.sums(inside, view.n * n_parts, view.steps)))
            for column, keep in enumerate((known & bad, known)):
                numbers = part[keep & (part >= 0)]
                table[:, column] += np.bincount(numbers, minlength=n_parts)
        self.sums.append(CompactMatrix(sparse.vstack(sums, format="csr")))
        self.cells.add(_cells(cases.where(known), bad[known], view))

    def by_split(self) -> Iterator[sparse.csr_array]:
        """The sums of each split: ``float64[episode * part, column]``."""
        batches = [packed.matrix() for packed in self.sums]
        first = 0
        for split in SPLITS:
            after = first + len(split.names)
            rows = ((batch, batch.shape[0] // _PARTS) for batch in batches)
            yield sparse.vstack([batch[first * n : after * n] for batch, n in rows], format="csr")
            first = after


def _cells(cases: Cases, bad: BoolArray, view: View) -> IntArray:
    shape = view.n, agents.N_BLUE + 1, -(-view.steps // CELL)
    agent = np.where(cases.agent >= 0, cases.agent, EVERYBODY)
    place = np.ravel_multi_index((cases.row, agent, cases.step // CELL), shape)
    size = int(np.prod(shape))
    counts = np.stack(
        [np.bincount(where, minlength=size) for where in (place[bad], place)], axis=-1
    ).reshape(*shape, 2)
    counts[:, EVERYBODY] = counts.sum(axis=1)
    return counts.astype(np.uint16)


@dataclass(frozen=True)
class Failing:
    """A part that surely is beyond the bad threshold.

    Attributes:
        part: with its numbers.
        where: what it is.
        contrast: how well it sets the bad cases apart from the others; see `contrast`.
        since: when, if it is a stretch of time.
    """

    part: Part
    where: tuple[Place, ...]
    contrast: float
    since: Span | None = None


def judge_splits(pieces: Pieces, usual_deff: float | None) -> tuple[list[Part], list[Failing]]:
    """Judge the parts of all splits.

    Args:
        pieces: what was counted.
        usual_deff: design effect, for shares of which none or all cases are hits.

    Returns:
        The parts of the plain splits that have cases, and all parts that fail.
    """
    plain: list[Part] = []
    failing: list[Failing] = []
    common = sparse.csr_array(pieces.common.part(0))
    for split, table, bad in zip(SPLITS, pieces.by_split(), pieces.bad, strict=True):
        tables = {i: table[i :: len(split.names)] for i in np.flatnonzero(bad[:, 1]).tolist()}
        parts, failed = _judge_split(split, tables, common, bad, pieces.criterion, usual_deff)
        failing += failed
        plain += parts if split in PLAIN else ()
    return plain, failing


def _judge_split(
    split: Split,
    tables: Mapping[int, sparse.csr_array],
    common: sparse.csr_array,
    bad: Int64Array,
    criterion: Criterion,
    usual_deff: float | None,
) -> tuple[list[Part], list[Failing]]:
    enough = [
        part
        for part, table in tables.items()
        if bad[part, 1] >= FEW and np.count_nonzero(np.diff(table.indptr)) >= MIN_EPISODES
    ]
    contrasts = contrast(bad, bad.sum(axis=0))
    suspects = [
        part
        for part in sorted(enough, key=lambda part: -contrasts[part])
        if criterion.of_parts
        and beyond(
            float(criterion.statistic.value((tables[part] + common).sum(axis=0))),
            criterion.better,
            criterion.bad,
        )
        and contrasts[part] > 0
    ]
    if split not in PLAIN:
        suspects = suspects[:TESTED]
    parts, failing = [], []
    for number in tables:
        names = split.names[number]
        part = Part(
            " and ".join(split.kinds),
            ", ".join(names),
            bad=int(bad[number, 0]),
            n=int(bad[number, 1]),
            fails=False if number in enough else None,
        )
        if number in suspects:
            part = tested(
                part, criterion, (tables[number] + common).toarray(), len(enough), usual_deff
            )
            if part.fails:
                where = tuple(Place(*pair) for pair in zip(split.kinds, names, strict=True))
                failing.append(Failing(part, where, float(contrasts[number])))
        parts.append(part)
    return parts, failing


def tested(
    part: Part, criterion: Criterion, sums: FloatArray, looked_at: int, usual_deff: float | None
) -> Part:
    """A part with its interval and verdict.

    Args:
        part: to judge.
        criterion: how.
        sums: ``float64[episode, column]`` of its cases.
        looked_at: number of parts of its kind.
        usual_deff: see `judge_splits`.
    """
    looks = looked_at * KINDS
    interval = estimate(
        criterion.statistic, sums, usual_deff=usual_deff, confidence=1 - 2 * TAIL / looks
    )
    p = min(1.0, _chance(criterion, sums, interval) * looks)
    return replace(part, low=finite(interval.low), high=finite(interval.high), p=p, fails=p <= TAIL)


def _chance(criterion: Criterion, sums: FloatArray, interval: Estimate) -> float:
    """One-sided p-value at the bad threshold."""
    if isinstance(criterion.statistic, HitShare) and isinstance(interval.spread, Skewed):
        return excess(sums, criterion.bad).chance(0.0, below=criterion.better == "higher")
    return p_value(interval, criterion.better, criterion.bad)


def contrast(inside: Array, every: Array) -> FloatArray:
    """Twice the gain in binomial log-likelihood by telling a part from the rest; 0 where the part
    is not worse than the rest.

    Args:
        inside: ``[..., 2]`` cases against the policy, and all, of the part.
        every: ``[..., 2]`` the same of the whole.
    """
    inside, every = np.asarray(inside, np.float64), np.asarray(every, np.float64)
    rest = every - inside
    gain = _likelihood(inside) + _likelihood(rest) - _likelihood(every)
    worse = inside[..., 0] * rest[..., 1] > rest[..., 0] * inside[..., 1]
    return np.where(worse, 2 * gain, 0.0)


def _likelihood(counts: FloatArray) -> FloatArray:
    bad, n = counts[..., 0], counts[..., 1]
    likelihood: FloatArray = xlogy(bad, bad) + xlogy(n - bad, n - bad) - xlogy(n, n)
    return likelihood
