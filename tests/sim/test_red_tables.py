"""What the habits of a table do in the engine."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cagexplain.cc4.agents import RED_OF_HOST
from cagexplain.cc4.network import HOST_KIND, SERVER
from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.cc4.reds import REDS, RedTable
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.sim.fsm import OWN_SESSION

N, STEPS = 12, 150
FREE = REDS["finite_state"]


def _mine(red: RedTable, **changes: object) -> RedTable:
    return replace(red, name="mine", **changes)  # type: ignore[arg-type]


def _played(red: RedTable, seed: int = 0) -> Iterator[np.ndarray]:
    """States after each step of episodes in which blue, at random, evicts red now and then."""
    env = BatchedEnv(N, params=EnvParams(steps=STEPS, red=red, phishing=0.1), threads=1)
    env.reset(np.arange(N) + seed)
    draw = np.random.default_rng(seed)
    for _ in range(STEPS - 1):
        env.step(draw.integers(0, 82, (N, 5)))
        yield env.state


def _starts(red: RedTable) -> list[tuple[np.void, int, int, int]]:
    """State, agent, action and host of each action aimed at a host that began, one step later."""
    return [
        (state[e].copy(), agent, int(state[e]["red_started"][agent]), host)
        for state in _played(red)
        for e, agent in zip(*np.nonzero(state["red_started"] > 0), strict=True)
        if (host := int(state[e]["red_start_host"][agent])) >= 0
    ]


def _holds_root(state: np.void, agent: int, host: int) -> bool:
    slots = state["map_slot"][: state["map_n"][agent], agent]
    return any(state["ses"][slot]["host"] == host and state["ses"][slot]["root"] for slot in slots)


def _nothing(action: RedAction) -> dict[State, dict[RedAction, float]]:
    return {state: {action: 1.0} for state in State if state >= State.K}


def test_held_impacts_are_where_red_has_root() -> None:
    loose = FREE.probability.copy()
    for state in (State.KD, State.SD, State.UD):
        loose[state] *= 0.5
        loose[state, RedAction.IMPACT] = 0.5
    shares = {}
    for name, red in (
        ("free", _mine(FREE, probability=loose)),
        ("held", _mine(FREE, impacts="held")),
    ):
        payoffs = [s for s in _starts(red) if s[2] in (RedAction.IMPACT, RedAction.DEGRADE)]
        assert len(payoffs) > 100
        # Blue may have evicted red in the very step, after red's decision: those are few.
        shares[name] = np.mean(
            [_holds_root(state, agent, host) for state, agent, _, host in payoffs]
        )
    assert shares["free"] < 0.8
    assert shares["held"] > 0.97


def test_own_sessions_count_as_footholds() -> None:
    moves = set()
    for state in _played(_mine(FREE, own_sessions=True)):
        for one in state:
            for move in one["transitions"][: one["trans_n"]]:
                if move["cause"] == OWN_SESSION:
                    moves.add((State(move["before"]), State(move["after"])))
                    assert RED_OF_HOST[move["host"]] == move["agent"]
    assert moves <= {
        *((State.K, State.U), (State.S, State.U)),
        *((State.KD, State.UD), (State.SD, State.UD)),
    }
    assert (State.K, State.U) in moves
    for state in _played(FREE):
        assert not (state["transitions"]["cause"] == OWN_SESSION).any()


def test_live_sources_are_live() -> None:
    dead = {}
    for source in ("any", "live"):
        started = [state for state, *_ in _starts(_mine(FREE, source=source))]
        gone = total = 0
        for state in started:
            for agent in np.flatnonzero(state["red_started"] >= 0):
                total += 1
                gone += state["red_start_source"][agent] < 0
        dead[source] = gone / total
    assert dead["any"] > 0.05
    assert dead["live"] < 0.01  # where it has no abstract session at all


def test_an_exploit_comes_from_the_session_that_scanned() -> None:
    failed = {}
    for source in ("any", "live"):
        done = [
            int(one["red_outcome"][agent])
            for state in _played(_mine(REDS["noisy"], source=source))
            for one in state
            for agent in np.flatnonzero(one["red_done"] == RedAction.EXPLOIT)
        ]
        failed[source] = np.mean([outcome != 1 for outcome in done])
    assert failed["live"] < failed["any"]


@pytest.mark.parametrize("weighted", [True, False])
def test_servers_are_preferred_with_and_without_weights(weighted: bool) -> None:
    weights = np.zeros(10)
    weights[State.K :] = 1.0
    shares = []
    for prefer in (False, True):
        red = _mine(FREE, prefer_servers=prefer, state_weight=weights if weighted else None)
        hosts = [host for *_, host in _starts(red)]
        shares.append(np.mean(HOST_KIND[hosts] == SERVER))
    assert shares[1] > shares[0] + 0.03


def test_durations_of_a_table_win() -> None:
    slow = _mine(FREE, durations=(7,) * 9)
    left = {
        int(state["red_left"][e, agent])
        for state in _played(slow)
        for e, agent in zip(*np.nonzero(state["red_started"] >= 0), strict=True)
    }
    assert left == {6}


def test_a_sweeping_red_does_nothing_else() -> None:
    table = np.zeros((10, 9))
    for state, row in _nothing(RedAction.DISCOVER_SYSTEMS).items():
        for action, p in row.items():
            table[state, action] = p
    for state in _played(_mine(FREE, probability=table)):
        assert set(np.unique(state["red_started"])) <= {-1, RedAction.DISCOVER_SYSTEMS}
