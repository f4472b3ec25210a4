"""Reading and writing `ckpt.pt`: everything needed to act, as plain containers and tensors.

Files are read with PyTorch's restricted unpickler (``weights_only=True``), so a checkpoint from a
stranger cannot run code. `resume.pt`, which training continues from, is written and read by the
same two functions with another `kind`.
"""

from __future__ import annotations

import os
import pickle
import pickletools
import re
import zipfile
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal

import torch
from msgspec import Meta
from torch import Tensor

import cagexplain
from cagexplain.cc4 import actions, observations
from cagexplain.common.documents import convert, require_file
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import atomic_write
from cagexplain.policies.learned import features, messages, networks

PROJECT: Final = "cagexplain"
FORMAT_VERSION: Final = 1
LAYOUT: Final[dict[str, Any]] = {
    "observation": {"version": 1, "sizes": list(observations.SIZES)},
    "action": {"version": 1, "sizes": list(actions.SIZES)},
}
"""The official layouts. A version rises when an index changes its meaning."""
SIZE_LIMIT: Final = 2**30
"""Bytes of the largest checkpoint; `networks.MAX_PARAMETERS` of each group fit into it."""

_REMEDY: Final = f"Use a file that `{PROJECT} train` wrote"
_MEMBERS: Final = re.compile(
    r"data\.pkl|data/\d+|byteorder|version|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id"
)
"""Members of the archives that torch.save writes, below one folder."""
_NUMBERS: Final = re.compile(r"/data/\d+$")
"""Those of them that hold the numbers of tensors."""
_OBJECTS: Final = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(
        f"torch {number}Storage"
        for number in ("Float", "Double", "Half", "Bool", "Char", "Short", "Int", "Long")
    ),
}
"""All that a file of plain containers and tensors names. PyTorch's own list is longer, and some of
it reserves as much memory as the file says."""
_PLAIN_LIMIT: Final = 64 * 2**20
"""Bytes of the largest plain part of a file: all but the numbers in tensors."""

_Size = Annotated[int, Meta(ge=1)]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]


@dataclass(frozen=True)
class ActingSettings:
    """The settings that acting needs, of a run's; those with defaults came after the first files.

    They are told in `trainers.core.settings`.
    """

    observation: features.Profile
    network: networks.Kind
    hidden: Annotated[list[_Size], Meta(min_length=1)]
    core: networks.Core = "none"
    core_size: _Size = 1
    acting: Literal["sampled", "greedy"] = "greedy"
    messages: messages.Kind = "none"


@dataclass(frozen=True)
class _Header:
    """What every file of ours begins with."""

    project: str
    kind: str
    format_version: _Size


@dataclass(frozen=True)
class _Outputs:
    """What the networks compute."""

    outputs: Literal["logits", "values"] = "logits"


@dataclass(frozen=True)
class _Form:
    """A checkpoint but for its tensors."""

    algorithm: _Name
    variant: _Name
    config: ActingSettings
    weights: _Outputs
    summary: dict[str, Any]
    layout: dict[str, dict[str, Any]]
    versions: dict[str, str]


@dataclass
class Checkpoint:
    """A trained policy.

    Attributes:
        algorithm: name in the training registry, such as "ippo".
        variant: the preset that the configuration started from.
        config: all settings of the run, by name.
        weights: "actors" -> what `networks.stored` gives: per group, per layer [weight, bias];
            "outputs" -> what they compute, "logits" (if missing) or "values" of actions.
        summary: facts about the training: steps, seed, returns, engine, wall time.
        layout: observation and action layouts the weights are made for.
        versions: package versions it was trained with.
    """

    algorithm: str
    variant: str
    config: dict[str, Any]
    weights: dict[str, Any]
    summary: dict[str, Any]
    layout: dict[str, Any] = field(default_factory=lambda: LAYOUT)
    versions: dict[str, str] = field(default_factory=lambda: package_versions())


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide what a policy does."""
    versions = {PROJECT: cagexplain.__version__}
    for package in ("torch", "numpy", "numba"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all."""
    write_plain(path, "checkpoint", asdict(checkpoint))


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CagexplainError: the file is missing, damaged, not ours, of a newer format, made for
            another layout, or contains pickled code, or other content than a checkpoint's.
    """
    path = Path(path)
    content = read_plain(path, "checkpoint", limit=SIZE_LIMIT)
    weights = content.get("weights")
    if isinstance(weights, dict):  # the tensors are held against the settings when they are used
        content["weights"] = {name: part for name, part in weights.items() if name != "actors"}
    convert(content, _Form, path, remedy=_REMEDY)
    if content["layout"] != LAYOUT:
        raise CagexplainError(
            f"the policy was trained for another layout ({content['layout']}, here: {LAYOUT})",
            where=path,
            field="layout",
            remedy="Train it again with this version of cagexplain",
        )
    content["weights"] = weights
    return Checkpoint(**{entry.name: content[entry.name] for entry in fields(Checkpoint)})


def write_plain(path: str | Path, kind: str, content: dict[str, Any]) -> None:
    """Write plain containers and tensors with the project's header, whole or not at all."""
    header = {"project": PROJECT, "kind": kind, "format_version": FORMAT_VERSION}
    with atomic_write(path) as file:
        try:
            torch.save(header | _detached(content), file)
        except RuntimeError as error:
            # PyTorch's writer stumbles over its own position after a write has failed.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def read_plain(path: str | Path, kind: str, *, limit: int | None = None) -> dict[str, Any]:
    """Read what `write_plain` wrote, without ever running code from the file.

    Args:
        path: of the file.
        kind: that it was written as.
        limit: largest size in bytes; None for any.

    Raises:
        CagexplainError: see `load_checkpoint`.
    """
    path = require_file(path, kind, limit=limit)
    with open(path, "rb") as file:
        content = read_archive(file, path, kind)
    if not isinstance(content, dict) or content.get("project") != PROJECT:
        raise _not_ours(path, kind)
    begin = {entry.name: content.get(entry.name) for entry in fields(_Header)}
    header = convert(begin, _Header, path, remedy=_REMEDY)
    if header.kind != kind:
        raise CagexplainError(
            f"this is a {header.kind}, not a {kind}",
            where=path,
            remedy="Use ckpt.pt for acting and resume.pt for continuing the training",
        )
    if header.format_version > FORMAT_VERSION:
        raise CagexplainError(
            f"format {header.format_version} is newer than this version reads ({FORMAT_VERSION})",
            where=path,
            field="format_version",
            remedy="Update cagexplain",
        )
    return content


