"""The result of a run is read back as it was written, or refused with the field."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cagexplain.common.errors import CagexplainError
from trainers.core.result import RESULT, RunResult, read_result, write_result

MADE = RunResult(
    algorithm="ippo",
    preset="paper",
    seed=1,
    steps=100,
    gradient_steps=10.0,
    seconds=2.0,
    steps_per_second=50.0,
    best_steps=100,
    evaluations=[[100, -5.0]],
    final_mean=-5.0,
    final_std=1.0,
    final_returns=[-6.0, -4.0],
    random_mean=-4.5,
    versions={"torch": "2"},
)


def test_worse_than_random_is_told() -> None:
    assert MADE.below_random
    assert not replace(MADE, random_mean=-5.0).below_random


def test_it_is_read_back(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    write_result(tmp_path, MADE)
    assert read_result(tmp_path) == MADE


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("seed", "one", "seed: expected 'int'"),
        ("final_mean", None, "final_mean: expected 'float'"),
        ("final_returns", "many", "final_returns: expected 'array'"),
        ("seconds", float("nan"), "not valid JSON"),
    ],
)
def test_what_is_wrong_is_told(field: str, value: object, told: str, tmp_path: Path) -> None:
    write_result(tmp_path, MADE)
    whole = json.loads((tmp_path / RESULT).read_text())
    (tmp_path / RESULT).write_text(json.dumps(whole | {field: value}))
    with pytest.raises(CagexplainError, match=told) as raised:
        read_result(tmp_path)
    assert raised.value.where == tmp_path / RESULT
