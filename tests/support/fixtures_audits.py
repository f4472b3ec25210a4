"""An audit that the command itself has made, for tests of what is written about audits."""

from __future__ import annotations

from pathlib import Path

import pytest

from cagexplain.audit import document
from cagexplain.audit.results import Audit
from cagexplain.cli.main import main
from tests.support.small import ENOUGH

MUTED = {"REC-01": "We restore at night.", "DEC-02": "Decoys are not bought yet."}
"""Checks that the profile of the audit mutes: one that was measured and fails, one that was not."""
ALONE = ["--prices", "0", "--variations", "0", "--moments", "0"]
"""Options of an audit whose policy is not played on."""
FEW = ["--episodes", str(ENOUGH), "--steps", "60", *ALONE]


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an audit of a policy that restores blindly, with every verdict but ERROR."""
    folder = tmp_path_factory.mktemp("audited")
    muted = "\n".join(f"  {check}: {{muted: {why}}}" for check, why in MUTED.items())
    warned = "  REC-03: {measures: {value: {bad: 1}}}"  # instead of failing
    profile = folder / "own.yaml"
    profile.write_text(f"name: own\nextends: default\nchecks:\n{muted}\n{warned}\n")
    out = folder / "audit"
    command = ["audit", "restore_cycle", *FEW, "--profile", str(profile)]
    assert main([*command, "-o", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def real(audited: Path) -> Audit:
    """The same, read back."""
    return document.read(audited / "audit.json")
