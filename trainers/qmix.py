"""Value decomposition for teams: VDN (Sunehag et al. 2018), QMIX (Rashid et al. 2018), variants.

Every agent values its own actions from its own inputs. A mixer makes the value of the joint action
from those of the actions chosen, so that the team's reward can teach all agents at once. The
variants differ in settings alone: the mixer (vdn), exploration by temperature (b_qmix), prioritised
replay (per_qmix), networks that remember the episode (r_qmix). Read `QMIX.round` first: one round
of play and learning. How busy agents are dealt with is told in `trainers.core.replay`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.features import GROUPS
from cagexplain.policies.learned.networks import Layers, Recurrent, Stack
from trainers import exploration, mixing
from trainers.core.buffers import Rollout
from trainers.core.clock import Clock
from trainers.core.config import setting
from trainers.core.health import check_finite
from trainers.core.memory import Memory
from trainers.core.norm import ValueNorm
from trainers.core.player import Player
from trainers.core.replay import Segments, Windows
from trainers.core.returns import lambda_returns
from trainers.core.rewards import OF_THE_TEAM
from trainers.core.settings import PAPER as COMMON
from trainers.core.settings import ReplaySettings, check_common, check_replay
from trainers.core.trainable import adam, follow
from trainers.exploration import KINDS, SCHEDULES


@dataclass(frozen=True, kw_only=True)
class QMIXConfig(ReplaySettings):
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
    priority_new: str = setting(
        "priority of new segments: the highest that there is, or their own error",
        choices=("highest", "error"),
    )
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
    huber: float | None = setting(
        "errors beyond this count linearly, in units of the outputs; none squares all",
        low=1e-6,
        high=1e6,
    )


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
    batch=32,
    segment=32,
    stride=16,
    td_lambda=0.8,
    target_every=1,
    target_tau=0.01,
)
# Stretches with a burn-in (R2D2) give twelve times the updates of whole episodes; there, and only
# there, knowing who is busy helped (docs/results.md, "What the presets rest on").
_TUNED_RECURRENT: Final[dict[str, Any]] = {
    "segment": 16,
    "burn_in": 16,
    "stride": 8,
    "updates": 40,
    "progress": True,
}
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
_TUNED_MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "b_qmix": _TUNED_BOLTZMANN,
    # As in R2D2: at the highest priority, new segments would be drawn first, whatever they teach.
    "per_qmix": {"priority_new": "error"},
    "r_qmix": _TUNED_RECURRENT,
}
"""What else the preset `tuned` has for a member."""


def presets(member: str) -> dict[str, QMIXConfig]:
    """The presets of a member of the family."""
    settings = MEMBERS[member]
    paper = replace(_PAPER, **_PAPER_RECURRENT) if "core" in settings else _PAPER
    tuned = replace(_TUNED, **_TUNED_MEMBERS.get(member, {}))
    return {"paper": replace(paper, **settings), "tuned": replace(tuned, **settings)}


def check(settings: QMIXConfig) -> None:
    """Refuse combinations that make no sense; UsageError gives the reason."""
    check_common(settings)
    if settings.reward not in OF_THE_TEAM:
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
    check_replay(settings)


_PROGRESS: Final = 4
"""Inputs that tell for how many steps an action has been in progress: 1, 2, 3, or more (CC4's
longest action takes 5, so 4 is the most)."""


class QMIX:
    """The learner of the QMIX family.

    Args:
        settings: of the run.
        seed: of the run.
        threads: has no effect: one loss joins all networks, and PyTorch's own threads do not pay
            at this size.
        device: of the networks, "cpu" or "cuda".

    Raises:
        UsageError: the replay memory would not fit.
    """

    def __init__(self, settings: QMIXConfig, seed: int, threads: int, device: str = "cpu") -> None:
        self.config, self.seed, self.device = settings, seed, device
        self.player = Player(settings, seed)
        alpha = settings.priority_alpha if settings.prioritised else None
        windows = Windows(settings.segment, settings.burn_in, settings.stride)
        self.memory = Memory(settings.observation, settings.replay, windows, alpha, device)
        config, extra = vars(settings), _PROGRESS if settings.progress else 0
        with torch.device(device):
            self.value_stacks = networks.build_actors(config, extra)
            self.target_actors = networks.build_actors(config, extra)
            self.mixer = mixing.build(config, extra)
            self.target_mixer = mixing.build(config, extra)
            # Who decides is not busy, so acting needs nothing of what tells about busy agents.
            self.actor_stacks = networks.without_extra(self.value_stacks, config)
        generator = torch.Generator().manual_seed(seed)
        for stack in self.value_stacks:
            stack.initialise(generator, 0.01)  # a larger spread would overrate the best action
        self.mixer.initialise(generator)
        self.stacks = [*self.value_stacks, *self.mixer.stacks]
        self.targets = [*self.target_actors, *self.target_mixer.stacks]
        networks.restore(self.targets, networks.stored(self.stacks))
        self.live: list[Layers] = [
            [(nn.Parameter(w), nn.Parameter(b)) for w, b in stack.layers] for stack in self.stacks
        ]
        self.parameters = [p for layers in self.live for layer in layers for p in layer]
        self.optimiser = adam(self.parameters, settings.adam_eps)
        self.norm = ValueNorm(settings.value_norm_decay)
        self.updates = 0

    def round(
        self, env: BatchedEnv, seeds: npt.NDArray[np.int64], number: int, of: int, clock: Clock
    ) -> dict[str, float]:
        """Play one episode per environment, learn from the replay memory, and report.

        Args:
            env: `settings.envs` environments.
            seeds: (envs,) of the episodes.
            number: of this round, from 0; decides, with the seed, all random numbers of the round.
            of: number of rounds of the whole run, for the annealing.
        """
        cfg, rng = self.config, np.random.default_rng([self.seed, number])
        progress = min(1.0, number / of / cfg.explore_share)
        schedule = exploration.SCHEDULES[cfg.explore_schedule]
        explore = schedule(cfg.explore_start, cfg.explore_end, progress)
        chooses = exploration.KINDS[cfg.exploration](explore)
        rollout = self.player.play(env, seeds, self.actor_stacks, chooses, rng, clock)
        metrics = self.player.seek_novelty(rollout, number, rng, clock)
        metrics["gradient_steps"] = 0.0
        with clock("update"):
            self._remember(rollout)
            if number >= cfg.warmup:
                rate = cfg.learning_rate * (1 - number / of if cfg.anneal else 1)
                beta = cfg.priority_beta + (1 - cfg.priority_beta) * number / of
                reports = [self._update(rate, beta, rng) for _ in range(cfg.updates)]
                metrics["gradient_steps"] = float(cfg.updates)
                metrics |= {k: float(np.mean([r[k] for r in reports])) for k in reports[0]}
        return metrics | {
            "epsilon" if cfg.exploration == "epsilon" else "temperature": explore,
            "replay_fill": self.memory.fill,
            "return": float(rollout.official_returns().mean()),
        }

    def _remember(self, rollout: Rollout) -> None:
        """Store the episodes, and move the unit of values along with the returns."""
        cfg = self.config
        new = self.memory.add(rollout)
        if cfg.value_norm:
            reward = cfg.reward_scale * torch.from_numpy(rollout.reward).mean(-1)
            self.norm.update(lambda_returns(reward, torch.zeros_like(reward), cfg.gamma, 1.0))
        if cfg.prioritised and cfg.priority_new == "error":
            with torch.no_grad():
                for start in range(0, len(new), cfg.batch):
                    units = new[start : start + cfg.batch]
                    segments = self.memory.replay.segments(units)
                    value, target = self._values(segments)
                    self.memory.correct(units, value - target, segments.learned)

    def _update(self, rate: float, beta: float, rng: np.random.Generator) -> dict[str, float]:
        """One step down the gradient of the loss on a batch of segments."""
        cfg = self.config
        units, segments, weight = self.memory.draw(cfg.batch, beta, rng)
        value, target = self._values(segments)
        error = value - target
        if cfg.huber is None:
            size = 0.5 * error.square()
        else:
            size = F.huber_loss(value, target, reduction="none", delta=cfg.huber)
        learned = segments.learned
        loss = (weight * (size * learned).sum(0) / learned.sum(0)).mean()
        check_finite("loss", float(loss.detach()))  # before it reaches weights and priorities
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, cfg.max_grad_norm)
        self.optimiser.step()
        self.updates += 1
        if self.updates % cfg.target_every == 0:
            follow(self.targets, self.live, cfg.target_tau)
        error, value = error.detach(), value.detach()
        self.memory.correct(units, error, learned)
        return {
            "loss": float(loss.detach()),
            "td_error": float(error[learned].abs().mean()),
            "q_mean": float(value[learned].mean()),
            "q_std": float(value[learned].std(correction=0)),
            "grad_norm": float(norm),
        }

    def _values(self, segments: Segments) -> tuple[Tensor, Tensor]:
        """Value of the joint action of each step and what it should be, both (L, B).

        Double Q-learning (van Hasselt et al. 2016): the learning network says which of the
        available actions is best next, the target network what it is worth. Both networks are
        unrolled from the start, so a recurrent target remembers the first step, too.
        """
        cfg, chosen, following = self.config, [], []
        by_group, state = (
            _with_progress(segments) if cfg.progress else (segments.inputs, segments.state)
        )
        for g, (group, inputs) in enumerate(zip(GROUPS, by_group, strict=True)):
            members = slice(group[0], group[-1] + 1)
            available = segments.available[g][1:]
            action = segments.action[..., members].transpose(1, 2).unsqueeze(-1)
            net, target = self.value_stacks[g], self.target_actors[g]
            recurrent = isinstance(net.network, Recurrent)
            q = unroll(net, self.live[g], inputs if recurrent else inputs[:-1])
            chosen.append(q[: len(action)].gather(-1, action).squeeze(-1))
            with torch.no_grad():
                onward_inputs = inputs if recurrent else inputs[1:]
                target_q = unroll(target, target.layers, onward_inputs)[-len(available) :]
                judged = target_q
                if cfg.double_q:
                    # Nothing is learned at the last moment, which spares it the gradient.
                    last = [] if recurrent else [unroll(net, self.live[g], inputs[-1:])]
                    judged = torch.cat([q[1:], *last])
                best = (judged + available).argmax(-1, keepdim=True)
                following.append(target_q.gather(-1, best).squeeze(-1))
        mixers = self.live[len(GROUPS) :]
        value = self.mixer(mixers, torch.cat(chosen, 1).transpose(1, 2), state[:-1])
        with torch.no_grad():
            target_layers = [stack.layers for stack in self.target_mixer.stacks]
            onward = torch.cat(following, 1).transpose(1, 2)
            onward = self.target_mixer(target_layers, onward, state[1:])
            if cfg.time_limit == "terminal":
                onward = onward.masked_fill(segments.last, 0.0)
            # Before its first update, and without normalisation, the deviation is 1.
            reward = segments.reward.mean(-1) * (cfg.reward_scale / self.norm.std)
            return value, lambda_returns(reward, onward, cfg.gamma, cfg.td_lambda)

    def weights(self) -> dict[str, Any]:
        """What acting needs."""
        return {"actors": networks.stored(self.actor_stacks), "outputs": "values"}

    def state(self) -> dict[str, Any]:
        """Everything that learning changes; random numbers follow from seed and round number."""
        return {
            "networks": networks.stored(self.stacks),
            "targets": networks.stored(self.targets),
            "optimiser": self.optimiser.state_dict(),
            "norm": self.norm.state(),
            "updates": self.updates,
            "memory": self.memory.state(),
            "player": self.player.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        networks.restore(self.stacks, state["networks"])
        networks.restore(self.targets, state["targets"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.norm.load(state["norm"])
        self.updates = state["updates"]
        if "memory" in state:  # not in those of finished runs
            self.memory.load(state["memory"])
        self.player.load(state["player"])


def _with_progress(segments: Segments) -> tuple[list[Tensor], Tensor]:
    """What the networks of each group and the mixer see, with who is busy and for how long."""
    most = torch.arange(1, _PROGRESS + 1, device=segments.elapsed.device)
    elapsed = segments.elapsed.clamp(max=_PROGRESS).unsqueeze(-1)
    progress = (elapsed == most).float()  # (L + 1, B, agents, _PROGRESS)
    inputs = [
        torch.cat([x, progress[:, :, group[0] : group[-1] + 1].transpose(1, 2)], -1)
        for group, x in zip(GROUPS, segments.inputs, strict=True)
    ]
    return inputs, torch.cat([segments.state, progress.flatten(2)], -1)


def unroll(stack: Stack, layers: Layers, x: Tensor) -> Tensor:
    """Outputs (steps, members, rows, out) of a group's networks from inputs `x` (steps, members,
    rows, in).

    Recurrent ones begin with a zero state, so `x` must begin where episodes do, or with a burn-in.
    """
    steps, members, rows, _ = x.shape
    if isinstance(stack.network, Recurrent):
        networks = ([(w[m : m + 1], b[m : m + 1]) for w, b in layers] for m in range(members))
        outputs = [stack.network(net, x[:, m]) for m, net in enumerate(networks)]
        return torch.stack(outputs, 1)
    flat = stack.network(layers, x.transpose(0, 1).flatten(1, 2))
    return flat.view(members, steps, rows, -1).transpose(0, 1)
