"""A policy as a folder for the official evaluation of CAGE Challenge 4."""

from __future__ import annotations

import contextlib
import io
import os
import pprint
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

import cagexplain
from cagexplain.common.files import prepare_output_dir, write_bytes, write_text
from cagexplain.export import sources, team
from cagexplain.export.packing import Packed, pack
from cagexplain.policies.base import Policy

PACKAGE: Final = "blue_policy"
"""Name of the package in the folder that holds the policy's code and weights."""
ENTRY: Final = "submission.py"
_SUBMISSION: Final = '''\
"""A blue team for CAGE Challenge 4, exported by cagexplain {version}.

It needs Python 3.10 or later with {needs}. The folder {package} holds the code that plays it.
"""

if __package__:  # in a ZIP file this folder is a package
    {relative}
else:
    {absolute}

SETTINGS = {settings}

BLUE = Team({policy})


class Submission:
    """What the official evaluation asks for. Change the three names as you like."""

    NAME = {name!r}
    TEAM = "cagexplain"
    TECHNIQUE = {technique!r}
    AGENTS = BLUE.agents
    wrap = staticmethod(BLUE.wrap)
'''


def write(folder: str | Path, policy: Policy, check: Callable[[Path], None]) -> None:
    """Write the folder whole, or not at all.

    Args:
        folder: new or empty.
        policy: what its agents play.
        check: is given the finished folder before it gets its place, and raises if it is not good.

    Raises:
        UsageError: the policy cannot be exported.
        CagexplainError: the folder cannot be written, or is not empty.
    """
    packed = pack(policy)
    with new_folder(folder) as place:
        for name, content in contents(policy.name, packed).items():
            file = place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                write_text(file, content)
            else:
                write_bytes(file, content)
        check(place)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill, which takes its place when the block has succeeded.

    Raises:
        CagexplainError: there is something in that place, or nothing can be written there.
    """
    target = Path(os.path.realpath(path))
    existed = target.exists()
    prepare_output_dir(target)
    if not existed:
        target.rmdir()  # not to be seen before it is whole, however this ends
    with tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}.", dir=target.parent) as top:
        place = Path(top) / "new"
        place.mkdir()
        yield place
        os.rename(place, target)


def contents(name: str, packed: Packed) -> dict[str, str | bytes]:
    """The files of a folder by their paths in it; the same for the same policy."""
    code = sources.closure([team.__name__, *packed.modules])
    files: dict[str, str | bytes] = {
        "__init__.py": '"""A submission: in a ZIP file, this folder is a package."""\n',
        ENTRY: _submission(name, packed, sources.foreign(code)),
        **{f"{PACKAGE}/{path}": text for path, text in sources.package(code).items()},
    }
    if packed.arrays:
        archive = io.BytesIO()
        np.savez_compressed(archive, **packed.arrays)  # type: ignore[arg-type]
        files[f"{PACKAGE}/{team.WEIGHTS}"] = archive.getvalue()
    return files


def _submission(name: str, packed: Packed, packages: set[str]) -> str:
    names = {team.__name__: ["Team"], packed.form: ["unpack"]}
    if packed.arrays:
        names[team.__name__].append("arrays")
    policy = f"unpack(SETTINGS, {f'arrays({PACKAGE}.__name__)' if packed.arrays else '{}'})"
    for wrapper in packed.wrappers:
        names[wrapper.__module__] = [wrapper.__name__]
        policy = f"{wrapper.__name__}({policy})"
    inside = [
        f"from {PACKAGE}{module.removeprefix(sources.OURS)} import {', '.join(parts)}"
        for module, parts in sorted(names.items())
    ]
    absolute = [f"import {PACKAGE}", *inside] if packed.arrays else inside
    relative = [line.replace("from ", "from .", 1) for line in inside]
    relative = [f"from . import {PACKAGE}", *relative] if packed.arrays else relative
    return _SUBMISSION.format(
        name=name,
        version=cagexplain.__version__,
        needs=" and ".join(_TITLES[package] for package in sorted(packages)),
        package=PACKAGE,
        relative="\n    ".join(relative),
        absolute="\n    ".join(absolute),
        settings=pprint.pformat(packed.settings, width=96, sort_dicts=False),
        policy=policy,
        technique=packed.technique,
    )


_TITLES: Final = {"numpy": "NumPy", "torch": "PyTorch"}
"""Packages that an exported policy may need."""
