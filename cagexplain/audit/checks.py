"""Checks of defence practices: the catalogue, and what it takes to judge a policy by it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Final

from cagexplain.audit import catalogue
from cagexplain.audit.check import FAMILIES, Check
from cagexplain.common.errors import UsageError

CATALOGUE: Final = "2"
"""Version of the catalogue: it changes when a check is added, or judges something else."""


@cache
def checks() -> tuple[Check, ...]:
    """All checks of the catalogue, by family and number: every module of it has a ``CHECK``."""
    names = (module.name for module in pkgutil.iter_modules(catalogue.__path__))
    every = [importlib.import_module(f"{catalogue.__name__}.{name}").CHECK for name in names]
    families = list(FAMILIES)
    return tuple(sorted(every, key=lambda check: (families.index(check.id[:3]), check.id)))


def check(ident: str) -> Check:
    """One check, by its id.

    Raises:
        UsageError: there is no such check.
    """
    for each in checks():
        if each.id == ident.upper():
            return each
    raise UsageError(
        f"there is no check '{ident}'", remedy="Run 'cagexplain checks' for the list of them"
    )
