"""The playbook in a policy: what each agent usually does about what it sees."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cagexplain.audit.playbook import AIMS, CHOICES, SIGHTS, Responses
from cagexplain.audit.results import Playbook, Situation
from cagexplain.cc4 import agents, network, phases
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.errors import CagexplainError
from cagexplain.facts.view import View
from cagexplain.policies.registry import load_policy
from tests.support.small import Recorded, blue, by_hand, steps

HOST = network.user(network.RZA, 2)  # of blue agent 0
OTHER = network.server(network.RZA, 0)


def responses_of(*views: View) -> Playbook:
    responses = Responses()
    for view in views:
        responses.add(view.batch)
    return responses.playbook()


def playbook(*recorded: Recorded) -> Playbook:
    return responses_of(*(each.view for each in recorded))


def found(told: Playbook, agent: int, sees: str) -> list[Situation]:
    return [s for s in told.situations if s.agent == agents.BLUE[agent] and s.sees == sees]


def test_the_gravest_sight_counts_and_the_aim_is_told(tmp_path: Path) -> None:
    rows = [
        *blue(0, 10, ActionKind.RESTORE, HOST),  # on the host with the process alert
        *blue(0, 20, ActionKind.ANALYSE, OTHER),  # which has a connection alert; HOST a process one
        *blue(0, 30, ActionKind.REMOVE, HOST),  # connection alert only
        *blue(0, 40, ActionKind.DECOY, HOST),  # nobody alerts
    ]
    process, connection = (
        [(0, 10, HOST), (0, 20, HOST)],
        [(0, 10, HOST), (0, 20, OTHER), (0, 30, HOST)],
    )
    tables = {"steps": steps(100), "blue": rows}
    told = responses_of(by_hand(tmp_path, tables, process=process, connection=connection))
    (alarmed,) = found(told, 0, "process")
    (warned,) = found(told, 0, "connection")
    (quiet,) = found(told, 0, "policy")  # in phase 0 links are open that should be closed
    assert alarmed.n == 2
    assert {(c.action, c.aim, c.hits) for c in alarmed.choices} == {
        ("Restore", "process", 1),
        ("Analyse", "connection", 1),
    }
    assert [(c.action, c.aim) for c in warned.choices] == [("Remove", "connection")]
    assert [(c.action, c.aim, c.share) for c in quiet.choices] == [("DeployDecoy", "quiet", 1.0)]
    assert (told.decisions, told.episodes) == (4, 1)


@pytest.mark.parametrize(
    ("second", "split"), [(ActionKind.RESTORE, True), (ActionKind.ANALYSE, False)]
)
def test_phases_are_told_apart_only_where_the_usual_choice_differs(
    second: ActionKind, split: bool, tmp_path: Path
) -> None:
    rows = [row for t in range(0, 80, 2) for row in blue(0, t, ActionKind.ANALYSE, HOST)]
    rows += [row for t in range(80, 240, 5) for row in blue(0, t, second, HOST)]
    of = [row | {"phase": int(row["step"] >= 80)} for row in steps(240)]
    told = responses_of(by_hand(tmp_path, {"steps": of, "blue": rows}))
    situations = found(told, 0, "policy")
    usual = {situation.phase: situation.choices[0].action for situation in situations}
    if split:
        assert usual == {phases.PHASE_NAMES[0]: "Analyse", phases.PHASE_NAMES[1]: "Restore"}
    else:
        assert usual == {None: "Analyse"}


def recount(play: Recorded) -> Counter[tuple[str, str, str, str]]:
    """Decisions by agent, sight, action and aim, in plain Python from the tables."""
    batch = play.view.batch
    assert batch.process is not None and batch.connection is not None
    phase_of = {(row.episode, row.step): row.phase for row in play.rows("steps")}
    rows = sorted(play.rows("blue"), key=lambda row: (row.episode, row.step))
    ends: dict[tuple[int, str], list[Any]] = {}
    for row in rows:
        if isinstance(row.completed, str):
            ends.setdefault((row.episode, row.agent), []).append(row)
    blocked: set[tuple[int, int, int]] = set()
    pending: list[tuple[int, int, bool]] = []
    at = (-1, -1)
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for row in rows:
        if (row.episode, row.step) != at:
            if row.episode != at[0]:
                blocked = set()
            else:
                for to, source, add in pending:
                    (blocked.add if add else blocked.discard)((row.episode, to, source))
            pending, at = [], (row.episode, row.step)
        if not row.started:
            continue
        agent = agents.BLUE.index(row.agent)
        own = [h for h in range(network.N_HOSTS) if agents.BLUE_OF_HOST[h] == agent]
        policy = phases.COMMS_POLICY[phase_of[at]]
        mismatch = any(
            policy[to, source] != ((row.episode, to, source) in blocked)
            for to in agents.BLUE_ZONES[agent]
            for source in range(network.N_ZONES)
            if source != to
        )
        process, connection = batch.process[at], batch.connection[at]
        sees = (
            "process"
            if process[own].any()
            else "connection"
            if connection[own].any()
            else "policy"
            if mismatch
            else "nothing"
        )
        action, aim = row.action_type, ""
        if isinstance(row.target_host, str):
            host = network.host_index(row.target_host)
            aim = "process" if process[host] else "connection" if connection[host] else "quiet"
        elif action in ("BlockTrafficZone", "AllowTrafficZone"):
            blocks = action == "BlockTrafficZone"
            to, source = (network.ZONES.index(z) for z in (row.target_zone, row.source_zone))
            aim = "asked" if policy[to, source] == blocks else "against"
            if row.outcome == "SUCCESS":
                pending.append((to, source, blocks))
            if row.outcome == "FAILURE":
                action, aim = "Wait", ""
        if action in ("Sleep", "Monitor"):
            action = "Wait"
        counts[row.agent, sees, action, aim] += 1
    return counts


def test_counts_as_a_plain_recount_does() -> None:
    play = Recorded(load_policy("random"), 2, length=150)
    told, counts = playbook(play), recount(play)
    assert told.decisions == sum(counts.values())
    for situation in told.situations:
        if situation.phase is None:
            own = {
                k[2:]: n for k, n in counts.items() if k[:2] == (situation.agent, situation.sees)
            }
            assert situation.n == sum(own.values())
            assert all(own[c.action, c.aim] == c.hits for c in situation.choices)
            assert situation.choices[0].hits == max(own.values())
    of_all = Counter[tuple[str, str]]()
    for situation in told.situations:
        of_all[situation.agent, situation.sees] += situation.n
    expected = Counter[tuple[str, str]]()
    for (agent, sees, _, _), n in counts.items():
        expected[agent, sees] += n
    assert of_all == expected


def test_a_policy_that_sleeps_waits_and_one_that_reacts_restores_what_alerts() -> None:
    asleep = playbook(Recorded(load_policy("sleep"), 2, length=120))
    assert asleep.decisions == 2 * 119 * agents.N_BLUE
    for situation in asleep.situations:
        (only,) = situation.choices
        assert (only.action, only.aim, only.share) == ("Wait", "", 1.0)
    reactive = playbook(Recorded(load_policy("reactive"), 3, length=300))
    answers = [s.choices[0] for s in reactive.situations if s.sees == "process"]
    assert answers and {(c.action, c.aim) for c in answers} == {("Restore", "process")}


def test_all_that_is_told_is_described_and_in_order() -> None:
    told = playbook(Recorded(load_policy("random"), 2, length=150))
    order = [(agents.BLUE.index(s.agent), list(SIGHTS).index(s.sees)) for s in told.situations]
    assert order == sorted(order)
    for situation in told.situations:
        hits = [choice.hits for choice in situation.choices]
        assert hits == sorted(hits, reverse=True)
        for choice in situation.choices:
            assert (choice.action, choice.aim) in CHOICES
            assert choice.aim in (*AIMS, "")
            assert choice.share == pytest.approx(choice.hits / situation.n)
            if choice.low is not None and choice.high is not None:
                assert choice.low <= choice.share <= choice.high


def test_batches_are_joined() -> None:
    one, two = (Recorded(load_policy("random"), 1, length=60, seed=s) for s in (1, 2))
    whole = playbook(one, two)
    assert whole.episodes == 2
    assert whole.decisions == playbook(one).decisions + playbook(two).decisions


def test_nothing_recorded_is_an_empty_playbook_and_no_observations_an_error(
    tmp_path: Path,
) -> None:
    assert Responses().playbook() == Playbook(0, 0, ())
    rows = blue(0, 1, ActionKind.RESTORE, HOST)
    batch = by_hand(tmp_path, {"steps": steps(20), "blue": rows}).batch
    vars(batch)["process"] = None
    with pytest.raises(CagexplainError, match="no observations"):
        Responses().add(batch)
