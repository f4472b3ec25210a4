"""What a double oracle has finished, kept after each piece: an interrupted one goes on from there.

All that is played follows from seeds and from what was played before. So going on means to do the
same again, with what is kept in the place of what would be played.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cagexplain.attack.oracle.results import Plan, plan_flaws
from cagexplain.attack.progress import require_same, stored
from cagexplain.attack.results import Aim, Rules
from cagexplain.attack.search import Values
from cagexplain.cc4.reds import RedTable
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_json
from cagexplain.common.results import Result

FILE: Final = "progress.json"
_HEAD: Final = {"project": "cagexplain", "kind": "double-oracle-progress", "schema_version": 1}
_WHAT: Final = "interrupted double oracle"

Cells = dict[str, dict[str, tuple[int, ...]]]
"""Points of episodes by blue and red."""


@dataclass(frozen=True)
class Task(Result):
    """What is asked for; it goes on only if it is the same.

    Attributes:
        policies: what the given policies say about themselves, by their keys.
        reds: documents of the given reds.
        options: the environment's parameters but for red, and the engine.
        rules, aim: of red.
        plan: how much is played.
        seed: of searches and trainings.
        first_seed: of the held-out episodes.
    """

    policies: dict[str, dict[str, Any]]
    reds: tuple[dict[str, Any], ...]
    options: dict[str, Any]
    rules: Rules
    aim: Aim
    plan: Plan
    seed: int
    first_seed: int


@dataclass(frozen=True)
class Hunt(Result):
    """A search for an attacker.

    Attributes:
        start: document of the red that it begins with.
        values: of its generations so far.
        answer: document of what it came to; None before its end.
    """

    start: dict[str, Any]
    values: Values = ()
    answer: dict[str, Any] | None = None


@dataclass(frozen=True)
class Progress(Result):
    """How far it is.

    Attributes:
        task: what is asked for.
        hunts: one for each round that has begun its search.
        table: points from which mixtures and answers are chosen.
        held_out: points by which they are judged.
    """

    task: Task
    hunts: tuple[Hunt, ...] = ()
    table: Cells = field(default_factory=dict)
    held_out: Cells = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Keep it."""
        write_json(folder / FILE, {**_HEAD, **self.to_json()}, indent=None)


def read(folder: Path, task: Task) -> Progress:
    """The progress of an interrupted double oracle.

    Raises:
        CagexplainError: there is none, or it is damaged; with the field.
        UsageError: it is another one than `task`.
    """
    path = folder / FILE
    progress = stored(path, Progress, _HEAD, _WHAT)
    for name, problem in _flaws(progress):
        raise CagexplainError(
            problem, where=path, field=name, remedy="Begin anew in another folder"
        )
    require_same(progress.task, task, path)
    return progress


def _flaws(progress: Progress) -> Iterator[tuple[str, str]]:
    plan = progress.task.plan
    yield from plan_flaws(plan)
    if len(progress.hunts) > plan.rounds:
        yield "hunts", f"has more than the {plan.rounds} rounds of the plan"
    for i, hunt in enumerate(progress.hunts):
        if len(hunt.values) > plan.generations:
            yield f"hunts[{i}].values", f"has more than {plan.generations} generations"
        for k, row in enumerate(hunt.values):
            if len(row) != plan.search.population:
                yield f"hunts[{i}].values[{k}]", f"is not of {plan.search.population} candidates"
        for name, document in (("start", hunt.start), ("answer", hunt.answer)):
            try:
                if document is not None:
                    RedTable.from_document(document)
            except UsageError as error:
                yield f"hunts[{i}].{name}.{error.field}", error.problem
    for name, cells, episodes in (
        ("table", progress.table, plan.table),
        ("held_out", progress.held_out, plan.held_out),
    ):
        for blue, of_reds in cells.items():
            for red, points in of_reds.items():
                if len(points) != episodes:
                    yield f"{name}.{blue:.40}.{red:.40}", f"is not of {episodes} episodes"
