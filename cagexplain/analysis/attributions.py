from __future__ import annotations

from dataclasses import dataclass

from cagexplain.analysis.results import Result


@dataclass(frozen=True)
class Influence(Result):
    """What an entry of the network's input contributed.

    Attributes:
        name: such as "process alert on user_host_3 (RZA)".
        value: that the entry had.
        baseline: its value in the quiet observation.
        attribution: its share of the difference of the target, signed.
    """

    name: str
    value: float
    baseline: float
    attribution: float


@dataclass(frozen=True)
class Attribution(Result):
    """Integrated gradients of a choice.

    Attributes:
        target: what is explained, such as "log-probability of the choice".
        at_baseline: its value for the quiet observation.
        at_input: its value for the observation decided on.
        completeness_error: how far the attributions' sum is from the difference of the two.
        influences: entries that differ from the baseline, largest attribution first.
        notes: what is held fixed.
    """

    target: str
    at_baseline: float
    at_input: float
    completeness_error: float
    influences: tuple[Influence, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Flip(Result):
    """Changes of the observation that together change the choice.

    Attributes:
        changes: such as "no process alert on user_host_3 (RZA)".
        action: what the agent would do instead.
        kind: its type.
    """

    changes: tuple[str, ...]
    action: str
    kind: str


@dataclass(frozen=True)
class Flips(Result):
    """Outcome of the search for the smallest change of the observation that flips the choice.

    Attributes:
        size: number of changes that it takes; None if none within `limit`.
        limit: largest number of changes that was tried.
        tried: observations that were tried.
        found: flips of that size, the clearest first; at most `SHOWN`.
        total: how many of that size there are.
    """

    size: int | None
    limit: int
    tried: int
    found: tuple[Flip, ...]
    total: int
