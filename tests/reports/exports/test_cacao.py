"""The playbook in CACAO: a workflow that leads where the policy's choices do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from reports.exports import FORMATS
from tests.support import audits as made
from tests.support.playbooks import PLAYBOOK


def document(**changes: Any) -> dict[str, Any]:
    audit = dataclasses.replace(made.audit(), playbook=PLAYBOOK, **changes)
    found: dict[str, Any] = json.loads(FORMATS["cacao"].text(audit))
    return found


def successors(step: dict[str, Any]) -> Iterator[str]:
    for name in ("on_completion", "on_true", "on_false"):
        if name in step:
            yield step[name]
    yield from step.get("next_steps", ())
    yield from step.get("cases", {}).values()


def follow(playbook: dict[str, Any], agent: str, phase: str, *seen: str) -> str:
    """Carry out an agent's branch; the name of the action that it comes to."""
    steps = playbook["workflow"]
    (parallel,) = (step for step in steps.values() if step["type"] == "parallel")
    branches = [steps[first] for first in parallel["next_steps"]]
    (step,) = (branch for branch in branches if _agent_of(playbook, branch) == agent)
    while step["type"] != "action":
        if step["type"] == "end":
            return ""
        if step["type"] == "switch-condition":
            step = steps[step["cases"][phase]]
            continue
        variable = step["condition"].partition(":")[0]
        holds = any(f"_{what}_" in variable for what in seen)
        step = steps[step["on_true" if holds else "on_false"]]
    return str(step["name"])


def _agent_of(playbook: dict[str, Any], step: dict[str, Any]) -> str:
    """Name of the agent of the first action that a step leads to."""
    while "agent" not in step:
        following = step.get("on_true") or next(iter(step["cases"].values()))
        step = playbook["workflow"][following]
    return str(playbook["agent_definitions"][step["agent"]]["name"])


def test_every_step_is_reached_and_every_reference_is_defined() -> None:
    playbook = document()
    steps = playbook["workflow"]
    reached, ahead = set(), [playbook["workflow_start"]]
    while ahead:
        ident = ahead.pop()
        if ident not in reached:
            reached.add(ident)
            ahead += successors(steps[ident])
    assert reached == set(steps)
    for ident, step in steps.items():
        assert ident.startswith(step["type"] + "--")
        if step["type"] == "action":
            assert step["agent"] in playbook["agent_definitions"]
            assert set(step["targets"]) <= set(playbook["target_definitions"])
        if step["type"] == "if-condition":
            assert step["condition"].partition(":")[0] in playbook["playbook_variables"]


def test_the_workflow_gives_the_dominant_choice_of_each_situation() -> None:
    playbook = document()
    first, last = "pre-planning", "mission-a"
    process, link = "a host with a process alert", "a link"
    assert follow(playbook, "blue_agent_0", first, "process", "connection") == f"Restore {process}"
    assert follow(playbook, "blue_agent_0", first, "connection").startswith("Analyse a host")
    assert follow(playbook, "blue_agent_0", first, "policy").startswith(
        f"Block traffic on {link}, as"
    )
    assert follow(playbook, "blue_agent_0", last, "policy").startswith(
        "Allow traffic on a link, ag"
    )
    assert follow(playbook, "blue_agent_0", first) == "Wait and watch"
    assert follow(playbook, "blue_agent_1", first, "process").endswith(process)
    assert follow(playbook, "blue_agent_1", first) == ""  # never came up
    assert follow(playbook, "blue_agent_4", first, "process").startswith("Deploy a decoy")


def test_actions_tell_how_often_and_are_named_in_the_vocabulary() -> None:
    playbook = document()
    actions = [s for s in playbook["workflow"].values() if s["type"] == "action"]
    restore = next(step for step in actions if step["name"].startswith("Restore"))
    assert "From 100 decisions in 12 episodes" in restore["description"]
    assert "80.0% (95 % interval 70.0% to 90.0%)" in restore["description"]
    assert "Wait and watch: 20.0%" in restore["description"]
    assert restore["commands"][0]["playbook_activity"] == "revert-system"
    used = {step["commands"][0]["playbook_activity"] for step in actions}
    assert set(playbook["playbook_activities"]) == used
    assert "remediation" in playbook["playbook_types"]


def test_ids_are_of_the_policy_and_the_time() -> None:
    assert document()["id"] == document()["id"]
    assert document(created="2025-02-01T12:00:00Z")["id"] != document()["id"]
    assert document(policy={"name": "another", "sha256": "00"})["id"] != document()["id"]
    assert document()["created_by"] == document(policy={"name": "another"})["created_by"]


def test_times_are_those_of_the_audit_in_utc() -> None:
    assert document(created="2025-01-31T14:00:00+02:00")["created"] == "2025-01-31T12:00:00.000Z"


def test_without_decisions_there_is_nothing_to_do() -> None:
    playbook = json.loads(FORMATS["cacao"].text(made.audit(playbook=None)))
    assert [step["type"] for step in playbook["workflow"].values()] == ["end", "start"]


def test_one_agent_needs_no_parallel_step() -> None:
    alone = dataclasses.replace(PLAYBOOK, situations=PLAYBOOK.situations[:5])
    playbook = json.loads(FORMATS["cacao"].text(made.audit(playbook=alone)))
    kinds = [step["type"] for step in playbook["workflow"].values()]
    assert "parallel" not in kinds and kinds.count("action") == 5
