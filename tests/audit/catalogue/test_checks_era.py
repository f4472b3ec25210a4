"""Checks of eradication: known answers, recounts, and what passes and fails."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import era_01, era_02, era_03, era_04, era_06, era_07
from cagexplain.audit.checks import check
from cagexplain.audit.judge import Tallies
from cagexplain.audit.play.count import count
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding
from cagexplain.cc4 import actions, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.facts import recoveries
from cagexplain.facts.batch import run
from cagexplain.facts.cases import Cases
from cagexplain.facts.view import Facts, View
from cagexplain.stats.estimates import Difference
from tests.support import replays
from tests.support.planted import HOST, ON_HOST, RestoresRoot, planted, record
from tests.support.small import (
    DECLARED,
    ENOUGH,
    Recorded,
    Row,
    as_set,
    blue,
    by_hand,
    number,
    steps,
)

CHECKS = tuple(check(f"ERA-0{i}") for i in range(1, 8))
# With two cases worth an independent one, few episodes suffice where none or all are hits.
USUAL = References((), {}, {(c.id, m.key): 2.0 for c in CHECKS for m in c.measures})
ANALYSE, REMOVE, RESTORE = ActionKind.ANALYSE, ActionKind.REMOVE, ActionKind.RESTORE
A, B, C, D, E = (network.server(network.RZA, i) for i in range(5))


class Oracle(RestoresRoot):
    """Restores the first host that red is on, which no observation tells."""

    def choose(self, obs: Any, mask: Any, free: Any) -> Any:
        held = (self.env.truth().host_level[:, HOST] > 0) & (HOST >= 0)
        restore = ON_HOST[RESTORE][np.arange(len(HOST)), held.argmax(axis=-1)]
        return np.where(free & held.any(axis=-1), restore, actions.SLEEP_INDEX)


def judged(tallies: Tallies) -> dict[str, Finding]:
    return {finding.id: finding for finding in tallies.findings(USUAL)}


@cache
def found(policy: str, episodes: int = ENOUGH) -> dict[str, Finding]:
    """Findings about some episodes of a policy."""
    tallies = Tallies(CHECKS, Facts(), DECLARED)
    count(planted(policy), np.arange(300, 300 + episodes), [tallies])
    return judged(tallies)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    tallies = Tallies(CHECKS, Facts(), DECLARED)
    run(record(tmp_path_factory.mktemp("oracle") / "t", Oracle(), ENOUGH), [tallies])
    return judged(tallies)


@pytest.fixture(scope="module")
def play() -> Recorded:
    """A policy that acts at random, whatever it sees."""
    return Recorded(planted("chances"), 3, 350)


def judge(view: View, ident: str) -> Finding:
    """The finding of one check about a view."""
    tallies = Tallies([check(ident)], view.facts, DECLARED)
    tallies.add(view.batch)
    return judged(tallies)[ident]


def change(episode: int, step: int, host: int, before: int, after: int, **more: object) -> Row:
    """A row of the table `levels`: what holds from the next step on."""
    named = {"episode": episode, "step": step, "host": network.HOST_NAMES[host]}
    return {**named, "from_level": before, "to_level": after, **more}


def act(step: int, kind: ActionKind, host: int, level: int = 0, files: int = -1) -> list[Row]:
    """An action in the first episode that meets a level; an Analyse lists so many files."""
    begin, end = blue(0, step, kind, host, level)
    return [begin | {"found": -1}, end | {"found": files}]


# ERA-01


def test_restore_is_the_answer_to_root() -> None:
    finding = found("restores_on_process", 12)["ERA-01"]
    assert finding.verdict == "PASS"
    assert number(finding).value == 1
    assert number(finding, "visible").value == 1
    assert not finding.evidence


def test_a_look_is_no_answer_to_root() -> None:
    finding = found("analyses_then_restores")["ERA-01"]
    assert finding.verdict == "FAIL"
    assert number(finding).value == 0
    assert number(finding, "visible").value == pytest.approx(0, abs=0.02)
    assert finding.evidence


def test_who_never_answers_is_not_judged_by_the_answer() -> None:
    finding = found("sleep")["ERA-01"]
    assert finding.verdict == "NOT_APPLICABLE"
    assert "when the first response" in finding.reason


def test_first_responses_to_what_could_be_seen(tmp_path: Path) -> None:
    view = by_hand(
        tmp_path,
        {
            "steps": steps(120),
            "blue": [
                *act(12, REMOVE, A),  # two steps after an alert
                *act(16, RESTORE, A),  # after a response to it
                *act(39, RESTORE, A),  # nine steps after an alert
                *act(60, RESTORE, A),  # ten steps after an alert, which is too old
                *act(70, ANALYSE, A, files=2),  # ends in step 71
                *act(74, RESTORE, A),
                *act(80, ANALYSE, A, files=1),
                *act(84, RESTORE, A),  # the files are those of a user
                *act(90, RESTORE, B),  # nothing was seen
                *act(100, ANALYSE, A),  # in the very step of an alert
            ],
        },
        process=[(0, 10, A), (0, 30, A), (0, 50, A), (0, 100, A)],
    )
    blind = {(0, 12, A, False), (0, 39, A, True), (0, 100, A, False)}
    assert as_set(era_01.first_responses_to_evidence(view)) == blind
    seeing = View(view.batch, Facts(sees_files=True))
    assert as_set(era_01.first_responses_to_evidence(seeing)) == blind | {(0, 74, A, True)}
    deaf = View(view.batch, Facts(observations=False))
    assert len(era_01.first_responses_to_evidence(deaf)) == 0


# ERA-02, ERA-03, ERA-04


def test_remove_on_alerts_is_used_where_it_can_work() -> None:
    aimed, blind = (
        found("reactive_remove", 12)["ERA-02"],
        found("removes_and_restores", 12)["ERA-02"],
    )
    assert aimed.verdict == "PASS"
    assert blind.verdict == "FAIL"  # it Removes where there is only a connection alert
    clean = number(blind, "clean").value
    assert clean is not None
    assert clean > 0.8
    assert found("restores_on_process", 12)["ERA-02"].verdict == "NOT_APPLICABLE"


def test_removes_and_what_they_met(tmp_path: Path) -> None:
    view = by_hand(
        tmp_path,
        {
            "steps": steps(100),
            "levels": [
                *(change(0, 9, host, 0, 1) for host in (A, B, C, D)),
                change(0, 14, C, 1, 2),
                change(0, 60, A, 1, 0),
                change(0, 70, A, 0, 1),
            ],
            "blue": [
                *act(20, REMOVE, A, 1),  # reported after red came
                *act(30, REMOVE, B, 1),  # reported before red came
                *act(40, REMOVE, C, 2),  # root
                *act(50, REMOVE, D, 1),  # reported in the step in which it takes effect
                *act(64, REMOVE, A, 0),  # clean
                *act(80, REMOVE, A, 1),  # reported in an earlier stay only
                *act(98, REMOVE, A, 1)[:1],  # cut off
            ],
        },
        process=[(0, 15, A), (0, 5, B), (0, 15, C), (0, 52, D)],
    )
    works = {20: A, 50: D}
    met = {20: A, 30: B, 40: C, 50: D, 64: A, 80: A}
    cases = as_set(era_02.that_can_work(view))
    assert cases == {(0, step, host, step in works) for step, host in met.items()}
    clean = as_set(era_02.on_clean_hosts(view))
    assert clean == {(0, step, host, step == 64) for step, host in met.items()}


def test_restore_evicts_and_remove_rarely_does() -> None:
    restore, remove = found("restores_on_process", 12)["ERA-03"], found("remove_cycle")["ERA-03"]
    assert restore.verdict == "PASS"
    assert remove.verdict == "FAIL"
    claim, real = number(remove, "over_claim").value, number(remove).value
    assert claim is not None
    assert real is not None
    assert claim + real == pytest.approx(1)  # all of them report success
    assert number(remove, "remove").value == real
    assert number(remove, "restore").n == 0


def ended(play: Recorded, kinds: tuple[str, ...]) -> list[tuple[Any, list[int]]]:
    """Rows of actions that took effect where red was and were followed, with red's levels."""
    levels = replays.levels(play)
    return [
        (row, levels[row.episode, network.HOST_NAMES.index(row.completed_host)])
        for row in play.rows("blue")
        if row.completed in kinds and row.completed_level > 0 and row.step + 1 < play.length
    ]


