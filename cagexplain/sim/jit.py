"""How the engine is compiled, and where the result is kept.

``jit`` marks a rule; it is compiled into the entry points that use it. ``entry`` marks the few
functions that Python calls: they release the GIL (threads run them over slices of a batch) and are
cached on disk. ``error_model="numpy"`` drops Python's zero-division checks; the engine divides
nowhere by a value that can be zero.

Numba looks only at the file of an entry point when it decides whether its cache is still good. The
rules live in many files, so the cache is kept in a folder named after a hash of all of them.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba
from numba import njit

_PACKAGE: Final = Path(__file__).parent.parent


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for source in sorted([*_PACKAGE.glob("sim/*.py"), *_PACKAGE.glob("cc4/*.py")]):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    root = os.environ.get("NUMBA_CACHE_DIR") or (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cagexplain"
    )
    return Path(root) / f"engine-{_fingerprint()}"


CACHE_FOLDER: Final = _cache_folder()
"""Compiled code of exactly these sources. Where it cannot be written, Numba falls back to a place
beside the sources or compiles anew in each process."""


def is_compiled() -> bool:
    """Whether the cache holds compiled code of these sources."""
    return any(CACHE_FOLDER.glob("**/*.nbi"))


jit = njit(nogil=True, error_model="numpy")


def entry(function: Callable[..., Any]) -> Any:
    """Compiles a function that Python calls, and keeps it in :data:`CACHE_FOLDER`."""
    settings: Any = numba.config
    usual = settings.CACHE_DIR
    settings.CACHE_DIR = str(CACHE_FOLDER)
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    finally:
        settings.CACHE_DIR = usual
