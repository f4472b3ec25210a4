from __future__ import annotations

from dataclasses import dataclass

from cagexplain.analysis.results import Result


@dataclass(frozen=True)
class Difference(Result):
    """A mean over roll-outs with confidence limits.

    Attributes:
        mean: in points of reward.
        low, high: limits; None with too few roll-outs for them.
    """

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Outcome(Result):
    """What followed an action.

    Attributes:
        rollouts: futures that were played.
        steps: that each was played for; fewer than the horizon where the episode ends before.
        mean_return: mean sum of team rewards over these steps.
        advantage: its return minus that of the chosen action, paired by future.
        by_cause: the advantage's parts, by name of the cause (LWF, ASF, RIA, cost of actions).
    """

    rollouts: int
    steps: int
    mean_return: float
    advantage: Difference
    by_cause: dict[str, Difference]
