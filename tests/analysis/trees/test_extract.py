"""Trees extracted from policies whose rules are known."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cagexplain.analysis.trees.extract import Options, extract, extract_from_trace
from cagexplain.analysis.trees.fidelity import fidelity
from cagexplain.analysis.trees.fit import Growth, best, chances, choice, leaf_of
from cagexplain.analysis.trees.results import Surrogate
from cagexplain.analysis.trees.rules import limits, rules
from cagexplain.analysis.trees.samples import Samples, Teacher, of_trace, roll_out
from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.policies.registry import load_policy
from cagexplain.policies.trees.named_features import FEATURES, NAMES, STARTS
from cagexplain.policies.trees.tree import TreePolicy
from tests.policies.test_branch import checkpoint
from tests.policies.trees.test_tree import RESTORES, tree
from tests.support.planted import planted, record

pytestmark = pytest.mark.slow

SMALL = Options(leaves=16, episodes=12, rounds=0, held_out=4)
PARAMS = EnvParams(steps=200)
ANALYSE, RESTORE, SLEEP = (NAMES.index(f"action is {k}") for k in ("Analyse", "Restore", "Sleep"))
ALERT = NAMES.index("process alert now")


def said(result: Surrogate, agent: int) -> list[str]:
    """Sentences of the rules that decide anything."""
    return [rule.sentence for rule in result.agents[agent].rules if rule.support > 0]


def fabricated(weights: dict[int, float], decisions: int, width: int, *, seed: int = 0) -> Samples:
    """Decisions between `width` actions of the kinds in `weights`, taken in proportion to them."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(list(weights), (decisions, width))
    features = np.zeros((decisions * width, len(FEATURES)), np.float32)
    features[np.arange(decisions * width), kind.ravel()] = 1
    weight = np.vectorize(weights.get)(kind).astype(float)
    return Samples(
        features,
        (weight / weight.sum(axis=1, keepdims=True)).ravel(),
        np.repeat(np.arange(decisions), width),
        np.tile(np.arange(width), decisions),
        np.ones(decisions),
        np.arange(decisions) // 10,
    )


# What trees make of policies whose rules are known


def test_a_rule_about_alerts_is_found_as_it_is() -> None:
    result, _ = extract(planted("restores_on_process"), PARAMS, SMALL)
    for agent in range(5):
        assert set(said(result, agent)) == {
            "Sleep.",
            "Restore a host, if a process alert now.",
        }
        assert result.agents[agent].fidelity.plain.value == 1
    assert result.team.gain == 1


def test_a_rota_with_a_reaction_is_found_as_it_is() -> None:
    result, trees = extract(load_policy("reactive"), PARAMS, SMALL)
    assert set(said(result, 0)) == {
        "Analyse a host, if no hosts longer without Analyse.",
        "Restore a host, if a process alert now.",
    }
    assert trees.deterministic
    assert result.team.gain == pytest.approx(1, abs=0.01)
    assert [seat.gain for seat in result.seats] == pytest.approx([1] * 5, abs=0.01)


@pytest.mark.parametrize(
    ("name", "least"), [("removes_and_restores", 0.97), ("by_phase", 0.98), ("comms_block", 0.98)]
)
def test_other_rules_are_imitated(name: str, least: float) -> None:
    policy = load_policy(name) if name == "comms_block" else planted(name)
    result, _ = extract(policy, EnvParams(steps=300), SMALL)
    for own in result.agents:
        assert (own.fidelity.plain.value or 0) >= least
        assert sum(rule.support for rule in own.rules) == pytest.approx(1)


