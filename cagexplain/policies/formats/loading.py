"""From a path to a policy: which format a file has, and what is said about it beside it."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import json_name, sha256_file
from cagexplain.policies.formats import descriptor, onnx, rllib, sb3, torchscript
from cagexplain.policies.formats.descriptor import NAME, Given
from cagexplain.policies.formats.files import FilePolicy, Seat, policy_of
from cagexplain.policies.formats.network import Network


@dataclass(frozen=True)
class Format:
    """A format of other trainers.

    Attributes:
        title: in words.
        code: what of it would run if it is loaded; None if nothing does.
        read: gives the network of a file.
    """

    title: str
    code: str | None
    read: Callable[[Path, Given], Network]


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "onnx": Format(onnx.KIND, None, onnx.read),
        "sb3": Format(sb3.KIND, None, sb3.read),
        "sb3-library": Format(
            f"{sb3.KIND} with a network of its own", "the pickled classes", sb3.read_by_library
        ),
        "torchscript": Format(torchscript.KIND, "the compiled program", torchscript.read),
        "rllib": Format(rllib.KIND, "the pickled classes", rllib.read),
    }
)
"""The formats by name."""

_AGENT: Final = re.compile(r".*?(?<!\d)([0-4])")
"""Names of files of an agent: they end with its number."""


def recognised(path: Path) -> bool:
    """Whether a path is a descriptor, a file of one of the formats, or a folder of them."""
    try:
        return bool(_descriptor(path)) or format_of(path) is not None or bool(_per_agent(path))
    except OSError:
        return False


def format_of(path: Path) -> str | None:
    """The name of a file's format, by its content; None for any other file."""
    if path.is_dir():
        return "rllib" if rllib.is_rllib(path) else None
    if path.suffix == ".onnx":
        return "onnx"
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return None
    if sb3.is_sb3(names):
        return "sb3"
    return "torchscript" if torchscript.is_torchscript(names) else None


def code_of(path: Path) -> str | None:
    """What would run if this were loaded, in words; None if nothing of it would.

    Raises:
        CagexplainError: the descriptor or one of the files cannot be used.
    """
    given, serving = _described(path)
    for file in serving:
        kind = FORMATS[_effective(file, given)]
        if kind.code is not None:
            return f"{kind.code} of the {kind.title} {file}"
    return None


def load(path: Path, *, deterministic: bool | None = None, trusted: bool = False) -> FilePolicy:
    """The policy of a file, of a folder of files by agent, or of a descriptor.

    Args:
        path: of it.
        deterministic: see `WeighingFilePolicy`.
        trusted: whether formats may run code of the file, which they do in this process.

    Raises:
        CagexplainError: a file cannot be used, runs code without being trusted, or does not say
            enough; with the field that a descriptor has to give.
        UsageError: it cannot play that way.
    """
    given, serving = _described(path)
    seats = []
    for file, agents in serving.items():
        kind = FORMATS[_effective(file, given)]
        if kind.code is not None and not trusted:
            raise CagexplainError(
                f"loading it runs {kind.code} of this {kind.title}",
                where=file,
                remedy="If you trust who wrote it, give it to a command with --trust-code",
            )
        network = kind.read(file, given)
        seats.append(
            Seat(file, network, descriptor.resolve(given, network.facts, agents, file), agents)
        )
    facts = {
        "path": json_name(path),
        "sha256": digest(path),
    }
    return policy_of(path.stem, seats, facts, deterministic=deterministic)


def digest(path: Path) -> str:
    """SHA-256 of a file; of a descriptor or folder, over it and all files that it stands for."""
    if path.is_file() and not _descriptor(path):
        return sha256_file(path)
    _, serving = _described(path)
    described = _descriptor(path)
    lines = [sha256_file(described)] if described else []
    for file in serving:
        parts = sorted(p for p in file.rglob("*") if p.is_file()) if file.is_dir() else [file]
        lines += [f"{part.relative_to(file.parent)} {sha256_file(part)}" for part in parts]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _effective(file: Path, given: Given) -> str:
    kind = format_of(file)
    if kind is None:
        raise CagexplainError(
            "this is no Stable-Baselines3, RLlib, TorchScript or ONNX file"
            if file.exists()
            else "there is no such file",
            where=file,
            remedy=f"Give files of these formats, and name them in {NAME}",
        )
    return "sb3-library" if kind == "sb3" and sb3.needs_library(file, given) else kind


def _descriptor(path: Path) -> Path | None:
    if path.is_dir():
        return path / NAME if (path / NAME).is_file() else None
    return path if path.suffix in (".yaml", ".yml") and path.is_file() else None


def _described(path: Path) -> tuple[Given, dict[Path, list[int]]]:
    """What is said about the files, and which agents each of them serves."""
    if (file := _descriptor(path)) is not None:
        return descriptor.read(file)
    return Given(), descriptor.served(_per_agent(path) or [path] * N_BLUE)


def _per_agent(path: Path) -> list[Path]:
    """The five files or RLlib policies of a folder whose names end with the agents' numbers."""
    if not path.is_dir():
        return []
    by_agent = dict(_numbered(rllib.policies(path) if rllib.is_rllib(path) else path.iterdir()))
    return [by_agent[agent] for agent in range(N_BLUE)] if len(by_agent) == len(BLUE) else []


def _numbered(paths: Any) -> Iterator[tuple[int, Path]]:
    for path in paths:
        match = _AGENT.fullmatch(path.stem)
        if match is not None and format_of(path) is not None:
            yield int(match[1]), path
