"""Settings of the MADDPG family, its members and presets as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from cagexplain.common.errors import UsageError
from trainers.config import setting
from trainers.gumbel import ESTIMATORS
from trainers.settings import PAPER as COMMON
from trainers.settings import Settings, check_common


@dataclass(frozen=True, kw_only=True)
class MADDPGConfig(Settings):
    """Settings of MADDPG and its variant with prioritised replay."""

    critic_hidden: tuple[int, ...] = setting(
        "widths of the critics' hidden layers", low=1, high=8192
    )
    replay: int = setting("episodes remembered", low=1, high=1_000_000)
    warmup: int = setting("rounds played before learning starts", low=0, high=10_000)
    updates: int = setting("updates per round", low=1, high=100_000)
    batch: int = setting("steps per update", low=1, high=1_000_000)
    target_tau: float = setting("part of the way that targets go per update", low=1e-6, high=1)
    estimator: str = setting(
        "of the gradient through a sampled action, see trainers/gumbel.py",
        choices=tuple(ESTIMATORS),
    )
    gumbel_temperature: float = setting("of the softmax in it", low=1e-3, high=100)
    others: str = setting(
        "whether an agent improves its action beside those the others took ('replayed') or would "
        "now take ('current')",
        choices=("replayed", "current"),
    )
    regulariser: float = setting("weight of the mean squared logit", low=0, high=100)
    value_norm: bool = setting("learn returns in units of their spread, from their mean")
    value_norm_decay: float = setting("memory of these statistics per round", low=0, high=1)
    prioritised: bool = setting("draw steps in proportion to their TD errors")
    priority_alpha: float = setting("how much priorities matter, 0 not at all", low=0, high=10)
    priority_beta: float = setting(
        "exponent of the importance weights at first; it rises linearly to 1", low=0, high=1
    )


# The study's column for MADDPG. It is silent on Adam's epsilon (its 1e-5 is PPO's; here PyTorch's
# own), on what follows the regulariser, and on replay, batch and number of updates: these
# are the ones of Lowe et al. 2017 (a million steps remembered, an update on 1,024 of them every 100
# steps), and of Schaul et al. 2016 for the priorities.
_PAPER: Final = MADDPGConfig(
    **COMMON | {"anneal": False},
    adam_eps=1e-8,
    critic_hidden=(256, 256),
    replay=2000,
    warmup=2,
    updates=50,
    batch=1024,
    target_tau=0.01,
    estimator="straight_through",
    gumbel_temperature=1.0,
    others="replayed",
    regulariser=1e-3,
    value_norm=True,
    value_norm_decay=0.99,
    prioritised=False,
    priority_alpha=0.6,
    priority_beta=0.4,
)
# See the PPO family for what agents should see. Values start at the mean return, so the critics
# need few updates to tell actions apart; until then, the regulariser keeps policies from settling.
_TUNED: Final = replace(
    _PAPER,
    observation="memory",
    network="scores",
    hidden=(64, 32),
    critic_hidden=(64,),
    envs=16,
    learning_rate=1e-3,
    replay=1000,
    warmup=3,
    updates=120,
    batch=256,
    regulariser=1e-2,
)

MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "maddpg": {},
    "per_maddpg": {"prioritised": True},
}
"""What makes each member of the family; all else is the preset's."""


def presets(member: str) -> dict[str, MADDPGConfig]:
    """The presets of a member of the family."""
    own = MEMBERS[member]
    return {"paper": replace(_PAPER, **own), "tuned": replace(_TUNED, **own)}


def check(settings: MADDPGConfig) -> None:
    """Refuse combinations that make no sense; UsageError gives the reason."""
    check_common(settings)
    if settings.core != "none":
        raise UsageError(
            "MADDPG learns from single steps out of the middle of episodes, where nobody knows "
            f"what a recurrent layer ('{settings.core}') would remember",
            field="core",
            remedy="Choose --set core=none, or the observation 'memory'",
        )
    if settings.replay < settings.envs:
        raise UsageError(
            f"a round of {settings.envs} episodes does not fit into a memory of {settings.replay}",
            field="replay",
            remedy=f"Give at least --set replay={settings.envs}, or fewer --set envs",
        )