def test_a_tree_is_its_own_best_surrogate() -> None:
    """Teachers that draw: the probabilities are imitated, in states that the trees get into."""
    drawing = tree(
        ("action is Restore", 0.5, 1, 2),
        ("action is Sleep", 0.5, 3, 4),
        ("process alert now", 0.5, 5, 6),
        0.01,
        1.0,
        0.02,
        5.0,
    )
    result, trees = extract(
        TreePolicy([drawing] * 5, name="x"), EnvParams(steps=120), Options(8, 8, 1, 4)
    )
    assert result.stochastic and not trees.deterministic and result.source == "roll-outs"
    assert "entropy" in result.importance
    for own in result.agents:
        found = own.fidelity
        assert found.plain.value is not None and found.baseline.value is not None
        assert found.plain.value > 0.98
        assert found.baseline.value < found.plain.value
        assert found.types.value is not None and found.types.value >= found.plain.value - 1e-9
        assert found.skill is not None and 0 < found.skill <= 1
        assert own.stability is not None and own.stability[0] > 0.9
    fidelities = [size.fidelity[0] or 0 for size in result.sizes]
    assert [size.leaves for size in result.sizes] == [2, 4, 8, 16]
    assert fidelities[0] < fidelities[-1]


def test_recurrent_networks_and_messages_are_imitated(tmp_path: Path) -> None:
    policy = load_policy(str(checkpoint(tmp_path, "lstm")), deterministic=False)
    result, trees = extract(policy, EnvParams(steps=60), Options(8, 4, 1, 2))
    assert trees.message_kind == "action"
    assert min(tree.fidelity.plain.value or 0 for tree in result.agents) > 0.9  # nearly even


def test_values_are_imitated_greedily_and_weighted_by_their_range(tmp_path: Path) -> None:
    policy = load_policy(str(checkpoint(tmp_path, "gru", outputs="values")))
    teacher = Teacher(policy)
    assert not teacher.stochastic and "values" in teacher.importance
    samples, _ = roll_out(teacher, None, np.arange(3), EnvParams(steps=60))
    for own in samples:
        assert set(np.unique(own.teacher)) == {0.0, 1.0}
        np.testing.assert_array_equal(np.bincount(own.decision, own.teacher), 1)
        assert (own.importance > 0).all()


# Recorded decisions


def test_a_trace_gives_the_same_rules(tmp_path: Path) -> None:
    trace = record(tmp_path / "t", "restores_on_process", 12, steps=250)
    result, trees = extract_from_trace(trace, SMALL)
    assert result.source == "trace" and result.seats == ()
    assert set(said(result, 2)) == {
        "Sleep.",
        "Restore a host, if a process alert now.",
    }
    assert trees.teacher["name"] == "RestoresOnProcess"
    assert result.team.gain == 1


def test_a_trace_holds_the_same_decisions_as_play(tmp_path: Path) -> None:
    trace = record(tmp_path / "t", "reactive", 3, first_seed=7, steps=100, batch=2)
    recorded = of_trace(trace)
    played, _ = roll_out(Teacher(load_policy("reactive")), None, np.arange(7, 10), EnvParams(100))
    for ours, theirs in zip(recorded, played, strict=True):
        # So few that all are kept; the trace's come batch by batch.
        assert ours.decisions == theirs.decisions > 50
        assert sorted(map(bytes, ours.features)) == sorted(map(bytes, theirs.features))
        np.testing.assert_array_equal(np.bincount(ours.decision, ours.teacher), 1)
        assert np.bincount(ours.action, ours.teacher).tolist() == (
            np.bincount(theirs.action, theirs.teacher).tolist()
        )


def test_a_trace_without_observations_is_refused(tmp_path: Path) -> None:
    trace = record(tmp_path / "t", "sleep", 8, steps=20, observations=False)
    with pytest.raises(CagexplainError, match="without the table 'observations'"):
        extract_from_trace(trace)


def test_too_few_episodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="not enough data: 3 episodes"):
        extract_from_trace(record(tmp_path / "t", "sleep", 3, steps=20))


