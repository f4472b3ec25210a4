from pathlib import Path

import pytest

from cagexplain.cc4 import network
from cagexplain.tracing.trace import Trace
from tests.support.traces import record, write_trace

A, B = (network.HOST_NAMES[network.server(network.PAZ, i)] for i in range(2))  # blue_agent_4's
FOREIGN = network.HOST_NAMES[network.server(network.OZA)]  # blue_agent_1's


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Nine short episodes of the random policy, recorded in batches of four."""
    return record(tmp_path_factory.mktemp("random"), "random", 9, batch=4)


@pytest.fixture
def handmade(tmp_path: Path) -> Trace:
    """Two episodes of three steps, a phase each, in a part of its own; all counts are known.

    A change of state in step t is what the decisions of step t + 1 are made on. Of the attributed
    states that gives, at steps 0, 1, 2: A unknown, K, S and B unknown, U, KD in the first episode;
    A unknown, R, KD and FOREIGN unknown, K, S in the second.
    """

    def step(episode: int, t: int, reward: float) -> dict[str, object]:
        values = {"reward": reward, "reward_asf": reward, "phase": t, "counted": t < 2}
        return {"episode": episode, "step": t, **values}

    def decision(
        episode: int, t: int, kind: str, zone_state: str, target: str | None = None, **more: object
    ) -> dict[str, object]:
        values = {"action_type": kind, "zone_state": zone_state, "target_host": target}
        defaults = {"agent": "blue_agent_4", "started": True}
        return {"episode": episode, "step": t, **defaults, **values, **more}

    def ended(kind: str, host: str, level: int) -> dict[str, object]:
        return {"completed": kind, "completed_host": host, "completed_level": level}

    def move(
        episode: int, t: int, host: str, source: str, target: str, cause: str, **more: object
    ) -> dict[str, object]:
        names = {"agent": "red_agent_5", "host": host, "from_state": source, "to_state": target}
        defaults = {"action": -1, "outcome": "NONE"}
        return {"episode": episode, "step": t, **names, "cause": cause, **defaults, **more}

    def red(
        episode: int,
        t: int,
        event: str,
        action: int,
        host: str | None,
        outcome: str = "NONE",
        **more: object,
    ) -> dict[str, object]:
        values = {"event": event, "action": action, "target_host": host, "outcome": outcome}
        return {"episode": episode, "step": t, "agent": "red_agent_5", **values, **more}

    def hosts(episode: int, level_of_b: int) -> list[dict[str, object]]:
        return [
            {"episode": episode, "host": host, "kind": "server", "level": level}
            for host, level in ((A, 0), (B, level_of_b), (FOREIGN, 0))
        ]

    first = {
        "hosts": hosts(0, 1),
        "steps": [step(0, 0, -1), step(0, 1, -2), step(0, 2, -100)],
        "blue": [
            decision(0, 0, "Restore", "unknown", B, started=False, **ended("Restore", B, 1)),
            decision(0, 1, "Restore", "U", A, target_state="K", **ended("Remove", A, 0)),
            decision(0, 1, "Sleep", "R", agent="blue_agent_0"),
            decision(0, 2, "Analyse", "S", A, target_state="S", **ended("Restore", A, 2)),
        ],
        "red": [
            red(0, 0, "started", 1, A),
            red(0, 0, "done", 1, A, "SUCCESS", detected=True),
            red(0, 1, "started", 4, A),
            red(0, 2, "done", 4, A, "DROPPED"),
            red(0, 2, "started", 0, None),
        ],
        "transitions": [
            move(0, 0, A, "unknown", "K", "first_observed"),
            move(0, 0, B, "unknown", "U", "first_observed"),
            move(0, 1, A, "K", "S", "action", action=1, outcome="SUCCESS"),
            move(0, 1, B, "U", "KD", "session_lost"),
            move(0, 2, A, "S", "S", "action", action=4, outcome="FAILURE"),
        ],
        "levels": [
            {"episode": 0, "step": 1, "host": A, "from_level": 0, "to_level": 2},
            {"episode": 0, "step": 0, "host": B, "from_level": 1, "to_level": 0},
        ],
    }
    second = {
        "hosts": hosts(1, 0),
        "steps": [step(1, 0, -4), step(1, 1, 0), step(1, 2, 0)],
        "blue": [
            decision(1, 1, "Restore", "RD", FOREIGN, agent="blue_agent_1", target_state="K"),
            decision(1, 2, "BlockTrafficZone", "RD"),
        ],
        "red": [red(1, 1, "started", 4, FOREIGN)],
        "transitions": [
            move(1, 0, FOREIGN, "unknown", "K", "first_observed"),
            move(1, 0, A, "unknown", "R", "first_observed"),
            move(1, 1, FOREIGN, "K", "S", "action", action=2, outcome="SUCCESS"),
            move(1, 1, A, "R", "KD", "session_lost"),
            move(1, 2, FOREIGN, "S", "F", "reassigned"),
        ],
    }
    return write_trace(tmp_path / "handmade", [first, second])
