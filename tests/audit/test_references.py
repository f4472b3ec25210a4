"""Recorded results of the reference policies."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cagexplain.audit import references
from cagexplain.audit.checks import check
from cagexplain.audit.references import RecordedValue, read_references, records
from cagexplain.common.errors import CagexplainError


def entry(value: float | None, deff: float | None = None, **changes: Any) -> dict[str, Any]:
    return {"value": value, "low": value, "high": value, "n": 40, "deff": deff} | changes


def content() -> dict[str, Any]:
    def policy(name: str, mean_return: float, **measures: Any) -> dict[str, Any]:
        named = {f"ERA-01.{key}": value for key, value in measures.items()}
        return {
            "name": name,
            "kind": "scripted",
            "episodes": 30,
            "mean_return": mean_return,
            "measures": named,
        }

    return {
        "kind": "references",
        "schema_version": 1,
        "policies": [
            policy("sleep", -5000, value=entry(0.0), late=entry(None)),
            policy("a", -400.5, value=entry(0.5, 3.0), late=entry(12)),
            policy("b", -200, value=entry(0.6, 9.0)),
            policy("c", -100, value=entry(0.7, 4.0)),
        ],
    }


def write(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "references.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_values_by_policy_and_the_usual_design_effect(tmp_path: Path) -> None:
    found = read_references(write(tmp_path, content()))
    assert found.values("ERA-01", "value") == {"sleep": 0.0, "a": 0.5, "b": 0.6, "c": 0.7}
    assert found.values("ERA-01", "late") == {"sleep": None, "a": 12}
    assert found.values("ERA-99", "value") == {}
    measure = check("ERA-01").measures[0]
    assert found.deff("ERA-01", measure) == 4.0
    assert found.deff("ERA-01", replace(measure, key="late")) is None
    assert found.deff("ERA-01", replace(measure, metric="restore_effect")) is None
    assert [(p.name, p.mean_return, p.episodes) for p in found.policies][1] == ("a", -400.5, 30)


def test_limits_and_triggers_are_kept(tmp_path: Path) -> None:
    _, measured = records(write(tmp_path, content()))
    assert measured["a"]["ERA-01", "value"] == RecordedValue(0.5, 0.5, 0.5, 40, 3.0)


def test_a_good_defender_and_none_have_their_curves() -> None:
    curves = {policy.name: policy.held for policy in references.load_references().policies}
    good, nothing = curves[references.GOOD], curves[references.NOTHING]
    assert good is not None and nothing is not None
    assert len(good.mean) == len(good.low) == len(nothing.high) == 100
    assert all(g < n for g, n in zip(good.mean[20:], nothing.mean[20:], strict=True))


def _without(field: str) -> dict[str, Any]:
    value = content()
    del value["policies"][1][field]
    return value


def _measure(name: str, value: Any) -> dict[str, Any]:
    changed = content()
    changed["policies"][1]["measures"] = {name: value}
    return changed


WRONG = {
    "no object": [],
    "another kind": content() | {"kind": "audit"},
    "another version": content() | {"schema_version": 2},
    "no policies": {"kind": "references", "schema_version": 1},
    "policies as text": content() | {"policies": "sleep"},
    "a policy twice": content() | {"policies": [content()["policies"][0]] * 2},
    "no name": _without("name"),
    "no return": _without("mean_return"),
    "no measures": _without("measures"),
    "a value that is text": _measure("ERA-01.value", entry(None) | {"value": "0.5"}),
    "a value that is true": _measure("ERA-01.value", entry(None) | {"value": True}),
    "a value that is no number": _measure("ERA-01.value", entry(float("nan"))),
    "a measure without triggers": _measure("ERA-01.value", {"value": 1}),
    "a measure without a check": _measure("value", entry(0.5)),
}


@pytest.mark.parametrize("value", list(WRONG.values()), ids=list(WRONG))
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, value: Any) -> None:
    path = write(tmp_path, value)
    with pytest.raises(CagexplainError) as raised:
        read_references(path)
    assert raised.value.where == path
    assert "reference_bag" in raised.value.remedy


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "references.json"
    path.write_text('{"kind": "refer', encoding="utf-8")
    with pytest.raises(CagexplainError, match="file of reference results is not valid JSON"):
        read_references(path)


def test_without_a_recording_there_are_no_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references.load_references.cache_clear()
    monkeypatch.setattr(references, "FILE", tmp_path / "none.json")
    found = references.load_references()
    references.load_references.cache_clear()
    assert found.policies == ()
    assert found.values("ERA-01", "value") == {}
