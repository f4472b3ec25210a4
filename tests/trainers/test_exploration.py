"""Exploration has the frequencies that its definition says, and never picks what is masked."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trainers.exploration import KINDS, SCHEDULES, boltzmann, epsilon_greedy

INF = float("inf")
Q = torch.tensor([1.0, -INF, 0.5, 2.0, -INF, -1.0])
LEGAL = [0, 2, 3, 5]
DRAWS = 200_000


def counts(explore, q=Q, seed=0):
    u = torch.from_numpy(np.random.default_rng(seed).random((1, DRAWS), dtype=np.float32))
    chosen = explore(q.expand(1, DRAWS, len(q)), u)
    assert chosen.shape == (1, DRAWS)
    return np.bincount(chosen.ravel().numpy(), minlength=len(q))


def chi_square_accepts(observed, probability):
    legal = probability > 0
    assert observed[~legal].sum() == 0
    return stats.chisquare(observed[legal], DRAWS * probability[legal]).pvalue > 0.001


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_boltzmann_follows_its_equation(temperature):
    weight = np.exp(Q.double().numpy() / temperature)
    probability = weight / weight.sum()
    assert chi_square_accepts(counts(boltzmann(temperature)), probability)
    other = np.exp(Q.double().numpy() / (1.2 * temperature))
    assert not chi_square_accepts(counts(boltzmann(temperature)), other / other.sum())


def test_boltzmann_goes_from_the_best_action_to_all_alike():
    def entropy(temperature):
        share = counts(boltzmann(temperature)) / DRAWS
        return stats.entropy(share)

    entropies = [entropy(t) for t in (0.01, 0.1, 0.3, 1, 3, 10, 1000)]
    assert entropies == sorted(entropies)
    assert entropies[0] == 0
    assert entropies[-1] == pytest.approx(np.log(len(LEGAL)), abs=1e-3)


@pytest.mark.parametrize("epsilon", [0.25, 1.0])
def test_epsilon_greedy_spreads_epsilon_over_legal_actions(epsilon):
    probability = np.zeros(len(Q))
    probability[LEGAL] = epsilon / len(LEGAL)
    probability[3] += 1 - epsilon
    assert chi_square_accepts(counts(epsilon_greedy(epsilon)), probability)


def test_without_epsilon_the_best_action_is_certain():
    assert counts(epsilon_greedy(0.0))[3] == DRAWS


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(sorted(KINDS)),
    number=st.floats(1e-3, 1.0),
    u=st.sampled_from([0.0, 1e-7, 0.5, float(np.nextafter(np.float32(1), np.float32(0)))]),
)
def test_masked_actions_are_never_chosen(seed, kind, number, u):
    rng = np.random.default_rng(seed)
    legal = rng.random((3, 40, 12)) < 0.3
    legal[..., rng.integers(12)] = True
    raw = torch.from_numpy(rng.normal(size=legal.shape).astype(np.float32)) * 100
    outputs = raw + torch.log(torch.from_numpy(legal).float())
    at = np.where(rng.random((3, 40)) < 0.5, u, min(number, 0.9999999) * u).astype(np.float32)
    chosen = KINDS[kind](number)(outputs, torch.from_numpy(at))
    assert np.take_along_axis(legal, chosen.unsqueeze(-1).numpy(), -1).all()


def test_schedules_begin_and_end_where_told():
    for schedule in SCHEDULES.values():
        assert schedule(1.0, 0.01, 0.0) == 1.0
        assert schedule(1.0, 0.01, 1.0) == pytest.approx(0.01)
        way = [schedule(1.0, 0.01, share / 20) for share in range(21)]
        assert way == sorted(way, reverse=True)
    assert SCHEDULES["linear"](1.0, 0.01, 0.5) == pytest.approx(0.505)
    assert SCHEDULES["exponential"](1.0, 0.01, 0.5) == pytest.approx(0.1)
