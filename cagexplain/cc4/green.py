"""Green users: one per user host, all with the same behaviour."""

from enum import IntEnum
from typing import Final


class GreenAction(IntEnum):
    """Drawn uniformly by every green user in every step."""

    ACCESS = 0
    LOCAL_WORK = 1
    SLEEP = 2


GREEN_ACTION_NAMES: Final = ("GreenAccessService", "GreenLocalWork", "Sleep")


class GreenFailure(IntEnum):
    """Why a green action failed."""

    NONE = 0
    SERVICE_DEGRADED = 1
    TRAFFIC_BLOCKED = 2


GREEN_FAILURE_NAMES: Final = ("none", "service_degraded", "traffic_blocked")
