"""Tests of all pairs of event and response at all lags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.reactions.counts import ReactionCounts
from cagexplain.analysis.reactions.events import EVENTS, ZONES
from cagexplain.analysis.reactions.exposure import (
    BROKEN_DOWN,
    HOST_RESPONSES,
    LAGS,
    MAX_LAG,
    N_PLACEBO,
    ZONE_RESPONSES,
)
from cagexplain.analysis.reactions.results import (
    HOST,
    LagPoint,
    Reaction,
    ReactionPart,
    Scope,
    Window,
)
from cagexplain.cc4 import actions, network, phases
from cagexplain.common.arrays import Array
from cagexplain.stats import matched, means
from cagexplain.stats.means import CONFIDENCE

ALPHA: Final = 1 - CONFIDENCE
MIN_EXPOSED: Final = 30
MIN_EPISODES: Final = means.MIN_EPISODES


class ScopeTests:
    """The counts and tests of one scope; arrays are ``[event, lag, response]``.

    Attributes:
        limits: ``[event, 3, lag, response]`` difference to the base rate, and its limits.
        p: ``[event, tested lag, response]``; NaN where no test was made.
        adjusted: the same, adjusted.
    """

    def __init__(self, counts: ReactionCounts, scope: Scope) -> None:
        self.scope = scope
        self.kinds = HOST_RESPONSES if scope == HOST else ZONE_RESPONSES
        self._counts = counts
        columns = zip(*(self._tested(event) for event in range(len(EVENTS))), strict=True)
        (
            self.exposed,
            self.hits,
            self.base,
            self.episodes,
            self.enough,
            self.limits,
            self.p,
        ) = (np.stack(column) for column in columns)
        self.adjusted = self.p

    def _tested(self, event: int) -> tuple[Array, ...]:
        """The attributes of an event, of which alone the episodes' counts are unpacked."""
        exposed, hits, base, expected = (
            getattr(self._counts, f"{self.scope}_{column}").part(event)
            for column in ("exposed", "found", "base", "expected")
        )
        n, episodes = exposed.sum(axis=0, dtype=np.int64), np.count_nonzero(exposed, axis=0)
        observed = hits.sum(axis=0, dtype=np.int64)
        enough = (n >= MIN_EXPOSED) & (episodes >= MIN_EPISODES)
        limits = np.stack(matched.difference_limits(hits - base, exposed[..., None], CONFIDENCE))
        # A response that never occurs in these strata cannot be missing either: that is no test.
        testable = enough[N_PLACEBO:, None] & (expected.sum(axis=0) > 0)
        p = np.full(testable.shape, np.nan)
        p[testable] = matched.p_values(
            (hits[:, N_PLACEBO:] - expected)[:, testable],
            observed[N_PLACEBO:][testable],
            np.broadcast_to(n[N_PLACEBO:, None], testable.shape)[testable],
        )
        return n, observed, base.sum(axis=0, dtype=np.float64), episodes, enough, limits, p

    def reactions(self, event: int) -> Iterator[Reaction]:
        """All responses to an event."""
        for r, kind in enumerate(self.kinds):
            lags = tuple(self._point(event, lag, r) for lag in range(len(LAGS)))
            best = _best(lags)
            yield Reaction(
                event=EVENTS[event].name,
                source=EVENTS[event].source,
                response=actions.KIND_NAMES[kind],
                scope=self.scope,
                episodes=int(self.episodes[event, N_PLACEBO]),
                lags=lags,
                best=best,
                significant=any(is_significant(point) for point in lags),
                by_zone=self._breakdown(event, best, r, zones=True),
                by_phase=self._breakdown(event, best, r, zones=False),
                within=self._window(event, r) if self.scope == HOST else None,
            )

    def _point(self, event: int, lag: int, r: int) -> LagPoint:
        n, count = int(self.exposed[event, lag]), int(self.hits[event, lag, r])
        if not self.enough[event, lag]:
            return LagPoint(int(LAGS[lag]), n, count, *([None] * 8))
        rate, base = count / n, float(self.base[event, lag, r]) / n
        difference, low, high = (number(limit[lag, r]) for limit in self.limits[event])
        tested = lag - N_PLACEBO
        return LagPoint(
            lag=int(LAGS[lag]),
            n=n,
            count=count,
            rate=rate,
            base=base,
            difference=difference,
            low=low,
            high=high,
            lift=rate / base if base > 0 else None,
            p=number(self.p[event, tested, r]) if tested >= 0 else None,
            adjusted_p=number(self.adjusted[event, tested, r]) if tested >= 0 else None,
        )

    def _window(self, event: int, r: int) -> Window:
        n, rate, base, limits = windowed(self._counts, event, r, CONFIDENCE)
        return Window(MAX_LAG + 1, n, rate, base, *limits)

    def _breakdown(
        self, event: int, best: LagPoint | None, r: int, *, zones: bool
    ) -> tuple[ReactionPart, ...]:
        if best is None or self.scope != HOST or event >= BROKEN_DOWN:
            return ()
        names = [network.ZONES[zone] for zone in ZONES] if zones else list(phases.PHASE_NAMES)
        groups = slice(0, len(ZONES)) if zones else slice(len(ZONES), None)
        exposed, hits, base = (
            getattr(self._counts, f"part_{column}").part(event)[:, best.lag, groups]
            for column in ("exposed", "found", "base")
        )
        hits, base = hits[..., r], base[..., r]
        limits = matched.difference_limits(hits - base, exposed, CONFIDENCE)
        return tuple(
            _part(name, exposed[:, g], hits[:, g], base[:, g], [limit[g] for limit in limits])
            for g, name in enumerate(names)
        )


