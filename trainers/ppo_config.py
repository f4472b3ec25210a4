"""Settings of the PPO family, its members and presets as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from trainers.config import setting
from trainers.settings import PAPER as COMMON
from trainers.settings import Settings, check_common


@dataclass(frozen=True, kw_only=True)
class PPOConfig(Settings):
    """Settings of IPPO, MAPPO and their variants."""

    critic: str = setting(
        "what critics see: the agent's own inputs ('own'), those of all agents ('central'), or the "
        "latter without repetitions ('compact')",
        choices=("own", "central", "compact"),
    )
    critic_hidden: tuple[int, ...] = setting(
        "widths of the hidden layers of a critic that is not 'own'", low=1, high=8192
    )
    epochs: int = setting("passes over the data per round", low=1, high=100)
    minibatches: int = setting("parts the data is cut into per pass", low=1, high=1024)
    gae_lambda: float = setting("GAE weight per decision", low=0, high=1)
    clip: float = setting("clip range of the probability ratio", low=0.001, high=10)
    entropy: float = setting("weight of the entropy bonus", low=0, high=10)
    advantages: str = setting(
        "normalised over the round per agent, over all agents, per minibatch, or not at all",
        choices=("agent", "team", "minibatch", "none"),
    )
    value: float = setting(
        "weight of the value loss, before its gradient is clipped", low=0, high=100
    )
    value_clip: float | None = setting(
        "clip range of changed values, in normalised units", low=1e-6, high=1e6
    )
    value_huber: float | None = setting(
        "errors beyond this count linearly, in normalised units", low=1e-6, high=1e6
    )
    target_kl: float | None = setting("an agent stops its epochs above this KL", low=0, high=100)
    value_norm: bool = setting("train critics on normalised returns")
    value_norm_decay: float = setting("memory of the return statistics per update", low=0, high=1)


# The study's column for PPO. It is silent on normalisation of advantages and values, and on how
# losses of actor and critic share an optimiser: here each network has its own.
_PAPER: Final = PPOConfig(
    **COMMON,
    adam_eps=1e-5,
    critic="own",
    critic_hidden=(256, 256),
    epochs=10,
    minibatches=1,
    gae_lambda=0.95,
    clip=0.1,
    entropy=0.01,
    advantages="agent",
    value=0.5,
    value_clip=None,
    value_huber=None,
    target_kl=0.02,
    value_norm=True,
    value_norm_decay=0.99,
)
# An alert is shown for one step, so remembering it comes first; a network that treats hosts alike
# learns from each alert for all hosts; and the team's reward says so little about one action that
# only large steps make it heard. One pass over much data then learns more per second than several
# over little (docs/results.md).
_TUNED: Final = replace(
    _PAPER,
    observation="memory",
    network="scores",
    hidden=(64, 32),
    critic_hidden=(128,),
    envs=64,
    epochs=1,
    minibatches=16,
    learning_rate=3e-3,
    clip=0.2,
    entropy=0.002,
    target_kl=None,
)
# Minibatches of recurrent networks are whole episodes: fewer of them keep its products large.
_TUNED_RECURRENT: Final[dict[str, Any]] = {"minibatches": 8}

MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "ippo": {},
    "mappo": {"critic": "central"},
    "c_mappo": {"critic": "compact"},
    "r_ippo": {"core": "lstm"},
    "r_mappo": {"core": "lstm", "critic": "central"},
}
"""What makes each member of the family; all else is the preset's."""


def presets(member: str) -> dict[str, PPOConfig]:
    """The presets of a member of the family."""
    own = MEMBERS[member]
    tuned = replace(_TUNED, **_TUNED_RECURRENT) if "core" in own else _TUNED
    return {"paper": replace(_PAPER, **own), "tuned": replace(tuned, **own)}


def check(settings: PPOConfig) -> None:
    """Refuse combinations that make no sense."""
    check_common(settings)
