"""The QMIX family on games whose answers are known, and its update against hand-made values."""

import copy
from dataclasses import replace
from itertools import product
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cagexplain.cc4 import actions
from cagexplain.common.errors import UsageError
from cagexplain.policies.checkpoint import read_plain, write_plain
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.features import GROUPS, Features
from cagexplain.policies.learned.networks import Acting
from tests.support.toy import Recall, Slow, Toy, TwoStep
from trainers import qmix
from trainers.core.clock import Clock
from trainers.core.config import check as check_ranges
from trainers.core.evaluation import training_seeds
from trainers.core.health import Diverged
from trainers.core.replay import Segments
from trainers.core.returns import lambda_returns
from trainers.exploration import epsilon_greedy
from trainers.qmix import MEMBERS, QMIX, presets, unroll

pytestmark = pytest.mark.slow

ENVS = 16
SMALL = {
    "envs": ENVS,
    "hidden": (16,),
    "core_size": 16,
    "mixer_embed": 8,
    "mixer_hyper": 8,
    "explore_start": 1.0,
    "explore_end": 1.0,
    "value_norm": False,
    "huber": None,
    "learning_rate": 5e-3,
    "anneal": True,
    "max_grad_norm": 10.0,
    "replay": 1000,
    "batch": 32,
    "updates": 10,
    "target_every": 20,
    "time_limit": "terminal",
}


def small(member, **changes):
    return replace(presets(member)["paper"], **(SMALL | changes))


def rounds(learner, env, count, start=0, of=None):
    return [
        learner.round(env, training_seeds(0, k, env.n_envs), k, of or count, Clock())
        for k in range(start, start + count)
    ]


def greedy_returns(learner, env):
    rng = np.random.default_rng(0)
    seeds = np.arange(env.n_envs)
    rollout = learner.player.play(
        env, seeds, learner.actor_stacks, epsilon_greedy(0.0), rng, Clock()
    )
    return rollout.team.sum(0)


def joint_values(learner, env):
    """Q_tot of the first two agents' two actions in the present state of the first episode."""
    x = Features("flat", env.n_envs)
    inputs = x.empty()
    x.observe(env.obs, env.mask, env.free, inputs)
    raw = [stack(own) for stack, own in zip(learner.actor_stacks, inputs, strict=True)]
    own = torch.cat([f.transpose(0, 1).flatten(1) for f in inputs], -1)[:1]
    nets = [stack.layers for stack in learner.mixer.stacks]
    table = np.zeros((2, 2))
    for pair in product(range(2), repeat=2):
        chosen = [*pair, *actions.SLEEP_INDEX[2:]]
        q = [raw[g][m, 0, chosen[a]] for g, group in enumerate(GROUPS) for m, a in enumerate(group)]
        table[pair] = float(learner.mixer(nets, torch.stack(q).unsqueeze(0), own).detach())
    return table


def two_step_tables(learner):
    """Learned joint values in the first state and in each of the two that may follow."""
    env = TwoStep(1)
    tables = []
    for first in (None, 0, 1):
        env.reset(np.zeros(1, np.int64))
        if first is not None:
            env.step(np.array([[first, 0, 0, 0, 0]]))
        tables.append(joint_values(learner, env))
    return tables


def test_qmix_finds_the_best_of_the_two_step_game():
    """The values of table 2b of the QMIX paper, discounted by 0.99."""
    learner = QMIX(small("qmix", learning_rate=1e-2), 0, 1)
    rounds(learner, TwoStep(ENVS), 60)
    start, first, second = two_step_tables(learner)
    assert second == pytest.approx(np.array([[0, 1], [1, 8]]), abs=0.25)
    assert first == pytest.approx(7, abs=0.15)
    assert start == pytest.approx(0.99 * np.array([[7, 7], [8, 8]]), abs=0.15)
    assert (greedy_returns(learner, TwoStep(ENVS)) == 8).all()


