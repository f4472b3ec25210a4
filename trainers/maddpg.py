"""Multi-agent deep deterministic policy gradient (Lowe et al. 2017) for discrete actions.

Every agent has an actor, which sees the agent's own inputs, and a critic, which sees everything:
the inputs of all agents, who is free, and what all are doing (`trainers.joint`). The critic learns
the agent's own return. The actor follows the critic's gradient with respect to the agent's own
action, through a sampled one (`trainers.gumbel`). Read `MADDPG.round` first, then `_update`.

The joint action of a step is what the agents *are executing*, busy ones the action in progress
(see `trainers.core.replay`); an actor learns only from steps in which its agent decides. All agents
learn from the same batch.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.errors import UsageError
from cagexplain.envs import BatchedEnv
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.features import GROUPS
from cagexplain.policies.learned.networks import Stack
from trainers import joint
from trainers.core.buffers import Rollout
from trainers.core.clock import Clock
from trainers.core.config import setting
from trainers.core.health import check_finite
from trainers.core.memory import Memory
from trainers.core.norm import ValueNorm
from trainers.core.player import Player
from trainers.core.replay import Segments, Windows
from trainers.core.returns import lambda_returns
from trainers.core.settings import PAPER as COMMON
from trainers.core.settings import ReplaySettings, check_common, check_replay
from trainers.core.trainable import Trainable, follow
from trainers.gumbel import ESTIMATORS
from trainers.joint import JointSteps


@dataclass(frozen=True, kw_only=True)
class MADDPGConfig(ReplaySettings):
    """Settings of MADDPG and its variant with prioritised replay."""

    critic_hidden: tuple[int, ...] = setting(
        "widths of the critics' hidden layers", low=1, high=8192
    )
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
    settings = MEMBERS[member]
    return {"paper": replace(_PAPER, **settings), "tuned": replace(_TUNED, **settings)}


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
    check_replay(settings)


@dataclass
class _Agent:
    """An agent's place, what it learns with, and the scale of its returns."""

    agent: int
    group: int
    member: int
    actor: Trainable
    critic: Trainable
    norm: ValueNorm


@dataclass
class _Batch:
    """B steps and the moment after each, and what critics see of them."""

    steps: Segments
    weight: Tensor  # (B,) importance
    taken: JointSteps  # what was done
    considered: JointSteps  # what others do while an agent thinks about its own action
    following: JointSteps  # what target actors would do next


