"""Stays against a plain replay of the same episodes, step by step."""

from pathlib import Path

import numpy as np
import pytest

from cagexplain.analysis.episodes.timeline import timelines
from cagexplain.cc4 import actions, agents, network
from cagexplain.envs import EnvParams
from cagexplain.facts.batch import Batch, batches, codes
from cagexplain.facts.stays import NEVER, TABLES, Stays, concatenate, stays_of
from cagexplain.policies.registry import load_policy
from cagexplain.tracing import schema
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace
from tests.support.traces import write_trace

STEPS = 200
EPISODES = 4
CAUSE = {name: code for code, name in enumerate(schema.LEVEL_CAUSES)}
ANALYSE, REMOVE, RESTORE = (actions.KIND_NAMES.index(k) for k in ("Analyse", "Remove", "Restore"))


def record(folder: Path, policy: str, **options: object) -> Trace:
    seeds = np.arange(EPISODES) + 3
    Recording(folder, load_policy(policy), seeds, EnvParams(steps=STEPS), **options).run()
    return open_trace(folder)


@pytest.fixture(scope="module", params=["random", "remove_cycle", "reactive"])
def trace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return record(tmp_path_factory.mktemp(request.param) / "trace", request.param, batch=3)


def found_in(trace: Trace) -> Stays:
    return concatenate([stays_of(batch) for batch in batches(trace, TABLES)])


def replay(batch: Batch, row: int, host: int, causes: dict[tuple[int, int, int], int]) -> list:
    """The stays on a host as tuples in the order of the fields, `visible` left out."""
    assert batch.process is not None and batch.connection is not None
    level = batch.levels[row, :, host]
    rows: list = []
    on = None
    for t in range(batch.steps + 1):
        if t < batch.steps and level[t] > 0:
            if on is None:
                on = t
            continue
        if on is None:
            continue
        steps = range(on, t)
        alert = [s for s in steps if batch.process[row, s, host] or batch.connection[row, s, host]]
        owner = agents.BLUE_OF_HOST[host]
        response = [
            (s, int(batch.kind[row, s, owner]))
            for s in steps
            if batch.started[row, s, owner]
            and batch.target[row, s, owner] == host
            and batch.kind[row, s, owner] in (ANALYSE, REMOVE, RESTORE)
        ]
        root = [s for s in steps if level[s] == 2]
        cleared_by = causes.get((row, host, t), NEVER)
        seen = cleared_by != NEVER
        rows.append(
            (
                batch.episodes[row],
                host,
                on,
                causes[row, host, on],
                alert[0] if alert else NEVER,
                *(response[0] if response else (NEVER, NEVER)),
                next((s for s, _ in response if alert and s >= alert[0]), NEVER),
                root[0] if root else NEVER,
                t if seen else NEVER,
                cleared_by,
                t,
            )
        )
        on = None
    return rows


def test_stays_are_those_of_a_replay(trace: Trace) -> None:
    expected = []
    for batch in batches(trace, TABLES):
        levels = batch.frame("levels")
        # Only the changes from and to "no red" begin or end a stay.
        edge = levels[(levels["from_level"] == 0) | (levels["to_level"] == 0)]
        causes = {
            (row, host, step + 1): cause
            for row, host, step, cause in zip(
                edge["row"], codes(edge, "host"), edge["step"], codes(edge, "cause"),
                strict=True,
            )
        }  # fmt: skip
        for row in range(batch.n):
            for host in np.flatnonzero(agents.BLUE_OF_HOST >= 0):
                expected += replay(batch, row, int(host), causes)
    stays = found_in(trace)
    names = [
        *("episode", "host", "on", "cause", "alert", "response", "response_kind", "answer"),
        *("root", "clear", "cleared_by", "end"),
    ]
    found = list(zip(*(getattr(stays, name).tolist() for name in names), strict=True))
    assert len(found) == len(expected) > 20
    assert sorted(found) == sorted(expected)
    np.testing.assert_array_equal(stays.censored, stays.clear == NEVER)
    assert stays.censored.any()


def test_a_visible_onset_is_alerted_at_once(trace: Trace) -> None:
    stays = found_in(trace)
    np.testing.assert_array_equal(stays.visible, stays.alert == stays.on)
    phished = stays.cause == CAUSE["phishing"]
    assert stays.visible[~phished].mean() > 0.9
    assert stays.visible[phished].mean() < 0.1


