import numpy as np
import pandas as pd

from cagexplain.analysis.counts import (
    DROPPED,
    FAILURE,
    HANDED_OVER,
    SITUATIONAL,
    SUCCESS,
    TARGETED,
    count,
)
from cagexplain.cc4 import actions, agents, red_fsm
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.trace import Trace
from tests.analysis.traces import record


def test_returns_leave_the_uncounted_step_out(handmade: Trace) -> None:
    counts = count(handmade)
    assert counts.episodes == 2
    assert counts.returns.tolist() == [-3, -4]
    assert counts.returns_by_phase.tolist() == [[-1, -2, 0], [-4, 0, 0]]
    assert counts.returns_by_cause.tolist() == [[0, -3, 0, 0], [0, -4, 0, 0]]


def test_host_steps_by_state_and_true_level(handmade: Trace) -> None:
    host_steps = count(handmade).host_steps
    assert host_steps[0, State.UNKNOWN].tolist() == [9, 0, 0]
    assert host_steps[0, State.K].tolist() == [0, 1, 0]
    assert host_steps[0, State.S].tolist() == [1, 0, 1]
    assert host_steps.sum() == 16


def test_decisions_count_once_started_for_their_target_and_for_their_situation(
    handmade: Trace,
) -> None:
    decisions = count(handmade).decisions
    targeted, situational = decisions[:, TARGETED], decisions[:, SITUATIONAL]
    assert targeted[:, 4, State.K, ActionKind.RESTORE].tolist() == [1, 1]
    assert targeted[:, 4, State.K, ActionKind.ANALYSE].tolist() == [1, 0]
    assert targeted.sum() == 3
    assert situational[:, 4, State.K, ActionKind.RESTORE].tolist() == [1, 0]
    assert situational[:, 4, State.S, ActionKind.ANALYSE].tolist() == [1, 0]
    assert situational[:, 0, State.R, ActionKind.SLEEP].tolist() == [1, 0]
    assert situational[1, 4, State.RD].tolist() == [0, 0, 0, 1, 0, 0, 1, 0]
    assert situational.sum() == 5


def test_true_level_of_targets(handmade: Trace) -> None:
    levels = count(handmade).target_levels
    assert levels[:, ActionKind.RESTORE].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert levels[0, ActionKind.ANALYSE].tolist() == [0, 1, 0]
    assert levels.sum() == 3


def test_red_actions_are_counted_in_the_state_that_their_agent_holds(handmade: Trace) -> None:
    counts = count(handmade)
    assert counts.red_started[:, [0, 1, 4]].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert counts.red_done[0, 1].tolist() == [1, 0, 0, 0]
    assert counts.red_done[0, 4].tolist() == [0, 0, 0, 1]
    assert counts.red_detected[0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    # Started in step 0 on a host first seen in step 0; in step 1 the same host is scanned.
    assert counts.choices[0, State.K, 1] == 1
    assert counts.choices[0, State.S, 4] == 1
    assert counts.choices[1, State.S, 4] == 1
    assert counts.choices.sum() == 3


def test_results_seen_and_lost(handmade: Trace) -> None:
    counts = count(handmade)
    results = counts.results
    assert results[0, State.K, 1].tolist() == [1, 0, 0, 0]
    assert results[0, State.S, 4, [FAILURE, DROPPED]].tolist() == [1, 1]
    assert results[1, State.K, 2, SUCCESS] == 1
    assert results[1, State.S, RedAction.EXPLOIT, HANDED_OVER] == 1
    assert results.sum() == 5
    assert counts.seen[:, [State.K, State.U]].tolist() == [[1, 1], [1, 0]]
    assert counts.lost[0].tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]


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
        found = counts.decisions[:, view].sum(axis=(0, 1))
        np.testing.assert_array_equal(found, expected.to_numpy())
    steps = trace.table("steps")
    expected = steps.groupby("episode")[[f"hosts_{s}" for s in red_fsm.STATE_NAMES]].sum()
    np.testing.assert_array_equal(counts.host_steps.sum(axis=2), expected.to_numpy())


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
    np.testing.assert_array_equal(count(trace).choices.sum(axis=0), expected)


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
    assert counts.decisions.shape == (9, 2, agents.N_BLUE, 10, 8)
    assert counts.results.shape == (9, 10, 9, 4)
