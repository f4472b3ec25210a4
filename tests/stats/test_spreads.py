"""A share is tested far out in the tails by its excess over the threshold."""

import numpy as np
import pytest

from cagexplain.stats.spreads import excess


@pytest.mark.parametrize(("episodes", "cases", "share"), [(40, 2.5, 0.5), (50, 9, 0.5)])
def test_small_p_values_of_an_excess_are_as_rare_as_they_say(
    episodes: int, cases: float, share: float
) -> None:
    """Of 20,000 clustered samples at the threshold, 1 % and 0.1 % have such small ones."""
    rng = np.random.default_rng(0)
    n = rng.poisson(cases, (20_000, episodes))
    hits = rng.binomial(n, rng.beta(share * 3, (1 - share) * 3, n.shape))
    chances = np.array(
        [
            excess(np.stack(pair, axis=1).astype(float), share).chance(0, below=False)
            for pair in zip(hits, n, strict=True)
        ]
    )
    assert np.mean(chances < 0.01) == pytest.approx(0.01, rel=0.2)
    assert np.mean(chances < 0.001) == pytest.approx(0.001, rel=0.6)


def test_episodes_without_cases_tell_nothing() -> None:
    sums = np.array([[3.0, 4.0], [1.0, 4.0], [4.0, 4.0]])
    padded = np.vstack([sums, np.zeros((5, 2))])
    assert excess(sums, 0.5) == excess(padded, 0.5)
    assert excess(sums, 0.5).value == pytest.approx((1 - 1 + 2) / 3)
