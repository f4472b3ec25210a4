"""How an action can end."""

from enum import IntEnum
from typing import Final


class Outcome(IntEnum):
    """Result of an action that came due."""

    NONE = 0
    SUCCESS = 1
    FAILURE = 2
    DROPPED = 3
    """The source session no longer existed: nothing was executed and nobody was told."""


EXECUTED: Final = (Outcome.SUCCESS, Outcome.FAILURE)
"""Results of an action that took place, whether it achieved anything or not."""
OUTCOME_NAMES: Final = tuple(outcome.name for outcome in Outcome)
