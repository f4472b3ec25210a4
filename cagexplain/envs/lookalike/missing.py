"""What the look-alike does not have, said clearly."""

from __future__ import annotations

from typing import Any, Final

from cagexplain.common.errors import CagexplainError

REMEDY: Final = "Play the submission with --engine cyborg"


class NotThere(CagexplainError, AttributeError):
    """Something of CybORG that the look-alike does not offer. It is an ``AttributeError`` too, so
    that ``hasattr`` works as usual."""


def not_there(what: str, why: str = "is not known to the engine") -> NotThere:
    """The error for something of CybORG, named as code would write it."""
    return NotThere(
        f"'{what}' {why}", where="the environment that looks like CybORG", remedy=REMEDY
    )


class View:
    """An object that stands for one of CybORG's: an attribute that it lacks is a clear error."""

    stands_for: str

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if hasattr(type(self), name):
            return object.__getattribute__(self, name)  # a property failed: show its own error
        raise not_there(f"{self.stands_for}.{name}")


class Entries(dict[str, Any]):
    """A dictionary that stands for one of CybORG's.

    Args:
        stands_for: its name in code.
        entries: what it has.
    """

    def __init__(self, stands_for: str, entries: dict[str, Any]) -> None:
        super().__init__(entries)
        self._stands_for = stands_for

    def __missing__(self, key: str) -> Any:
        raise not_there(f"{self._stands_for}[{key!r}]")
