"""The checks of deception, against known answers and against plain recounts."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import dec_01, dec_02, dec_03
from cagexplain.audit.results import Finding
from cagexplain.cc4 import agents, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.network import CON, OFF, OZA, PAZ, RZA, user
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.decoys import host_time
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.base import Rota
from tests.support.planted import CONNECTION, HOST, ON_HOST, Planted, alert_bits
from tests.support.small import (
    ENOUGH,
    Recorded,
    as_set,
    blue,
    by_hand,
    done,
    judged,
    number,
    service,
    steps,
)

ALL = [module.CHECK for module in (dec_01, dec_02, dec_03)]


class DeploysOnceThenLooks(Planted):
    """Deploys one decoy on every host; from then on Analyses the host that showed a connection
    alert last, if none of its Analyses has begun since."""

    state = ("_rota", "_shown")

    def begin(self, mask: BoolArray) -> None:
        self._rota = Rota(mask, ActionKind.DECOY)
        self._shown = np.zeros((len(mask), *HOST.shape), dtype=np.int64)
        self._step = 0

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        self._step += 1
        self._shown[alert_bits(obs, CONNECTION)] = self._step
        deploys = self._rota.unfinished
        looks = free & ~deploys & self._shown.any(axis=-1)
        slot = self._shown.argmax(axis=-1)
        env, agent = np.nonzero(looks)
        self._shown[env, agent, slot[env, agent]] = 0
        look = ON_HOST[ActionKind.ANALYSE][np.arange(agents.N_BLUE), slot]
        return np.where(looks, look, self._rota.next(free & deploys))


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    """A policy that piles up decoys and does nothing else."""
    return judged(tmp_path_factory.mktemp("cycle"), "decoy_cycle", ENOUGH, ALL, usual=1.0)


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    """A policy that sets up one decoy on every host and heeds what touches them."""
    folder = tmp_path_factory.mktemp("looks")
    return judged(folder, DeploysOnceThenLooks(), ENOUGH, ALL, usual=1.0)


@pytest.fixture(scope="module")
def drawn() -> Recorded:
    """The random policy, which sets up decoys, removes them, and answers by chance."""
    return Recorded(load_policy("random"), 5)


def test_decoys_everywhere_stand_before_the_first_exploit(
    cycle: dict[str, Finding], tmp_path: Path
) -> None:
    assert cycle["DEC-01"].verdict == "PASS"
    assert (number(cycle["DEC-01"], "host_time").value or 0) > 0.9
    none = judged(tmp_path, "sleep", ENOUGH, ALL, usual=1.0)
    assert none["DEC-01"].verdict == "FAIL"
    assert number(none["DEC-01"]).value == number(none["DEC-01"], "host_time").value == 0
    assert none["DEC-02"].verdict == none["DEC-03"].verdict == "NOT_APPLICABLE"


def test_one_decoy_per_host_is_not_waste(
    cycle: dict[str, Finding], looks: dict[str, Finding]
) -> None:
    assert cycle["DEC-02"].verdict == "FAIL"
    assert (number(cycle["DEC-02"]).value or 0) > 0.9
    assert looks["DEC-02"].verdict == "PASS"
    assert number(looks["DEC-02"]).value == 0


def test_touched_decoys_are_answered_by_who_looks(
    cycle: dict[str, Finding], looks: dict[str, Finding]
) -> None:
    assert cycle["DEC-03"].verdict == "FAIL"
    assert number(cycle["DEC-03"]).value == 0
    assert (number(cycle["DEC-03"], "zone").value or 0) > 0.8, "it is busy in the zone, blindly"
    assert looks["DEC-03"].verdict == "PASS"
    assert (number(looks["DEC-03"], "scans").value or 0) > 0.6


def test_only_the_first_attempt_counts(tmp_path: Path) -> None:
    a, b, c, contractor = user(OZA), user(OZA, 1), user(OZA, 2), user(CON)
    exploit = RedAction.EXPLOIT
    red = [
        done(0, 4, exploit, a, "FAILURE"),  # with a decoy
        done(0, 6, exploit, a),
        done(0, 3, RedAction.STEALTH_SCAN, b),
        done(0, 5, exploit, b, "DROPPED"),  # never took place
        done(0, 7, exploit, b),
        done(0, 8, exploit, c),  # its decoy is done in the same step
        done(0, 4, exploit, contractor),
        done(1, 9, exploit, a),
    ]
    services = [service(0, 3, a, decoys=1), service(0, 5, a), service(0, 8, c, decoys=1)]
    services += [service(0, 2, b, decoys=2), service(0, 6, b)]
    view = by_hand(tmp_path / "t", {"steps": steps(12, 2), "red": red, "services": services})
    expected = {(0, 4, a, True), (0, 7, b, False), (0, 8, c, False), (1, 9, a, False)}
    assert as_set(dec_01.first_attempts(view)) == expected


def test_first_attempts_as_a_plain_recount_has_them(drawn: Recorded) -> None:
    standing = _decoys(drawn)
    expected: dict[tuple[int, str], tuple[int, bool]] = {}
    for row in drawn.rows("red"):
        fits = row.event == "done" and row.action_name == "ExploitRemoteService"
        if fits and row.outcome != "DROPPED" and _defended(row.target_host):
            key = row.episode, row.target_host
            met = standing(row.episode, row.target_host, row.step) > 0
            expected[key] = min(expected.get(key, (999, False)), (row.step, met))
    found = as_set(dec_01.first_attempts(drawn.view))
    assert {hit for *_, hit in found} == {True, False}
    assert found == {
        (episode, step, network.host_index(host), met)
        for (episode, host), (step, met) in expected.items()
    }


def test_decoy_time_as_a_plain_recount_has_it(drawn: Recorded) -> None:
    standing = _decoys(drawn)
    expected = np.zeros((drawn.episodes, 4))
    for row in drawn.rows("hosts"):
        if row.kind in ("user", "server") and _defended(row.host):
            with_decoy = sum(
                standing(row.episode, row.host, step) > 0 for step in range(drawn.length)
            )
            expected[row.episode, 2:] += with_decoy, drawn.length
            if "operational" in row.zone:
                expected[row.episode, :2] += with_decoy, drawn.length
    assert np.array_equal(host_time(drawn.view), expected)
    assert (expected > 0).all()


def test_waste_and_cover_by_hand(tmp_path: Path) -> None:
    host, other = user(OZA), user(OFF)
    rows = [row for step in (0, 2, 4) for row in blue(0, step, ActionKind.DECOY, host)]
    rows += blue(0, 4, ActionKind.DECOY, other)
    rows[-1]["outcome"] = "FAILURE"
    services = [service(0, 1, host, decoys=1), service(0, 3, host, decoys=2)]
    view = by_hand(tmp_path / "t", {"steps": steps(10), "blue": rows, "services": services})
    expected = {(0, 0, host, False), (0, 2, host, True), (0, 4, host, True), (0, 4, other, True)}
    assert as_set(dec_02.deployments(view)) == expected
    ratio = next(m for m in dec_02.CHECK.measures if m.key == "ratio")
    sums = dec_02.cover(view)
    # Two of seven defended zones are operational, and hold all decoys.
    assert ratio.statistic.value(sums.sum(axis=0)) == pytest.approx(7 / 2)
    assert ratio.statistic.n(sums).tolist() == [4]
    assert np.isnan(ratio.statistic.value(np.zeros(5)))


def test_what_counts_as_an_answer(tmp_path: Path) -> None:
    touched, near, far = user(PAZ), user(OFF), user(RZA)

    def play(name: str, *rows: dict[str, Any], source: int = near, step: int = 2) -> Any:
        red = [done(0, step, RedAction.EXPLOIT, touched, "FAILURE", detected=True, source=source)]
        red += [
            done(0, step, RedAction.EXPLOIT, touched, "FAILURE", source=source),  # no event
            done(0, step, RedAction.EXPLOIT, touched, detected=True, source=source),  # got in
        ]
        tables = {"steps": steps(20), "red": red, "blue": rows}
        view = by_hand(tmp_path / name, tables)
        return dec_03.touches(view).hit.tolist(), dec_03.in_zone(view).hit.tolist()

    def block(to_zone: int, from_zone: int) -> dict[str, Any]:
        link = {"target_zone": network.ZONES[to_zone], "source_zone": network.ZONES[from_zone]}
        begin = {"episode": 0, "step": 5, "agent": "blue_agent_4", "started": True}
        return begin | {"action_type": "BlockTrafficZone"} | link

    analyse = ActionKind.ANALYSE
    assert play("first", *blue(0, 3, analyse, touched)) == ([True], [True])
    assert play("last", *blue(0, 12, analyse, touched)) == ([True], [True])
    assert play("before", *blue(0, 2, analyse, touched)) == ([False], [False])
    assert play("late", *blue(0, 13, analyse, touched)) == ([False], [False])
    assert play("unknown", *blue(0, 3, analyse, touched), step=10) == ([], [])
    assert play("neighbour", *blue(0, 3, analyse, user(PAZ, 1))) == ([False], [True])
    assert play("decoy", *blue(0, 3, ActionKind.DECOY, touched)) == ([False], [True])
    assert play("source", *blue(0, 3, analyse, near)) == ([True], [False])
    assert play("foreign", *blue(0, 3, analyse, far), source=far) == ([False], [False])
    assert play("block", block(PAZ, RZA), source=far) == ([True], [False])
    assert play("other way", block(PAZ, OFF), source=far) == ([False], [False])


def test_answers_as_a_plain_recount_has_them(drawn: Recorded) -> None:
    decisions = defaultdict(list)
    for row in drawn.decisions():
        decisions[row.episode].append(row)
    expected = []
    for red in drawn.rows("red"):
        fits = red.event == "done" and red.action_name == "ExploitRemoteService"
        fits = fits and red.outcome == "FAILURE" and red.detected and _defended(red.target_host)
        if not fits or red.step + 11 > drawn.length:
            continue
        host, source = network.host_index(red.target_host), red.source_host
        mine = agents.BLUE[agents.BLUE_OF_HOST[host]]
        from_zone = network.ZONES[network.HOST_ZONE[network.host_index(source)]]
        hit = False
        for row in decisions[red.episode]:
            if red.step < row.step <= red.step + 10:
                aimed = row.target_host == red.target_host
                aimed |= row.target_host == source and row.agent == mine
                hit |= aimed and row.action_type in ("Analyse", "Remove", "Restore")
                hit |= (
                    row.action_type == "BlockTrafficZone"
                    and row.target_zone == network.ZONES[network.HOST_ZONE[host]]
                    and row.source_zone == from_zone
                )
        expected.append((red.episode, red.step + 1, host, hit))
    found = dec_03.touches(drawn.view)
    columns = (found.row, found.step, found.host, found.hit)
    assert {hit for *_, hit in expected} == {True, False}
    assert sorted(zip(*(c.tolist() for c in columns), strict=True)) == sorted(expected)


def test_an_exploit_that_fails_and_is_seen_met_a_decoy(drawn: Recorded) -> None:
    """What DEC-03 rests on."""
    standing = _decoys(drawn)
    touched = [
        row
        for row in drawn.rows("red")
        if row.action_name == "ExploitRemoteService" and row.outcome == "FAILURE" and row.detected
    ]
    assert len(touched) >= 5
    for row in touched:  # a decoy that is done in the step stands before red acts
        assert standing(row.episode, row.target_host, row.step + 1) > 0


def _defended(host: str) -> bool:
    return isinstance(host, str) and agents.BLUE_OF_HOST[network.host_index(host)] >= 0


def _decoys(play: Recorded) -> Any:
    """Decoys on a host when a step's decisions are made."""
    changes = defaultdict(list)
    for row in play.rows("services"):
        changes[row.episode, row.host].append((row.step, row.decoys))

    def standing(episode: int, host: str, step: int) -> int:
        return next((n for t, n in reversed(changes[episode, host]) if t < step), 0)

    return standing
