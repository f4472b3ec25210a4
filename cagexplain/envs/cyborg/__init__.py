"""The real CybORG behind the environments' protocol."""

from pathlib import Path

from cagexplain.envs.cyborg.env import CybORGEnv
from cagexplain.envs.cyborg.locate import load

__all__ = ["CybORGEnv", "version"]


def version(path: Path | None = None) -> str:
    """Version of the CybORG that would be used."""
    return load(path).version
