"""Profiles: the thresholds that a policy is judged by.

A profile is a YAML file. It says only what is different from the profile that it extends, at last
from the declarations of the checks themselves::

    name: shop floor
    description: Contract of the plant in Hall 3.
    extends: default            # or strict, mission
    checks:
      REC-01:
        severity: critical      # critical, high, medium, low or info
        n_min: 50               # fewest triggers for a verdict
        measures:
          value: {good: 0.1, bad: 0.4, unit: share}   # the unit may be left out
      DEC-02:
        muted: Decoys are not bought yet.             # counts for nothing, with this reason
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain.audit.check import SEVERITIES, Check, Measure, Severity
from cagexplain.audit.checks import checks
from cagexplain.common.errors import UsageError
from cagexplain.common.yaml_lines import Node, load

FOLDER: Final = Path(__file__).parent / "thresholds"
SHIPPED: Final = ("default", "strict", "mission")
RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "share": (0, 1),
    "difference of shares": (-1, 1),
    "distance": (0, 1),
    "steps": (0, 300),
}
"""Least and greatest value of a threshold by its unit; the other units begin at zero."""


@dataclass(frozen=True)
class Override:
    """What a profile says about a check.

    Attributes:
        severity, n_min: instead of the declared ones; None keeps them.
        muted: why the check counts for nothing; empty if it counts.
        thresholds: good and bad threshold, by the key of the measure.
    """

    severity: Severity | None = None
    n_min: int | None = None
    muted: str = ""
    thresholds: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """Thresholds for all checks: the declared ones, but for what a file says otherwise.

    Attributes:
        name: of the profile.
        description: whom it is for.
        overrides: by id of the check.
        sha256: over all thresholds, severities and numbers that result, so that the same judgement
            has the same hash whichever file it came from.
    """

    name: str
    description: str
    overrides: Mapping[str, Override]
    sha256: str

    def thresholds(self, check: Check, measure: Measure) -> tuple[float | None, float | None]:
        """Good and bad threshold of a measure; None if it is only shown."""
        override = self._of(check).thresholds.get(measure.key)
        good, bad = override if override is not None else (measure.good, measure.bad)
        return _plain(good), _plain(bad)

    def severity(self, check: Check) -> Severity:
        """How grave a failure is."""
        return self._of(check).severity or check.severity

    def n_min(self, check: Check) -> int:
        """Fewest triggers for a verdict."""
        return self._of(check).n_min or check.n_min

    def muted(self, check: Check) -> str:
        """Why the check counts for nothing, although it is measured; empty if it counts."""
        return self._of(check).muted

    def _of(self, check: Check) -> Override:
        return self.overrides.get(check.id, Override())

    def describe(self) -> dict[str, Any]:
        """Name, description and hash, for reports."""
        return {"name": self.name, "description": self.description, "sha256": self.sha256}


def load_profile(spec: str, catalogue: Sequence[Check] | None = None) -> Profile:
    """A shipped profile by its name, or the user's own by the path of its file.

    Args:
        spec: name or path; a name wins over a file of the same name.
        catalogue: of checks that it may speak of; all by default.

    Raises:
        UsageError: no such profile, or the file does not hold one; with the line.
    """
    if catalogue is None:
        catalogue = checks()
    if spec not in SHIPPED and not Path(spec).is_file():
        close = difflib.get_close_matches(spec, SHIPPED, n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise UsageError(
            f"there is no profile '{spec}'",
            remedy=f"{hint}Give {', '.join(SHIPPED[:-1])} or {SHIPPED[-1]}, or the path of a YAML "
            "file",
        )
    by_id = {check.id: check for check in catalogue}
    path = FOLDER / f"{spec}.yaml" if spec in SHIPPED else Path(spec)
    root = load(path)
    top = _fields(root, ("name", "description", "extends", "checks"))
    if not top:
        raise root.error(
            "it says nothing", "checks", remedy="Give checks with thresholds of your own"
        )
    overrides: dict[str, Override] = {}
    if "extends" in top:
        base = _one_of(top["extends"], "extends", SHIPPED)
        if base == spec:
            raise top["extends"].error("it extends itself", "extends", remedy="Remove the line")
        overrides |= load_profile(base, catalogue).overrides
    for ident, node in top["checks"].mapping().items() if "checks" in top else ():
        if ident not in by_id:
            raise _unknown(node, "check", ident, by_id)
        overrides[ident] = _override(node, by_id[ident], overrides.get(ident, Override()))
    profile = Profile(
        name=_text(top["name"], "name") if "name" in top else path.stem,
        description=_text(top["description"], "description") if "description" in top else "",
        overrides=overrides,
        sha256="",
    )
    return replace(profile, sha256=_hash(profile, catalogue))


def _hash(profile: Profile, catalogue: Sequence[Check]) -> str:
    judged = {
        check.id: [
            profile.severity(check),
            profile.n_min(check),
            bool(profile.muted(check)),
            {m.key: list(profile.thresholds(check, m)) for m in check.measures},
        ]
        for check in catalogue
    }
    return hashlib.sha256(json.dumps(judged, sort_keys=True).encode()).hexdigest()


def _plain(threshold: float | None) -> float | None:
    return None if threshold is None else float(threshold)  # 1 and 1.0 are the same threshold


def _override(node: Node, check: Check, base: Override) -> Override:
    entries = _fields(node, ("severity", "n_min", "muted", "measures"))
    read: dict[str, Callable[[Node], Any]] = {
        "severity": lambda entry: _one_of(entry, "severity", SEVERITIES),
        "n_min": _positive,
        "muted": lambda entry: _text(entry, "muted"),
    }
    changes = {name: of(entries[name]) for name, of in read.items() if name in entries}
    thresholds = dict(base.thresholds)
    measures = {measure.key: measure for measure in check.measures}
    for key, entry in entries["measures"].mapping().items() if "measures" in entries else ():
        if key not in measures:
            raise _unknown(entry, f"measure of {check.id}", key, measures)
        measure = measures[key]
        thresholds[key] = _borders(
            entry, measure, thresholds.get(key, (measure.good, measure.bad)), f"{check.id}.{key}"
        )
    return replace(base, thresholds=thresholds, **changes)


def _borders(
    node: Node, measure: Measure, base: tuple[float | None, float | None], name: str
) -> tuple[float, float]:
    entries = _fields(node, ("good", "bad", "unit"))
    if "unit" in entries and entries["unit"].plain() != measure.unit:
        raise entries["unit"].error(
            f"the unit of {name} is '{measure.unit}', not '{entries['unit'].plain()}'",
            "unit",
            remedy=f"Give the thresholds as '{measure.unit}', or leave the unit out",
        )
    good, bad = (
        _number(entries[field], field, measure.unit) if field in entries else before
        for field, before in zip(("good", "bad"), base, strict=True)
    )
    if good is None or bad is None:
        raise node.error(
            f"{name} has no thresholds of its own, so it needs both",
            "good, bad",
            remedy="Give good and bad",
        )
    if not (good > bad if measure.better == "higher" else good < bad):
        raise node.error(
            f"good is {good:g} and bad is {bad:g}, but a {measure.better} {name} is better",
            "good, bad",
            remedy=f"Make good {measure.better} than bad",
        )
    return good, bad


def _fields(node: Node, known: Iterable[str]) -> dict[str, Node]:
    entries = node.mapping()
    for name, entry in entries.items():
        if name not in known:
            raise _unknown(entry, "field", name, known)
    return entries


def _unknown(node: Node, kind: str, name: str, known: Iterable[str]) -> UsageError:
    close = difflib.get_close_matches(name.upper() if kind == "check" else name, known, n=1)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    listed = (
        "Run 'cagexplain checks' for the list" if kind == "check" else f"Known: {', '.join(known)}"
    )
    return node.error(f"there is no {kind} '{name}'", name, remedy=f"{hint}{listed}")


def _one_of(node: Node, name: str, known: Sequence[Any]) -> Any:
    if node.value not in known:
        raise node.error(
            f"{node.plain()!r} is not known", name, remedy=f"Give one of {', '.join(known)}"
        )
    return node.value


def _text(node: Node, name: str) -> str:
    if not isinstance(node.value, str) or not node.value.strip():
        raise node.error(f"{node.plain()!r} is no text", name, remedy="Write some words")
    return node.value.strip()


def _positive(node: Node) -> int:
    if type(node.value) is not int or node.value < 1:
        raise node.error(
            f"{node.plain()!r} is no number of triggers", "n_min", remedy="Give 1 or more"
        )
    return int(node.value)


def _number(node: Node, name: str, unit: str) -> float:
    if type(node.value) not in (int, float) or not np.isfinite(node.value):
        raise node.error(f"{node.plain()!r} is no number", name, remedy="Give a number")
    low, high = RANGES.get(unit, (0, np.inf))
    if not low <= node.value <= high:
        remedy = f"Give a number from {low:g}" + (f" to {high:g}" if np.isfinite(high) else " on")
        raise node.error(f"{node.value:g} is no threshold of a '{unit}'", name, remedy=remedy)
    return float(node.value)
