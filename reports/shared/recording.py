"""What was recorded in a trace, as names and values."""

from __future__ import annotations

from collections.abc import Iterator

from cagexplain.analysis.fsm.analyse import RunFacts
from cagexplain.cc4 import phases
from reports.kit import numbers


def seeds(facts: RunFacts) -> str:
    """The seeds of a trace, a run of them by its ends."""
    first, last, n = facts.seeds[0], facts.seeds[-1], len(facts.seeds)
    if facts.seeds == tuple(range(first, first + n)):
        return f"{first}" if n == 1 else f"{first} to {last}"
    return ", ".join(map(str, facts.seeds[:20])) + (f", ... ({n})" if n > 20 else "")


def entries(facts: RunFacts) -> Iterator[tuple[str, str]]:
    """What was recorded, as names and values."""
    policy = facts.policy
    yield "Policy", facts.name
    yield "Kind", str(policy.get("kind", "not recorded"))
    for name, key in (("Rule", "rule"), ("Variant", "variant"), ("File", "path")):
        if policy.get(key):
            yield name, str(policy[key])
    if policy.get("sha256"):
        yield "SHA-256", str(policy["sha256"])
    if "deterministic" in policy:
        yield "Actions", "the likeliest" if policy["deterministic"] else "sampled"
    yield "Sleep", "masked (and Monitor)" if facts.sleep_masked else "allowed"
    yield "Red variant", facts.red
    yield "Condition", facts.condition
    yield "Protocol", facts.protocol
    if isinstance(steps := facts.options.get("steps"), int):
        yield "Episode length", f"{phases.calls(steps)} steps played (CybORG’s steps={steps})"
    yield "Episodes", numbers.number(len(facts.seeds))
    yield "Seeds", seeds(facts)
    yield "Engine", " ".join(str(value) for value in facts.engine.values())
    yield "Recorded", facts.created
    yield "Trace schema", str(facts.schema_version)
    yield "Versions", ", ".join(f"{name} {version}" for name, version in facts.packages.items())
