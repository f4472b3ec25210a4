"""Plays episodes on a simulator and keeps what they looked like, one row per episode.

A sample lies in one Parquet file, which is replaced whole after every batch of episodes. So
finished episodes survive whatever ends the play, the same call goes on with those that are missing,
and a sample that was expensive to play can be compared again.
"""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cagexplain import __version__
from cagexplain.common.arrays import Int64Array, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import write_bytes
from cagexplain.envs import Engine, Env, EnvParams
from cagexplain.fidelity.metrics import NAMES, Behaviour
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.rollout import DEFAULT_BATCH, SEEDS, Observer, batches, play

SCHEMA_VERSION: Final = 2
"""Changes whenever a metric gets another meaning; further metrics show in the columns."""

_KEY: Final = b"cagexplain.sample"
_SEED: Final = "seed"


@dataclass(frozen=True)
class Origin:
    """What a sample's episodes have in common.

    Attributes:
        policy: what the policy says about itself, its SHA-256 included where it has one.
        options: parameters of the environment, and how it was played.
        engine: name and version of the simulator.
        measured_by: versions of what played and measured; told, never compared.
    """

    policy: dict[str, Any]
    options: dict[str, Any]
    engine: dict[str, str]
    measured_by: dict[str, str]

    @property
    def simulator(self) -> str:
        """Name and version, for headings."""
        return f"{self.engine['name']} {self.engine['version']}"


@dataclass(frozen=True)
class ParitySample:
    """Episodes of a policy on a simulator.

    Attributes:
        origin: what was played.
        seeds: ``int64[n]``, all different.
        values: ``float64[n, len(metrics.METRICS)]``; NaN where an episode does not define a metric.
    """

    origin: Origin
    seeds: Int64Array
    values: npt.NDArray[np.float64]

    def of(self, metric: str) -> npt.NDArray[np.float64]:
        """A metric by episode: ``float64[n]``."""
        return self.values[:, NAMES.index(metric)]

    def select(self, seeds: IntArray) -> ParitySample:
        """The episodes of these seeds ``int[k]``, in their order; `KeyError` if one is missing."""
        row = {int(seed): i for i, seed in enumerate(self.seeds)}
        rows = [row[int(seed)] for seed in seeds]
        return ParitySample(self.origin, self.seeds[rows], self.values[rows])


def collect(
    policy: Policy,
    engine: Engine,
    seeds: IntArray,
    params: EnvParams | None = None,
    *,
    file: Path | None = None,
    options: dict[str, Any] | None = None,
    batch: int = DEFAULT_BATCH,
    observers: Sequence[Observer] = (),
) -> ParitySample:
    """Play an episode per seed, the policy's first world of each (``skip_worlds=0``).

    Args:
        policy: what to play.
        engine: the simulator.
        seeds: ``int[n]``, all different.
        params: of the environment; CC4's own by default.
        file: where to keep the sample. Episodes that it holds already are not played again.
        options: further facts about how the policy was loaded.
        batch: episodes played side by side and kept together.
        observers: further observers of the play, such as a progress bar.

    Raises:
        CagexplainError: the file holds a sample of something else, or the simulator failed; then
            the message names the seeds and the step, and the batches before it are in the file.
    """
    params = params or EnvParams()
    origin = origin_of(policy, params, options, engine=engine.describe())
    sample = ParitySample(origin, np.empty(0, dtype=np.int64), np.empty((0, len(NAMES))))
    if file is not None and file.exists():
        sample = read(file)
        remedy = "Give the arguments it was begun with, or another output folder"
        require_same(sample.origin, origin, ("policy", "options", "engine"), file, remedy)
    env: Env | None = None
    try:
        for part in batches(np.setdiff1d(seeds, sample.seeds), batch):
            if env is None or env.n_envs != len(part):
                if env is not None:
                    env.close()
                env = engine.make(len(part), params)
            values = _play(policy, env, part, origin, observers)
            sample = ParitySample(
                origin,
                np.concatenate([sample.seeds, part]),
                np.concatenate([sample.values, values]),
            )
            if file is not None:
                write(file, sample)
    finally:
        if env is not None:
            env.close()
    return sample.select(seeds)


