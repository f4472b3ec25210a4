"""How the failures of a finding go over the episode, as bars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.results import Finding
from cagexplain.cc4 import phases
from reports.kit.numbers import percent
from reports.shared import show

FEW: Final = 5
"""Cases of a stretch of time below which its share is not drawn."""


@dataclass(frozen=True)
class Stretch:
    """A bar: where it lies and how high it is, in per cent of the drawing, and what it says.

    `height` is None if there are too few cases.
    """

    start: float
    width: float
    height: float | None
    title: str


@dataclass(frozen=True)
class Drawing:
    """Bad cases over the episode.

    Attributes:
        title: what is drawn, in words.
        bars: by stretch of time.
        phases: where the phases change, in per cent.
        span: start and width of the time in which the policy fails, in per cent; None if it is not
            told.
        last: last step of the episode.
    """

    title: str
    bars: tuple[Stretch, ...]
    phases: tuple[float, ...]
    span: tuple[float, float] | None
    last: int


def drawing(finding: Finding, steps: int | None) -> Drawing | None:
    """Draw the course of a finding; None if it has none.

    Args:
        finding: with its course.
        steps: of an episode as CC4 counts them; None if unknown.
    """
    course = finding.course
    if course is None or not any(course.n):
        return None
    length = course.width * len(course.n)
    first, second, _ = phases.lengths(steps or phases.DEFAULT_STEPS)
    since = finding.worst.since if finding.worst else None
    span = None
    if since is not None:
        stop = length if since.stop is None else since.stop
        span = 100 * since.start / length, 100 * (stop - since.start) / length
    whose = f" of {show.agent(course.agent)}" if course.agent else ""
    return Drawing(
        f"Share of the {finding.trigger or 'cases'}{whose} that speak against the policy, by step",
        tuple(_bars(course.bad, course.n, course.width)),
        (100 * first / length, 100 * (first + second) / length),
        span,
        length,
    )


def _bars(bad: tuple[int, ...], n: tuple[int, ...], width: int) -> Iterator[Stretch]:
    each = 100 / len(n)
    for i, (against, cases) in enumerate(zip(bad, n, strict=True)):
        steps = f"steps {i * width} to {(i + 1) * width - 1}"
        if cases < FEW:
            yield Stretch(i * each, each, None, f"{steps}: too few cases ({cases})")
        else:
            share = against / cases
            yield Stretch(
                i * each, each, 100 * share, f"{steps}: {percent(share)} ({against} of {cases})"
            )
