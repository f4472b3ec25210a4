"""The files of a study that a report reads: what they must hold, said once.

`cagexplain study run` writes `study.json`, and each finished run leaves `result.json` and
`metrics.parquet`; folders are copied between machines, so none of it is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from cagexplain.common.arrays import FloatArray
from cagexplain.common.documents import read_json, require_file
from cagexplain.common.errors import CagexplainError

Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.=+-]{0,99}\Z")]
"""Of a method, which is also that of its folder."""
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(ge=0)]

CONFIG: Final = "config.json"
METRICS: Final = "metrics.parquet"
RESULT: Final = "result.json"
STUDY: Final = "study.json"
_AGAIN: Final = "Call `cagexplain study run` again, which writes it anew"
_TRAIN: Final = "Remove the run's folder and train it again"


@dataclass(frozen=True)
class StatedComparison:
    """A statement about two methods; `low` and `high` bound the difference, None: no bound."""

    method: Name
    relation: str
    other: Name
    measure: str
    low: float | None
    high: float | None
    window: tuple[Share, Share] | None


@dataclass(frozen=True)
class StatedFinding:
    """Something seen before, and the comparisons that must all hold for it."""

    text: str
    comparisons: list[StatedComparison]


@dataclass(frozen=True)
class Figure:
    """Methods that are shown together."""

    id: Name
    title: str
    methods: list[Name]
    findings: list[StatedFinding]


@dataclass(frozen=True)
class Method:
    """What is trained with every seed.

    Attributes:
        title: for people.
        runs: the method whose runs it uses.
        config: settings of the runs.
        defaults: what runs were trained with that lack a setting, since they are older than it.
    """

    title: str
    runs: Name
    config: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What the runs of a folder mean."""

    name: str
    seeds: Annotated[list[Count], Meta(max_length=10_000)]
    margin: Positive
    methods: dict[Name, Method]
    figures: list[Figure]


@dataclass(frozen=True)
class RunOutcome:
    """What a report takes of how a run ended."""

    seed: Count
    steps: Count
    seconds: Positive
    steps_per_second: Positive
    gradient_steps: Positive
    final_mean: float
    final_returns: Annotated[list[float], Meta(min_length=1)]
    random_mean: float
    versions: dict[str, str]


def read_study(folder: Path) -> Study:
    """Read `study.json` of a folder; CagexplainError if it is none, with the field."""
    path = folder / STUDY
    if not path.exists():
        raise CagexplainError(
            "there is no such file",
            where=path,
            remedy="Give the folder of a `cagexplain study run`",
        )
    study = read_json(path, Study, "study", remedy=_AGAIN)
    named = [(f"methods.{name}.runs", method.runs) for name, method in study.methods.items()]
    for i, figure in enumerate(study.figures):
        named += [(f"figures[{i}].methods", method) for method in figure.methods]
        for j, finding in enumerate(figure.findings):
            place = f"figures[{i}].findings[{j}].comparisons"
            named += [(place, name) for c in finding.comparisons for name in (c.method, c.other)]
    for place, name in named:
        if name not in study.methods:
            raise CagexplainError(
                f"there is no method {name!r}", where=path, field=place, remedy=_AGAIN
            )
    return study


def read_config(folder: Path) -> dict[str, Any]:
    """Read the settings that a run was made with; CagexplainError if they are damaged."""
    return read_json(folder / CONFIG, dict[str, Any], "run's settings", remedy=_TRAIN)


def read_outcome(folder: Path) -> RunOutcome:
    """Read `result.json` of a finished run; CagexplainError if it is damaged, with the field."""
    return read_json(folder / RESULT, RunOutcome, "result", remedy=_TRAIN)


def read_curve(folder: Path) -> tuple[FloatArray, FloatArray]:
    """Read a run's learning curve.

    Returns:
        ``[rounds]`` environment steps made by the end of each round, and ``[rounds]`` the mean
        return of its episodes.

    Raises:
        CagexplainError: the file is damaged, or a number in it is none; with the column.
    """
    path = require_file(folder / METRICS, "table of metrics")

    def refuse(problem: str, column: str | None = None) -> CagexplainError:
        return CagexplainError(problem, where=path, field=column, remedy=_TRAIN)

    try:
        table = pq.read_table(path, columns=["steps", "return"])
    except (pa.ArrowException, OSError, KeyError) as error:
        raise refuse(f"the metrics are damaged ({error})") from error
    columns = []
    for name in ("steps", "return"):
        if name not in table.column_names:
            raise refuse("there is no such column", name)
        try:
            values = table[name].to_numpy().astype(np.float64)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise refuse("this column has something else than numbers", name) from error
        if not len(values) or not np.isfinite(values).all():
            raise refuse("this column has a number that is not finite, or none at all", name)
        columns.append(values)
    steps, returns = columns
    if steps[0] <= 0 or (np.diff(steps) <= 0).any():
        raise refuse("the steps do not rise from round to round", "steps")
    return steps, returns
