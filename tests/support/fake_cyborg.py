"""The adapter of CybORG with our engine in CybORG's place, for tests of what the adapter does."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from cagexplain.envs import BatchedEnv, EnvParams, GroundTruth
from cagexplain.envs.cyborg import env as adapter
from tests.support.episodes import ARRAYS


class _World:
    def __init__(self, _api: object, params: EnvParams) -> None:
        self.env = BatchedEnv(1, params=params)

    def reset(self, seed: int | None, skip_worlds: int) -> dict[str, Any]:
        self.env.reset(None if seed is None else [seed], skip_worlds=skip_worlds)
        return self._frame()

    def step(self, actions: np.ndarray, messages: np.ndarray) -> dict[str, Any]:
        self.env.step(actions[None], messages[None])
        return self._frame()

    def _frame(self) -> dict[str, Any]:
        truth = self.env.truth()
        frame = {name: getattr(self.env, name)[0].copy() for name in ARRAYS}
        frame |= {f.name: getattr(truth, f.name)[0].copy() for f in fields(GroundTruth)}
        for name in adapter._TRANSITION_FIELDS:
            frame[name] = frame[name][: frame["trans_n"]]
        return frame


class _Share(adapter._Local):
    def full_state(self, env: int) -> dict[str, Any]:
        return self._worlds[env].env.full_state(0)

    def raw_observation(self, env: int, agent: int) -> dict[str, Any]:
        return self._worlds[env].env.raw_observation(0, agent)

    def generator_state(self, env: int) -> dict[str, Any]:
        return self._worlds[env].env.generator_state(0)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the adapter plays our engine."""
    monkeypatch.setattr(adapter, "load", lambda _path: None)
    monkeypatch.setattr(adapter, "World", _World)
    monkeypatch.setattr(adapter, "_Local", _Share)
