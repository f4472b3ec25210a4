"""The page about the attacker's states and what blue does in each of them."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from cagexplain import __version__
from cagexplain.analysis.counts import LEVEL_NAMES
from cagexplain.analysis.distributions import Distribution
from cagexplain.analysis.fsm import EXPECTED_LEVEL, FsmAnalysis, RunFacts
from cagexplain.analysis.intervals import RESAMPLES
from cagexplain.cc4 import agents, network, phases
from reports import palette, words
from reports.fsm_drawing import Drawing, draw
from reports.fsm_picture import RARE, picture
from reports.pages import environment, source

_EDGE_LEGEND: Final = (
    ("red", "a red action changed the state, or ended without a change (loops)"),
    ("blue", "red lost its last session there: blue’s Remove or Restore"),
    ("seen", "a red agent saw the host for the first time"),
    ("rare", f"any of these, fewer than {RARE} times"),
)


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page."""

    value: str
    name: str
    note: str


@dataclass(frozen=True)
class Page:
    """The finished report.

    Attributes:
        html: the whole page.
        drawing: the picture of the state machine that is in it.
    """

    html: str
    drawing: Drawing


def fsm_report(analysis: FsmAnalysis) -> Page:
    """Make the page."""
    drawing = draw(picture(analysis.graph.networkx(), analysis.mix.targeted))
    script = source("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    facts = analysis.facts
    html = (
        environment()
        .get_template("fsm_report.html.j2")
        .render(
            analysis=analysis,
            facts=facts,
            episodes=len(facts.seeds),
            tiles=_tiles(analysis),
            findings=words.findings(analysis),
            drawing=drawing,
            dot_base64=base64.b64encode(drawing.dot.encode()).decode(),
            edge_legend=_EDGE_LEGEND,
            rare=RARE,
            resamples=RESAMPLES,
            colours=palette.ACTIONS,
            level_colours=palette.LEVELS,
            targeted_kinds=[share.name for share in analysis.mix.targeted[0].shares],
            states=words.STATES,
            red_actions=words.RED_ACTIONS,
            stands_for=_stands_for(),
            zones=_zones(),
            agent_rows=list(_agent_rows(analysis)),
            brief_facts=_brief_facts(facts),
            run_facts=list(_run_facts(facts)),
            return_rows=list(_return_rows(analysis)),
            commands=_commands(facts),
            manifest_json=json.dumps(facts.to_json() | {"seeds": _seeds(facts)}, indent=2),
            nbsp=words.NBSP,
            version=__version__,
            style=Markup(source("style.css")),
            script=Markup(script),
            script_hash=f"sha256-{digest}",
        )
    )
    return Page(html, drawing)


def _tiles(analysis: FsmAnalysis) -> Iterator[Tile]:
    total, n = analysis.returns.total, len(analysis.facts.seeds)
    yield Tile(words.number(total.mean), "return per episode", words.estimate_interval(total))
    compromised, root = words.compromised_time(analysis)
    yield Tile(
        words.percent(compromised),
        "of host-time with a red session",
        f"{words.percent(root)} with root",
    )
    yield Tile(
        words.number(analysis.effort.total),
        "blue decisions",
        f"{words.number(analysis.effort.total / n)} per episode, all agents together",
    )
    in_root = max(
        (mix for mix in analysis.mix.targeted if mix.group in ("R", "RD")),
        key=lambda mix: mix.total,
    )
    top = in_root.top
    if top is None:
        yield Tile("never", f"does blue act on hosts in {in_root.group}", "no decision there")
        return
    named = in_root.clear or top.low is None
    yield Tile(
        top.name if named else "No favourite",
        f"{'most often done to' if named else 'among actions on'} hosts in {in_root.group}",
        f"{top.name} {words.percent(top.share)} of {words.number(in_root.total)}, "
        f"{words.interval(top)}",
    )


def _agent_rows(
    analysis: FsmAnalysis,
) -> Iterator[tuple[tuple[str, str], tuple[Distribution, ...]]]:
    for agent, mix in analysis.mix_by_agent.items():
        yield (agent, "targeted"), mix.targeted
        yield (agent, "situational"), mix.situational


def _stands_for() -> dict[str, str]:
    names = ("no session", *LEVEL_NAMES[1:])
    return {state: names[level] for state, level in EXPECTED_LEVEL.items()} | {"F": "–"}


def _zones() -> dict[str, str]:
    def plain(zone: int) -> str:
        return network.ZONES[zone].removesuffix("_subnet").replace("_", " ")

    return {
        agent: ", ".join(plain(zone) for zone in zones)
        for agent, zones in zip(agents.BLUE, agents.BLUE_ZONES, strict=True)
    }


def _seeds(facts: RunFacts) -> str:
    first, last, n = facts.seeds[0], facts.seeds[-1], len(facts.seeds)
    if facts.seeds == tuple(range(first, first + n)):
        return f"{first}" if n == 1 else f"{first} to {last}"
    return ", ".join(map(str, facts.seeds[:20])) + (f", ... ({n})" if n > 20 else "")


def _brief_facts(facts: RunFacts) -> str:
    sha256 = str(facts.policy.get("sha256", ""))
    parts = [
        str(facts.policy.get("kind", "policy")),
        *([f"SHA-256 {sha256[:12]}…"] if sha256 else []),
        f"engine {' '.join(map(str, facts.engine.values()))}",
        f"seeds {_seeds(facts)}",
        "Sleep masked" if facts.sleep_masked else "Sleep allowed",
        f"trace schema {facts.schema_version}",
        f"recorded {facts.created}",
    ]
    return " · ".join(parts)


def _run_facts(facts: RunFacts) -> Iterator[tuple[str, str]]:
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
    if isinstance(steps := facts.options.get("steps"), int):
        yield "Episode length", f"{phases.calls(steps)} steps played (CybORG’s steps={steps})"
    yield "Episodes", words.number(len(facts.seeds))
    yield "Seeds", _seeds(facts)
    yield "Engine", " ".join(str(value) for value in facts.engine.values())
    yield "Recorded", facts.created
    yield "Trace schema", str(facts.schema_version)
    yield "Versions", ", ".join(f"{name} {version}" for name, version in facts.packages.items())


def _return_rows(analysis: FsmAnalysis) -> Iterator[tuple[str, Any, str]]:
    returns = analysis.returns
    yield "Total", returns.total, "total"
    for name, estimate in returns.by_phase.items():
        yield f"Phase: {name}", estimate, ""
    for name, estimate in returns.by_cause.items():
        yield f"Cause: {words.CAUSES[name]}", estimate, ""


def _commands(facts: RunFacts) -> list[str]:
    """Commands that record the same trace and make this page."""
    policy = facts.policy
    command = [
        *("cagexplain", "trace", str(policy.get("path") or facts.name)),
        *("--episodes", str(len(facts.seeds)), "--seed", str(facts.seeds[0])),
        *("--red", facts.red, "--steps", str(facts.options.get("steps", ""))),
        *(("--mask-sleep",) if facts.sleep_masked else ()),
        *_sampling(policy),
        *("-o", facts.trace),
    ]
    return [shlex.join(command), shlex.join(["cagexplain", "fsm-report", facts.trace])]


def _sampling(policy: dict[str, Any]) -> tuple[str, ...]:
    if "deterministic" not in policy:
        return ()
    return ("--deterministic",) if policy["deterministic"] else ("--stochastic",)
