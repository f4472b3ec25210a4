"""Reading and writing `ckpt.pt`: everything needed to act, as plain containers and tensors.

Files are read with PyTorch's restricted unpickler (``weights_only=True``), so a checkpoint from a
stranger cannot run code. `resume.pt`, which training continues from, is written and read by the
same two functions with another `kind`.
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

import cagexplain
from cagexplain.cc4 import actions, observations
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import atomic_write

PROJECT: Final = "cagexplain"
FORMAT_VERSION: Final = 1
LAYOUT: Final[dict[str, Any]] = {
    "observation": {"version": 1, "sizes": list(observations.SIZES)},
    "action": {"version": 1, "sizes": list(actions.SIZES)},
}
"""The official layouts. A version rises when an index changes its meaning."""


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
    found = {PROJECT: cagexplain.__version__}
    for package in ("torch", "numpy", "numba"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all."""
    write_plain(path, "checkpoint", asdict(checkpoint))


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CagexplainError: the file is missing, damaged, not ours, of a newer format, made for
            another layout, or contains pickled code.
    """
    path = Path(path)
    content = read_plain(path, "checkpoint")
    remedy = "Use a checkpoint that `cagexplain train` wrote"
    for entry in fields(Checkpoint):
        if entry.name not in content:
            raise CagexplainError("is missing", where=path, field=entry.name, remedy=remedy)
        expected = str if entry.name in ("algorithm", "variant") else dict
        if not isinstance(content[entry.name], expected):
            raise CagexplainError(
                f"is not a {expected.__name__}", where=path, field=entry.name, remedy=remedy
            )
    if content["layout"] != LAYOUT:
        raise CagexplainError(
            f"the policy was trained for another layout ({content['layout']}, here: {LAYOUT})",
            where=path,
            field="layout",
            remedy="Train it again with this version of cagexplain",
        )
    return Checkpoint(**{entry.name: content[entry.name] for entry in fields(Checkpoint)})


def write_plain(path: str | Path, kind: str, content: dict[str, Any]) -> None:
    """Write plain containers and tensors with the project's header, whole or not at all."""
    header = {"project": PROJECT, "kind": kind, "format_version": FORMAT_VERSION}
    with atomic_write(path) as file:
        torch.save(header | _detached(content), file)


def read_plain(path: str | Path, kind: str) -> dict[str, Any]:
    """Read what `write_plain` wrote, without ever running code from the file.

    Raises:
        CagexplainError: see `load_checkpoint`.
    """
    path = Path(path)
    if not path.is_file():
        raise CagexplainError(
            f"there is no such {kind}", where=path, remedy="Give the path of an existing file"
        )
    damaged = CagexplainError(
        f"the {kind} is damaged or incomplete", where=path, remedy="Copy it or train it again"
    )
    # torch.save writes a zip archive; anything else does not even reach an unpickler.
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            if file.read(2) in (b"PK", b""):
                raise damaged
        raise _not_ours(path, kind)
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch.load does not look at the checksums
                raise damaged
            if not any(name.endswith("/data.pkl") for name in archive.namelist()):
                raise _not_ours(path, kind)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CagexplainError(
            "the file contains pickled code or objects other than plain data, and was not loaded",
            where=path,
            remedy="Do not use it unless you know where it comes from; train the policy again",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise damaged from error
    if not isinstance(content, dict) or content.get("project") != PROJECT:
        raise _not_ours(path, kind)
    if content.get("kind") != kind:
        raise CagexplainError(
            f"this is a {content.get('kind')}, not a {kind}",
            where=path,
            remedy="ckpt.pt is for acting, resume.pt for continuing the training",
        )
    newest = content.get("format_version")
    if not isinstance(newest, int) or newest > FORMAT_VERSION:
        raise CagexplainError(
            f"format {newest} is newer than this version reads ({FORMAT_VERSION})",
            where=path,
            field="format_version",
            remedy="Update cagexplain",
        )
    return content


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
