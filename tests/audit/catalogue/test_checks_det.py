"""Checks of detection and analysis: known answers, recounts, and what passes and fails."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cagexplain.audit.catalogue import det_01, det_02, det_03, det_04, det_05, det_06
from cagexplain.audit.checks import check
from cagexplain.audit.judge import Tallies
from cagexplain.audit.play.count import count
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding, Place
from cagexplain.cc4 import network, observations
from cagexplain.cc4.actions import N_KINDS, ActionKind
from cagexplain.cc4.agents import BLUE, BLUE_OF_HOST
from cagexplain.facts.view import Facts, View
from cagexplain.stats.estimates import Difference, Incidence, Quantile
from tests.support import replays
from tests.support.planted import planted
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

CHECKS = tuple(check(f"DET-0{i}") for i in range(1, 8))
# With two cases worth an independent one, few episodes suffice where none or all are hits.
USUAL = References((), {}, {(c.id, m.key): 2.0 for c in CHECKS for m in c.measures})
A, B, C = (network.server(network.RZA, i) for i in range(3))
D = network.server(network.OZA)


@cache
def found(policy: str) -> dict[str, Finding]:
    """Findings about enough episodes of a policy."""
    tallies = Tallies(CHECKS, Facts(), DECLARED)
    count(planted(policy), np.arange(300, 300 + ENOUGH), [tallies])
    return {f.id: f for f in tallies.findings(USUAL)}


@pytest.fixture(scope="module")
def play() -> Recorded:
    """A policy that acts at random, whatever it sees."""
    return Recorded(planted("chances"), 3, 250)


def seeing(view: View) -> View:
    """The same view of a policy that sees what Analyse lists."""
    return View(view.batch, Facts(sees_files=True))


def judge(view: View, ident: str) -> Finding:
    """The finding of one check about a view."""
    tallies = Tallies([check(ident)], view.facts, DECLARED)
    tallies.add(view.batch)
    return tallies.findings(USUAL)[0]


# DET-01


def test_who_restores_at_an_alert_reacts() -> None:
    finding = found("restores_on_process")["DET-01"]
    assert finding.verdict == "PASS"
    # Only the first of several hosts with an alert can be restored.
    assert number(finding, "process").value == pytest.approx(0.98, abs=0.02)
    connection, both = number(finding, "connection").value, number(finding).value
    assert connection is not None
    assert both is not None
    assert connection < both < 0.6  # a connection alert alone changes nothing


def test_who_sleeps_does_not_react() -> None:
    finding = found("sleep")["DET-01"]
    assert finding.verdict == "FAIL"
    assert number(finding).value == 0
    assert all(part.bad == part.n for part in finding.parts)
    assert {e.agent for e in finding.evidence} == set(BLUE)


def test_who_acts_three_steps_later_does_not_react_to_the_alert_itself() -> None:
    finding = found("restores_later")["DET-01"]
    assert finding.verdict == "FAIL"
    assert number(finding).value == pytest.approx(0, abs=0.01)


def test_the_ignored_subnet_stands_out() -> None:
    finding = found("ignores_subnet")["DET-01"]
    zones = {part.name: part for part in finding.parts if part.kind == "zone"}
    ignored = zones.pop(network.ZONES[network.OFF])
    assert ignored.n > 100
    assert ignored.bad == ignored.n
    assert ignored.fails
    assert all(1 - part.bad / part.n > 0.2 for part in zones.values() if part.n)
    assert finding.verdict == "FAIL" and finding.whole != "FAIL"
    assert finding.worst is not None
    assert Place("zone", network.ZONES[network.OFF]) in finding.worst.place


def test_hosts_acted_on_are_those_of_a_recount(play: Recorded) -> None:
    alerts = play.alerts(observations.process_bit) | play.alerts(observations.connection_bit)
    own: dict[tuple[int, int], list[int]] = {}
    for row, host in replays.defended(play):
        own.setdefault((row, int(BLUE_OF_HOST[host])), []).append(host)
    expected = np.zeros(4)
    for decision in play.decisions():
        for host in own[decision.episode, BLUE.index(decision.agent)]:
            name = network.HOST_NAMES[host]
            column = 0 if (decision.episode, decision.step, name) in alerts else 2
            expected[column] += decision.target_host == name
            expected[column + 1] += 1
    sums = Difference().sums(det_01.on_alert(play.view), play.episodes, play.length)
    assert sums.sum(axis=0).tolist() == expected.tolist()
    assert expected.min() > 10


# DET-02


def test_a_slow_or_indirect_reaction_is_a_dependence() -> None:
    for policy in ("restores_later", "blocks_on_alert"):
        assert found(policy)["DET-01"].verdict == "FAIL"
        finding = found(policy)["DET-02"]
        assert finding.verdict == "PASS"
        value = number(finding).value
        assert value is not None
        assert value > 0.4
    assert number(found("blocks_on_alert")["DET-02"]).value == pytest.approx(1, abs=0.02)


def test_one_action_class_depends_on_nothing() -> None:
    finding = found("sleep")["DET-02"]
    assert finding.verdict == "FAIL"
    assert number(finding).value == 0


@pytest.mark.parametrize("policy", ["comms_block", "every_tenth"])
def test_who_acts_by_the_clock_shows_no_dependence(policy: str) -> None:
    finding = found(policy)["DET-02"]
    assert finding.verdict != "PASS"
    assert number(finding).value == pytest.approx(0, abs=1e-6)


def test_information_with_known_answers() -> None:
    dependent, independent = np.zeros((9, N_KINDS)), np.zeros((9, N_KINDS))
    dependent[0, 4] = dependent[2, 3] = 50
    independent[[[0], [2]], [3, 4]] = 25
    unlike = [independent] * det_02.OTHERS

    def value(own: np.ndarray, others: list[np.ndarray]) -> float:
        return float(det_02.excess(np.concatenate([own, *others]).ravel()))

    assert value(dependent, unlike) == pytest.approx(1)
    assert value(independent, unlike) == pytest.approx(0)
    assert value(dependent, [dependent] * det_02.OTHERS) == pytest.approx(0)
    assert det_02.alerted(np.concatenate([dependent, *unlike]).ravel()) == 50


def test_every_pairing_counts_every_decision(play: Recorded) -> None:
    tables = det_02.tables(play.view).reshape(play.episodes, 1 + det_02.OTHERS, 9, N_KINDS)
    decisions = play.decisions()
    each = [sum(d.episode == row for d in decisions) for row in range(play.episodes)]
    np.testing.assert_array_equal(tables.sum(axis=(2, 3)), np.repeat([each], 9, axis=0).T)
    np.testing.assert_array_equal(
        tables.sum(axis=2), np.repeat(tables[:, :1].sum(axis=2), 9, axis=1)
    )
    alone = Recorded(planted("restores_on_process"), 1, 250).view
    assert det_02.excess(det_02.tables(alone)[0]) > 0.5


def test_patterns_tell_now_from_before(tmp_path: Path) -> None:
    view = by_hand(
        tmp_path, {"steps": steps(12)}, process=[(0, 2, A)], connection=[(0, 4, B), (0, 4, D)]
    )
    patterns = det_02.patterns(view)[0]
    assert patterns[:, 0].tolist() == [0, 0, 6, 3, 5, 4, 4, 4, 1, 1, 0, 0]
    assert patterns[:, 1].tolist() == [0, 0, 0, 0, 2, 1, 1, 1, 1, 1, 0, 0]
    assert not patterns[:, 2:].any()


# DET-03 and DET-04


def test_the_wait_is_the_planted_one() -> None:
    for policy, wait in (("restores_on_process", 0), ("restores_later", 3)):
        median = number(found(policy)["DET-03"])
        assert (median.value, median.verdict) == (wait, "PASS")


def test_prompt_answers_pass() -> None:
    finding = found("expert")["DET-03"]
    assert finding.verdict == "PASS"
    assert number(finding, "soon").value == pytest.approx(0.95, abs=0.04)
    assert found("expert")["DET-04"].verdict == "PASS"


def test_who_sleeps_never_answers() -> None:
    finding = found("sleep")["DET-03"]
    assert finding.verdict == "FAIL"
    assert not number(finding).reached
    assert number(finding, "soon").value == 0
    left = found("sleep")["DET-04"]
    assert left.verdict == "FAIL"
    assert number(left).value == 1
    assert left.evidence


def test_waits_are_those_of_a_recount(play: Recorded) -> None:
    bits = (observations.process_bit, observations.connection_bit)
    alerts = replays.shown(set().union(*map(play.alerts, bits)))
    started = replays.started(play, replays.RESPONSES)
    expected = set()
    for stay in replays.stays(play):
        alert = stay.first(alerts[stay.place])
        if alert is None:
            continue
        answer = stay.first(t for t in started[stay.place] if t >= alert)
        wait = (stay.end - 1 if answer is None else answer) - alert  # the last look at it
        expected.add((stay.row, alert, stay.host, answer is not None, wait))
    waits = det_03.waiting(play.view)
    got = {
        (*place, int(wait))
        for place, wait in zip(
            zip(*(c.tolist() for c in (waits.row, waits.step, waits.host, waits.hit)), strict=True),
            waits.duration,
            strict=True,
        )
    }
    assert got == expected
    assert len(expected) > 30


def test_unanswered_incidents_are_those_of_a_recount(play: Recorded) -> None:
    alerts = replays.shown(play.alerts(observations.process_bit))
    started = replays.started(play, replays.RESPONSES)
    expected = set()
    for stay in replays.stays(play):
        alert = stay.first(alerts[stay.place])
        if alert is None:
            continue
        answered = any(alert <= t <= alert + 25 for t in started[stay.place])
        if answered or stay.cleared or alert + 25 < play.length:
            left = not answered and stay.end > alert + 25
            expected.add((stay.row, alert, stay.host, left))
    assert as_set(det_04.unanswered(play.view)) == expected
    assert {case[3] for case in expected} == {True, False}


def change(episode: int, step: int, host: int, before: int, after: int, **more: object) -> Row:
    """A row of the table `levels`."""
    named = {"episode": episode, "step": step, "host": network.HOST_NAMES[host]}
    return {**named, "from_level": before, "to_level": after, **more}


def test_four_incidents_and_what_became_of_them(tmp_path: Path) -> None:
    """A is looked at 4 steps after its alert, B by an action begun before it, C never, and what
    becomes of D nobody sees."""
    view = by_hand(
        tmp_path,
        {
            "steps": steps(60),
            "levels": [
                *(change(0, 9, host, 0, 1) for host in (A, B, C)),
                change(0, 49, D, 0, 1),
                change(0, 14, B, 1, 0),
            ],
            "blue": [
                *blue(0, 10, ActionKind.RESTORE, B, 1),
                *blue(0, 16, ActionKind.ANALYSE, A, 1),
            ],
        },
        process=[(0, 12, A), (0, 12, B), (0, 20, C), (0, 50, D)],
    )
    assert as_set(det_04.unanswered(view)) == {
        (0, 12, A, False),
        (0, 12, B, False),
        (0, 20, C, True),
    }
    waits = det_03.waiting(view)
    assert dict(zip(waits.host.tolist(), waits.duration.tolist(), strict=True)) == {
        **{A: 4, B: 2, C: 39, D: 9}  # B, C and D as long as an answer could be seen
    }
    assert waits.hit.tolist() == [host == A for host in waits.host]
    sums = Quantile(0.5).sums(waits, 1, 60)
    # Of A, C and D, who are still at risk after B has left, a third is answered: the median is far.
    assert Quantile(0.5).value(sums.sum(axis=0)) == np.inf
    soon = Incidence(15).value(Incidence(15).sums(waits, 1, 60).sum(axis=0))
    assert soon == pytest.approx(1 / 3)


# DET-05 and DET-06


def test_who_does_not_see_files_is_not_asked_to_look() -> None:
    weak, used = found("expert")["DET-05"], found("expert")["DET-06"]
    assert weak.verdict == used.verdict == "NOT_APPLICABLE"
    assert "leaves out what Analyse lists" in weak.reason
    assert "blind" in used.reason
    assert "two steps" in used.reason
    assert not used.measures


def analysed(episode: int, step: int, host: int, files: int) -> list[Row]:
    """An Analyse that lists so many kinds of malicious files."""
    begin, end = blue(episode, step, ActionKind.ANALYSE, host)
    return [begin | {"found": -1}, end | {"found": files}]


def disrupted(episode: int, step: int, host: int) -> list[Row]:
    """A Restore."""
    return [row | {"found": -1} for row in blue(episode, step, ActionKind.RESTORE, host)]


def test_weak_evidence_and_what_makes_it_stronger(tmp_path: Path) -> None:
    view = by_hand(
        tmp_path,
        {
            "steps": steps(200),
            "blue": [
                *disrupted(0, 10, A),  # on nothing
                *disrupted(0, 30, A),  # on a connection alert of this step
                *disrupted(0, 50, A),  # on two of them
                *analysed(0, 60, A, 0),
                *disrupted(0, 70, A),  # after an Analyse that ended nine steps ago
                *disrupted(0, 80, A),  # and nineteen steps ago
                *disrupted(0, 100, A),  # on a process alert nine steps ago
                *disrupted(0, 120, A),  # on one ten steps ago, which is too old
                *analysed(0, 130, B, 2),
                *disrupted(0, 140, A),  # after an Analyse of another host
            ],
        },
        process=[(0, 91, A), (0, 110, A)],
        connection=[(0, 30, A), (0, 41, A), (0, 50, A)],
    )
    cases = as_set(det_05.on_weak_evidence(view))
    looked = {10: False, 30: False, 50: True, 70: True, 80: False, 120: False, 140: False}
    assert cases == {(0, step, A, hit) for step, hit in looked.items()}


@pytest.mark.parametrize(("looks", "verdict"), [(True, "PASS"), (False, "FAIL")])
def test_looking_before_disruption_decides(tmp_path: Path, looks: bool, verdict: str) -> None:
    rows = [
        row
        for episode in range(ENOUGH)
        for step in range(10, 190, 20)
        for row in (
            *(analysed(episode, step, A, 1) if looks else ()),
            *disrupted(episode, step + 4, A),
        )
    ]
    view = by_hand(tmp_path, {"steps": steps(200, 10), "blue": rows})
    assert judge(seeing(view), "DET-05").verdict == verdict
    assert judge(view, "DET-05").verdict == "NOT_APPLICABLE"


def test_findings_that_are_followed_up(tmp_path: Path) -> None:
    view = by_hand(
        tmp_path,
        {
            "steps": steps(100),
            "blue": [
                *analysed(0, 10, A, 1),
                *disrupted(0, 21, A),  # ten steps after the Analyse ended
                *analysed(0, 30, A, 2),
                *disrupted(0, 42, A),  # eleven steps after
                *analysed(0, 50, A, 0),
                *disrupted(0, 55, B),  # of another host
                *analysed(0, 88, A, 1),  # ends in step 89: followed for ten steps
                *analysed(0, 91, B, 1),  # not followed long enough
            ],
        },
    )
    cases = det_06.followed_up(seeing(view))
    assert as_set(cases) == {
        (0, 10, A, True),
        (0, 30, A, False),
        (0, 50, A, False),
        (0, 88, A, False),
    }
    assert cases.group.tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(("used", "verdict"), [(True, "PASS"), (False, "FAIL")])
def test_using_what_was_found_decides(tmp_path: Path, used: bool, verdict: str) -> None:
    rows = [
        row
        for episode in range(ENOUGH)
        for step in range(10, 190, 20)
        for row in (
            *analysed(episode, step, A, step // 20 % 2),
            *(disrupted(episode, step + 4, A) if step // 20 % 2 or not used else ()),
        )
    ]
    view = by_hand(tmp_path, {"steps": steps(200, 10), "blue": rows})
    finding = judge(seeing(view), "DET-06")
    assert finding.verdict == verdict
    assert number(finding).value == (1 if used else 0)


# DET-07


def test_only_who_sweeps_finds_silent_footholds() -> None:
    sweeping, waiting = found("restore_cycle")["DET-07"], found("sleep")["DET-07"]
    assert sweeping.verdict == "PASS"
    assert waiting.verdict == "FAIL"
    assert number(waiting).value == 0


def test_silent_stays_and_their_ends(tmp_path: Path) -> None:
    """Two are over after 20 and 100 steps, one after 101, one never; a visible one is no case."""
    view = by_hand(
        tmp_path,
        {
            "steps": steps(150),
            "levels": [
                *(change(0, 9, host, 0, 1) for host in (A, B, C, D)),
                change(0, 29, A, 1, 0),
                change(0, 109, B, 1, 0),
                change(0, 110, C, 1, 0),
                change(0, 9, A + 1, 0, 1, process_event=True),
            ],
        },
    )
    finding = judge(view, "DET-07")
    assert finding.n == 4
    assert number(finding).value == 0.5
    assert sum(part.bad for part in finding.parts if part.kind == "agent") == 2
