from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.envs import EnvParams, engines
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from tests.policies.fake_env import FakeEnv

STEPS = 9

Record = Callable[..., Recording]


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record from the stand-in, which is quick and fills every column."""
    monkeypatch.setattr(engines, "BatchedEnv", FakeEnv)


@pytest.fixture
def begin(fake_engine: None, tmp_path: Path) -> Record:
    """Begin (or resume) a recording of five episodes in batches of two."""

    def begin(
        folder: str | Path = "trace", policy: str = "random", episodes: int = 5, **options: Any
    ) -> Recording:
        return Recording(
            tmp_path / folder,
            load_policy(policy),
            np.arange(100, 100 + episodes),
            options.pop("params", EnvParams(steps=STEPS)),
            **{"batch": 2, **options},
        )

    return begin


@pytest.fixture
def recorded(begin: Record) -> Path:
    """A finished trace."""
    recording = begin()
    recording.run()
    return recording.folder