def origin_of(
    policy: Policy,
    params: EnvParams,
    options: dict[str, Any] | None = None,
    *,
    engine: dict[str, str],
) -> Origin:
    """What a sample that `collect` plays with these arguments says about itself.

    Args:
        policy, params, options: as for `collect`.
        engine: what the simulator says about itself.
    """
    return Origin(
        policy=_plain(policy.describe()),
        options=_plain(
            {
                **params.as_dict(),
                "condition": params.condition,
                "protocol": SEEDS,
                "skip_worlds": 0,
                **(options or {}),
            }
        ),
        engine=engine,
        measured_by={
            "cagexplain": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    )


def _play(
    policy: Policy, env: Env, seeds: Int64Array, origin: Origin, observers: Sequence[Observer]
) -> npt.NDArray[np.float64]:
    clock, behaviour = _Clock(), Behaviour()
    try:
        play(policy, env, seeds, [behaviour, *observers, clock])
    except CagexplainError:  # says itself what failed, and where
        raise
    except Exception as error:
        if not clock.inside_simulator:
            raise
        raise CagexplainError(
            f"failed {clock}, {_named(seeds)}: {type(error).__name__}: {error}",
            where=origin.engine["name"],
            remedy="Finished batches are kept: mend the simulator and run the same command again",
        ) from error
    return behaviour.values()


class _Clock(Observer):
    """Knows in which step the simulator is at work, or that the policy is.

    The last of the observers, as the others ask the simulator for what they observe.
    """

    def __init__(self) -> None:
        self._step = 0
        self.inside_simulator = True

    def begin(self, env: Env, seeds: Int64Array) -> None:
        self.inside_simulator = False

    def before_step(self, env: Env, decision: Decision) -> None:
        self._step += 1
        self.inside_simulator = True

    def after_step(self, env: Env, decision: Decision) -> None:
        self.inside_simulator = False

    def __str__(self) -> str:
        return f"in step {self._step}" if self._step else "before the first step"


def _named(seeds: Int64Array) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    listed = ", ".join(map(str, seeds[:8])) + (", ..." if len(seeds) > 8 else "")
    return f"in one of the seeds {listed}"


def write(path: Path, sample: ParitySample) -> None:
    """Write a sample whole."""
    header = json.dumps({"schema": SCHEMA_VERSION, **asdict(sample.origin)})
    table = pa.table(
        {_SEED: sample.seeds} | dict(zip(NAMES, sample.values.T, strict=True)),
    ).replace_schema_metadata({_KEY: header.encode()})
    buffer = io.BytesIO()
    # Checksums let a reader notice damage inside a page that still decodes.
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    write_bytes(path, buffer.getvalue())


def read(path: Path) -> ParitySample:
    """Read a sample that `write` wrote.

    Raises:
        CagexplainError: the file is missing, damaged, or no sample of this version.
    """
    again = "Play it again with 'cagexplain parity', or name another file"
    if not path.is_file():
        raise CagexplainError("there is no such file", where=path, remedy="Check the name")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        problem = f"cannot be read as a Parquet file ({str(error).splitlines()[0]})"
        raise CagexplainError(problem, where=path, remedy=again) from error
    try:
        header = json.loads((table.schema.metadata or {})[_KEY])
        version = header.pop("schema")
        origin = Origin(**header)
        origin.simulator  # noqa: B018 - complains if the header lacks it
    except (KeyError, ValueError, TypeError) as error:
        raise CagexplainError("holds no sample", where=path, remedy=again) from error
    if version != SCHEMA_VERSION:
        raise CagexplainError(
            f"is {version}, not {SCHEMA_VERSION}", where=path, field="schema", remedy=again
        )
    if table.column_names != [_SEED, *NAMES]:
        odd = set(table.column_names).symmetric_difference([_SEED, *NAMES])
        problem = f"has other metrics than this version ({', '.join(sorted(odd))})"
        raise CagexplainError(problem, where=path, field="columns", remedy=again)
    seeds = table[_SEED].to_numpy()
    if len(seeds) == 0 or len(np.unique(seeds)) < len(seeds):
        raise CagexplainError(
            "is empty or has an episode twice", where=path, field=_SEED, remedy=again
        )
    return ParitySample(origin, seeds, np.column_stack([table[name].to_numpy() for name in NAMES]))


def require_same(
    origin: Origin, wanted: Origin, fields: Sequence[str], where: Path | str, remedy: str
) -> None:
    """Refuse two samples that were played in different ways.

    Where a checkpoint lies does not matter, its SHA-256 does.

    Raises:
        CagexplainError: names the first field that differs, and both values.
    """
    for field in fields:
        one, other = getattr(origin, field), getattr(wanted, field)
        for key in (key for key in [*one, *other] if key != "path"):
            if one.get(key) != other.get(key):
                raise CagexplainError(
                    f"{key} is {one.get(key)!r}, not {other.get(key)!r}",
                    where=where,
                    field=field,
                    remedy=remedy,
                )


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain
