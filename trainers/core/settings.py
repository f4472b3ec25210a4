"""Settings that all algorithms have, and the published ones of the study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cagexplain.common.errors import UsageError
from cagexplain.policies.learned import features, messages, networks
from trainers.core import rewards
from trainers.core.config import setting

INTRINSIC: Final = ("none", "ngu")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is common to the settings of all algorithms."""

    observation: str = setting("what the networks see", choices=features.PROFILES)
    network: str = setting("architecture of the agents' networks", choices=networks.KINDS)
    hidden: tuple[int, ...] = setting("widths of their hidden layers", low=1, high=8192)
    core: str = setting(
        "recurrent layer before the output; not for the networks 'hosts' and 'shared'",
        choices=networks.CORES,
    )
    core_size: int = setting("units of the recurrent layer", low=1, high=8192)
    acting: str = setting("how evaluation plays", choices=("sampled", "greedy"))
    messages: str = setting("what agents tell each other in 8 bits", choices=messages.KINDS)
    reward: str = setting("what each agent learns from", choices=rewards.KINDS)
    intrinsic: str = setting("bonus for novelty, in training only", choices=INTRINSIC)
    time_limit: str = setting(
        "whether the end of an episode cuts its future off ('terminal') or hides it ('truncation')",
        choices=("truncation", "terminal"),
    )
    envs: int = setting("episodes played side by side per round", low=1, high=4096)
    gamma: float = setting("discount per environment step", low=0, high=1)
    learning_rate: float = setting("Adam step size", low=1e-8, high=1)
    anneal: bool = setting("lower the step size linearly to zero over the run")
    adam_eps: float = setting("Adam's epsilon", low=1e-12, high=1)
    max_grad_norm: float = setting(
        "clip of the gradient's norm, of what one optimiser moves", low=1e-6, high=1e6
    )
    reward_scale: float = setting("factor on rewards before anything else", low=1e-6, high=1e6)
    ngu_weight: float = setting("NGU: factor on the bonus", low=0, high=1e6)
    ngu_k: int = setting("NGU: nearest neighbours in the episode", low=1, high=500)
    ngu_kernel: float = setting("NGU: epsilon of the kernel", low=1e-9, high=1)
    ngu_cluster: float = setting("NGU: squared distance that counts as zero", low=0, high=10)
    ngu_constant: float = setting("NGU: pseudo-count constant", low=0, high=1)
    ngu_max_similarity: float = setting("NGU: similarity that earns nothing", low=0, high=1e6)
    ngu_max_novelty: float = setting("NGU: L, cap of the life-long modulation", low=1, high=100)
    ngu_hidden: tuple[int, ...] = setting("NGU: widths of its networks", low=1, high=8192)
    ngu_embedding: int = setting("NGU: width of the embedding", low=1, high=1024)
    ngu_rate: float = setting("NGU: Adam step size of its networks", low=1e-8, high=1)
    ngu_decay: float = setting("NGU: factor on that step size per round", low=0.5, high=1)


@dataclass(frozen=True, kw_only=True)
class ReplaySettings(Settings):
    """What methods share that learn from a replay memory and follow with target networks."""

    replay: int = setting("episodes that the memory holds", low=1, high=1e7)
    warmup: int = setting("rounds that are only played, before learning begins", low=0, high=1e6)
    updates: int = setting("updates per round", low=1, high=1e5)
    batch: int = setting("segments per update", low=1, high=1e6)
    target_tau: float = setting(
        "share of the way that target networks go to the learning ones", low=1e-6, high=1
    )
    value_norm: bool = setting("learn values in units of the returns' standard deviation")
    value_norm_decay: float = setting("memory of that per round", low=0, high=1)
    prioritised: bool = setting("prefer segments with large errors to uniform sampling")
    priority_alpha: float = setting("how much priorities matter, 0 not at all", low=0, high=10)
    priority_beta: float = setting(
        "exponent of the importance weights at first; it rises linearly to 1", low=0, high=1
    )


# The study's settings that hold for all its methods, where it gives them; what it gives for a
# family stands in the family's file. It is silent on: ReLU, orthogonal initialisation,
# the size of recurrent layers, the time limit, and all NGU settings but k, the kernel, L, the
# networks and their step size; those are the values of the papers of each method.
PAPER: Final[dict[str, Any]] = {
    "observation": "flat",
    "network": "mlp",
    "hidden": (256, 256),
    "core": "none",
    "core_size": 64,
    "acting": "sampled",
    "messages": "none",
    "reward": "global",
    "intrinsic": "none",
    "time_limit": "truncation",
    "envs": 10,
    "gamma": 0.99,
    "learning_rate": 2.5e-4,
    "anneal": True,
    "max_grad_norm": 0.5,
    "reward_scale": 1.0,
    "ngu_weight": 0.3,
    "ngu_k": 30,
    "ngu_kernel": 1e-3,
    "ngu_cluster": 0.008,
    "ngu_constant": 1e-3,
    "ngu_max_similarity": 8.0,
    "ngu_max_novelty": 5.0,
    "ngu_hidden": (256, 256),
    "ngu_embedding": 32,
    "ngu_rate": 1e-4,
    "ngu_decay": 0.999,
}


def check_common(settings: Settings) -> None:
    """Refuse combinations that no algorithm can train; UsageError gives the reason."""
    if settings.core != "none" and settings.network in ("hosts", "shared"):
        raise UsageError(
            f"a recurrent layer ('{settings.core}') has no place in the network "
            f"'{settings.network}'",
            field="core",
            remedy="Choose --set network=mlp or --set network=scores, or --set core=none",
        )
    if settings.network == "hosts" and len(settings.hidden) != 1:
        raise UsageError(
            f"the network 'hosts' has one width, not {len(settings.hidden)}",
            field="hidden",
            remedy="Give a single number, or choose the network 'mlp'",
        )


def check_replay(settings: ReplaySettings) -> None:
    """Refuse a memory that does not hold a round, and weights that agents share; UsageError."""
    if settings.network == "shared":
        raise UsageError(
            "here every agent learns by itself, and in the network 'shared' all have the same "
            "weights",
            field="network",
            remedy="Choose --set network=scores, or a method of the PPO family",
        )
    if settings.replay < settings.envs:
        raise UsageError(
            f"a round's {settings.envs} episodes do not fit into a memory of {settings.replay}",
            field="replay",
            remedy=f"Give at least --set replay={settings.envs}, or fewer --set envs",
        )
