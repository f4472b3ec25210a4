"""What is to blame: the parts of the policy or of the time in which its checks fail.

Many checks fail for one reason: an agent that does nothing fails every check that looks at its
hosts. So failures are put together by the agent that they point at, or else by the other places;
what points nowhere is the whole team's. If the whole team fails in a stretch of time, what fails
within that stretch belongs to it, wherever it is. What is the cause comes before what follows from
it: checks of the policy's health, then those of practices, then outcomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from cagexplain.audit import ranking
from cagexplain.audit.results import Audit, Finding, Place, Span
from cagexplain.cc4 import phases

_CAUSES_FIRST: Final = ("health", "practice", "outcome")
_WHEN: Final = ("steps", "episodes", "phase", "change of phase")
"""Kinds of parts that tell when, not who or where."""
_MOST: Final = 0.5
"""Share of the failures of an agent that must agree on a further place for it to be named."""


@dataclass(frozen=True)
class Suspect:
    """A part in which checks fail.

    Attributes:
        places: what it is; empty for the whole team in all of the time.
        findings: that fail there, causes first and the most pressing of them first.
        since: when, if most of the failures come with a stretch of time: that of the most pressing.
    """

    places: tuple[Place, ...]
    findings: tuple[Finding, ...]
    since: Span | None = None


def suspects(audit: Audit) -> list[Suspect]:
    """Parts in which checks fail, the most pressing first: that with the weightiest failures."""
    failures = [f for f in audit.findings if f.verdict == "FAIL" and f.axis in _CAUSES_FIRST]
    failures = [f for f in ranking.in_order(failures, audit) if f.survives is not False]
    groups: dict[tuple[Place, ...], list[Finding]] = {}
    for finding in failures:
        groups.setdefault(_key(finding), []).append(finding)
    places = {key: tuple(_places(group)) for key, group in groups.items()}
    spans = {key: _span_of(group) for key, group in groups.items()}
    if span := spans.get(()):
        _take_in(groups, span, audit)
    order = sorted(groups, key=lambda key: -ranking.weight(groups[key], audit))
    return [
        Suspect(places[key], _causes_first(groups[key]), spans[key]) for key in order if groups[key]
    ]


def _take_in(groups: dict[tuple[Place, ...], list[Finding]], span: Span, audit: Audit) -> None:
    """Give the team what fails within its stretch of time."""
    steps = audit.play.get("steps")
    limits = _phase_limits(steps if isinstance(steps, int) else phases.DEFAULT_STEPS)
    for key in [key for key in groups if key]:
        within = [finding for finding in groups[key] if _within(finding, span, limits)]
        groups[()] += within
        groups[key] = [finding for finding in groups[key] if finding not in within]


def _span_of(group: Sequence[Finding]) -> Span | None:
    """The stretch of time of the most pressing failure that has one, if most of them have."""
    spans = [finding.worst.since for finding in _causes_first(group) if finding.worst is not None]
    known = [span for span in spans if span is not None]
    return known[0] if known and len(known) >= _MOST * len(group) else None


def _phase_limits(steps: int) -> dict[str, tuple[int, int]]:
    """First step of each mission phase, and the first one after it."""
    stops = list(accumulate(phases.lengths(steps)))
    return dict(zip(phases.PHASE_NAMES, zip([0, *stops], stops, strict=False), strict=True))


def _within(finding: Finding, span: Span, limits: Mapping[str, tuple[int, int]]) -> bool:
    """Whether the part in which a check fails lies within a stretch of time."""
    if finding.worst is None:
        return False
    if finding.worst.since is not None:
        start, stop = finding.worst.since.start, finding.worst.since.stop
    else:
        named = [place.name for place in finding.worst.place if place.kind == "phase"]
        if not named or named[0] not in limits:
            return False
        start, stop = limits[named[0]]
        stop = None if named[0] == phases.PHASE_NAMES[-1] else stop
    ends = span.stop is None or (stop is not None and stop <= span.stop)
    return start >= span.start_low and ends


def _key(finding: Finding) -> tuple[Place, ...]:
    """By what a failure is put together with others."""
    places = finding.worst.place if finding.worst else ()
    for kinds in (("agent",), *((p.kind,) for p in places if p.kind not in _WHEN), _WHEN[2:]):
        chosen = tuple(place for place in places if place.kind in kinds)
        if chosen:
            return chosen
    return ()


def _places(group: Sequence[Finding]) -> Iterator[Place]:
    """What all of a group have in common, and what most of them add to it; one of a kind."""
    counts = Counter(place for finding in group if finding.worst for place in finding.worst.place)
    kinds = set()
    for place, n in counts.most_common():
        if place.kind not in kinds and place.kind != "steps" and n >= _MOST * len(group):
            kinds.add(place.kind)
            yield place


def _causes_first(group: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(group, key=lambda finding: _CAUSES_FIRST.index(finding.axis)))
