import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.cc4.network import ADM, CON, INT, OFF, OZA, OZB, PAZ, RZA, RZB
from cagexplain.cc4.reward import ASF, LWF, RIA
from trainers.core import rewards

SHARE = np.array([1, 1, 1, 1, 3]) / 7


def split(kind, penalties=(), costs=(0, 0, 0, 0, 0)):
    """Rewards of the agents for {(cause, zone): penalty} and action costs."""
    parts = np.zeros((1, 3, 9), np.int32)
    for (cause, zone), penalty in dict(penalties).items():
        parts[0, cause, zone] = penalty
    return batch(kind, parts, np.array([costs], np.int32))[0]


def batch(kind, parts, cost):
    out = np.full((len(parts), 5), np.nan, np.float32)
    team = (parts.sum((1, 2)) + cost.sum(1)).astype(np.float32)
    rewards.per_agent(kind, team, parts, cost, out)
    return out


@pytest.mark.parametrize(
    ("zone", "agent"),
    [(RZA, 0), (OZA, 1), (RZB, 2), (OZB, 3), (PAZ, 4), (ADM, 4), (OFF, 4)],
)
@pytest.mark.parametrize("cause", [LWF, ASF, RIA])
def test_an_agent_answers_for_its_zones(cause, zone, agent):
    assert split("individual", {(cause, zone): -3}) == pytest.approx(-3 * np.eye(5)[agent])


@pytest.mark.parametrize("zone", [CON, INT])
def test_nobody_s_zones_are_shared_equally(zone):
    assert split("individual", {(ASF, zone): -5}) == pytest.approx(-1)


def test_an_agent_pays_for_its_own_actions():
    assert split("individual", costs=(0, -1, 0, 0, -1)) == pytest.approx([0, -1, 0, 0, -1])


def test_global_gives_everybody_everything():
    assert (
        split("global", {(RIA, OZB): -10, (LWF, CON): -1}, (-1, 0, 0, 0, 0)).tolist() == [-12] * 5
    )


def test_hybrid_adds_the_team_s_reward_by_the_number_of_zones():
    own = np.array([-1, 0, 0, -6, 0])
    mixed = split("hybrid", {(RIA, OZB): -6}, (-1, 0, 0, 0, 0))
    assert mixed == pytest.approx(own + SHARE * -7)  # -2, -1, -1, -7, -3


@st.composite
def worlds(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 5))
    return -rng.integers(0, 200, (n, 3, 9), np.int32), -rng.integers(0, 2, (n, 5), np.int32)


@given(worlds())
def test_individual_rewards_sum_to_the_team_s(world):
    parts, cost = world
    team = parts.sum((1, 2)) + cost.sum(1)
    assert batch("individual", parts, cost).sum(1) == pytest.approx(team, rel=1e-6)
    assert batch("hybrid", parts, cost).sum(1) == pytest.approx(2 * team, rel=1e-6)
    assert batch("global", parts, cost).sum(1) == pytest.approx(5 * team, rel=1e-6)


@pytest.mark.parametrize("kind", ["no_contractor", "local"])
def test_impacts_in_the_contractor_network_are_left_out(kind):
    assert split(kind, {(RIA, CON): -5}).tolist() == [0] * 5


def test_without_the_contractors_impacts_all_else_is_the_team_s():
    """Failures of the contractor's users stay: blocks cause them."""
    penalties = {(RIA, CON): -5, (ASF, CON): -1, (RIA, OZB): -10, (LWF, INT): -2}
    assert split("no_contractor", penalties, (0, -1, 0, 0, -1)).tolist() == [-15] * 5


@pytest.mark.parametrize("cause", [LWF, ASF, RIA])
def test_local_rewards_are_an_agent_s_own(cause):
    assert split("local", {(cause, CON): -5, (cause, INT): -1}).tolist() == [0] * 5
    penalties = {(cause, RZA): -2, (cause, ADM): -3, (cause, PAZ): -1}
    assert split("local", penalties, (-1, 0, 0, -1, 0)).tolist() == [-3, 0, 0, -1, -4]


@given(worlds())
def test_local_rewards_sum_to_the_team_s_where_agents_defend(world):
    parts, cost = world
    team = np.delete(parts.sum(1), [CON, INT], axis=1).sum(1) + cost.sum(1)
    assert batch("local", parts, cost).sum(1) == pytest.approx(team, rel=1e-6)