def test_vdn_settles_for_less_in_the_two_step_game():
    """A sum cannot represent the second matrix; its best fit undervalues 8, so 7 looks better."""
    learner = QMIX(small("vdn"), 0, 1)
    rounds(learner, TwoStep(ENVS), 50)
    start, first, second = two_step_tables(learner)
    assert second == pytest.approx(np.array([[-1.5, 2.5], [2.5, 6.5]]), abs=0.6)
    assert first == pytest.approx(7, abs=0.3)
    assert start == pytest.approx(0.99 * np.array([[7, 7], [6.5, 6.5]]), abs=0.4)
    assert (greedy_returns(learner, TwoStep(ENVS)) == 7).all()


class Matrix(Toy):
    """One step; agents 0 and 1 choose a row and a column, agent 4 spoils it unless it picks 2."""

    choices: ClassVar = {0: 3, 1: 3, 4: 3}
    payoff = np.array([[4, 1, 0], [1, 5, 2], [0, 2, 9]])

    def begin(self):
        self.shown[:, :, 0] = 1

    def pay(self, chosen):
        return self.payoff[chosen[:, 0], chosen[:, 1]] - 3 * (chosen[:, 4] != 2)


@pytest.mark.parametrize(
    ("member", "changes"),
    [
        ("b_qmix", {"explore_start": 5.0, "explore_end": 0.5, "explore_share": 0.9}),
        ("per_qmix", {}),
        ("qmix", {"value_norm": True, "huber": 1.0}),
    ],
)
def test_variants_solve_a_matrix_game(member, changes):
    learner = QMIX(small(member, **changes), 0, 1)
    metrics = rounds(learner, Matrix(ENVS), 25)
    assert (greedy_returns(learner, Matrix(ENVS)) == 9).all()
    if member == "b_qmix":
        assert metrics[0]["temperature"] == 5.0
        assert metrics[-1]["temperature"] == 0.5


def test_only_memory_solves_the_recall_task():
    returns = {}
    for member in ("qmix", "r_qmix"):
        segment = {"segment": None, "td_lambda": 0.5, "batch": 16, "gamma": 0.9}
        learner = QMIX(small(member, **segment), 0, 1)
        rounds(learner, Recall(ENVS), 14)
        returns[member] = greedy_returns(learner, Recall(ENVS))
    assert (returns["r_qmix"] == 1).all()
    assert (returns["qmix"] == -1).any()


def test_recurrent_networks_learn_from_stretches():
    """The cue is before the stretch that ends the episode, so it must come through the burn-in."""
    changes = {"segment": 2, "burn_in": 3, "td_lambda": 0.5, "batch": 16, "gamma": 0.9}
    learner = QMIX(small("r_qmix", **changes), 0, 1)
    rounds(learner, Recall(ENVS), 14)
    assert (greedy_returns(learner, Recall(ENVS)) == 1).all()


@pytest.mark.parametrize("member", ["vdn", "qmix"])
@pytest.mark.parametrize("progress", [True, False])
def test_starting_an_action_is_not_having_it_in_progress(member, progress):
    """Unless the networks are told who is busy, an action that pays at its end looks too good."""
    changes = {"gamma": 0.5, "progress": progress, "td_lambda": 0.0}
    learner = QMIX(small(member, **changes), 0, 1)
    rounds(learner, Slow(ENVS), 40)
    env = Slow(1)
    env.reset(np.zeros(1, np.int64))
    x = Features("flat", 1)
    inputs = x.empty()
    x.observe(env.obs, env.mask, env.free, inputs)
    late, soon = learner.actor_stacks[0](inputs[0])[0, 0, :2].tolist()
    assert (late < soon) == progress
    if progress and member == "vdn":  # elsewhere, the difference is in the mixer's units
        assert soon - late == pytest.approx(1.75 - 1.5, abs=0.1)


