"""Timelines hold what the trace holds: everything is rebuilt from them and compared."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cagexplain.analysis.episodes.incidents import in_words
from cagexplain.analysis.episodes.timeline import CAUSES, IDLE, Timeline, episode_choice, timelines
from cagexplain.analysis.episodes.timeline_parts import Loss, Stretch
from cagexplain.cc4 import actions, agents, network, red_fsm
from cagexplain.cc4.network import host_index
from cagexplain.common.errors import UsageError
from cagexplain.envs import EnvParams
from cagexplain.facts.batch import Batch, batches
from cagexplain.facts.incidents import NEVER, Incidents
from cagexplain.facts.places import LEVEL_NAMES
from cagexplain.policies.registry import load_policy
from cagexplain.tracing import schema
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace
from tests.support.traces import record

STEPS = 149


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Five episodes with observations, in parts of two."""
    folder = tmp_path_factory.mktemp("seen") / "trace"
    params = EnvParams(steps=STEPS + 1)
    Recording(folder, load_policy("reactive"), np.arange(31, 36), params, batch=2).run()
    return open_trace(folder)


@pytest.fixture(scope="module")
def told(seen: Trace) -> tuple[Timeline, ...]:
    return timelines(seen, {3: "asked for", 0: "asked for"})


@pytest.fixture(scope="module")
def dense(seen: Trace) -> dict[int, tuple[Batch, int]]:
    """Batch and row of every episode."""
    return {
        int(episode): (batch, row)
        for batch in batches(seen, {})
        for row, episode in enumerate(batch.episodes)
    }


def spread(
    runs: Sequence[Stretch], names: Sequence[str], steps: int = STEPS
) -> npt.NDArray[np.int8]:
    """A value per step from run lengths; 0 where there is none."""
    values = np.zeros(steps, dtype=np.int8)
    for start, stop, value in runs:
        values[start:stop] = names.index(value)
    return values


def test_the_chosen_episodes_come_in_the_order_asked_for(told: Sequence[Timeline]) -> None:
    assert [t.episode for t in told] == [3, 0]
    assert [t.seed for t in told] == [34, 31]
    assert all(t.steps == STEPS for t in told)


def test_run_lengths_give_back_what_every_step_was(
    told: Sequence[Timeline], dense: dict[int, tuple[Batch, int]]
) -> None:
    for timeline in told:
        batch, row = dense[timeline.episode]
        assert batch.process is not None and batch.connection is not None
        hosts = [host_index(line.host) for line in timeline.hosts]
        kinds = network.HOST_KIND
        stateful = np.isin(kinds, (network.USER, network.SERVER))
        assert sorted(hosts) == np.flatnonzero(batch.exists[row] & stateful).tolist()
        for line, host in zip(timeline.hosts, hosts, strict=True):
            on = ("", "on")
            assert line.process is not None and line.connection is not None
            for runs, names, whole in (
                (line.states, red_fsm.STATE_NAMES, batch.states),
                (line.levels, LEVEL_NAMES, batch.levels),
                (line.process, on, batch.process),
                (line.connection, on, batch.connection),
            ):
                assert spread(runs, names).tolist() == whole[row, :, host].tolist()
                for a, b in itertools.pairwise(runs):
                    assert a.stop < b.start or (a.stop == b.start and a.value != b.value)


def test_rewards_add_up_to_those_of_the_trace(seen: Trace, told: Sequence[Timeline]) -> None:
    steps = seen.table("steps")
    for timeline in told:
        rows = steps[steps["episode"] == timeline.episode]
        per_step = np.sum([timeline.rewards[cause] for cause in CAUSES], axis=0)
        assert per_step.tolist() == rows["reward"].tolist()
        assert timeline.total == rows.loc[rows["counted"], "reward"].sum()
        assert timeline.counted == STEPS - 1


def test_every_penalty_has_its_host(told: Sequence[Timeline]) -> None:
    for timeline in told:
        assert timeline.losses
        for cause in ("lwf", "asf", "ria"):
            found = np.zeros(STEPS)
            for loss in timeline.losses:
                found[loss.step] += loss.amount * (loss.cause == cause)
            assert found.tolist() == list(timeline.rewards[cause])
        for line in timeline.hosts:
            assert line.loss == sum(x.amount for x in timeline.losses if x.host == line.host)


def test_actions_fill_the_time_of_their_agents(seen: Trace, told: Sequence[Timeline]) -> None:
    blue = seen.table("blue")
    for timeline in told:
        rows = blue[blue["episode"] == timeline.episode]
        started = rows[rows["started"]]
        for agent, mine in started.groupby("agent", observed=True):
            found = [a for a in timeline.blue if a.agent == agent]
            assert len(found) + timeline.idle[agent] == len(mine)
        for action in timeline.blue:
            assert action.kind not in IDLE
            row = started[(started["agent"] == action.agent) & (started["step"] == action.start)]
            assert row["action_type"].tolist() == [action.kind]
            if action.stop < STEPS:
                duration = actions.DURATION[actions.KIND_NAMES.index(action.kind)]
                assert action.stop - action.start == duration
            assert (action.outcome == "NONE") <= (action.stop == STEPS)


