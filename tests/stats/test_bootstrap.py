"""Resampling of whole episodes: the same as scipy's bootstrap over indices of episodes."""

import numpy as np
import pytest
from scipy import stats

from cagexplain.stats.bootstrap import redrawn, resampled, weights


def test_every_resample_draws_as_many_episodes_as_there_are() -> None:
    times = np.concatenate(weights(7, 250))
    assert times.shape == (250, 7)
    assert (times.sum(axis=1) == 7).all()


def test_sums_are_those_of_the_drawn_episodes() -> None:
    counts = np.random.default_rng(0).poisson(3, (7, 2, 3))
    drawn = np.concatenate(list(resampled(counts, 250)))
    expected = np.einsum("re,eij->rij", np.concatenate(weights(7, 250)), counts)
    assert np.array_equal(drawn, expected)
    again = np.concatenate(list(resampled(counts, 250, stream=1)))
    assert not np.array_equal(drawn, again)


def test_the_error_of_a_ratio_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    n = rng.poisson(20, 40) + 1
    hits = rng.binomial(n, rng.beta(3, 7, 40))
    above, below = np.concatenate(list(resampled(np.stack([hits, n], axis=1), 8_000))).T
    theirs = stats.bootstrap(
        (hits, n),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        n_resamples=8_000,
        method="percentile",
        rng=np.random.default_rng(2),
    )
    ours = above / below
    assert ours.std(ddof=1) == pytest.approx(theirs.standard_error, rel=0.04)
    limits = np.quantile(ours, [0.025, 0.975])
    width = np.diff(limits)[0]
    assert limits == pytest.approx(list(theirs.confidence_interval), abs=0.05 * width)


def test_policies_are_drawn_first() -> None:
    policies = np.repeat([4, 9], 5)
    of_first = np.concatenate(
        list(resampled((policies == 4).astype(np.int64), 400, policies=policies))
    )
    assert set(of_first.tolist()) == {0.0, 5.0, 10.0}  # all five episodes of each drawn policy
    assert of_first.mean() == pytest.approx(5, abs=0.6)


def test_runs_are_drawn_whole() -> None:
    curves = np.arange(6.0)[:, None] * 10 + np.arange(3.0)
    (drawn,) = redrawn([curves], 50)
    assert drawn.shape == (6, 50, 3)
    assert np.array_equal(drawn - drawn[..., :1], np.broadcast_to([0.0, 1.0, 2.0], drawn.shape))
