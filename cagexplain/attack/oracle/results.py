"""What a double oracle comes to, as plain values: what the page shows and `oracle.json` holds.

All numbers are of held-out episodes, which no search, training, choice or mixture has used: seed k
of one pair is seed k of every other, so that sums over pairs can be made episode by episode.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from cagexplain.attack import plan as plans
from cagexplain.attack.results import Aim, Rules
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import FloatArray
from cagexplain.common.documents import read_saved, unknown_fields
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.results import Result
from cagexplain.policies.evaluation import MeanReturn, estimate

SCHEMA: Final = 1
"""Version of `oracle.json`."""
FILE: Final = "oracle.json"
_HEAD: Final = {"project": "cagexplain", "kind": "double-oracle"}
_REMEDY: Final = f"Give the {FILE} that 'cagexplain oracle' of this version has written"
_ROUNDING: Final = 1e-6
"""By how much points may differ, and weights may miss 1."""

Weights = dict[str, float]
"""A mixture: weights that sum to 1 by the keys of policies or reds; what is left out weighs 0."""


@dataclass(frozen=True)
class Plan(Result):
    """How much is played.

    Attributes:
        rounds: each adds an answer on both sides.
        generations: of each search for an attacker.
        steps: of each training of a policy; 0 for none.
        table: episodes of each pair from which mixtures and answers are chosen.
        held_out: episodes of each pair that it is judged by.
    """

    rounds: int = 2
    generations: int = 10
    steps: int = 400_000
    table: int = 64
    held_out: int = 200

    @property
    def search(self) -> plans.Plan:
        """Of one search; what is said nowhere else is as in an attack."""
        return plans.Plan(generations=self.generations)


@dataclass(frozen=True)
class Blue(Result):
    """A policy.

    Attributes:
        key: as it was given, or ``blue_1``, ... for those that were trained.
        policy: what it says about itself.
        teacher: key of the policy that it began by imitating; None if it was given, or began from
            nothing.
    """

    key: str
    policy: dict[str, Any]
    teacher: str | None = None


@dataclass(frozen=True)
class Red(Result):
    """An attacker; its key is the name of its table, ``found_1``, ... if it was searched for."""

    key: str
    summary: str
    table: dict[str, Any]


@dataclass(frozen=True)
class Pair(Result):
    """A policy under an attacker.

    Attributes:
        points: what red drives down, of each held-out episode.
        mean: of them, with its interval.
    """

    points: tuple[int, ...]
    mean: MeanReturn

    @classmethod
    def of(cls, points: Sequence[int]) -> Self:
        """Of these episodes."""
        return cls(tuple(points), estimate(np.array(points, np.float64)[:, None])[0])


@dataclass(frozen=True)
class Mixtures(Result):
    """A mixture of each side.

    Attributes:
        blue, red: mixtures.
        value: what blue gets if both play theirs, on held-out episodes.
    """

    blue: Weights
    red: Weights
    value: MeanReturn


@dataclass(frozen=True)
class Round(Result):
    """A round: red answers blue's mixture, then blue answers the mixture of red that this leads to.

    If the answers are the best there are, the value of the whole game lies between `low` and
    `high`. There may be better ones, so the gap is a lower bound of how far the mixtures are from
    an equilibrium.

    Attributes:
        mixtures: that the answers are to: blue's as the round began, red's after its answer.
        blue, red: keys of the answers: of all that is known at the round's end, the best against
            the other side's mixture on the episodes of the choice.
        low: what blue's mixture gets under red's answer.
        high: what blue's answer gets under red's mixture.
        gap: high - low, episode by episode.
    """

    mixtures: Mixtures
    blue: str
    red: str
    low: MeanReturn
    high: MeanReturn
    gap: MeanReturn


@dataclass(frozen=True)
class OracleResult(Result):
    """A double oracle.

    Attributes:
        options: how was played: the environment's parameters but for red, and the engine.
        created: time in ISO 8601.
        version: of this package.
        rules: of the searches (`cagexplain.attack.rules`).
        aim: what red drives down.
        plan: how much was played.
        seed: of searches and trainings.
        seeds: of the held-out episodes.
        blues, reds: rows and columns of the table, in the order in which they joined it.
        pairs: ``[blue][red]``.
        rounds: in order.
        final: mixtures of all that is known at the end.
    """

    options: dict[str, Any]
    created: str
    version: str
    rules: Rules
    aim: Aim
    plan: Plan
    seed: int
    seeds: tuple[int, ...]
    blues: tuple[Blue, ...]
    reds: tuple[Red, ...]
    pairs: tuple[tuple[Pair, ...], ...]
    rounds: tuple[Round, ...]
    final: Mixtures

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return {**_HEAD, "schema_version": SCHEMA, **super().to_json()}

    @property
    def table(self) -> Table:
        """The episodes of all pairs."""
        points = [[pair.points for pair in row] for row in self.pairs]
        return Table(
            [blue.key for blue in self.blues],
            [red.key for red in self.reds],
            np.array(points, np.float64),
        )

    def worst(self, blue: str) -> tuple[str, MeanReturn]:
        """The attacker that a policy bears worst, and what it gets under it."""
        row = self.pairs[[each.key for each in self.blues].index(blue)]
        pair, red = min(zip(row, self.reds, strict=True), key=lambda both: both[0].mean.mean)
        return red.key, pair.mean


@dataclass(frozen=True)
class Table:
    """Episodes of pairs.

    Attributes:
        blues, reds: keys.
        points: ``float64[blue, red, episode]``.
    """

    blues: Sequence[str]
    reds: Sequence[str]
    points: FloatArray

    def under(self, blue: Mapping[str, float], red: Mapping[str, float]) -> FloatArray:
        """``float64[episode]``: what a mixture of blues gets under one of reds, in the mean over
        both draws."""
        rows = np.array([blue.get(key, 0.0) for key in self.blues])
        columns = np.array([red.get(key, 0.0) for key in self.reds])
        points: FloatArray = np.einsum("i,j,ijk->k", rows, columns, self.points)
        return points

    def mixtures(self, blue: Weights, red: Weights) -> Mixtures:
        """Mixtures, and what they are worth here."""
        return Mixtures(blue, red, _mean(self.under(blue, red)))

    def round(self, blue: Weights, red: Weights, answers: tuple[str, str]) -> Round:
        """What mixtures and the answers to them, blue's and red's, are worth here."""
        low = self.under(blue, {answers[1]: 1.0})
        high = self.under({answers[0]: 1.0}, red)
        return Round(self.mixtures(blue, red), *answers, _mean(low), _mean(high), _mean(high - low))


def _mean(points: FloatArray) -> MeanReturn:
    return estimate(points[:, None])[0]


def read(path: str | Path) -> OracleResult:
    """Read a double oracle that was written as JSON.

    Args:
        path: of the file, or of the folder that holds it.

    Raises:
        CagexplainError: the file cannot be read, is none of this version, or a field of it is
            missing, unknown or not what it must be.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    content, result = read_saved(
        path,
        OracleResult,
        "double oracle",
        head=_HEAD,
        version=SCHEMA,
        remedy=_REMEDY,
        again="Play it again with this version of cagexplain",
    )
    for name, problem in _flaws(content, result):
        raise CagexplainError(problem, where=path, field=name, remedy=_REMEDY)
    return result


