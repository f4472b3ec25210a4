import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.advantages import smdp_gae


def slow_gae(reward, free, values, gamma, lam):
    """One agent in one environment, from the definition, decision by decision."""
    decisions = [t for t in range(len(reward)) if free[t]]
    ends = [*decisions[1:], len(reward)]
    advantage = np.zeros(len(reward))
    following = 0.0
    for t, end in reversed(list(zip(decisions, ends, strict=True))):
        gain = sum(gamma**k * reward[t + k] for k in range(end - t))
        delta = gain + gamma ** (end - t) * values[end] - values[t]
        following = delta + gamma ** (end - t) * lam * following
        advantage[t] = following
    return advantage


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 12),
    seed=st.integers(0, 10_000),
    gamma=st.floats(0, 1),
    lam=st.floats(0, 1),
)
def test_equals_the_definition(steps, seed, gamma, lam):
    rng = np.random.default_rng(seed)
    reward = rng.normal(size=(steps, 3, 5)).astype(np.float32)
    free = rng.random((steps, 3, 5)) < 0.5
    free[0] = True
    values = rng.normal(size=(steps + 1, 3, 5)).astype(np.float32)
    advantage = smdp_gae(reward, free, values, gamma, lam)
    for env in range(3):
        for agent in range(5):
            expected = slow_gae(*(a[:, env, agent] for a in (reward, free, values)), gamma, lam)
            np.testing.assert_allclose(advantage[:, env, agent], expected, rtol=1e-4, atol=1e-4)


def test_known_answer_with_every_step_a_decision():
    # gamma = lam = 1/2, rewards 1, 2, values 4, 6 and 8 at the cut:
    # delta_1 = 2 + 4 - 6 = 0; delta_0 = 1 + 3 - 4 = 0, then with other numbers below.
    reward = np.array([1.0, 3.0], np.float32).reshape(2, 1, 1)
    values = np.array([4.0, 6.0, 8.0], np.float32).reshape(3, 1, 1)
    free = np.ones((2, 1, 1), np.bool_)
    advantage = smdp_gae(reward, free, values, 0.5, 0.5)
    assert advantage.ravel() == pytest.approx([0 + 0.25 * 1, 1])


def test_the_cut_off_future_counts():
    """With V equal to the value of going on for ever, a time limit changes no advantage."""
    gamma, reward = 0.9, np.full((5, 1, 1), -1, np.float32)
    values = np.full((6, 1, 1), -1 / (1 - gamma), np.float32)
    advantage = smdp_gae(reward, np.ones((5, 1, 1), np.bool_), values, gamma, 0.95)
    np.testing.assert_allclose(advantage, 0, atol=1e-5)


def test_busy_steps_discount_the_successor():
    """One decision of three steps: R = 1 + 0.5 * 2 + 0.25 * 4, successor worth 0.125 * 16."""
    reward = np.array([1.0, 2.0, 4.0], np.float32).reshape(3, 1, 1)
    free = np.array([True, False, False]).reshape(3, 1, 1)
    values = np.array([10.0, 99.0, 99.0, 16.0], np.float32).reshape(4, 1, 1)
    advantage = smdp_gae(reward, free, values, 0.5, 0.9)
    assert advantage.ravel() == pytest.approx([3 + 2 - 10, 0, 0])
