"""Frames and moments of an episode say what the trace's own tables say."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cagexplain.analysis.episodes.frames import frame
from cagexplain.analysis.episodes.moments import COSTLY, held, moments
from cagexplain.analysis.episodes.timeline import Timeline, timelines, worst_episode
from cagexplain.cc4 import network, red_fsm
from cagexplain.envs import EnvParams
from cagexplain.facts.batch import Batch, batches
from cagexplain.facts.places import LEVEL_NAMES
from cagexplain.facts.view import TABLES, Facts, View, blocked
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace

STEPS = 99


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Two episodes of a policy that decoys, blocks, allows and restores."""
    folder = tmp_path_factory.mktemp("frames") / "trace"
    Recording(folder, load_policy("random"), np.arange(3, 5), EnvParams(steps=STEPS + 1)).run()
    return open_trace(folder)


@pytest.fixture(scope="module")
def timeline(trace: Trace) -> Timeline:
    return timelines(trace, {1: "asked for"})[0]


@pytest.fixture(scope="module")
def batch(trace: Trace) -> Batch:
    (whole,) = batches(trace, TABLES)
    return whole


def hosts(timeline: Timeline) -> list[int]:
    return [network.host_index(line.host) for line in timeline.hosts]


def test_hosts_of_every_frame_are_those_of_the_tables(timeline: Timeline, batch: Batch) -> None:
    indices = hosts(timeline)
    decoys = batch.since("services", "decoys", 0)
    reliability = batch.since("services", "reliability", 100)
    stopped = batch.since("services", "stopped", 0)
    assert batch.process is not None and batch.connection is not None
    shown = set()
    for step in range(STEPS):
        for host, now in zip(indices, frame(timeline, step).hosts, strict=True):
            at = (1, step, host)
            assert red_fsm.STATE_NAMES.index(now.state) == batch.states[at]
            assert LEVEL_NAMES.index(now.level) == batch.levels[at]
            assert (now.process, now.connection) == (batch.process[at], batch.connection[at])
            assert now.decoys == decoys[at]
            assert (now.health == "stopped") == bool(stopped[at])
            assert (now.health == "degraded") == (reliability[at] < 100 and not stopped[at])
            shown.add((now.decoys > 0, now.process, now.health))
    assert {decoyed for decoyed, _, _ in shown} == {True, False} == {p for _, p, _ in shown}
    assert {health for _, _, health in shown} > {""}


def test_blocks_are_those_that_checks_count_with(timeline: Timeline, batch: Batch) -> None:
    expected = blocked(View(batch, Facts()))[1]
    assert expected.any()
    for step in range(STEPS):
        shut = np.zeros_like(expected[step])
        for block in frame(timeline, step).blocks:
            shut[network.ZONES.index(block.zone), network.ZONES.index(block.source)] = True
        assert (shut == expected[step]).all()


def rows(trace: Trace, table: str) -> pd.DataFrame:
    frame = trace.table(table)
    return frame[frame["episode"] == 1]


def test_actions_failures_and_reward_of_every_frame(timeline: Timeline, trace: Trace) -> None:
    blue, red, green, steps = (rows(trace, name) for name in ("blue", "red", "green", "steps"))
    for step in range(STEPS):
        now = frame(timeline, step)
        busy = blue[(blue["step"] == step) & ~blue["executing"].isin(("Sleep", "Monitor"))]
        assert sorted((a.agent, a.kind) for a in now.blue) == sorted(
            zip(busy["agent"], busy["executing"], strict=True)
        )
        done = red[(red["step"] == step) & (red["event"] == "done")]
        due = [(a.agent, a.kind, a.outcome, a.source or "") for a in now.red if a.step == step]
        sources = done["source_host"].astype(object).fillna("")
        assert sorted(due) == sorted(
            zip(done["agent"], done["action_name"], done["outcome"], sources, strict=True)
        )
        failed = green[green["step"] == step]
        assert sorted((f.host, f.cause) for f in now.failures) == sorted(
            zip(failed["host"], failed["cause"], strict=True)
        )
        (row,) = steps[steps["step"] == step].itertuples()
        assert now.reward == pytest.approx(row.reward)
        assert now.phase == ("pre-planning", "mission A", "mission B")[row.phase]


def test_moments_are_where_they_say(timeline: Timeline, batch: Batch) -> None:
    named = moments(timeline)
    assert [m.step for m in named] == sorted(m.step for m in named)
    assert all(0 <= m.step < STEPS for m in named)
    by_kind: dict[str, Sequence[int]] = {}
    for moment in named:
        by_kind[moment.kind] = [*by_kind.get(moment.kind, ()), moment.step]
    assert by_kind["phase"] == [run.start for run in timeline.phases]
    defended = [i for i, line in zip(hosts(timeline), timeline.hosts, strict=True) if line.agent]
    levels = batch.levels[1][:, defended]
    assert by_kind["entry"] == [int((levels > 0).any(axis=1).argmax())]
    assert by_kind["root"] == [int((levels > 1).any(axis=1).argmax())]
    counts = (levels > 0).sum(axis=1)
    assert by_kind["peak"] == [int(counts.argmax())]
    assert [sum(levels.values()) for levels in held(timeline)] == counts.tolist()
    assert len(by_kind.get("incident", ())) <= COSTLY
    (worst,) = by_kind["worst"]
    assert frame(timeline, worst).reward == min(frame(timeline, t).reward for t in range(STEPS))


def test_the_worst_episode_has_the_lowest_return(trace: Trace) -> None:
    both = timelines(trace, {0: "asked for", 1: "asked for"})
    assert worst_episode(trace) == min(both, key=lambda t: t.total).episode


def test_an_episode_in_which_nothing_happens_has_phases_only(tmp_path: Path) -> None:
    Recording(tmp_path / "t", load_policy("sleep"), np.arange(1), EnvParams(steps=3)).run()
    (short,) = timelines(open_trace(tmp_path / "t"), {0: "asked for"})
    assert {m.kind for m in moments(short)} <= {"phase", "entry", "peak", "worst", "impact"}
