"""The bootstrap: what a quantity would be if other episodes, policies or runs had been drawn.

The steps of an episode depend on each other, so the episode is the unit of sampling: whole episodes
are drawn with replacement, and what they counted is summed (a cluster bootstrap; Davison and
Hinkley 1997, section 3.8). Where several policies trained with other seeds played them, policies
are drawn first and episodes within them (Field and Welsh 2007).

The same number of episodes is always drawn in the same way, so that quantities of one trace, and of
the same seeds, are resampled together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.common.arrays import Float32Array, FloatArray, IntArray, RealArray

RESAMPLES: Final = 2_000
MIN_EPISODES: Final = 10
"""Episodes below which a bootstrap gives no limits: fewer show too little of how much episodes
differ (of five, some limits cover the truth in 80 % of cases)."""
_CHUNK: Final = 100  # resamples at a time, so that memory does not grow with their number


def resampled(
    counts: npt.NDArray[Any],
    resamples: int = RESAMPLES,
    *,
    stream: int = 0,
    policies: IntArray | None = None,
) -> Iterator[FloatArray]:
    """Sums over whole episodes drawn with replacement.

    Args:
        counts: ``[episode, ...]``.
        resamples: how many.
        stream: another number draws independently.
        policies: ``int[episode]`` which of several policies played it; then policies are drawn
            first.

    Yields:
        ``float64[chunk, ...]``, one sum per resample.
    """
    flat = counts.reshape(len(counts), -1)
    live = flat.any(axis=0)  # most cells of a large table are empty
    # Seven digits of a count are enough to see its sampling error.
    whole = np.issubdtype(flat.dtype, np.integer)
    dense: npt.NDArray[Any] = flat[:, live].astype(np.float32 if whole else np.float64)
    drawn_how_often = (
        weights(len(counts), resamples, stream)
        if policies is None
        else _weights_within(tuple(policies.tolist()), resamples)
    )
    for times in drawn_how_often:
        drawn = np.zeros((len(times), flat.shape[1]))
        drawn[:, live] = times @ dense
        yield drawn.reshape(len(times), *counts.shape[1:])


@lru_cache(maxsize=2)  # 16 MB each with 2,000 episodes
def weights(
    n_episodes: int, resamples: int = RESAMPLES, stream: int = 0
) -> tuple[Float32Array, ...]:
    """How often each resample draws each episode, in chunks ``float32[up to 100, episode]``."""
    rng = np.random.default_rng(stream)
    sizes = [min(_CHUNK, resamples - start) for start in range(0, resamples, _CHUNK)]
    even = np.full(n_episodes, 1 / n_episodes)
    return tuple(rng.multinomial(n_episodes, even, size=size).astype(np.float32) for size in sizes)


@lru_cache(maxsize=2)
def _weights_within(policies: tuple[int, ...], resamples: int) -> tuple[Float32Array, ...]:
    """How often each resample draws each episode: policies first, then episodes within them."""
    rng = np.random.default_rng(0)
    played = np.asarray(policies)
    groups = [np.flatnonzero(played == policy) for policy in np.unique(played)]
    often = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=resamples)
    times = np.zeros((resamples, len(played)), dtype=np.float32)
    for group, drawn in zip(groups, often.T, strict=True):
        even = np.full(len(group), 1 / len(group))
        times[:, group] = rng.multinomial(len(group) * drawn, even)
    return (times,)


def redrawn(samples: Sequence[RealArray], resamples: int = RESAMPLES) -> list[RealArray]:
    """Samples of whole units, such as training runs, drawn with replacement within each sample;
    for statistics that are no function of a sum.

    Args:
        samples: ``[unit, ...]`` each.
        resamples: how many; their generator is fixed.

    Returns:
        ``[unit, resample, ...]`` of each sample.
    """
    rng = np.random.default_rng(0)
    return [sample[rng.integers(len(sample), size=(len(sample), resamples))] for sample in samples]
