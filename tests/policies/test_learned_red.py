"""A red that has learned: what it plays before it has, its memory, its file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.cc4.red_views import ROOT, RedView, no_choices
from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.checkpoint import write_plain
from cagexplain.policies.learned_red import (
    EXPLORED,
    KIND,
    AgainstLearned,
    LearnedRed,
    Memory,
    Scorer,
    decisions,
    drawn,
    log_softmax,
)

N = 8
SLEEP = np.zeros((N, 5), np.int64)
STEPS = 40


def _table_frequencies(red: LearnedRed, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """What the table draws from one state, over and over, and what the prior says: ``[n, 6, 9]``
    numbers of draws and expected numbers, both without exploration."""
    env = BatchedEnv(N, params=EnvParams(red=red.table), threads=1)
    env.reset(np.arange(N))
    memory = Memory(N)
    for _ in range(steps):
        memory.take(env.red_view())
        env.step(SLEEP)
    view = env.red_view()
    memory.take(view)
    made = decisions(view, memory, red.table)
    chance = np.exp(made.prior)
    even = 1 / np.bincount(made.decides)[made.decides]
    chance = (chance - EXPLORED * even) / (1 - EXPLORED)
    expected = np.zeros((N, 6, 137 + 8, 9))
    on_hosts = len(made.on_hosts)
    d = made.decides
    row, action = np.divmod(made.on_hosts, 9)
    expected[made.env[d[:on_hosts]], made.agent[d[:on_hosts]], made.host[row], action] = chance[
        :on_hosts
    ]
    zone = 137 + made.on_zones % 8
    expected[made.env[d[on_hosts:]], made.agent[d[on_hosts:]], zone, 0] = chance[on_hosts:]
    saved, draws = env.save(), np.zeros_like(expected)
    times = 300
    for k in range(times):
        env.restore(saved)
        env.reseed(np.arange(N) + 1000 + k * N)
        env.step(SLEEP)
        for e, agent in np.argwhere(env.state["red_started"] >= 0):
            action = env.state["red_started"][e, agent]
            target = env.state["red_start_host"][e, agent]
            if action == RedAction.DISCOVER_SYSTEMS:
                target = 137 + int(env.state["red_start_zone"][e, agent])
            draws[e, agent, target, action] += 1
    return draws / times, expected


@pytest.mark.parametrize("name", ["finite_state", "discovery", "greedy_live", "silent_mixed"])
def test_the_prior_is_what_the_table_draws(name: str) -> None:
    draws, expected = _table_frequencies(LearnedRed(REDS[name]), 60)
    assert expected.sum() == pytest.approx(draws.sum(), abs=1e-3)
    assert ((draws > 0) <= (expected > 1e-6)).all()  # exploration apart, never anything else
    # 5 standard errors of a share of 300 draws.
    assert np.abs(draws - expected).max() < 5 * np.sqrt(0.25 / 300)


def test_it_plays_only_what_it_may_and_the_same_from_the_same_seeds() -> None:
    states = []
    for _ in range(2):
        env = AgainstLearned(N, LearnedRed(REDS["greedy_live"]), EnvParams(steps=STEPS))
        env.reset(np.arange(N))
        for _ in range(STEPS - 1):
            env.step(SLEEP)
        states.append(env.state.copy())
    assert (states[0] == states[1]).all()


def test_episodes_do_not_depend_on_those_beside_them() -> None:
    red = LearnedRed(REDS["greedy_live"])
    all_of_them = AgainstLearned(N, red, EnvParams(steps=STEPS))
    all_of_them.reset(np.arange(N))
    for _ in range(STEPS - 1):
        all_of_them.step(SLEEP)
    one = AgainstLearned(1, red, EnvParams(steps=STEPS))
    one.reset([5])
    for _ in range(STEPS - 1):
        one.step(SLEEP[:1])
    assert (one.state == all_of_them.state[5:6]).all()


def test_draws_follow_the_probabilities() -> None:
    decides = np.array([1, 0, 1, 0, 2])  # hosts first, then zones: not in order
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0, 3.0])
    log_chance = log_softmax(logits, torch.from_numpy(decides), 3)
    by_hand = torch.cat([torch.tensor([1.0, -1.0]).softmax(0), torch.tensor([0.0, 2.0]).softmax(0)])
    assert torch.allclose(log_chance.exp()[[1, 3, 0, 2]], by_hand)
    assert log_chance[4] == 0
    rng, taken = np.random.default_rng(0), np.zeros(5)
    for _ in range(4000):
        options = drawn(log_chance.numpy(), decides, rng.random(3))
        assert (decides[options] == [0, 1, 2]).all()
        taken[options] += 1
    assert np.abs(taken / 4000 - log_chance.exp().numpy()).max() < 0.04
    for extreme in (0.0, np.nextafter(1.0, 0.0)):
        options = drawn(log_chance.numpy(), decides, np.full(3, extreme))
        assert (decides[options] == [0, 1, 2]).all()


def test_scores_move_choices() -> None:
    scorer = Scorer()
    with torch.no_grad():
        scorer.sweep.bias[0] = 100.0
    env = AgainstLearned(N, LearnedRed(REDS["greedy_live"], scorer), EnvParams(steps=STEPS))
    env.reset(np.arange(N))
    env.step(SLEEP)
    assert (env.state["red_started"][:, 0] == RedAction.DISCOVER_SYSTEMS).all()


def test_memory_counts_what_the_agent_observes() -> None:
    memory, view = Memory(1), RedView.nothing(1)
    view.active[0, 1] = True
    view.state[0, 1, 3] = State.U
    memory.take(view)
    assert memory.clock.tolist() == [[0, 1, 0, 0, 0, 0]]
    assert memory.since[0, 1, 3] == 1
    view.done[0, 1], view.done_host[0, 1] = RedAction.ESCALATE, 3
    memory.take(view)
    assert memory.tries[0, 1, 3] == 1 and memory.last[0, 1, 3] == RedAction.ESCALATE
    view.done[0, 1] = RedAction.DISCOVER_SYSTEMS
    view.done_zone[0, 1], view.done_host[0, 1] = 2, -1
    view.state[0, 1, 3] = State.KD
    memory.take(view)
    assert memory.evicted[0, 1].sum() == memory.evicted[0, 1, 3] == 1
    assert memory.tries[0, 1, 3] == 0 and memory.since[0, 1, 3] == 3
    assert memory.swept[0, 1].tolist() == [-1, -1, 3, -1, -1, -1, -1, -1]
    memory.take(RedView.nothing(1))  # without a session it observes nothing, and forgets nothing
    assert memory.clock[0, 1] == 3 and memory.state[0, 1, 3] == State.KD


def test_what_decides_is_what_red_observes() -> None:
    """Two worlds that differ in what red cannot see lead to the same inputs."""
    env = BatchedEnv(N, params=EnvParams(red="greedy"), threads=1)
    env.reset(np.arange(N))
    for _ in range(100):
        env.step(SLEEP)
    view, memory = env.red_view(), Memory(N)
    memory.take(view)
    before = decisions(view, memory, REDS["greedy"])
    env.state["phase"] = 2
    env.state["step"] += 100
    env.state["blue_action"] = 3
    env.state["blocks"] = 1
    after = decisions(env.red_view(), memory, REDS["greedy"])
    for field in dataclasses.fields(before):
        assert (getattr(before, field.name) == getattr(after, field.name)).all()
    assert len(before) > N


def test_choices_fit_the_engine() -> None:
    env = BatchedEnv(N, params=EnvParams(red="greedy_live"), threads=1)
    env.reset(np.arange(N))
    red = LearnedRed(REDS["greedy_live"])
    red.reset(np.arange(N), STEPS)
    for _ in range(STEPS):
        view = env.red_view()
        choices = red.choose(view)
        assert (choices[~view.free] == no_choices(1)[0, 0]).all()
        payoffs = np.isin(choices[:, :, 0], (RedAction.IMPACT, RedAction.DEGRADE))
        for e, agent in np.argwhere(payoffs):
            assert view.session[e, agent, choices[e, agent, 1]] == ROOT
        env.step(SLEEP, red_choices=choices)
        assert (env.state["red_started"][view.free] == choices[view.free][:, 0]).all()


def test_a_file_gives_the_same_red(tmp_path: Path) -> None:
    red = LearnedRed(REDS["silent_live"])
    with torch.no_grad():
        for weight in red.scorer.parameters():
            weight.normal_(generator=torch.Generator().manual_seed(1))
    red.save(tmp_path / "red.pt")
    again = LearnedRed.load(tmp_path / "red.pt")
    assert again.table == red.table
    for name, value in red.scorer.state_dict().items():
        assert torch.equal(again.scorer.state_dict()[name], value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    red, path = LearnedRed(REDS["silent_live"]), tmp_path / "red.pt"
    weights = dict(red.scorer.state_dict())
    for content, field in (
        ({"table": red.table.document()}, "weights"),
        ({"table": red.table.document(), "weights": {}}, "weights"),
        ({"weights": weights}, "table"),
        (
            {
                "table": red.table.document(),
                "weights": weights | {"host.bias": torch.full((48,), torch.nan)},
            },
            "weights",
        ),
        ({"table": red.table.document(), "weights": weights | {"host.bias": [1]}}, "weights"),
    ):
        write_plain(path, KIND, content)
        with pytest.raises(CagexplainError, match="learned red of this version") as caught:
            LearnedRed.load(path)
        assert caught.value.field == field
    write_plain(path, "checkpoint", {})
    with pytest.raises(CagexplainError, match="not a learned red"):
        LearnedRed.load(path)


def test_a_table_that_attacks_lost_hosts_is_refused() -> None:
    table = REDS["greedy"].probability.copy()
    table[State.KD] = 0
    table[State.KD, RedAction.IMPACT] = 0.5
    table[State.KD, RedAction.AGGRESSIVE_SCAN] = 0.5
    loose = dataclasses.replace(REDS["greedy"], name="loose", impacts="free", probability=table)
    with pytest.raises(UsageError, match="does not hold"):
        LearnedRed(loose)


def test_it_needs_seeds() -> None:
    env = AgainstLearned(1, LearnedRed(REDS["greedy"]), EnvParams(steps=STEPS))
    env.reset([1])
    with pytest.raises(UsageError, match="needs seeds"):
        env.reset()
