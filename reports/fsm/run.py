"""What was recorded, and how to record it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from cagexplain.analysis.fsm.analyse import FsmAnalysis, RunFacts
from cagexplain.cc4 import conditions
from reports.kit import estimates, terms
from reports.kit.sections import Section, render
from reports.shared.recording import entries, seeds


def section(analysis: FsmAnalysis) -> Section:
    """Make the section."""
    facts = analysis.facts
    html = render(
        "fsm/run.html.j2",
        run_facts=list(entries(facts)),
        return_rows=list(_return_rows(analysis)),
        interval_note=estimates.mean_intervals(),
        commands=_commands(facts),
        manifest_json=json.dumps(facts.to_json() | {"seeds": seeds(facts)}, indent=2),
    )
    return Section("run", "Run facts", html)


def brief(facts: RunFacts) -> str:
    """Where a trace comes from, in one line."""
    sha256 = str(facts.policy.get("sha256", ""))
    parts = [
        str(facts.policy.get("kind", "policy")),
        *([f"SHA-256 {sha256[:12]}…"] if sha256 else []),
        f"engine {' '.join(map(str, facts.engine.values()))}",
        f"seeds {seeds(facts)}",
        "Sleep masked" if facts.sleep_masked else "Sleep allowed",
        f"trace schema {facts.schema_version}",
        f"recorded {facts.created}",
    ]
    return " · ".join(parts)


def _return_rows(analysis: FsmAnalysis) -> Iterator[tuple[str, Any, str]]:
    returns = analysis.returns
    yield "Total", returns.total, "total"
    for name, estimate in returns.by_phase.items():
        yield f"Phase: {name}", estimate, ""
    for name, estimate in returns.by_cause.items():
        yield f"Cause: {terms.CAUSES[name]}", estimate, ""


def _commands(facts: RunFacts) -> list[str]:
    """Commands that record the same trace and make this page."""
    policy = facts.policy
    command = [
        *("cagexplain", "trace", str(policy.get("path") or facts.name)),
        *("--episodes", str(len(facts.seeds)), "--seed", str(facts.seeds[0])),
        *("--red", facts.red, "--episode-length", str(facts.options.get("steps", ""))),
        *(("--condition", facts.condition) if facts.condition != conditions.STANDARD else ()),
        *(("--mask-sleep",) if facts.sleep_masked else ()),
        *_sampling(policy),
        *("-o", facts.trace),
    ]
    return [shlex.join(command), shlex.join(["cagexplain", "fsm-report", facts.trace])]


def _sampling(policy: dict[str, Any]) -> tuple[str, ...]:
    if "deterministic" not in policy:
        return ()
    return ("--deterministic",) if policy["deterministic"] else ("--stochastic",)