def test_effects_are_those_of_a_recount(play: Recorded) -> None:
    for kinds, cases in (
        (("Remove", "Restore"), recoveries.evictions_of_red),
        (("Remove",), recoveries.by_remove),
        (("Restore",), recoveries.by_restore),
    ):
        expected = {
            (
                row.episode,
                row.step,
                network.HOST_NAMES.index(row.completed_host),
                level[row.step + 1] == 0,
            )
            for row, level in ended(play, kinds)
        }
        assert as_set(cases(play.view)) == expected
        assert {case[3] for case in expected} >= {True}
    rows = ended(play, ("Remove", "Restore"))
    real = sum(level[row.step + 1] == 0 for row, level in rows)
    told = sum(row.outcome == "SUCCESS" for row, _ in rows)
    sums = Difference().sums(era_03.claims(play.view), play.episodes, play.length).sum(axis=0)
    assert sums.tolist() == [told, len(rows), real, len(rows)]


def test_failed_removes_are_those_of_a_recount(play: Recorded) -> None:
    restores = replays.started(play, ("Restore",))
    expected = set()
    for row, level in ended(play, ("Remove",)):
        host = network.HOST_NAMES.index(row.completed_host)
        if row.step + 10 < play.length and level[row.step + 1] > 0:
            after = restores[row.episode, host]
            hit = any(row.step < t <= row.step + 10 for t in after)
            expected.add((row.episode, row.step, host, hit))
    assert as_set(era_04.failed_removes(play.view)) == expected
    assert {case[3] for case in expected} == {True, False}


