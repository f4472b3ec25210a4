"""`audit.json`: its schema, and reading it back.

Both follow from the dataclasses of `cagexplain.analysis.audit.results`, so neither can fall behind
them. A document may come from anywhere: what is read is built from checked plain values only.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, Union

from cagexplain.analysis.audit.playbook import CHOICES, SIGHTS
from cagexplain.analysis.audit.results import SCHEMA, Audit
from cagexplain.common.errors import CagexplainError

MAX_BYTES: Final = 64 * 2**20
"""Size up to which a document is read; real ones have less than 1 MiB."""
SCHEMA_ID: Final = f"urn:cagexplain:audit:{SCHEMA}"
_HEAD: Final = {"project": "cagexplain", "kind": "audit"}
_REMEDY: Final = "Give an audit.json that 'cagexplain audit' has written"
_NAMES: Final = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
_JSON_NAMES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}


class _Wrong(Exception):
    """A value that does not fit: which one, and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field, self.problem = field, problem


def read(path: str | Path) -> Audit:
    """Read an audit that was written as JSON.

    Raises:
        CagexplainError: the file cannot be read, is no audit, is of another version, or a field of
            it is missing, unknown or not what it must be.
    """
    path = Path(path)

    def refuse(problem: str, field: str | None = None, remedy: str = _REMEDY) -> NoReturn:
        raise CagexplainError(problem, where=path, field=field, remedy=remedy)

    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        refuse(f"cannot be read ({error.strerror})")
    if len(raw) > MAX_BYTES:
        refuse(f"has more than {MAX_BYTES // 2**20} MiB, which no audit has")
    try:
        content = json.loads(raw.decode("utf-8"))
        json.dumps(content, ensure_ascii=False).encode("utf-8")  # escapes may hold half characters
    except (ValueError, RecursionError):  # also of numbers that are too long, and of bad UTF-8
        refuse("is not JSON in UTF-8")
    if not isinstance(content, dict) or any(content.get(k) != v for k, v in _HEAD.items()):
        refuse("is not an audit")
    version = content.get("schema_version")
    if type(version) is not int or version != SCHEMA:
        refuse(
            f"is of version {version!r:.40}; this cagexplain reads version {SCHEMA}",
            field="schema_version",
            remedy="Make the audit again with this version of cagexplain",
        )
    try:
        audit: Audit = _built(Audit, {k: v for k, v in content.items() if k not in _HEAD}, "")
        _consistent(audit)
    except _Wrong as wrong:
        refuse(wrong.problem, wrong.field or None)
    except RecursionError:
        refuse("is nested too deeply")
    return audit


def _consistent(audit: Audit) -> None:
    """Check what types cannot tell."""
    try:
        datetime.fromisoformat(audit.created)
    except ValueError:
        raise _Wrong("created", "is not a time in ISO 8601") from None
    known: set[str] = set()
    for i, finding in enumerate(audit.findings):
        if finding.id in known:
            raise _Wrong(f"findings[{i}].id", f"occurs twice: {finding.id!r:.40}")
        known.add(finding.id)
    for i, situation in enumerate(audit.playbook.situations if audit.playbook else ()):
        place = f"playbook.situations[{i}]"
        _require(situation.sees in SIGHTS, f"{place}.sees", "is unknown")
        _require(len(situation.choices) > 0, f"{place}.choices", "is empty")
        for j, choice in enumerate(situation.choices):
            known_choice = (choice.action, choice.aim) in CHOICES
            _require(known_choice, f"{place}.choices[{j}]", "is no action that an agent has")


def _built(kind: Any, value: Any, place: str) -> Any:
    """A value of a type, from plain JSON values; `place` names it in errors."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _plain(value, place)
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, place)
    if origin is Literal:
        if not isinstance(value, str) or value not in parts:
            raise _Wrong(place, f"must be one of {', '.join(map(str, parts))}")
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else _built(_without_none(parts), value, place)
    if origin is tuple:
        _require(isinstance(value, list), place, "must be a list")
        if parts[-1] is not Ellipsis:
            _require(len(value) == len(parts), place, f"must have {len(parts)} entries")
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(
            _built(k, v, f"{place}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is dict:
        _require(isinstance(value, dict), place, "must be an object")
        return {k: _built(parts[1], v, _join(place, k)) for k, v in value.items()}
    if kind is float and type(value) in (int, float):
        return _finite(value, place)
    _require(type(value) is kind, place, f"must be {_NAMES[kind]}")
    return value


def _record(kind: Any, value: Any, place: str) -> Any:
    _require(isinstance(value, dict), place, "must be an object")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in value:
        if name not in fields:
            raise _Wrong(_join(place, name), "is unknown")
    hints = _hints(kind)
    values = {}
    for name, field in fields.items():
        if name in value:
            values[name] = _built(hints[name], value[name], _join(place, name))
        elif _required(field):
            raise _Wrong(_join(place, name), "is missing")
    return kind(**values)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Types of a dataclass's fields."""
    return typing.get_type_hints(kind)


def _plain(value: Any, place: str) -> Any:
    """Any JSON value with finite numbers."""
    if isinstance(value, dict):
        return {k: _plain(v, _join(place, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, f"{place}[{i}]") for i, v in enumerate(value)]
    return _finite(value, place) if isinstance(value, float) else value


def _finite(value: float, place: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    _require(math.isfinite(number), place, "must be a finite number")
    return number


def _require(condition: bool, place: str, problem: str) -> None:
    if not condition:
        raise _Wrong(place, problem)


def _join(place: str, name: str) -> str:
    return f"{place}.{name:.40}" if place else f"{name:.40}"


def _without_none(parts: tuple[Any, ...]) -> Any:
    (kind,) = (part for part in parts if part is not type(None))
    return kind


def _required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Audit.to_json`."""
    definitions: dict[str, Any] = {}
    root = _schema_of_record(Audit, lambda kind: _schema(kind, definitions))
    head = {name: {"const": value} for name, value in _HEAD.items()}
    root["properties"] = head | root["properties"] | {"schema_version": {"const": SCHEMA}}
    root["required"] = [*head, *root["required"], "schema_version"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": f"Audit of a policy by cagexplain, version {SCHEMA}",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return {}
    if dataclasses.is_dataclass(kind):
        name = getattr(kind, "__name__", "")
        if name not in definitions:
            definitions[name] = {}  # known from here on: a price may hold an effect and so on
            definitions[name] = _schema_of_record(kind, lambda its: _schema(its, definitions))
        return {"$ref": f"#/$defs/{name}"}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(_without_none(parts), definitions), {"type": "null"}]}
    if origin is tuple:
        if parts[-1] is Ellipsis:
            return {"type": "array", "items": _schema(parts[0], definitions)}
        entries = [_schema(part, definitions) for part in parts]
        size = len(entries)
        return {"type": "array", "prefixItems": entries, "minItems": size, "maxItems": size}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(parts[1], definitions)}
    return {"type": _JSON_NAMES[kind]}


def _schema_of_record(kind: Any, schema_of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    hints = _hints(kind)
    fields = dataclasses.fields(kind)
    return {
        "description": (kind.__doc__ or "").partition("\n")[0],
        "type": "object",
        "properties": {field.name: schema_of(hints[field.name]) for field in fields},
        "required": [field.name for field in fields if _required(field)],
        "additionalProperties": False,
    }
