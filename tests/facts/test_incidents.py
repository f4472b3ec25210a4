"""Incidents against a plain replay of the same episodes, step by step."""

from pathlib import Path

import numpy as np
import pytest

from cagexplain.cc4 import actions, agents, network
from cagexplain.envs import EnvParams
from cagexplain.facts.batch import Batch, batches, codes
from cagexplain.facts.incidents import NEVER, TABLES, Incidents, KeptIncidents, incidents_of
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


def incidents_in(trace: Trace) -> Incidents:
    kept = KeptIncidents()
    for batch in batches(trace, TABLES):
        kept.add(incidents_of(batch))
    return kept.all()


def replay(batch: Batch, row: int, host: int, causes: dict[tuple[int, int, int], int]) -> list:
    """The incidents on a host as tuples in the order of the fields, `visible` left out."""
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


def test_incidents_are_those_of_a_replay(trace: Trace) -> None:
    expected = []
    for batch in batches(trace, TABLES):
        levels = batch.frame("levels")
        # Only the changes from and to "no red" begin or end an incident.
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
    incidents = incidents_in(trace)
    names = [
        *("episode", "host", "on", "cause", "alert", "response", "response_kind", "answer"),
        *("root", "clear", "cleared_by", "end"),
    ]
    rows = list(zip(*(getattr(incidents, name).tolist() for name in names), strict=True))
    assert len(rows) == len(expected) > 20
    assert sorted(rows) == sorted(expected)
    np.testing.assert_array_equal(incidents.censored, incidents.clear == NEVER)
    assert incidents.censored.any()


def test_a_visible_onset_is_alerted_at_once(trace: Trace) -> None:
    incidents = incidents_in(trace)
    np.testing.assert_array_equal(incidents.visible, incidents.alert == incidents.on)
    phished = incidents.cause == CAUSE["phishing"]
    assert incidents.visible[~phished].mean() > 0.9
    assert incidents.visible[phished].mean() < 0.1


def test_only_defended_hosts_have_incidents(trace: Trace) -> None:
    incidents = incidents_in(trace)
    assert (agents.BLUE_OF_HOST[incidents.host] >= 0).all()


def test_sleep_neither_responds_nor_clears(tmp_path: Path) -> None:
    incidents = incidents_in(record(tmp_path / "trace", "sleep"))
    assert len(incidents) > 50
    assert (incidents.response == NEVER).all()
    assert incidents.censored.all()
    np.testing.assert_array_equal(incidents.end, STEPS - 1)


def test_without_observations_there_are_no_alerts(tmp_path: Path) -> None:
    with_them = incidents_in(record(tmp_path / "with", "reactive"))
    without = incidents_in(record(tmp_path / "without", "reactive", with_observations=False))
    assert (without.alert == NEVER).all()
    assert (with_them.alert != NEVER).any()
    for name in ("on", "host", "response", "clear", "visible"):
        np.testing.assert_array_equal(getattr(with_them, name), getattr(without, name))


def change(step: int, host: str, before: int, after: int, cause: str, **more: bool) -> dict:
    levels = {"from_level": before, "to_level": after, "cause": cause}
    return {"episode": 0, "step": step, "host": host, **levels, **more}


def test_a_handmade_story(tmp_path: Path) -> None:
    """An exploit that is seen, escalates and is restored; a mail whose incident lasts; one that
    begins in the very last step, so before no decision; one that a Remove ends; and the contractor,
    who does not count."""
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
    incidents = incidents_in(
        write_trace(tmp_path / "trace", [part], options={"observations": False})
    )
    assert incidents.host.tolist() == [1, 2, 4]
    assert incidents.on.tolist() == [3, 4, 4]
    assert incidents.cause.tolist() == [CAUSE["red_action"], CAUSE["phishing"], CAUSE["phishing"]]
    assert incidents.visible.tolist() == [True, False, True]
    assert incidents.response.tolist() == [5, NEVER, NEVER]
    assert incidents.response_kind.tolist() == [RESTORE, NEVER, NEVER]
    assert incidents.root.tolist() == [5, NEVER, NEVER]
    assert incidents.clear.tolist() == [10, NEVER, 7]
    assert incidents.cleared_by.tolist() == [CAUSE["Restore"], NEVER, CAUSE["Remove"]]
    assert incidents.end.tolist() == [10, 10, 7]
