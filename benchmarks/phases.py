"""What the phases of a step cost: :func:`cagexplain.sim.step.step` with a clock between them."""

import ctypes
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from benchmarks.command import CannotMeasure
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE, N_RED
from cagexplain.cc4.red_views import no_choices
from cagexplain.envs import BatchedEnv
from cagexplain.sim import blue, fsm, green, hosts, observe, red, reward, rng, sessions
from cagexplain.sim.jit import fetch_ahead
from cagexplain.sim.state import OFTEN_USED

PHASES: Final = (
    "fetch the next environment's state ahead",
    "clock, clear events and account",
    "blue and green choose",
    "red digests and chooses",
    "what is due",
    "shuffle (random numbers only)",
    "blue acts",
    "green acts",
    "red acts",
    "hand-over, Monitor, session check",
    "reward",
    "observations",
)

_DEFENDED = BLUE_OF_HOST >= 0
_NO_CHOICES = no_choices(1)[0]
_MONOTONIC = int(time.CLOCK_MONOTONIC)
_clock_gettime: Any = ctypes.CDLL(None).clock_gettime
_clock_gettime.argtypes = [ctypes.c_int, ctypes.c_void_p]
_clock_gettime.restype = ctypes.c_int

_compiled = njit(nogil=True, error_model="numpy")


@_compiled
def _lap(spent: Any, phase: int, clock: Any) -> int:
    """Books the time since the last lap; ``clock`` is a timespec and the last lap."""
    last = clock[2]
    _clock_gettime(_MONOTONIC, clock.ctypes)
    clock[2] = clock[0] * 1_000_000_000 + clock[1]
    if phase >= 0:
        spent[phase] += clock[2] - last
    return phase + 1


@_compiled
def _step_batch(
    states: Any, params: Any, submitted: Any, messages: Any, obs: Any, spent: Any, clock: Any
) -> None:
    prm = params[0]
    for e in range(states.size):
        s = states[e]
        phase = _lap(spent, -1, clock)
        fetch_ahead(states, e + 1, OFTEN_USED)
        phase = _lap(spent, phase, clock)
        while s.phase < 2 and s.step >= prm.phase_end[s.phase]:
            s.phase += 1
            green.update_reach(s)
        reward.clear(s)
        hosts.clear_events(s)
        phase = _lap(spent, phase, clock)
        blue.submit(s, submitted[e])
        green.choose(s)
        phase = _lap(spent, phase, clock)
        fsm.choose(s, prm, _NO_CHOICES)
        phase = _lap(spent, phase, clock)
        sessions.clear_records(s)
        blue.tick(s)
        n_dropped = red.tick(s)
        phase = _lap(spent, phase, clock)
        rng.skip_shuffle(s.rng, N_BLUE + s.n_green + N_RED - n_dropped)
        phase = _lap(spent, phase, clock)
        blue.control_traffic(s)
        blue.act(s)
        phase = _lap(spent, phase, clock)
        green.act(s, prm)
        phase = _lap(spent, phase, clock)
        red.act(s, prm)
        phase = _lap(spent, phase, clock)
        sessions.hand_over(s)
        hosts.monitor(s, _DEFENDED)
        sessions.check(s)
        sessions.learn(s)
        phase = _lap(spent, phase, clock)
        s.step += 1
        s.done = s.step >= prm.steps - 1
        reward.impacts(s)
        s.messages[:, :] = messages[e]
        reward.team(s)
        phase = _lap(spent, phase, clock)
        observe.write(s, obs[e])
        _lap(spent, phase, clock)


@_compiled
def _empty_laps(spent: Any, clock: Any, n: int) -> None:
    _lap(spent, -1, clock)
    for _ in range(n):
        _lap(spent, 0, clock)


@_compiled
def _outputs_between(before: Any, after: Any) -> int:
    """How many 64-bit outputs lie between two states of a generator."""
    n = 0
    while before[0] != after[0] or before[1] != after[1]:
        rng.next_64(before)
        n += 1
    return n


@_compiled
def _draw(generator: Any, n: int) -> Any:
    total = np.uint64(0)
    for _ in range(n):
        total ^= rng.next_64(generator)
    return total


def nanoseconds_of_an_output(n: int = 5_000_000) -> float:
    """Cost of one 64-bit output of the generator; of several measurements, the smallest."""
    generator = rng.seeded(0)
    _draw(generator, 1)
    costs = []
    for _ in range(5):
        started = time.perf_counter_ns()
        _draw(generator, n)
        costs.append((time.perf_counter_ns() - started) / n)
    return min(costs)


@dataclass(frozen=True)
class Profile:
    """Costs of an environment step.

    Attributes:
        microseconds: by phase, in the order of :data:`PHASES`.
        outputs: 64-bit outputs of the generator that a step consumes.
    """

    microseconds: npt.NDArray[np.float64]
    outputs: float


def profile(env: BatchedEnv, actions: npt.NDArray[np.int64]) -> Profile:
    """Plays ``actions`` (``[steps, n, 5]``) from where the environment stands, twice: with the
    clock and without, to see that both do the same.

    Raises:
        CannotMeasure: the phases listed here are no longer those of the engine.
    """
    start = env.save()
    for row in actions:
        env.step(row)
    expected = env.save()

    env.restore(start)
    params, messages = env.params.compiled(), np.zeros((env.n_envs, N_BLUE, 8), dtype=np.int8)
    spent, clock = np.zeros(len(PHASES), dtype=np.int64), np.zeros(3, dtype=np.int64)
    _empty_laps(spent, clock, 100_000)
    lap = spent[0] / 100_000
    for row in actions[:1]:  # compiles
        _step_batch(env.state, params, row, messages, env.obs, spent, clock)
    env.restore(start)
    rows = np.zeros((len(actions), len(PHASES)), dtype=np.int64)
    for row, booked in zip(actions, rows, strict=True):
        _step_batch(env.state, params, row, messages, env.obs, booked, clock)
    if (env.state != expected.states).any() or (env.obs != expected.obs).any():
        raise CannotMeasure("benchmarks/phases.py does not play a step as the engine does")

    # The median of the batch's steps: whatever else runs on the machine interrupts some of them.
    typical = np.median(rows, axis=0) / env.n_envs
    generator = np.ascontiguousarray(start.states["rng"][0])
    outputs = _outputs_between(generator, expected.states["rng"][0]) / len(actions)
    return Profile((typical - lap).clip(0) / 1000, outputs)
