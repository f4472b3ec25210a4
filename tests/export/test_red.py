"""A red table as a class for CybORG: one file, and the same attacker there."""

import ast
from pathlib import Path

import numpy as np
import pytest

from cagexplain.cc4 import actions
from cagexplain.cc4.reds import REDS, RedTable
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv
from cagexplain.envs.cyborg.table_red import TableRed
from cagexplain.export import red, red_replay, sources
from cagexplain.export.red import Replayed
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from tests.support.cyborg import require_cyborg
from tests.support.reds import random_table

STEPS = 80
REMARK = 'ends\n"""\n# the comment, or not'


def test_the_file_needs_cyborg_alone_and_holds_the_table() -> None:
    table = random_table(3)
    tree = ast.parse(red.source(table))
    assert sources.foreign({"red_agent": red.source(table)}) == {"CybORG"}
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TABLE"
    )
    assert RedTable.from_document(ast.literal_eval(value)) == table


def test_a_summary_cannot_leave_its_comment() -> None:
    document = {**REDS["greedy"].document(), "name": "mine", "summary": REMARK}
    lines = red.source(RedTable.from_document(document)).splitlines()
    assert lines[0] == '# mine: ends """ # the comment, or not'


def test_cyborg_finds_what_its_constructor_takes() -> None:
    """CybORG hands over the generator and the subnets only to constructors that name them."""
    names = TableRed.__init__.__code__.co_varnames
    assert {"np_random", "agent_subnets"} <= set(names)


@pytest.mark.parametrize(
    ("table", "policy"),
    [
        (REDS["silent_mixed"], "expert"),
        (REDS["greedy_live"], "punch"),
        (random_table(5), "random"),
    ],
    ids=lambda each: getattr(each, "name", each),
)
def test_replayed_in_cyborg_it_earns_the_same(table: RedTable, policy: str) -> None:
    (episode,) = red.verify(table, load_policy(policy), [7], require_cyborg(), steps=STEPS)
    assert episode.steps == STEPS - 1 and not len(episode.differing)
    assert episode.returned[0] == episode.returned[1] < 0


def test_the_comparison_sees_another_red(monkeypatch: pytest.MonkeyPatch) -> None:
    path = require_cyborg()
    other = REDS["greedy"]
    monkeypatch.setattr(red, "write", lambda place, _: place.write_text(red.source(other), "utf-8"))
    (episode,) = red.verify(REDS["silent"], load_policy("sleep"), [7], path, steps=STEPS)
    assert len(episode.differing)


def test_a_class_that_fails_there_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    path = require_cyborg()
    monkeypatch.setattr(red, "source", lambda _: "raise ValueError('no')")
    with pytest.raises(CagexplainError, match=r"exported red failed .*ValueError: no"):
        red.verify(REDS["silent"], load_policy("sleep"), [7], path, steps=5)


def test_a_difference_is_told_by_its_steps() -> None:
    episode = Replayed(1, np.array([0.0, -1.0, -2.0]), np.array([0.0, -3.0, -4.0]))
    assert episode.differing.tolist() == [1, 2]
    assert episode.returned == (-1.0, -3.0), "the last reward does not count"


def test_actions_that_the_flat_wrapper_has_not_are_refused() -> None:
    beyond = Decision(np.array([[*actions.SIZES]]))
    with pytest.raises(UsageError, match="BlueFlatWrapper"):
        red._Recorder().after_step(BatchedEnv(1), beyond)


def test_the_name_of_the_class_is_the_one_that_is_replayed(tmp_path: Path) -> None:
    red.write(tmp_path / "red_agent.py", REDS["silent"])
    text = (tmp_path / "red_agent.py").read_text("utf-8")
    assert f"class {red_replay.AGENT}(TableRed, FiniteStateRedAgent):" in text
    compile(text, "red_agent.py", "exec")