@pytest.mark.parametrize(("delay", "verdict"), [(10, "PASS"), (11, "FAIL")])
def test_escalation_in_time_decides(tmp_path: Path, delay: int, verdict: str) -> None:
    rows = [
        row
        for episode in range(ENOUGH)
        for step in range(20, 180, 40)
        for row in (
            *blue(episode, step, REMOVE, A, 2),
            *blue(episode, step + 2 + delay, RESTORE, A, 2),
        )
    ]
    taken = [change(episode, 9, A, 0, 2) for episode in range(ENOUGH)]
    view = by_hand(tmp_path, {"steps": steps(200, ENOUGH), "blue": rows, "levels": taken})
    finding = judge(view, "ERA-04")
    assert finding.verdict == verdict
    assert finding.n == 4 * ENOUGH


def test_escalation_does_not_apply_without_a_failed_remove() -> None:
    finding = found("restores_on_process", 12)["ERA-04"]
    assert finding.verdict == "NOT_APPLICABLE"
    assert found("remove_cycle")["ERA-04"].verdict == "FAIL"


# ERA-05 and ERA-06


def test_who_knows_all_ends_stays_and_prevents_root(oracle: dict[str, Finding]) -> None:
    dwell, root = oracle["ERA-05"], oracle["ERA-06"]
    assert dwell.verdict == root.verdict == "PASS"
    for key in ("visible", "silent"):
        median = number(dwell, key).value
        assert median is not None
        assert 5 <= median <= 8  # a Restore takes five steps


def test_who_sleeps_ends_and_prevents_nothing() -> None:
    dwell, root = found("sleep")["ERA-05"], found("sleep")["ERA-06"]
    assert dwell.verdict == "FAIL"
    assert not number(dwell, "visible").reached
    assert not number(dwell, "silent").reached
    # Without blue half of the footholds become root within 50 steps.
    assert number(root).value == pytest.approx(0.54, abs=0.06)


@pytest.mark.parametrize(("after", "verdict"), [(50, "FAIL"), (51, "PASS")])
def test_root_within_the_time_decides(tmp_path: Path, after: int, verdict: str) -> None:
    """Four footholds an episode become root; who begins as root is none."""
    rows = [
        row
        for episode in range(12)
        for host in (A, B, C, D)
        for row in (change(episode, 9, host, 0, 1), change(episode, 9 + after, host, 1, 2))
    ]
    rows += [change(episode, 9, E, 0, 2) for episode in range(12)]
    finding = judge(by_hand(tmp_path, {"steps": steps(100, 12), "levels": rows}), "ERA-06")
    assert finding.n == 48
    assert number(finding).value == (after == 50)
    assert finding.verdict == verdict


def test_who_waits_for_alerts_ends_visible_stays_only() -> None:
    finding = found("restores_on_process", 12)["ERA-05"]
    assert number(finding, "visible").value == 5
    assert number(finding, "visible").verdict == "PASS"
    silent = number(finding, "silent").value
    assert silent is None or silent > 100


