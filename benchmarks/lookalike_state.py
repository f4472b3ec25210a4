"""Whether the environment that looks like CybORG says what CybORG says, while it is played.

    python -m benchmarks.lookalike_state [--seeds 52] [--every 5] [--policy NAME ...]
                                         [--cyborg-path FOLDER]

Both play the same seeds with the same actions, each policy every other seed, for 25, 50, 100 and
200 steps in turn. Compared, by value, by class and in order:

\b
- after every step: the raw observations of the five agents, rewards, done flags;
- after every fifth step and the last one: the answers to the same question asked again,
  get_true_state of everything (processes with their connections, interfaces, sessions, files,
  users, systems, services), and of every host its events, sessions, services, files, processes
  and the ports that it uses.

The claim is that there is no difference.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks.command import COUNT, benchmark
from cagexplain.cc4 import services
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.envs.lookalike import InProcess, Lookalike, Parts, load_parts
from cagexplain.fidelity.objects import differences
from cagexplain.policies.base import decide
from cagexplain.policies.registry import load_policy

DEPTHS: Final = (25, 50, 100, 200)
FIRST_SEED: Final = 7_000_000
PORTS: Final = (*sorted({int(port) for port in services.PORT}), 21, 4444)
_SHOWN: Final = 20
_EVERYTHING: Final = {
    "Processes": "All",
    "Interfaces": "All",
    "Sessions": "All",
    "Files": "All",
    "User info": "All",
    "System info": "All",
    "Services": ["All"],
}
_HOST: Final[dict[str, Callable[[Any], Any]]] = {
    **{
        name: operator.attrgetter(name)
        for name in ("sessions", "services", "files", "processes", "users", "interfaces")
    },
    "events": lambda host: vars(host.events),
    "is_using_port": lambda host: [host.is_using_port(port) for port in PORTS],
}
"""What is asked of a host."""


@dataclass
class Tally:
    """What was compared, and the differences.

    Attributes:
        observations: raw observations, second answers included.
        states: entries of hosts in true states.
        hosts: hosts whose parts were compared.
        differences: each by its place and both values.
    """

    observations: int = 0
    states: int = 0
    hosts: int = 0
    differences: list[str] = field(default_factory=list)

    def compare(self, ask: Callable[[Any], Any], ours: Any, theirs: Any, where: str) -> None:
        """Ask both the same, and note how the answers differ; a refusal of ours is a difference."""
        expected = ask(theirs)
        try:
            self.differences += differences(ask(ours), expected, where)
        except CagexplainError as error:
            self.differences.append(f"{where}: {error}")


def compare(api: Parts, seed: int, policy: str, steps: int, every: int, tally: Tally) -> None:
    """Play an episode on both and note what differs.

    Args:
        api: parts of CybORG.
        seed: of the episode.
        policy: name of the policy that chooses for all agents.
        steps: of the episode.
        every: steps from one comparison of the states to the next.
        tally: of all episodes.
    """
    engine = BatchedEnv(1, params=EnvParams(steps=steps + 1), threads=1)
    wrapper = api.BlueFixedActionWrapper
    ours = wrapper(Lookalike(api, InProcess(engine, seed), steps + 1))
    theirs = wrapper(_cyborg(api, seed, steps + 1))
    here, there = ours.reset()[0], theirs.reset()[0]
    chooser = load_policy(policy)
    chooser.reset(np.array([seed]))
    for step in range(1, steps + 1):
        chosen = decide(chooser, engine).actions[0]
        actions = {agent: int(chosen[number]) for number, agent in enumerate(BLUE)}
        here, there = (env.step(dict(actions))[:4] for env in (ours, theirs))
        where = f"seed {seed}, {policy}, step {step}: "
        tally.compare(lambda results: results, here, there, where + "step(...)")
        tally.observations += len(BLUE)
        if step % every == 0 or step == steps:
            for agent in BLUE:
                again = operator.methodcaller("get_observation", agent)
                tally.compare(again, ours, theirs, f"{where}{agent}, asked again")
            tally.observations += len(BLUE)
            _compare_states(ours, theirs, where, tally)


def _compare_states(ours: Any, theirs: Any, where: str, tally: Tally) -> None:
    here, there = (env.env.environment_controller.state.hosts for env in (ours, theirs))
    for name, host in there.items():
        ask = operator.methodcaller("get_true_state", {name: _EVERYTHING})
        tally.compare(ask, ours.env, theirs.env, f"{where}true state")
        for part, of in _HOST.items():
            tally.compare(of, here[name], host, f"{where}{name}.{part}")
    tally.states += len(there)
    tally.hosts += len(there)


def _cyborg(api: Parts, seed: int, steps: int) -> Any:
    """A CybORG whose next reset makes the world of the seed."""
    scenario = api.EnterpriseScenarioGenerator(
        blue_agent_class=api.SleepAgent,
        green_agent_class=api.EnterpriseGreenAgent,
        red_agent_class=api.FiniteStateRedAgent,
        steps=steps,
    )
    cyborg = api.CybORG(scenario, seed=0)
    cyborg.set_seed(seed)
    return cyborg


@benchmark(__doc__)
@click.option("--seeds", type=COUNT, default=52, show_default=True, help="Number of episodes.")
@click.option(
    "--every", type=COUNT, default=5, show_default=True, help="Steps between compared states."
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    default=("expert", "random"),
    show_default=True,
    help="Policies that choose; repeat it for more.",
)
@click.option(
    "--cyborg-path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CAGEXPLAIN_CYBORG_PATH",
    help="Folder that holds CybORG.",
)
def command(
    seeds: int, every: int, policies: tuple[str, ...], cyborg_path: Path | None
) -> Sequence[str]:
    """See the module."""
    api = load_parts(cyborg_path)
    tally = Tally()
    for k in range(seeds):
        steps = DEPTHS[k // len(policies) % len(DEPTHS)]
        compare(api, FIRST_SEED + k, policies[k % len(policies)], steps, every, tally)
    click.echo(
        f"{seeds} episodes, {tally.observations:,} raw observations, {tally.states:,} entries of "
        f"true states, parts of {tally.hosts:,} hosts: {len(tally.differences):,} differences"
    )
    for difference in tally.differences[:_SHOWN]:
        click.echo(difference[:500])
    return ["the look-alike says what CybORG says"] if tally.differences else []


if __name__ == "__main__":
    command()
