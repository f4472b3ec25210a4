import pytest
import torch

from trainers.core.norm import ValueNorm


def test_round_trip_and_statistics():
    norm = ValueNorm(0.9)
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 300 - 2000
    assert (norm.mean, norm.std) == (0, 1)
    norm.update(x)
    assert norm.mean == pytest.approx(float(x.mean()), rel=1e-6)  # debiased from the first update
    assert norm.std == pytest.approx(float(x.std(correction=0)), rel=1e-3)
    normalised = norm.normalise(x)
    assert abs(float(normalised.mean())) < 1e-3
    assert float(normalised.std()) == pytest.approx(1, abs=1e-2)
    torch.testing.assert_close(norm.denormalise(normalised), x)


def test_recent_returns_weigh_more():
    norm = ValueNorm(0.5)
    norm.update(torch.full((10,), 8.0))
    norm.update(torch.full((10,), 2.0))
    assert norm.mean == pytest.approx((0.25 * 8 + 0.5 * 2) / 0.75)


def test_constant_returns_do_not_divide_by_zero():
    norm = ValueNorm(0.9)
    norm.update(torch.zeros(5))
    assert norm.normalise(torch.zeros(5)).isfinite().all()


def test_rescaling_keeps_denormalised_outputs():
    norm = ValueNorm(0.9)
    generator = torch.Generator().manual_seed(1)
    norm.update(torch.randn(50, generator=generator) * 20 - 300)
    weight, bias = torch.randn(4, 1, generator=generator), torch.randn(1, generator=generator)
    x = torch.randn(6, 4, generator=generator)
    before = norm.denormalise(x @ weight + bias)
    norm.update_and_rescale(torch.randn(50, generator=generator) * 90 + 50, [(weight, bias)])
    torch.testing.assert_close(norm.denormalise(x @ weight + bias), before, atol=1e-3, rtol=1e-5)


def test_a_fresh_critic_is_not_rescaled():
    norm = ValueNorm(0.9)
    weight, bias = torch.ones(4, 1), torch.zeros(1)
    assert norm.update_and_rescale(torch.full((9,), -1000.0), [(weight, bias)])
    assert (weight == 1).all()
    assert (bias == 0).all()
    assert norm.mean == pytest.approx(-1000)


def test_state_round_trip():
    norm, other = ValueNorm(0.9), ValueNorm(0.9)
    norm.update(torch.arange(5.0))
    other.load(norm.state())
    assert (other.mean, other.std) == (norm.mean, norm.std)
