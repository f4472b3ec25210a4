"""What the cited passages of frameworks are about, in a few words; the frameworks' own names where
they have any. One table, so that a passage is called the same wherever it is cited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CSF: Final = {
    "DE.AE-02": "Potentially adverse events are analysed",
    "DE.AE-03": "Information is correlated from several sources",
    "DE.AE-08": "Incidents are declared by criteria",
    "DE.CM-09": "Computing hardware, software and runtime are monitored",
    "ID.AM-03": "Authorised network communication is represented",
    "ID.AM-05": "Assets are prioritised",
    "ID.RA-07": "Changes and exceptions are managed",
    "PR.IR-01": "Networks are protected from unauthorised access",
    "PR.IR-03": "Resilience requirements are met in adverse situations too",
    "PR.IR-04": "Capacity for availability is maintained",
    "RC.RP-02": "Recovery actions are selected, scoped, prioritised and performed",
    "RC.RP-04": "Critical mission functions shape operation after an incident",
    "RC.RP-05": "Restored assets are verified and back in normal operation",
    "RS.AN-03": "Analysis establishes what has taken place",
    "RS.AN-08": "The magnitude of an incident is estimated",
    "RS.CO-03": "Information is shared with those who need it",
    "RS.MA-01": "The incident response plan is executed",
    "RS.MA-02": "Incident reports are triaged and validated",
    "RS.MA-03": "Incidents are categorised and prioritised",
    "RS.MI-01": "Incidents are contained",
    "RS.MI-02": "Incidents are eradicated",
}
_COMMUNITY_PROFILE: Final = (
    "DE.AE-03",
    "RC.RP-02",
    "RC.RP-05",
    "RS.AN-03",
    "RS.MA-02",
    "RS.MA-03",
    "RS.MI-01",
    "RS.MI-02",
)
"""Subcategories of the CSF that SP 800-61 is cited for. Its third revision is a community profile:
it numbers its recommendations by them."""

TITLES: Final[Mapping[str, Mapping[str, str]]] = {
    "CSF": _CSF,
    "SP 800-53": {
        "AC-4": "Information Flow Enforcement",
        "AC-4(3)": "Dynamic Information Flow Control",
        "IR-4(4)": "Information Correlation",
        "RA-10": "Threat Hunting",
        "SC-7": "Boundary Protection",
        "SC-26": "Decoys",
        "SI-4(7)": "Automated Response to Suspicious Events",
    },
    "SP 800-61": {ident: _CSF[ident] for ident in _COMMUNITY_PROFILE},
    "CISA playbook": {
        "Detection & Analysis": "Alerts are confirmed, and the scope of an incident is determined",
        "Containment": "Damage is stopped, weighed against the effect on the mission",
        "Eradication & Recovery": "All artefacts go, systems return, and re-entry is watched for",
    },
    "CIS": {
        "12.2": "Establish and Maintain a Secure Network Architecture",
        "13.4": "Perform Traffic Filtering Between Network Segments",
        "13.11": "Tune Security Event Alerting Thresholds",
        "17.9": "Establish and Maintain Security Incident Thresholds",
    },
    "AI RMF": {
        "MEASURE 2.5": "Valid and reliable",
        "MEASURE 2.6": "Safe, also beyond the limits of its knowledge",
        "MEASURE 2.7": "Secure and resilient",
        "MEASURE 2.9": "Explained, validated and documented",
    },
    "COUN7ER": {
        "CM0023": "Identify and Terminate Suspicious Processes",
        "CM0027": "Rebuild Compromised Host",
        "CM0065": "Isolate Endpoints from Network",
    },
    "ATT&CK": {
        "M1030": "Network Segmentation",
        "T1046": "Network Service Discovery",
        "T1068": "Exploitation for Privilege Escalation",
        "T1210": "Exploitation of Remote Services",
        "T1489": "Service Stop",
        "T1499": "Endpoint Denial of Service",
        "T1566": "Phishing",
        "TA0004": "Privilege Escalation",
    },
    "D3FEND": {
        "D3-DNR": "Decoy Network Resource",
        "D3-FA": "File Analysis",
        "D3-ITF": "Inbound Traffic Filtering",
        "D3-NTA": "Network Traffic Analysis",
        "D3-NTF": "Network Traffic Filtering",
        "D3-NTPM": "Network Traffic Policy Mapping",
        "D3-PT": "Process Termination",
        "D3-RDI": "Restore Disk Image",
        "D3-RNA": "Restore Network Access",
    },
    "Engage": {"EAC0005": "Lures", "EAP0002": "Detect", "EGO0001": "Expose"},
    "RE&CT": {
        "RA3102": "Block internal IP address",
        "RA5001": "Reinstall host from golden image",
        "RA5101": "Unblock blocked IP address",
    },
}
"""By framework and id."""
