"""How returns spread, and what the worst episodes have in common."""

import numpy as np
import pytest

from cagexplain.analysis.episodes.spread import ENOUGH, spread
from cagexplain.analysis.fsm.counts import SITUATIONAL, Counts
from cagexplain.analysis.metrics.definitions import DEFENDED
from cagexplain.cc4 import actions, agents, phases, red_fsm
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import FloatArray
from cagexplain.facts.compact import CompactArray

EPISODES = 40


def counts(returns: FloatArray, idle: FloatArray) -> Counts:
    """Counts with given returns and shares of idle decisions ``[episode, agent]``; nothing else."""
    n = len(returns)
    decisions = np.zeros(
        (n, agents.N_BLUE, phases.N_PHASES, 2, red_fsm.N_STATES, actions.N_KINDS), np.int32
    )
    decisions[:, :, 0, SITUATIONAL, 0, ActionKind.SLEEP] = np.round(100 * idle)
    decisions[:, :, 0, SITUATIONAL, 0, ActionKind.RESTORE] = np.round(100 * (1 - idle))
    nothing = np.zeros((n, 0), np.int32)
    rest = {
        name: nothing
        for name in Counts.__dataclass_fields__
        if name not in ("returns", "decisions")
    }
    return Counts(returns=returns, decisions=CompactArray.of(decisions), **rest)


@pytest.fixture
def clean() -> FloatArray:
    """Every subnet is clean for about 80 % of the time, by chance alone."""
    good = np.random.default_rng(1).uniform(70, 90, (EPISODES, 1 + len(DEFENDED.names)))
    return np.stack([good, np.full_like(good, 100)], axis=-1)


def test_an_agent_that_is_absent_in_some_episodes_is_named(clean: FloatArray) -> None:
    draw = np.random.default_rng(0)
    odd = np.arange(EPISODES) % 2 == 1
    idle = draw.uniform(0.4, 0.6, (EPISODES, agents.N_BLUE))
    idle[odd, 3] = 1.0
    returns = np.where(odd, -2000.0, -200.0) + draw.normal(0, 30, EPISODES)
    found = spread(counts(returns, idle), clean)
    assert len(found.worst) == EPISODES // 10 and all(episode % 2 for episode in found.worst)
    assert found.returns[found.worst[0]] == min(found.returns)
    (trait,) = found.traits
    assert (trait.kind, trait.name) == ("idle", "blue_agent_3")
    assert trait.worst == 1.0 and trait.rest < 0.8 and trait.correlation < -0.5
    assert found.mean_of(True) < -1900 < found.mean_of(False)


def test_a_subnet_that_is_lost_in_bad_episodes_is_named(clean: FloatArray) -> None:
    returns = -np.linspace(100, 3000, EPISODES)
    clean[:, 1 + 2, 0] = np.linspace(95, 5, EPISODES)
    idle = np.random.default_rng(0).uniform(0.4, 0.6, (EPISODES, agents.N_BLUE))
    (trait,) = spread(counts(returns, idle), clean).traits
    assert (trait.kind, trait.name) == ("held", DEFENDED.names[2])
    assert trait.worst > 0.85 and trait.correlation == pytest.approx(-1)


def test_chance_alone_names_nothing(clean: FloatArray) -> None:
    draw = np.random.default_rng(3)
    idle = draw.uniform(0.4, 0.6, (EPISODES, agents.N_BLUE))
    assert spread(counts(draw.normal(-300, 50, EPISODES), idle), clean).traits == ()


def test_few_episodes_or_equal_ones_have_no_worst_traits(clean: FloatArray) -> None:
    idle = np.full((EPISODES, agents.N_BLUE), 0.5)
    few = ENOUGH - 1
    assert spread(counts(-np.arange(1.0, ENOUGH), idle[:few]), clean[:few]).worst == ()
    same = spread(counts(np.full(EPISODES, -5.0), idle), clean)
    assert len(same.worst) == 4 and same.traits == ()
