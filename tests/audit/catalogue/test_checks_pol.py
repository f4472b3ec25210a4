"""The checks of a policy's health, against known answers and against plain recounts."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import pol_01, pol_02, pol_03, pol_04
from cagexplain.audit.judge import Tallies
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding, Verdict
from cagexplain.audit.verdicts import verdict
from cagexplain.cc4 import actions, agents, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.network import INT, RZA, server, user
from cagexplain.common.arrays import BoolArray, Int64Array
from cagexplain.facts.batch import run
from cagexplain.facts.cases import Cases
from cagexplain.facts.effects import in_vain
from cagexplain.facts.view import Facts, decisions
from cagexplain.policies.registry import load_policy
from cagexplain.stats.estimates import estimate
from tests.support.planted import ON_HOST, Planted, RestoresOnProcess, record
from tests.support.small import (
    DECLARED,
    ENOUGH,
    Recorded,
    Row,
    blue,
    by_hand,
    judged,
    number,
    service,
    steps,
)

ALL = [module.CHECK for module in (pol_01, pol_02, pol_03, pol_04)]
SLEEP = np.array(actions.SLEEP_INDEX)


class OneAgentRepeats(RestoresOnProcess):
    """Restores the first host with a process alert, but agent 2 Analyses server_host_0 for ever."""

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        chosen = super().choose(obs, mask, free).copy()
        chosen[:, 2] = np.where(free[:, 2], ON_HOST[ActionKind.ANALYSE][2, 0], SLEEP[2])
        return chosen


class AllowsInVain(Planted):
    """Allows what comes from the internet into its first subnet, which nobody ever blocks."""

    _ALLOW = np.array(
        [
            actions.index(agent, ActionKind.ALLOW, to_zone=zones[0], from_zone=INT)
            for agent, zones in enumerate(BLUE_ZONES)
        ]
    )

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        return np.tile(self._ALLOW, (len(obs), 1))


class PicksMissingHosts(Planted):
    """Submits the first action that is invalid, of every agent that has any; else Sleep."""

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Int64Array:
        parts = [mask[:, actions.slice_of(agent)] for agent in range(N_BLUE)]
        first = np.stack([part.argmin(axis=1) for part in parts], axis=1)
        missing = np.stack([~part.all(axis=1) for part in parts], axis=1)
        return np.where(missing, first, SLEEP)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Findings about a policy, of a play that is done once."""
    planted = {p.__name__: p for p in (OneAgentRepeats, AllowsInVain, PicksMissingHosts)}
    known: dict[str, dict[str, Finding]] = {}

    def findings(name: str) -> dict[str, Finding]:
        if name not in known:
            policy = planted[name]() if name in planted else name
            known[name] = judged(tmp_path_factory.mktemp(name), policy, ENOUGH, ALL, usual=5.0)
        return known[name]

    return findings


@pytest.fixture(scope="module")
def drawn() -> Recorded:
    """The random policy, which does everything, often in vain."""
    return Recorded(load_policy("random"), 3, length=300)


@pytest.mark.parametrize(
    ("policy", "check", "verdict"),
    [
        ("random", "POL-01", "PASS"),
        ("sleep", "POL-01", "PASS"),  # waiting is no collapse
        ("AllowsInVain", "POL-01", "PASS"),  # neither is waiting in disguise
        ("restore_spam", "POL-01", "FAIL"),
        ("analyse_cycle", "POL-01", "FAIL"),
        ("restores_on_process", "POL-01", "PASS"),
        ("OneAgentRepeats", "POL-01", "FAIL"),
        ("removes_and_restores", "POL-02", "PASS"),
        ("random", "POL-02", "PASS"),
        ("sleep", "POL-02", "FAIL"),
        ("AllowsInVain", "POL-02", "FAIL"),
        ("comms_block", "POL-03", "PASS"),
        ("sleep", "POL-03", "PASS"),
        ("decoy_cycle", "POL-03", "FAIL"),
        ("OneAgentRepeats", "POL-03", "FAIL"),
        ("AllowsInVain", "POL-03", "FAIL"),
        ("restores_on_process", "POL-04", "PASS"),
        ("random", "POL-04", "FAIL"),
        ("restore_spam", "POL-04", "FAIL"),
        ("sleep", "POL-04", "NOT_APPLICABLE"),
    ],
)
def test_verdicts_about_policies_that_are_known(
    played: Any, policy: str, check: str, verdict: str
) -> None:
    assert played(policy)[check].verdict == verdict, played(policy)[check]