def windowed(
    counts: ReactionCounts, event: int, r: int, confidence: float
) -> tuple[int, float | None, float | None, tuple[float | None, float | None, float | None]]:
    """A response on the host within the tested lags: n, rate, base and difference with limits."""
    exposed, hits, base = (
        counts.window_exposed.part(event),
        counts.window_found.part(event)[:, r],
        counts.window_base.part(event)[:, r],
    )
    n = int(exposed.sum(dtype=np.int64))
    if not _enough(exposed):
        return n, None, None, (None, None, None)
    limits = matched.difference_limits(hits - base, exposed, confidence)
    value, low, high = (number(float(limit)) for limit in limits)
    rate, expected = float(hits.sum(dtype=np.int64)) / n, float(base.sum(dtype=np.float64)) / n
    return n, rate, expected, (value, low, high)


def _enough(exposed: npt.NDArray[np.uint16]) -> bool:
    many = exposed.sum(dtype=np.int64) >= MIN_EXPOSED
    return bool(many and np.count_nonzero(exposed) >= MIN_EPISODES)


def _part(
    name: str,
    exposed: npt.NDArray[np.uint16],
    hits: npt.NDArray[np.uint16],
    base: npt.NDArray[np.float32],
    limits: list[np.float64],
) -> ReactionPart:
    n = int(exposed.sum(dtype=np.int64))
    if not _enough(exposed):
        return ReactionPart(name, n, *([None] * 5))
    rate, expected = float(hits.sum(dtype=np.int64)) / n, float(base.sum(dtype=np.float64)) / n
    return ReactionPart(name, n, rate, expected, *(number(limit) for limit in limits))


def is_significant(point: LagPoint) -> bool:
    """Whether the difference at a lag is, after adjustment."""
    return point.adjusted_p is not None and point.adjusted_p < ALPHA


def _best(lags: tuple[LagPoint, ...]) -> LagPoint | None:
    significant = [point for point in lags if is_significant(point)]
    if significant:
        return max(significant, key=lambda point: abs(point.difference or 0.0))
    tested = [point for point in lags if point.p is not None]
    return min(tested, key=lambda point: point.p or 0.0) if tested else None


def number(value: np.float64 | float) -> float | None:
    """None instead of NaN."""
    return None if np.isnan(value) else float(value)
