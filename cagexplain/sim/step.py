"""One step of CC4 on a single screen, and the entry points that run it over a batch."""

from enum import IntEnum

import numpy as np

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE, N_RED
from cagexplain.sim import blue, fsm, green, hosts, observe, red, reward, rng, sessions, world
from cagexplain.sim.jit import entry, fetch_ahead, jit
from cagexplain.sim.state import OFTEN_USED
from cagexplain.sim.types import Array, Batch, Record


class Refusal(IntEnum):
    """Why a step cannot be played."""

    NONE = 0
    ACTION = 1
    OVER = 2
    RED_CHOICE = 3


_NOTHING, _ACTION, _OVER = int(Refusal.NONE), int(Refusal.ACTION), int(Refusal.OVER)
_RED_CHOICE = int(Refusal.RED_CHOICE)
_SIZES, _ALL_SIZES = np.array(actions.SIZES), np.array(actions.ALL_SIZES)
_FIRST_EXTRA = actions.FIRST_EXTRA
_DEFENDED = BLUE_OF_HOST >= 0


@jit
def step(s: Record, prm: Record, submitted: Array, messages: Array, red_choices: Array) -> float:
    """Plays a step of submitted ``int64[5]``, messages ``int8[5, 8]`` and what is chosen for red,
    ``int64[6, 3]`` (see `fsm.choose`); returns the team reward."""
    # Phase: decided before anybody chooses.
    while s.phase < 2 and s.step >= prm.phase_end[s.phase]:
        s.phase += 1
        green.update_reach(s)
    reward.clear(s)
    hosts.clear_events(s)

    # Choice: blue, green, red. Red digests its last observation here.
    blue.submit(s, submitted)
    green.choose(s)
    fsm.choose(s, prm, red_choices)
    sessions.clear_records(s)

    # What is due in this step? One shuffle of all actions is drawn; it changes nothing.
    blue.tick(s)
    n_dropped = red.tick(s)
    rng.skip_shuffle(s.rng, N_BLUE + s.n_green + N_RED - n_dropped)

    # Execution: traffic control, then blue, green, red.
    blue.control_traffic(s)
    blue.act(s)
    green.act(s, prm)
    red.act(s, prm)

    # End of the turn.
    sessions.hand_over(s)
    hosts.monitor(s, _DEFENDED)
    sessions.check(s)
    sessions.learn(s)
    s.step += 1
    s.done = s.step >= prm.steps - 1
    reward.impacts(s)
    s.messages[:, :] = messages
    return reward.team(s)


@entry
def check_batch(states: Batch, params: Batch, submitted: Array) -> int:
    """The :class:`Refusal` of a step of all environments, before any of them is changed.

    ``submitted`` is ``int64[n, 5]``. All of ``params`` have the same length of an episode.
    """
    for e in range(states.size):
        for agent in range(N_BLUE):
            action = submitted[e, agent]
            behind = _FIRST_EXTRA <= action < _ALL_SIZES[agent]
            if not (0 <= action < _SIZES[agent] or behind):
                return _ACTION
        if states[e].step >= params[0].steps - 1:
            return _OVER
    return _NOTHING


@entry
def check_red_choices(states: Batch, params: Batch, which: Array, choices: Array) -> int:
    """The :class:`Refusal` of what is chosen for red's agents. Those that are busy or inactive
    choose nothing.

    Args:
        states, params, which: ``int64[n]`` the record of parameters of each environment.
        choices: ``int64[n, 6, 3]``.
    """
    for e in range(states.size):
        s = states[e]
        fsm.digest(s, params[which[e]])
        for agent in range(N_RED):
            chooses = s.red_active[agent] and s.red_action[agent] < 0
            if chooses and not fsm.may(s, agent, choices[e, agent]):
                return _RED_CHOICE
    return _NOTHING


@entry
def step_batch(
    states: Batch,
    params: Batch,
    which: Array,
    submitted: Array,
    messages: Array,
    red_choices: Array,
    rewards: Array,
    obs: Array,
    outgrown: Array,
    first: int,
    last: int,
) -> None:
    """Steps environments first..last-1 and writes their rewards, their observations and the
    capacities they outgrew.

    Of n environments: which of the parameters ``int64[n]``, submitted ``int64[n, 5]``, messages
    ``int8[n, 5, 8]``, red_choices ``int64[n, 6, 3]``; written are rewards ``[n]``, obs
    ``int8[n, 578]``, outgrown ``[n]``.
    """
    for e in range(first, last):
        fetch_ahead(states, e + 1, OFTEN_USED)
        rewards[e] = step(states[e], params[which[e]], submitted[e], messages[e], red_choices[e])
        observe.write(states[e], obs[e])
        outgrown[e] = states[e].error


@entry
def reset_batch(
    states: Batch,
    params: Batch,
    which: Array,
    blank: Batch,
    chosen: Array,
    n_worlds: int,
    obs: Array,
    mask: Array,
    first: int,
    last: int,
) -> None:
    """Makes new worlds in the chosen ones among environments first..last-1, each from its own
    generator; all but the last of ``n_worlds`` worlds are thrown away.

    Of n environments: which of the parameters ``int64[n]``, chosen ``bool[n]``; written are obs
    ``int8[n, 578]`` and mask ``bool[n, 570]``.
    """
    for e in range(first, last):
        if not chosen[e]:
            continue
        generator = states[e].rng.copy()
        for _ in range(n_worlds):
            states[e] = blank[0]
            states[e].rng[:] = generator
            world.generate(states[e], params[which[e]])
            generator[:] = states[e].rng
        observe.write_mask(states[e], mask[e])
        observe.write(states[e], obs[e])
