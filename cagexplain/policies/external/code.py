"""What is run: the files of foreign code, the private copy of them, and the digest that names them.

What is copied is what the digest covers, and nothing else lies in the working folder of the code,
so that a policy that was recorded can be told from another one of the same name.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from cagexplain.common.errors import CagexplainError

MOST_BYTES: Final = 2 * 2**30
MOST_FILES: Final = 20_000
"""Size of the largest code that is copied, weights included."""

_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "venv"})
_RESULTS: Final = "runs"
"""Where our own commands put their results, in the folder in which they are called."""


class Files:
    """The files of a folder or ZIP archive that belong to the code.

    Args:
        path: folder, or ZIP archive.
        shallow: only what lies in the folder itself, and the packages in it; all of it otherwise.
            Hidden files, and `runs` with our results, never belong to it.

    Raises:
        CagexplainError: there are too many, or the archive is damaged or holds what is no file of
            its own folder.
    """

    def __init__(self, path: Path, *, shallow: bool = False) -> None:
        self.path = path
        if path.is_dir():
            self._folder: Path | None = path
            sizes = dict(_walk(path, path, shallow))
        else:
            self._folder = None
            sizes = _members(path)
        self._names = sorted(sizes)
        total = sum(sizes.values())
        if total > MOST_BYTES or len(sizes) > MOST_FILES:
            raise CagexplainError(
                f"this has {len(sizes):,} files of {total / 2**20:,.0f} MiB; at most "
                f"{MOST_FILES:,} of {MOST_BYTES / 2**20:,.0f} MiB are copied for foreign code",
                where=path,
                remedy="Give the code a folder of its own, with what it needs only",
            )

    @property
    def names(self) -> list[str]:
        """Their names in the folder, sorted, with ``/``."""
        return self._names

    def sha256(self) -> str:
        """SHA-256 over names and contents; the same for a folder and for an archive of it."""
        digest = hashlib.sha256()
        for name, content in self._contents():
            digest.update(f"{len(name.encode())} {name} {len(content)} ".encode())
            digest.update(content)
        return digest.hexdigest()

    def copy(self, target: Path) -> None:
        """Write them into a new folder."""
        target.mkdir()
        for name, content in self._contents():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        if self._folder is not None:
            for name in self._names:
                yield name, (self._folder / name).read_bytes()
            return
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name in self._names:
                    yield name, archive.read(name)
        # Encrypted members and unknown compressions are a RuntimeError and a NotImplementedError.
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise _damaged(self.path, error) from error


def _walk(root: Path, folder: Path, shallow: bool) -> Iterator[tuple[str, int]]:
    for path in folder.iterdir():
        name = path.name
        if name.startswith(".") or name in _SKIPPED or (folder == root and name == _RESULTS):
            continue
        if path.is_dir():
            # Links to folders may go round in circles.
            package = not shallow or (path / "__init__.py").is_file()
            if package and not path.is_symlink():
                yield from _walk(root, path, shallow=False)
        elif path.is_file():
            yield path.relative_to(root).as_posix(), path.stat().st_size


def _members(path: Path) -> dict[str, int]:
    """Sizes of the files in an archive; what leads out of it, and links, are refused."""
    sizes: dict[str, int] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                name, kind = PurePosixPath(entry.filename), entry.external_attr >> 16
                problem = None
                if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
                    problem = "leads out of the archive"
                elif stat.S_IFMT(kind) not in (0, stat.S_IFREG):
                    problem = "is no regular file"
                elif entry.filename in sizes:
                    problem = "is there twice"
                if problem is not None:
                    raise CagexplainError(
                        f"'{entry.filename}' {problem}",
                        where=path,
                        remedy="Make the archive anew, of regular files of one folder",
                    )
                sizes[entry.filename] = entry.file_size
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, error) from error
    return sizes


def _damaged(path: Path, error: Exception) -> CagexplainError:
    return CagexplainError(
        f"this is no ZIP archive that can be read ({error})",
        where=path,
        remedy="Give a folder, or a ZIP archive of it",
    )


@dataclass(frozen=True)
class Code:
    """Foreign code, ready to be run.

    Attributes:
        form: key of the table of forms.
        what: it is, in words.
        spec: what names it: as the user wrote it.
        path: of the file or folder, as the user wrote it; None for an installed module.
        files: what is copied; None for an installed module, which is imported where it lies.
        sha256: over its files.
        loader: key of `players.LOADERS`.
        entry: module, or file in the working folder.
        name: of what the module defines; empty where the form knows it.
        import_path: where modules are looked for besides the working folder, first to last.
        options: for the loader.
    """

    form: str
    what: str
    spec: str
    path: Path | None
    files: Files | None
    sha256: str
    loader: str
    entry: str
    name: str = ""
    import_path: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """A name for tables and folders."""
        return self.name or (self.path or Path(self.entry)).stem

    @property
    def entry_point(self) -> str:
        """What is to be added to `path` to name it again; all of its name without one."""
        return self.name if self.path is not None else f"{self.entry}:{self.name}"
