"""Finds the user's CybORG, checks that it is CAGE Challenge 4's, and imports what is needed.

CybORG imports more than CC4 uses: a window toolkit (pygame), a plotting and two training libraries.
None of them takes part in an episode, so each one that is not installed is replaced, for the time
of the import, by an empty module whose names are inert classes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import logging
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from cagexplain.common.errors import CagexplainError

UPSTREAM: Final = "https://github.com/cage-challenge/cage-challenge-4"
_UNUSED: Final = frozenset(
    {"matplotlib", "prettytable", "pygame", "pytest", "ray", "sb3_contrib", "torch_geometric"}
)
"""Imported by CybORG, never used while it plays an episode."""
_NEVER_IMPORTED: Final = "ray.rllib"
"""Of these, what may seem installed and cannot be imported: Ray brings its RLlib without the
packages that RLlib needs."""


@dataclass(frozen=True)
class Api:
    """What the adapter uses of CybORG: classes, by their names there."""

    version: str
    sources: str
    """SHA-256 (beginning) of all its Python files."""
    CybORG: Any
    EnterpriseScenarioGenerator: Any
    SleepAgent: Any
    EnterpriseGreenAgent: Any
    FiniteStateRedAgent: Any
    VerboseFSRed: Any
    DiscoveryFSRed: Any
    BlueFlatWrapper: Any
    InvalidAction: Any


_SOURCES: Final = {
    "CybORG": "CybORG",
    "EnterpriseScenarioGenerator": "CybORG.Simulator.Scenarios",
    "SleepAgent": "CybORG.Agents",
    "EnterpriseGreenAgent": "CybORG.Agents",
    "FiniteStateRedAgent": "CybORG.Agents",
    "VerboseFSRed": "CybORG.Agents",
    "DiscoveryFSRed": "CybORG.Agents",
    "BlueFlatWrapper": "CybORG.Agents.Wrappers",
    "InvalidAction": "CybORG.Simulator.Actions",
}


@functools.cache
def load(path: Path | None = None) -> Api:
    """Import CybORG.

    Args:
        path: folder that holds the ``CybORG`` package; None looks among the installed packages.

    Raises:
        CagexplainError: there is none, it is another challenge's, or a package it needs is missing.
    """
    if path is not None:
        if not (path / "CybORG" / "__init__.py").is_file():
            raise CagexplainError(
                "holds no package CybORG",
                where=path,
                remedy=f"Name the folder with 'CybORG/__init__.py' of a copy of {UPSTREAM}",
            )
        sys.path.insert(0, str(path.resolve()))
    try:
        with _placeholders(), _quiet():
            package = importlib.import_module("CybORG")
            parts = {
                name: getattr(importlib.import_module(module), name)
                for name, module in _SOURCES.items()
            }
    except ModuleNotFoundError as error:
        raise _missing(error, path) from error
    except (ImportError, AttributeError) as error:
        raise _other_challenge(error) from error
    version = str(getattr(package, "CYBORG_VERSION", "unknown"))
    return Api(version=version, sources=_digest(Path(str(package.__file__)).parent), **parts)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for source in sorted(folder.rglob("*.py")):
        digest.update(source.relative_to(folder).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _missing(error: ModuleNotFoundError, path: Path | None) -> CagexplainError:
    name = (error.name or "").split(".")[0]
    if name == "CybORG":
        if error.name != "CybORG":  # the package is there, a part of it is not
            return _other_challenge(error)
        return CagexplainError(
            "CybORG, the reference simulator of CAGE Challenge 4, is not installed",
            where="--engine cyborg",
            remedy=f"Get it from {UPSTREAM} and install it or name its folder with --cyborg-path, "
            "or use --engine native",
        )
    return CagexplainError(
        f"CybORG needs the package '{name}', which is not installed",
        where=str(path) if path else "--engine cyborg",
        remedy="Install what CybORG needs, in the checkout of cagexplain: "
        "pip install -e '.[cyborg]'",
    )


def _other_challenge(error: Exception) -> CagexplainError:
    where = getattr(sys.modules.get("CybORG"), "__file__", None) or "CybORG"
    return CagexplainError(
        f"this CybORG is not CAGE Challenge 4's: {error}",
        where=where,
        remedy=f"Use CybORG 4 from {UPSTREAM}; name its folder with --cyborg-path",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back what the import prints and warns about its own dependencies."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        level = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)


class _Placeholder(ModuleType):
    """A module in which every public name is a class that does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _PlaceholderFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds placeholders for some modules and what is in them.

    Args:
        names: of the modules.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(f"{fullname}.".startswith(f"{name}.") for name in self._names):
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def keep_placeholders() -> None:
    """Let placeholders stand, in this process and for good, for whatever CybORG imports and is not
    installed: submissions import its modules when it is long loaded. An installed package is never
    shadowed."""
    if importlib.util.find_spec("ray") is not None:
        try:
            with _quiet():
                importlib.import_module(_NEVER_IMPORTED)
        except ImportError:
            sys.meta_path.insert(0, _PlaceholderFinder([_NEVER_IMPORTED]))
    sys.meta_path.append(_PlaceholderFinder(_UNUSED))


def parts(table: Mapping[str, str], path: Path | None = None) -> dict[str, Any]:
    """More of the user's CybORG: objects of its modules.

    Args:
        table: module, by the object's name.
        path: as for :func:`load`.

    Raises:
        CagexplainError: as :func:`load`.
    """
    load(path)
    try:
        with _placeholders(), _quiet():
            return {
                name: getattr(importlib.import_module(module), name)
                for name, module in table.items()
            }
    except ModuleNotFoundError as error:
        raise _missing(error, path) from error
    except (ImportError, AttributeError) as error:
        raise _other_challenge(error) from error


@contextlib.contextmanager
def _placeholders() -> Iterator[None]:
    first, last = _PlaceholderFinder([_NEVER_IMPORTED]), _PlaceholderFinder(_UNUSED)
    sys.meta_path.insert(0, first)
    sys.meta_path.append(last)  # after all others, so it sees only what is not installed
    try:
        yield
    finally:
        sys.meta_path.remove(first)
        sys.meta_path.remove(last)
        for name in [n for n, module in sys.modules.items() if isinstance(module, _Placeholder)]:
            del sys.modules[name]  # nobody else is to take them for the real ones
