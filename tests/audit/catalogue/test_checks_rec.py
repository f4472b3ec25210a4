"""The checks of recovery, against known answers and against plain recounts."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import rec_01, rec_02, rec_03, rec_04, rec_05, rec_06
from cagexplain.audit.results import Finding
from cagexplain.cc4 import agents, network, observations, reward
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.network import OZA, OZB, PAZ, RZA, server, user
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.recoveries import open_alerts, steps_under_restore
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.base import Rota
from cagexplain.stats.estimates import HitShare, Quantile
from tests.support.planted import ON_HOST, Planted
from tests.support.small import (
    ENOUGH,
    Recorded,
    as_set,
    blue,
    by_hand,
    finding,
    judged,
    number,
    service,
    steps,
)

ALL = [module.CHECK for module in (rec_01, rec_02, rec_03, rec_04, rec_05, rec_06)]
RESPONSES = {"Analyse", "Remove", "Restore"}


class RestoresThenDeploys(Planted):
    """Restores its hosts in turn, and after each Restore deploys a decoy on the same host."""

    state = ("_rota", "_last")

    def begin(self, mask: BoolArray) -> None:
        self._rota = Rota(mask, ActionKind.RESTORE)
        self._last = np.full((len(mask), agents.N_BLUE), -1)

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        second = free & (self._last >= 0)
        restore = self._rota.next(free & ~second)
        every = np.arange(agents.N_BLUE)
        slot = (ON_HOST[ActionKind.RESTORE] == restore[..., None]).argmax(axis=-1)
        decoy = ON_HOST[ActionKind.DECOY][every, self._last.clip(min=0)]
        self._last = np.where(second, -1, np.where(free, slot, self._last))
        return np.where(second, decoy, restore)


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    """A policy that restores blindly, day and night."""
    return judged(tmp_path_factory.mktemp("cycle"), "restore_cycle", 12, ALL, usual=1.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    """A policy that restores what red is root on, and nothing else."""
    return judged(tmp_path_factory.mktemp("root"), "restores_root", ENOUGH, ALL, usual=1.0)


@pytest.fixture(scope="module")
def drawn() -> Recorded:
    """The random policy, which does everything sometimes."""
    return Recorded(load_policy("random"), 4)


def test_blind_restores_fail_where_they_meet_clean_hosts(cycle: dict[str, Finding]) -> None:
    for check in ("REC-01", "REC-03"):
        assert cycle[check].verdict == "FAIL", cycle[check]
        assert 0.6 < (number(cycle[check]).value or 0) < 1
    assert cycle["REC-01"].n > cycle["REC-03"].n > 0


def test_restores_of_root_meet_nobody_clean(root: dict[str, Finding]) -> None:
    for check in ("REC-01", "REC-03"):
        assert root[check].verdict == "PASS", root[check]
        assert number(root[check]).value == 0


def test_restores_with_and_without_evidence_make_all(cycle: dict[str, Finding]) -> None:
    found = cycle["REC-01"]
    parts = [number(found, key) for key in ("evident", "blind")]
    hits = sum(round((part.value or 0) * part.n) for part in parts)
    assert sum(part.n for part in parts) == found.n
    assert hits / found.n == pytest.approx(number(found).value)


def test_a_slow_sweep_before_a_mission_is_no_waste(tmp_path: Path) -> None:
    """The first mission is in operational zone A; nobody has seen an alert but of one host."""
    swept, alerted, elsewhere = user(OZA), server(OZA), user(OZB)
    restored = [(5, swept), (60, swept), (20, alerted), (5, elsewhere)]
    rows = [row for step, host in restored for row in blue(0, step, ActionKind.RESTORE, host)]
    view = by_hand(tmp_path, {"steps": steps(120), "blue": rows}, process=[(0, 19, alerted)])
    assert len(rec_01.restores(view)) == 4
    counted = rec_01.that_count(view)
    assert sorted(zip(counted.step.tolist(), counted.host.tolist(), strict=True)) == sorted(
        [(60, swept), (20, alerted), (5, elsewhere)]
    )


def test_the_budget_of_restores(cycle: dict[str, Finding], tmp_path: Path) -> None:
    assert cycle["REC-02"].verdict == "FAIL"
    assert number(cycle["REC-02"]).value == 1
    executed = number(cycle["REC-02"], "restores").value or 0
    assert executed == 5 * 99, "499 steps have 99 Restores of five steps"
    assert number(cycle["REC-02"], "ticks").value == 5 * 499
    few = judged(tmp_path, "sleep", 64, [rec_02.CHECK], length=30)["REC-02"]
    assert few.verdict == "PASS"


def test_the_budget_is_in_proportion_to_the_length(tmp_path: Path) -> None:
    length = 10  # allows 100 * 10 / 499 = 2.004 Restores
    hosts = [server(zone) for zone in (RZA, OZA, PAZ)]
    rows = [row for host in hosts[:2] for row in blue(0, 1, ActionKind.RESTORE, host)]
    rows += [row for host in hosts for row in blue(1, 2, ActionKind.RESTORE, host)]
    rows += blue(1, 8, ActionKind.RESTORE, hosts[0])[:1]  # is not over at the end
    view = by_hand(tmp_path / "t", {"steps": steps(length, 2), "blue": rows})
    found = rec_02.budgets(view)
    assert found.hit.tolist() == [False, True]
    assert found.step[1] == 2
    assert np.bincount(steps_under_restore(view).row).tolist() == [10, 17]


def test_restores_of_the_mission_are_those_of_its_zones_and_phase(tmp_path: Path) -> None:
    rows = [
        row
        for zone in (RZA, OZA, OZB, PAZ)
        for row in blue(0, 1, ActionKind.RESTORE, user(zone), level=int(zone == RZA))
    ]
    for phase, wanted in ((0, set()), (1, {(RZA, False), (OZA, True)}), (2, {(OZB, True)})):
        tables = {"steps": steps(9, phase=phase), "blue": rows}
        found = rec_03.critical_restores(by_hand(tmp_path / str(phase), tables))
        zones = network.HOST_ZONE[found.host].tolist()
        assert set(zip(zones, found.hit.tolist(), strict=True)) == wanted


def test_restores_followed_by_decoys_pass(tmp_path: Path, cycle: dict[str, Finding]) -> None:
    found = judged(tmp_path, RestoresThenDeploys(), ENOUGH, [rec_04.CHECK])["REC-04"]
    assert found.verdict == "PASS"
    assert number(found, "rearmed").value == 1
    assert number(found, "verified").value == 0
    assert cycle["REC-04"].verdict == "FAIL"
    assert number(cycle["REC-04"]).value == 0


def test_a_look_counts_within_ten_ticks_of_the_restore(tmp_path: Path) -> None:
    hosts = {user(zone): after for zone, after in ((RZA, 10), (OZA, 11), (OZB, 1))}
    rows = []
    for host, after in hosts.items():
        rows += blue(0, 0, ActionKind.RESTORE, host)  # takes effect in step 4
        rows += blue(0, 4 + after, ActionKind.ANALYSE, host)
    rows += blue(0, 0, ActionKind.RESTORE, user(PAZ))
    rows += blue(0, 6, ActionKind.ANALYSE, user(PAZ, 1))  # another host
    rows += blue(0, 10, ActionKind.RESTORE, user(PAZ, 2))  # in step 14, with 5 steps to go
    view = by_hand(tmp_path / "t", {"steps": steps(20), "blue": rows})
    expected = {(0, 0, user(RZA), True), (0, 0, user(OZA), False), (0, 0, user(OZB), True)}
    assert as_set(rec_04.restores(view)) == expected | {(0, 0, user(PAZ), False)}


def test_executed_restores_are_those_of_the_recording(drawn: Recorded) -> None:
    ended = [row for row in drawn.rows("blue") if row.completed == "Restore"]
    met_clean = sum(row.completed_level == 0 for row in ended)
    totals = HitShare().sums(rec_01.restores(drawn.view), drawn.episodes, drawn.length).sum(axis=0)
    assert totals.tolist() == [met_clean, len(ended)]


def _conflict(folder: Path, chosen: int, other: int, **more: Any) -> Any:
    """Twenty-four episodes with two alerts each, of which one is answered."""
    episodes = range(24)
    rows = [row for e in episodes for row in blue(e, 3, ActionKind.RESTORE, chosen)]
    alerts = [(e, step, host) for e in episodes for step, host in ((2, other), (3, chosen))]
    tables = {"steps": steps(12, len(episodes)), "blue": rows}
    return by_hand(folder, tables, process=alerts, **more)


def test_a_server_comes_before_a_user_host(tmp_path: Path) -> None:
    good = finding(_conflict(tmp_path / "a", server(OZA, 2), user(OZA)), rec_05.CHECK)
    bad = finding(_conflict(tmp_path / "b", user(OZA), server(OZA, 2)), rec_05.CHECK)
    assert (good.n, number(good).value, good.verdict) == (24, 1, "PASS")
    assert (bad.n, number(bad).value, bad.verdict) == (24, 0, "FAIL")
    assert {evidence.step for evidence in bad.evidence} == {3}


def test_alerts_of_equal_weight_or_of_other_agents_are_no_conflict(tmp_path: Path) -> None:
    equal = _conflict(tmp_path / "a", user(OZA, 1), user(OZA, 2))
    others = _conflict(tmp_path / "b", user(OZA, 1), server(OZB))
    assert len(rec_05.conflicts(equal)) == len(rec_05.conflicts(others)) == 0


def test_no_agent_owns_zones_of_different_weight() -> None:
    for zones in agents.BLUE_ZONES:
        own = reward.ZONE_WEIGHT[:, list(zones)]
        assert (own == own[:, :1]).all(), "then the zone would decide: tell so in the docstring"


def test_an_alert_is_open_until_it_is_answered_or_old(tmp_path: Path) -> None:
    a, b, c = (user(OZA, i) for i in range(3))
    rows = blue(0, 5, ActionKind.RESTORE, a) + blue(0, 12, ActionKind.ANALYSE, b)
    view = by_hand(
        tmp_path / "t",
        {"steps": steps(30), "blue": rows},
        process=[(0, 2, a), (0, 7, a), (0, 10, a), (0, 12, b), (0, 14, b), (0, 1, c)],
    )
    unanswered = open_alerts(view)[0]
    spans = {host: np.flatnonzero(unanswered[:, host]).tolist() for host in (a, b, c)}
    # The Restore of a ends in step 9, so that it also undoes what was shown in step 7; the Analyse
    # of b ends in step 13.
    assert spans[a] == [2, 3, 4, 5, 7, 8, 9, *range(10, 20)]
    assert spans[b] == [12, *range(14, 24)]
    assert spans[c] == list(range(1, 11))


def test_conflicts_as_a_plain_recount_has_them(drawn: Recorded) -> None:
    shown = drawn.alerts(observations.process_bit)
    alerts = defaultdict(list)
    for episode, step, host in sorted(shown):
        alerts[episode, host].append(step)
    answers = defaultdict(list)
    running: dict[tuple[int, str], Any] = {}
    for row in drawn.rows("blue"):
        if row.started and row.action_type in RESPONSES:
            running[row.episode, row.agent] = row
        if isinstance(row.completed, str):
            begun = running.pop((row.episode, row.agent), None)
            if begun is not None:
                answers[row.episode, row.completed_host].append((begun.step, row.step))
    for (episode, _), row in running.items():
        answers[episode, row.target_host].append((row.step, 10_000))

    def is_open(episode: int, host: str, now: int) -> bool:
        past = [step for step in alerts[episode, host] if step <= now]
        if not past or now - past[-1] >= 10:
            return False
        return not any(
            (past[-1] <= begin < now) or (past[-1] <= end < now)
            for begin, end in answers[episode, host]
        )

    expected = set()
    for row in drawn.decisions():
        if row.action_type not in RESPONSES or not is_open(row.episode, row.target_host, row.step):
            continue
        agent = agents.BLUE.index(row.agent)
        own = [network.HOST_NAMES[h] for h in observations.HOSTS[agent]]
        rivals = [host for host in own if is_open(row.episode, host, row.step)]
        kinds = {"server" in host for host in rivals}
        if kinds == {True, False}:
            slot = network.host_index(row.target_host)
            expected.add((row.episode, row.step, slot, "server" in row.target_host))
    assert len(expected) >= 3
    assert as_set(rec_05.conflicts(drawn.view)) == expected


def test_repair_is_quick_where_root_is_evicted(root: dict[str, Finding]) -> None:
    assert root["REC-06"].verdict == "PASS"
    assert 1 <= (number(root["REC-06"]).value or 0) <= 30


def test_repair_never_comes_where_nobody_restores(tmp_path: Path) -> None:
    found = judged(tmp_path, "sleep", ENOUGH, [rec_06.CHECK])["REC-06"]
    assert found.verdict == "FAIL"
    assert not number(found).reached


def test_damage_lasts_until_everything_is_whole(tmp_path: Path) -> None:
    a, b, c, contractor = user(OZA), user(OZB), user(PAZ), user(network.CON)
    rows = [
        service(0, 3, a, reliability=80),
        service(0, 5, a, reliability=60, stopped=True),
        service(0, 7, a, reliability=100, stopped=True),
        service(0, 9, a),
        service(0, 11, a, decoys=1),
        service(0, 12, a, decoys=1, stopped=True),
        service(0, 4, b, decoys=2),
        service(0, 19, b, reliability=0),  # nobody decides on it any more
        service(1, 8, b, reliability=40),
        service(1, 1, c, reliability=20),
        service(1, 2, c),
        service(1, 2, contractor, reliability=20),
    ]
    view = by_hand(tmp_path / "t", {"steps": steps(20, 2), "services": rows})
    found = rec_06.damages(view)
    columns = (found.row, found.step, found.host, found.hit, found.duration)
    assert set(zip(*(column.tolist() for column in columns), strict=True)) == {
        (0, 4, a, True, 6),
        (0, 13, a, False, 7),
        (1, 9, b, False, 11),
        (1, 2, c, True, 1),
    }
    sums = Quantile(0.5).sums(found, 2, 20).sum(axis=0)
    assert Quantile(0.5).value(sums) == 6


def test_damages_as_a_plain_recount_has_them(drawn: Recorded) -> None:
    changes = defaultdict(list)
    for row in drawn.rows("services"):
        changes[row.episode, row.host].append((row.step + 1, row.reliability < 100 or row.stopped))
    expected = set()
    for (episode, host), moments in changes.items():
        slot = network.host_index(host)
        broken = [False] * drawn.length
        for begin, damaged in moments:
            broken[begin:] = [damaged] * (drawn.length - begin)
        for step in range(drawn.length):
            if agents.BLUE_OF_HOST[slot] >= 0 and broken[step] and not (step and broken[step - 1]):
                end = next((t for t in range(step, drawn.length) if not broken[t]), None)
                length = (drawn.length if end is None else end) - step
                expected.add((episode, step, slot, end is not None, length))
    found = rec_06.damages(drawn.view)
    columns = (found.row, found.step, found.host, found.hit, found.duration)
    assert len(expected) > 20
    assert set(zip(*(column.tolist() for column in columns), strict=True)) == expected


def test_without_observations_nobody_knows_what_was_seen(tmp_path: Path) -> None:
    rows = blue(0, 0, ActionKind.RESTORE, user(PAZ)) + blue(0, 0, ActionKind.RESTORE, user(OZB))
    view = by_hand(tmp_path / "t", {"steps": steps(9), "blue": rows})
    assert len(rec_01.without_evidence(view)) == 2
    vars(view.batch)["process"] = None
    assert len(rec_01.restores(view)) == 2
    assert len(rec_01.with_evidence(view)) == len(rec_01.without_evidence(view)) == 0
