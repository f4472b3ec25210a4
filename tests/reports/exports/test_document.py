"""`audit.json` is read back as it was written, and anything else is refused with a reason."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cagexplain.audit.document import read, schema
from cagexplain.audit.results import SCHEMA
from cagexplain.common.errors import CagexplainError
from reports.exports import FORMATS
from tests.support import audits as made
from tests.support.paths import ROOT
from tests.support.playbooks import PLAYBOOK

PUBLISHED = ROOT / "docs" / "schemas" / "audit-2.json"


def content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FORMATS["json"].text(made.audit(playbook=PLAYBOOK)))
    return found


def refused(path: Path, data: bytes | str) -> CagexplainError:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(CagexplainError) as caught:
        read(path)
    assert caught.value.where == path
    assert caught.value.remedy
    return caught.value


def test_reads_what_was_written(tmp_path: Path) -> None:
    for i, audit in enumerate(
        (made.audit(), made.audit(playbook=PLAYBOOK), made.audit(findings=()))
    ):
        path = tmp_path / f"{i}.json"
        path.write_text(FORMATS["json"].text(audit), encoding="utf-8")
        assert read(path) == audit


def test_what_later_fields_leave_out_has_its_default(tmp_path: Path) -> None:
    old = content()
    for name in ("playbook", "notes", "bundle", "held"):
        del old[name]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    assert read(path) == made.audit(playbook=None, notes=(), bundle=None, held=None)


def test_the_published_schema_is_that_of_the_code() -> None:
    # To write it anew: cagexplain.common.files.write_json(PUBLISHED, schema())
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == schema()


Change = Callable[[dict[str, Any]], Any]


def put(*path: str | int) -> Callable[[Any], Change]:
    """A change of one entry."""

    def change(value: Any) -> Change:
        def apply(whole: dict[str, Any]) -> None:
            place: Any = whole
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = value

        return apply

    return change


BROKEN: dict[str, tuple[Change, str | None, str]] = {
    "foreign": (put("project")("other"), None, "not a saved audit"),
    "a trace": (put("kind")("trace"), None, "not a saved audit"),
    "newer": (put("schema_version")(SCHEMA + 1), "schema_version", f"version {SCHEMA + 1}"),
    "true": (put("schema_version")(True), "schema_version", "version True"),
    "unversioned": (lambda c: c.pop("schema_version"), "schema_version", "version None"),
    "missing": (lambda c: c.pop("command"), None, "missing required field 'command'"),
    "unknown": (put("score")(7), "score", "unknown"),
    "text": (put("command")(3), "command", "expected 'str'"),
    "object": (put("policy")([]), "policy", "expected 'object'"),
    "list": (put("findings")({}), "findings", "expected 'array'"),
    "verdict": (put("findings", 0, "verdict")("OK"), "findings[0].verdict", "'OK'"),
    "verdict kind": (put("findings", 0, "verdict")([]), "findings[0].verdict", "expected 'str'"),
    "count": (put("findings", 2, "n")(1.5), "findings[2].n", "expected 'int'"),
    "truth": (put("findings", 2, "muted")(1), "findings[2].muted", "expected 'bool'"),
    "number": (
        put("findings", 2, "measures", 0, "low")("0.1"),
        "findings[2].measures[0].low",
        "expected 'float | null'",
    ),
    "infinite": (
        put("findings", 2, "measures", 0, "low")(float("inf")),
        None,
        "not valid JSON",
    ),
    "huge": (put("mean_return", "mean")(10**400), "mean_return.mean", "too large"),
    "nan within": (put("play", "x")([{"y": float("nan")}]), None, "not valid JSON"),
    "pair": (
        put("baseline", "verdicts", "A")(["PASS"]),
        "baseline.verdicts[...]",
        "length 2",
    ),
    "time": (put("created")("yesterday"), "created", "ISO 8601"),
    "twice": (lambda c: c["findings"].append(c["findings"][0]), "findings[13].id", "twice"),
    "no curve": (put("held", "mean")([]), "held", "no points"),
    "half a band": (put("references", 0, "held", "low")([]), "references[0].held", "limits"),
    "sight": (
        put("playbook", "situations", 0, "sees")("smell"),
        "playbook.situations[0].sees",
        "unknown",
    ),
    "choices": (
        put("playbook", "situations", 1, "choices")([]),
        "playbook.situations[1].choices",
        "empty",
    ),
    "action": (
        put("playbook", "situations", 0, "choices", 1, "action")("Nuke"),
        "playbook.situations[0].choices[1]",
        "no action",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_names_the_field_and_what_is_wrong(name: str, tmp_path: Path) -> None:
    change, field, problem = BROKEN[name]
    broken = content()
    change(broken)
    error = refused(tmp_path / "audit.json", json.dumps(broken))
    assert error.field == field
    assert problem in error.problem


HEAD = b'{"project": "cagexplain", "kind": "audit", '


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "expected 'object'"),
        (HEAD + b'"policy": ' + b"[" * 100_000, "not valid JSON"),
        (HEAD + b'"schema_version": ' + b"9" * 5000 + b"}", "out of range"),
        (HEAD + b'"command": "\\ud800 "}', "not valid JSON"),
    ],
    ids=["empty", "not UTF-8", "cut off", "list", "deep", "long number", "half a character"],
)
def test_what_is_no_json_is_refused(data: bytes, problem: str, tmp_path: Path) -> None:
    assert problem in refused(tmp_path / "audit.json", data).problem


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="this is a folder"):
        read(tmp_path)
    with pytest.raises(CagexplainError, match="there is no such saved audit"):
        read(tmp_path / "missing.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(CagexplainError, match="this is a pipe"):  # which would block for ever
        read(tmp_path / "pipe.json")
    with open(tmp_path / "large.json", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(CagexplainError, match="at most"):
        read(tmp_path / "large.json")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(data=st.data())
@settings(max_examples=80)
def test_any_entry_is_read_as_it_is_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = content()
    place: Any = whole
    while True:  # walk to some entry of the document, and put something else there
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        below = place[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            break
        place = below
    place[key] = data.draw(_JSON)
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    try:
        audit = read(path)
    except CagexplainError as error:
        assert error.where == path
    else:
        assert json.loads(json.dumps(audit.to_json())) == whole
