"""Writes a trace: batch after batch, each one whole, so that a killed recording can be resumed."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cagexplain.cc4 import phases
from cagexplain.common.arrays import IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import prepare_output_dir, sha256_file, write_bytes, write_text
from cagexplain.envs import Engine, Env, EnvParams
from cagexplain.policies.base import Policy, reads
from cagexplain.policies.blocks import Block, Here, Place, blocks
from cagexplain.policies.rollout import DEFAULT_BATCH, SEEDS, Observer, play
from cagexplain.tracing import manifest as manifests
from cagexplain.tracing import schema
from cagexplain.tracing.manifest import File, Manifest, TracePart
from cagexplain.tracing.recorder import Recorder

_MUST_AGREE: Final = ("policy", "options", "seeds", "engine")
"""What makes two recordings the same."""

_SELDOM: Final = 20
"""Times as long as writing the manifest takes, it is not written again: that of 100,000 episodes
takes a fifth of a second, and a cluster finishes many parts in that time. A part that a killed
recording has not named yet is played again."""

_README: Final = """# A trace

Recorded by `cagexplain trace`. `manifest.json` tells what was played; each folder is a table in
Parquet files, one for every batch of episodes. `cagexplain fsm-report` explains it; from Python,
`cagexplain.tracing.trace.open_trace` reads it.

"""


class Recording:
    """A trace that is being written.

    Args:
        folder: of the trace; must be empty or new, unless `resume`.
        policy: what to play.
        seeds: ``int[n]`` of the episodes.
        params: of the environment; CC4's own by default.
        engine: the simulator; ours by default.
        batch: episodes played side by side and written together. Memory grows with it.
        with_observations: whether to keep what the agents saw.
        options: further facts about how the policy was loaded, for the manifest.
        resume: go on with the recording in `folder`, which must have been begun in the same way.

    Raises:
        CagexplainError: the folder cannot be used, or holds another recording.
    """

    def __init__(
        self,
        folder: Path,
        policy: Policy,
        seeds: IntArray,
        params: EnvParams | None = None,
        *,
        engine: Engine | None = None,
        batch: int = DEFAULT_BATCH,
        with_observations: bool = True,
        options: dict[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        self.params = params or EnvParams()
        self._engine = engine or Engine()
        self._policy = policy
        self._blocks = blocks(seeds, batch)
        self._with_observations = with_observations
        self._next_manifest = 0.0
        played = {
            **self.params.as_dict(),
            "condition": self.params.condition,
            "protocol": SEEDS,
            "batch": batch,
            "observations": with_observations,
            **(options or {}),
        }
        facts = policy.describe()
        if reads(policy):
            facts = {**facts, "sees_files": True}
        fresh = manifests.new(self._engine.describe(), facts, played, [int(seed) for seed in seeds])
        if resume:
            self.folder = folder
            self._manifest = self._resumed(fresh)
            self._sweep()
        else:
            self.folder = prepare_output_dir(folder)
            self._manifest = fresh
        self._manifest.write(self.folder)
        write_text(self.folder / "README.md", _README + schema.markdown())

    @property
    def manifest(self) -> Manifest:
        """What has been recorded by now."""
        return self._manifest

    @property
    def steps_planned(self) -> int:
        """Environment steps of all episodes."""
        return len(self._manifest.seeds) * phases.calls(self.params.steps)

    @property
    def steps_finished(self) -> int:
        """Environment steps of the episodes on disk."""
        return self._manifest.finished_episodes * phases.calls(self.params.steps)

    def run(self, observers: Sequence[Observer] = (), place: Place | None = None) -> None:
        """Play and write what is not on disk yet.

        Args:
            observers: further observers of the play, such as a progress bar.
            place: where to play; by default here, on the engine and before `observers`.
        """
        place = place or Here(self._engine, observers)
        finished = {part.number for part in self._manifest.parts}
        missing = [block for block in self._blocks if block.number not in finished]
        playing = partial(_recorded, with_observations=self._with_observations)
        try:
            for block, tables in place.play(self._policy, self.params, missing, playing):
                self._write(TracePart(block.number, block.first, len(block.seeds), {}), tables)
        finally:
            self._manifest.write(self.folder)

    def _write(self, part: TracePart, tables: dict[str, _Content]) -> None:
        files = {}
        for name, table in tables.items():
            path = part.path(self.folder, name)
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, table.parquet)
            files[name] = File(table.rows, len(table.parquet), sha256_file(path))
        parts = sorted([*self._manifest.parts, replace(part, files=files)], key=lambda p: p.number)
        self._manifest = replace(self._manifest, parts=parts)
        if (start := time.monotonic()) >= self._next_manifest:
            self._manifest.write(self.folder)
            now = time.monotonic()
            self._next_manifest = now + _SELDOM * (now - start)

    def _resumed(self, fresh: Manifest) -> Manifest:
        """The manifest in the folder, without the parts whose files have not survived."""
        stored = manifests.read(self.folder)
        for name in _MUST_AGREE:
            there, here = _comparable(getattr(stored, name)), _comparable(getattr(fresh, name))
            if there != here:
                raise CagexplainError(
                    f"was begun with {_difference(there, here)}",
                    where=self.folder,
                    field=name,
                    remedy="Resume with the arguments it was begun with, or record to a new folder",
                )
        parts = [part for part in stored.parts if self._intact(part)]
        return replace(stored, parts=parts, policy_file=fresh.policy_file)

    def _sweep(self) -> None:
        """Remove what a killed process was writing when it died."""
        for pattern in (f".{manifests.FILE_NAME}.*.tmp", "*/.part-*.tmp"):
            for path in self.folder.glob(pattern):
                path.unlink()

    def _intact(self, part: TracePart) -> bool:
        paths = {name: part.path(self.folder, name) for name in part.files}
        return all(
            path.is_file() and sha256_file(path) == part.files[name].sha256
            for name, path in paths.items()
        )


@dataclass(frozen=True)
class _Content:
    """Of a file: its number of rows, and its bytes."""

    rows: int
    parquet: bytes


def _recorded(
    policy: Policy,
    env: Env,
    block: Block,
    observers: Sequence[Observer],
    *,
    with_observations: bool,
) -> dict[str, _Content]:
    """The files of a block, by table."""
    recorder = Recorder(block.first, with_observations=with_observations)
    play(policy, env, block.seeds, [recorder, *observers])
    return {name: _written(table) for name, table in recorder.tables().items()}


def _written(table: pa.Table) -> _Content:
    buffer = io.BytesIO()
    # Checksums let a reader notice damage inside a page that still decodes.
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return _Content(table.num_rows, buffer.getvalue())


def _comparable(value: Any) -> Any:
    """A field as JSON gives it back; where a checkpoint lies does not matter, its SHA-256 does."""
    if isinstance(value, dict):
        return {
            key: list(v) if isinstance(v, tuple) else v for key, v in value.items() if key != "path"
        }
    return value


def _difference(there: Any, here: Any) -> str:
    if isinstance(there, dict):
        key = next(k for k in [*there, *here] if there.get(k) != here.get(k))
        return f"{key} {there.get(key)!r}, not {here.get(key)!r}"
    return f"{len(there)} episodes from seed {there[0]}, not {len(here)} from {here[0]}"
