"""Stands in for ``cagexplain.policies.jit`` in exported folders: nothing is compiled.

Numba is not among what the official evaluation brings. The loops over single numbers then run as
Python, to the same results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

COMPILED: Final = False


class STORE:
    """Keeps nothing."""

    @staticmethod
    def keep(function: Any) -> Any:
        """The function."""
        return function


def njit(**options: Any) -> Callable[[Any], Any]:
    """What leaves a function as it is, whatever Numba's options."""
    return lambda function: function
