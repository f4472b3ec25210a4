"""Settings as typed, documented, checked data, and the settings of a whole run."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from cagexplain.common.errors import UsageError

Settings = TypeVar("Settings")


def setting(
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field with its meaning and the range it must lie in (ends included)."""
    return field(metadata={"help": help, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class RunConfig:
    """What is common to the runs of all algorithms."""

    algorithm: str
    preset: str
    steps: int = setting("environment steps to train for", low=1, high=1e12)
    seed: int = setting("seed of everything random in the run", low=0, high=2**31 - 1)
    eval_every: int = setting("environment steps between evaluations", low=1, high=1e12)
    eval_episodes: int = setting("held-out episodes per evaluation", low=1, high=10_000)
    final_episodes: int = setting(
        "other held-out episodes that judge the best weights at the end", low=1, high=100_000
    )


def check(settings: Any) -> None:
    """Refuse values outside the declared ranges.

    Raises:
        UsageError: names the setting, the value and the range.
    """
    for entry in fields(settings):
        low, high = entry.metadata.get("low"), entry.metadata.get("high")
        choices = entry.metadata.get("choices")
        value = getattr(settings, entry.name)
        if choices is not None and value not in choices:
            raise UsageError(
                f"{value!r} is not one of its values",
                field=entry.name,
                remedy=f"Choose one of {', '.join(choices)}",
            )
        for number in value if isinstance(value, tuple) else (value,):
            if number is None or isinstance(number, str | bool):
                continue
            if not ((low is None or number >= low) and (high is None or number <= high)):
                raise UsageError(
                    f"{number} is out of range",
                    field=entry.name,
                    remedy=f"Give a value from {low:g} to {high:g}",
                )


def override(settings: Settings, assignments: Iterable[str]) -> Settings:
    """Apply `key=value` texts to a settings dataclass.

    Raises:
        UsageError: an unknown key (with the nearest known one), a value of the wrong type or
            outside its range.
    """
    kinds = typing.get_type_hints(type(settings))
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise UsageError(
                f"{assignment!r} is not of the form key=value",
                where="--set",
                remedy="Write for example --set learning_rate=1e-3",
            )
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1)
            raise UsageError(
                "there is no such setting",
                where="--set",
                field=key,
                remedy=f"Did you mean {near[0]}?" if near else f"Known are {', '.join(kinds)}",
            )
        changes[key] = _parse(key, text, kinds[key])
    changed = replace(settings, **changes)  # type: ignore[type-var]
    check(changed)
    return changed


def from_plain(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Rebuild a settings dataclass from stored plain values (lists for tuples)."""
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return kind(**plain)


def _parse(key: str, text: str, kind: Any) -> Any:
    """Read one value of a declared type: int, float, bool, str, tuple of int, or None."""
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
            f"{text!r} is not {name}", where="--set", field=key, remedy=f"Give {name}"
        ) from error
