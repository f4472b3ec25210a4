"""Settings as typed, documented, checked data, and where their values come from.

A run has two parts of settings, `RunConfig` and those of its algorithm, which users see as one flat
list. They begin as a preset and are changed, in this order, by a YAML file, options and `--set`.
Each change is an `Assignment`, which knows its place for the case that it is refused.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from cagexplain.cc4.reds import REDS, STANDARD, RedTable, as_table, load_red, red_name
from cagexplain.common import yaml_lines
from cagexplain.common.documents import convert
from cagexplain.common.errors import CagexplainError, UsageError

Settings = TypeVar("Settings")

Reds = str | dict[str, Any] | list[str | dict[str, Any]]
"""One red or several, each by the name of one that is shipped or by its table's document."""
_RED: Final = "red"
"""The only setting whose value can be a document."""
_OTHER_VERSION: Final = "Start the run again in a new folder: this version cannot continue it"


def setting(
    help: str,
    *,
    default: Any = MISSING,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field with its meaning and the range it must lie in (ends included).

    A default leaves learning as it was before there was this setting: what has no such value gets
    none, and every preset names it.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RunConfig:
    """What is common to the runs of all algorithms."""

    algorithm: str = setting("what learns")
    preset: str = setting("the named settings that the rest began as")
    steps: int = setting("environment steps to train for", default=2_000_000, low=1, high=1e12)
    seed: int = setting("seed of everything random in the run", default=0, low=0, high=2**31 - 1)
    eval_every: int = setting(
        "environment steps between evaluations", default=100_000, low=1, high=1e12
    )
    eval_episodes: int = setting("held-out episodes per evaluation", default=50, low=1, high=10_000)
    final_episodes: int = setting(
        "other held-out episodes that judge the best weights at the end",
        default=100,
        low=1,
        high=100_000,
    )
    red: Reds = setting(  # noqa: RUF009 - no call that makes a mutable
        "attacker, in training and evaluation: a name, the file of a table, which is kept, or "
        "several with commas between, which the episodes take in turn",
        default=STANDARD,
    )

    def rounds(self, per_round: int) -> int:
        """Rounds of `per_round` steps that fit into `steps`; one if none does."""
        return max(1, self.steps // per_round)


@dataclass(frozen=True)
class Assignment:
    """A value that somebody gives a setting.

    Attributes:
        name: of the setting.
        value: as YAML gives it, or its text.
        where: "--set", or a file and line; None where the name alone says it.
    """

    name: str
    value: Any
    where: str | None = None


def from_text(text: str) -> Assignment:
    """Read `key=value`; UsageError if it has another form."""
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(
            f"{text!r} is not of the form key=value",
            where="--set",
            remedy="Write for example --set learning_rate=1e-3",
        )
    return Assignment(name, value, "--set")


def from_file(path: str | Path) -> list[Assignment]:
    """Read a YAML file of lines `setting: value` (or the `config.json` of a run).

    Raises:
        UsageError: it is no such file; with the line.
        OSError: it cannot be read.
    """
    return [
        Assignment(name, node.plain(), node.place)
        for name, node in yaml_lines.load(path).mapping().items()
    ]


def override(parts: Sequence[Any], assignments: Iterable[Assignment]) -> tuple[Any, ...]:
    """Change settings.

    Args:
        parts: a `RunConfig`, and other settings dataclasses with different fields.
        assignments: to any of these fields; later ones win.

    Returns:
        The changed parts.

    Raises:
        UsageError: an unknown name (with the nearest known one), a value of the wrong type or
            outside its range; with the place of the assignment.
    """
    kinds = {name: kind for part in parts for name, kind in _kinds(part).items()}
    values: dict[str, Any] = {}
    places: dict[str, str | None] = {}
    for assignment in assignments:
        if assignment.name not in kinds:
            near = difflib.get_close_matches(assignment.name, kinds, n=1)
            raise UsageError(
                "there is no such setting",
                where=assignment.where,
                field=assignment.name,
                remedy=f"Did you mean {near[0]}?"
                if near
                else f"Run `cagexplain train {parts[0].algorithm} --show` for the list",
            )
        read = _red if assignment.name == _RED else _read
        values[assignment.name] = read(assignment, kinds[assignment.name])
        places[assignment.name] = assignment.where
    changed = tuple(
        replace(part, **{name: values[name] for name in _kinds(part) if name in values})
        for part in parts
    )
    for part in changed:
        check(part, places)
    return changed


def check(settings: Any, places: Mapping[str, str | None] | None = None) -> None:
    """Refuse values outside the declared ranges.

    Args:
        settings: a dataclass with fields made by `setting`.
        places: where values come from, by name, for the message.

    Raises:
        UsageError: names the setting, the value and the range.
    """
    for entry in fields(settings):
        low, high, choices = (entry.metadata.get(key) for key in ("low", "high", "choices"))
        value = getattr(settings, entry.name)
        if entry.name == _RED:
            tables(value, (places or {}).get(_RED))
            continue
        if value == ():
            raise UsageError(
                "there is no number in it",
                where=(places or {}).get(entry.name),
                field=entry.name,
                remedy="Give at least one",
            )
        for item in value if isinstance(value, tuple) else (value,):
            if choices is not None:
                good = item in choices
            elif item is None or isinstance(item, str | bool):
                continue
            else:
                good = (low is None or item >= low) and (high is None or item <= high)
            if not good:
                can_be = allowed(entry.metadata, _kinds(settings)[entry.name])
                raise UsageError(
                    f"{item} is out of range" if choices is None else f"{item!r} is unknown",
                    where=(places or {}).get(entry.name),
                    field=entry.name,
                    remedy=f"Give a value {can_be}" if choices is None else f"Choose {can_be}",
                )


def allowed(metadata: Mapping[str, Any], kind: Any) -> str:
    """What a setting of a declared type can be, in words; empty if it can be anything."""
    low, high, choices = (metadata.get(key) for key in ("low", "high", "choices"))
    if kind is bool:
        choices = ("true", "false")
    if choices is not None:
        return ", ".join(choices)
    ends = [f"{word} {end:.10g}" for word, end in (("from", low), ("to", high)) if end is not None]
    return " ".join(ends) + (" or none" if type(None) in typing.get_args(kind) else "")


def table(parts: Sequence[Any]) -> list[tuple[str, str, str, str]]:
    """Name, value, range and meaning of all settings, in words."""
    return [
        (
            entry.name,
            _words(getattr(part, entry.name)),
            allowed(entry.metadata, _kinds(part)[entry.name]),
            entry.metadata["help"],
        )
        for part in parts
        for entry in fields(part)
    ]


def refuse_changes(stored: Sequence[Any], wanted: Sequence[Any], where: str | Path) -> None:
    """Refuse to continue a run with other settings.

    Args:
        stored: settings of the run.
        wanted: what they are to be, dataclasses of the same kinds.
        where: folder of the run.

    Raises:
        UsageError: with a table of the differences.
    """
    rows = [("setting", "stored", "given")]
    for old, new in zip(stored, wanted, strict=True):
        for name in _kinds(old):
            if (before := getattr(old, name)) != (after := getattr(new, name)):
                rows.append((name, _words(before), _words(after)))
    if len(rows) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = "\n".join(("  " + "  ".join(map(str.ljust, row, widths))).rstrip() for row in rows)
    raise UsageError(
        f"the run has other settings:\n{lines}\nA resumed run keeps its settings",
        where=where,
        remedy="Leave out what differs, or start a new run in another folder",
    )


def from_plain(kind: type[Settings], values: Any, where: str | Path) -> Settings:
    """Rebuild a settings dataclass from stored plain values (lists for tuples).

    Args:
        kind: of the settings.
        values: by name.
        where: they were stored.

    Raises:
        CagexplainError: they are not all of these settings and no others, each of its type and in
            its range.
    """
    settings = convert(values, kind, where, remedy=_OTHER_VERSION)
    require_entries(kind, values, where)
    try:
        check(settings)
    except UsageError as error:  # nobody has used anything wrongly here
        raise CagexplainError(
            error.problem, where=where, field=error.field, remedy=_OTHER_VERSION
        ) from error
    return settings


def require_entries(kind: type, values: Mapping[str, Any], where: str | Path) -> None:
    """Refuse stored values that are not of all fields of a dataclass, or of others too.

    A default is for what begins: it is not what a run had that has begun.

    Raises:
        CagexplainError: names the entry.
    """
    known = {entry.name for entry in fields(kind)}
    for problem, names in (
        ("this entry is missing", known - values.keys()),
        ("there is no such entry", values.keys() - known),
    ):
        if names:
            raise CagexplainError(problem, where=where, field=min(names), remedy=_OTHER_VERSION)


def _words(value: Any) -> str:
    """The text of a value, as `--set` takes it."""
    if isinstance(value, dict):
        return red_name(value)
    if isinstance(value, list | tuple):
        return ",".join(map(_words, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _kinds(settings: Any) -> dict[str, Any]:
    return typing.get_type_hints(type(settings))


def tables(red: Reds, where: str | None = None) -> tuple[RedTable, ...]:
    """What a setting of reds means.

    Args:
        red: as it is stored.
        where: it comes from, for errors.

    Raises:
        UsageError: one of them is no red.
    """
    return tuple(as_table(each, where) for each in (red if isinstance(red, list) else [red]))


def _red(assignment: Assignment, kind: Any) -> Reds:
    """Reds as they are stored."""
    value = assignment.value
    if isinstance(value, str):
        value = value.split(",")
    elif not isinstance(value, list | tuple):
        value = [value]
    try:
        loaded = [load_red(v.strip()) if isinstance(v, str) else as_table(v) for v in value]
    except UsageError as error:
        places = [entry for entry in (assignment.where, error.where) if entry is not None]
        raise UsageError(
            error.problem,
            where=": ".join(map(str, places)) or None,
            field=error.field if error.field in (None, _RED) else f"{_RED}.{error.field}",
            remedy=error.remedy,
        ) from None
    stored = [table.name if table.name in REDS else table.document() for table in loaded]
    return stored[0] if len(stored) == 1 else stored


def _read(assignment: Assignment, kind: Any) -> Any:
    """Read one value of a declared type: int, float, bool, str, tuple of int, or None."""
    text = _words(assignment.value)
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if type(None) in options and text.lower() == "none":
        return None
    kind = next(option for option in options if option is not type(None))
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if typing.get_origin(kind) is tuple:
            return tuple(int(part) for part in text.split(","))
        if kind is int:
            return int(float(text)) if float(text).is_integer() else int(text)
        return kind(text)
    except (ValueError, KeyError, OverflowError) as error:
        name = {bool: "true or false", int: "a whole number", float: "a number"}.get(
            kind, "whole numbers separated by commas"
        )
        raise UsageError(
            f"{text!r} is not {name}",
            where=assignment.where,
            field=assignment.name,
            remedy=f"Give {name}",
        ) from error
