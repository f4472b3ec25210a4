from pathlib import Path

import pytest

from cagexplain.cc4 import network
from cagexplain.tracing.trace import Trace
from tests.analysis.traces import record, write_trace

A, B = network.HOST_NAMES[5 * 17 + 11], network.HOST_NAMES[5 * 17 + 12]  # servers that red 5 owns
FOREIGN = network.HOST_NAMES[17]


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Nine short episodes of the random policy, recorded in batches of four."""
    return record(tmp_path_factory.mktemp("random"), "random", 9, batch=4)


@pytest.fixture
def handmade(tmp_path: Path) -> Trace:
    """Two episodes of three steps, each in a part of its own; all counts are known."""

    def step(episode: int, t: int, reward: float, **more: int) -> dict[str, object]:
        values = {"reward": reward, "reward_asf": reward, "phase": t, "counted": t < 2}
        return {"episode": episode, "step": t, **values, **more}

    def decision(
        episode: int,
        t: int,
        kind: str,
        zone_state: str,
        target_state: str | None = None,
        **more: object,
    ) -> dict[str, object]:
        values = {"action_type": kind, "zone_state": zone_state, "target_state": target_state}
        return {
            **{"episode": episode, "step": t, "agent": "blue_agent_4", "started": True},
            **{"target_level": -1 if target_state is None else 0, **values, **more},
        }

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

    first = {
        "steps": [
            step(0, 0, -1, hosts_unknown=4),
            step(0, 1, -2, hosts_unknown=3, hosts_K=1, user_K=1),
            step(0, 2, -100, hosts_unknown=2, hosts_S=2, root_S=1),
        ],
        "blue": [
            decision(0, 0, "Restore", "K", "K", target_level=2),
            decision(0, 1, "Restore", "K", "K", started=False),
            decision(0, 1, "Sleep", "R", agent="blue_agent_0"),
            decision(0, 2, "Analyse", "S", "K", target_level=1),
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
    }
    second = {
        "steps": [step(1, 0, -4, hosts_unknown=4), step(1, 1, 0), step(1, 2, 0)],
        "blue": [decision(1, 0, "Restore", "RD", "K"), decision(1, 1, "BlockTrafficZone", "RD")],
        "red": [red(1, 1, "started", 4, FOREIGN)],
        "transitions": [
            move(1, 0, FOREIGN, "unknown", "K", "first_observed"),
            move(1, 1, FOREIGN, "K", "S", "action", action=2, outcome="SUCCESS"),
            move(1, 2, FOREIGN, "S", "F", "reassigned"),
        ],
    }  # fmt: skip
    return write_trace(tmp_path / "handmade", [first, second])
