"""The real CybORG behind the environments' protocol."""

from pathlib import Path

from cagexplain.envs.cyborg.env import CybORGEnv
from cagexplain.envs.cyborg.locate import load

__all__ = ["CybORGEnv", "describe"]


def describe(path: Path | None = None) -> dict[str, str]:
    """Name, version and digest of the CybORG that would be used: a modified one has another."""
    api = load(path)
    return {"name": "CybORG", "version": api.version, "sources": api.sources}
