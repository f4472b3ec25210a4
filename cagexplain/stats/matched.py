"""Do decisions depend on what happened before? A test that habits and red's answers do not fool.

Two things make alerts and actions meet without any reaction. Policies have habits: a host that is
due in a round is due whether or not there is an alert. And red answers blue: a host that was just
restored is attacked again, so that attacks follow blue's own rhythm. Both work through blue's own
past. So a decision is compared with those of the same *stratum*: same episode, zone, phase and
position in blue's own habit (`gap`, `run_length`). Within strata a policy that does not look acts
on exposed and other hosts alike; the number of responses to exposed ones is then expected to be

    E = sum over strata of (exposed) x (responses) / (all),

the expectation of the hypergeometric distribution (Mantel and Haenszel 1959; with the gap since the
last response as the time scale it is the log-rank score of Prentice, Williams and Peterson 1981).
Decisions of an episode depend on each other, so its variance is not used. The episode's scores
``O - E`` are the observations of a t-test (cluster-robust as in Lin and Wei 1989). Where counts are
small that test alone is too bold: no response at all would look certain. The p-value is therefore
the larger one of this test and of the exact binomial test of O out of the exposed decisions, whose
variance exceeds the hypergeometric one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrc, stdtr, stdtrit

from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.stats import exact

LONGEST: Final = 48
"""Positions in a habit are told apart up to here: as many as an agent has hosts."""

NEGLIGIBLE: Final = 0.02
"""Share of the expected responses that a surplus must exceed."""
LEAST_EXPECTED: Final = 5.0
"""Cells of a table are tested only if so many decisions are expected in them."""
_CHUNK: Final = 100  # changes of signs at a time, so that memory does not grow with their number


def gap(decision: npt.NDArray[np.int16], responded: npt.NDArray[np.bool_]) -> npt.NDArray[np.int16]:
    """Decisions of the owner since its last response on a host.

    Args:
        decision: ``int16[T, host]`` number of the owner's decisions up to and with each step.
        responded: ``bool[T, host]`` where a response started.

    Returns:
        ``int16[T, host]``: 1 for the decision after a response, at most `LONGEST` + 1; 0 where
        there was none before.
    """
    last = np.zeros_like(decision)
    np.multiply(decision[:-1], responded[:-1], out=last[1:])
    np.maximum.accumulate(last, axis=0, out=last)
    since: npt.NDArray[np.int16] = np.minimum(decision - last, np.int16(LONGEST + 1))
    since *= last > 0
    return since


def run_length(kind: IntArray, sequence: IntArray) -> npt.NDArray[np.int64]:
    """How often the same kind came in a row before each decision, at most `LONGEST` + 1.

    Args:
        kind: ``int[m]`` of the decisions, in order, sequence after sequence.
        sequence: ``int[m]`` which sequence (agent of an episode) each belongs to.

    Returns:
        ``int64[m]``; 0 for the first decision of a sequence.
    """
    place = np.arange(len(kind))
    new = np.ones(len(kind), dtype=np.bool_)
    new[1:] = sequence[1:] != sequence[:-1]
    changed = new.copy()
    changed[1:] |= kind[1:] != kind[:-1]
    began = np.maximum.accumulate(np.where(changed, place, 0))
    length = np.zeros(len(kind), dtype=np.int64)
    length[1:] = np.minimum(place[:-1] - began[:-1] + 1, LONGEST + 1)
    length[new] = 0
    return length


def shares(stratum: IntArray, responded: IntArray, size: int) -> npt.NDArray[np.float32]:
    """Share of responses among the decisions of each stratum: ``float32[size]``, 0 if it has none.

    Args:
        stratum: ``int[m]`` of every decision.
        responded: ``int[k]`` stratum of every decision that is a response.
        size: number of strata.
    """
    every = np.bincount(stratum, minlength=size)
    share = np.bincount(responded, minlength=size) / np.maximum(every, 1)
    return share.astype(np.float32)


def p_values(scores: npt.NDArray[Any], observed: FloatArray, exposed: FloatArray) -> FloatArray:
    """Two-sided p-values of scores whose expectation is about zero without a reaction.

    Args:
        scores: ``[episode, test]`` O - E.
        observed: ``[test]`` O over all episodes.
        exposed: ``[test]`` exposed decisions, of which O are responses.

    Returns:
        ``float64[test]``, 1 where nothing could be observed.
    """
    total = scores.sum(axis=0, dtype=np.float64)
    squares = np.square(scores, dtype=np.float64).sum(axis=0)
    # Episodes without a chance of a response say nothing and do not count as observations.
    n = np.count_nonzero(scores, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.maximum(squares - total**2 / n, 1e-12)
        total = _beyond(total, observed - total)
        t = total / np.sqrt(spread * n / (n - 1))
        robust = 2 * stdtr(n - 1.0, -np.abs(t))
        chance = np.clip((observed - total) / exposed, 0.0, 1.0)
        below = bdtr(observed, exposed.astype(np.int64), chance)
        above = np.where(observed > 0, bdtrc(observed - 1, exposed.astype(np.int64), chance), 1.0)
    exact = np.minimum(2 * np.minimum(below, above), 1.0)
    p: FloatArray = np.where(n > 1, np.maximum(robust, exact), 1.0)
    return np.nan_to_num(p, nan=1.0)


def _beyond(surplus: FloatArray, expected: FloatArray) -> FloatArray:
    """What is left of a surplus, or a lack, without its negligible part."""
    excess = np.maximum(np.abs(surplus) - NEGLIGIBLE * np.maximum(expected, 0.0), 0.0)
    return np.copysign(excess, surplus)


def difference_limits(
    above: npt.NDArray[Any], exposed: npt.NDArray[Any], confidence: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean surplus of responses per exposed decision, with confidence limits.

    The limits are those of a ratio of sums over episodes, by linearisation with Student's critical
    value (Cochran 1977, section 6.4). Where every episode shows the same surplus, nothing tells its
    spread: then an episode counts as one and the limit towards zero is that of Clopper and Pearson.

    Args:
        above: ``[episode, ...]`` responses beyond the base rate.
        exposed: ``[episode, ...]`` exposed decisions.
        confidence: level.

    Returns:
        Value, low and high: ``float64[...]``; NaN without exposed decisions (the limits also with
        a single episode).
    """
    n = np.count_nonzero(exposed, axis=0)
    total = exposed.sum(axis=0, dtype=np.float64)
    tail = (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        value = above.sum(axis=0, dtype=np.float64) / total
        deviation = above - value * exposed
        variance = np.square(deviation).sum(axis=0) * n / (n - 1.0) / total**2
        half = stdtrit(n - 1.0, 1 - tail) * np.sqrt(variance)
        same = np.where(variance < 1e-12, np.abs(value) * (1 - exact.least_share(n, tail)), 0.0)
        low = np.where(value >= 0, value - np.maximum(half, same), value - half)
        high = np.where(value < 0, value + np.maximum(half, same), value + half)
    half_known = n > 1
    return (
        value,
        np.where(half_known, np.clip(low, -1, 1), np.nan),
        np.where(half_known, np.clip(high, -1, 1), np.nan),
    )


def information(table: npt.NDArray[Any]) -> tuple[float, float]:
    """Mutual information of the axes of a table of counts, and the entropy of its columns, in bits.

    Args:
        table: ``[pattern, action]``.
    """
    joint = table / max(float(table.sum()), 1.0)
    actions = joint.sum(axis=0)
    independent = joint.sum(axis=1)[:, None] * actions
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log2(joint / independent), 0.0)
        entropy = -np.where(actions > 0, actions * np.log2(actions), 0.0).sum()
    return max(float(terms.sum()), 0.0), float(entropy)