@pytest.mark.parametrize("network", ["mlp", "scores"])
def test_acting_is_the_values_of_who_is_not_busy(network):
    settings = small("qmix", progress=True, observation="memory", network=network)
    learner = QMIX(settings, 0, 1)
    generator = torch.Generator().manual_seed(0)
    for acting, wide in zip(learner.actor_stacks, learner.value_stacks, strict=True):
        wide.initialise(generator, 1.0)  # the views follow
        width = acting.network.shapes[0][0][0]
        x = torch.randn(acting.members, 3, width, generator=generator)
        idle = torch.cat([x, torch.zeros(acting.members, 3, 4)], -1)
        torch.testing.assert_close(acting(x), wide(idle))
    stacks = networks.build_actors(vars(settings))
    networks.restore(stacks, learner.weights()["actors"])


class Walk(Toy):
    """Every step costs 1 and shows its number; actions have no effect."""

    calls = 4
    choices: ClassVar = {0: 2}

    def begin(self):
        self.shown[:, 0, 0] = 1

    def pay(self, chosen):
        self.shown[:] = 0
        self.shown[:, 0, self.steps + 1] = 1
        return np.full(self.n_envs, -1.0)


@pytest.mark.parametrize(
    ("time_limit", "changes", "values"),
    [
        ("terminal", {"segment": 4, "td_lambda": 0.7}, [-1.875, -1.75, -1.5, -1]),
        ("terminal", {}, [-1.875, -1.75, -1.5, -1]),
        # Nothing is known of the final observation but what the network makes of it.
        ("truncation", {"target_every": 10**6, "segment": 4, "td_lambda": 1.0}, None),
    ],
)
def test_the_future_after_the_time_limit(time_limit, changes, values):
    learner = QMIX(small("vdn", gamma=0.5, time_limit=time_limit, **changes), 0, 1)
    if values is None:  # frozen target networks, here worth -8 in every state
        for stack in learner.target_actors:
            for weight, bias in stack.layers:
                weight.zero_()
                bias.zero_()
            stack.layers[-1][1].fill_(-8 / 5)
        values = [-1.875 - 0.5, -1.75 - 1, -1.5 - 2, -1 - 4]
    rounds(learner, Walk(ENVS), 30)
    replay = learner.memory.replay
    segments = replay.segments(replay.units(np.array([0])))
    found, _ = learner._values(segments)
    found = found[0] if len(found) == 1 else found[:, 0]
    assert found.tolist() == pytest.approx(values, abs=0.1)


def hand_made(legal=(0, 1, 2), next_free=True, **changes):
    """A VDN learner whose networks value actions 0 to 3 of agent 0 as told, and one step."""
    learner = QMIX(small("vdn", gamma=0.5, **changes), 0, 1)
    live, target = torch.zeros(82), torch.zeros(82)
    live[:4], target[:4] = torch.tensor([1.0, 3, 2, 100]), torch.tensor([10.0, 20, 40, 1000])
    for stacks, bias in ((learner.actor_stacks, live), (learner.target_actors, target)):
        for stack in stacks:
            for layer in stack.layers:
                for tensor in layer:
                    tensor.zero_()
        stacks[0].layers[-1][1][0] = bias
    available = [torch.full((2, len(g), 1, actions.SIZES[g[0]]), -torch.inf) for g in GROUPS]
    for mask in available:
        mask[..., 5] = 0
    available[0][:, 0] = -torch.inf
    available[0][0, 0, 0, [*legal]] = 0
    available[0][1, 0, 0, [*legal] if next_free else [0]] = 0
    state = torch.zeros(2, 1, sum(s.network.shapes[0][0][0] * s.members for s in learner.targets))
    inputs = [
        torch.zeros(2, s.members, 1, s.network.shapes[0][0][0]) for s in learner.target_actors
    ]
    action = torch.full((1, 1, 5), 5)
    action[..., 0] = 0
    elapsed = torch.zeros(2, 1, 5, dtype=torch.int8)
    reward = torch.full((1, 1, 5), 7.0)
    last = torch.zeros(1, 1, dtype=torch.bool)
    value, target_value = learner._values(
        Segments(state, inputs, available, action, elapsed, reward, last, ~last)
    )
    assert value.requires_grad
    assert not target_value.requires_grad
    assert value.item() == 1
    return target_value.item()


