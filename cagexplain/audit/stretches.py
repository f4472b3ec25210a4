"""Judges stretches of time and single episodes: does a policy fail at some time, or some times?

Stretches of time are windows of doubling length, each of which overlaps half of the next one. The
one that fails is then fitted: of all windows, the one that sets the bad cases apart best (two
change points, by maximum likelihood), with limits from a bootstrap over episodes.

Episodes in which a policy lapses are those that would be rare at the bad threshold. A mixture, good
in most and absent in some, has more of them than `RARE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.stats import binom

from cagexplain.audit.parts import (
    CELL,
    EVERYBODY,
    FEW,
    KINDS,
    TAIL,
    TESTED,
    Criterion,
    Failing,
    Pieces,
    contrast,
    judge_splits,
    tested,
)
from cagexplain.audit.results import Course, Part, Place, Span, WorstPart
from cagexplain.cc4 import agents
from cagexplain.common.arrays import FloatArray, Int32Array, Int64Array, IntArray
from cagexplain.facts.compact import CompactArray
from cagexplain.stats.bootstrap import weights
from cagexplain.stats.estimates import MIN_EPISODES, HitShare, Incidence
from cagexplain.stats.means import CONFIDENCE

RARE: Final = 0.01
"""Chance of an episode like a lapse if the policy were at the bad threshold."""
LAPSES: Final = 0.05
"""Smallest share of lapsed episodes that is held against a policy."""
_STRETCH: Final = 25
"""Steps of a stretch of time of which the course of the cases is told."""
MOST: Final = 0.9
"""Share of lapsed episodes from which on they are no exceptions."""
_CASES: Final = 5
"""Fewest cases of an episode that shows a lapse."""
_USUAL_DEFF: Final = 2.0
"""Least design effect that cases of an episode are taken to have: they depend on each other."""
_RESAMPLES: Final = 200
_ADDS: Final = 1.05
"""How much better a part of two things must set the bad cases apart than one of one thing."""
_FITTED: Final = 1.1
"""Likewise a stretch of time, whose ends are fitted, than a part that was there before."""
_TEAM: Final = (EVERYBODY,)
_AGENTS: Final = tuple(range(agents.N_BLUE))


def judge_parts(
    pieces: Pieces, usual_deff: float | None
) -> tuple[tuple[Part, ...], Failing | None]:
    """Judge all parts of a number's cases.

    Of the parts that fail, the one that sets the bad cases apart best is the worst: a part of one
    thing unless one of two things is better by `_ADDS`, and a phase rather than a stretch of time
    unless that is better by `_FITTED`.

    Args:
        pieces: what was counted.
        usual_deff: design effect, for shares of which none or all cases are hits.

    Returns:
        The parts that the pages show, and the worst of those that fail; None if none does.
    """
    plain, failing = judge_splits(pieces, usual_deff)
    failing += _judge_time(pieces, usual_deff)
    if not failing:
        return tuple(plain), None
    worst = max(failing, key=_clearness)
    twins = [
        f.where[0]
        for f in failing
        if len(f.where) == 1 == len(worst.where)
        and f.where[0].kind != worst.where[0].kind
        and (f.part.bad, f.part.n) == (worst.part.bad, worst.part.n)
    ]
    return tuple(plain), replace(worst, where=(*worst.where, *twins))


def _clearness(failing: Failing) -> float:
    """How well a part tells where a policy fails: its contrast, less for what is complicated."""
    return failing.contrast / _ADDS ** len(failing.where) / (_FITTED if failing.since else 1)


def _judge_time(pieces: Pieces, usual_deff: float | None) -> list[Failing]:
    """Stretches of time, and sets of episodes, in which a share of cases fails."""
    limit = _limit(pieces.criterion)
    if limit is None:
        return []
    criterion = Criterion(HitShare(), "lower", limit)
    return [
        failing
        for whom in (_TEAM, _AGENTS)
        for failing in (
            *_stretches(pieces.cells, whom, criterion, usual_deff),
            *_episodes(pieces.cells, whom, limit, usual_deff),
        )
    ]


def course(pieces: Pieces, worst: WorstPart | None) -> Course:
    """How the cases go over the episode: of the worst part's agent if it has one, else of all."""
    names = [place.name for place in worst.place if place.kind == "agent"] if worst else []
    agent = agents.BLUE.index(names[0]) if names else EVERYBODY
    cells = pieces.cells.part(agent).sum(axis=0, dtype=np.int64)
    at = np.arange(0, len(cells), _STRETCH // CELL)
    bad, n = np.add.reduceat(cells, at, axis=0).T.tolist()
    return Course(names[0] if names else None, _STRETCH, tuple(bad), tuple(n))


def _limit(criterion: Criterion) -> float | None:
    """The bad threshold as a share of cases against the policy."""
    if not isinstance(criterion.statistic, HitShare | Incidence):
        return None
    return criterion.bad if criterion.better == "lower" else 1 - criterion.bad


def _windows(n: int) -> Iterator[tuple[int, int]]:
    """First cells of stretches and those after their last ones, of `n` cells."""
    length = 2
    while length < n:
        for first in range(0, n - length // 2, length // 2):
            yield first, min(first + length, n)
        length *= 2


def _stretches(
    cells: CompactArray, whom: Sequence[int], criterion: Criterion, usual_deff: float | None
) -> list[Failing]:
    windows = np.array(list(_windows(cells.shape[2])))
    if not len(windows):
        return []
    every = _every(cells)
    of_agents = (_inside(cells.part(agent), windows) for agent in whom)
    totals, episodes = (
        np.stack(counts)  # [agent, window, ...]
        for counts in zip(
            *((n.sum(axis=0), np.count_nonzero(n[..., 1], axis=0)) for n in of_agents), strict=True
        )
    )
    enough = (totals[..., 1] >= FEW) & (episodes >= MIN_EPISODES)
    share = totals[..., 0] / np.maximum(totals[..., 1], 1)
    gain = np.where(enough & (share > criterion.bad), contrast(totals, every), 0.0)
    for flat in np.argsort(-gain, axis=None)[:TESTED]:
        i, window = np.unravel_index(flat, gain.shape)
        if gain[i, window] <= 0:
            break
        sums = _inside(cells.part(whom[i]), windows[[window]])[:, 0].astype(np.float64)
        bad, n = map(int, totals[i, window])
        part = Part("", "", bad, n)
        part = tested(part, criterion, sums, int(enough.sum()), usual_deff)
        if part.fails:
            return [_fitted(part, cells, whom[i])]
    return []


def _every(cells: CompactArray) -> Int64Array:
    """All cases: ``int64[2]``."""
    total: Int64Array = cells.part(EVERYBODY).sum(axis=(0, 1), dtype=np.int64)
    return total


def _until(cells: IntArray) -> Int32Array:
    """Cumulative counts ``[episode, cell + 1, 2]`` of ``[episode, cell, 2]``."""
    until = np.zeros((len(cells), cells.shape[1] + 1, 2), np.int32)
    np.cumsum(cells, axis=1, out=until[:, 1:])
    return until


def _inside(cells: IntArray, windows: Int64Array) -> Int32Array:
    """Counts of stretches, ``[episode, window, 2]``, of ``[episode, cell, 2]``."""
    until = _until(cells)
    return until[:, windows[:, 1]] - until[:, windows[:, 0]]


def _fitted(judged: Part, cells: CompactArray, agent: int) -> Failing:
    """The stretch of an agent (or the team) that sets the bad cases apart best."""
    until = _until(cells.part(agent)).astype(np.float64)
    played = cells.part(EVERYBODY).sum(axis=1, dtype=np.float64)
    n = until.shape[1] - 1
    first, last = np.triu_indices(n + 1, k=2)

    def best(times: FloatArray) -> tuple[int, int, float]:
        counts = np.tensordot(times, until, axes=1)  # [cell + 1, 2]
        whole = np.tensordot(times, played, axes=1)
        gain = contrast(counts[last] - counts[first], whole)
        at = int(gain.argmax())
        return int(first[at]), int(last[at]), float(gain[at])

    ones = np.ones(len(until))
    begin, end, gain = best(ones)
    drawn = np.array(
        [best(times)[:2] for chunk in weights(len(until), _RESAMPLES) for times in chunk]
    )
    begin, end = _to_the_edges(until.sum(axis=0)[:, 1], begin, end)
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    edges = np.quantile(drawn, tails, axis=0, method="inverted_cdf") * CELL
    (start_low, stop_low), (start_high, stop_high) = edges.astype(int).tolist()
    span = Span(begin * CELL, start_low, start_high)
    if end < n:
        span = replace(span, stop=end * CELL, stop_low=stop_low, stop_high=stop_high)
    counts = (until[:, end] - until[:, begin]).sum(axis=0)
    last_step = "the end" if end == n else f"step {end * CELL - 1}"
    where = (*_who(agent), Place("steps", f"step {begin * CELL} to {last_step}"))
    return Failing(_named(judged, where, *map(int, counts)), where, gain, span)


def _to_the_edges(until: FloatArray, begin: int, end: int) -> tuple[int, int]:
    """The same stretch of cells, to the start (or end) of the episode if no case lies beyond."""
    if until[begin] == 0:
        begin = 0
    return begin, len(until) - 1 if until[end] == until[-1] else end


def _who(agent: int) -> tuple[Place, ...]:
    return () if agent == EVERYBODY else (Place("agent", agents.BLUE[agent]),)


def _named(part: Part, where: Sequence[Place], bad: int, n: int) -> Part:
    kind, name = (
        joint.join(words)
        for joint, words in (
            (" and ", [place.kind for place in where]),
            (", ", [place.name for place in where]),
        )
    )
    return Part(kind, name, bad, n, part.low, part.high, part.p, part.fails)


def _episodes(
    cells: CompactArray, whom: Sequence[int], limit: float, usual_deff: float | None
) -> list[Failing]:
    by_agent = [cells.part(agent).sum(axis=1, dtype=np.int64) for agent in whom]
    by_episode, every = np.stack(by_agent, axis=1), _every(cells)
    deff = max(usual_deff or 1.0, _USUAL_DEFF)
    bad, n = by_episode[..., 0], by_episode[..., 1]
    enough = n >= _CASES
    rare = binom.sf(np.floor(bad / deff) - 1, np.maximum(np.floor(n / deff), 1), limit) < RARE
    failing = []
    for i, agent in enumerate(whom):
        played, lapses = int(enough[:, i].sum()), int((enough & rare)[:, i].sum())
        if played < MIN_EPISODES or not LAPSES * played <= lapses:
            continue
        p = min(1.0, float(binom.sf(lapses - 1, played, RARE)) * len(whom) * KINDS)
        if p > TAIL:
            continue
        lapsed = (n[:, i] > 0) & (bad[:, i] > limit * n[:, i])
        if lapsed.sum() >= MOST * played:  # it lapses in all of them: that is another part
            continue
        counts = by_episode[lapsed, i].sum(axis=0)
        where = (*_who(agent), Place("episodes", f"{lapsed.sum()} of {len(lapsed)} episodes"))
        judged = Part("", "", 0, 0, None, None, p, True)
        part = _named(judged, where, *map(int, counts))
        failing.append(Failing(part, where, float(contrast(counts, every))))
    return failing