def sign_flip(observed: npt.NDArray[Any], expected: npt.NDArray[Any], *, flips: int) -> float:
    """P-value of a whole table: do the surpluses add up over episodes more than by chance?

    The statistic sums the squared studentised cells; without a dependence an episode's scores
    ``O - E`` may as well have the opposite sign, all together, which gives its distribution.

    Args:
        observed, expected: ``[episode, cell]`` O and E.
        flips: random changes of signs; their generator is fixed.
    """
    # Where little is expected scores are far from symmetric.
    tested = expected.sum(axis=0) >= LEAST_EXPECTED
    cells = observed[:, tested] - expected[:, tested].astype(np.float64)
    total = _beyond(cells.sum(axis=0), expected[:, tested].sum(axis=0, dtype=np.float64))
    spread = np.maximum(np.sqrt(np.square(cells).sum(axis=0)), 1e-6)
    cells /= spread
    statistic = float(np.square(total / spread).sum())
    rng, as_far = np.random.default_rng(0), 0
    for start in range(0, flips, _CHUNK):
        size = (min(_CHUNK, flips - start), len(cells))
        signs = rng.choice(np.array([-1.0, 1.0]), size=size)
        flipped = np.square(signs @ cells).sum(axis=1)
        as_far += int(np.count_nonzero(flipped >= statistic - 1e-9))
    return float((1 + as_far) / (1 + flips))
