"""The conditions that a policy is tried under, beside the usual ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from cagexplain.cc4 import agents, conditions, phases, rates
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import ON_SLOT
from cagexplain.cc4.reds import PORTFOLIO, REDS, VARIANTS, RedTable
from cagexplain.common.arrays import Int64Array
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import batches, seed_range
from cagexplain.policies.wrappers.noise import NoisyAlerts
from cagexplain.policies.wrappers.radio import Radio
from cagexplain.policies.wrappers.team import MixedTeam

ATTACKER: Final = "attacker"
"""Group of the strong reds."""
POOL: Final = 8
"""Worlds per episode that the smallest and the largest networks are looked for in."""
_WORLDS_AT_ONCE: Final = 64
_LONG: Final = 2 * phases.DEFAULT_STEPS


@dataclass(frozen=True)
class Condition:
    """What is different.

    Attributes:
        key, group, name: as in `Variation`.
        check, measure: the check that judges it beside the expert, and the key of its number;
            empty if none does.
        params: what is changed of the environment's parameters.
        wrapped: what is done to the policy; such that it can be sent to another process.
        lost: number of the agent that the team has lost; None if it is complete.
    """

    key: str
    group: str
    name: str
    check: str = "ROB-02"
    measure: str = "worst"
    params: Mapping[str, Any] = field(default_factory=dict)
    wrapped: Callable[[Policy], Policy] | None = None
    lost: int | None = None

    @property
    def attacks(self) -> bool:
        """Whether red is a strong one, by which ROB-03 judges."""
        return self.group == ATTACKER

    @property
    def of_senses(self) -> bool:
        """Whether it changes what the policy sees or hears, and not the world or the team."""
        return self.wrapped is not None and self.lost is None


def without(policy: Policy, agent: int) -> Policy:
    """A policy whose team has lost an agent, which sleeps and is silent from the first step on."""
    return MixedTeam(policy, load_policy("sleep"), (agent,))


def _reds() -> tuple[Condition, ...]:
    # VerboseFSRed only prints: it is the usual red.
    return tuple(
        Condition(f"red_{name}", "red", f"{name}: {v.summary}", params={"red": name})
        for name, v in VARIANTS.items()
        if name != "verbose"
    )


def attacker(red: RedTable, check: str = "ROB-02") -> Condition:
    """A strong red. One that was fitted to the policy is not held against the expert, whom it does
    not know: then `check` is empty."""
    name = f"{red.name}: {red.summary}"
    return Condition(f"red_{red.name}", ATTACKER, name, check, params={"red": red})


def _published(name: str) -> Condition:
    """A condition of Kiely et al.: they change parameters of the environment."""
    condition = conditions.CONDITIONS[name]
    return Condition(
        name,
        "red",
        f"{condition.summary} ({condition.published_as}, {conditions.KIELY})",
        params=condition.changes,
    )


CONDITIONS: Final[tuple[Condition, ...]] = (
    Condition(
        "drop_alerts",
        "alerts",
        "a quarter of the alerts is lost",
        wrapped=partial(NoisyAlerts, drop=0.25),
    ),
    Condition(
        "false_alerts",
        "alerts",
        "users raise false alerts three times as often",
        params={"green_false_positive": 3 * rates.GREEN_FALSE_POSITIVE},
    ),
    Condition(
        "invented_alerts",
        "alerts",
        "every host shows each kind of alert for nothing once in 100 steps",
        wrapped=partial(NoisyAlerts, invent=0.01),
    ),
    *_reds(),
    *(attacker(REDS[name]) for name in PORTFOLIO),
    # Other networks are chosen from CC4's worlds, see `networks`.
    *(_published(name) for name in ("fast_red", "hidden_red", "phishing")),
    Condition("long", "length", f"episodes of {_LONG:,} steps", params={"steps": _LONG}),
)
"""What the policy is tried under, beside other networks."""
RADIO: Final = (
    Condition(
        "deaf",
        "team",
        "no agent hears the messages of the others",
        "COO-03",
        "messages",
        wrapped=partial(Radio, messages="lost"),
    ),
    Condition(
        "lied_to",
        "team",
        "every agent hears the opposite of what the others say",
        "COO-03",
        "messages",
        wrapped=partial(Radio, messages="inverted"),
    ),
)
"""What teams are tried under whose agents send messages."""
LOSSES: Final = tuple(
    Condition(
        f"without_{agent}",
        "team",
        f"the team has lost blue agent {agent}",
        "COO-03",
        "member",
        wrapped=partial(without, agent=agent),
        lost=agent,
    )
    for agent in range(agents.N_BLUE)
)
"""The loss of each agent."""


def networks(seeds: Int64Array, params: EnvParams) -> tuple[tuple[Condition, Int64Array], ...]:
    """The smallest and the largest networks of a pool of worlds, as many as there are episodes.

    Args:
        seeds: ``int64[episode]`` of the usual episodes; the pool's come after them.
        params: of the environment.
    """
    pool = seed_range(int(seeds.max()) + 1, POOL * len(seeds))
    sizes = np.concatenate([_sizes(part, params) for part in batches(pool, _WORLDS_AT_ONCE)])
    order = np.argsort(sizes, kind="stable")
    chosen = []
    for key, rows in (("smallest", order[: len(seeds)]), ("largest", order[-len(seeds) :])):
        name = f"the {key} networks: {sizes[rows].min()} to {sizes[rows].max()} defended hosts"
        chosen.append((Condition(f"{key}_networks", "network", name), pool[np.sort(rows)]))
    return tuple(chosen)


def _sizes(seeds: Int64Array, params: EnvParams) -> Int64Array:
    """Number of defended hosts in each world."""
    env = BatchedEnv(len(seeds), params=params, threads=1)
    env.reset(seeds)
    sizes: Int64Array = env.mask[:, ON_SLOT[ActionKind.ANALYSE]].sum(axis=1)
    env.close()
    return sizes
