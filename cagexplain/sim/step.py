"""One step of CC4 on a single screen, and the entry points that run it over a batch."""

from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE, N_RED
from cagexplain.sim import blue, fsm, green, hosts, observe, red, reward, rng, sessions, world
from cagexplain.sim.jit import entry, jit
from cagexplain.sim.types import Array, Batch, Record

_DEFENDED = BLUE_OF_HOST >= 0


@jit
def step(s: Record, prm: Record, submitted: Array, messages: Array) -> int:
    """Plays one step; returns the team reward."""
    # Phase: decided before anybody chooses.
    while s.phase < 2 and s.step >= prm.phase_end[s.phase]:
        s.phase += 1
        green.update_reach(s)
    reward.clear(s)
    hosts.clear_events(s)

    # Choice: blue, green, red. Red digests its last observation here.
    blue.submit(s, submitted)
    green.choose(s)
    fsm.choose(s, prm)
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
def step_batch(
    states: Batch,
    params: Batch,
    submitted: Array,
    messages: Array,
    rewards: Array,
    obs: Array,
    first: int,
    last: int,
) -> None:
    """Steps environments first..last-1 and writes their rewards and observations."""
    for e in range(first, last):
        rewards[e] = step(states[e], params[0], submitted[e], messages[e])
        observe.write(states[e], obs[e])


@entry
def reset_batch(
    states: Batch,
    blank: Batch,
    chosen: Array,
    n_worlds: int,
    obs: Array,
    mask: Array,
    first: int,
    last: int,
) -> None:
    """Makes new worlds in the chosen ones among environments first..last-1, each from its own
    generator; all but the last of ``n_worlds`` worlds are thrown away."""
    for e in range(first, last):
        if not chosen[e]:
            continue
        generator = states[e].rng.copy()
        for _ in range(n_worlds):
            states[e] = blank[0]
            states[e].rng[:] = generator
            world.generate(states[e])
            generator[:] = states[e].rng
        observe.write_mask(states[e], mask[e])
        observe.write(states[e], obs[e])
