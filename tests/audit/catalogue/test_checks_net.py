"""The checks of the communication policy, against known answers and against plain recounts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import net_01, net_02, net_03, net_04, net_05, net_06, net_07
from cagexplain.audit.results import Finding
from cagexplain.cc4 import actions, agents, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_ZONE, BLUE_ZONES, N_BLUE
from cagexplain.cc4.network import ADM, CON, OFF, PAZ, RZA, ZONES
from cagexplain.cc4.phases import COMMS_POLICY
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.green import lost_accesses
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.base import Rota
from tests.support.planted import CONNECTION, HOST, ON_HOST, PROCESS, Planted, alert_bits
from tests.support.small import ENOUGH, Recorded, Row, by_hand, done, judged, number, steps

MODULES = (net_01, net_02, net_03, net_04, net_05, net_06, net_07)
ALL = [module.CHECK for module in MODULES]
WINDOW = 10
SLEEP = np.array(actions.SLEEP_INDEX)


class EmergencyBlocks(Planted):
    """Agent 4 blocks what comes from the office into the admin network, which the policy keeps
    open, when the last alert in one of the two is `quiet` steps old, and allows it again `lifts`
    steps later (-1: never). Else everybody sleeps."""

    state = ("_quiet", "_since")

    def __init__(self, quiet: int, lifts: int) -> None:
        super().__init__()
        self._reason, self._lifts = quiet, lifts
        self._near = np.isin(np.where(HOST[4] >= 0, network.HOST_ZONE[HOST[4]], -1), (ADM, OFF))

    def begin(self, mask: BoolArray) -> None:
        self._quiet = np.full(len(mask), -1000)
        self._since = np.full(len(mask), -1)  # steps since it blocked; -1 while it is open

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        alerts = alert_bits(obs, PROCESS) | alert_bits(obs, CONNECTION)
        alarm = alerts[:, 4, self._near].any(axis=-1)
        self._quiet = np.where(alarm, 0, self._quiet + 1)
        block = (self._since < 0) & (self._quiet == self._reason)
        self._since = np.where(block, 0, self._since + (self._since >= 0))
        allow = self._since == self._lifts if self._lifts > 0 else np.zeros_like(block)
        self._since = np.where(allow, -1, self._since)
        chosen = np.tile(SLEEP, (len(obs), 1))
        for now, kind in ((block, ActionKind.BLOCK), (allow, ActionKind.ALLOW)):
            chosen[now, 4] = actions.index(4, kind, to_zone=ADM, from_zone=OFF)
        return chosen


class ChasesConnections(Planted):
    """Analyses the first host with a connection alert. Before that, with `blocks`, it blocks all
    that comes in, once."""

    state = ("_rota",)

    def __init__(self, blocks: bool) -> None:
        super().__init__()
        self._blocks = blocks

    def begin(self, mask: BoolArray) -> None:
        self._rota = Rota(mask, ActionKind.BLOCK)

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        block = self._rota.unfinished & self._blocks
        blocked = self._rota.next(free & block)
        alerts = alert_bits(obs, CONNECTION)
        alarm = alerts.any(axis=-1)
        analyse = ON_HOST[ActionKind.ANALYSE][np.arange(N_BLUE), alerts.argmax(axis=-1)]
        return np.where(block, blocked, np.where(free & alarm, analyse, SLEEP))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Findings about a policy, of a play that is done once."""
    known: dict[str, dict[str, Finding]] = {}

    def findings(policy: str) -> dict[str, Finding]:
        if policy not in known:
            known[policy] = judged(
                tmp_path_factory.mktemp(policy), policy, ENOUGH, ALL, usual=100.0
            )
        return known[policy]

    return findings


@pytest.fixture(scope="module")
def drawn() -> Recorded:
    """The random policy, which blocks, allows and responds without reason."""
    return Recorded(load_policy("random"), 3, length=300)


@pytest.fixture(scope="module")
def chased() -> Recorded:
    """A policy that chases the alerts that its own blocks cause."""
    return Recorded(ChasesConnections(blocks=True), 3, length=200)


