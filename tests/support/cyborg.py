"""Tests that need the real CybORG: they skip where it is not to be had."""

import os
import sys
from functools import cache
from pathlib import Path

import pytest

from cagexplain.common.errors import CagexplainError
from cagexplain.envs.cyborg.locate import load
from cagexplain.policies.external.forms import CYBORG_PATH


@cache
def cyborg_path() -> Path | None:
    """Folder of CybORG, from the variable that the commands read; None: an installed one."""
    found = os.environ.get(CYBORG_PATH)
    return Path(found) if found else None


@cache
def _reason() -> str | None:
    try:
        load(cyborg_path())
    except CagexplainError as error:
        return str(error)
    return None


def require_cyborg() -> Path | None:
    """Skip the test without CybORG; otherwise its path, if it is not installed."""
    if (reason := _reason()) is not None:
        pytest.skip(f"CybORG cannot be used: {reason}")
    return cyborg_path()


@pytest.fixture
def without_cyborg(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no CybORG, so submissions play on stand-ins."""
    monkeypatch.delenv(CYBORG_PATH, raising=False)
    if "CybORG" in sys.modules:
        pytest.skip("an earlier test of this process has loaded CybORG, which stays")
