from collections import Counter

import numpy as np
import pandas as pd

from cagexplain.analysis.fsm.counts import (
    DROPPED,
    EVICTORS,
    FAILURE,
    HANDED_OVER,
    RECOVERIES,
    RECOVERY_EFFECTS,
    SITUATIONAL,
    SUCCESS,
    TARGETED,
    count,
    pool,
)
from cagexplain.analysis.fsm.counts import Counter as Counting
from cagexplain.cc4 import actions, agents, network, red_fsm
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.facts.batch import batches
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.trace import Trace
from tests.support.traces import record


def test_returns_leave_the_uncounted_step_out(handmade: Trace) -> None:
    counts = count(handmade)
    assert counts.episodes == 2
    assert counts.returns.tolist() == [-3, -4]
    assert counts.returns_by_phase.tolist() == [[-1, -2, 0], [-4, 0, 0]]
    assert counts.returns_by_cause.tolist() == [[0, -3, 0, 0], [0, -4, 0, 0]]


def test_host_steps_by_place_phase_state_and_true_level(handmade: Trace) -> None:
    host_steps = np.asarray(count(handmade).host_steps)
    ours = host_steps[0, 4]  # A and B, in the zones of blue_agent_4
    assert ours[0, State.UNKNOWN].tolist() == [1, 1, 0]
    assert ours[1, State.K].tolist() == [1, 0, 0]
    assert ours[1, State.U].tolist() == [1, 0, 0]
    assert ours[2, State.S].tolist() == [0, 0, 1]
    assert ours[2, State.KD].tolist() == [1, 0, 0]
    assert host_steps[0, 1, :, State.UNKNOWN].tolist() == [[1, 0, 0]] * 3  # FOREIGN
    assert host_steps.sum() == 18


def test_decisions_count_once_started_for_their_target_and_for_their_situation(
    handmade: Trace,
) -> None:
    decisions = np.asarray(count(handmade).decisions)
    targeted, situational = decisions[:, :, :, TARGETED], decisions[:, :, :, SITUATIONAL]
    assert targeted[0, 4, 1, State.K, ActionKind.RESTORE] == 1
    assert targeted[0, 4, 2, State.S, ActionKind.ANALYSE] == 1
    assert targeted[1, 1, 1, State.K, ActionKind.RESTORE] == 1
    assert targeted.sum() == 3
    assert situational[0, 4, 1, State.U, ActionKind.RESTORE] == 1
    assert situational[0, 4, 2, State.S, ActionKind.ANALYSE] == 1
    assert situational[0, 0, 1, State.R, ActionKind.SLEEP] == 1
    assert situational[1, 1, 1, State.RD, ActionKind.RESTORE] == 1
    assert situational[1, 4, 2, State.RD, ActionKind.BLOCK] == 1
    assert situational.sum() == 5


def test_pooling_sums_over_places_and_phases_or_picks_them(handmade: Trace) -> None:
    decisions = count(handmade).decisions
    assert pool(decisions)[:, TARGETED, State.K, ActionKind.RESTORE].tolist() == [1, 1]
    assert pool(decisions, 4)[:, TARGETED, State.K].sum() == 1
    assert pool(decisions, phase=2)[:, SITUATIONAL].sum() == 2
    assert pool(decisions, 4, 2)[:, SITUATIONAL].sum() == 2
    assert pool(decisions, 0, 2).sum() == 0


def test_true_level_of_targets(handmade: Trace) -> None:
    levels = count(handmade).target_levels
    assert levels[:, ActionKind.RESTORE].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert levels[0, ActionKind.ANALYSE].tolist() == [0, 0, 1]
    assert levels.sum() == 3