@pytest.mark.parametrize(
    ("policy", "check", "verdict"),
    [
        ("comms_block", "NET-01", "PASS"),
        ("block_all_then_sleep", "NET-01", "FAIL"),
        ("comms_block", "NET-02", "PASS"),
        ("sleep", "NET-02", "FAIL"),
        ("comms_block", "NET-03", "PASS"),
        ("sleep", "NET-03", "FAIL"),
        ("block_all_then_sleep", "NET-03", "FAIL"),
        ("block_allow_cycle", "NET-03", "FAIL"),
        ("sleep", "NET-04", "PASS"),
        ("block_all_then_sleep", "NET-04", "FAIL"),
        ("sleep", "NET-05", "NOT_APPLICABLE"),
        ("block_all_then_sleep", "NET-05", "FAIL"),
        ("comms_block", "NET-06", "PASS"),
        ("block_allow_cycle", "NET-06", "FAIL"),
        ("sleep", "NET-06", "NOT_APPLICABLE"),
        ("sleep", "NET-07", "NOT_APPLICABLE"),
    ],
)
def test_verdicts_about_policies_that_are_known(
    played: Any, policy: str, check: str, verdict: str
) -> None:
    assert played(policy)[check].verdict == verdict, played(policy)[check]


def test_who_sleeps_blocks_nothing_and_opens_nothing(played: Any) -> None:
    found = played("sleep")
    assert number(found["NET-01"]).value == 0
    assert [m.value for m in found["NET-02"].measures] == [1, 1, 1, 1]
    assert number(found["NET-04"]).value == number(found["NET-04"], "penalty").value == 0
    changed, agree = 14, 4  # of the links that change, those that open were never blocked
    assert number(found["NET-03"]).n == changed * ENOUGH
    assert agree / changed < 0.5 and not number(found["NET-03"]).reached


def test_who_follows_the_shown_policy_needs_two_ticks(played: Any) -> None:
    # It sees the new policy a step late; five links of an agent change at most, one per step.
    found = played("comms_block")["NET-03"]
    assert number(found).value == 2
    assert number(found, "p90").value == 4


def test_all_blocks_cut_all_links(played: Any) -> None:
    found = played("block_all_then_sleep")
    # An agent's 8 or 24 links are blocked one by one from step 0 on, as seen by the next decision;
    # from step 20 on, when they count, agent 4 has four to go.
    left_open = sum(range(1, 5))
    assert found["NET-01"].n + found["NET-02"].n == ENOUGH * (499 - 3 * 20) * 56
    left = number(found["NET-02"]).value * found["NET-02"].n
    blocked = number(found["NET-01"]).value * found["NET-01"].n
    assert left + (found["NET-01"].n - blocked) == pytest.approx(ENOUGH * left_open)
    lost = found["NET-04"]
    assert number(lost, "penalty").value > number(lost).value > 100
    # What opens later stays blocked, what closes is blocked already.
    assert number(found["NET-03"]).value == 0
    assert not number(found["NET-03"], "p90").reached


def test_blocks_with_a_reason_that_are_lifted_pass(tmp_path: Path) -> None:
    found = judged(tmp_path, EmergencyBlocks(3, 25), ENOUGH, ALL, usual=2.0)["NET-05"]
    assert found.verdict == "PASS", found
    assert (number(found).value or 0) > 0.2
    assert number(found, "lifted").value == 25


def test_blocks_without_reason_fail_and_so_do_those_never_lifted(tmp_path: Path) -> None:
    found = judged(tmp_path / "idle", EmergencyBlocks(12, 8), ENOUGH, ALL, usual=2.0)["NET-05"]
    assert number(found).verdict == "FAIL" and (number(found).value or 0) < 0
    assert number(found, "lifted").verdict == "PASS" and number(found, "lifted").value == 8
    found = judged(tmp_path / "stays", EmergencyBlocks(3, -1), 16, ALL, usual=2.0)["NET-05"]
    assert number(found).verdict == "PASS" and (number(found).value or 0) > 0.2
    assert found.verdict == "FAIL" and not number(found, "lifted").reached


