"""What it means that a check fails, for headlines.

A check's title states the good condition; a reader in a hurry wants to know what is wrong. Checks
that are not here are told by their titles.
"""

from typing import Final

PROBLEMS: Final = {
    "DET-01": "Alerts hardly change what the defenders do",
    "DET-02": "What the defenders do does not depend on alerts",
    "DET-03": "Visible alerts are answered late",
    "DET-04": "Visible intrusions stay unanswered",
    "DET-05": "Machines are disrupted on weak evidence, without a look first",
    "DET-06": "What inspections find is not used",
    "DET-07": "Intruders that raise no alert are left alone",
    "ERA-01": "Intruders with full control are not answered by a rebuild",
    "ERA-02": "Suspicious processes are stopped where that cannot work",
    "ERA-03": "Clean-ups do not throw the intruder out",
    "ERA-04": "A clean-up that failed is not followed by a rebuild",
    "ERA-05": "Intruders stay long",
    "ERA-06": "Intruders gain full control of the machines that they enter",
    "ERA-07": "Machines that were cleaned are soon taken again",
    "REC-01": "Clean machines are rebuilt, which interrupts work for nothing",
    "REC-02": "More machines are rebuilt than the budget allows",
    "REC-03": "Clean machines of the running mission are rebuilt",
    "REC-04": "Rebuilt machines are neither checked nor protected by a decoy again",
    "REC-05": "Less important machines are helped first",
    "REC-06": "Damaged services stay damaged for long",
    "NET-01": "Connections that the mission needs open are cut",
    "NET-02": "Connections that should be closed stay open",
    "NET-03": "Traffic rules follow the phases of the mission late or not at all",
    "NET-04": "The defence itself cuts off users",
    "NET-05": "Extra blocks are set without a reason, or never lifted",
    "NET-06": "Blocks are set and lifted back and forth",
    "NET-07": "The defenders chase alerts that their own blocks caused",
    "DEC-01": "The attacker’s first attempts meet no decoy",
    "DEC-02": "Decoys are piled up, or stand where they matter little",
    "DEC-03": "Touched decoys are ignored",
    "MIS-01": "The attacker stops services that the running mission needs",
    "COV-01": "Some machines or zones are neglected",
    "COO-01": "The defenders undo each other’s blocks, or send messages without effect",
    "POL-01": "An agent has collapsed to repeating a single action",
    "POL-02": "The defenders idle while their machines show alerts",
    "POL-03": "Many actions have no effect",
    "POL-04": "Rebuilds are paid for that are never carried out",
    "ROB-01": "Training with another seed gives another behaviour",
    "ROB-02": "The defence breaks under missing or false alerts, or another attacker",
    "SUR-01": "The rules that explain the policy are not its rules",
}
"""By id of the check."""
