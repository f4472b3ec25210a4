"""The policy's usual responses as a CACAO 2.0 security playbook (OASIS).

All agents work at the same time, so the playbook begins with a parallel step. Each branch asks for
what the agent sees, the gravest first, and leads to what the policy does most often then; where
that depends on the mission phase, a switch comes between. The commands are described in words.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from cagexplain.audit.playbook import AIMS, SIGHTS, WAIT
from cagexplain.audit.results import Audit, Choice, Playbook, Situation
from reports.exports.common import TOOL, dumps, moment, subject

_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:{TOOL}:playbook")
_ACTIVITIES: Final[Mapping[str, tuple[str, str]]] = {
    WAIT: ("scan-system", "detection"),
    "Analyse": ("analyze-collected-data", "investigation"),
    "DeployDecoy": ("prepare-engagement", "engagement"),
    "Remove": ("eliminate-risk", "mitigation"),
    "Restore": ("revert-system", "remediation"),
    "BlockTrafficZone": ("restrict-access", "mitigation"),
    "AllowTrafficZone": ("restore-capabilities", "remediation"),
}
"""Activity and type of playbook, in CACAO's vocabularies, of each of blue's actions."""
_DOES: Final[Mapping[str, str]] = {
    WAIT: "Wait and watch",
    "Analyse": "Analyse",
    "DeployDecoy": "Deploy a decoy on",
    "Remove": "Remove suspicious processes from",
    "Restore": "Restore",
    "BlockTrafficZone": "Block traffic on",
    "AllowTrafficZone": "Allow traffic on",
}
_ENDPOINTS: Final = ("desktop", "server")
_LINKS: Final = ("firewall",)
_ON_LINKS: Final = frozenset({"BlockTrafficZone", "AllowTrafficZone"})

Steps = dict[str, dict[str, Any]]


def cacao(audit: Audit) -> str:
    """The playbook of an audit; one without any response if none was extracted."""
    return dumps(_Writer(audit, audit.playbook or Playbook(0, 0, ())).playbook())


class _Writer:
    """Writes one playbook; ids depend on the policy, the time and the place of a step alone."""

    def __init__(self, audit: Audit, playbook: Playbook) -> None:
        self._audit, self._playbook = audit, playbook
        self._identity = f"{audit.policy.get('sha256')}\n{subject(audit)}\n{audit.created}"
        self._steps: Steps = {}
        self._variables: dict[str, dict[str, Any]] = {}

    def _id(self, kind: str, *path: str) -> str:
        name = "\n".join([self._identity, kind, *path])
        return f"{kind}--{uuid.uuid5(_SPACE, name.encode('utf-8', 'replace').decode())}"

    def playbook(self) -> dict[str, Any]:
        """The whole document."""
        agents = list(dict.fromkeys(situation.agent for situation in self._playbook.situations))
        end = self._end("all")
        start = self._step("start", "all", on_completion=self._together(agents, end))
        created = moment(self._audit).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        used = [
            _ACTIVITIES[situation.choices[0].action]
            for situation in self._playbook.situations
            if situation.choices[0].action in _ACTIVITIES
        ]
        document: dict[str, Any] = {
            "type": "playbook",
            "spec_version": "cacao-2.0",
            "id": self._id("playbook"),
            "name": f"Usual responses of {subject(self._audit)}",
            "description": f"What the policy does most often in each situation, from "
            f"{self._playbook.decisions} decisions in {self._playbook.episodes} episodes of CAGE "
            "Challenge 4. It describes what the policy does, not what is advisable.",
            "playbook_types": sorted({kind for _, kind in used}),
            "created_by": f"identity--{_SPACE}",
            "created": created,
            "modified": created,
            "revoked": False,
            "labels": ["cage-challenge-4", "extracted-from-policy"],
            "workflow_start": start,
            "workflow": self._steps,
        }
        if used:
            document["playbook_activities"] = sorted({activity for activity, _ in used})
        if self._variables:
            document["playbook_variables"] = self._variables
        if agents:
            document |= {
                "agent_definitions": {
                    self._agent(a): _category(a, ["orchestrator"]) for a in agents
                },
                "target_definitions": {
                    self._target(a, kinds): _category(f"{what} of {a}", list(kinds))
                    for a in agents
                    for what, kinds in (("hosts", _ENDPOINTS), ("links", _LINKS))
                },
            }
        return document

    def _together(self, agents: list[str], end: str) -> str:
        """All agents side by side; a parallel step needs two of them."""
        branches = [self._branch(agent) for agent in agents]
        if len(branches) < 2:
            return branches[0] if branches else end
        return self._step(
            "parallel", "all", name="All agents", next_steps=branches, on_completion=end
        )

    def _branch(self, agent: str) -> str:
        """What one agent asks for, one thing after the other; the last answer needs no question."""
        end = self._end(agent)
        following = end
        situations = [s for s in self._playbook.situations if s.agent == agent]
        for sees in reversed(list(dict.fromkeys(s.sees for s in situations))):
            answer = self._answer([s for s in situations if s.sees == sees], end)
            following = self._question(agent, sees, answer, following, end)
        return following

    def _question(self, agent: str, sees: str, answer: str, otherwise: str, end: str) -> str:
        if sees == list(SIGHTS)[-1]:  # nothing is left to ask for
            return answer
        sight = SIGHTS.get(sees, sees)
        variable = f"__sees_{_slug(sees)}_{_slug(agent)}__"
        self._variables[variable] = {
            "type": "bool",
            "description": f"Whether {agent} sees {sight}",
            "external": True,
        }
        return self._step(
            "if-condition",
            *(agent, sees),
            name=f"{agent}: {sight}?",
            condition=f"{variable}:value = true",
            on_true=answer,
            on_false=otherwise,
            on_completion=end,
        )

    def _answer(self, situations: list[Situation], end: str) -> str:
        """The usual action, or a switch over the mission phases."""
        if len(situations) == 1:
            return self._action(situations[0], end)
        first = situations[0]
        self._variables["__phase__"] = {
            "type": "string",
            "description": "Mission phase",
            "external": True,
        }
        return self._step(
            "switch-condition",
            *(first.agent, first.sees),
            name=f"{first.agent}: mission phase?",
            switch="__phase__:value",
            cases={_slug(s.phase or "default"): self._action(s, end) for s in situations},
            on_completion=end,
        )

    def _action(self, situation: Situation, end: str) -> str:
        usual = situation.choices[0]
        kinds = _LINKS if usual.action in _ON_LINKS else _ENDPOINTS
        described = [f"{_described(choice)}: {_how_often(choice)}" for choice in situation.choices]
        return self._step(
            "action",
            *(situation.agent, situation.sees, situation.phase or ""),
            name=_described(usual),
            description=f"From {situation.n} decisions in {situation.episodes} episodes. "
            + "; ".join(described)
            + ".",
            commands=[_command(usual)],
            agent=self._agent(situation.agent),
            targets=[self._target(situation.agent, kinds)],
            on_completion=end,
        )

    def _step(self, kind: str, *path: str, **entries: Any) -> str:
        ident = self._id(kind, *path)
        self._steps[ident] = {"type": kind, **entries}
        return ident

    def _end(self, of: str) -> str:
        return self._step("end", of)

    def _agent(self, agent: str) -> str:
        return self._id("security-category", agent)

    def _target(self, agent: str, kinds: tuple[str, ...]) -> str:
        return self._id("security-category", agent, *kinds)


def _category(name: str, category: list[str]) -> dict[str, Any]:
    return {"type": "security-category", "name": name, "category": category}


def _slug(text: str) -> str:
    """A text as names of variables and cases may hold it."""
    return re.sub("[^a-z0-9_-]", "-", text.lower())[:80]


def _command(choice: Choice) -> dict[str, str]:
    command = {"type": "manual", "command": _described(choice)}
    if known := _ACTIVITIES.get(choice.action):
        command["playbook_activity"] = known[0]
    return command


def _described(choice: Choice) -> str:
    does = _DOES.get(choice.action, choice.action)
    return f"{does} {AIMS.get(choice.aim, choice.aim)}".strip()


def _how_often(choice: Choice) -> str:
    if choice.low is None or choice.high is None:
        return f"{choice.share:.1%}"
    return f"{choice.share:.1%} (95 % interval {choice.low:.1%} to {choice.high:.1%})"