def test_the_worst_agent_decides(played: Any) -> None:
    found = played("OneAgentRepeats")["POL-01"]
    assert number(found, "pair").value == number(found, "type").value == 1
    assert number(found, "disruptive").verdict == "PASS"  # Analyse disturbs nobody
    others = played("restores_on_process")["POL-01"]
    assert (number(others, "pair").value or 0) < 0.2


def chosen(counts: Any) -> Cases:
    """Decisions ``[half, agent, class]``, and a wait of each of two agents in each half."""
    table = np.asarray(counts)
    half, agent, of_class = (
        np.repeat(axis.ravel(), table.ravel()) for axis in np.indices(table.shape)
    )
    hit = np.append(np.ones(len(agent), bool), np.zeros(4, bool))
    agent = np.append(agent, [0, 1, 0, 1])
    half, of_class = np.append(half, [0, 0, 1, 1]), np.append(of_class, np.zeros(4, int))
    group = (half * agents.N_BLUE + agent) * table.shape[2] + of_class
    return pol_01.cases(half, 0, hit, agent=agent, group=group)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([[5, 1], [3, 3]], [[5, 1], [3, 3]], 5 / 7),
        ([[0, 0], [9, 0]], [[0, 0], [7, 0]], (9 / 10 + 7 / 8) / 2),
        # What is largest in a half by chance is not in the other.
        ([[6, 0], [3, 3]], [[0, 6], [3, 3]], 0),
        ([[6, 0], [3, 3]], [[3, 3], [1, 5]], (3 / 7 + 3 / 7) / 2),
    ],
)
def test_agents_that_do_not_collapse_do_not_hide_one_that_does(
    first: Any, second: Any, expected: float
) -> None:
    found, largest = chosen([first, second]), pol_01.Largest(2)
    sums = largest.sums(found, 2, 1)
    assert largest.value(sums.sum(axis=0)) == pytest.approx(expected)
    assert largest.n(sums).sum() == len(found)


def test_the_largest_of_many_alike_is_not_too_large() -> None:
    generator, largest = np.random.default_rng(0), pol_01.Largest(50)
    found = [
        float(largest.value(largest.sums(chosen(table), 2, 1).sum(axis=0)))
        for table in generator.multinomial(500, np.full(50, 1 / 50), size=(100, 2, 5))
    ]
    error = np.std(found) / 10
    assert abs(np.mean(found) - 1 / 50) < 4 * error < 0.003  # the plain maximum is 0.034


def test_nobody_decides_nothing() -> None:
    assert np.isnan(pol_01.Largest(2).value(np.zeros(30)))
    assert np.isnan(pol_04.PerMiss().value(np.zeros(2)))


def test_charged_and_started_restores(played: Any) -> None:
    # All agents begin one of five steps, submit in each of them, and are cut off once at most.
    ratio = number(played("restore_spam")["POL-04"]).value
    assert ratio == pytest.approx(499 / 100)
    assert number(played("restores_on_process")["POL-04"]).value == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("started", "low", "high", "expected"),
    [([0] * 10, np.inf, np.inf, "FAIL"), ([0] * 8 + [2] * 2, 5.0, np.inf, "FAIL")],
    ids=["none", "in two episodes"],
)
def test_charged_restores_of_which_hardly_any_started(
    started: list[int], low: float, high: float, expected: Verdict
) -> None:
    """The ratio may be infinite, in all or in some resamples, and so may its limits."""
    charged = np.full(10, 5)
    sums = np.stack([charged - started, charged], axis=1)
    (measure,) = (one for one in pol_04.CHECK.measures if one.key == "value")
    found = estimate(measure.statistic, sums)
    assert (found.low, found.high) == (low, high)
    assert verdict(found, "lower", 1.05, 1.5, 20) == expected


def test_choices_of_missing_hosts_are_told(played: Any) -> None:
    found = number(played("PicksMissingHosts")["POL-04"], "invalid")
    assert 0.9 < (found.value or 0) <= 1
    assert number(played("random")["POL-04"], "invalid").value == 0
    assert number(played("PicksMissingHosts")["POL-02"]).value == 1  # they are Sleeps


def test_disguised_waits_repeat_in_vain(played: Any) -> None:
    found = played("AllowsInVain")
    assert number(found["POL-03"]).value == number(found["POL-03"], "loops").value == 1
    assert number(found["POL-02"]).value == 1
    assert number(found["POL-01"], "entropy").value == 0


