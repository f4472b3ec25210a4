"""A layer for MITRE's ATT&CK Navigator (format 4.5): how the policy stands up to what red does.

A technique that red uses in CC4 is scored by the worst verdict among the checks that refer to it or
to its tactic; nothing is added up. One that no judged check refers to has no score and no colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cagexplain.audit.check import FRAMEWORKS
from cagexplain.audit.results import Audit, Finding, Verdict
from reports.exports.common import dumps, references, statement, subject

LAYER: Final = "4.5"
_NAVIGATOR: Final = "5.0.0"
"""Version of the Navigator that the layer is made for; this format came with 4.9."""


@dataclass(frozen=True)
class Technique:
    """A technique that red uses.

    Attributes:
        id, tactic: in ATT&CK.
        does: red's action in CC4, and what it does.
    """

    id: str
    tactic: str
    does: str


TECHNIQUES: Final = (
    Technique("T1018", "TA0007", "DiscoverRemoteSystems finds the hosts of a subnet."),
    Technique(
        "T1046",
        "TA0007",
        "AggressiveServiceDiscovery and StealthServiceDiscovery find the services of a host.",
    ),
    Technique(
        "T1518.001", "TA0007", "DiscoverDeception distinguishes decoys from services, mostly."
    ),
    Technique("T1210", "TA0008", "ExploitRemoteService takes over a host through a service."),
    Technique("T1068", "TA0004", "PrivilegeEscalate makes a user session one of root."),
    Technique("T1489", "TA0040", "Impact stops the service that the operation depends on."),
    Technique("T1499", "TA0040", "DegradeServices makes the services of a host unreliable."),
    Technique("T1070", "TA0005", "Withdraw leaves a host and its traces behind."),
    Technique("T1566", "TA0001", "Green users open what they were sent: a foothold without alert."),
    Technique(
        "T1204", "TA0002", "Green users start what they were sent: a foothold without alert."
    ),
)
"""Where CC4 names no technique for an action, the nearest one."""
_SCORES: Final[Mapping[Verdict, int]] = {"FAIL": 0, "WARN": 50, "PASS": 100}
_COLOURS: Final = ("#d55e00", "#f0e442", "#56b4e9")
"""From FAIL over WARN to PASS; colour-blind readers can distinguish them (Okabe and Ito 2008)."""


def navigator(audit: Audit) -> str:
    """The layer of an audit."""
    layer = {
        "name": f"Audit of {subject(audit)}",
        "versions": {
            "attack": FRAMEWORKS["ATT&CK"][1],
            "navigator": _NAVIGATOR,
            "layer": LAYER,
        },
        "domain": "enterprise-attack",
        "description": "How a blue policy of CAGE Challenge 4 stands up to the techniques that red "
        "uses there, by the worst verdict of the checks that refer to each.",
        "sorting": 2,
        "layout": {"layout": "side", "expandedSubtechniques": "annotated"},
        "hideDisabled": False,
        "techniques": [_technique(audit, technique) for technique in TECHNIQUES],
        "gradient": {"colors": list(_COLOURS), "minValue": 0, "maxValue": 100},
        "legendItems": [
            {"label": f"{verdict} (score {score})", "color": colour}
            for (verdict, score), colour in zip(_SCORES.items(), _COLOURS, strict=True)
        ],
        "metadata": [
            {"name": "profile", "value": str(audit.profile.get("name"))},
            {"name": "created", "value": audit.created},
        ],
    }
    return dumps(layer)


def _technique(audit: Audit, technique: Technique) -> dict[str, Any]:
    about = [finding for finding in audit.findings if _refers(finding, technique)]
    lines = [f"{finding.id} {statement(audit, finding)}" for finding in about]
    entry: dict[str, Any] = {
        "techniqueID": technique.id,
        "comment": "\n".join([technique.does, *(lines or ["No check refers to it."])]),
    }
    if scores := [_SCORES[f.verdict] for f in about if f.verdict in _SCORES]:
        entry["score"] = min(scores)
    return entry


def _refers(finding: Finding, technique: Technique) -> bool:
    """Whether a check is about a technique: the technique itself, its parent, or its tactic."""
    parent = technique.id.partition(".")[0]
    cited = {ref.id for ref in references(finding) if ref.framework == "ATT&CK"}
    return not cited.isdisjoint({technique.id, parent, technique.tactic})
