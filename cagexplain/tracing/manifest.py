"""The trace's manifest: what was played, and which files hold it.

It is replaced after every finished batch, last of all, so a file that it names is whole.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import write_json
from cagexplain.tracing import schema

FILE_NAME: Final = "manifest.json"
PROJECT: Final = "cagexplain"
KIND: Final = "trace"
_PACKAGES: Final = ("numpy", "numba", "pyarrow")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

RECORD_AGAIN: Final = "Record the trace again with 'cagexplain trace'"


@dataclass(frozen=True)
class File:
    """A Parquet file: number of rows, size, SHA-256."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Part:
    """A finished batch of episodes.

    Attributes:
        number: of the batch, from 0.
        first_episode: number of its first episode.
        episodes: how many it has.
        files: by table.
    """

    number: int
    first_episode: int
    episodes: int
    files: dict[str, File]

    def path(self, folder: Path, table: str) -> Path:
        """Where the part of a table lies."""
        return folder / table / f"part-{self.number:06d}.parquet"


@dataclass(frozen=True)
class Manifest:
    """Facts about a trace.

    Attributes:
        engine: name and version of the simulator.
        policy: what the policy says about itself.
        options: how it was played and recorded.
        seeds: of the planned episodes, in order.
        parts: what is finished.
        packages: versions of what recorded it.
        created: UTC, ISO 8601.
    """

    engine: dict[str, str]
    policy: dict[str, Any]
    options: dict[str, Any]
    seeds: list[int]
    parts: list[Part]
    packages: dict[str, str]
    created: str

    @property
    def finished_episodes(self) -> int:
        """Number of episodes on disk."""
        return sum(part.episodes for part in self.parts)

    @property
    def finished(self) -> bool:
        """Whether all planned episodes are on disk."""
        return self.finished_episodes == len(self.seeds)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the recorded tables."""
        left_out = () if self.options.get("observations", True) else schema.OBSERVATION_TABLES
        return tuple(name for name in schema.TABLES if name not in left_out)

    def write(self, folder: Path) -> None:
        """Replace the manifest of a trace."""
        head = {"project": PROJECT, "kind": KIND, "schema_version": schema.SCHEMA_VERSION}
        progress = {
            "episodes": {"planned": len(self.seeds), "finished": self.finished_episodes},
            "finished": self.finished,
        }
        write_json(folder / FILE_NAME, {**head, **progress, **asdict(self)})


def new(
    engine: dict[str, str], policy: dict[str, Any], options: dict[str, Any], seeds: list[int]
) -> Manifest:
    """The manifest of a recording that begins now."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return Manifest(
        engine=engine,
        policy=policy,
        options=options,
        seeds=seeds,
        parts=[],
        packages={"python": platform.python_version(), **versions},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def read(folder: Path) -> Manifest:
    """Read and check the manifest of a trace.

    Raises:
        CagexplainError: there is none, or it is damaged, not ours or of a newer version.
    """
    if not folder.is_dir():
        raise CagexplainError("no such folder", where=folder, remedy="Give the folder of a trace")
    path = folder / FILE_NAME
    if not path.is_file():
        raise CagexplainError(
            f"this folder has no {FILE_NAME}, so it is not a trace",
            where=folder,
            remedy="Give a folder that 'cagexplain trace' has written",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CagexplainError(f"not JSON ({error})", where=path, remedy=RECORD_AGAIN) from error
    if not isinstance(content, dict) or (content.get("project"), content.get("kind")) != (
        PROJECT,
        KIND,
    ):
        raise CagexplainError(
            "this is not the manifest of a trace",
            where=path,
            remedy="Give a folder that 'cagexplain trace' has written",
        )
    version = content.get("schema_version")
    if version != schema.SCHEMA_VERSION:
        newer = isinstance(version, int) and version > schema.SCHEMA_VERSION
        raise CagexplainError(
            f"the trace has version {version}, this cagexplain reads {schema.SCHEMA_VERSION}",
            where=path,
            field="schema_version",
            remedy="Install a newer cagexplain" if newer else RECORD_AGAIN,
        )
    return _Checked(path).manifest(content)


class _Checked:
    """Builds a manifest from JSON, or names the field that is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self, content: dict[str, Any]) -> Manifest:
        parts = self._get(content, "parts", list)
        manifest = Manifest(
            engine=self._get(content, "engine", dict),
            policy=self._get(content, "policy", dict),
            options=self._get(content, "options", dict),
            seeds=self._get(content, "seeds", list),
            parts=[self._part(part, f"parts[{i}]") for i, part in enumerate(parts)],
            packages=self._get(content, "packages", dict),
            created=self._get(content, "created", str),
        )
        for i, seed in enumerate(manifest.seeds):
            self._require(_is_count(seed), f"seeds[{i}]")
        for i, part in enumerate(manifest.parts):
            self._require(set(part.files) == set(manifest.tables), f"parts[{i}].files")
        self._require(manifest.finished_episodes <= len(manifest.seeds), "parts")
        return manifest

    def _part(self, value: Any, field: str) -> Part:
        self._require(isinstance(value, dict), field)
        counts = {
            name: self._get(value, name, int, field)
            for name in ("number", "first_episode", "episodes")
        }
        files = self._get(value, "files", dict, field)
        return Part(
            **counts,
            files={
                str(table): self._file(file, f"{field}.files.{table}")
                for table, file in files.items()
            },
        )

    def _file(self, value: Any, field: str) -> File:
        self._require(isinstance(value, dict), field)
        file = File(
            rows=self._get(value, "rows", int, field),
            bytes=self._get(value, "bytes", int, field),
            sha256=self._get(value, "sha256", str, field),
        )
        self._require(_SHA256.fullmatch(file.sha256) is not None, f"{field}.sha256")
        return file

    def _get(self, content: dict[str, Any], name: str, kind: type, inside: str = "") -> Any:
        value = content.get(name)
        field = f"{inside}.{name}" if inside else name
        self._require(_is_count(value) if kind is int else isinstance(value, kind), field)
        return value

    def _require(self, condition: bool, field: str) -> None:
        if not condition:
            raise CagexplainError(
                "missing or not as it should be",
                where=self._path,
                field=field,
                remedy=RECORD_AGAIN,
            )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