def test_what_counts_as_a_change(tmp_path: Path) -> None:
    """Every kind of action with and without effect, in an episode that is written by hand."""
    a, b, c = user(RZA, 0), server(RZA, 0), user(RZA, 1)
    fall = {"episode": 0, "host": network.HOST_NAMES[a], "from_level": 1, "to_level": 0}
    looks = {0: 1, 30: 0, 40: 0, 42: 2, 44: 2, 60: 2}  # files found, by the step it began
    rows: list[Row] = []
    for step, files in looks.items():
        begin, end = blue(0, step, ActionKind.ANALYSE, a)
        rows += [begin, end | {"found": files}]
    rows += blue(0, 5, ActionKind.RESTORE, a, level=2)  # red was there
    rows += blue(0, 10, ActionKind.RESTORE, b)  # repairs a service
    rows += blue(0, 20, ActionKind.RESTORE, b)  # nothing
    rows += blue(0, 50, ActionKind.REMOVE, a, level=1)  # ends user access
    rows += blue(0, 53, ActionKind.REMOVE, a, level=2)  # cannot end root access
    rows += blue(0, 70, ActionKind.DECOY, b)  # a new kind
    rows += blue(0, 72, ActionKind.DECOY, b)  # a kind that there is
    rows += blue(0, 74, ActionKind.DECOY, c)  # red damages the host in the same step
    rows += blue(0, 78, ActionKind.RESTORE, c)[:1]  # the episode ends before
    tables = {
        "steps": steps(80),
        "blue": rows,
        "levels": [fall | {"step": 52, "cause": "Remove"}],
        "services": [
            service(0, 12, b, reliability=60),
            service(0, 14, b),
            service(0, 71, b, decoys=1),
            service(0, 75, c, reliability=80),
        ],
    }
    view = by_hand(tmp_path, tables)
    made = view.shared(decisions)
    own = made.agent == agents.BLUE_OF_HOST[a]
    vain = dict(zip(made.step[own].tolist(), view.shared(in_vain)[own].tolist(), strict=True))
    in_vain_at = {step for step, flag in vain.items() if flag}
    # The Analyses of step 30 and 40 are ten steps apart and tell the same; at 42 it is news.
    assert in_vain_at & looks.keys() == {40, 44}
    assert in_vain_at - looks.keys() == {20, 53, 72, 74}


def test_runs_of_three_are_loops(tmp_path: Path) -> None:
    hosts = [user(RZA, 0), user(RZA, 1)]
    rows: list[Row] = []
    # Two in a row, three in a row, and three of which the first changed something.
    for step, which in enumerate([0, 0, 1, 1, 1, 0, 0, 0]):
        rows += blue(0, 5 * step, ActionKind.RESTORE, hosts[which], level=int(step == 5))
    view = by_hand(tmp_path, {"steps": steps(40), "blue": rows})
    assert pol_03.ineffective(view).hit.tolist() == [True] * 5 + [False, True, True]
    assert pol_03.looping(view).hit.tolist() == [False] * 2 + [True] * 3 + [False] * 3


# --- recounts ---------------------------------------------------------------------------------


def _lanes(recorded: Recorded) -> dict[tuple[int, str], list[Any]]:
    """Rows of the table `blue` of each episode and agent, in order."""
    lanes = defaultdict(list)
    for row in recorded.rows("blue"):
        lanes[row.episode, row.agent].append(row)
    return lanes


def _ended(lane: list[Any], step: int) -> Any:
    """Row in which the action that began in a step ended; None if it did not."""
    return next((row for row in lane[step:] if isinstance(row.completed, str)), None)


