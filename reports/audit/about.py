"""How the audit was made: methods and limits, terms, and where everything comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cagexplain.audit.check import FRAMEWORKS
from cagexplain.audit.results import Audit
from reports.audit import texts
from reports.audit.verdict import STYLE
from reports.kit.sections import Section, render
from reports.shared import show


def methods(audit: Audit) -> Section:
    """Methods and limits."""
    html = render("audit/methods.html.j2", entries=texts.methods(audit))
    return Section("methods", "Methods and limits", html, STYLE)


def glossary() -> Section:
    """Terms."""
    html = render("audit/glossary.html.j2", fields=texts.GLOSSARY)
    return Section("glossary", "Glossary", html)


def provenance(audit: Audit) -> Section:
    """What was audited, how, by what."""
    html = render(
        "audit/provenance.html.j2",
        facts=list(_facts(audit)),
        frameworks=[
            (name, version, address.removeprefix("https://"))
            for name, version, address in FRAMEWORKS.values()
        ],
        command=audit.command,
        everything=json.dumps(
            {key: getattr(audit, key) for key in ("policy", "play", "profile", "versions")},
            indent=2,
            default=str,
        ),
    )
    return Section("provenance", "Provenance", html)


def _facts(audit: Audit) -> Iterator[tuple[str, str]]:
    yield "Policy", show.name_of(audit)
    for name, part, key in (
        ("Kind", audit.policy, "kind"),
        ("File", audit.policy, "path"),
        ("Part of the package", audit.policy, "source"),
        ("Policy’s SHA-256", audit.policy, "sha256"),
        ("Trace", audit.play, "trace"),
        ("Attacker", audit.play, "red"),
        ("Condition", audit.play, "condition"),
        ("Protocol", audit.play, "protocol"),
        ("Episodes", audit.play, "episodes"),
        ("Steps", audit.play, "steps"),
    ):
        if part.get(key) not in (None, ""):
            yield name, str(part[key])
    if isinstance(engine := audit.play.get("engine"), dict):
        yield "Engine", " ".join(str(value) for value in engine.values())
    if isinstance(seeds := audit.play.get("seeds"), list | tuple):
        yield "Seeds", " to ".join(dict.fromkeys(str(seed) for seed in seeds))
    yield "Profile", str(audit.profile.get("name", "unnamed"))
    yield "Profile’s SHA-256", str(audit.profile.get("sha256", ""))
    yield "Made", audit.created
    yield "Schema of audit.json", str(audit.schema_version)
    yield "Versions", ", ".join(f"{name} {version}" for name, version in audit.versions.items())
