"""What the stand-ins do not have, said clearly."""

from __future__ import annotations

from typing import Any, Final

from cagexplain.common.errors import CagexplainError
from cagexplain.envs.lookalike.missing import NotThere

_WHERE: Final = "the stand-in for CybORG"
_REMEDY: Final = "Give the folder of your CybORG with --cyborg-path"


class NotImportable(CagexplainError, ImportError):
    """A module or name of CybORG that the stand-ins do not bring."""


def not_importable(name: str) -> NotImportable:
    """The error for something that a submission imports."""
    return NotImportable(
        f"the submission imports {name}, which only CybORG has", where=_WHERE, remedy=_REMEDY
    )


def not_there(what: str) -> NotThere:
    """The error for something that a submission asks of an object."""
    return NotThere(f"only CybORG has '{what}'", where=_WHERE, remedy=_REMEDY)


class Absent:
    """Stands for an object of which nothing can be told: whatever is asked of it is an error.

    Args:
        name: of the object, as code would write it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise not_there(f"{self._name}.{attribute}")

    def __getitem__(self, key: object) -> Any:
        raise not_there(f"{self._name}[{key!r}]")

    def __contains__(self, key: object) -> bool:
        raise not_there(f"{key!r} in {self._name}")

    def __iter__(self) -> Any:
        raise not_there(f"iter({self._name})")

    def __len__(self) -> int:
        raise not_there(f"len({self._name})")


def only_in_cyborg(name: str) -> type:
    """A class that can be imported and named, as scripts beside a submission do, but not used."""

    def refuse(_self: Any, *_arguments: Any, **_named: Any) -> None:
        raise not_there(name)

    return type(name, (), {"__init__": refuse})