def test_only_defended_hosts_have_stays(trace: Trace) -> None:
    stays = found_in(trace)
    assert (agents.BLUE_OF_HOST[stays.host] >= 0).all()


def test_timelines_tell_the_same_incidents(trace: Trace) -> None:
    stays = found_in(trace)
    for timeline in timelines(trace, {0: "first", 3: "last"}):
        table = {
            (network.HOST_NAMES[stays.host[i]], int(stays.on[i])): i
            for i in np.flatnonzero(stays.episode == timeline.episode)
        }
        assert len(timeline.incidents) == len(table)
        for incident in timeline.incidents:
            i = table[incident.host, incident.start]
            assert incident.stop == stays.end[i]
            assert incident.cause == schema.LEVEL_CAUSES[stays.cause[i]]
            for name in ("root", "alert", "response"):
                found = getattr(stays, name)[i]
                assert getattr(incident, name) == (None if found == NEVER else found)


def test_sleep_neither_responds_nor_clears(tmp_path: Path) -> None:
    stays = found_in(record(tmp_path / "trace", "sleep"))
    assert len(stays) > 50
    assert (stays.response == NEVER).all()
    assert stays.censored.all()
    np.testing.assert_array_equal(stays.end, STEPS - 1)


def test_without_observations_there_are_no_alerts(tmp_path: Path) -> None:
    with_them = found_in(record(tmp_path / "with", "reactive"))
    without = found_in(record(tmp_path / "without", "reactive", with_observations=False))
    assert (without.alert == NEVER).all()
    assert (with_them.alert != NEVER).any()
    for name in ("on", "host", "response", "clear", "visible"):
        np.testing.assert_array_equal(getattr(with_them, name), getattr(without, name))


def change(step: int, host: str, before: int, after: int, cause: str, **more: bool) -> dict:
    levels = {"from_level": before, "to_level": after, "cause": cause}
    return {"episode": 0, "step": step, "host": host, **levels, **more}


def test_a_handmade_story(tmp_path: Path) -> None:
    """An exploit that is seen, escalates and is restored; a mail that stays for good; one that is
    left in the very last step; a stay that began in it; and the contractor, who does not count."""
    host = [network.HOST_NAMES[i] for i in (1, 2, 3, 4)]
    contractor = network.HOST_NAMES[network.CON * network.HOSTS_PER_ZONE + 1]
    part = {
        "steps": [{"episode": 0, "step": t} for t in range(10)],
        "hosts": [{"episode": 0, "host": name} for name in (*host, contractor)],
        "blue": [
            {
                "episode": 0,
                "step": 5,
                "agent": "blue_agent_0",
                "action_type": "Restore",
                "target_host": host[0],
                "started": True,
            }
        ],
        "levels": [
            change(1, contractor, 0, 2, "red_action"),
            change(2, host[0], 0, 1, "red_action", process_event=True),
            change(4, host[0], 1, 2, "red_action"),
            change(3, host[1], 0, 1, "phishing"),
            change(9, host[0], 2, 0, "Restore"),
            change(9, host[2], 0, 1, "phishing"),
            change(3, host[3], 0, 1, "phishing", connection_event=True),
            change(6, host[3], 1, 0, "Remove"),
        ],
    }
    stays = found_in(write_trace(tmp_path / "trace", [part], options={"observations": False}))
    assert stays.host.tolist() == [1, 2, 4]
    assert stays.on.tolist() == [3, 4, 4]
    assert stays.cause.tolist() == [CAUSE["red_action"], CAUSE["phishing"], CAUSE["phishing"]]
    assert stays.visible.tolist() == [True, False, True]
    assert stays.response.tolist() == [5, NEVER, NEVER]
    assert stays.response_kind.tolist() == [RESTORE, NEVER, NEVER]
    assert stays.root.tolist() == [5, NEVER, NEVER]
    assert stays.clear.tolist() == [10, NEVER, 7]
    assert stays.cleared_by.tolist() == [CAUSE["Restore"], NEVER, CAUSE["Remove"]]
    assert stays.end.tolist() == [10, 10, 7]
