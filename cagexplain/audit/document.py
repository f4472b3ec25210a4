"""`audit.json`: its schema, and reading it back.

Both follow from the dataclasses of `cagexplain.audit.results`, so neither can fall behind
them. A document may come from anywhere: what is read is built from checked plain values only.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Union

from cagexplain.audit.autonomy import KINDS, RULES
from cagexplain.audit.playbook import CHOICES, SIGHTS
from cagexplain.audit.results import SCHEMA, Audit, HeldHosts
from cagexplain.common.documents import read_saved, unknown_fields
from cagexplain.common.errors import CagexplainError

SCHEMA_ID: Final = f"urn:cagexplain:audit:{SCHEMA}"
_HEAD: Final = {"project": "cagexplain", "kind": "audit"}
_REMEDY: Final = "Give an audit.json that 'cagexplain audit' has written"
_JSON_NAMES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}


def read(path: str | Path) -> Audit:
    """Read an audit that was written as JSON.

    Raises:
        CagexplainError: the file cannot be read, is no audit, is of another version, or a field of
            it is missing, unknown or not what it must be.
    """
    path = Path(path)
    content, audit = read_saved(
        path,
        Audit,
        "audit",
        head=_HEAD,
        version=SCHEMA,
        remedy=_REMEDY,
        again="Make the audit again with this version of cagexplain",
    )
    for field, problem in _flaws(content, audit):
        raise CagexplainError(problem, where=path, field=field, remedy=_REMEDY)
    return audit


def _flaws(content: dict[str, Any], audit: Audit) -> Iterator[tuple[str, str]]:
    """What types cannot tell: the field, and what is wrong with it."""
    for field in unknown_fields(content, audit.to_json()):
        yield field, "is unknown"
    try:
        datetime.fromisoformat(audit.created)
    except ValueError:
        yield "created", "is not a time in ISO 8601"
    known: set[str] = set()
    for i, finding in enumerate(audit.findings):
        if finding.id in known:
            yield f"findings[{i}].id", f"occurs twice: {finding.id!r:.40}"
        known.add(finding.id)
    for i, row in enumerate(audit.autonomy):
        for name, value, names in (("kind", row.kind, KINDS), ("rule", row.rule, RULES)):
            if value not in names:
                yield f"autonomy[{i}].{name}", f"is unknown: {value!r:.40}"
    curves = [("held", audit.held)]
    curves += [(f"references[{i}].held", one.held) for i, one in enumerate(audit.references)]
    for place, held in curves:
        if held is not None and (flaw := _flaw_of_curve(held)):
            yield place, flaw
    for i, situation in enumerate(audit.playbook.situations if audit.playbook else ()):
        place = f"playbook.situations[{i}]"
        if situation.sees not in SIGHTS:
            yield f"{place}.sees", "is unknown"
        if not situation.choices:
            yield f"{place}.choices", "is empty"
        for j, choice in enumerate(situation.choices):
            if (choice.action, choice.aim) not in CHOICES:
                yield f"{place}.choices[{j}]", "is no action that an agent has"


def _flaw_of_curve(held: HeldHosts) -> str:
    """What keeps a curve from being drawn; empty if nothing does."""
    if held.every < 1 or not held.mean:
        return "has no points"
    if (len(held.low), len(held.high)) not in ((0, 0), (len(held.mean),) * 2):
        return "has limits that are not those of its means"
    return ""


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Types of a dataclass's fields."""
    return typing.get_type_hints(kind)


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
            definitions[name] = _schema_of_record(kind, lambda inner: _schema(inner, definitions))
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
