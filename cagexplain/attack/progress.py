"""What an attack has done so far: a file that it goes on from after it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from cagexplain.attack.plan import Plan
from cagexplain.attack.results import Aim, Rules
from cagexplain.cc4.reds import RedTable
from cagexplain.common.documents import convert, read_json
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_json
from cagexplain.common.results import Result

FILE: Final = "search.json"
SCHEMA: Final = 1
_HEAD: Final = {"project": "cagexplain", "kind": "attack-search", "schema_version": SCHEMA}
_REMEDY: Final = "Give the folder of what this version began and was interrupted, or begin anew"

Stored = TypeVar("Stored")


@dataclass(frozen=True)
class Task(Result):
    """What is asked for: an attack goes on only if it is the same.

    Attributes:
        policy: what the policy says about itself.
        options: how it is played: the environment's parameters but for red, and the engine.
        rules, aim: of red.
        start: document of the red to start from; None for the portfolio's worst.
        seed: of the search.
        first_seed: of the held-out episodes.
    """

    policy: dict[str, Any]
    options: dict[str, Any]
    rules: Rules
    aim: Aim
    start: dict[str, Any] | None
    seed: int
    first_seed: int


@dataclass(frozen=True)
class Progress(Result):
    """How far it is.

    Attributes:
        task, plan: what is asked for, and how much is played.
        start: document of the red that the search starts from; None before it was chosen.
        values: of the generations so far, see `cagexplain.attack.search`.
        seconds: spent.
    """

    task: Task
    plan: Plan
    start: dict[str, Any] | None = None
    values: tuple[tuple[float, ...], ...] = field(default=())
    seconds: float = 0.0

    def write(self, folder: Path) -> None:
        """Keep it in an attack's folder."""
        write_json(folder / FILE, {**_HEAD, **self.to_json()}, indent=None)


def read(folder: Path, task: Task) -> Progress:
    """The progress of an interrupted attack.

    Raises:
        CagexplainError: there is none, or it is damaged; with the field.
        UsageError: it is of another attack than `task`.
    """
    path = folder / FILE
    progress = stored(path, Progress, _HEAD, "interrupted attack")
    for name, problem in _flaws(progress):
        raise CagexplainError(problem, where=path, field=name, remedy=_REMEDY)
    require_same(progress.task, task, path)
    return progress


def stored(path: Path, kind: type[Stored], head: dict[str, Any], what: str) -> Stored:
    """What an interrupted command has left, held against its type.

    Args:
        path: of the file.
        kind: what it has to hold, beside the head.
        head: entries that tell its kind and version.
        what: it is, in words.

    Raises:
        CagexplainError: there is none, it is of another kind or version, or it is damaged.
    """
    content = read_json(path, dict[str, Any], what, remedy=_REMEDY)
    for name, value in head.items():
        if content.get(name) != value:
            raise CagexplainError(
                f"is no {what} of this version", where=path, field=name, remedy=_REMEDY
            )
    return convert(content, kind, path, remedy=_REMEDY)


def require_same(begun: Any, task: Any, path: Path) -> None:
    """Refuse to go on with something else than was begun.

    Args:
        begun, task: what was asked for then and now: dataclasses of the same kind.
        path: of the file that holds the first.

    Raises:
        UsageError: names the first difference.
    """
    for entry in fields(task):
        if getattr(begun, entry.name) != getattr(task, entry.name):
            raise UsageError(
                f"what was interrupted has another {entry.name}",
                where=path,
                field=f"task.{entry.name}",
                remedy="Give the command that it was begun with, and --resume",
            )


def _flaws(progress: Progress) -> Iterator[tuple[str, str]]:
    plan = progress.plan
    for entry in fields(Plan):
        value = getattr(plan, entry.name)
        if value is not None and value < 1:
            yield f"plan.{entry.name}", "is less than 1"
    if plan.population < 2:
        yield "plan.population", "is less than 2"
    if len(progress.values) > plan.generations:
        yield "values", f"has more than the {plan.generations} generations of the plan"
    for i, row in enumerate(progress.values):
        if len(row) != plan.population:
            yield f"values[{i}]", f"has {len(row)} values of {plan.population} candidates"
    if progress.start is None:
        if progress.values:
            yield "start", "is missing"
        return
    try:
        RedTable.from_document(progress.start)
    except UsageError as error:
        yield f"start.{error.field}", error.problem
