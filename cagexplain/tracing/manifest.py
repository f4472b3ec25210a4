"""The trace's manifest: what was played, and which files hold it.

It is replaced after finished batches, last of all, so a file that it names is whole.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from cagexplain.cc4 import conditions, network
from cagexplain.cc4.reds import RedTable
from cagexplain.common.documents import convert, read_json
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_json
from cagexplain.policies.rollout import SEEDS
from cagexplain.tracing import schema

FILE_NAME: Final = "manifest.json"
PROJECT: Final = "cagexplain"
KIND: Final = "trace"
_PACKAGES: Final = ("numpy", "numba", "pyarrow")
_MOST_BYTES: Final = 2**32

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]

_BEFORE: Final = {
    "condition": conditions.STANDARD,
    "protocol": SEEDS,
    "users_per_zone": [network.MIN_USERS, network.MAX_USERS],
    "servers_per_zone": [network.MIN_SERVERS, network.MAX_SERVERS],
}
"""Options that traces of before do not tell, with what they were played with."""

RECORD_AGAIN: Final = "Record the trace again with 'cagexplain trace'"


@dataclass(frozen=True)
class File:
    """A Parquet file: number of rows, size, SHA-256."""

    rows: Count
    bytes: Annotated[int, Meta(ge=0, le=_MOST_BYTES)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class TracePart:
    """A finished batch of episodes.

    Attributes:
        number: of the batch, from 0.
        first_episode: number of its first episode.
        episodes: how many it has.
        files: by table.
    """

    number: Count
    first_episode: Count
    episodes: Annotated[int, Meta(ge=1)]
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
        policy_file: absolute path of the file or folder that the policy was loaded from, if there
            is one; traces of before do not tell.
    """

    engine: dict[str, str]
    policy: dict[str, Any]
    options: dict[str, Any]
    seeds: list[Count]
    parts: list[TracePart]
    packages: dict[str, str]
    created: str
    policy_file: str | None = None

    @property
    def finished_episodes(self) -> int:
        """Number of episodes on disk."""
        return sum(part.episodes for part in self.parts)

    @property
    def finished(self) -> bool:
        """Whether all planned episodes are on disk."""
        return self.finished_episodes == len(self.seeds)

    @property
    def gapless(self) -> bool:
        """Whether the episodes on disk are the first ones; a cluster may finish later ones before
        them."""
        last = self.parts[-1] if self.parts else None
        return last is None or last.first_episode + last.episodes == self.finished_episodes

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the recorded tables."""
        left_out = () if self.options.get("observations", True) else schema.OBSERVATION_TABLES
        return tuple(name for name in schema.TABLES if name not in left_out)

    def require_no_gap(self, folder: Path) -> None:
        """Refuse a trace that lacks episodes before its last one, as while it is resumed."""
        episode = 0
        for i, part in enumerate(self.parts):
            if part.first_episode != episode:
                raise CagexplainError(
                    f"episodes {episode} to {part.first_episode - 1} are missing",
                    where=folder / FILE_NAME,
                    field=f"parts[{i}].first_episode",
                    remedy="Run the same 'cagexplain trace' command with --resume",
                )
            episode += part.episodes

    def write(self, folder: Path) -> None:
        """Replace the manifest of a trace.

        Raises:
            CagexplainError: something in it has no JSON form, such as NaN.
        """
        head = {"project": PROJECT, "kind": KIND, "schema_version": schema.SCHEMA_VERSION}
        progress = {
            "episodes": {"planned": len(self.seeds), "finished": self.finished_episodes},
            "finished": self.finished,
        }
        path = folder / FILE_NAME
        try:
            write_json(path, {**head, **progress, **asdict(self)})
        except (TypeError, ValueError) as error:
            raise CagexplainError(
                f"what the policy tells about itself cannot be written as JSON ({error})",
                where=path,
                field="policy",
                remedy="Let its describe() give text, finite numbers, lists and mappings only, and "
                "give its file a name in UTF-8",
            ) from error


def new(
    engine: dict[str, str], policy: dict[str, Any], options: dict[str, Any], seeds: list[int]
) -> Manifest:
    """The manifest of a recording that begins now.

    Raises:
        CagexplainError: the policy tells of itself what no manifest may hold.
    """
    convert(policy, _Policy, "describe() of the policy", remedy="Mend what it returns")
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return Manifest(
        engine=engine,
        policy=policy,
        options=options,
        seeds=seeds,
        parts=[],
        packages={"python": platform.python_version(), **versions},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        policy_file=_policy_file(policy),
    )


def _policy_file(policy: dict[str, Any]) -> str | None:
    path = policy.get("path")  # that of a policy of the package is its name
    return os.path.abspath(path) if path is not None and os.path.exists(path) else None


def read(folder: Path) -> Manifest:
    """Read and check the manifest of a trace.

    Raises:
        CagexplainError: there is none, or it is damaged, not ours or of a newer version.
    """
    if not folder.is_dir():
        raise CagexplainError("no such folder", where=folder, remedy="Give the folder of a trace")
    path = folder / FILE_NAME
    if not path.exists():
        raise CagexplainError(
            f"this folder has no {FILE_NAME}, so it is not a trace",
            where=folder,
            remedy="Give a folder that 'cagexplain trace' has written",
        )
    content = read_json(path, dict[str, Any], "manifest", remedy=RECORD_AGAIN)
    if (content.get("project"), content.get("kind")) != (PROJECT, KIND):
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
    convert(content, _Entries, path, remedy=RECORD_AGAIN)
    content["options"] = {**_BEFORE, **content["options"]}
    manifest = convert(content, Manifest, path, remedy=RECORD_AGAIN)
    _require_red(manifest, path)
    _require_parts(manifest, path)
    return manifest


@dataclass(frozen=True)
class _Engine:
    name: str
    version: str


@dataclass(frozen=True)
class _Policy:
    name: str = "unnamed"
    kind: str = "unknown"
    path: str | None = None
    sha256: str | None = None
    mask_sleep: bool = False
    deterministic: bool | None = None
    sees_files: bool = False


@dataclass(frozen=True)
class _Options:
    steps: Annotated[int, Meta(ge=2, le=2**31 - 1)]  # as the columns `step` can hold
    red: str | dict[str, Any]  # a red that is not shipped is told as its table
    batch: Annotated[int, Meta(ge=1)]
    observations: bool = True
    mask_sleep: bool = False
    condition: str = conditions.STANDARD


@dataclass(frozen=True)
class _Entries:
    """What is relied on in the entries that have further ones."""

    engine: _Engine
    policy: _Policy
    options: _Options
    created: datetime.datetime  # traces are told apart by it: the newest is the latest


def _require_red(manifest: Manifest, path: Path) -> None:
    """Refuse what is no table of a red."""
    red = manifest.options["red"]
    if isinstance(red, dict):
        try:
            RedTable.from_document(red)
        except UsageError as error:
            field = ".".join(filter(None, ("options.red", error.field)))
            raise CagexplainError(
                error.problem, where=path, field=field, remedy=RECORD_AGAIN
            ) from error


def _require_parts(manifest: Manifest, path: Path) -> None:
    """Refuse parts that are not of the trace's tables, or do not follow one another."""
    number, episode = -1, 0
    for i, part in enumerate(manifest.parts):
        field, problem = f"parts[{i}]", None
        if set(part.files) != set(manifest.tables):
            field, problem = f"{field}.files", "these are not the tables of the trace"
        elif part.number <= number:
            field, problem = f"{field}.number", "parts are numbered upwards, each once"
        elif part.first_episode < episode:
            field, problem = f"{field}.first_episode", "an earlier part has this episode too"
        elif part.first_episode + part.episodes > len(manifest.seeds):
            field, problem = f"{field}.episodes", "there are more episodes than seeds"
        if problem is not None:
            raise CagexplainError(problem, where=path, field=field, remedy=RECORD_AGAIN)
        number, episode = part.number, part.first_episode + part.episodes
