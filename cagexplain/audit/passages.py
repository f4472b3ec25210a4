"""What the cited passages of frameworks are about, in a few words; the frameworks' own names where
they have any. One table, so that a passage is called the same wherever it is cited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TITLES: Final[Mapping[str, Mapping[str, str]]] = {
    "CSF": {
        "DE.AE-02": "Adverse events are analysed",
        "DE.AE-03": "Information is correlated from several sources",
        "DE.AE-08": "Incidents are declared by criteria",
        "DE.CM-09": "Computing hardware, software and runtime are monitored",
        "ID.AM-03": "Authorised network communication is represented",
        "ID.AM-05": "Assets are prioritised",
        "ID.IM-03": "Operation shows what to improve",
        "PR.IR-01": "Networks are protected from unauthorised access",
        "PR.IR-04": "Capacity for availability is maintained",
        "RC.RP-02": "Recovery actions are selected, scoped and prioritised",
        "RC.RP-04": "Mission functions are considered in recovery",
        "RC.RP-05": "Restored assets are verified and back in normal operation",
        "RS.AN-03": "Analysis establishes what has taken place",
        "RS.MA-01": "The incident response plan is executed",
        "RS.MA-02": "Incident reports are triaged and validated",
        "RS.MA-03": "Incidents are categorised and prioritised",
        "RS.MA-04": "Incidents are escalated as needed",
        "RS.MI-01": "Incidents are contained",
        "RS.MI-02": "Incidents are eradicated",
    },
    "SP 800-53": {
        "AC-4": "Information Flow Enforcement",
        "RA-10": "Threat Hunting",
        "SC-7": "Boundary Protection",
        "SC-26": "Decoys",
        "SI-4": "System Monitoring",
    },
    "SP 800-61": {
        "3.2": "Detection and Analysis",
        "3.3.1": "Choosing a Containment Strategy",
        "3.3.4": "Eradication and Recovery",
    },
    "AI RMF": {
        "MEASURE 2.5": "Valid and reliable",
        "MEASURE 2.7": "Secure and resilient",
        "MEASURE 2.9": "Explained, validated and documented",
    },
    "COUN7ER": {
        "CM0023": "Identify and Terminate Suspicious Processes",
        "CM0027": "Rebuild Compromised Host",
        "CM0034": "Identify and Block Suspicious Hosts",
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
        "D3-PSA": "Process Spawn Analysis",
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
