"""How counts are split over categories, with limits that hold for all categories at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cagexplain.common.arrays import IntArray
from cagexplain.common.results import Result
from cagexplain.stats.entropy import Entropy
from cagexplain.stats.interval import finite
from cagexplain.stats.shares import shares


@dataclass(frozen=True)
class CategoryShare(Result):
    """One category's part of a whole.

    Attributes:
        name: of the category.
        count: absolute.
        share: of the total; None if there is nothing to share.
        low, high: confidence limits that hold for all categories at once; None with fewer than
            two episodes.
    """

    name: str
    count: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Distribution(Result):
    """How one group's counts are split over the categories.

    Attributes:
        group: what is split, such as the FSM state that the decisions were made in.
        total: counts.
        episodes: episodes with any.
        shares: in the categories' order.
        entropy: of the shares; only of action distributions.
    """

    group: str
    total: int
    episodes: int
    shares: tuple[CategoryShare, ...]
    entropy: Entropy | None = None

    @property
    def top(self) -> CategoryShare | None:
        """The most frequent category; None without counts."""
        return max(self.shares, key=lambda share: share.count) if self.total else None

    @property
    def clear(self) -> bool:
        """Whether the most frequent category's interval lies above all the others'."""
        if self.top is None or self.top.low is None:
            return False
        others = [s.high for s in self.shares if s is not self.top and s.high is not None]
        return all(self.top.low > high for high in others)

    def share_of(self, name: str) -> CategoryShare:
        """Look a category up; ``KeyError`` if there is no such."""
        return {share.name: share for share in self.shares}[name]


def distributions(
    counts: IntArray, groups: Sequence[str], categories: Sequence[str]
) -> tuple[Distribution, ...]:
    """One distribution per group.

    Args:
        counts: ``[episode, group, category]``.
        groups, categories: names.
    """
    estimates = shares(counts)
    return tuple(
        Distribution(
            group=group,
            total=int(estimates.total[g]),
            episodes=int(estimates.episodes[g]),
            shares=tuple(
                CategoryShare(
                    name=category,
                    count=int(estimates.counts[g, c]),
                    share=finite(estimates.share[g, c]),
                    low=finite(estimates.low[g, c]),
                    high=finite(estimates.high[g, c]),
                )
                for c, category in enumerate(categories)
            ),
        )
        for g, group in enumerate(groups)
    )
