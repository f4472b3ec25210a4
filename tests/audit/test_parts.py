"""A part that fails is found, named and dated, and no part fails by chance."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest

from cagexplain.audit.checks import checks
from cagexplain.audit.judge import failing_by_part, part_may_fail, sole
from cagexplain.audit.parts import CELL, TAIL, Criterion, Failing, Pieces, contrast, criterion_of
from cagexplain.audit.results import Part, Place, Span, WorstPart
from cagexplain.audit.splits import PLAIN, SPLITS
from cagexplain.audit.stretches import judge_parts
from cagexplain.cc4 import agents, network
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.cases import Cases, cases
from cagexplain.facts.links import phase_starts
from cagexplain.stats.estimates import Difference, HitShare, Incidence, PerEpisode, Quantile
from tests.support.audits import finding

EPISODES: Final = 40
STEPS: Final = 300
SHARE: Final = Criterion(HitShare(), "lower", 0.5)
_HOSTS: Final = np.flatnonzero(agents.BLUE_OF_HOST >= 0)


def view() -> Any:
    """Forty episodes of three phases, in which agents are busy in odd steps."""
    phase = np.broadcast_to(np.arange(STEPS) * 3 // STEPS, (EPISODES, STEPS)).astype(np.int8)
    started = np.broadcast_to(np.arange(STEPS)[:, None] % 2 == 0, (EPISODES, STEPS, agents.N_BLUE))
    whole = SimpleNamespace(
        n=EPISODES, steps=STEPS, batch=SimpleNamespace(phase=phase, started=started, n=EPISODES)
    )
    known = {phase_starts: phase_starts(whole)}  # type: ignore[arg-type]
    whole.shared = lambda compute: known[compute]
    return whole


Rule = Callable[[Cases], BoolArray]


def draw(rule: Rule, seed: int = 0, per_episode: int = 60, sound: float = 0.1) -> Cases:
    """Cases at random places; bad with probability `sound`, and wherever the rule says so."""
    rng = np.random.default_rng(seed)
    n = EPISODES * per_episode
    host = rng.choice(_HOSTS, n)
    every = cases(
        np.repeat(np.arange(EPISODES), per_episode),
        rng.integers(0, STEPS, n),
        rng.random(n) < sound,
        agent=agents.BLUE_OF_HOST[host],
        host=host,
    )
    return cases(every.row, every.step, every.hit | rule(every), agent=every.agent, host=every.host)


def judge(drawn: Cases, criterion: Criterion = SHARE) -> tuple[tuple[Part, ...], Failing | None]:
    """What the core says about cases of one batch."""
    pieces = Pieces(criterion)
    pieces.add(drawn, view())
    return judge_parts(pieces, 1.5)


def nowhere(every: Cases) -> BoolArray:
    """No case is bad by rule."""
    return np.zeros(len(every), np.bool_)


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (lambda c: c.agent == 2, Place("agent", "blue_agent_2")),
        (lambda c: network.HOST_ZONE[c.host] == network.ADM, Place("zone", "admin_network_subnet")),
        (lambda c: c.step >= 200, Place("phase", "mission B")),
        (lambda c: network.HOST_KIND[c.host] == network.SERVER, Place("host kind", "server")),
        (lambda c: c.step % 2 == 1, Place("agent was", "busy")),
    ],
)
def test_the_part_that_fails_is_named(rule: Rule, place: Place) -> None:
    parts, worst = judge(draw(rule))
    assert worst is not None
    assert place in worst.where
    assert {part.name for part in parts if part.kind == place.kind and part.fails} == {place.name}
    assert worst.part.low is not None and worst.part.low > 0.5


def test_the_whole_may_do_well_while_a_part_fails() -> None:
    drawn = draw(lambda c: c.agent == 2)
    assert drawn.hit.mean() < 0.5
    assert judge(drawn)[1] is not None


@pytest.mark.parametrize(("start", "stop"), [(120, None), (100, 180), (0, 60)])
def test_a_stretch_of_time_is_dated(start: int, stop: int | None) -> None:
    _, worst = judge(draw(lambda c: (c.step >= start) & (c.step < (stop or STEPS)), 1))
    assert worst is not None and worst.since is not None
    assert [place.kind for place in worst.where] == ["steps"]
    assert abs(worst.since.start - start) <= CELL
    assert worst.since.start_low <= start + CELL and start - CELL <= worst.since.start_high
    if stop is None:
        assert worst.since.stop is None
    else:
        assert worst.since.stop is not None and abs(worst.since.stop - stop) <= CELL


def test_an_agent_that_stops_is_named_and_dated() -> None:
    _, worst = judge(draw(lambda c: (c.agent == 4) & (c.step >= 150), 2))
    assert worst is not None and worst.since is not None
    assert worst.where[0] == Place("agent", "blue_agent_4")
    assert worst.since == Span(150, *(worst.since.start_low, worst.since.start_high))


def test_lapses_in_some_episodes_are_found() -> None:
    drawn = draw(lambda c: (c.agent == 3) & (c.row % 4 == 0), 3, per_episode=150)
    parts, worst = judge(drawn)
    assert not any(part.fails for part in parts)
    assert worst is not None
    assert worst.where == (Place("agent", "blue_agent_3"), Place("episodes", "10 of 40 episodes"))


@pytest.mark.parametrize("seed", range(4))
def test_sound_cases_have_no_failing_part(seed: int) -> None:
    assert judge(draw(nowhere, seed))[1] is None


def test_at_the_threshold_few_families_of_parts_fail() -> None:
    """Two in 40 would be twice as many as `TAIL` allows; by chance, three come in one of 50."""
    failed = sum(judge(draw(nowhere, seed, 30, sound=0.5))[1] is not None for seed in range(40))
    assert failed <= 3
    assert pytest.approx(0.025) == TAIL


def test_every_split_covers_its_cases_once() -> None:
    pieces = Pieces(SHARE)
    drawn = draw(nowhere)
    pieces.add(drawn, view())
    for split, bad in zip(SPLITS, pieces.bad, strict=True):
        inside = int((split.number(view(), drawn) >= 0).sum())
        assert bad[:, 1].sum() == inside
        assert inside == (0 if split.kinds == ("link",) else len(drawn))


def test_small_parts_are_said_to_be_too_small() -> None:
    drawn = draw(nowhere).where(np.arange(30))
    parts, worst = judge(drawn)
    assert worst is None
    assert parts and all(part.fails is None for part in parts)


def test_links_are_parts() -> None:
    row = np.repeat(np.arange(EPISODES), 20)
    to_zone = np.tile([network.RZA, network.OZA], EPISODES * 10)
    link = {"to_zone": to_zone, "from_zone": network.CON}
    drawn = cases(row, 5, to_zone == network.RZA, agent=0, **link)
    _, worst = judge(drawn)
    assert worst is not None
    name = f"{network.ZONES[network.RZA]} from {network.ZONES[network.CON]}"
    assert {place.name for place in worst.where} == {name, network.ZONES[network.RZA]}


def test_cases_without_a_step_are_compared_with_in_every_part() -> None:
    alerts, quiet = draw(lambda c: c.agent != 1, sound=0.0), EPISODES * 100
    everywhere = cases(np.repeat(np.arange(EPISODES), 100), -1, np.arange(quiet) % 10 == 0)
    joined = cases(
        *(np.concatenate([getattr(alerts, f), getattr(everywhere, f)]) for f in ("row", "step")),
        np.concatenate([alerts.hit, everywhere.hit]),
        agent=np.concatenate([alerts.agent, everywhere.agent]),
        host=np.concatenate([alerts.host, everywhere.host]),
        group=np.concatenate([np.ones(len(alerts), int), np.zeros(quiet, int)]),
    )
    _, worst = judge(joined, Criterion(Difference(), "higher", 0.02))
    assert worst is not None
    assert Place("agent", "blue_agent_1") in worst.where
    assert worst.part.high is not None and worst.part.high < 0.02


def test_a_median_is_judged_as_half_of_the_cases_in_time() -> None:
    measure = SimpleNamespace(statistic=Quantile(0.5), better="lower")
    criterion = criterion_of(measure, 40.0)  # type: ignore[arg-type]
    assert criterion == Criterion(Incidence(at=40), "higher", 0.5)
    row = np.repeat(np.arange(EPISODES), 20)
    agent = np.tile([0, 1], EPISODES * 10)
    host = np.where(agent == 0, *(np.flatnonzero(a == agents.BLUE_OF_HOST)[0] for a in (0, 1)))
    drawn = cases(row, 5, True, agent=agent, host=host, duration=np.where(agent == 0, 90, 10))
    _, worst = judge(drawn, criterion)
    assert worst is not None and Place("agent", "blue_agent_0") in worst.where


def test_counts_per_episode_are_not_judged_in_parts() -> None:
    measure = SimpleNamespace(statistic=PerEpisode(), better="lower")
    criterion = criterion_of(measure, 3.0)  # type: ignore[arg-type]
    assert not criterion.of_parts
    parts, worst = judge(draw(lambda c: c.agent == 2), criterion)
    assert worst is None
    assert any(part.bad == part.n for part in parts if part.name == "blue_agent_2")


def test_all_cases_in_one_link_are_there() -> None:
    parts = (Part("link", "a from b", 5, 9), Part("agent", "x", 3, 5), Part("agent", "y", 2, 4))
    worst = sole("value", parts)
    assert worst == WorstPart("value", parts[0], (Place("link", "a from b"),))
    assert sole("value", parts[1:]) is None


def test_the_contrast_is_the_deviance_of_two_shares() -> None:
    inside, every = np.array([8.0, 10.0]), np.array([20.0, 100.0])

    def likelihood(bad: float, n: float) -> float:
        share = bad / n
        return float(bad * np.log(share) + (n - bad) * np.log(1 - share))

    gain = likelihood(8, 10) + likelihood(12, 90) - likelihood(20, 100)
    assert contrast(inside, every) == pytest.approx(2 * gain)
    assert contrast(np.array([1.0, 10.0]), every) == 0


def test_plain_parts_are_those_of_one_thing() -> None:
    assert all(len(split.kinds) == 1 for split in PLAIN)


def test_only_practice_and_health_fail_by_a_part() -> None:
    by_part = {c.axis for c in checks() for m in c.measures if part_may_fail(c, m)}
    assert by_part == {"practice", "health"}


def test_whole_and_parts_share_the_error_of_a_check() -> None:
    failing = Failing(Part("agent", "x", 30, 30, p=0.001, fails=True), (), 1.0)
    passed = finding(verdict="PASS", p=None)
    failed = finding(verdict="FAIL", p=0.0005)
    assert failing_by_part(passed, failing, 2).p == pytest.approx(0.001 * 2 / 0.8)
    assert failing_by_part(passed, failing, 2).verdict == "FAIL"
    assert failing_by_part(failed, failing, 2).p == 0.0005