def test_double_q_learning_values_the_live_networks_choice():
    assert hand_made(double_q=True) == 7 + 0.5 * 20
    assert hand_made(double_q=False) == 7 + 0.5 * 40


def test_the_next_action_is_one_that_is_available():
    """Action 3, by far the best in both networks, was never legal above."""
    assert hand_made(legal=(0, 3), double_q=True) == 7 + 0.5 * 1000
    assert hand_made(legal=(0, 2), double_q=True) == 7 + 0.5 * 40
    assert hand_made(next_free=False, double_q=True) == 7 + 0.5 * 10
    assert hand_made(next_free=False, double_q=False) == 7 + 0.5 * 10


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1000),
    steps=st.integers(1, 6),
    lam=st.sampled_from([0.0, 0.3, 1.0]),
    gamma=st.floats(0, 1),
)
def test_lambda_returns_are_mixtures_of_n_step_returns(seed, steps, lam, gamma):
    rng = np.random.default_rng(seed)
    reward, following = rng.normal(size=(2, steps, 3))
    found = lambda_returns(torch.from_numpy(reward), torch.from_numpy(following), gamma, lam)
    for t in range(steps):
        n_step = [
            sum(gamma**k * reward[t + k] for k in range(n)) + gamma**n * following[t + n - 1]
            for n in range(1, steps - t + 1)
        ]
        weights = [(1 - lam) * lam**n for n in range(steps - t - 1)] + [lam ** (steps - t - 1)]
        expected = sum(w * g for w, g in zip(weights, n_step, strict=True))
        assert found[t].numpy() == pytest.approx(expected)


@pytest.mark.parametrize("core", ["none", "gru", "lstm"])
def test_unrolled_values_are_those_of_play(core):
    learner = QMIX(small("r_qmix", core=core), 0, 1)
    generator = torch.Generator().manual_seed(0)
    x = [torch.randn(6, len(g), 3, s.network.shapes[0][0][0], generator=generator)
         for g, s in zip(GROUPS, learner.actor_stacks, strict=True)]  # fmt: skip
    for stack in learner.actor_stacks:
        stack.initialise(generator, 1.0)
    acting = Acting(learner.actor_stacks, 3)
    stepwise = [acting.outputs([own[t] for own in x]) for t in range(6)]
    for g, stack in enumerate(learner.actor_stacks):
        whole = unroll(stack, stack.layers, x[g])
        torch.testing.assert_close(whole, torch.stack([step[g] for step in stepwise]))


def flat(stacks):
    return torch.cat([t.flatten() for stack in stacks for layer in stack.layers for t in layer])


@pytest.mark.parametrize("tau", [1.0, 0.25])
def test_targets_follow_when_it_is_time(tau):
    learner = QMIX(small("qmix", target_every=3, target_tau=tau, updates=1), 0, 1)
    before = flat(learner.targets).clone()
    assert torch.equal(before, flat(learner.stacks))
    env = TwoStep(ENVS)
    rounds(learner, env, 3)  # the first of which only plays
    assert learner.updates == 2
    assert torch.equal(before, flat(learner.targets))
    rounds(learner, env, 1, start=3, of=100)
    live = flat(learner.stacks)
    assert not torch.equal(before, live)
    torch.testing.assert_close(flat(learner.targets), before + tau * (live - before))
    assert not any(t.requires_grad for s in learner.targets for layer in s.layers for t in layer)


def test_values_are_in_units_of_the_returns_spread():
    """Rewards 1,024 times as large give the same networks, bit for bit."""
    learners = [QMIX(small("per_qmix", value_norm=True, reward_scale=s), 0, 1) for s in (1, 1024)]
    for learner in learners:
        rounds(learner, TwoStep(ENVS), 5)
    assert learners[1].norm.std == 1024 * learners[0].norm.std > 1024
    assert torch.equal(flat(learners[0].stacks), flat(learners[1].stacks))


