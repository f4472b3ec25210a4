"""attack.json: written, read back, and refused where it is damaged; what its numbers come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cagexplain.attack import figures, results
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import write_json
from tests.support.attacks import attack, episodes
from tests.support.damage import put


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / results.FILE
    write_json(path, attack().to_json(), indent=None)
    return path


def test_is_read_as_it_was_written(file: Path) -> None:
    assert results.read(file) == attack()
    assert results.read(file.parent) == attack()  # the folder, too


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (put("kind", "audit"), "is not a saved attack"),
        (put("schema_version", 99), "schema_version: is of version 99"),
        (put("schema_version", True), "schema_version: is of version True"),
        (put("rules", "none"), "rules: invalid enum value"),
        (put("created", "yesterday"), "created: is not a time"),
        (put("found", "nobody"), "found: there is no red 'nobody'"),
        (put("reds", 0, "key", "greedy"), "reds[2].key: occurs twice: 'greedy'"),
        (
            put("reds", 2, "table", "source", "here"),
            "reds[2].table.source: 'here' is not known",
        ),
        (
            put("reds", 2, "table", "probability", "K", "Impact", 1.0),
            "reds[2].table.probability.K",
        ),
        (put("reds", 0, "remark", 1), "reds[0].remark: is unknown"),
        (put("reds", 1, "policy", "returns", []), "reds[1].policy.returns: has 0 episodes"),
        (put("reds", 1, "sleep", "phantom", [0]), "reds[1].sleep.phantom: has another number"),
        (put("reds", 0, "losses", "costs", [[0.0]]), "reds[0].losses.costs: is not 3 x 5"),
        (
            put("reds", 0, "policy", "returns", [0.5] * 12),
            "reds[0].policy.returns[0]: expected",
        ),
        (
            put("ablation", 0, "policy", "returns", [1] * 13),
            "ablation[0].policy.returns: has 13",
        ),
        (lambda content: content.pop("search"), "missing required field 'search'"),
    ],
)
def test_damage_is_named(file: Path, damage: Callable[[dict[str, Any]], None], named: str) -> None:
    content = json.loads(file.read_text("utf-8"))
    damage(content)
    write_json(file, content)
    with pytest.raises(CagexplainError) as refused:
        results.read(file)
    assert named in str(refused.value)
    assert str(file) in str(refused.value)


def test_what_is_no_json_is_named(file: Path) -> None:
    file.write_text("{", "utf-8")
    with pytest.raises(CagexplainError, match="not valid JSON"):
        results.read(file)


def test_reds_are_found_by_role() -> None:
    result = attack()
    assert result.standard.key == "finite_state"
    assert result.worst.key == "found_1"
    assert result.worst_of("searched").key == "found_1"
    assert result.worst_of("portfolio").key == "greedy"


def test_figures() -> None:
    result = attack()
    found, standard = result.worst, result.standard
    assert figures.mean(found.policy).mean == pytest.approx(-2007)
    assert figures.mean(found.policy, "without-contractor").mean == pytest.approx(-1997)
    # The episodes differ alike under both, so the paired change has no spread.
    change = figures.change(found.policy, standard.policy)
    assert (change.mean, change.low, change.high) == pytest.approx((-1800, -1800, -1800))
    averted = figures.averted(found)
    assert averted.value == pytest.approx(1 - 2007 / 5007)
    assert averted.low is not None and averted.high is not None
    assert averted.low <= averted.value <= averted.high
    usual = 1 - 207 / 6707
    assert figures.undone(found, standard).value == pytest.approx(1 - averted.value / usual)
    assert figures.undone(standard, standard).value == pytest.approx(0)


def test_phantom_share() -> None:
    assert episodes(-100, phantom=5).phantom_share == 0.25
    without = replace(episodes(-100), impacts=(0,) * 12)
    assert without.phantom_share is None


def test_reds_with_fewer_episodes_are_paired_with_the_first() -> None:
    result = attack()
    change = figures.change(result.red("greedy").policy, result.standard.policy)
    assert change.mean == pytest.approx(-1300)
