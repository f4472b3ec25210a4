"""Settings of the QMIX family, its members and presets as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from cagexplain.common.errors import UsageError
from trainers import mixing
from trainers.config import setting
from trainers.exploration import KINDS, SCHEDULES
from trainers.settings import PAPER as COMMON
from trainers.settings import Settings, check_common


@dataclass(frozen=True, kw_only=True)
class QMIXConfig(Settings):
    """Settings of VDN, QMIX and their variants."""

    mixer: str = setting(
        "how the agents' values make the team's: their sum, or a monotonic network of them",
        choices=mixing.KINDS,
    )
    mixer_embed: int = setting("units of the mixing network", low=1, high=4096)
    mixer_hyper: int = setting("hidden units of the networks that weight it", low=1, high=4096)
    exploration: str = setting(
        "the best action but for a share epsilon of decisions, or softmax at a temperature",
        choices=tuple(KINDS),
    )
    explore_start: float = setting(
        "epsilon or temperature at first; temperatures in units of the networks' outputs",
        low=1e-6,
        high=1e6,
    )
    explore_end: float = setting("epsilon or temperature in the end", low=1e-6, high=1e6)
    explore_share: float = setting("share of the run between the two", low=1e-6, high=1)
    explore_schedule: str = setting("way from one to the other", choices=tuple(SCHEDULES))
    replay: int = setting("episodes that the memory holds", low=1, high=1e7)
    prioritised: bool = setting("prefer segments with large errors to uniform sampling")
    priority_new: str = setting(
        "priority of new segments: the highest that there is, or their own error",
        choices=("highest", "error"),
    )
    priority_alpha: float = setting("how much priorities matter, 0 not at all", low=0, high=10)
    priority_beta: float = setting(
        "exponent of the importance weights at first; it rises linearly to 1", low=0, high=1
    )
    warmup: int = setting("rounds that are only played, before learning begins", low=0, high=1e6)
    updates: int = setting("updates per round", low=1, high=1e5)
    batch: int = setting("segments per update", low=1, high=1e6)
    segment: int | None = setting("steps of a segment; none takes whole episodes", low=1, high=499)
    stride: int = setting("steps from the start of a segment to the next one's", low=1, high=499)
    burn_in: int = setting(
        "steps before a segment that only fill the memory of recurrent networks", low=0, high=498
    )
    progress: bool = setting(
        "in learning, networks and mixer see who is busy and for how long already"
    )
    td_lambda: float = setting("weight of longer returns within a segment", low=0, high=1)
    double_q: bool = setting("choose the next action by the learning network, not the target")
    target_every: int = setting("updates between those of the target networks", low=1, high=1e6)
    target_tau: float = setting(
        "share of the way that they go to the learning ones", low=1e-6, high=1
    )
    huber: float | None = setting(
        "errors beyond this count linearly, in units of the outputs; none squares all",
        low=1e-6,
        high=1e6,
    )
    value_norm: bool = setting("learn values in units of the returns' standard deviation")
    value_norm_decay: float = setting("memory of that per round", low=0, high=1)


# The study's column for QMIX. Its target networks move every 10 updates, which come every 10
# episodes, as those of its other methods do: that is every 10 rounds here. Read as every 10 steps
# of Adam, the values run away (docs/training.md, "What the presets are").
# It is silent on: Adam's epsilon (its 1e-5 is PPO's; here PyTorch's own), the mixer, the size of
# the memory and, for r_qmix, 32 whole episodes per update and one update per episode played (those
# are pymarl's, by the authors of QMIX); double Q-learning and one-step targets (the same); alpha
# and beta (Schaul et al. 2016); how long epsilon falls, temperatures, and normalisation of values
# (ours: rewards of hundreds would else outweigh the clip of the gradient). Here a feed-forward
# member's update takes 1,024 single steps, 40 times per round, so every step is learned from about
# 8 times, as in DQN (Mnih et al. 2015).
_PAPER: Final = QMIXConfig(
    **COMMON
    | {
        "hidden": (256,),
        "acting": "greedy",
        "anneal": False,
    },
    adam_eps=1e-8,
    mixer="monotonic",
    mixer_embed=32,
    mixer_hyper=64,
    exploration="epsilon",
    explore_start=1.0,
    explore_end=0.01,
    explore_share=0.5,
    explore_schedule="exponential",
    replay=5000,
    prioritised=False,
    priority_new="highest",
    priority_alpha=0.6,
    priority_beta=0.4,
    warmup=1,
    updates=40,
    batch=1024,
    segment=1,
    stride=1,
    burn_in=0,
    progress=False,
    td_lambda=0.0,
    double_q=True,
    target_every=400,
    target_tau=1.0,
    huber=1.0,
    value_norm=True,
    value_norm_decay=0.99,
)
_PAPER_RECURRENT: Final[dict[str, Any]] = {
    "segment": None,
    "batch": 32,
    "updates": 10,
    "target_every": 100,
}
# See the PPO family for what agents should see. Longer returns carry the consequences of an action
# over the steps that it takes.
_TUNED: Final = replace(
    _PAPER,
    observation="memory",
    network="scores",
    hidden=(64, 32),
    envs=16,
    learning_rate=1e-3,
    max_grad_norm=10.0,
    explore_start=0.5,
    explore_end=0.02,
    explore_share=0.25,
    replay=1000,
    updates=80,
    batch=128,
    segment=8,
    td_lambda=0.8,
    target_every=1,
    target_tau=0.01,
)
_TUNED_RECURRENT: Final[dict[str, Any]] = {"segment": None, "batch": 16, "updates": 8}
# Actions differ in value by hundredths of the returns' deviation, so hotter is aimless.
_TUNED_BOLTZMANN: Final[dict[str, Any]] = {
    "explore_start": 0.1,
    "explore_end": 0.002,
}

MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "vdn": {"mixer": "sum"},
    "qmix": {},
    "b_qmix": {"exploration": "boltzmann"},
    "per_qmix": {"prioritised": True},
    "r_qmix": {"core": "gru"},
}
"""What makes each member of the family; all else is the preset's."""


