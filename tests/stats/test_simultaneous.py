"""Intervals that hold all together: as many as there are, and no more than they are worth."""

import numpy as np
import pytest

from cagexplain.stats import means
from cagexplain.stats.simultaneous import Largest, independent, widened
from cagexplain.stats.spreads import Outer, Skewed


def test_independent_estimates_count_as_many_as_they_are() -> None:
    noise = np.random.default_rng(0).standard_normal((4_000, 12))
    # Sidak's level for 12 tests, in tests as Bonferroni counts them.
    assert independent(noise) == pytest.approx(0.05 / (1 - 0.95 ** (1 / 12)), rel=0.08)


def test_estimates_that_err_together_count_once() -> None:
    noise = np.random.default_rng(0).standard_normal((200, 1))
    assert independent(noise * [1.0, -2.0, 300.0] + 7) == pytest.approx(1, rel=0.06)


def test_what_does_not_vary_does_not_count() -> None:
    noise = np.random.default_rng(0).standard_normal((200, 1))
    assert independent(np.hstack([noise, np.full((200, 9), 0.1)])) == independent(noise)
    assert independent(np.full((200, 3), 1 / 3)) == 1


@pytest.mark.parametrize("tests", [1.0, 20.0])
def test_the_level_is_that_of_bonferroni(tests: float) -> None:
    assert widened(tests) == pytest.approx(1 - 0.05 / tests)


def test_skewed_and_dependent_means_are_covered_all_together() -> None:
    """Ten differences that share half of their noise, six of them skewed as losses are."""
    generator = np.random.default_rng(1)
    truth = np.arange(10.0)
    held = 0
    for _ in range(400):
        shared = generator.standard_normal((100, 1))
        own = generator.standard_normal((100, 10))
        own[:, :6] = generator.exponential(size=(100, 6)) - 1
        low, high = means.limits(truth + shared + own, widened(independent(shared + own)))
        held += bool(((low <= truth) & (truth <= high)).all())
    assert 0.93 <= held / 400 <= 0.98


def spread(value: float, error: float = 0.1) -> Skewed:
    return Skewed(value, 0.0, error, 0.0, 1_000)


def test_the_largest_lies_between_the_largest_limits() -> None:
    one, two = spread(1.0), spread(1.2, 0.3)
    largest = Largest((one, two), 2.0)
    low, high = largest.limits(0.025)
    assert low == max(s.limits(0.0125)[0] for s in (one, two))
    assert high == max(s.limits(0.0125)[1] for s in (one, two))
    assert largest.shrinks == 0.5


def test_the_chance_of_the_largest_is_corrected_for_their_number() -> None:
    one, two = spread(1.0), spread(1.5)
    largest = Largest((one, two), 2.0)
    assert largest.chance(1.2, below=False) == pytest.approx(2 * two.chance(1.2, below=False))
    assert largest.chance(1.7, below=True) == two.chance(1.7, below=True)
    assert largest.chance(0.0, below=False) < 1e-6


def test_a_number_without_error_is_beyond_a_threshold_or_not() -> None:
    """The expert beside itself is exactly 1: that is no proof of more than 1.4."""
    exact = spread(1.0, 0.0)
    assert (exact.chance(1.4, below=False), exact.chance(1.4, below=True)) == (1, 0)
    assert Largest((exact, spread(1.5)), 2.0).chance(1.4, below=False) > 0.1


@pytest.mark.parametrize("skewness", [-0.8, 0.0, 0.8])
def test_outer_limits_are_the_further_ones(skewness: float) -> None:
    freed = Skewed(1.0, 0.0, 0.1, skewness, 39)
    plain = Skewed(1.0, 0.0, 0.1, 0.0, 39)
    low, high = Outer(freed).limits(0.01)
    assert low == min(freed.limits(0.01)[0], plain.limits(0.01)[0])
    assert high == max(freed.limits(0.01)[1], plain.limits(0.01)[1])
    chances = [spread.chance(0.8, below=False) for spread in (freed, plain)]
    assert Outer(freed).chance(0.8, below=False) == max(chances)
