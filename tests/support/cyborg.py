"""Tests that need the real CybORG: they skip where it is not to be had."""

import os
from functools import cache
from pathlib import Path

import pytest

from cagexplain.common.errors import CagexplainError
from cagexplain.envs.cyborg.locate import load


@cache
def cyborg_path() -> Path | None:
    """Folder of CybORG, from the variable that the commands read; None: an installed one."""
    found = os.environ.get("CAGEXPLAIN_CYBORG_PATH")
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