# Fitting


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.2, 20), min_size=2, max_size=4),
    st.integers(2, 6),
    st.integers(0, 10_000),
)
def test_weights_of_a_known_choice_are_recovered(
    weights: list[float], width: int, seed: int
) -> None:
    known = dict(enumerate(weights))
    samples = fabricated(known, 200, width, seed=seed)
    grown = Growth(samples, 8, stochastic=True).tree(8)
    taken = choice(grown, samples, stochastic=True)
    np.testing.assert_allclose(taken, samples.teacher, atol=0.02)
    found = fidelity(grown, samples, samples, stochastic=True)
    assert found.plain.value is not None and found.plain.value > 0.99


def test_smaller_trees_are_beginnings_of_larger_ones() -> None:
    samples = fabricated({0: 1.0, 1: 2.0, 3: 5.0, 4: 11.0, 7: 23.0}, 300, 5)
    growth = Growth(samples, 16, stochastic=True)
    asked = [set(growth.tree(size).feature.tolist()) - {-1} for size in (2, 3, 4, 16)]
    assert [len(a) for a in asked] == [1, 2, 3, 4]
    assert all(small < large for small, large in pairwise(asked))


def test_questions_without_a_difference_are_left_out() -> None:
    grown = Growth(fabricated({0: 2.0, 3: 2.0}, 100, 4), 8, stochastic=True).tree(8)
    assert grown.leaves == 1


def test_the_best_action_is_the_first_of_the_heaviest() -> None:
    decision = np.array([0, 0, 0, 1, 1, 2])
    weights = np.array([1.0, 3.0, 3.0, 2.0, 2.0, 5.0])
    np.testing.assert_array_equal(best(weights, decision), [0, 1, 0, 1, 0, 1])
    np.testing.assert_allclose(chances(weights, decision)[:3], [1 / 7, 3 / 7, 3 / 7])


def test_fidelity_is_the_overlap_of_two_distributions() -> None:
    samples = fabricated({0: 1.0, 3: 3.0}, 50, 4)
    flat = Growth(fabricated({0: 1.0, 3: 1.0}, 50, 4), 4, stochastic=True).tree(4)
    found = fidelity(flat, samples, samples, stochastic=True)
    by_hand = np.minimum(0.25, samples.teacher).reshape(50, 4).sum(axis=1).mean()
    assert found.plain.value == pytest.approx(by_hand)
    assert found.plain.total == 50 and found.plain.episodes == 5


# Rules


def test_every_decision_is_taken_by_one_rule() -> None:
    samples, _ = roll_out(
        Teacher(TreePolicy([RESTORES] * 5, deterministic=True)),
        None,
        np.arange(2),
        EnvParams(steps=100),
    )
    found = rules(RESTORES, samples[0], stochastic=False)
    assert [rule.sentence for rule in found[:2]] == [
        "Sleep.",
        "Restore a host, if a process alert now.",
    ]
    assert sum(rule.support for rule in found) == pytest.approx(1)
    assert all(rule.precision in (None, 1.0) for rule in found)
    assert found[2].precision is None


def test_limits_hold_for_what_reaches_a_leaf() -> None:
    samples, _ = roll_out(Teacher(load_policy("random")), None, np.arange(2), EnvParams(steps=100))
    grown = Growth(samples[4], 32, stochastic=True).tree(32)
    leaf = leaf_of(grown, samples[4].features)
    for node, bounds in limits(grown).items():
        reached = samples[4].features[leaf == node]
        for column, (low, high) in bounds.items():
            assert (reached[:, column] > low).all() and (reached[:, column] <= high).all()


def test_agents_and_columns_are_named() -> None:
    result, _ = extract(load_policy("sleep"), EnvParams(steps=40), Options(4, 3, 0, 2))
    assert [tree.agent for tree in result.agents] == list(BLUE)
    assert result.team.gain is None  # Sleep gains nothing over Sleep
    assert STARTS[1] == actions.N_KINDS
    assert result.to_json()["agents"][0]["fidelity"]["plain"]["value"] == 1
