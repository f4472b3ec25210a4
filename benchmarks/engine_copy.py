"""Copies of the sources in which the engine may be changed, and its replay of recordings there.

A copy is run by processes of its own with a compiler cache of its own, so that changed rules never
meet the sources or the cache that everything else uses.
"""

import ast
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cagexplain.common.errors import UsageError
from cagexplain.fidelity.lockstep import replay
from cagexplain.fidelity.recording import SUFFIX, read_recording
from cagexplain.sim.params import EnvParams

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "cagexplain"
_COPIED: Final = ("cagexplain", "benchmarks")
_DECORATORS: Final = {"cagexplain.sim.jit.jit", "cagexplain.sim.jit.entry"}
"""What marks a function to be compiled."""
_OPTIMIZATION: Final = "1"
"""Numba's level: compiling takes longer than replaying. Results do not depend on it (there is no
fast-math); at level 0 LLVM fails on records as large as ours."""

_KEEPING: Final = """

import os

import numba

_KEYS = {keys}
_compiled = jit


def jit(function):
    settings = numba.config
    settings.CACHE_DIR = os.path.join(os.environ["NUMBA_CACHE_DIR"], _KEYS[function.__module__])
    dispatcher = _compiled(function)
    dispatcher.enable_caching()
    return dispatcher


entry = jit
"""
"""Put at the end of a copy's ``jit.py``: keeps every compiled function in a folder named after a
hash of all sources that its module depends on."""


@dataclass(frozen=True)
class Replayed:
    """How a recording compared with what the engine of the copy did.

    Attributes:
        recording: file name.
        step: of the first difference; None: there is none, or the replay did not get so far.
        differs: entry that differs.
        error: that ended the replay; then nothing is known about differences.
    """

    recording: str
    step: int | None = None
    differs: str | None = None
    error: str | None = None

    @property
    def equal(self) -> bool:
        """Whether the whole recording was replayed without a difference."""
        return self.step is None and self.error is None


class Died(Exception):
    """The process of a copy ended badly, or was too slow; tells how.

    Attributes:
        killed: by someone from outside.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"exit status {status}: {message}")
        self.killed = -status in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT)


class EngineCopy:
    """A copy of the sources.

    Attributes:
        package: the copied package ``cagexplain``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.package = folder / PACKAGE.name

    @contextmanager
    def changed(self, file: str, source: str) -> Iterator[None]:
        """Replace a file of the package for a while; only what depends on it is compiled again."""
        with _written(self.package / file, source):
            jit = self.package / "sim" / "jit.py"
            keeping = _KEEPING.replace("{keys}", repr(self.keys()))
            with _written(jit, jit.read_text() + keeping):
                yield

    def keys(self) -> dict[str, str]:
        """Per module that has compiled functions, a hash of all sources that it depends on."""
        modules = {
            ".".join(path.relative_to(self._folder).with_suffix("").parts)
            for path in self.package.rglob("*.py")
            if _DECORATORS & _imports(path.read_bytes())
        }
        return {module: self._key(module) for module in sorted(modules)}

    def _key(self, module: str) -> str:
        pending, digest = [module], hashlib.sha256()
        visited = set(pending)
        while pending:
            source = self._path(pending.pop()).read_bytes()
            digest.update(source)
            imported = {name for name in _imports(source) if self._path(name).exists()}
            pending += sorted(imported - visited)
            visited |= imported
        return digest.hexdigest()[:16]

    def _path(self, module: str) -> Path:
        path = self._folder.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def run(
        self, task: str, arguments: Sequence[str], *, seconds: float | None = None
    ) -> Iterator[Any]:
        """Call a function of the copy, ``module:name``, with a list of texts; yields what it
        prints as lines of JSON.

        Raises:
            Died: it failed, or took longer than that.
        """
        module, name = task.split(":")
        code = f"import sys; from {module} import {name}; {name}(sys.argv[1:])"
        # A folder that Python looks into first: there, both packages are the copied ones.
        limit = [] if seconds is None else ["timeout", str(seconds)]
        environment = {
            **os.environ,
            "NUMBA_CACHE_DIR": str(self._folder / "cache"),
            "NUMBA_OPT": _OPTIMIZATION,
            "PYTHONDONTWRITEBYTECODE": "1",  # Python takes sources of one second for the same
        }
        with (
            (self._folder / "stderr").open("w+") as errors,
            subprocess.Popen(
                [*limit, sys.executable, "-c", code, *arguments],
                cwd=self._folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            yield from map(json.loads, process.stdout)
            if process.wait() != 0:
                errors.seek(0)
                last = (errors.read().strip().splitlines() or ["no message"])[-1]
                raise Died(process.returncode, last)


@contextmanager
def _written(path: Path, text: str) -> Iterator[None]:
    """Replace a file for a while. Its time comes back too: Numba asks for it."""
    content, time = path.read_text(), path.stat().st_mtime_ns
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(content)
        os.utime(path, ns=(time, time))


@contextmanager
def engine_copy() -> Iterator[EngineCopy]:
    """A fresh copy in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="engine-copy-") as folder:
        for name in _COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=ignored)
        yield EngineCopy(Path(folder))


@functools.cache
def _imports(source: bytes) -> frozenset[str]:
    """Names of what a source imports from the package; some are modules, some are not."""
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            imported.add(node.module or "")
            imported.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(imported)


def recordings(places: Iterable[str]) -> list[Path]:
    """Recordings among files and folders, by name.

    Raises:
        UsageError: there are none.
    """
    paths: set[Path] = set()
    for place in map(Path, places):
        paths.update(place.glob(f"*{SUFFIX}") if place.is_dir() else [place])
    if not paths:
        raise UsageError(
            f"there is no *{SUFFIX}",
            field="recordings",
            remedy="Make some with 'cagexplain lockstep --record FOLDER'",
        )
    return sorted((path.resolve() for path in paths), key=lambda path: path.name)


def replay_file(path: Path) -> Replayed:
    """Replay a recording with the rates and durations that this engine's sources have.

    A recording brings CybORG's along; taking those would hide a change of ours.
    """
    try:
        recording = read_recording(path)
        params = EnvParams(steps=recording.params.steps, red=recording.params.red)
        difference = replay(replace(recording, params=params))
    except Exception as error:  # a changed engine may come up with anything
        return Replayed(path.name, error=f"{type(error).__name__}: {error}")
    if difference is None:
        return Replayed(path.name)
    return Replayed(path.name, difference.step, difference.fields[0])