def test_importance_weights_count_segments_before_the_mean():
    """All weight on one of the drawn segments, or a batch of it alone with that weight's share."""
    gradients = []
    for batch, weights in ((4, [0.0, 0.0, 1.0, 0.0]), (1, [0.25])):
        learner = QMIX(small("per_qmix", batch=batch, max_grad_norm=1e6, huber=1.0), 0, 1)
        rounds(learner, TwoStep(ENVS), 1)
        drawn = np.arange(4) if batch == 4 else np.array([2])
        learner.memory.priorities.sample = lambda *_, d=drawn, w=weights: (
            d,
            np.array(w, np.float32),
        )
        report = learner._update(1e-3, 0.4, np.random.default_rng(0))
        gradients.append((report["loss"], report["grad_norm"]))
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-5)
    assert gradients[0][1] > 0


def test_priorities_are_the_errors():
    learner = QMIX(small("per_qmix", segment=2, priority_alpha=1.0, batch=2), 0, 1)
    rounds(learner, Walk(ENVS), 1)
    leaves = learner.memory.priorities.leaves
    assert (leaves[: 3 * ENVS] == 1).all()
    assert not leaves[3 * ENVS :].any()
    learner.memory.correct(
        np.array([5, 7]),
        torch.tensor([[1.0, -4.0], [-3.0, 2.0]]),
        torch.tensor([[True, True], [True, True]]),
    )
    assert leaves[5] == pytest.approx(0.9 * 3 + 0.1 * 2, abs=1e-5)
    assert leaves[7] == pytest.approx(0.9 * 4 + 0.1 * 3, abs=1e-5)


@pytest.mark.parametrize("member", ["per_qmix", "r_qmix"])
def test_stored_state_continues_bit_for_bit(member, tmp_path):
    config = small(member, value_norm=True, replay=40, updates=3, batch=8)
    whole, first, second = (QMIX(config, 1, 1) for _ in range(3))
    expected = rounds(whole, Recall(ENVS), 6)
    rounds(first, Recall(ENVS), 3, of=6)
    write_plain(tmp_path / "resume.pt", "resume file", {"learner": first.state()})
    second.load(read_plain(tmp_path / "resume.pt", "resume file")["learner"])
    assert rounds(second, Recall(ENVS), 3, start=3, of=6) == expected[3:]
    for ours, theirs in ((whole.stacks, second.stacks), (whole.targets, second.targets)):
        assert torch.equal(flat(ours), flat(theirs))
    for name, array in whole.memory.replay.content.items():
        assert (array == second.memory.replay.content[name]).all()
    if member == "per_qmix":
        assert (whole.memory.priorities.tree == second.memory.priorities.tree).all()


def test_a_learner_that_has_not_begun_can_be_stored():
    first, second = (QMIX(small("per_qmix"), 1, 1) for _ in range(2))
    second.load(copy.deepcopy(first.state()))  # as from a file: a state is no copy
    assert rounds(second, TwoStep(ENVS), 2) == rounds(first, TwoStep(ENVS), 2)


def test_seed_decides_the_run_and_threads_do_not():
    learners = [QMIX(small("qmix"), seed, threads) for seed, threads in ((5, 1), (5, 2), (6, 1))]
    for learner in learners:
        rounds(learner, TwoStep(ENVS), 2)
    same, threads, other = (flat(learner.stacks) for learner in learners)
    assert torch.equal(same, threads)
    assert not torch.equal(same, other)


def test_epsilon_falls_with_the_rounds():
    config = small("qmix", explore_start=1.0, explore_end=0.01, explore_share=0.4)
    metrics = rounds(QMIX(replace(config, updates=1), 0, 1), TwoStep(ENVS), 6, of=10)
    assert [m["epsilon"] for m in metrics] == pytest.approx(
        [1, 10**-0.5, 0.1, 10**-1.5, 0.01, 0.01]
    )
    assert [m["gradient_steps"] for m in metrics] == [0, 1, 1, 1, 1, 1]
    assert metrics[1]["replay_fill"] == 2 * ENVS / 1000


