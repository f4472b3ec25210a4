"""The checks of mission, coverage and co-ordination, against known answers and plain recounts."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import coo_01, cov_01, mis_01
from cagexplain.audit.results import Finding
from cagexplain.cc4 import actions, agents, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.network import ADM, OFF, OZA, OZB, PAZ, RZA, user
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.impacts import stops
from cagexplain.facts.view import View
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from tests.support.planted import RestoresOnProcess
from tests.support.small import (
    ENOUGH,
    Recorded,
    as_set,
    blue,
    by_hand,
    done,
    finding,
    judged,
    number,
    steps,
)

ALL = [module.CHECK for module in (mis_01, cov_01, coo_01)]
MESSAGES = next(m for m in coo_01.CHECK.measures if m.key == "messages")
HOST_ACTIONS = {"Analyse", "Remove", "Restore", "DeployDecoy"}


class Babbles(RestoresOnProcess):
    """As `RestoresOnProcess`, with messages drawn by lot that nobody heeds."""

    state = ("_lots",)

    def begin(self, mask: BoolArray) -> None:
        self._lots = [np.random.default_rng(int(seed)) for seed in self._seeds]

    def act(self, obs: Any, mask: BoolArray, free: BoolArray, instead: Any = None) -> Decision:
        chosen = super().act(obs, mask, free, instead).actions
        drawn = [lot.integers(0, 2, (agents.N_BLUE, 8)) for lot in self._lots]
        return Decision(chosen, np.stack(drawn).astype(np.uint8))


def played(factory: pytest.TempPathFactory, policy: Any, length: int = 500) -> dict[str, Finding]:
    return judged(factory.mktemp("play"), policy, ENOUGH, ALL, length=length, usual=1.0)


@pytest.fixture(scope="module")
def sleeping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    return played(tmp_path_factory, "sleep")


@pytest.fixture(scope="module")
def drawn() -> Recorded:
    return Recorded(load_policy("random"), 3)


def test_services_are_stopped_where_nobody_acts(sleeping: dict[str, Finding]) -> None:
    assert sleeping["MIS-01"].verdict == "FAIL"
    total = number(sleeping["MIS-01"], "all").value or 0
    assert total > (number(sleeping["MIS-01"]).value or 0) > 3


def test_services_without_a_mission_may_stop(tmp_path: Path) -> None:
    verdicts = []
    for phase in (1, 2):
        red = [
            done(e, t, RedAction.IMPACT, user(OZB)) for e in range(16) for t in range(2, 6 + e % 2)
        ]
        tables = {"steps": steps(9, 16, phase), "red": red}
        found = finding(by_hand(tmp_path / str(phase), tables), mis_01.CHECK)
        assert number(found, "all").value == 4.5
        verdicts.append((found.verdict, number(found).value))
    assert verdicts == [("PASS", 0), ("FAIL", 4.5)]


def test_critical_are_the_services_of_the_active_mission(tmp_path: Path) -> None:
    red = [
        done(0, 3, RedAction.IMPACT, user(OZA)),
        done(0, 4, RedAction.IMPACT, user(OZB)),
        done(0, 5, RedAction.IMPACT, user(OZA, 1), "FAILURE"),
        done(0, 6, RedAction.DEGRADE, user(OZA)),
        done(0, 7, RedAction.IMPACT, user(OZA)) | {"event": "started", "outcome": "NONE"},
        done(1, 3, RedAction.IMPACT, user(OZB, 2)),
    ]
    every = {(0, 3, user(OZA), True), (0, 4, user(OZB), True), (1, 3, user(OZB, 2), True)}
    for phase, zone in ((0, None), (1, OZA), (2, OZB)):
        tables = {"steps": steps(9, 2, phase), "red": red}
        view = by_hand(tmp_path / str(phase), tables)
        assert as_set(stops(view)) == every
        critical = {case for case in every if network.HOST_ZONE[case[2]] == zone}
        assert as_set(mis_01.critical_impacts(view)) == critical


def test_impacts_as_a_plain_recount_has_them(drawn: Recorded) -> None:
    active = {1: "operational_zone_a_subnet", 2: "operational_zone_b_subnet"}
    phase = {(row.episode, row.step): row.phase for row in drawn.rows("steps")}
    found = [
        row
        for row in drawn.rows("red")
        if (row.event, row.action_name, row.outcome) == ("done", "Impact", "SUCCESS")
    ]
    critical = [row for row in found if row.target_zone == active.get(phase[row.episode, row.step])]
    assert len(stops(drawn.view)) == len(found) > 5
    assert len(mis_01.critical_impacts(drawn.view)) == len(critical) > 0


def test_who_never_acts_neglects_every_alerted_host(
    sleeping: dict[str, Finding], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert sleeping["COV-01"].verdict == "FAIL"
    assert number(sleeping["COV-01"]).value == 1
    assert number(sleeping["COV-01"], "distance").value is None
    rounds = played(tmp_path_factory, "analyse_cycle")["COV-01"]
    assert number(rounds).verdict == "PASS"
    assert number(rounds).value == 0
    assert (number(rounds, "distance").value or 0) < 0.2


def test_who_stays_in_one_zone_neglects_the_others(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = played(tmp_path_factory, "restores_first_servers")["COV-01"]
    assert number(found).verdict == "FAIL"
    assert number(found, "distance").verdict == "FAIL"


def test_actions_go_where_the_alerts_are(tmp_path: Path) -> None:
    """Two alerts in the office for each one in the public zone; three actions that should too."""
    alerts = [
        (e, t, host)
        for e in range(12)
        for t, host in ((1, user(OFF)), (2, user(OFF, 1)), (3, user(PAZ)))
    ]
    verdicts = []
    for name, chosen in (
        ("where", (user(OFF), user(OFF, 1), user(PAZ))),
        ("elsewhere", (user(ADM), user(ADM, 1), user(ADM))),
    ):
        rows = [
            row
            for e in range(12)
            for t, host in zip((3, 5, 7), chosen, strict=True)
            for row in blue(e, t, ActionKind.ANALYSE, host)
        ]
        tables = {"steps": steps(12, 12), "blue": rows}
        view = by_hand(tmp_path / name, tables, process=alerts)
        tallied = finding(view, cov_01.CHECK)
        verdicts.append([(m.verdict, m.value) for m in tallied.measures])
    assert verdicts[0][1] == ("PASS", 0)
    assert verdicts[0][0][1] == 0
    assert verdicts[1] == [("FAIL", 1), ("FAIL", 1)]


def test_neglect_as_a_plain_recount_has_it(drawn: Recorded) -> None:
    shown = drawn.alerts(observations.process_bit)
    first: dict[tuple[int, str], int] = {}
    for episode, step, host in shown:
        first[episode, host] = min(step, first.get((episode, host), 999))
    acted = {
        (row.episode, row.target_host)
        for row in drawn.decisions()
        if row.action_type in HOST_ACTIONS
    }
    expected = {
        (episode, step, network.host_index(host), (episode, host) not in acted)
        for (episode, host), step in first.items()
    }
    assert as_set(cov_01.alerted_hosts(drawn.view)) == expected
    zones = {network.ZONES[zone]: place for place, zone in enumerate((ADM, OFF, PAZ))}
    counts = np.zeros((drawn.episodes, 6))
    for episode, _, host in shown:
        zone = network.ZONES[network.HOST_ZONE[network.host_index(host)]]
        if zone in zones:
            counts[episode, zones[zone]] += 1
    for row in drawn.decisions():
        if row.action_type in HOST_ACTIONS and row.target_zone in zones:
            counts[row.episode, 3 + zones[row.target_zone]] += 1
    assert np.array_equal(cov_01.by_zone(drawn.view), counts)


def test_the_distance_of_known_shares() -> None:
    statistic = next(m for m in cov_01.CHECK.measures if m.key == "distance").statistic
    equal, apart = [3, 1, 4, 30, 10, 40], [5, 0, 0, 0, 2, 3]
    assert statistic.value(np.array([equal, apart], float)) == pytest.approx([0, 1], abs=1e-7)
    assert statistic.n(np.array([equal], float)).tolist() == [8]


def test_an_agent_that_acted_before_the_alert_knows_the_host(tmp_path: Path) -> None:
    rows = blue(0, 0, ActionKind.DECOY, user(OZA)) + blue(1, 0, ActionKind.ANALYSE, user(OZB))
    alerts = [(0, 5, user(OZA)), (0, 5, user(OZB)), (0, 7, user(OZB)), (1, 4, user(OZB))]
    view = by_hand(tmp_path / "t", {"steps": steps(9, 2), "blue": rows}, process=alerts)
    expected = {(0, 5, user(OZA), False), (0, 5, user(OZB), True), (1, 4, user(OZB), False)}
    assert as_set(cov_01.alerted_hosts(view)) == expected


def test_who_follows_the_policy_undoes_nobody(
    sleeping: dict[str, Finding], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert sleeping["COO-01"].verdict == "NOT_APPLICABLE"
    apart = played(tmp_path_factory, "comms_block")["COO-01"]
    assert apart.verdict == "PASS"
    assert number(apart).value == 0
    assert apart.n > 20
    against = played(tmp_path_factory, "block_allow_cycle", 200)["COO-01"]
    assert against.verdict == "FAIL"


def _switch(step: int, kind: ActionKind, to_zone: int, from_zone: int, **more: Any) -> Any:
    link = {"target_zone": network.ZONES[to_zone], "source_zone": network.ZONES[from_zone]}
    name = actions.KIND_NAMES[kind]
    agent = agents.BLUE[agents.BLUE_OF_ZONE[to_zone]]
    values = {"episode": 0, "step": step, "agent": agent, "started": True, "action_type": name}
    return values | link | {"completed": name, "outcome": "SUCCESS"} | more


def test_a_reversal_is_the_other_agents_opposite_change_of_the_link(tmp_path: Path) -> None:
    block, allow = ActionKind.BLOCK, ActionKind.ALLOW
    rows = [
        _switch(1, block, RZA, OZA),  # agent 0 closes what ...
        _switch(9, allow, OZA, RZA),  # ... agent 1 opens: undone
        _switch(12, block, OZA, RZA),  # its own change, and agent 0's was of the same kind
        _switch(33, allow, RZA, OZA),  # 21 steps later
        _switch(40, block, PAZ, RZA),
        _switch(41, allow, RZA, PAZ, outcome="FAILURE"),  # changed nothing
        _switch(60, allow, RZA, PAZ),  # 20 steps later: undone
        _switch(70, block, PAZ, ADM),
        _switch(71, allow, ADM, PAZ),  # agent 4 undoes itself
        _switch(80, block, OZB, PAZ),
        _switch(81, allow, PAZ, OZA),  # another link
    ]
    view = by_hand(tmp_path / "t", {"steps": steps(90), "blue": rows})
    found = coo_01.link_changes(view)
    assert len(found) == 10
    assert sorted(found.step[found.hit].tolist()) == [9, 60]


def test_reversals_as_a_plain_recount_has_them(drawn: Recorded) -> None:
    changes = [
        row
        for row in drawn.rows("blue")
        if row.completed in ("BlockTrafficZone", "AllowTrafficZone") and row.outcome == "SUCCESS"
    ]
    expected = 0
    last: dict[Any, Any] = {}
    by_step = defaultdict(list)
    for row in changes:
        by_step[row.episode, row.step].append(row)
    for key in sorted(by_step):
        for row in by_step[key]:
            other = last.get((row.episode, row.source_zone, row.target_zone))
            if other is not None and row.step - other.step <= 20 and row.agent != other.agent:
                expected += other.completed != row.completed
        for row in by_step[key]:
            last[row.episode, row.target_zone, row.source_zone] = row
    found = coo_01.link_changes(drawn.view)
    assert len(found) == len(changes)
    assert found.hit.sum() == expected > 0


def test_messages_that_are_heeded_pass_and_noise_fails(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    heeded = played(tmp_path_factory, "answers_messages", 300)["COO-01"]
    assert heeded.verdict == "PASS"
    assert number(heeded).verdict == "NOT_APPLICABLE", "it changes no link"
    noise = played(tmp_path_factory, Babbles())["COO-01"]
    assert noise.verdict == "FAIL"
    told = number(noise, "messages")
    assert abs(told.value or 0) < 0.0005
    assert told.n > ENOUGH * 5 * 100


def _heard(folder: Path, obey: bool) -> View:
    """Agent 0 says something at random; in the next step agent 1 obeys, or acts by another lot."""
    lot = np.random.default_rng(3)
    words, chances = lot.integers(0, 2, (2, 200))
    rows: list[dict[str, Any]] = []
    for step, word in enumerate(words):
        acts = (words[step - 1] if step else 0) if obey else chances[step]
        base = {"episode": 0, "step": step, "started": True}
        kind = "AllowTrafficZone" if acts else "Monitor"
        rows.append(base | {"agent": agents.BLUE[0], "action_type": "Sleep", "message": word << 7})
        rows.append(base | {"agent": agents.BLUE[1], "action_type": kind})
    return by_hand(folder, {"steps": steps(200), "blue": rows})


def test_a_bit_that_decides_everything_is_worth_a_bit(tmp_path: Path) -> None:
    def worth(view: View) -> tuple[float, int]:
        totals = coo_01.message_tables(view).sum(axis=0)
        return float(MESSAGES.statistic.value(totals)), int(MESSAGES.statistic.n(totals))

    obeyed, n = worth(_heard(tmp_path / "a", obey=True))
    ignored, _ = worth(_heard(tmp_path / "b", obey=False))
    assert obeyed == pytest.approx(1, abs=0.03)
    assert abs(ignored) < 0.02
    assert n == 200


def test_messages_that_never_change_tell_nothing(tmp_path: Path) -> None:
    row = {"episode": 0, "step": 3, "agent": agents.BLUE[0], "action_type": "Sleep"}
    rows = [row | {"step": t, "message": 255, "started": True} for t in range(30)]
    view = by_hand(tmp_path / "t", {"steps": steps(30), "blue": rows})
    assert not coo_01.message_tables(view).any()
    assert finding(view, coo_01.CHECK).verdict == "NOT_APPLICABLE"


def test_own_alerts_do_not_count_as_the_messages_doing(tmp_path: Path) -> None:
    """Agent 1 acts on its own alerts; agent 0's messages repeat them."""
    alarms = np.flatnonzero(np.random.default_rng(5).integers(0, 2, 300))
    rows = []
    for step in range(300):
        base = {"episode": 0, "step": step, "started": True}
        kind = "AllowTrafficZone" if step in alarms else "Monitor"
        rows.append(base | {"agent": agents.BLUE[1], "action_type": kind})
        word = 128 if step + 1 in alarms else 0
        rows.append(base | {"agent": agents.BLUE[0], "action_type": "Sleep", "message": word})
    alerts = [(0, int(step), user(OZA)) for step in alarms]
    view = by_hand(tmp_path / "t", {"steps": steps(300), "blue": rows}, process=alerts)
    totals = coo_01.message_tables(view).sum(axis=0)
    assert float(MESSAGES.statistic.value(totals)) == pytest.approx(0, abs=1e-9)