def _flaws(content: dict[str, Any], result: OracleResult) -> Iterator[tuple[str, str]]:
    """What types cannot tell: the field, and what is wrong with it."""
    for name in unknown_fields(content, result.to_json()):
        yield name, "is unknown"
    try:
        datetime.fromisoformat(result.created)
    except ValueError:
        yield "created", "is not a time in ISO 8601"
    yield from plan_flaws(result.plan)
    for name, keys in (
        ("blues", [blue.key for blue in result.blues]),
        ("reds", [red.key for red in result.reds]),
    ):
        if not keys or len(set(keys)) < len(keys):
            yield name, "is empty" if not keys else "has a key twice"
    for i, red in enumerate(result.reds):
        try:
            RedTable.from_document(red.table)
        except UsageError as error:
            yield f"reds[{i}].table.{error.field}", error.problem
    if {len(row) for row in result.pairs} != {len(result.reds)} or len(result.pairs) != len(
        result.blues
    ):
        yield "pairs", f"is not {len(result.blues)} x {len(result.reds)} pairs"
        return
    for i, row in enumerate(result.pairs):
        for j, pair in enumerate(row):
            if len(pair.points) != len(result.seeds) or not pair.points:
                yield f"pairs[{i}][{j}].points", "has another number of episodes than there are"
                return
            if not _alike(pair.mean, Pair.of(pair.points).mean):
                yield f"pairs[{i}][{j}].mean", "is not that of its points"
    table = result.table
    for i, each in enumerate(result.rounds):
        for name, key, known in (("blue", each.blue, table.blues), ("red", each.red, table.reds)):
            if key not in known:
                yield f"rounds[{i}].{name}", f"there is no {key!r:.40}"
        again = table.round(each.mixtures.blue, each.mixtures.red, (each.blue, each.red))
        for name in ("low", "high", "gap"):
            if not _alike(getattr(each, name), getattr(again, name)):
                yield f"rounds[{i}].{name}", "is not that of the pairs"
        yield from _mixtures_flaws(f"rounds[{i}].mixtures", each.mixtures, table)
    yield from _mixtures_flaws("final", result.final, table)


def _mixtures_flaws(place: str, mixtures: Mixtures, table: Table) -> Iterator[tuple[str, str]]:
    yield from _weights_flaws(f"{place}.blue", mixtures.blue, table.blues)
    yield from _weights_flaws(f"{place}.red", mixtures.red, table.reds)
    if not _alike(mixtures.value, table.mixtures(mixtures.blue, mixtures.red).value):
        yield f"{place}.value", "is not that of the pairs"


def _alike(one: MeanReturn, other: MeanReturn) -> bool:
    """Whether they are the same but for rounding, which differs between machines."""
    return one.reason == other.reason and all(
        a == b or (a is not None and b is not None and math.isclose(a, b, abs_tol=_ROUNDING))
        for a, b in (
            (getattr(one, name), getattr(other, name)) for name in ("mean", "sd", "low", "high")
        )
    )


def plan_flaws(plan: Plan) -> Iterator[tuple[str, str]]:
    """Numbers that cannot be: the field, and what is wrong with it."""
    for entry in fields(Plan):
        least = 0 if entry.name == "steps" else 1
        if getattr(plan, entry.name) < least:
            yield f"plan.{entry.name}", f"is less than {least}"


def _weights_flaws(place: str, weights: Weights, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    for key, weight in weights.items():
        if key not in keys:
            yield place, f"there is no {key!r:.40}"
        if not 0 < weight <= 1 + _ROUNDING:
            yield f"{place}.{key:.40}", f"is {weight}, no weight above 0 and up to 1"
    if abs(sum(weights.values()) - 1) > _ROUNDING:
        yield place, "does not sum to 1"