def test_weights_are_values_to_act_on():
    learner = QMIX(small("qmix"), 0, 1)
    weights = learner.weights()
    assert weights["outputs"] == "values"
    stacks = networks.build_actors(vars(learner.config))
    networks.restore(stacks, weights["actors"])
    assert torch.equal(flat(stacks), flat(learner.actor_stacks))


@pytest.mark.parametrize("member", MEMBERS)
def test_presets_are_in_range_and_make_sense(member):
    for preset in presets(member).values():
        check_ranges(preset)
        qmix.check(preset)


@pytest.mark.parametrize(
    ("member", "changes", "problem"),
    [
        ("qmix", {"reward": "individual"}, "reward: .*one value of the team"),
        ("vdn", {"reward": "hybrid"}, "reward: .*differ between agents"),
        ("qmix", {"acting": "sampled"}, "acting: .*no probabilities"),
        ("qmix", {"explore_start": 2.0}, "explore_start: .*above 1"),
        ("r_qmix", {"segment": 8}, "burn_in: .*needs a burn-in"),
        ("qmix", {"burn_in": 8}, "burn_in: .*no recurrent networks"),
        ("r_qmix", {"burn_in": 8}, "burn_in: .*no segments"),
        ("qmix", {"segment": 4, "stride": 5}, "stride: .*never be learned from"),
        ("qmix", {"network": "hosts", "progress": True}, "progress: .*no place"),
        ("qmix", {"td_lambda": 0.5}, "td_lambda: .*no longer returns"),
        ("qmix", {"replay": 5}, "replay: .*do not fit"),
        ("qmix", {"core": "gru", "network": "hosts", "segment": None}, "core: "),
    ],
)
def test_what_makes_no_sense_is_refused(member, changes, problem):
    with pytest.raises(UsageError, match=problem):
        qmix.check(replace(presets(member)["paper"], **changes))


def test_new_segments_enter_by_their_own_errors():
    changes = {"segment": 2, "stride": 2, "priority_alpha": 1.0, "priority_new": "error"}
    learner = QMIX(small("per_qmix", batch=5, **changes), 0, 1)
    rounds(learner, Walk(ENVS), 1)  # which only plays
    replay, priorities = learner.memory.replay, learner.memory.priorities
    units = replay.units(np.arange(ENVS))
    assert len(units) == 2 * ENVS
    value, target = learner._values(replay.segments(units))
    size = (value - target).detach().abs()
    expected = 0.9 * size.amax(0) + 0.1 * size.mean(0)
    assert priorities.leaves[units] == pytest.approx(expected.numpy(), abs=1e-5)
    assert not priorities.leaves[2 * ENVS :].any()


def test_what_fills_the_memory_is_not_learned_from():
    """Errors before a segment, however large, move neither loss nor priority."""
    changes = {"segment": 1, "burn_in": 2, "prioritised": True, "priority_alpha": 1.0, "batch": 8}
    learner = QMIX(small("r_qmix", **changes), 0, 1)
    rounds(learner, Recall(ENVS), 1)
    memory, report = learner.memory, {}
    late = np.array([2])  # the last segment of the first episode: steps 2 to 4
    memory.priorities.sample = lambda *_: (late, np.ones(1, np.float32))
    for extra in (0.0, 1000.0):
        memory.replay.content["reward"][0, 2:4] = extra
        report[extra] = learner._update(1e-9, 1.0, np.random.default_rng(0))
        report[extra]["leaf"] = float(memory.priorities.leaves[2])
    assert report[0.0] == pytest.approx(report[1000.0], rel=1e-4)


@pytest.mark.parametrize("member", ["qmix", "per_qmix"])
def test_a_loss_that_is_no_number_is_told_before_it_reaches_anything(member):
    learner = QMIX(small(member), 0, 1)
    rounds(learner, TwoStep(ENVS), 2)
    learner.target_actors[0].layers[0][0].fill_(torch.nan)
    before = flat(learner.stacks).clone()
    with pytest.raises(Diverged, match="loss is nan"):
        learner._update(1e-3, 1.0, np.random.default_rng(0))
    assert torch.equal(before, flat(learner.stacks))