def test_stays_in_the_zone_of_the_running_mission(tmp_path: Path) -> None:
    oza, ozb = network.server(network.OZA), network.server(network.OZB)
    for phase, expected in ((0, None), (1, 10), (2, 30)):
        view = by_hand(
            tmp_path / str(phase),
            {
                "steps": steps(90, phase=phase),
                "levels": [
                    *(change(0, 9, host, 0, 1) for host in (A, oza, ozb)),
                    change(0, 19, oza, 1, 0),
                    change(0, 39, ozb, 1, 0),
                ],
            },
        )
        assert number(judge(view, "ERA-05"), "silent_critical").value == expected


def durations(cases: Cases) -> set[tuple[int, ...]]:
    columns = (cases.row, cases.host, cases.step, cases.hit, cases.other, cases.duration)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def test_footholds_are_those_of_a_recount(play: Recorded) -> None:
    expected = set()
    for stay in replays.stays(play):
        if stay.levels[0] == 1:
            root = stay.levels.index(2) if 2 in stay.levels else None
            length = len(stay.levels) if root is None else root
            soon = length <= 50
            other = root is None and stay.cleared and soon
            hit = root is not None and soon
            expected.add((*stay.place, stay.on, hit, other, min(length, 51)))
    assert durations(era_06.footholds(play.view)) == expected
    assert {(case[3], case[4]) for case in expected} == {(0, 0), (0, 1), (1, 0)}


# ERA-07


def test_clears_and_peers_are_those_of_a_recount(play: Recorded) -> None:
    stays, exist = replays.stays(play), set(replays.defended(play))
    onsets = {place: [s.on for s in stays if s.place == place] for place in exist}

    def again(row: int, host: int, step: int) -> bool:
        return any(step < on <= step + 50 for on in onsets[row, host])

    own, peers = [], []
    for stay in stays:
        clear = stay.end
        if not stay.cleared or clear + 50 >= play.length:
            continue
        first = stay.host // network.HOSTS_PER_ZONE * network.HOSTS_PER_ZONE
        ring = [
            first + (stay.host - first + i) % network.HOSTS_PER_ZONE
            for i in range(1, network.HOSTS_PER_ZONE)
        ]
        untouched = [
            host
            for host in ring
            if (stay.row, host) in exist and not any(on <= clear for on in onsets[stay.row, host])
        ]
        if untouched:
            own.append((stay.row, clear, stay.host, again(stay.row, stay.host, clear)))
            chosen = [untouched[i % len(untouched)] for i in range(4)]
            peers += [(stay.row, clear, host, again(stay.row, host, clear)) for host in chosen]
    cases = era_07.against_peers(play.view)
    assert as_set(cases.where(cases.group == 1)) == set(own)
    other = cases.where(cases.group == 0)
    columns = (other.row, other.step, other.host, other.hit)
    assert sorted(zip(*(c.tolist() for c in columns), strict=True)) == sorted(peers)
    assert len(own) > 30
    assert 0 < sum(case[3] for case in peers) < len(peers)


@pytest.mark.parametrize(("back", "verdict"), [(1, "PASS"), (24, "FAIL")])
def test_coming_back_more_often_than_elsewhere_decides(
    tmp_path: Path, back: int, verdict: str
) -> None:
    """In each of 30 episodes a host is cleared; in `back` of them it falls again. Of its ten times
    thirty untouched peers in the zone a fifth falls, too."""
    users = [network.user(network.OZA, i) for i in range(10)]
    rows = []
    for episode in range(30):
        rows += [change(episode, 9, users[0], 0, 1), change(episode, 19, users[0], 1, 0)]
        if episode < back:
            rows.append(change(episode, 39, users[0], 0, 1))
        if episode % 5 == 0:
            rows += [change(episode, 49, user, 0, 1) for user in users[1:]]
    view = by_hand(tmp_path, {"steps": steps(100, 30), "levels": rows})
    finding = judge(view, "ERA-07")
    assert number(finding).value == pytest.approx(back / 6)
    assert number(finding, "again").value == pytest.approx(back / 30)
    assert finding.verdict == verdict


def test_without_evictions_nothing_can_come_back() -> None:
    finding = found("sleep")["ERA-07"]
    assert finding.verdict == "NOT_APPLICABLE"
    assert finding.reason