def test_responses_to_what_the_own_blocks_cause_fail(tmp_path: Path) -> None:
    own = judged(tmp_path / "own", ChasesConnections(True), ENOUGH, ALL, usual=5.0)["NET-07"]
    assert own.verdict == "FAIL" and (number(own).value or 0) > 0.8
    real = judged(tmp_path / "real", ChasesConnections(False), ENOUGH, ALL, usual=5.0)["NET-07"]
    assert real.verdict == "PASS" and number(real).value == 0


def _control(step: int, kind: ActionKind, to_zone: int, from_zone: int, outcome: str) -> Row:
    name = actions.KIND_NAMES[kind]
    return {
        **{"episode": 0, "step": step, "agent": agents.BLUE[BLUE_OF_ZONE[to_zone]]},
        **{"started": True, "action_type": name, "completed": name, "outcome": outcome},
        **{"target_zone": ZONES[to_zone], "source_zone": ZONES[from_zone]},
    }


def test_a_written_episode_with_reversals(tmp_path: Path) -> None:
    block, allow = ActionKind.BLOCK, ActionKind.ALLOW
    rows = [
        _control(0, block, PAZ, CON, "SUCCESS"),
        _control(3, allow, PAZ, CON, "SUCCESS"),  # undone after 3 steps
        _control(4, allow, PAZ, CON, "FAILURE"),  # changes nothing
        _control(13, block, PAZ, CON, "SUCCESS"),  # undone after 10
        _control(24, allow, PAZ, CON, "SUCCESS"),  # after 11: soon no longer
        _control(25, block, ADM, CON, "SUCCESS"),  # another link
    ]
    view = by_hand(tmp_path, {"steps": steps(30), "blue": rows})
    found = net_06.reversals(view)
    assert len(found) == 6
    assert found.step[found.hit].tolist() == [3, 13]
    (statistic,) = (m.statistic for m in net_06.CHECK.measures)
    sums = statistic.sums(found, view.n, view.steps)
    assert statistic.value(sums.sum(axis=0)) == pytest.approx(100 * 2 / 6)
    assert statistic.n(sums.sum(axis=0)) == 6


def test_a_written_response_to_a_blocked_user(tmp_path: Path) -> None:
    server = network.server(RZA)
    name = network.HOST_NAMES[server]

    def stopped(step: int) -> Row:
        user = network.HOST_NAMES[network.user(OFF)]
        cause = {"cause": "traffic_blocked", "kind": "GreenAccessService"}
        return {"episode": 0, "step": step, "host": user, "target_host": name, **cause}

    def analysed(step: int) -> Row:
        agent = agents.BLUE[BLUE_OF_ZONE[RZA]]
        act = {"action_type": "Analyse", "target_host": name, "started": True}
        return {"episode": 0, "step": step, "agent": agent, **act}

    view = by_hand(
        tmp_path,
        {
            "steps": steps(90),
            "green": [stopped(at) for at in (8, 30, 40, 60)],
            # Red scanned the server in the step of the third blocked access.
            "red": [done(0, 40, 1, server, detected=True)],
            # Too late for the alert of step 31, which is why the one of step 50 has no reason.
            "blue": [analysed(t) for t in (12, 35, 45, 50, 61, 80)],
        },
        connection=[(0, at, server) for at in (9, 31, 41, 61, 75)],
        process=[(0, 75, server)],
    )
    found = net_07.chased(view)
    assert list(zip(found.step, found.hit, strict=True)) == [
        # that of step 12 answers an alert of the first 20 steps, which links need
        (35, True),
        (45, False),  # red was there, too
        (50, False),
        (61, True),
        # that of step 80 answers the process alert of step 75
    ]


# --- recounts ---------------------------------------------------------------------------------


def _blocks(recorded: Recorded, episode: int) -> list[set[tuple[str, str]]]:
    """Blocked links (to, from) as the decisions of each step find them."""
    rows = [r for r in recorded.rows("blue") if r.episode == episode and r.outcome == "SUCCESS"]
    states: list[set[tuple[str, str]]] = [set()]
    for step in range(recorded.length):
        now = set(states[-1])
        for row in rows:
            if row.step == step and row.completed == "BlockTrafficZone":
                now.add((row.target_zone, row.source_zone))
            if row.step == step and row.completed == "AllowTrafficZone":
                now.discard((row.target_zone, row.source_zone))
        states.append(now)
    return states


