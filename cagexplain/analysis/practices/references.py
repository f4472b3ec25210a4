"""Reference policies: what others do, so that a value can be seen in proportion.

`references.json` holds what ``python -m benchmarks.reference_bag`` has measured: by policy, its
return and, by check and measure, the value with its interval, its triggers and its design effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain.analysis.audit.results import ReferencePolicy
from cagexplain.common.errors import CagexplainError

FILE: Final = Path(__file__).parent / "references.json"
SCHEMA: Final = 1
"""Version of the file."""


@dataclass(frozen=True)
class Recorded:
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

    def deff(self, check: str, measure: str) -> float | None:
        """Usual design effect of a share; None if no policy shows one."""
        return self.deffs.get((check, measure))


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
    usual = {key: float(np.median(found)) for key, found in effects.items()}
    return References(policies, known, usual)


def records(
    path: Path,
) -> tuple[tuple[ReferencePolicy, ...], dict[str, dict[tuple[str, str], Recorded]]]:
    """All that a file of references holds.

    Returns:
        The policies, and by name what each does, by id of the check and key of the measure.

    Raises:
        CagexplainError: the file is none, or not of this version, or lacks something.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
        kind, version = content["kind"], content["schema_version"]
        if (kind, version) != ("references", SCHEMA):
            raise ValueError(f"it holds '{kind}' of version {version}")
        policies = tuple(_policy(entry) for entry in content["policies"])
        measured = {
            entry["name"]: {
                _key(name): _recorded(name, value) for name, value in entry["measures"].items()
            }
            for entry in content["policies"]
        }
        if len(measured) != len(policies):
            raise ValueError("a policy occurs twice")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise CagexplainError(
            f"this is no file of reference results of version {SCHEMA} ({problem})",
            where=path,
            remedy="Record it again with 'python -m benchmarks.reference_bag'",
        ) from error
    return policies, measured


def _policy(entry: Mapping[str, Any]) -> ReferencePolicy:
    name, kind, episodes = entry["name"], entry["kind"], entry["episodes"]
    if not (isinstance(name, str) and isinstance(kind, str) and type(episodes) is int):
        raise ValueError("a policy needs a name, a kind and a number of episodes")
    return ReferencePolicy(name, kind, _number(name, entry["mean_return"]), episodes)


def _key(name: str) -> tuple[str, str]:
    check, dot, measure = name.partition(".")
    if not (check and dot and measure):
        raise ValueError(f"'{name}' is not like ABC-01.value")
    return check, measure


def _recorded(name: str, entry: Mapping[str, Any]) -> Recorded:
    value, low, high, deff = (
        None if entry[field] is None else _number(name, entry[field])
        for field in ("value", "low", "high", "deff")
    )
    return Recorded(value, low, high, _number(name, entry["n"]), deff)


def _number(name: str, value: Any) -> float:
    if type(value) not in (int, float) or not np.isfinite(value):
        raise ValueError(f"{value!r} of '{name}' is no number")
    return float(value)
