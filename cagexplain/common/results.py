"""Results of an analysis as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any


class Result:
    """Base of result types: frozen dataclasses of plain values."""

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]
