"""How many hosts red holds over the episode, counted again in plain Python."""

from collections import Counter

import numpy as np
import pytest

from cagexplain.audit.held import EVERY, Holdings
from cagexplain.audit.results import HeldHosts
from cagexplain.cc4 import agents, network
from cagexplain.facts.batch import Batch
from cagexplain.facts.view import Facts
from cagexplain.policies.registry import load_policy
from cagexplain.stats import means
from tests.support.small import Recorded

LENGTH = 60


@pytest.fixture(scope="module")
def play() -> Recorded:
    return Recorded(load_policy("sleep"), episodes=6, length=LENGTH)


def levels(play: Recorded) -> dict[tuple[int, str], int]:
    """Level of every defended user and server host at step 0, by episode and name."""
    acted_on = np.isin(network.HOST_KIND, (network.USER, network.SERVER))
    names = {
        name
        for name, defended in zip(
            network.HOST_NAMES, (agents.BLUE_OF_HOST >= 0) & acted_on, strict=True
        )
        if defended
    }
    return {(r.episode, r.host): r.level for r in play.rows("hosts") if r.host in names}


def held(play: Recorded, step: int) -> list[int]:
    """Hosts held by red at a step, by episode."""
    now = levels(play)
    for row in sorted(play.rows("levels"), key=lambda row: row.step):
        if row.step < step and (row.episode, row.host) in now:
            now[row.episode, row.host] = row.to_level
    count = Counter(episode for (episode, _), level in now.items() if level)
    return [count[episode] for episode in range(play.episodes)]


def result(play: Recorded, episodes: int) -> HeldHosts:
    holdings = Holdings(Facts())
    batch = play.view.batch
    part = Batch(batch._source, batch.episodes[:episodes])
    holdings.add(part)
    return holdings.result()


def test_hosts_are_counted_at_every_point(play: Recorded) -> None:
    curve = result(play, play.episodes)
    recount = np.array([held(play, step) for step in range(0, play.length, EVERY)])
    assert recount[-1].mean() > 5, "or the play shows nothing"
    assert curve.mean == pytest.approx(recount.mean(axis=1), abs=1e-3)
    assert all(a <= m <= b for a, m, b in zip(curve.low, curve.mean, curve.high, strict=True))
    low, high = means.limits(recount[-1])
    assert (curve.low[-1], curve.high[-1]) == pytest.approx((float(low), float(high)), abs=1e-3)
    assert curve.hosts == pytest.approx(len(levels(play)) / play.episodes, abs=1e-3)
    assert (curve.every, curve.episodes) == (EVERY, play.episodes)


def test_few_episodes_have_no_band(play: Recorded) -> None:
    curve = result(play, means.MIN_EPISODES - 1)
    assert len(curve.mean) == len(range(0, play.length, EVERY))
    assert curve.low == curve.high == ()
