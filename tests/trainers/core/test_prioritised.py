import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cagexplain.policies.checkpoint import read_plain, write_plain
from trainers.core.prioritised import Priorities

TD = np.array([0.1, -2.0, 0.5, 4.0, -0.03, 1.0, 0.0, 3.0, -0.7])


def filled(td=TD, capacity=None, alpha=0.6, epsilon=0.01):
    priorities = Priorities(capacity or len(td), alpha, epsilon)
    priorities.add(np.arange(len(td)))
    priorities.update(np.arange(len(td)), td)
    return priorities


def probability(td=TD, alpha=0.6, epsilon=0.01):
    """Equation 2 of the study."""
    power = (np.abs(td) + epsilon) ** alpha
    return power / power.sum()


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("capacity", [9, 16, 100])
def test_frequencies_are_proportional(alpha, capacity):
    draws = 20_000
    drawn, _ = filled(capacity=capacity, alpha=alpha).sample(draws, 1.0, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=len(TD))
    assert len(counts) == len(TD)
    assert stats.chisquare(counts, draws * probability(alpha=alpha)).pvalue > 1e-3


def test_a_single_entry():
    drawn, weights = filled(TD[:1]).sample(4, 0.4, np.random.default_rng(0))
    assert drawn.tolist() == [0] * 4
    assert weights.tolist() == [1] * 4


def test_draws_do_not_depend_on_each_other():
    """Pairs of draws of one batch are as frequent as the product of their probabilities."""
    priorities, rng, draws = filled(), np.random.default_rng(1), 20_000
    pairs = np.array([priorities.sample(2, 1.0, rng)[0] for _ in range(draws)])
    counts = np.bincount(pairs @ [len(TD), 1], minlength=len(TD) ** 2)
    expected = draws * np.outer(probability(), probability()).ravel()
    seen = expected > 5  # as the test asks for
    rest = (counts[~seen].sum(), expected[~seen].sum())
    result = stats.chisquare(np.append(counts[seen], rest[0]), np.append(expected[seen], rest[1]))
    assert result.pvalue > 1e-3


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights_undo_the_probabilities_by_beta(beta):
    drawn, weights = filled().sample(50, beta, np.random.default_rng(2))
    expected = (len(TD) * probability()[drawn]) ** -beta
    assert weights.dtype == np.float32
    assert weights == pytest.approx(expected / expected.max(), rel=1e-6)


def test_weighted_mean_is_unbiased_when_beta_is_one():
    """With the batch's common factor put back, its mean estimates the mean over the memory."""
    priorities, rng, values = filled(), np.random.default_rng(3), np.abs(TD)
    estimates = []
    for _ in range(4000):
        drawn, weights = priorities.sample(8, 1.0, rng)
        largest = (1 / (len(TD) * probability()[drawn])).max()
        estimates.append((weights * largest * values[drawn]).mean())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - values.mean()) < 4 * error
    assert error < 0.02 * values.mean()
    unweighted = probability() @ values
    assert abs(unweighted - values.mean()) > 10 * error  # so the weights had something to do


def test_new_entries_get_the_highest_priority_there_is():
    priorities = Priorities(10, 0.6, 0.01)
    priorities.add(np.arange(3))
    assert priorities.leaves[:4].tolist() == [1, 1, 1, 0]
    priorities.update(np.arange(3), np.array([5.0, 0.1, 0.1]))
    priorities.add(np.array([3]))
    assert priorities.leaves[3] == priorities.leaves[0]
    assert priorities.leaves[3] == pytest.approx(5.01**0.6)  # the power is not taken twice
    priorities.update(np.array([0, 3]), np.array([0.2, 0.3]))
    priorities.add(np.array([4]))
    assert priorities.leaves[4] == priorities.leaves[3]  # not a peak of the past


def test_overwritten_entries_lose_their_priority():
    priorities = filled()
    priorities.add(np.array([8, 0, 1]))  # round the end of the ring
    expected = (np.abs(TD) + 0.01) ** 0.6
    expected[[8, 0, 1]] = expected.max()
    assert (priorities.leaves == expected).all()
    assert priorities.tree[1] == pytest.approx(expected.sum())


@given(st.integers(1, 70), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_without_priority_never_drawn(capacity, seed, share):
    """Priorities of very different sizes, some zero: rounding must not lead astray."""
    rng = np.random.default_rng(seed)
    priorities = Priorities(capacity, 1.0, 0.0)
    td = 10.0 ** rng.integers(-18, 18, capacity) * rng.random(capacity)
    td[rng.random(capacity) < share] = 0
    td[rng.integers(capacity)] = 1
    priorities.update(np.arange(capacity), td)
    drawn, weights = priorities.sample(200, 0.4, rng)
    assert (td[drawn] > 0).all()
    assert (weights > 0).all() and weights.max() == 1


class LastPoint:
    """A generator whose numbers lie at the end of the unit interval, or even on it."""

    def random(self, size):
        return np.ones(size)


def test_a_point_rounded_up_to_the_total_finds_the_last_entry():
    priorities = filled(np.array([0.1, 0.7, 0.2, 0.0]), epsilon=0.0, alpha=1.0, capacity=16)
    priorities.update(np.array([3]), np.zeros(1))
    assert priorities.sample(3, 1.0, LastPoint())[0].tolist() == [2, 2, 2]


@given(st.integers(1, 40), st.lists(st.lists(st.integers(0, 39), max_size=12), max_size=8))
def test_the_tree_is_the_sum_of_its_leaves_whatever_the_order(capacity, batches):
    """Repeated indices included; the same leaves make the same tree, to the last bit."""
    priorities, rng = Priorities(capacity, 0.6, 1e-6), np.random.default_rng(0)
    plain = np.zeros(capacity)
    for batch in batches:
        indices = np.array(batch, np.int64) % capacity
        td = rng.normal(size=len(indices))
        priorities.update(indices, td)
        for index, error in zip(indices, td, strict=True):
            plain[index] = (abs(error) + 1e-6) ** 0.6
    assert priorities.leaves == pytest.approx(plain)
    assert priorities.tree[1] == pytest.approx(plain.sum())
    fresh = Priorities(capacity, 0.6, 1e-6)
    fresh.load(priorities.state())
    assert (fresh.tree == priorities.tree).all()


def test_stored_state_continues_bit_for_bit(tmp_path):
    first = filled(capacity=20)
    write_plain(tmp_path / "state", "resume", first.state())
    second = Priorities(20, 0.6, 0.01)
    second.load(read_plain(tmp_path / "state", "resume"))
    rngs = [np.random.default_rng(4), np.random.default_rng(4)]
    for _ in range(5):
        batches = [p.sample(6, 0.4, rng) for p, rng in zip((first, second), rngs, strict=True)]
        for a, b in zip(*batches, strict=True):
            assert (a == b).all()
        for priorities in (first, second):
            priorities.update(batches[0][0], np.linspace(-1, 3, 6))
            priorities.add(np.array([9, 10]))
    assert (first.tree == second.tree).all()


def test_nothing_to_draw_from():
    with pytest.raises(ValueError, match="priorities sum to 0"):
        Priorities(4, 0.6, 0.01).sample(1, 0.4, np.random.default_rng(0))


def test_an_error_that_is_not_a_number_is_noticed():
    priorities = filled()
    priorities.update(np.array([3]), np.array([np.nan]))
    with pytest.raises(ValueError, match="priorities sum to nan"):
        priorities.sample(1, 0.4, np.random.default_rng(0))