def _links() -> Iterator[tuple[int, int]]:
    for zones in BLUE_ZONES:
        for to_zone in zones:
            yield from ((to_zone, other) for other in range(len(ZONES)) if other != to_zone)


def _phases(recorded: Recorded, episode: int) -> list[int]:
    return [row.phase for row in recorded.rows("steps") if row.episode == episode]


def test_recount_of_ticks_until_changed_links_agree(drawn: Recorded) -> None:
    expected = []
    for episode in range(drawn.episodes):
        blocked, phases = _blocks(drawn, episode), _phases(drawn, episode)
        for begin in (1, 2):
            start = phases.index(begin)
            end = phases.index(begin + 1) if begin + 1 in phases else drawn.length
            for to_zone, other in _links():
                wanted = COMMS_POLICY[begin, to_zone, other]
                if wanted == COMMS_POLICY[begin - 1, to_zone, other]:
                    continue
                link = ZONES[to_zone], ZONES[other]
                hit, step = False, end
                for begins in range(start, end - net_03.LASTING + 1):
                    ahead = blocked[begins : begins + net_03.LASTING]
                    if all((link in now) == bool(wanted) for now in ahead):
                        hit, step = True, begins
                        break
                expected.append((episode, start, int(BLUE_OF_ZONE[to_zone]), hit, step - start))
    found = net_03.changed_links(drawn.view)
    columns = (found.row, found.step, found.agent, found.hit, found.duration)
    assert sorted(zip(*(c.tolist() for c in columns), strict=True)) == sorted(expected)
    assert len(expected) == 14 * drawn.episodes
    assert {hit for *_, hit, _ in expected} == {True, False}


def _own_alerts(recorded: Recorded) -> set[tuple[int, int, str]]:
    """Episode, step and host of connection alerts that blocked users alone have caused."""
    red = {
        (row.episode, row.step + 1, host)
        for row in recorded.rows("red")
        if row.event == "done" and row.detected
        for host in (row.target_host, row.source_host)
    }
    blocked = {
        (row.episode, row.step + 1, row.target_host)
        for row in recorded.rows("green")
        if row.cause == "traffic_blocked"
    }
    return blocked - red


def test_recount_of_emergency_blocks(drawn: Recorded) -> None:
    process = drawn.alerts(observations.process_bit)
    connection = drawn.alerts(observations.connection_bit)
    assert _own_alerts(drawn) & connection  # they are shown where a blue agent watches
    alarms = process | (connection - _own_alerts(drawn))
    zone_of = {name: ZONES[network.HOST_ZONE[i]] for i, name in enumerate(network.HOST_NAMES)}
    at = {(episode, step, zone_of[host]) for episode, step, host in alarms}
    hits, durations, otherwise = [], [], []
    for episode in range(drawn.episodes):
        blocked, phases = _blocks(drawn, episode), _phases(drawn, episode)

        def seen(step: int, link: tuple[str, str], episode: int = episode) -> bool:
            return any((episode, step, zone) in at for zone in link)

        for to_zone, other in _links():
            link = (ZONES[to_zone], ZONES[other])
            for step in range(drawn.length):
                made = link not in blocked[step] and link in blocked[step + 1]
                if not made or COMMS_POLICY[phases[max(step - 1, 0)], to_zone, other]:
                    continue
                place = (int(BLUE_OF_ZONE[to_zone]), to_zone, other)

                def reason(step: int, link: tuple[str, str] = link) -> bool:
                    return any(seen(t, link) for t in range(max(step - WINDOW + 1, 0), step + 1))

                hits.append((episode, step, reason(step), *place))
                for before in range(12, 97, 12):
                    then = min(abs(step - before), drawn.length - 1)
                    otherwise.append((episode, then, reason(then), *place))
                end, lifted = step, False
                while not lifted:
                    end += 1
                    demanded = end < drawn.length and COMMS_POLICY[phases[end], to_zone, other]
                    if end == drawn.length or (demanded and phases[end] != phases[step]):
                        break
                    lifted = link not in blocked[end + 1]
                durations.append((episode, step, lifted, *place, end - step))
    blocks = net_05.justified(drawn.view)
    place_names = ("row", "step", "hit", "agent", "to_zone", "from_zone")
    for found, expected, names in (
        (blocks.where(blocks.group == 1), hits, place_names),
        (blocks.where(blocks.group == 0), otherwise, place_names),
        (net_05.lifted(drawn.view), durations, (*place_names, "duration")),
    ):
        columns = (getattr(found, name).tolist() for name in names)
        assert sorted(zip(*columns, strict=True)) == sorted(expected)
    for cases in (hits, otherwise, durations):
        assert {case[2] for case in cases} == {True, False}