def test_red_actions_take_as_long_as_they_do(seen: Trace, told: Sequence[Timeline]) -> None:
    red = seen.table("red")
    for timeline in told:
        rows = red[red["episode"] == timeline.episode]
        done = [action for action in timeline.red if action.step is not None]
        assert len(timeline.red) == (rows["event"] == "started").sum()
        assert len(done) == (rows["event"] == "done").sum()
        for action in done:
            number = red_fsm.RED_ACTION_NAMES.index(action.kind)
            assert action.step == action.start + int(red_fsm.RED_DURATION[number]) - 1
        assert any(action.detected for action in done)


def test_incidents_cover_red_on_defended_hosts(
    told: Sequence[Timeline], dense: dict[int, tuple[Batch, int]]
) -> None:
    for timeline in told:
        batch, row = dense[timeline.episode]
        held = np.zeros((STEPS, network.N_HOSTS), dtype=np.bool_)
        for incident in timeline.incidents:
            host = host_index(incident.host)
            assert not held[max(incident.start - 1, 0) : incident.stop + 1, host].any()
            held[incident.start : incident.stop, host] = True
            levels = batch.levels[row, incident.start : incident.stop, host]
            assert incident.top == LEVEL_NAMES[levels.max()]
            assert (incident.root is None) == (levels.max() < 2)
            assert incident.cause in ("red_action", "phishing")
            assert incident.ended is not None or incident.stop == STEPS
        defended = [host_index(line.host) for line in timeline.hosts if line.agent]
        assert (held[:, defended] == (batch.levels[row][:, defended] > 0)).all()
        assert {i.ended for i in timeline.incidents} >= {"Restore"}


def test_an_incident_tells_alert_answer_and_cost() -> None:
    """Three of one host: root that is restored, a foothold that red leaves, one that the last step
    ends; and one of another host that lasts."""
    host, other = (network.HOST_NAMES[i] for i in (1, 2))
    restore = actions.KIND_NAMES.index("Restore")
    red_action, phishing, restored = map(
        schema.LEVEL_CAUSES.index, ("red_action", "phishing", "Restore")
    )
    columns = {
        "episode": [3, 3, 3, 3],
        "host": [1, 1, 1, 2],
        "on": [3, 15, 19, 3],
        "cause": [phishing, red_action, red_action, red_action],
        "visible": [0, 0, 1, 0],
        "alert": [4, NEVER, 19, NEVER],
        "response": [7, NEVER, NEVER, NEVER],
        "response_kind": [restore, NEVER, NEVER, NEVER],
        "answer": [7, NEVER, NEVER, NEVER],
        "root": [6, NEVER, NEVER, NEVER],
        "clear": [9, 18, 20, NEVER],
        "cleared_by": [restored, red_action, restored, NEVER],
        "end": [9, 18, 20, 20],
    }
    losses = [Loss(t, h, "lwf", -(2.0**i)) for i, (t, h) in enumerate(
        [(1, host), (2, host), (8, host), (8, other), (9, host)]
    )]  # fmt: skip
    incidents = Incidents(**{name: np.array(values) for name, values in columns.items()})
    first, elsewhere, second, third = in_words(incidents, losses)
    assert (first.host, first.agent) == (host, agents.BLUE[agents.BLUE_OF_HOST[1]])
    assert (first.start, first.stop, first.cause, first.ended) == (3, 9, "phishing", "Restore")
    assert (first.top, first.root, first.alert) == ("root session", 6, 4)
    assert (first.response, first.response_kind, first.loss) == (7, "Restore", -6)
    assert (elsewhere.host, elsewhere.stop, elsewhere.ended, elsewhere.loss) == (
        other,
        20,
        None,
        -8,
    )
    assert (second.start, second.stop, second.ended, second.root) == (15, 18, "red_action", None)
    assert (second.alert, second.response, second.response_kind) == (None, None, None)
    assert (second.top, second.loss) == ("user session", 0)
    assert (third.start, third.stop, third.ended) == (19, 20, "Restore")


@given(arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e4, 0)))
def test_worst_median_and_best_are_chosen(returns: npt.NDArray[np.float64]) -> None:
    chosen = episode_choice(returns)
    first, *_, last = list(chosen) * 2
    assert returns[first] == returns.min()
    if len(returns) > 1:
        assert len(chosen) == min(len(returns), 3)
        assert returns[list(chosen)[-1]] == returns.max()
    if len(chosen) == 3:
        middle = returns[list(chosen)[1]]
        assert (returns <= middle).sum() * 2 >= len(returns)
        assert (returns >= middle).sum() * 2 >= len(returns)
    assert last in chosen


def test_episodes_can_be_asked_for() -> None:
    returns = np.array([-3.0, -1.0, -2.0])
    assert episode_choice(returns, [2, 1]) == {2: "asked for", 1: "asked for"}
    with pytest.raises(UsageError, match="no episode 3"):
        episode_choice(returns, [0, 3])


def test_only_files_with_chosen_episodes_are_read(tmp_path: Path) -> None:
    trace = record(tmp_path / "trace", "random", 3, steps=20, batch=1)
    for name in trace.tables:
        for number in (0, 2):
            (trace.path / name / f"part-{number:06d}.parquet").unlink()
    (timeline,) = timelines(trace, {1: "asked for"})
    assert timeline.episode == 1
    assert not timeline.observed
    assert all(line.process is None and line.connection is None for line in timeline.hosts)


def test_a_timeline_is_json(told: Sequence[Timeline]) -> None:
    whole = told[0].to_json()
    assert whole["hosts"][0]["states"][0] == tuple(told[0].hosts[0].states[0])
    assert pd.json_normalize(whole)["episode"].tolist() == [3]
