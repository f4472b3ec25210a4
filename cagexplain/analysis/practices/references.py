"""Reference policies: what others do, so that a value can be seen in proportion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cagexplain.analysis.audit.results import ReferencePolicy

FILE: Final = Path(__file__).parent / "references.json"


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

    def deff(self, check: str, measure: str) -> float | None:
        """Usual design effect of a share; None if no policy shows one."""
        return self.deffs.get((check, measure))


def load_references() -> References:
    """The recorded ones that come with the project."""
    return References((), {}, {})