def presets(member: str) -> dict[str, QMIXConfig]:
    """The presets of a member of the family."""
    own = MEMBERS[member]
    paper = replace(_PAPER, **_PAPER_RECURRENT) if "core" in own else _PAPER
    tuned = replace(_TUNED, **_TUNED_RECURRENT) if "core" in own else _TUNED
    if "exploration" in own:
        tuned = replace(tuned, **_TUNED_BOLTZMANN)
    return {"paper": replace(paper, **own), "tuned": replace(tuned, **own)}


def check(settings: QMIXConfig) -> None:
    """Refuse combinations that make no sense; UsageError gives the reason."""
    check_common(settings)
    if settings.reward != "global":
        raise UsageError(
            "the agents' values are mixed into one value of the team, so there is one reward to "
            f"learn from, and '{settings.reward}' rewards differ between agents",
            field="reward",
            remedy="Choose --reward global, or an algorithm with a critic per agent (ippo, maddpg)",
        )
    if settings.acting != "greedy":
        raise UsageError(
            "the networks value actions: there are no probabilities to draw from",
            field="acting",
            remedy="Choose --set acting=greedy",
        )
    if settings.exploration == "epsilon" and max(settings.explore_start, settings.explore_end) > 1:
        raise UsageError(
            "epsilon is a share of decisions and cannot be above 1",
            field="explore_start" if settings.explore_start > 1 else "explore_end",
            remedy="Give a value from 0 to 1, or --set exploration=boltzmann for a temperature",
        )
    if settings.core != "none" and settings.segment is not None and not settings.burn_in:
        raise UsageError(
            "recurrent networks remember what came before, so a segment of "
            f"{settings.segment} steps needs a burn-in",
            field="burn_in",
            remedy="Choose --set burn_in=20, or --set segment=none for whole episodes",
        )
    if settings.burn_in and (settings.core == "none" or settings.segment is None):
        raise UsageError(
            "a burn-in fills the memory of recurrent networks before a segment, and here are no "
            + ("segments" if settings.segment is None else "recurrent networks"),
            field="burn_in",
            remedy="Choose --set burn_in=0",
        )
    if settings.stride > (settings.segment or 1):
        raise UsageError(
            f"steps between segments would never be learned from: {settings.stride} steps from "
            f"start to start, but segments of {settings.segment or 'whole episodes'}",
            field="stride",
            remedy="Give at most as many as --set segment",
        )
    if settings.progress and settings.network == "hosts":
        raise UsageError(
            "the network 'hosts' has no place for how long an action has been in progress",
            field="progress",
            remedy="Choose --set network=mlp or scores, or --set progress=false",
        )
    if settings.td_lambda > 0 and settings.segment == 1:
        raise UsageError(
            "a segment of one step has no longer returns to weight",
            field="td_lambda",
            remedy="Choose --set td_lambda=0, or longer segments",
        )
    if settings.replay < settings.envs:
        raise UsageError(
            f"a round's {settings.envs} episodes do not fit into a memory of {settings.replay}",
            field="replay",
            remedy=f"Give at least --set replay={settings.envs}",
        )
