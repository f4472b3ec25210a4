from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cagexplain.analysis.reactions.study_tables import (
    MEANINGFUL,
    MOST_HOSTS,
    StudyTables,
    cramers_v,
    study_tables,
)
from cagexplain.cc4 import agents, network
from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, RED_DURATION
from cagexplain.tracing.trace import Trace
from tests.support.planted import record

EPISODES, STEPS = 12, 350
Find = Callable[[str], tuple[Trace, StudyTables]]


@pytest.fixture(scope="module")
def find(tmp_path_factory: pytest.TempPathFactory) -> Find:
    """A policy's trace and tables; each policy is played once."""
    known: dict[str, tuple[Trace, StudyTables]] = {}

    def of(policy: str) -> tuple[Trace, StudyTables]:
        if policy not in known:
            folder = tmp_path_factory.mktemp("trace") / "t"
            trace = record(folder, policy, EPISODES, steps=STEPS, batch=5)
            known[policy] = trace, study_tables(trace)
        return known[policy]

    return of


def expected_after_red(trace: Trace, extra: int) -> pd.DataFrame:
    """Submitted actions by red action, with pandas."""
    red = trace.table("red")
    red = red[red["event"] == "started"].copy()
    red["step"] += RED_DURATION[red["action"].to_numpy()] + extra
    defender = {
        network.ZONES[zone]: agents.BLUE[agent]
        for agent, zones in enumerate(agents.BLUE_ZONES)
        for zone in zones
    }
    red["agent"] = red["target_zone"].astype(str).map(defender)
    blue = trace.table("blue", ["episode", "step", "agent", "action_type", "started"])
    blue["agent"] = blue["agent"].astype(str)
    return red[["episode", "step", "agent", "action_name"]].merge(
        blue, on=["episode", "step", "agent"]
    )


@pytest.mark.parametrize(("name", "extra"), [("after red", 1), ("after red, first decision", 0)])
def test_blue_after_red_as_the_study_defined_it(find: Find, name: str, extra: int) -> None:
    trace, found = find("random")
    table = found.table(name)
    rows = expected_after_red(trace, extra)
    assert table.n == rows["started"].sum()
    for every, free, action in zip(
        table.every_step, table.decisions, RED_ACTION_NAMES, strict=True
    ):
        of_action = rows[rows["action_name"] == action]
        counts = of_action["action_type"].value_counts()
        assert {s.name: s.count for s in every.shares} == {
            s.name: counts.get(s.name, 0) for s in every.shares
        }
        assert free.total == of_action["started"].sum()


def test_blue_by_the_numbers_of_hosts_with_alerts(find: Find) -> None:
    _, found = find("restores_on_process")
    table = found.table("by alerts")
    assert len(table.groups) == (MOST_HOSTS + 1) ** 2
    for group in table.decisions:
        if not group.total:
            continue
        restores = group.share_of("Restore").share
        assert restores == (0 if group.group.startswith("0 process") else 1)
    assert sum(group.total for group in table.every_step) == EPISODES * (STEPS - 1) * 5


def test_green_before_blue_on_the_same_host(find: Find) -> None:
    trace, found = find("random")
    table = found.table("before blue")
    blue = trace.table("blue", ["green_before", "action_type", "started"])
    rows = blue[blue["green_before"].notna() & blue["started"]]
    assert table.n == len(rows)
    for group in table.decisions:
        counts = rows[rows["green_before"] == group.group]["action_type"].value_counts()
        assert {s.name: s.count for s in group.shares if s.count} == {
            name: count for name, count in counts.items() if count
        }


def test_who_responds_to_alerts_contradicts_the_paper(find: Find) -> None:
    _, found = find("restores_on_process")
    assert found.supported is False
    assert set(found.against) == {"after red, first decision", "by alerts"}
    alerts = found.table("by alerts")
    assert alerts.strength == pytest.approx(1, abs=0.01)
    assert alerts.adjusted_p is not None
    assert alerts.adjusted_p < 0.05


def test_the_studys_offset_is_too_late_for_who_responds_at_once(find: Find) -> None:
    _, found = find("restores_on_process")
    late, first = found.table("after red"), found.table("after red, first decision")
    assert late.strength is not None
    assert first.strength is not None
    assert late.strength < MEANINGFUL < first.strength


@pytest.mark.parametrize("policy", ["random", "analyse_cycle", "sleep"])
def test_who_does_not_look_supports_the_paper(find: Find, policy: str) -> None:
    _, found = find(policy)
    assert found.supported is True
    assert found.against == ()
    assert not any(table.significant for table in found.tables)


def test_without_observations_one_table_is_missing(tmp_path: Path) -> None:
    found = study_tables(record(tmp_path / "t", "random", 6, steps=200, observations=False))
    missing = found.table("by alerts")
    assert missing.missing is not None
    assert (missing.n, missing.strength, missing.decisions) == (0, None, ())
    assert found.table("after red").missing is None
    assert found.supported is not None


def test_too_few_episodes_give_no_verdict(tmp_path: Path) -> None:
    found = study_tables(record(tmp_path / "t", "random", 2, steps=200))
    assert found.supported is None
    assert all(table.strength is table.p is None for table in found.tables)
    assert found.table("after red").n > 0


def test_cramers_v_of_known_tables() -> None:
    assert cramers_v(np.array([[50, 0], [0, 50]])) == pytest.approx(1)
    assert cramers_v(np.array([[30, 10], [60, 20]])) == 0
    assert cramers_v(np.array([[30, 10, 0], [0, 0, 0]])) == 0  # one group only
    # phi² = 0.36; by Bergsma's formula sqrt((0.36 - 1/99) / ((2 - 1/99) - 1)).
    assert cramers_v(np.array([[40, 10], [10, 40]])) == pytest.approx(0.5946, abs=1e-4)


def test_the_bias_of_cramers_v_is_corrected() -> None:
    rng = np.random.default_rng(2)
    tables = rng.multinomial(60, np.full(24, 1 / 24), size=300).reshape(300, 4, 6)
    corrected = np.array([cramers_v(table) ** 2 for table in tables])
    assert corrected.mean() < 0.03  # the plain one is about 0.08 without any association
