"""Reading documents that others may have written: JSON held against a declared type.

What a document may hold is said once, as a dataclass whose fields have types, ranges and patterns
(`Annotated[int, Meta(ge=0)]`); `msgspec` reads the file straight into it. A file is looked at
before it is read: its kind (a pipe would block, a device may never end) and its size.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from cagexplain.common.errors import CagexplainError

SIZE_LIMIT: Final = 64 * 2**20
"""Bytes of the largest document that is read, unless its reader says otherwise."""

Document = TypeVar("Document")

_PLACE: Final = re.compile(
    r"^(?P<problem>.*?)(?: - at (?:`key` in )?`\$?(?P<field>[^`]*)`)?$", re.S
)


def require_file(path: str | Path, what: str, *, limit: int | None = SIZE_LIMIT) -> Path:
    """Refuse what is no regular file, or larger than it can sensibly be, before it is opened.

    Args:
        path: of the file; links are followed.
        what: it should be, in words, such as "manifest".
        limit: largest size in bytes; None for any.

    Returns:
        The path.

    Raises:
        CagexplainError: there is no such file, it is a folder, pipe or device, or too large.
    """
    path = Path(path)
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CagexplainError(
            f"there is no such {what}", where=path, remedy="Give the path of an existing file"
        ) from error
    except ValueError as error:  # a null character in the name
        raise CagexplainError(
            f"this is no name of a file ({error})", remedy=f"Give the path of a {what}"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise CagexplainError(
            f"this is {_KINDS.get(stat.S_IFMT(status.st_mode), 'no regular file')}, not a {what}",
            where=path,
            remedy="Give the path of a file",
        )
    if limit is not None and status.st_size > limit:
        raise CagexplainError(
            f"the file has {status.st_size:,} bytes; a {what} has at most {limit:,}",
            where=path,
            remedy=f"Give the right file: this is no {what} that cagexplain wrote",
        )
    return path


def read_json(
    path: str | Path,
    kind: type[Document],
    what: str,
    *,
    remedy: str,
    limit: int = SIZE_LIMIT,
) -> Document:
    """Read a JSON file into `kind`, a dataclass or another type that `msgspec` knows.

    Args:
        path: of the file.
        kind: what it has to hold.
        what: it is, in words, such as "manifest".
        remedy: what the user can do if it is unusable.
        limit: largest size in bytes.

    Raises:
        CagexplainError: see `require_file`; or the text is no JSON, or holds something else than
            `kind` says; then with the field.
        OSError: the file cannot be read.
    """
    path = require_file(path, what, limit=limit)
    content = path.read_bytes()
    try:
        content.decode("utf-8")
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise _refusal(error, path, remedy) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CagexplainError(
            f"the {what} is not valid JSON ({str(error).rstrip('.')})", where=path, remedy=remedy
        ) from error


def read_saved(
    path: Path,
    kind: type[Document],
    what: str,
    *,
    head: Mapping[str, str],
    version: int,
    remedy: str,
    again: str,
) -> tuple[dict[str, Any], Document]:
    """Read a result that was saved as JSON under a head and a version.

    Args:
        path: of the file.
        kind: what it holds below its head.
        what: it is, in words, such as "audit".
        head: entries that tell it from other files, and ``schema_version`` beside them.
        version: the one that is read.
        remedy: what the user can do if it is unusable.
        again: what the user can do if it is of another version.

    Returns:
        The file's content, and what was made of it.

    Raises:
        CagexplainError: see `read_json`; or it is something else, or of another version.
    """
    content = read_json(path, dict[str, Any], f"saved {what}", remedy=remedy)
    if any(content.get(key) != value for key, value in head.items()):
        raise CagexplainError(f"is not a saved {what}", where=path, remedy=remedy)
    stored = content.get("schema_version")
    if type(stored) is not int or stored != version:
        raise CagexplainError(
            f"is of version {stored!r:.40}; this cagexplain reads version {version}",
            where=path,
            field="schema_version",
            remedy=again,
        )
    return content, convert(content, kind, path, remedy=remedy)


def convert(value: Any, kind: type[Document], where: str | Path, *, remedy: str) -> Document:
    """Hold plain containers that were read otherwise (a checkpoint's, say) against `kind`.

    Raises:
        CagexplainError: they hold something else, or what JSON cannot (`require_plain`); with the
            field.
    """
    require_plain(value, where, remedy=remedy)
    try:
        return msgspec.convert(value, type=kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _refusal(error, where, remedy) from error


def unknown_fields(raw: Any, read: Any, place: str = "") -> Iterator[str]:
    """Fields of a document that nothing was made of.

    Args:
        raw: the document, as plain containers.
        read: what it was read into, likewise.
        place: name of the field that both are the content of; empty for all of it.
    """
    if isinstance(raw, dict):
        for name, value in raw.items():
            field = f"{place}.{name:.40}" if place else f"{name:.40}"
            if name not in read:
                yield field
            else:
                yield from unknown_fields(value, read[name], field)
    elif isinstance(raw, list):
        for i, (value, part) in enumerate(zip(raw, read, strict=True)):
            yield from unknown_fields(value, part, f"{place}[{i}]")


def require_plain(value: Any, where: str | Path, field: str = "", *, remedy: str) -> None:
    """Refuse what cannot be written as JSON and read again, wherever it lies in a value.

    What passes is finite in every sense: files of other formats may say that a list holds itself,
    or that it holds another one a thousand times, which every copy would then write out.

    Args:
        value: of null, Booleans, numbers, texts, lists, and dicts with texts as keys.
        where: the file that it was read from.
        field: that it is the content of; empty for all of it.
        remedy: what the user can do about it.

    Raises:
        CagexplainError: names the field.
    """
    entries, ahead = 0, [(field, value, 0)]
    while ahead:
        name, item, depth = ahead.pop()
        entries += len(item) if isinstance(item, dict | list | tuple) else 0
        problem: str | None = "there is more in it than any such file holds"
        if entries <= _MOST and depth <= _DEEPEST:
            problem = _flaw(item)
        if problem is not None:
            raise CagexplainError(problem, where=where, field=name or None, remedy=remedy)
        if isinstance(item, dict):
            ahead += [(f"{name}.{key}".lstrip("."), part, depth + 1) for key, part in item.items()]
        elif isinstance(item, list | tuple):
            ahead += [(f"{name}[{number}]", part, depth + 1) for number, part in enumerate(item)]


def _flaw(item: Any) -> str | None:
    """What keeps a single value out of JSON, in words; its parts are not looked at."""
    match item:
        case float() if not math.isfinite(item):
            return f"{item} is not a finite number"
        case int() if abs(item) >= 2**63:
            return "the number is too large"
        case str() if _SURROGATE.search(item):
            return "the text is not valid Unicode"
        case dict() if not all(isinstance(key, str) and not _SURROGATE.search(key) for key in item):
            return "a key is not valid text"
        case None | bool() | int() | float() | str() | dict() | list() | tuple():
            return None
    return f"this is a {type(item).__name__}, not plain data"


_MOST: Final = 1_000_000
_DEEPEST: Final = 20
"""Values in the largest plain data that is taken, and how deep they may lie."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _refusal(error: Exception, where: str | Path, remedy: str) -> CagexplainError:
    match = _PLACE.match(str(error))
    assert match is not None  # the pattern matches every text
    field = (match["field"] or "").lstrip(".") or None
    problem = match["problem"].replace("`", "'")
    return CagexplainError(
        problem[:1].lower() + problem[1:], where=where, field=field, remedy=remedy
    )


_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