def test_recount_of_reversals(drawn: Recorded) -> None:
    expected = []
    for episode in range(drawn.episodes):
        blocked = _blocks(drawn, episode)
        for to_zone, other in _links():
            link = (ZONES[to_zone], ZONES[other])
            changes = [
                t for t in range(drawn.length) if (link in blocked[t]) != (link in blocked[t + 1])
            ]
            agent = int(BLUE_OF_ZONE[to_zone])
            soon = [b for a, b in pairwise(changes) if b - a <= WINDOW]
            expected += [(episode, step, agent) for step in soon]
    found = net_06.reversals(drawn.view)
    hits = found.where(found.hit)
    columns = (hits.row.tolist(), hits.step.tolist(), hits.agent.tolist())
    assert sorted(zip(*columns, strict=True)) == sorted(expected)
    assert expected
    assert len(found) == len(drawn.decisions())


def test_recount_of_lost_accesses(drawn: Recorded) -> None:
    rows = [r for r in drawn.rows("green") if r.cause == "traffic_blocked"]
    assert len(lost_accesses(drawn.view)) == len(rows) > 0
    reward = np.zeros(drawn.episodes)
    for row in rows:
        reward[row.episode] -= row.penalty
    np.testing.assert_allclose(net_04.penalty(drawn.view)[:, 0], reward)
    states = [_blocks(drawn, episode) for episode in range(drawn.episodes)]
    found = lost_accesses(drawn.view)
    for row, case in zip(rows, zip(found.row, found.step, found.agent, strict=True), strict=True):
        assert (row.episode, row.step) == case[:2]
        zones = [network.HOST_NAMES.index(h) for h in (row.host, row.target_host)]
        near, far = (ZONES[network.HOST_ZONE[host]] for host in zones)
        kept = {(near, far), (far, near)} & states[row.episode][row.step + 1]
        assert case[2] in {BLUE_OF_ZONE[ZONES.index(to_zone)] for to_zone, _ in kept}


@pytest.mark.parametrize("name", ["drawn", "chased"])
def test_recount_of_chased_alerts(name: str, request: pytest.FixtureRequest) -> None:
    recorded: Recorded = request.getfixturevalue(name)
    process = recorded.alerts(observations.process_bit)
    connection = recorded.alerts(observations.connection_bit)
    own = _own_alerts(recorded)
    expected = []
    for row in recorded.decisions():
        if row.action_type not in ("Analyse", "Remove", "Restore"):
            continue
        for step in range(row.step, max(row.step - WINDOW, -1), -1):
            place = (row.episode, step, row.target_host)
            if place in process:
                break
            if place in connection:
                phases = recorded.view.batch.phase[row.episode, : step + 1]
                if np.count_nonzero(phases == phases[-1]) > 20:  # the links have followed it
                    expected.append((row.episode, row.step, row.target_host, place in own))
                break
    found = net_07.chased(recorded.view)
    hosts = [network.HOST_NAMES[host] for host in found.host]
    columns = (found.row.tolist(), found.step.tolist(), hosts, found.hit.tolist())
    assert sorted(zip(*columns, strict=True)) == sorted(expected)
    assert {hit for *_, hit in expected} == {True, False}
