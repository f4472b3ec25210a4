"""Reference policies: what others do, so that a value can be seen in proportion.

`references.json` holds what ``python -m benchmarks.reference_bag`` has measured: by policy, its
return and, by check and measure, the value with its interval, its triggers and its design effect.
Of a good defender and of none it also holds how many hosts red holds over the episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta

from cagexplain.audit.check import Measure
from cagexplain.audit.results import HeldHosts, ReferencePolicy
from cagexplain.common.documents import read_json
from cagexplain.common.errors import CagexplainError

FILE: Final = Path(__file__).parent / "references.json"
SCHEMA: Final = 1
"""Version of the file."""
GOOD: Final = "expert"
NOTHING: Final = "sleep"
"""Names of a good defender and of none, between which every curve is shown."""
_REMEDY: Final = "Record it again with 'python -m benchmarks.reference_bag'"


@dataclass(frozen=True)
class RecordedValue:
    """What a policy was measured to do.

    Attributes:
        value: None for a duration that is not reached.
        low, high: limits at 95 %; None if unknown or not reached.
        n: triggers.
        deff: design effect of a share; None if it shows none.
    """

    value: float | None
    low: float | None
    high: float | None
    n: float
    deff: float | None


@dataclass(frozen=True)
class References:
    """Recorded results of the reference policies.

    Attributes:
        policies: with their returns.
        known: by id of the check and key of the measure: values by name of the policy, None for a
            duration that is not reached; policies without a value are left out.
        deffs: likewise the usual design effect of a share.
    """

    policies: tuple[ReferencePolicy, ...]
    known: Mapping[tuple[str, str], Mapping[str, float | None]]
    deffs: Mapping[tuple[str, str], float]

    def values(self, check: str, measure: str) -> dict[str, float | None]:
        """Values of the reference policies, by name."""
        return dict(self.known.get((check, measure), {}))

    def elsewhere(self) -> References:
        """What is left of them for episodes of another kind, in which they were not recorded."""
        return References((), {}, self.deffs)

    def deff(self, check: str, measure: Measure) -> float | None:
        """Usual design effect of a share; None if no policy shows one, and for a quantity of the
        metrics, whose interval rests on its own episodes alone on every page."""
        return None if measure.metric else self.deffs.get((check, measure.key))


@dataclass(frozen=True)
class _Policy:
    """An entry of the file."""

    name: str
    kind: str
    mean_return: float
    episodes: Annotated[int, Meta(ge=1)]
    measures: dict[Annotated[str, Meta(pattern=r"^[^.]+\.[^.]+$")], RecordedValue]
    held: HeldHosts | None = None


@dataclass(frozen=True)
class _File:
    """The whole file."""

    kind: Literal["references"]
    schema_version: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    policies: list[_Policy]


@cache
def load_references() -> References:
    """The recorded ones that come with the project; none before the first recording."""
    return read_references(FILE) if FILE.exists() else References((), {}, {})


def read_references(path: Path) -> References:
    """Recorded ones of a file; see `records`."""
    policies, measured = records(path)
    known: dict[tuple[str, str], dict[str, float | None]] = {}
    effects: dict[tuple[str, str], list[float]] = {}
    for name, values in measured.items():
        for key, recorded in values.items():
            known.setdefault(key, {})[name] = recorded.value
            if recorded.deff is not None:
                effects.setdefault(key, []).append(recorded.deff)
    usual = {key: float(np.median(design_effects)) for key, design_effects in effects.items()}
    return References(policies, known, usual)


def records(
    path: Path,
) -> tuple[tuple[ReferencePolicy, ...], dict[str, dict[tuple[str, str], RecordedValue]]]:
    """All that a file of references holds.

    Returns:
        The policies, and by name what each does, by id of the check and key of the measure.

    Raises:
        CagexplainError: the file is none, or not of this version, or lacks something.
        OSError: it cannot be read.
    """
    read = read_json(path, _File, "file of reference results", remedy=_REMEDY)
    measured: dict[str, dict[tuple[str, str], RecordedValue]] = {}
    for i, policy in enumerate(read.policies):
        if policy.name in measured:
            raise CagexplainError(
                f"'{policy.name}' occurs twice",
                where=path,
                field=f"policies[{i}].name",
                remedy=_REMEDY,
            )
        measured[policy.name] = {_key(key): recorded for key, recorded in policy.measures.items()}
    policies = tuple(
        ReferencePolicy(p.name, p.kind, p.mean_return, p.episodes, p.held) for p in read.policies
    )
    return policies, measured


def _key(name: str) -> tuple[str, str]:
    check, _, measure = name.partition(".")
    return check, measure
