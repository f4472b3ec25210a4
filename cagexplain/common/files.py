"""Writing files whole: a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Literal, overload

from cagexplain.common.errors import CagexplainError
from cagexplain.common.printing import json_visible

_TEMPORARY: Final = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@overload
def atomic_write(
    path: str | Path, mode: Literal["wb"] = "wb"
) -> contextlib.AbstractContextManager[IO[bytes]]: ...
@overload
def atomic_write(
    path: str | Path, mode: Literal["w"]
) -> contextlib.AbstractContextManager[IO[str]]: ...
def atomic_write(
    path: str | Path, mode: Literal["wb", "w"] = "wb"
) -> contextlib.AbstractContextManager[IO[Any]]:
    """Open `path` for writing such that it is replaced in one move, after the block succeeded.

    The content goes to a temporary file in the same folder, which is flushed to the disk before
    it takes the place of `path`. When the block or the disk fails, the temporary file is removed
    and `path` keeps what it had. Pipes and devices, which cannot be replaced, are written to.

    Args:
        path: the file; a symbolic link is followed, permissions are kept.
        mode: "wb" for bytes, "w" for text in UTF-8 with "\\n" line ends, in which lone surrogates
            become escapes.

    Raises:
        CagexplainError: `path` is a folder.
        OSError: the disk is full, the folder missing or not writable; its `filename` is set.
    """
    return _atomic_write(path, mode)


@contextlib.contextmanager
def _atomic_write(path: str | Path, mode: Literal["wb", "w"]) -> Iterator[IO[Any]]:
    stream = _stream(path)
    try:
        with _replace(path, mode) if stream is None else _write_through(stream, mode) as file:
            yield file
    except OSError as error:
        if error.filename is None:  # writes fail without naming the file
            error.filename = str(path)
        raise


_STDOUT: Final = 1
_NAMED: Final = 40
"""Characters of a file's name in that of its temporary file: all of it may be too long."""
_TEXT: Final = {"encoding": "utf-8", "newline": "\n", "errors": "backslashreplace"}


def _stream(path: str | Path) -> str | Path | int | None:
    """What to open if a path is no file to replace: a pipe, a device, or whatever standard output
    goes to, even a file, of which the number is given. None for all others."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        if os.path.samestat(status, os.fstat(_STDOUT)):
            return _STDOUT
    return None if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) else path


@contextlib.contextmanager
def _write_through(stream: str | Path | int, mode: Literal["wb", "w"]) -> Iterator[IO[Any]]:
    if isinstance(stream, int):
        sys.stdout.flush()
        stream = os.dup(stream)  # shares its place in the output with what is printed
    with open(stream, mode, **(_TEXT if mode == "w" else {})) as file:  # type: ignore[call-overload]
        yield file


@contextlib.contextmanager
def _replace(target: str | Path, mode: Literal["wb", "w"]) -> Iterator[IO[Any]]:
    path = Path(os.path.realpath(target))
    if path.is_dir():
        raise CagexplainError(
            "this is a folder, not a file", where=path, remedy="Give the name of a file to write"
        )
    temporary = path.with_name(f".{path.name[:_NAMED]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, mode.replace("w", "x"), **(_TEXT if mode == "w" else {})) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:  # Ctrl-C too must leave no temporary file behind
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed writers from a folder that nobody writes to now."""
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a renaming in `folder` survive a power cut (fsync(2): the file's own is not enough)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path` as `atomic_write` does."""
    with atomic_write(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Write `content` to `path` in UTF-8 as `atomic_write` does."""
    with atomic_write(path, "w") as file:
        file.write(content)


def write_json(path: str | Path, value: Any, *, indent: int | None = 2) -> None:
    """Write `value` to `path` as JSON, indented or in one line, as `atomic_write` does.

    Characters that a terminal would obey are escaped, which JSON can do everywhere in a string.

    Raises:
        TypeError, ValueError: `value` has no JSON form (NaN and infinity have none).
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    write_text(path, json_visible(text) + "\n")


def json_name(path: str | Path) -> str:
    """The name of a file as text that JSON can hold: bytes that are no UTF-8 as ``\\udcff``."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prepare_output_file(path: str | Path) -> Path:
    """Prove that `path` can be written later; before the work, not after it.

    Raises:
        CagexplainError: it is a folder, its name is impossible, or its folder does not exist or
            cannot be written to.
    """
    file = Path(path)
    try:
        if file.is_dir():
            raise CagexplainError(
                "this is a folder, not a file", where=file, remedy="Give the name of a file"
            )
        if _stream(file) is not None:
            return file
        folder = Path(os.path.realpath(file)).parent
        if not folder.is_dir():
            raise CagexplainError(
                "there is no such folder", where=folder, remedy="Create it, or name another file"
            )
        with contextlib.suppress(FileNotFoundError):
            os.lstat(file)  # tells of names that are too long
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise CagexplainError(
            f"this file cannot be written ({getattr(error, 'strerror', error)})",
            where=file,
            remedy="Give another name, on a disk with free space that you may write to",
        ) from error
    return file


def prepare_output_dir(path: str | Path, *, allow_existing: bool = False) -> Path:
    """Create the folder `path`, with its parents, and prove that it can be written to.

    Args:
        path: the folder.
        allow_existing: accept a folder that holds something already (to resume into it).

    Raises:
        CagexplainError: it is a file, cannot be created or written, or is not empty.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise CagexplainError(
            "this is a file, not a folder", where=folder, remedy="Give another output folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CagexplainError(
            f"cannot write to this folder ({error.strerror})",
            where=folder,
            remedy="Give an output folder on a disk with free space that you may write to",
        ) from error
    if occupied and not allow_existing:
        raise CagexplainError(
            "the output folder is not empty",
            where=folder,
            remedy="Give a new folder, or remove this one first",
        )
    return folder
