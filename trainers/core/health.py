"""Noticing that learning has gone wrong, before it is saved."""

from __future__ import annotations

from typing import Any, Final

from torch import Tensor

LIMIT: Final = 1e12
"""What is larger has exploded: nothing that a healthy run computes comes near."""


class Diverged(ArithmeticError):
    """A quantity is not finite or beyond LIMIT; the message names it."""


def check_finite(name: str, value: Any) -> None:
    """Look at all numbers of a value.

    Args:
        name: of the quantity, for the message.
        value: a number, a tensor of any shape, or dicts and lists of them; words are passed over.

    Raises:
        Diverged: with the first quantity that is not finite or beyond LIMIT.
    """
    match value:
        case dict():
            for key, item in value.items():
                check_finite(f"{name}.{key}", item)
        case list() | tuple():
            for number, item in enumerate(value):
                check_finite(f"{name}[{number}]", item)
        case Tensor() if value.numel():
            check_finite(name, float(value.detach().abs().max()))  # NaN if any element is
        case int() | float() if not abs(value) <= LIMIT:
            raise Diverged(f"{name} is {value:g}")
