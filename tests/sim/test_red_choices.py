"""Red's agents as someone else plays them: what they know, what they may do, what they then do."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cagexplain.cc4 import phases
from cagexplain.cc4.agents import N_BLUE, N_RED
from cagexplain.cc4.network import N_HOSTS, N_REAL_ZONES
from cagexplain.cc4.red_fsm import N_RED_ACTIONS, RedAction, State
from cagexplain.cc4.red_views import AUTOMATIC, ROOT, TABLE, RedView, no_choices
from cagexplain.cc4.reds import REDS
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.sim.step import check_red_choices

N = 6
STEPS = 120
SLEEP = np.zeros((N, N_BLUE), dtype=np.int64)
FREE = REDS["finite_state"]


def _env(red: str = "finite_state") -> BatchedEnv:
    env = BatchedEnv(N, params=EnvParams(red=red), threads=1)
    env.reset(np.arange(N) + 7)
    return env


def _drawn(env: BatchedEnv) -> np.ndarray:
    """What the table has drawn in the last step, as choices."""
    state = env.state
    choices = no_choices(N)
    sweeps = state["red_started"] == RedAction.DISCOVER_SYSTEMS
    choices[:, :, 0] = state["red_started"]
    choices[:, :, 1] = np.where(sweeps, state["red_start_zone"], state["red_start_host"])
    choices[:, :, 2] = np.where(state["red_started"] >= 0, state["red_session"], AUTOMATIC)
    return choices


def test_to_look_changes_nothing() -> None:
    watched, alone = _env("noisy"), _env("noisy")
    for _ in range(STEPS):
        watched.red_view()
        watched.red_view()
        for env in (watched, alone):
            env.step(SLEEP)
        assert (watched.state == alone.state).all()


def test_choices_of_the_table_left_to_it_change_nothing() -> None:
    asked, alone = _env(), _env()
    for _ in range(STEPS):
        asked.step(SLEEP, red_choices=no_choices(N))
        alone.step(SLEEP)
    assert (asked.state == alone.state).all()


@pytest.mark.parametrize("red", ["finite_state", "silent", "greedy"])
def test_what_is_chosen_starts_as_if_it_had_been_drawn(red: str) -> None:
    obeying, drawing = _env(red), _env(red)
    decision = ("red_action", "red_host", "red_zone", "red_session", "red_started")
    decision += ("red_start_host", "red_start_zone", "red_start_source")
    busy = 0
    for _ in range(STEPS):
        before = obeying.save()
        drawing.restore(before)
        drawing.step(SLEEP)
        choices = _drawn(drawing)
        if (choices[:, :, 0] == RedAction.IMPACT).any() or (
            choices[:, :, 0] == RedAction.DEGRADE
        ).any():  # some of them the table plays where red has no root
            payoff = choices[:, :, 0] >= RedAction.IMPACT
            choices[payoff] = (TABLE, AUTOMATIC, AUTOMATIC)
        obeying.step(SLEEP, red_choices=choices)
        same = (choices[:, :, 0] != TABLE) | (drawing.state["red_started"] < 0)
        busy += int((drawing.state["red_started"] < 0).sum())
        # What ends in the very step has other chances, as the table has drawn and the other not.
        for name in decision[4:]:
            assert (obeying.state[name] == drawing.state[name])[same].all()
        going_on = same & (obeying.state["red_left"] > 0) & (drawing.state["red_left"] > 0)
        for name in decision[:4]:
            assert (obeying.state[name] == drawing.state[name])[going_on].all()
        assert (obeying.state["transitions"] == drawing.state["transitions"]).all()
    assert busy > 0


def test_a_view_shows_what_the_state_holds() -> None:
    env = _env("greedy")
    roots = 0
    for _ in range(STEPS):
        env.step(SLEEP)
        view = env.red_view()
        for e, agent in itertools.product(range(N), range(N_RED)):
            state = env.state[e]
            active = bool(state["red_active"][agent])
            assert view.active[e, agent] == active
            assert view.free[e, agent] == (active and state["red_action"][agent] < 0)
            if not active:
                continue
            assert (view.state[e, agent] == state["fsm_state"][agent]).all()
            assert (view.named[e, agent] == (state["fsm_named"][agent] != 0)).all()
            assert (view.zone[e, agent] == state["known_zone"][agent, :N_REAL_ZONES]).all()
            held = np.zeros(N_HOSTS)
            for slot in state["map_slot"][: state["map_n"][agent], agent]:
                session = state["ses"][slot]
                held[session["host"]] = max(held[session["host"]], 1 + session["root"])
            assert (view.session[e, agent] == held).all()
            roots += int((held == ROOT).sum())
            assert (view.ready[e, agent] <= (view.scanned_by[e, agent] >= 0)).all()
    assert roots > 0


def test_a_view_has_nothing_of_an_agent_without_a_session() -> None:
    view = _env().red_view()
    nothing = RedView.nothing(N)
    assert view.active[:, 0].all() and not view.active[:, 1:].any()
    for name, shown, empty in zip(view._fields, view, nothing, strict=True):
        assert (shown[:, 1:] == empty[:, 1:]).all(), name


def test_the_engine_takes_what_the_view_lists_and_nothing_else() -> None:
    env = _env("greedy")
    for _ in range(60):
        env.step(SLEEP)
    view, compiled = env.red_view(), env.params.compiled()
    listed, which = view.choices()[0], np.zeros(1, dtype=np.int64)
    free = np.flatnonzero(view.free[0])
    assert listed.any() and not listed[~view.free[0]].any()
    for agent in free:
        for action, host in itertools.product(range(N_RED_ACTIONS), range(N_HOSTS)):
            choices = no_choices(1)
            choices[0, agent, :2] = action, host
            refused = check_red_choices(env.state[:1], compiled, which, choices) != 0
            if action == RedAction.DISCOVER_SYSTEMS:
                assert refused != (host < N_REAL_ZONES and bool(view.zone[0, agent, host]))
            else:
                assert refused != listed[agent, host, action]


def test_payoffs_need_root() -> None:
    env = _env("greedy")
    lists = 0
    for _ in range(STEPS):
        env.step(SLEEP)
        view = env.red_view()
        choices = view.choices()
        payoffs = choices[..., [RedAction.IMPACT, RedAction.DEGRADE]].any(axis=-1)
        assert (view.session[payoffs] == ROOT).all()
        assert not choices[view.state <= State.F].any()
        lists += int(payoffs.sum())
    assert lists > 0


def test_a_live_source_has_scanned_what_it_exploits() -> None:
    env = BatchedEnv(N, params=EnvParams(red=replace(FREE, name="live", source="live")), threads=1)
    env.reset(np.arange(N) + 7)
    rng = np.random.default_rng(0)
    exploits = 0
    for _ in range(STEPS):
        view = env.red_view()
        usable = view.choices()
        choices = no_choices(N)
        for e, agent in np.argwhere(view.free):
            options = np.argwhere(usable[e, agent])
            if len(options):
                host, action = options[rng.integers(len(options))]
                choices[e, agent, :2] = action, host
        env.step(SLEEP, red_choices=choices)
        started = env.state["red_started"] == choices[:, :, 0]
        assert started[view.free & (choices[:, :, 0] != TABLE)].all()
        for e, agent in np.argwhere(started & (choices[:, :, 0] == RedAction.EXPLOIT)):
            host = choices[e, agent, 1]
            if view.ready[e, agent, host]:
                assert env.state["red_session"][e, agent] == view.scanned_by[e, agent, host]
                exploits += 1
    assert exploits > 0


@pytest.mark.parametrize(
    "wrong",
    [
        (RedAction.IMPACT, 0, AUTOMATIC),
        (RedAction.DISCOVER_SYSTEMS, N_REAL_ZONES, AUTOMATIC),
        (RedAction.DISCOVER_SYSTEMS, -1, AUTOMATIC),
        (RedAction.EXPLOIT, N_HOSTS, AUTOMATIC),
        (N_RED_ACTIONS, 0, AUTOMATIC),
        (-2, 0, AUTOMATIC),
        (RedAction.DISCOVER_SYSTEMS, 4, 1000),
        (RedAction.DISCOVER_SYSTEMS, 4, -2),
        (RedAction.DISCOVER_SYSTEMS, 4, 1 << 40),
    ],
)
def test_a_choice_that_red_does_not_have_is_refused(wrong: tuple[int, int, int]) -> None:
    env = _env()
    choices = no_choices(N)
    choices[2, 0] = wrong
    before = env.save()
    with pytest.raises(UsageError, match="may not do") as caught:
        env.step(SLEEP, red_choices=choices)
    assert caught.value.field == "red_choices"
    assert (env.state["rng"] == before.states["rng"]).all() and (env.step_count == 0).all()
    choices[2, 0] = (RedAction.DISCOVER_SYSTEMS, 4, AUTOMATIC)  # the contractor network, its own
    choices[2, 1] = wrong  # who is not asked
    env.step(SLEEP, red_choices=choices)


@pytest.mark.parametrize("wrong", [np.zeros((N, N_RED, 2), int), np.zeros((N, N_RED, 3)), "no"])
def test_what_is_no_array_of_choices_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError) as caught:
        _env().step(SLEEP, red_choices=wrong)  # type: ignore[arg-type]
    assert caught.value.field == "red_choices"


def test_batches_with_choices_do_not_depend_on_threads() -> None:
    one, two = (BatchedEnv(8, params=EnvParams(steps=80), threads=threads) for threads in (1, 2))
    actions = np.zeros((8, N_BLUE), dtype=np.int64)
    for env in (one, two):
        env.reset(np.arange(8))
    for _ in range(phases.calls(80)):
        for env in (one, two):
            view = env.red_view()
            usable = view.choices()
            choices = no_choices(8)
            for e, agent in np.argwhere(view.free):
                options = np.argwhere(usable[e, agent])
                if len(options):
                    choices[e, agent, :2] = options[len(options) // 2][::-1]
            env.step(actions, red_choices=choices)
    assert (one.state == two.state).all()