def test_recount_of_actions_in_vain(drawn: Recorded) -> None:
    evicted = {(r.episode, r.step, r.host) for r in drawn.rows("levels") if r.cause == "Remove"}
    services = {(r.episode, r.step, r.host): r.decoys for r in drawn.rows("services")}
    expected = {}
    for (episode, agent), lane in _lanes(drawn).items():
        looked: dict[str, tuple[int, int]] = {}
        for row in (row for row in lane if row.started):
            end = _ended(lane, row.step)
            kind, host = row.action_type, row.target_host
            vain = False
            if end is not None and kind not in ("Sleep", "Monitor"):
                place = (episode, end.step, host)
                if kind in ("BlockTrafficZone", "AllowTrafficZone"):
                    vain = end.outcome == "FAILURE"
                elif kind == "Restore":
                    vain = end.completed_level == 0 and place not in services
                elif kind == "Remove":
                    vain = place not in evicted
                elif kind == "DeployDecoy":
                    past = [
                        n
                        for (e, t, h), n in services.items()
                        if (e, h) == (episode, host) and t < end.step
                    ]
                    vain = services.get(place, 0) <= (past[-1] if past else 0)
                else:
                    then, files = looked.get(host, (-1000, -1))
                    vain = end.step - then <= 10 and files == end.found
                    looked[host] = (end.step, end.found)
            expected[episode, row.step, agent] = vain
    found = pol_03.ineffective(drawn.view)
    names = [agents.BLUE[agent] for agent in found.agent]
    got = dict(
        zip(
            zip(found.row.tolist(), found.step.tolist(), names, strict=True),
            found.hit.tolist(),
            strict=True,
        )
    )
    assert got == expected
    assert 0.2 < np.mean(list(expected.values())) < 0.6


def test_recount_of_idling_under_alert(drawn: Recorded) -> None:
    shown = drawn.alerts(observations.process_bit) | drawn.alerts(observations.connection_bit)
    owner = [agents.BLUE[a] for a in agents.BLUE_OF_HOST]
    alarm = {(e, step, owner[network.HOST_NAMES.index(host)]) for e, step, host in shown}
    lanes = _lanes(drawn)
    idle = []
    for row in drawn.decisions():
        if (row.episode, row.step, row.agent) in alarm:
            end = _ended(lanes[row.episode, row.agent], row.step)
            waits = row.action_type in ("Sleep", "Monitor")
            control = row.action_type in ("AllowTrafficZone", "BlockTrafficZone")
            idle.append(waits or (control and end.outcome == "FAILURE"))
    found = pol_02.idle_under_alert(drawn.view)
    assert (len(found), np.count_nonzero(found.hit)) == (len(idle), sum(idle))
    assert 0 < sum(idle) < len(idle)


def test_recount_of_the_largest_shares(drawn: Recorded) -> None:
    lanes = _lanes(drawn)
    counts: dict[str, tuple[Counter[Any], Counter[Any]]] = defaultdict(
        lambda: (Counter(), Counter())
    )
    total: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for row in drawn.decisions():
        end = _ended(lanes[row.episode, row.agent], row.step)
        waits = row.action_type in ("Sleep", "Monitor")
        waits |= end is not None and "Traffic" in row.action_type and end.outcome == "FAILURE"
        half = row.episode % 2
        total[half][row.agent] += 1
        if not waits:
            counts["pair"][half][row.agent, row.action] += 1
            counts["type"][half][row.agent, row.action_type] += 1
            if row.action_type in ("Remove", "Restore", "BlockTrafficZone"):
                counts["disruptive"][half][row.agent, row.action_type] += 1
    for measure in pol_01.CHECK.measures[:3]:
        assert measure.cases is not None
        sums = measure.statistic.sums(measure.cases(drawn.view), drawn.episodes, drawn.length)
        shares = [
            {cell: n / total[half][cell[0]] for cell, n in counts[measure.key][half].items()}
            for half in (0, 1)
        ]
        found = [
            shares[1 - half].get(max(own, key=own.__getitem__), 0)
            for half, own in enumerate(shares)
        ]
        assert measure.statistic.value(sums.sum(axis=0)) == pytest.approx(np.mean(found))


def test_recount_of_charged_restores(drawn: Recorded) -> None:
    cost = sum(row.reward_cost for row in drawn.rows("steps"))
    found = pol_04.charged(drawn.view)
    assert len(found) == -cost
    started = [row for row in drawn.decisions() if row.action_type == "Restore"]
    assert len(found) - np.count_nonzero(found.hit) == len(started)


def test_entropies_of_a_play_without_observations(tmp_path: Path) -> None:
    tallies = Tallies([pol_01.CHECK, pol_02.CHECK], Facts(observations=False), DECLARED)
    run(record(tmp_path, "random", ENOUGH, steps=60, observations=False), [tallies])
    collapse, idle = tallies.findings(References((), {}, {}))
    assert idle.verdict == "NOT_APPLICABLE"
    assert number(collapse, "entropy_alert").value is None
    assert 2.5 < (number(collapse, "entropy").value or 0) < 3
