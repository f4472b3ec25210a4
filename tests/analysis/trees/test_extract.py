"""Trees extracted from policies whose rules are known."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cagexplain.analysis.trees.extract import (
    Options,
    best_candidate,
    extract,
    extract_from_trace,
    matter,
)
from cagexplain.analysis.trees.fidelity import features as features_of
from cagexplain.analysis.trees.fidelity import fidelity
from cagexplain.analysis.trees.fit import Growth, best, chances, choice, leaf_of
from cagexplain.analysis.trees.results import MAIN_CONDITIONS, RuleCondition, Surrogate
from cagexplain.analysis.trees.rules import limits, rules
from cagexplain.analysis.trees.samples import Samples, of_trace, roll_out
from cagexplain.cc4 import actions
from cagexplain.cc4.actions import KIND_NAMES
from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.layout import (
    ACTION_LINK,
    ACTION_SLOT,
    ACTION_TYPE,
    NONE,
    SLOT_IS_SERVER,
    SLOT_ZONE,
)
from cagexplain.common.arrays import BoolArray, FloatArray
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.teacher import Teacher
from cagexplain.policies.trees.named_features import ABSENT, FEATURES, NAMES, STARTS
from cagexplain.policies.trees.tree import Tree, TreePolicy
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
    features = np.zeros((decisions * width, len(FEATURES)), np.int16)
    features[np.arange(decisions * width), kind.ravel()] = 1
    weight = np.vectorize(weights.get)(kind).astype(float)
    return Samples(
        features,
        (weight / weight.sum(axis=1, keepdims=True)).ravel(),
        np.repeat(np.arange(decisions), width),
        np.tile(np.arange(width), decisions),
        np.ones(decisions),
        np.arange(decisions) // 10,
        np.ones(decisions),
    )


# What trees make of policies whose rules are known


def test_a_rule_about_alerts_is_found_as_it_is() -> None:
    result, _ = extract(planted("restores_on_process"), PARAMS, SMALL)
    for agent in range(5):
        assert set(said(result, agent)) == {
            "Sleep.",
            "Restore a host, if a process alert now.",
        }
        assert result.agents[agent].fidelity.balanced.trees.value == 1
    assert result.team.lost.mean == 0


def test_a_rota_with_a_reaction_is_found_as_it_is() -> None:
    result, trees = extract(load_policy("reactive"), PARAMS, SMALL)
    assert set(said(result, 0)) == {
        "Analyse a host, if no hosts longer without Analyse.",
        "Restore a host, if a process alert now.",
    }
    assert trees.deterministic and not result.draws
    assert result.team.relative is not None
    assert result.team.relative.value == pytest.approx(0, abs=0.01)
    assert [seat.seats for seat in result.seats] == [(name,) for name in BLUE]


@pytest.mark.parametrize(
    ("name", "least"), [("removes_and_restores", 0.97), ("by_phase", 0.98), ("comms_block", 0.98)]
)
def test_other_rules_are_imitated(name: str, least: float) -> None:
    policy = load_policy(name) if name == "comms_block" else planted(name)
    result, _ = extract(policy, EnvParams(steps=300), SMALL)
    for own in result.agents:
        assert (own.fidelity.likeliest.trees.value or 0) >= least
        assert (own.fidelity.balanced.trees.value or 0) >= 0.9
        assert sum(rule.support for rule in own.rules) == pytest.approx(1)


def test_rules_that_read_raw_observations_are_imitated_by_trees_that_read_them() -> None:
    """So that an exploit is told from an alert; the trees of one that does not read do not."""
    result, trees = extract(
        load_policy("champion"), EnvParams(steps=150), replace(SMALL, leaves=32, episodes=20)
    )
    assert trees.reads
    asked = {name for own in result.agents for name in own.features}
    assert {"exploit since Restore or Remove", "is where red begins its work"} <= asked
    for own in result.agents:
        (remove,) = [r for r in own.fidelity.recalls if r.action_type == "Remove"]
        assert (remove.alike.value or 0) > 0.8
    _, others = extract(load_policy("reactive"), PARAMS, SMALL)
    assert not others.reads


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
        TreePolicy([drawing] * 5, name="x"),
        EnvParams(steps=120),
        Options(8, 8, 1, 4, stochastic=True),
    )
    assert result.draws and result.stochastic and not trees.deterministic
    assert result.source == "roll-outs" and "entropy" in result.importance
    for own in result.agents:
        overlap, taken = own.fidelity.overlap, own.fidelity.taken
        assert overlap.trees.value is not None and overlap.trees.value > 0.98
        assert overlap.blind.value is not None and overlap.blind.value < overlap.trees.value
        assert taken.policy is not None and taken.policy.value is not None
        assert taken.trees.value == pytest.approx(taken.policy.value, abs=0.02)
        assert taken.trees.value < 0.9  # two that draw by themselves seldom agree
        assert own.stability is not None and own.stability[0] > 0.9
    assert [size.leaves for size in result.sizes] == [2, 4, 8, 16]


def test_the_likeliest_action_of_a_policy_that_draws_is_imitated() -> None:
    alarmed = tree(
        ("action is Restore", 0.5, 1, 2), 1.0, ("process alert now", 0.5, 3, 4), 0.5, 9.0
    )
    result, trees = extract(
        TreePolicy([alarmed] * 5, name="x"), EnvParams(steps=120), Options(8, 8, 1, 4)
    )
    assert result.draws and not result.stochastic and trees.deterministic
    for own in result.agents:
        assert own.fidelity.likeliest.trees.value == 1
        assert own.fidelity.taken.trees.value is not None
        assert own.fidelity.taken.trees.value < 0.5


def test_recurrent_networks_and_messages_are_imitated(tmp_path: Path) -> None:
    policy = load_policy(str(checkpoint(tmp_path, "lstm")), deterministic=False)
    result, trees = extract(policy, EnvParams(steps=60), Options(8, 4, 1, 2, stochastic=True))
    assert trees.message_kind == "action"
    overlaps = [tree.fidelity.overlap.trees.value or 0 for tree in result.agents]
    assert min(overlaps) > 0.9  # nearly even


def test_values_are_imitated_greedily_and_weighted_by_their_range(tmp_path: Path) -> None:
    policy = load_policy(str(checkpoint(tmp_path, "gru", outputs="values")))
    teacher = Teacher(policy)
    assert not teacher.draws and "values" in teacher.importance
    samples, _ = roll_out(teacher, None, np.arange(3), EnvParams(steps=60))
    for own in samples:
        assert set(np.unique(own.teacher)) == {0.0, 1.0}
        np.testing.assert_array_equal(np.bincount(own.decision, own.teacher), 1)
        assert (own.importance > 0).all()


# Labels, and which decisions are kept


def test_a_script_says_what_it_would_do_where_the_trees_got_it() -> None:
    """The student sleeps; the script would restore hosts with an alert all along."""
    student = load_policy("sleep")
    samples, returns = roll_out(
        Teacher(planted("restores_on_process")), student, np.arange(3), EnvParams(steps=80)
    )
    slept = evaluate(student, np.arange(3), EnvParams(steps=80)).returns
    np.testing.assert_array_equal(returns, slept)
    wanted = 0
    for own in samples:
        chosen = own.features[best(own.teacher, own.decision) > 0]
        restores = chosen[:, RESTORE] > 0
        assert (chosen[restores, ALERT] == 1).all()
        wanted += restores.sum()
    assert wanted > 0


def test_rare_types_are_kept_and_stand_for_as_many_as_there_were() -> None:
    teacher, seeds = Teacher(load_policy("expert")), np.arange(6)
    every, _ = roll_out(teacher, None, seeds, EnvParams(steps=150), 10**6)
    some, _ = roll_out(teacher, None, seeds, EnvParams(steps=150), 20)

    def types(samples: Samples, weight: FloatArray) -> FloatArray:
        wanted = samples.action_type[best(samples.teacher, samples.decision) > 0]
        return np.bincount(wanted, weight, minlength=actions.N_KINDS)

    for whole, part in zip(every, some, strict=True):
        assert (whole.weight == 1).all()
        counts = types(whole, whole.weight)
        np.testing.assert_array_equal(types(part, np.ones(part.decisions)), np.minimum(counts, 20))
        np.testing.assert_allclose(types(part, part.weight), counts)


def test_hosts_that_cannot_be_told_apart_are_alike() -> None:
    """Before anything has happened, all hosts of one kind and subnet are."""
    samples, _ = roll_out(Teacher(load_policy("sleep")), None, np.arange(1), EnvParams(steps=5))
    own = samples[4]
    first = own.decision == 0
    at = own.action[first] + actions.OFFSETS[4]
    slot = ACTION_SLOT[at]
    targets = slot != NONE
    described = {
        (int(t), int(SLOT_ZONE[s]), bool(SLOT_IS_SERVER[s]))
        for t, s in zip(ACTION_TYPE[at][targets], slot[targets], strict=True)
    }
    assert len(np.unique(own.alike[first][targets])) == len(described)
    links = ACTION_LINK[at] != NONE
    assert len(np.unique(own.alike[first][links])) == links.sum()


def test_earlier_trees_must_earn_surely_more() -> None:
    rng = np.random.default_rng(3)
    last, noisy, better, best_of_all = ([RESTORES] * 5 for _ in range(4))
    earned = {
        id(last): rng.normal(-300, 50, 64),
        id(noisy): rng.normal(-300, 50, 64),
        id(better): rng.normal(-200, 50, 64),
        id(best_of_all): rng.normal(-100, 50, 64),
    }

    def best_of(*candidates: list[Tree]) -> list[Tree]:
        return best_candidate(candidates, lambda trees: earned[id(trees)])

    earned[id(noisy)] = earned[id(last)] + rng.normal(0, 50, 64) + 1
    assert best_of(last) is last
    assert best_of(last, noisy) is last
    assert best_of(last, noisy, better) is better
    assert best_of(last, best_of_all, better) is best_of_all


def test_types_of_action_weigh_half_alike() -> None:
    samples, _ = roll_out(Teacher(load_policy("expert")), None, np.arange(4), EnvParams(steps=200))
    own = samples[1]
    wanted = own.action_type[best(own.teacher, own.decision) > 0]
    share = np.bincount(wanted, matter(own)) / own.decisions
    usual = np.bincount(wanted, own.weight) / own.weight.sum()
    types = np.count_nonzero(usual)
    np.testing.assert_allclose(share, (usual + (usual > 0) / types) / 2)


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
    assert result.team.lost.mean == 0
    fidelity = result.agents[0].fidelity
    assert fidelity.balanced.trees.value == 1 and fidelity.taken.policy is None


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
    overlap = fidelity(grown, samples, samples, stochastic=True).overlap.trees
    assert overlap.value is not None and overlap.value > 0.99


def test_smaller_trees_are_what_is_left_of_larger_ones() -> None:
    samples = fabricated({0: 1.0, 1: 2.0, 3: 5.0, 4: 11.0, 7: 23.0}, 300, 5)
    growth = Growth(samples, 16, stochastic=True)
    asked = [set(growth.tree(size).feature.tolist()) - {-1} for size in (2, 3, 4, 16)]
    assert [len(a) for a in asked] == [1, 2, 3, 4]
    assert all(small < large for small, large in pairwise(asked))


def test_types_of_action_are_asked_for_first() -> None:
    samples, _ = roll_out(Teacher(load_policy("expert")), None, np.arange(4), EnvParams(steps=200))
    grown = Growth(samples[1], 32, stochastic=False).tree(32)
    for rule in rules(grown, samples[1], stochastic=False):
        assert len(rule.actions) == 1 or rule.support == 0


def test_causes_go_before_the_clock_and_places_in_lists() -> None:
    """Restored is the host with the alert, which is always the third, in the second half."""
    rng = np.random.default_rng(1)
    width, n = 6, 400
    alerted = np.repeat(rng.random(n) < 0.4, width)
    features = np.zeros((n * width, len(FEATURES)), np.int16)
    place = np.tile(np.arange(width), n)
    features[:, RESTORE] = place < width - 1
    features[:, SLEEP] = place == width - 1
    hit = alerted & (place == 2)
    features[:, ALERT] = np.where(features[:, SLEEP] > 0, ABSENT, hit)
    features[:, NAMES.index("position")] = np.where(features[:, SLEEP] > 0, ABSENT, place)
    features[:, NAMES.index("step")] = np.repeat(np.where(alerted[::width], 400, 100), width)
    teacher = np.where(alerted, hit, place == width - 1).astype(float)
    samples = Samples(
        features,
        teacher,
        np.repeat(np.arange(n), width),
        place,
        np.ones(n),
        np.arange(n) // 10,
        np.ones(n),
    )
    grown = Growth(samples, 8, stochastic=False).tree(8)
    assert set(features_of(grown)) <= {"action is Restore", "action is Sleep", "process alert now"}


def test_questions_without_a_difference_are_left_out() -> None:
    grown = Growth(fabricated({0: 2.0, 3: 2.0}, 100, 4), 8, stochastic=True).tree(8)
    assert grown.leaves == 1


def test_the_best_action_is_the_first_of_the_heaviest() -> None:
    decision = np.array([0, 0, 0, 1, 1, 2])
    weights = np.array([1.0, 3.0, 3.0, 2.0, 2.0, 5.0])
    np.testing.assert_array_equal(best(weights, decision), [0, 1, 0, 1, 0, 1])
    np.testing.assert_allclose(chances(weights, decision)[:3], [1 / 7, 3 / 7, 3 / 7])


def test_agreement_is_what_it_says() -> None:
    """Four actions of the weights 1 and 3 against a flat choice, by hand."""
    samples = fabricated({0: 1.0, 3: 3.0}, 50, 4)
    flat = Growth(fabricated({0: 1.0, 3: 1.0}, 50, 4), 4, stochastic=True).tree(4)
    agreed = fidelity(flat, samples, samples, stochastic=True)
    overlap = np.minimum(0.25, samples.teacher).reshape(50, 4).sum(axis=1).mean()
    assert agreed.overlap.trees.value == pytest.approx(overlap)
    assert agreed.taken.trees.value == pytest.approx(0.25)
    assert agreed.taken.policy is not None
    itself = (samples.teacher.reshape(50, 4) ** 2).sum(axis=1).mean()
    assert agreed.taken.policy.value == pytest.approx(itself)
    assert agreed.overlap.policy is not None and agreed.overlap.policy.value == 1
    # Actions of one type look alike here, and the flat tree takes the first of all.
    likeliest = samples.teacher.reshape(50, 4).argmax(axis=1)
    assert agreed.likeliest.trees.value == pytest.approx((likeliest == 0).mean())
    kind = samples.action_type.reshape(50, 4)
    same_type = kind[:, 0] == kind[np.arange(50), likeliest]
    assert agreed.likeliest_alike.trees.value == pytest.approx(same_type.mean())
    assert agreed.likeliest.trees.total == 50 and agreed.likeliest.trees.episodes == 5


def test_balanced_fidelity_counts_every_type_alike() -> None:
    """Always waiting is right in nine of ten decisions, and of one type of two."""
    n, width = 200, 2
    features = np.zeros((n * width, len(FEATURES)), np.int16)
    features[::2, SLEEP] = features[1::2, RESTORE] = 1
    restores = np.arange(n) % 10 == 0
    teacher = np.column_stack([~restores, restores]).ravel().astype(float)
    samples = Samples(
        features,
        teacher,
        np.repeat(np.arange(n), width),
        np.tile(np.arange(width), n),
        np.ones(n),
        np.arange(n) // 10,
        np.ones(n),
    )
    waits = tree(("action is Sleep", 0.5, 1, 2), 1.0, 2.0)
    agreed = fidelity(waits, samples, samples, stochastic=False)
    assert agreed.likeliest.trees.value == pytest.approx(0.9)
    assert agreed.balanced.trees.value == pytest.approx(0.5)
    assert agreed.balanced.blind.value == pytest.approx(0.5)
    assert {recall.action_type: recall.exact.value for recall in agreed.recalls} == {
        "Sleep": 1.0,
        "Restore": 0.0,
    }


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
    assert [rule.priority for rule in found[:2]] == [2, 1]


def test_a_rule_prints_few_conditions_and_says_what_they_cover() -> None:
    samples, _ = roll_out(Teacher(load_policy("expert")), None, np.arange(6), EnvParams(steps=300))
    grown = Growth(samples[4], 48, stochastic=False).tree(48)
    longer = 0

    def meeting(conditions: Sequence[RuleCondition], among: BoolArray) -> int:
        meets = among.copy()
        for condition in conditions:
            values = samples[4].features[:, NAMES.index(condition.feature)]
            meets &= values > (-np.inf if condition.low is None else condition.low)
            meets &= values <= (np.inf if condition.high is None else condition.high)
        return int(meets.sum())

    for rule in rules(grown, samples[4], stochastic=False):
        assert len(rule.main) <= MAIN_CONDITIONS and set(rule.main) <= set(rule.conditions)
        assert all(condition.text in rule.sentence for condition in rule.main)
        longer += len(rule.main) < len(rule.conditions)
        among = np.isin(samples[4].action_type, [KIND_NAMES.index(name) for name in rule.actions])
        if rule.covered is not None:
            share = meeting(rule.conditions, among) / meeting(rule.main, among)
            assert share == pytest.approx(rule.covered)
    assert longer > 0


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
    assert result.team.lost.mean == 0
    assert result.team.to_cycle is not None  # restore_cycle is worse where nothing happens yet
    assert STARTS[1] == actions.N_KINDS
    assert result.to_json()["agents"][0]["fidelity"]["likeliest"]["trees"]["value"] == 1
