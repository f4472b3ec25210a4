"""Planted reactions are found as they are, and none where nothing was planted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from cagexplain.analysis.reactions import events
from cagexplain.analysis.reactions.counts import FOLLOW, Collector, ReactionCounts
from cagexplain.analysis.reactions.exposure import HOST_RESPONSES, LAGS, MAX_LAG, on_hosts
from cagexplain.analysis.reactions.find import NO_OBSERVATIONS, reactions, summarise
from cagexplain.analysis.reactions.results import CONSISTENT, Reactions
from cagexplain.cc4 import network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import RESPONSES
from cagexplain.facts.batch import Batch, batches, run
from cagexplain.facts.compact import CompactArray
from cagexplain.policies.base import Policy
from cagexplain.tracing.trace import Trace
from tests.support.planted import RestoresLater, record

EPISODES, STEPS = 12, 350
Find = Callable[[str | Policy], Reactions]


@pytest.fixture(scope="module")
def find(tmp_path_factory: pytest.TempPathFactory) -> Find:
    """Reactions of a policy in a few full episodes; each policy is played once."""
    known: dict[str, Reactions] = {}

    def of(policy: str | Policy) -> Reactions:
        name = policy if isinstance(policy, str) else policy.name
        if name not in known:
            trace = record(tmp_path_factory.mktemp("trace") / "t", policy, EPISODES, steps=STEPS)
            known[name] = reactions(trace)
        return known[name]

    return of


def test_who_always_responds_is_consistent(find: Find) -> None:
    found = find("restores_on_process")
    answer = found.answer
    assert answer.verdict == "yes"
    assert (answer.event, answer.response) == ("process alert", "Restore")
    assert (answer.scope, answer.lag) == ("host", 0)
    assert answer.consistency == pytest.approx(1)
    assert (answer.rate, answer.base) == pytest.approx((1, 0))
    assert answer.low is not None
    assert answer.low > CONSISTENT
    restore = found.of("process alert", "Restore")
    assert restore.significant
    assert restore.best == restore.at(0)
    assert restore.at(0).adjusted_p == pytest.approx(0, abs=1e-4)
    # Only the first of several alerted hosts can be restored.
    assert restore.at(0).rate == pytest.approx(0.98, abs=0.02)
    for lag in (-3, 1, 4):
        rate = restore.at(lag).rate
        assert rate is not None
        assert rate < 0.05


def test_what_is_never_done_is_no_reaction(find: Find) -> None:
    found = find("restores_on_process")
    for response in ("Analyse", "Remove", "DeployDecoy"):
        never = found.of("process alert", response)
        assert not never.significant
        assert never.at(0).rate == 0
        assert never.at(0).lift is None


def test_a_response_takes_as_long_as_it_was_planted(find: Find) -> None:
    times = find("restores_on_process").times_of("compromise with an alert")
    assert times.response.median.value == 0
    assert times.eviction.median.value == 5  # a Restore takes five steps
    silent = find("restores_on_process").times_of("compromise without an alert")
    assert silent.response.at(20) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("delay", [2, 7])
def test_the_lag_is_exactly_the_planted_one(find: Find, delay: int) -> None:
    policy = RestoresLater(delay)
    policy.name = f"later {delay}"
    found = find(policy)
    restore = found.of("process alert", "Restore")
    assert restore.best is not None
    assert restore.best.lag == found.answer.lag == delay
    assert (found.answer.event, found.answer.response) == ("process alert", "Restore")
    assert found.answer.verdict == "yes"
    for point in restore.lags:
        assert point.rate is not None
        assert (point.rate > 0.8) == (point.lag == delay)
    # In the window the response comes in any case, unless the agent is busy at that lag.
    assert restore.within is not None
    assert restore.within.rate is not None
    assert 0.8 < restore.within.rate < 1


def test_no_reaction_in_the_ignored_subnet(find: Find) -> None:
    restore = find("ignores_subnet").of("process alert", "Restore")
    by_zone = {part.name: part for part in restore.by_zone}
    ignored = by_zone.pop(network.ZONES[network.OFF])
    assert ignored.rate == 0
    for part in by_zone.values():
        assert part.rate is None or part.rate > 0.7
        assert part.low is None or part.low > 0.4
    assert by_zone[network.ZONES[network.ADM]].rate is not None


def test_reactions_of_one_phase_only(find: Find) -> None:
    found = find("by_phase")
    restore, analyse = (found.of("process alert", kind) for kind in ("Restore", "Analyse"))
    assert restore.significant
    assert analyse.significant
    rates = [part.rate for part in restore.by_phase]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(0.95, abs=0.05)
    # At the threshold of the phases the observation still shows the old one.
    assert rates[2] == pytest.approx(0, abs=0.02)
    rates = [part.rate for part in analyse.by_phase]
    assert rates[:2] == [0, 0]
    assert rates[2] == pytest.approx(0.95, abs=0.05)


def test_each_alert_has_its_own_response(find: Find) -> None:
    found = find("removes_and_restores")
    restore, remove = (
        found.of("process alert", "Restore"),
        found.of("connection alert", "Remove"),
    )
    assert restore.significant
    assert remove.significant
    assert restore.best is not None
    assert remove.best is not None
    assert restore.best.lag == remove.best.lag == 0
    assert found.of("process alert", "Remove").at(0).rate == pytest.approx(0, abs=0.02)


def test_two_steps_of_a_response_are_told_apart(find: Find) -> None:
    found = find("analyses_then_restores")
    analyse, restore = (found.of("process alert", kind) for kind in ("Analyse", "Restore"))
    assert analyse.best is not None
    assert restore.best is not None
    assert analyse.best.lag == 0
    assert restore.best.lag == 2  # Analyse takes two steps


def test_traffic_that_is_blocked_on_alerts(find: Find) -> None:
    found = find("blocks_on_alert")
    block = found.of("process alert", "BlockTrafficZone", "zone")
    assert block.significant
    assert block.at(0).rate == 1
    assert found.answer.response == "BlockTrafficZone"
    assert found.answer.scope == "zone"
    assert not any(r.significant for r in found.reactions if r.scope == "host")


def test_messages_that_are_answered(find: Find) -> None:
    found = find("answers_messages")
    restore = found.of("message of another agent", "Restore", "zone")
    assert restore.significant
    assert restore.best == restore.at(0)
    assert restore.best is not None
    assert restore.best.rate == pytest.approx(0.75, abs=0.05)  # three of the four that are told
    assert not found.of("process alert", "Restore").significant


def test_actions_tell_about_alerts_only_if_blue_looks(find: Find) -> None:
    looking, blind = find("restores_on_process"), find("chances")
    for dependence in looking.dependence:
        assert dependence.adjusted_p is not None
        assert dependence.adjusted_p < 0.05
        assert dependence.normalised is not None
        assert dependence.normalised > (0.7 if dependence.window == 1 else 0.3)
    for dependence in blind.dependence:
        assert dependence.normalised == pytest.approx(0, abs=0.01)


def test_the_known_distribution_lies_within_the_intervals(find: Find) -> None:
    found = find("chances")
    assert found.answer.verdict == "no"
    planted = {"Analyse": 0.3, "Remove": 0.1, "Restore": 0.15, "Sleep": 0.45}
    outside = tests = 0
    for event in ("process alert", "connection alert", "ExploitRemoteService, succeeded"):
        for response, share in planted.items():
            for point in found.of(event, response, "zone").lags:
                assert point.rate is not None
                assert point.base is not None
                assert point.low is not None
                assert point.high is not None
                assert point.base == pytest.approx(share, abs=0.02)
                outside += not point.low <= 0 <= point.high
                tests += 1
    # Nominally 5 %; neighbouring lags share much of their data.
    assert outside <= 0.12 * tests


def test_without_observations_red_actions_are_left(tmp_path: Path) -> None:
    found = reactions(record(tmp_path / "t", "restores_on_process", 8, observations=False))
    assert found.without_alerts == NO_OBSERVATIONS
    assert not any(r.source == "alert" for r in found.reactions)
    assert not any(times.source == "alert" for times in found.times)
    assert found.dependence == ()
    exploit = found.of("ExploitRemoteService, succeeded", "Restore")
    assert exploit.significant
    assert exploit.best is not None
    assert exploit.best.lag == 0
    assert found.answer.verdict == "yes"
    assert "missing" in found.answer.about


def test_too_few_episodes_give_no_number(tmp_path: Path) -> None:
    found = reactions(record(tmp_path / "t", "restores_on_process", 3, steps=200))
    answer = found.answer
    assert answer.verdict == "not enough data"
    assert (answer.consistency, answer.low, answer.event, answer.tests) == (None, None, None, 0)
    for reaction in found.reactions:
        assert reaction.best is None
        assert not reaction.significant
        assert all(point.rate is point.p is None for point in reaction.lags)
    assert found.of("process alert", "Restore").at(0).n > 0
    assert all(dependence.bits is None for dependence in found.dependence)


def test_results_are_plain(find: Find) -> None:
    found = find("restores_on_process")
    plain = found.to_json()
    assert plain["answer"]["verdict"] == "yes"
    assert plain["reactions"][0]["lags"][0]["lag"] == int(LAGS[0])
    with pytest.raises(KeyError):
        found.of("process alert", "Nothing")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """A policy that does a bit of everything, in few episodes recorded in batches of two."""
    return record(tmp_path_factory.mktemp("small") / "t", "random", 5, steps=260, batch=2)


def counts_of(trace: Trace) -> ReactionCounts:
    collector = Collector()
    run(trace, [collector])
    return collector.counts


def test_counts_against_plain_loops(small: Trace) -> None:
    counts = counts_of(small)
    assert len(counts.decisions) == 5
    done = 0
    for batch in batches(small, Collector.tables):
        assert batch.process is not None
        for row in range(batch.n):
            exposed = np.zeros(len(LAGS), dtype=int)
            found = np.zeros((len(LAGS), len(HOST_RESPONSES)), dtype=int)
            times: list[tuple[int, bool]] = []
            for step, host in zip(*np.nonzero(batch.process[row]), strict=True):
                owner = int(events.OWNER[events.SLOT[host]])
                for position, lag in enumerate(LAGS):
                    at = step + lag
                    if 0 <= at < batch.steps and batch.started[row, at, owner]:
                        exposed[position] += 1
                        kind = batch.kind[row, at, owner]
                        if batch.target[row, at, owner] == host:
                            found[position, HOST_RESPONSES.index(kind)] += 1
                answers = [
                    at - step
                    for at in range(step, min(batch.steps, step + FOLLOW + 1))
                    if batch.started[row, at, owner]
                    and batch.target[row, at, owner] == host
                    and batch.kind[row, at, owner] in RESPONSES
                ]
                rest = min(batch.steps - 1 - step, FOLLOW)
                times.append((answers[0], True) if answers else (rest, False))
            episode = done + row
            assert counts.host_exposed.part(0)[episode].tolist() == exposed.tolist()
            assert counts.host_found.part(0)[episode].tolist() == found.tolist()
            for seen, counted in ((True, counts.answered), (False, counts.unanswered)):
                durations = [duration for duration, ended in times if ended == seen]
                expected = np.bincount(durations, minlength=FOLLOW + 1)
                assert counted.part(0)[episode].tolist() == expected.tolist()
        done += batch.n


def test_the_base_rate_is_that_of_the_others(small: Trace) -> None:
    """Of one event, lag and response, by loops over zones and phases."""
    counts = counts_of(small)
    restore = HOST_RESPONSES.index(ActionKind.RESTORE)
    lag = int(np.flatnonzero(LAGS == 3)[0])
    done = 0
    for batch in batches(small, Collector.tables):
        assert batch.connection is not None
        for row in range(batch.n):
            base = 0.0
            for zone in events.ZONES:
                hosts = events.HOSTS[network.HOST_ZONE[events.HOSTS] == zone]
                hosts = hosts[batch.exists[row, hosts]]
                owner = int(events.OWNER[events.SLOT[hosts[0]]])
                alerts = np.zeros((batch.steps, len(hosts)), dtype=bool)
                alerts[3:] = batch.connection[row, :-3][:, hosts]
                does = (
                    (batch.target[row, :, owner, None] == hosts)
                    & (batch.kind[row, :, owner, None] == HOST_RESPONSES[restore])
                    & batch.started[row, :, owner, None]
                )
                for phase in range(3):
                    free = batch.started[row, :, owner] & (batch.phase[row] == phase)
                    shown, acted = alerts[free], does[free]
                    if (~shown).any():
                        base += shown.sum() * acted[~shown].mean()
            assert counts.host_base.part(1)[done + row, lag, restore] == pytest.approx(
                base, abs=1e-4
            )
        done += batch.n


def test_windows_against_plain_loops(small: Trace) -> None:
    """Responses within the lags, and their base rate, of one event by loops."""
    counts = counts_of(small)
    analyse = HOST_RESPONSES.index(ActionKind.ANALYSE)
    done = 0
    for batch in batches(small, Collector.tables):
        assert batch.process is not None
        last = batch.steps - MAX_LAG
        for row in range(batch.n):
            n = found = 0
            base = 0.0
            for zone in events.ZONES:
                hosts = events.HOSTS[network.HOST_ZONE[events.HOSTS] == zone]
                hosts = hosts[batch.exists[row, hosts]]
                owner = int(events.OWNER[events.SLOT[hosts[0]]])
                does = (
                    (batch.target[row, :, owner, None] == hosts)
                    & (batch.kind[row, :, owner, None] == ActionKind.ANALYSE)
                    & batch.started[row, :, owner, None]
                )
                soon = np.array([does[t : t + MAX_LAG + 1].any(axis=0) for t in range(last)])
                for phase in range(3):
                    free = batch.started[row, :last, owner] & (batch.phase[row, :last] == phase)
                    alerts = batch.process[row, :last][free][:, hosts]
                    n += alerts.sum()
                    found += soon[free][alerts].sum()
                    if (~alerts).any():
                        base += alerts.sum() * soon[free][~alerts].mean()
            episode = done + row
            assert counts.window_exposed.part(0)[episode] == n
            assert counts.window_found.part(0)[episode, analyse] == found
            assert counts.window_base.part(0)[episode, analyse] == pytest.approx(base, abs=1e-3)
        done += batch.n


def test_batches_do_not_matter(small: Trace, tmp_path: Path) -> None:
    whole = record(tmp_path / "t", "random", 5, steps=260, batch=5)
    assert summarise(counts_of(whole), observed=True) == reactions(small)


def test_alerts_on_all_hosts_all_the_time_are_counted() -> None:
    """56,000 pairs of host and decision in an episode of CC4's length."""
    steps = 500
    found = events.Occurrences(
        *np.indices((1, 1, steps, events.N_SLOTS)).reshape(4, -1).astype(np.int64)
    )
    batch = SimpleNamespace(
        n=1,
        steps=steps,
        exists=np.ones((1, network.N_HOSTS), dtype=np.bool_),
        started=np.ones((1, steps, 5), dtype=np.bool_),
        phase=np.zeros((1, steps), dtype=np.int8),
    )
    deeds = np.full((1, steps, events.N_SLOTS), -1, dtype=np.int8)
    counts = on_hosts(cast(Batch, batch), found, deeds)
    lag = LAGS.tolist().index(0)
    assert counts["host_exposed"][0, 0, lag] == steps * events.N_SLOTS
    assert counts["window_exposed"][0, 0] == (steps - MAX_LAG) * events.N_SLOTS


def test_fewer_responses_than_habits_lead_to_expect_are_no_reaction(tmp_path: Path) -> None:
    """Even if they are more than the base rate, which knows no habits."""
    collector = Collector()
    trace = record(tmp_path / "t", "restores_on_process", EPISODES, steps=100)
    run(trace, [collector])
    counts = collector.counts
    lag, restore = LAGS.tolist().index(0), HOST_RESPONSES.index(ActionKind.RESTORE)
    host, zone = (
        np.asarray(found)[:, :, lag:].astype(np.float32)
        for found in (counts.host_found, counts.zone_found)
    )
    host[:, 0, 0, restore] *= 2
    answer = summarise(
        replace(counts, host_expected=CompactArray.of(host), zone_expected=CompactArray.of(zone)),
        observed=True,
    ).answer
    assert answer.significant == 1
    assert answer.verdict == "no"