def test_red_actions_are_counted_in_the_state_that_their_agent_holds(handmade: Trace) -> None:
    counts = count(handmade)
    assert counts.red_started[:, [0, 1, 4]].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert counts.red_done[0, 1].tolist() == [1, 0, 0, 0]
    assert counts.red_done[0, 4].tolist() == [0, 0, 0, 1]
    assert counts.red_detected[0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    # Started in step 0 on a host first seen in step 0; in step 1 the same host is scanned.
    choices = np.asarray(counts.choices)
    assert choices[0, 4, 0, State.K, 1] == 1
    assert choices[0, 4, 1, State.S, 4] == 1
    assert choices[1, 1, 1, State.S, 4] == 1
    assert choices.sum() == 3


def test_results_and_what_was_seen(handmade: Trace) -> None:
    counts = count(handmade)
    results, discovered = np.asarray(counts.results), np.asarray(counts.discovered)
    assert results[0, 4, 1, State.K, 1].tolist() == [1, 0, 0, 0]
    assert results[0, 4, 2, State.S, 4, [FAILURE, DROPPED]].tolist() == [1, 1]
    assert results[1, 1, 1, State.K, 2, SUCCESS] == 1
    assert results[1, 1, 2, State.S, RedAction.EXPLOIT, HANDED_OVER] == 1
    assert results.sum() == 5
    assert discovered[0, 4, 0, [State.K, State.U]].tolist() == [1, 1]
    assert discovered[1, 1, 0, State.K] == discovered[1, 4, 0, State.R] == 1
    assert discovered.sum() == 4


def test_lost_sessions_by_what_blue_had_just_completed_there(handmade: Trace) -> None:
    lost = np.asarray(count(handmade).lost)
    assert lost[0, 4, 1, State.U].tolist() == [0, 1, 0, 0]
    assert lost[1, 4, 1, State.R].tolist() == [0, 0, 0, 1]
    assert lost.sum() == 2


def test_recoveries_by_what_they_did(handmade: Trace) -> None:
    """The third one ends in the last step, so that nobody knows what it did."""
    recoveries = np.asarray(count(handmade).recoveries)
    remove, restore = range(2)
    assert recoveries[0, 4, 0, State.U, restore].tolist() == [1, 0, 0, 0]
    assert recoveries[0, 4, 1, State.S, remove].tolist() == [0, 0, 0, 1]
    assert recoveries.sum() == 2


def test_a_recording_in_other_batches_gives_the_same_counts(trace: Trace, tmp_path) -> None:
    other = count(record(tmp_path / "other", "random", 9, batch=9))
    for name, array in vars(count(trace)).items():
        np.testing.assert_array_equal(array, getattr(other, name), err_msg=name)


def test_counts_agree_with_plain_pandas(trace: Trace) -> None:
    counts = count(trace)
    blue = trace.table("blue")
    free = blue[blue["started"]]
    for view, column in ((TARGETED, "target_state"), (SITUATIONAL, "zone_state")):
        expected = pd.crosstab(free[column], free["action_type"], dropna=False)
        expected = expected.reindex(
            index=red_fsm.STATE_NAMES, columns=actions.KIND_NAMES, fill_value=0
        )
        found = pool(counts.decisions)[:, view].sum(axis=0)
        np.testing.assert_array_equal(found, expected.to_numpy())
    steps = trace.table("steps")
    expected = steps.groupby("episode")[[f"hosts_{s}" for s in red_fsm.STATE_NAMES]].sum()
    np.testing.assert_array_equal(pool(counts.host_steps).sum(axis=2), expected.to_numpy())
    compromised = steps[[f"root_{s}" for s in red_fsm.STATE_NAMES]].to_numpy().sum()
    assert pool(counts.host_steps)[..., 2].sum() == compromised
    targets = pd.crosstab(free["action_type"], free["target_level"])
    for kind in actions.HOST_KINDS:
        row = targets.loc[actions.KIND_NAMES[kind]].reindex([0, 1, 2], fill_value=0)
        np.testing.assert_array_equal(counts.target_levels[:, kind].sum(axis=0), row)


def test_states_of_red_choices_agree_with_a_replay(trace: Trace) -> None:
    """Replays the tables of the FSMs row by row, in the order in which they changed."""
    red, transitions = trace.table("red"), trace.table("transitions")
    held: dict[tuple[int, str, str], str] = {}
    expected = np.zeros((red_fsm.N_STATES, red_fsm.N_RED_ACTIONS), dtype=int)
    moves = dict(iter(transitions.groupby(["episode", "step"])))
    started = red[(red["event"] == "started") & red["target_host"].notna()]
    starts = dict(iter(started.groupby(["episode", "step"])))
    for key in sorted(moves.keys() | starts.keys()):
        for row in moves.get(key, transitions.iloc[:0]).itertuples():
            assert held.get((row.episode, row.agent, row.host), "unknown") == row.from_state
            held[row.episode, row.agent, row.host] = row.to_state
        for row in starts.get(key, red.iloc[:0]).itertuples():
            state = held[row.episode, row.agent, row.target_host]
            expected[State[state], row.action] += 1
    np.testing.assert_array_equal(pool(count(trace).choices).sum(axis=0), expected)


def test_returns_equal_those_of_evaluate(trace: Trace) -> None:
    from cagexplain.envs import EnvParams

    seeds = np.array(trace.manifest.seeds)
    played = evaluate(load_policy("random"), seeds, EnvParams(steps=120))
    counts = count(trace)
    np.testing.assert_allclose(counts.returns, played.returns)
    np.testing.assert_allclose(counts.returns_by_phase, played.by_phase)
    np.testing.assert_allclose(counts.returns_by_cause, played.by_cause)


def test_shapes(trace: Trace) -> None:
    counts = count(trace)
    assert counts.decisions.shape == (9, agents.N_BLUE, 3, 2, 10, 8)
    assert counts.results.shape == (9, 6, 3, 10, 9, 4)


def test_an_episode_takes_little_memory(trace: Trace) -> None:
    counts = count(trace)
    size = sum(array.nbytes for array in vars(counts).values())
    assert size / counts.episodes < 60_000


def test_evictions_agree_with_a_search_row_by_row(trace: Trace) -> None:
    blue, moves = trace.table("blue"), trace.table("transitions")
    ended = blue[blue["completed_host"].notna()]
    done = {
        (row.episode, row.step, row.completed_host): row.completed for row in ended.itertuples()
    }
    expected: Counter[tuple[str, str]] = Counter()
    for row in moves[moves["cause"] == "session_lost"].itertuples():
        kind = done.get((row.episode, row.step - 1, row.host))
        evictor = EVICTORS[3] if kind is None else kind if kind in EVICTORS else EVICTORS[2]
        expected[row.from_state, evictor] += 1
    found = pool(count(trace).lost).sum(axis=0)
    cells = zip(*np.nonzero(found), strict=True)
    assert expected == {(red_fsm.STATE_NAMES[s], EVICTORS[e]): found[s, e] for s, e in cells}
    assert sum(expected.values()) > 50


def test_effects_of_recoveries_agree_with_the_truth_row_by_row(trace: Trace) -> None:
    """Most sessions that red does not know of came by phishing; losing one is no eviction to it."""
    moves = trace.table("transitions")
    lost = moves[moves["cause"] == "session_lost"]
    gone = set(zip(lost["episode"], lost["step"], lost["host"], strict=True))
    expected: Counter[tuple[str, str]] = Counter()
    for batch in batches(trace, Counting.tables):
        blue = batch.frame("blue")
        ended = blue[blue["completed"].isin(RECOVERIES) & (blue["step"] + 1 < batch.steps)]
        for row in ended.itertuples():
            level = batch.levels[row.row, row.step + 1, network.host_index(row.completed_host)]
            if (row.episode, row.step + 1, row.completed_host) in gone:
                effect = "evicted"
            elif row.completed_level == 0:
                effect = "host was clean"
            else:
                effect = "red stayed" if level else "cleared unnoticed"
            expected[row.completed, effect] += 1
    found = pool(count(trace).recoveries).sum(axis=(0, 1))
    cells = zip(*np.nonzero(found), strict=True)
    assert expected == {(RECOVERIES[r], RECOVERY_EFFECTS[e]): found[r, e] for r, e in cells}
    assert expected["Restore", "cleared unnoticed"] > expected["Restore", "red stayed"]
