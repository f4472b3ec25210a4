"""Tables of red: the shipped ones, documents, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings

from cagexplain.cc4 import red_fsm
from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.cc4.reds import (
    PORTFOLIO,
    PUBLISHED,
    REDS,
    VARIANTS,
    RedTable,
    allowed,
    as_table,
    load_red,
)
from cagexplain.common.errors import CagexplainError, UsageError
from tests.support.paths import ROOT
from tests.support.reds import tables


def test_shipped_tables() -> None:
    assert [*VARIANTS, *PUBLISHED, *PORTFOLIO] == list(REDS)
    for name, red in VARIANTS.items():
        assert red.name == name
        entries = red_fsm.SUCCESS >= 0
        assert not ((red.probability > 0) & ~entries).any(), "never an action without an entry"
        assert (red.probability[:, RedAction.WITHDRAW] == 0).all()
    impact = VARIANTS["impact"].probability
    assert impact[State.RD].tolist() == [0, 0, 0, 0, 0, 0, 1.0, 0, 0]
    assert VARIANTS["stealthy"].probability[State.KD, RedAction.STEALTH_SCAN] == 1.0
    assert sorted(red_fsm.CHOICE_ORDER) == list(range(9))


def test_official_tables_play_by_cc4s_rules() -> None:
    for red in VARIANTS.values():
        assert (red.source, red.impacts, red.own_sessions) == ("any", "free", False)
        assert red.durations is None
    assert [name for name, red in VARIANTS.items() if red.prefer_servers] == ["discovery"]


def test_portfolio_does_no_impact_on_what_it_does_not_hold() -> None:
    assert all(REDS[name].impacts == "held" for name in PORTFOLIO)
    for name in PORTFOLIO:
        if name.startswith(("silent", "sleeper")):
            attempts = REDS[name].probability[:, [1, 2, 3, 4]]
            assert not attempts.any(), "a silent red neither scans nor exploits"


@settings(max_examples=50, deadline=None)
@given(tables())
def test_documents_read_back_exactly(table: RedTable) -> None:
    assert RedTable.from_document(yaml.safe_load(table.yaml())) == table
    again = RedTable.from_document(table.document())
    assert (again.probability == table.probability).all()


@settings(max_examples=50, deadline=None)
@given(tables())
def test_rows_on_unvisited_hosts_are_whole_and_without_payoff(table: RedTable) -> None:
    rows = table.unvisited
    assert rows[State.K :].sum(axis=1) == pytest.approx(1.0)
    assert not rows[State.K : State.U][:, [RedAction.IMPACT, RedAction.DEGRADE]].any()
    assert (rows[State.U :] == table.probability[State.U :]).all()


def test_reds_that_the_documentation_names() -> None:
    page = (ROOT / "docs" / "attackers.md").read_text(encoding="utf-8")
    for name, red in REDS.items():
        assert f"`{name}`" in page
        assert name not in PORTFOLIO or f"| {red.summary} |" in page, name


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "attackers.md").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0])
    assert load_red(str(file)).row(State.RD) == {RedAction.IMPACT: 0.8, RedAction.DEGRADE: 0.2}


def test_tables_are_frozen() -> None:
    with pytest.raises(ValueError, match="read-only"):
        REDS["greedy"].probability[State.K, 0] = 1.0


def test_free_impacts_may_be_anywhere() -> None:
    more = allowed("free") & ~allowed("held")
    assert {State(s) for s in np.flatnonzero(more.any(axis=1))} == {
        *(State.K, State.KD, State.S, State.SD, State.U, State.UD)
    }
    assert set(np.flatnonzero(more.any(axis=0))) == {RedAction.IMPACT, RedAction.DEGRADE}


def _document(**changes: Any) -> dict[str, Any]:
    document = RedTable("mine", "a copy", VARIANTS["finite_state"].probability).document()
    for place, value in changes.items():
        *path, last = place.split("__")
        entry = document
        for name in path:
            entry = entry[name]
        if value is ...:
            del entry[last]
        else:
            entry[last] = value
    return document


BAD = [
    ({"probability__K": {"Impact": 0.5, "DiscoverRemoteSystems": 0.4}}, "probability.K", "0.9"),
    ({"probability__K": ...}, "probability.K", "no row"),
    ({"probability__U": {"ExploitRemoteService": 1}}, "probability.U.Exploit", "cannot take"),
    ({"probability__U": {"Impact": 1}, "impacts": "held"}, "probability.U.Impact", '"held"'),
    ({"probability__U": {"Withdraw": 1}}, "probability.U.Withdraw", "cannot take"),
    ({"probability__U": {"Sleep": 1}}, "probability.U.Sleep", "no such entry"),
    ({"probability__X": {"Impact": 1}}, "probability.X", "no such entry"),
    ({"probability__U__PrivilegeEscalate": -0.5}, "probability.U.PrivilegeEscalate", "negative"),
    ({"probability__U__PrivilegeEscalate": "much"}, "probability.U.PrivilegeEscalate", "number"),
    ({"probability__U__PrivilegeEscalate": True}, "probability.U.PrivilegeEscalate", "number"),
    ({"probability__KD": {"Impact": 1}}, "probability.KD", "nothing to do"),
    ({"probability": [1]}, "probability", "no mapping"),
    ({"probability": ...}, "probability", "missing"),
    ({"state_weight": {"K": -1}}, "state_weight.K", "negative"),
    ({"state_weight": {"K": 0}}, "state_weight", "no state"),
    ({"state_weight": {"F": 1}}, "state_weight.F", "no such entry"),
    ({"state_weight": {"K": float("inf")}}, "state_weight.K", "number"),
    ({"state_weight": {"K": 1e-200}}, "state_weight.K", "weight"),
    ({"durations": {"Impact": 0}}, "durations.Impact", "out of range"),
    ({"durations": {"Sleep": 1}}, "durations.Sleep", "no such entry"),
    ({"source": "best"}, "source", "any or live"),
    ({"impacts": True}, "impacts", "free or held"),
    ({"own_sessions": 1}, "own_sessions", "true or false"),
    ({"colour": "red"}, "colour", "no such entry"),
    ({"name": "../x"}, "name", "no name"),
    ({"name": "greedy"}, "name", "different"),
    ({"summary": ""}, "summary", "summary"),
]


@pytest.mark.parametrize(("changes", "field", "words"), BAD)
def test_bad_files_are_refused_with_file_and_field(
    changes: dict[str, Any], field: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(_document(**changes)))
    with pytest.raises(UsageError) as error:
        load_red(str(file))
    assert str(error.value).startswith(f"{file}: {field}"), error.value
    assert words in str(error.value)


@pytest.mark.parametrize("text", ["{", "- a\n- b\n", "", "a: &x 1\nb: *x\n", "\x00"])
def test_files_without_a_table_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=str(file)):
        load_red(str(file))


def test_names_and_files() -> None:
    assert load_red("discovery") is REDS["discovery"]
    with pytest.raises(UsageError, match="Did you mean 'greedy'"):
        load_red("gredy")
    with pytest.raises(CagexplainError, match="folder"):
        load_red("/")


def test_a_red_is_a_name_a_table_or_a_document() -> None:
    mine = RedTable.from_document(_document())
    assert as_table(mine) is mine
    assert as_table(mine.document()) == mine
    assert as_table("greedy") is REDS["greedy"]
    for bad in ("purple", 3, None, ["greedy"]):
        with pytest.raises(UsageError, match="red: there is no red"):
            as_table(bad)


@pytest.mark.parametrize(
    "table", [np.ones((10, 9)), np.zeros((9, 9)), "x", np.full((10, 9), np.nan)]
)
def test_arrays_that_are_no_table_are_refused(table: Any) -> None:
    with pytest.raises(UsageError, match="probability"):
        RedTable("mine", "none", table)
