import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.envs import EnvParams, engines
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from tests.support.fake_env import FakeEnv

STEPS = 9

Record = Callable[..., Recording]


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record from the stand-in, which is quick and fills every column."""
    monkeypatch.setattr(engines, "BatchedEnv", FakeEnv)


def _begin(folder: Path, policy: str = "random", episodes: int = 5, **options: Any) -> Recording:
    return Recording(
        folder,
        load_policy(policy),
        np.arange(100, 100 + episodes),
        options.pop("params", EnvParams(steps=STEPS)),
        **{"batch": 2, **options},
    )


@pytest.fixture
def begin(fake_engine: None, tmp_path: Path) -> Record:
    """Begin (or resume) a recording of five episodes in batches of two."""
    return lambda folder="trace", *args, **options: _begin(tmp_path / folder, *args, **options)


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `begin` records, to read only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "BatchedEnv", FakeEnv)
        recording = _begin(tmp_path_factory.mktemp("recorded") / "trace")
        recording.run()
    return recording.folder


@pytest.fixture
def recorded(recorded_once: Path, tmp_path: Path) -> Path:
    """A finished trace."""
    return Path(shutil.copytree(recorded_once, tmp_path / "trace"))
