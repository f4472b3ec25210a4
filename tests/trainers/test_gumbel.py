"""Differentiable samples: their frequencies, and their gradients by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trainers import gumbel
from trainers.gumbel import ESTIMATORS

RAW = torch.tensor([0.5, -1.0, 2.0, 1.0, 0.0], dtype=torch.float64)
LEGAL = torch.tensor([0, 0, 0, -torch.inf, 0], dtype=torch.float64)

every_estimator = pytest.mark.parametrize("name", ESTIMATORS)


def jacobian(p, temperature):
    """Of p = softmax(x / temperature)."""
    return (np.diag(p) - np.outer(p, p)) / temperature


def gradients(name, temperature, seed, raw=RAW, legal=LEGAL):
    """d(sample_k)/d(raw_j) as (actions k, actions j), and the sample."""
    rows = []
    for k in range(len(raw)):
        leaf = raw.clone().requires_grad_()
        sample = ESTIMATORS[name](leaf, legal, temperature, np.random.default_rng(seed))
        rows.append(torch.autograd.grad(sample[k], leaf)[0])
    return torch.stack(rows).numpy(), sample.detach().numpy()


@every_estimator
def test_frequencies_are_the_softmax(name):
    rows = 40_000
    samples = ESTIMATORS[name](
        RAW.expand(rows, -1), LEGAL.expand(rows, -1), 0.3, np.random.default_rng(0)
    )
    counts = samples.sum(0).numpy()
    expected = torch.softmax(RAW + LEGAL, -1).numpy() * rows
    assert counts[3] == 0
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 0.01


@every_estimator
@given(seed=st.integers(0, 2**31), temperature=st.floats(0.1, 5), actions=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_samples_are_legal_and_one_hot_with_finite_gradients(name, seed, temperature, actions):
    rng = np.random.default_rng(seed)
    mask = rng.random((6, actions)) < 0.5
    mask[np.arange(6), rng.integers(actions, size=6)] = True
    raw = torch.from_numpy(rng.normal(0, 30, mask.shape).astype(np.float32)).requires_grad_()
    legal = torch.log(torch.from_numpy(mask.astype(np.float32)))
    sample = ESTIMATORS[name](raw, legal, temperature, rng)
    weights = torch.from_numpy(rng.normal(size=mask.shape).astype(np.float32))
    (sample * weights).sum().backward()
    chosen = sample.detach().numpy()
    assert (np.sort(chosen, -1) == np.eye(actions)[-1]).all()
    assert mask[chosen == 1].all()
    assert torch.isfinite(raw.grad).all()
    assert (raw.grad.numpy()[~mask] == 0).all()


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_straight_through_gradient_is_the_jacobian_of_the_noisy_softmax(temperature):
    found, sample = gradients("straight_through", temperature, 3)
    uniform = np.random.default_rng(3).random(5, dtype=np.float32).astype(np.float64)
    noisy = (RAW + LEGAL).numpy() - np.log(-np.log1p(-uniform))
    p = np.exp(noisy / temperature) / np.exp(noisy / temperature).sum()
    np.testing.assert_allclose(found, jacobian(p, temperature), atol=1e-12)
    assert sample.argmax() == noisy.argmax()


def test_straight_through_gradient_equals_finite_differences_of_the_relaxation():
    found, _ = gradients("straight_through", 0.7, 5)
    noise = -gumbel._exponential((5,), np.random.default_rng(5), RAW).log()
    step = 1e-6
    for j in range(5):
        change = step * torch.eye(5, dtype=torch.float64)[j]
        high, low = (
            torch.softmax((RAW + sign * change + LEGAL + noise) / 0.7, -1) for sign in (1, -1)
        )
        np.testing.assert_allclose(found[:, j], (high - low) / (2 * step), atol=1e-8)


def test_gapped_gradient_by_hand():
    """A sample that is not the largest logit (2) is raised to it; the others end a gap below."""
    seed = next(s for s in range(99) if gradients("gapped", 1.0, s)[1].argmax() == 0)
    found, _ = gradients("gapped", 0.5, seed)
    moved = np.array([2.0, -1.0, 1.0, -np.inf, 0.0])
    p = np.exp(moved / 0.5) / np.exp(moved / 0.5).sum()
    np.testing.assert_allclose(found, jacobian(p, 0.5), atol=1e-12)


def test_rao_gradient_is_the_conditional_mean_of_straight_through():
    """Averaged over noise that draws the same action, both are the same, and rao varies less."""
    of = {"straight_through": [], "rao": []}
    for name, found in of.items():
        for seed in range(3000):
            gradient, sample = gradients_of_one(name, seed)
            if sample.argmax() == 2:
                found.append(gradient)
    means = {name: np.mean(found, 0) for name, found in of.items()}
    errors = {name: np.std(found, 0) / np.sqrt(len(found)) for name, found in of.items()}
    spread = np.hypot(errors["rao"], errors["straight_through"])
    assert (np.abs(means["rao"] - means["straight_through"]) <= 4 * spread + 1e-12).all()
    legal = np.arange(5) != 3
    assert (errors["rao"][legal] < 0.6 * errors["straight_through"][legal]).all()


def gradients_of_one(name, seed):
    """d(sample_2)/d(raw), and the sample."""
    leaf = RAW.clone().requires_grad_()
    sample = ESTIMATORS[name](leaf, LEGAL, 1.0, np.random.default_rng(seed))
    return torch.autograd.grad(sample[2], leaf)[0].numpy(), sample.detach().numpy()


def test_the_rarest_random_numbers_do_no_harm():
    class Extreme:
        def random(self, shape, dtype):
            return np.full(shape, self.value, dtype)

    rng = Extreme()
    for rng.value in (0.0, np.nextafter(np.float32(1), np.float32(0))):
        for estimator in ESTIMATORS.values():
            raw = RAW.float().requires_grad_()
            estimator(raw, LEGAL.float(), 0.1, rng)[0].backward()
            assert torch.isfinite(raw.grad).all()
