"""What "the same" means for objects of two environments that should be alike."""

import enum
import ipaddress
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

_OWN_AFFAIR: Final = frozenset({"logs", "np_random", "route"})
"""Attributes of CybORG's objects that say how it works, not what it means."""


def difference(ours: Any, theirs: Any, where: str = "") -> str | None:
    """Where two values differ first, or None; dictionaries and lists in order, objects by class
    and attributes."""
    return next(differences(ours, theirs, where), None)


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """All places where two values differ."""
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or list(ours) != list(theirs):
            here = list(ours) if isinstance(ours, dict) else ours
            yield f"{where}: keys {here} and {list(theirs)}"
            return
        for key in theirs:
            yield from differences(ours[key], theirs[key], f"{where}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        if type(ours) is not type(theirs) or len(ours) != len(theirs):
            yield f"{where}: {ours} and {theirs}"
            return
        for k, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{where}[{k}]")
    elif isinstance(theirs, np.ndarray):
        if not isinstance(ours, np.ndarray) or ours.dtype != theirs.dtype:
            yield f"{where}: {ours!r} and {theirs!r}"
        elif not np.array_equal(ours, theirs):
            yield f"{where}: {ours} and {theirs}"
    elif isinstance(theirs, (enum.Enum, ipaddress.IPv4Address, ipaddress.IPv4Network)):
        if type(ours) is not type(theirs) or ours != theirs:
            yield f"{where}: {ours!r} and {theirs!r}"
    elif theirs is None or isinstance(theirs, (str, bool, int, float, np.generic)):
        if (ours is None) != (theirs is None) or ours != theirs:
            yield f"{where}: {ours!r} and {theirs!r}"
    elif type(ours).__name__ != type(theirs).__name__:
        yield f"{where}: {ours!r} and {theirs!r}"
    elif hasattr(theirs, "__dict__"):
        mine, its = (
            {k: v for k, v in vars(value).items() if k not in _OWN_AFFAIR}
            for value in (ours, theirs)
        )
        yield from differences(mine, its, f"{where}.{type(theirs).__name__}")
    else:
        yield f"{where}: do not know how to compare {theirs!r}"
