"""Raw observations: whether the agent's action runs and how it ended, nothing else."""

from __future__ import annotations

import enum
from typing import Any

from cagexplain.cc4.agents import BLUE
from cagexplain.envs import raw
from cagexplain.envs.lookalike.standin.missing import Absent


class TernaryEnum(enum.Enum):
    """How an action ended. As in CybORG, a truth value equals the member of its name."""

    TRUE = 1
    UNKNOWN = 2
    FALSE = 3
    IN_PROGRESS = 4

    def __eq__(self, other: object) -> bool:
        return self.name == str(other).upper() if isinstance(other, bool) else self is other

    __hash__ = enum.Enum.__hash__

    def __str__(self) -> str:
        return self.name


class RawObservation(Absent):
    """An agent's raw observation. The rest of it is made of CybORG's objects.

    Args:
        record: the engine's, after a step or reset.
        agent: whose.
    """

    def __init__(self, record: Any, agent: str) -> None:
        super().__init__(f"get_observation({agent!r})")
        self._success = TernaryEnum[raw.success(record, BLUE.index(agent))]

    def __getitem__(self, key: object) -> Any:
        return self._success if key == "success" else super().__getitem__(key)
