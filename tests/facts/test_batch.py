"""What a batch computes equals what the recorder wrote down at the time, to the last entry."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.cc4 import agents, network, phases, red_fsm
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.facts import batch as passes
from cagexplain.facts.batch import Batch, batches, codes, run
from cagexplain.policies.registry import load_policy
from cagexplain.tracing import schema
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace
from tests.support.damage import replace_table

STEPS = 150
STATEFUL = np.isin(network.HOST_KIND, (network.USER, network.SERVER))
ALL_COLUMNS = {
    "steps": [c.name for c in schema.TABLES["steps"].columns],
    "blue": [c.name for c in schema.TABLES["blue"].columns],
}


def record(folder: Path, policy: str, episodes: int, **options: object) -> Trace:
    recording = Recording(
        folder,
        load_policy(policy),
        np.arange(7, 7 + episodes),
        EnvParams(steps=STEPS),
        **options,
    )
    recording.run()
    return open_trace(folder)


@pytest.fixture(scope="module", params=["random", "remove_cycle", "restore_cycle"])
def trace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return record(tmp_path_factory.mktemp(request.param) / "trace", request.param, 5, batch=3)


def whole(trace: Trace) -> list[Batch]:
    return list(batches(trace, ALL_COLUMNS))


def test_the_batches_are_all_episodes_once(trace: Trace) -> None:
    found = whole(trace)
    assert [batch.n for batch in found] == [3, 2]
    np.testing.assert_array_equal(np.concatenate([b.episodes for b in found]), np.arange(5))
    for batch in found:
        assert batch.steps == STEPS - 1
        for name in schema.TABLES:
            frame = batch.frame(name)
            np.testing.assert_array_equal(batch.episodes[frame["row"]], frame["episode"])


def test_bits_of_hosts_that_are_not_there_are_no_alerts(trace: Trace, tmp_path: Path) -> None:
    folder = shutil.copytree(trace.path, tmp_path / "trace")
    for number in range(2):
        table = pq.read_table(folder / "observations" / f"part-{number:06d}.parquet")
        bits = pa.array([b"\xff" * len(seen) for seen in table["bits"].to_pylist()], pa.binary())
        replace_table(
            folder, "observations", number, table.drop_columns("bits").append_column("bits", bits)
        )
    for batch in batches(open_trace(folder), ALL_COLUMNS):
        defended = batch.exists & STATEFUL & (agents.BLUE_OF_HOST >= 0)
        for alerts in (batch.process, batch.connection):
            assert alerts is not None
            assert (alerts == defended[:, np.newaxis]).all()


@pytest.mark.parametrize("size", [1, 2])
def test_a_large_part_is_cut(trace: Trace, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = whole(trace)
    monkeypatch.setattr(passes, "MAX_EPISODES", size)
    found = whole(trace)
    assert max(batch.n for batch in found) == size
    for name in ("states", "levels", "process", "connection", "kind", "target", "phase", "exists"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(batch, name) for batch in found]),
            np.concatenate([getattr(batch, name) for batch in expected]),
            err_msg=name,
        )


def test_states_and_levels_are_those_that_the_recorder_counted(trace: Trace) -> None:
    for batch in whole(trace):
        steps = batch.frame("steps")
        at = (steps["row"], steps["step"])
        stateful = batch.exists[:, None, :] & STATEFUL
        for level, what in ((None, "hosts"), (1, "user"), (2, "root")):
            counted = stateful if level is None else stateful & (batch.levels == level)
            for code, state in enumerate(red_fsm.STATE_NAMES):
                hosts = (counted & (batch.states == code)).sum(axis=2)
                np.testing.assert_array_equal(hosts[at], steps[f"{what}_{state}"], state)
        for level, name in ((1, "hosts_user"), (2, "hosts_root")):
            np.testing.assert_array_equal((batch.levels == level).sum(axis=2)[at], steps[name])
        np.testing.assert_array_equal(batch.phase[at], steps["phase"])


def test_a_decision_meets_what_the_recorder_saw(trace: Trace) -> None:
    for batch in whole(trace):
        blue = batch.frame("blue")
        row, step, agent = blue["row"], blue["step"], codes(blue, "agent")
        np.testing.assert_array_equal(batch.started[row, step, agent], blue["started"])
        np.testing.assert_array_equal(batch.kind[row, step, agent], codes(blue, "action_type"))
        np.testing.assert_array_equal(batch.target[row, step, agent], codes(blue, "target_host"))
        np.testing.assert_array_equal(batch.zone_state[row, step, agent], codes(blue, "zone_state"))
        aimed = blue[blue["target_host"].notna()]
        at = (aimed["row"], aimed["step"], codes(aimed, "target_host"))
        np.testing.assert_array_equal(batch.states[at], codes(aimed, "target_state"))
        np.testing.assert_array_equal(batch.levels[at], aimed["target_level"])
        assert batch.process is not None and batch.connection is not None
        np.testing.assert_array_equal(batch.process[at], aimed["process_alert"])
        np.testing.assert_array_equal(batch.connection[at], aimed["connection_alert"])
        done = blue[blue["completed_host"].notna()]
        met = (done["row"], done["step"], codes(done, "completed_host"))
        np.testing.assert_array_equal(batch.levels[met], done["completed_level"])


def test_alerts_add_up(trace: Trace) -> None:
    for batch in whole(trace):
        steps = batch.frame("steps")
        for alerts, name in ((batch.process, "process"), (batch.connection, "connection")):
            assert alerts is not None
            assert not alerts[:, :, agents.BLUE_OF_HOST < 0].any()
            found = alerts.sum(axis=2)[steps["row"], steps["step"]]
            np.testing.assert_array_equal(found, steps[f"{name}_alerts"])


def test_zone_states_follow_from_states(trace: Trace) -> None:
    for batch in whole(trace):
        for agent in range(agents.N_BLUE):
            own = agent == agents.BLUE_OF_HOST
            np.testing.assert_array_equal(
                batch.states[:, :, own].max(axis=2), batch.zone_state[:, :, agent]
            )


def test_an_event_shows_in_the_next_observation(trace: Trace) -> None:
    for batch in batches(trace, {"levels": ("process_event", "connection_event")}):
        changes = batch.frame("levels")
        host = codes(changes, "host")
        seen = changes[(agents.BLUE_OF_HOST[host] >= 0) & (changes["step"] + 1 < batch.steps)]
        at = (seen["row"], seen["step"] + 1, codes(seen, "host"))
        assert batch.process is not None and batch.connection is not None
        np.testing.assert_array_equal(batch.process[at], seen["process_event"])
        np.testing.assert_array_equal(batch.connection[at], seen["connection_event"])


def test_without_observations_there_are_no_alerts(tmp_path: Path) -> None:
    trace = record(tmp_path / "trace", "sleep", 1, with_observations=False)
    for batch in batches(trace, {}):
        assert batch.process is None
        assert batch.connection is None
        assert batch.states.shape == (1, phases.calls(STEPS), network.N_HOSTS)


class Columns:
    """A collector that keeps what it is shown."""

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        self.tables = {name: columns}
        self._name = name
        self.seen: list[pd.DataFrame] = []

    def add(self, batch: Batch) -> None:
        self.seen.append(batch.frame(self._name))


def test_collectors_get_the_columns_that_they_asked_for(trace: Trace) -> None:
    collectors = [
        Columns("steps", ["reward"]),
        Columns("steps", ["done", "reward"]),
        Columns("red", ["action_name"]),
    ]
    run(trace, collectors)
    for collector in collectors:
        (name, columns), *_ = collector.tables.items()
        seen = pd.concat(collector.seen, ignore_index=True)
        pd.testing.assert_frame_equal(seen[columns], trace.table(name, columns))


def test_damaged_bits_are_told(trace: Trace) -> None:
    (batch, *_) = batches(trace, {})
    source = batch._source
    source.packed = pa.concat_arrays([source.packed[1:], source.packed[:1]])
    with pytest.raises(CagexplainError, match=r"observations.+ bits: the column does not hold"):
        _ = batch.process


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 9)),
        max_size=25,
    ),
    st.lists(st.integers(0, 9), min_size=4, max_size=4),
)
def test_fill_is_a_replay_of_the_changes(
    changes: list[tuple[int, int, int]], first: list[int]
) -> None:
    in_order = sorted(changes, key=lambda change: change[1])
    expected = np.array([[value] * 10 for value in first], dtype=np.int8)
    for place, step, value in in_order:
        expected[place, step + 1 :] = value
    columns = np.array(in_order, dtype=np.int64).reshape(-1, 3).T
    found = passes._fill(*columns, np.array(first, dtype=np.int8), 10)
    np.testing.assert_array_equal(found, expected)