def read_archive(file: IO[bytes], path: Path, kind: str) -> Any:
    """The plain containers and tensors that torch.save wrote, without ever running code.

    Args:
        file: open, with a descriptor.
        path, kind: its name and what it should be, for errors.

    Raises:
        CagexplainError: it is no such archive, damaged, or holds more than that.
    """
    # torch.save writes a zip archive; anything else does not even reach an unpickler.
    if not zipfile.is_zipfile(file):
        file.seek(0)
        raise _damaged(path, kind) if file.read(2) in (b"PK", b"") else _not_ours(path, kind)
    sizes = _inspect(file, path, kind)
    content = _unpickled(file, path, kind)
    if _storages(content) != sizes:
        raise _foreign("holds tensors of other sizes than their numbers", path)
    return content


def _inspect(file: IO[bytes], path: Path, kind: str) -> list[int]:
    """Refuse an archive that torch.save cannot have written, before anything of it is loaded.

    Returns:
        Bytes of the numbers of each tensor, in the order of the file; without empty ones.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            # We compress nothing, so a file is as large as what it holds.
            if (
                any(member.compress_type != zipfile.ZIP_STORED for member in members)
                or sum(member.file_size for member in members) > os.fstat(file.fileno()).st_size
            ):
                raise _foreign("holds compressed members, or more than its size", path)
            names = archive.namelist()
            folder = names[0].partition("/")[0] if names else ""
            if f"{folder}/data.pkl" not in names:
                raise _not_ours(path, kind)
            for name in names:
                if not _MEMBERS.fullmatch(name.removeprefix(f"{folder}/")):
                    raise _foreign(f"holds {name!r}, which no {kind} has", path)
            if len(set(names)) < len(names):
                raise _foreign("holds two members of one name", path)
            if archive.testzip() is not None:  # torch.load does not look at the checksums
                raise _damaged(path, kind)
            if archive.getinfo(f"{folder}/data.pkl").file_size > _PLAIN_LIMIT:
                raise _foreign("holds more than tensors", path)
            pickled = archive.read(f"{folder}/data.pkl")
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name == "GLOBAL" and argument not in _OBJECTS:
                raise _code(path)
        members.sort(key=lambda member: member.header_offset)
        return [m.file_size for m in members if m.file_size and _NUMBERS.search(m.filename)]
    except (ValueError, OSError, LookupError, RuntimeError, zipfile.BadZipFile) as error:
        raise _damaged(path, kind) from error


def _unpickled(file: IO[bytes], path: Path, kind: str) -> Any:
    try:
        # By its descriptor: it is what was inspected, and PyTorch opens no names but UTF-8.
        return torch.load(
            f"/dev/fd/{file.fileno()}", map_location="cpu", weights_only=True, mmap=True
        )
    except pickle.UnpicklingError as error:
        raise _code(path) from error
    except Exception as error:  # whatever PyTorch's functions make of arguments of other types
        raise _damaged(path, kind) from error


def _storages(content: Any) -> list[int]:
    """What `_inspect` gives, as the tensors in loaded containers have it.

    PyTorch maps the file, and takes the pickle's word for how far a tensor reaches: behind its own
    numbers lie those of others.
    """
    storages, visited, ahead = set(), set(), [content]
    while ahead:
        item = ahead.pop()
        if isinstance(item, Tensor):
            storage = item.untyped_storage()
            storages.add((storage.data_ptr(), storage.nbytes()))
        elif isinstance(item, dict | list | tuple) and id(item) not in visited:
            # It may hold itself.
            visited.add(id(item))
            ahead += item.values() if isinstance(item, dict) else item
    return [size for _, size in sorted(storages) if size]


def _code(path: Path) -> CagexplainError:
    return CagexplainError(
        "the file contains pickled code or objects other than plain data, and was not loaded",
        where=path,
        remedy="Do not use it unless you know where it comes from; train the policy again",
    )


def _damaged(path: Path, kind: str) -> CagexplainError:
    return CagexplainError(
        f"the {kind} is damaged or incomplete", where=path, remedy="Copy it or train it again"
    )


def _foreign(problem: str, path: Path) -> CagexplainError:
    return CagexplainError(f"the file {problem}", where=path, remedy=_REMEDY)


def _not_ours(path: Path, kind: str) -> CagexplainError:
    return CagexplainError(
        f"this is not a {PROJECT} {kind}",
        where=path,
        remedy="Use a file that `cagexplain train` wrote",
    )


def _detached(value: Any) -> Any:
    """The same with contiguous tensors on the CPU that own just their data.

    A view would save its base. What is in order already is not copied: it may be large.
    """
    if isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous()
        return plain if plain.untyped_storage().nbytes() == plain.nbytes else plain.clone()
    if isinstance(value, dict):
        return {key: _detached(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_detached(item) for item in value]
    return value