class MADDPG:
    """The learner of the MADDPG family.

    Args:
        settings: of the run.
        seed: of the run.
        threads: workers that learn side by side, one agent each; they do not change the result.
        device: of the networks, "cpu" or "cuda".

    Raises:
        UsageError: the replay memory would not fit.
    """

    def __init__(self, settings: MADDPGConfig, seed: int, threads: int, device: str) -> None:
        self.config, self.seed = settings, seed
        self.player = Player(settings, seed)
        alpha = settings.priority_alpha if settings.prioritised else None
        self.memory = Memory(settings.observation, settings.replay, Windows(1), alpha, device)
        self.judge = joint.Judge(settings.observation, settings.critic_hidden)
        with torch.device(device):
            self.actors = networks.build_actors(vars(settings))
            self.target_actors = networks.build_actors(vars(settings))
            self.critics, self.target_critics = (
                Stack(self.judge.network, N_BLUE) for _ in range(2)
            )
        generator = torch.Generator().manual_seed(seed)
        for stack in (*self.actors, self.critics):
            stack.initialise(generator, 0.01)  # all actions alike, all values near zero
        self.live = [*self.actors, self.critics]
        self.targets = [*self.target_actors, self.target_critics]
        networks.restore(self.targets, networks.stored(self.live))
        places = [(agent, g, m) for g, group in enumerate(GROUPS) for m, agent in enumerate(group)]
        self.agents = [
            _Agent(
                *(agent, g, m),
                actor=Trainable(self.actors[g], m, settings.adam_eps),
                critic=Trainable(self.critics, agent, settings.adam_eps),
                norm=ValueNorm(settings.value_norm_decay),
            )
            for agent, g, m in places
        ]
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def round(
        self, env: BatchedEnv, seeds: npt.NDArray[np.int64], number: int, of: int, clock: Clock
    ) -> dict[str, float]:
        """Play one episode per environment, learn from the memory, and report. See `Learner`."""
        cfg, rng = self.config, np.random.default_rng([self.seed, number])
        # A draw from the policy is what Gumbel noise on its logits makes the best action.
        rollout = self.player.play(env, seeds, self.actors, networks.sample, rng, clock)
        metrics = self.player.seek_novelty(rollout, number, rng, clock)
        metrics["gradient_steps"] = 0.0
        with clock("update"):
            self._remember(rollout)
            if number >= cfg.warmup:
                rate = cfg.learning_rate * (1 - number / of if cfg.anneal else 1)
                beta = cfg.priority_beta + (1 - cfg.priority_beta) * number / of
                reports = [r for _ in range(cfg.updates) for r in self._update(rate, beta, rng)]
                metrics["gradient_steps"] = float(cfg.updates)
                metrics |= {k: float(np.mean([r[k] for r in reports])) for k in reports[0]}
        metrics["replay_fill"] = self.memory.fill
        return metrics | {"return": float(rollout.official_returns().mean())}

    def _remember(self, rollout: Rollout) -> None:
        """Store the episodes, and move the unit of values along with the returns."""
        cfg = self.config
        self.memory.add(rollout)
        if cfg.value_norm:
            reward = cfg.reward_scale * torch.from_numpy(rollout.reward)
            returns = lambda_returns(reward, torch.zeros_like(reward), cfg.gamma, 1.0)
            for agent in self.agents:
                agent.norm.update(returns[..., agent.agent])

    def _update(self, rate: float, beta: float, rng: np.random.Generator) -> list[dict[str, float]]:
        """One step of all agents' networks, then of their targets; reports of the agents."""
        units, steps, weight = self.memory.draw(self.config.batch, beta, rng)
        batch = self._gather(steps, weight, rng)
        streams = rng.spawn(N_BLUE)
        jobs = [
            self.pool.submit(self._learn, agent, batch, rate, streams[agent.agent])
            for agent in reversed(self.agents)  # agent 4's networks are the largest
        ]
        reports, errors = zip(*(job.result() for job in jobs), strict=True)
        follow(self.targets, [stack.layers for stack in self.live], self.config.target_tau)
        size = torch.stack(errors).abs().mean(0, keepdim=True)
        self.memory.correct(units, size, steps.learned)
        return list(reports)

    @torch.no_grad()
    def _gather(self, steps: Segments, weight: Tensor, rng: np.random.Generator) -> _Batch:
        """Find the actions that critics are to see beside those that were taken."""
        replayed = self.config.others == "replayed"
        others = steps.action[0] if replayed else joint.drawn(self.actors, steps, 0, rng)
        return _Batch(
            steps,
            weight,
            taken=joint.joint_steps(steps, 0, steps.action[0]),
            considered=joint.joint_steps(steps, 0, others),
            following=joint.joint_steps(steps, 1, joint.best(self.target_actors, steps, 1)),
        )

    def _learn(
        self, agent: _Agent, batch: _Batch, rate: float, rng: np.random.Generator
    ) -> tuple[dict[str, float], Tensor]:
        """One step of an agent's critic, then of its actor; TD errors (B,) besides the metrics."""
        limit = self.config.max_grad_norm
        critic_loss, error, report = self._critic_loss(agent, batch)
        check_finite("critic_loss", report["critic_loss"])  # before it reaches weights
        report["critic_grad_norm"] = agent.critic.descend(critic_loss, rate, limit)
        actor_loss, entropy = self._actor_loss(agent, batch, rng)
        report["actor_grad_norm"] = agent.actor.descend(actor_loss, rate, limit)
        return report | {"actor_loss": float(actor_loss.detach()), "entropy": entropy}, error

    def _critic_loss(self, agent: _Agent, batch: _Batch) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Squared TD error, in units of the returns' spread; errors (B,)."""
        cfg, steps, index = self.config, batch.steps, agent.agent
        value = self.judge.value(agent.critic.layers, batch.taken)
        with torch.no_grad():
            onward = self.judge.value(self.target_critics.member(index), batch.following)
            onward = agent.norm.denormalise(onward)
            if cfg.time_limit == "terminal":
                onward = onward.masked_fill(steps.last[0], 0.0)
            target = cfg.reward_scale * steps.reward[0, :, index] + cfg.gamma * onward
            q_mean = float(agent.norm.denormalise(value).mean())
        error = agent.norm.normalise(target) - value
        loss = 0.5 * (batch.weight * error.square()).mean()
        return loss, error.detach(), {"critic_loss": float(loss.detach()), "q_mean": q_mean}

    def _actor_loss(
        self, agent: _Agent, batch: _Batch, rng: np.random.Generator
    ) -> tuple[Tensor, float]:
        """Minus the value of an action of the agent's own choice, where it has the choice, plus the
        regulariser; the policy's entropy as a share of what the legal actions allow."""
        cfg, index, g, m = self.config, agent.agent, agent.group, agent.member
        rows = batch.steps.free[0, :, index].nonzero().squeeze(-1)
        legal = batch.steps.available[g][0, m].index_select(0, rows)
        inputs = batch.steps.inputs[g][0, m].index_select(0, rows)
        raw = agent.actor.network(agent.actor.layers, inputs.unsqueeze(0)).squeeze(0)
        chosen = ESTIMATORS[cfg.estimator](raw, legal, cfg.gumbel_temperature, rng)
        # The stack's own tensors are no parameters, so the critic stays as it is.
        value = self.judge.value(
            self.critics.member(index), batch.considered.rows(rows), (index, chosen)
        )
        cost = cfg.regulariser * torch.where(legal == 0, raw, 0.0).square().mean(-1) - value
        # Divided like this, a batch in which the agent is never free changes nothing.
        loss = (batch.weight.index_select(0, rows) * cost).sum() / max(1, len(rows))
        with torch.no_grad():
            _, entropy = networks.log_prob_and_entropy(raw, legal, chosen.argmax(-1))
            most = (legal == 0).sum(-1).log().sum().clamp_min(1e-8)
        return loss, float(entropy.sum() / most)

    def weights(self) -> dict[str, Any]:
        """What acting needs."""
        return {"actors": networks.stored(self.actors), "outputs": "logits"}

    def state(self) -> dict[str, Any]:
        """Everything that learning changes; random numbers follow from seed and round number."""
        return {
            "networks": networks.stored(self.live),
            "targets": networks.stored(self.targets),
            "actor_optimisers": [agent.actor.optimiser.state_dict() for agent in self.agents],
            "critic_optimisers": [agent.critic.optimiser.state_dict() for agent in self.agents],
            "norms": [agent.norm.state() for agent in self.agents],
            "memory": self.memory.state(),
            "player": self.player.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        networks.restore(self.live, state["networks"])
        networks.restore(self.targets, state["targets"])
        for k, agent in enumerate(self.agents):
            agent.actor.optimiser.load_state_dict(state["actor_optimisers"][k])
            agent.critic.optimiser.load_state_dict(state["critic_optimisers"][k])
            agent.norm.load(state["norms"][k])
        if "memory" in state:  # not in those of finished runs
            self.memory.load(state["memory"])
        self.player.load(state["player"])
