"""Compiled code that is kept on the disk, so that only the first process has to wait for it.

Numba's own cache ends the program where nothing can be written or what it finds is damaged, trusts
the files of others (its index is a pickle), and says nothing when a minute of compiling begins. A
`Store` is an advantage, never a need: where its folder cannot be used, another one or none is.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numba
from numba.core import caching

from cagexplain.common.printing import visible

VARIABLE: Final = "NUMBA_CACHE_DIR"
"""Environment variable that names the place of compiled code."""
_DIGEST: Final = hashlib.sha256().digest_size
_FUNCTION_CACHE: Any = caching.FunctionCache  # Numba has no types
_CACHE_FILE: Any = caching.IndexDataCacheFile


class Store:
    """A folder of compiled code, named after a hash of all that the code is made of.

    Numba itself looks only at the file of a function when it decides whether its code is still
    good.

    Args:
        name: of the folder, before the hash.
        sources: files that the code is made of.

    Attributes:
        folder: where it is; None if there is no place for one.
    """

    def __init__(self, name: str, sources: Iterable[Path]) -> None:
        digest = hashlib.sha256()
        for source in sorted(sources):
            digest.update(source.name.encode())
            digest.update(source.read_bytes())
        self.folder = _usable_folder(f"{name}-{digest.hexdigest()[:16]}")

    def keep(self, dispatcher: Any) -> Any:
        """Keep what Numba compiles of a function; returns the function."""
        if self.folder is None:
            return dispatcher
        settings: Any = numba.config
        usual = settings.CACHE_DIR
        settings.CACHE_DIR = str(self.folder)
        try:
            dispatcher._cache = _Cache(dispatcher.py_func)
        finally:
            settings.CACHE_DIR = usual
        return dispatcher


class _Cache(_FUNCTION_CACHE):  # type: ignore[misc]
    """Numba's cache of one function, which tells what it does and may fail."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _File(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        overload = None
        try:
            overload = super().load_overload(sig, target_context)
        except Exception:  # reading damaged pickles can raise anything
            _say(f"The compiled code in {self._cache_path} is damaged, and removed.")
            shutil.rmtree(self._cache_path, ignore_errors=True)
        if overload is None:
            _say("Compiling for this machine (once; up to a minute) ...")
        return overload

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # a full disk; an index that another process is damaging
            _say(f"Compiled code cannot be kept in {self._cache_path} ({error}).")


class _File(_CACHE_FILE):  # type: ignore[misc]
    """Likewise, with a digest at the end of its files: damaged machine code would still load."""

    def _dump(self, obj: Any) -> bytes:
        content: bytes = super()._dump(obj)
        return content + hashlib.sha256(content).digest()

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
            raise ValueError(name)
        return super()._load_data(name)


def _usable_folder(name: str) -> Path | None:
    """A folder that only this user can have written to; a temporary one where there is no other."""
    try:
        root = Path(os.environ.get(VARIABLE) or _default_root())
        folder = root / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = _objection(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        folder = Path(getattr(error, "filename", None) or "the user's cache folder")
    if problem is None:
        return folder
    advice = f"set {VARIABLE} to a folder of your own to compile only once"
    try:
        substitute = Path(tempfile.mkdtemp(prefix="cagexplain-"))
    except OSError:
        _say(f"Compiled code cannot be kept in {folder} ({problem}), nor elsewhere; {advice}.")
        return None
    atexit.register(shutil.rmtree, substitute, ignore_errors=True)
    os.environ[VARIABLE] = str(substitute)  # also for the processes that this one starts
    _say(f"Compiled code is not kept in {folder} ({problem}), only for now; {advice}.")
    folder = substitute / name
    folder.mkdir(mode=0o700)
    return folder


def _default_root() -> Path:
    """Of the user, who may have none: then RuntimeError."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cagexplain"


def _objection(folder: Path) -> str | None:
    """Why others may have put something into a folder."""
    status = folder.stat()
    if status.st_uid not in (os.geteuid(), 0):
        return "it belongs to somebody else"
    if status.st_mode & stat.S_IWOTH:
        return "everybody can write to it"
    return None


@functools.cache
def _say(text: str) -> None:
    """Once in a process."""
    print(visible(text), file=sys.stderr, flush=True)
