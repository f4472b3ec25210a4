"""Independent proximal policy optimisation (IPPO; de Witt et al. 2020, Schulman et al. 2017).

Every agent has its own actor and critic, sees its own observation only, and learns from the team
reward. Read `PPO.round` first: one round of play and learning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies import features, networks
from cagexplain.policies.networks import GROUPS, Layers, StackedMLP
from trainers.advantages import smdp_gae
from trainers.buffers import Rollout, VectorEnv
from trainers.clock import Clock
from trainers.norm import ValueNorm
from trainers.ppo_config import PPOConfig


@dataclass
class _Agent:
    """One learner: its networks, their optimisers, and the scale of its returns."""

    index: int
    actor: Layers
    critic: Layers
    actor_optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam
    norm: ValueNorm

    @property
    def group(self) -> int:
        return next(g for g, members in enumerate(GROUPS) if self.index in members)

    @property
    def member(self) -> int:
        return GROUPS[self.group].index(self.index)


@dataclass
class _Batch:
    """The decisions of one agent in a rollout, one per row; `env` finds the row's action mask."""

    x: Tensor
    final_x: Tensor  # (envs, width), the observations that the episodes were cut off at
    legal: Tensor  # (envs, actions)
    env: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    advantage: Tensor
    target: Tensor


class PPO:
    """The IPPO learner.

    Args:
        config: settings.
        seed: of the run.
        threads: workers that learn side by side. Ten networks (five agents' actors and critics)
            learn independently once the advantages are known, so threads change the time a
            round takes and nothing else.
    """

    def __init__(self, config: PPOConfig, seed: int, threads: int) -> None:
        self.config, self.seed = config, seed
        widths = features.sizes(config.observation)
        self.actors = networks.build(widths, config.hidden, actions.SIZES)
        self.critics = networks.build(widths, config.hidden, [1] * N_BLUE)
        generator = torch.Generator().manual_seed(seed)
        for stacks, gain in ((self.actors, 0.01), (self.critics, 1.0)):
            for stack in stacks:
                stack.initialise(generator, gain)
        self.agents = [self._agent(i) for i in range(N_BLUE)]
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self.rollout: Rollout | None = None

    def round(
        self, env: VectorEnv, seeds: npt.NDArray[np.int64], number: int, of: int, clock: Clock
    ) -> dict[str, float]:
        """Play one episode per environment, learn from them, and report.

        Args:
            env: `config.envs` environments.
            seeds: (envs,) of the episodes.
            number: of this round, from 0; decides, with the seed, all random numbers of the round.
            of: number of rounds of the whole run, for the annealing.
        """
        cfg = self.config
        if self.rollout is None:
            self.rollout = Rollout.empty(cfg.observation, env)
        rollout = self.rollout
        rng = np.random.default_rng([self.seed, number])
        rollout.play(env, seeds, self.actors, cfg.observation, rng, clock)
        with clock("update"):
            batches = list(self.pool.map(lambda agent: self._gather(rollout, agent), self.agents))
            self._assign_credit(rollout, batches)
            rate = cfg.learning_rate * (1 - number / of if cfg.anneal else 1)
            work: list[tuple[Callable[..., dict[str, float]], _Agent]] = [
                (learn, agent)
                for agent in reversed(self.agents)  # agent 4's networks are the largest
                for learn in (self._improve_policy, self._fit_values)
            ]
            streams = rng.spawn(len(work))
            jobs = [
                self.pool.submit(learn, agent, batches[agent.index], rate, stream)
                for (learn, agent), stream in zip(work, streams, strict=True)
            ]
            reports = [job.result() for job in jobs]
        metrics = {"decisions": float(rollout.free.mean()), "learning_rate": rate}
        for name in dict.fromkeys(key for report in reports for key in report):
            metrics[name] = float(np.mean([r[name] for r in reports if name in r]))
        metrics["return"] = float(rollout.official_returns().mean())
        return metrics

    @torch.no_grad()
    def _gather(self, rollout: Rollout, agent: _Agent) -> _Batch:
        """Pick an agent's decisions out of the rollout and value them."""
        group, member = agent.group, agent.member
        steps, envs = (torch.from_numpy(i) for i in np.nonzero(rollout.free[..., agent.index]))
        inputs = rollout.features[group]
        _, members, n, width = inputs.shape
        x = inputs.view(-1, width).index_select(0, (steps * members + member) * n + envs)
        picked = (steps.numpy(), envs.numpy(), agent.index)
        value = agent.norm.denormalise(networks.forward(agent.critic, x).squeeze(-1))
        return _Batch(
            x=x,
            final_x=inputs[-1, member],
            legal=rollout.legal[group][member],
            env=envs,
            action=torch.from_numpy(rollout.action[picked]),
            log_prob=torch.from_numpy(rollout.log_prob[picked]),
            value=value,
            advantage=torch.empty(0),
            target=torch.empty(0),
        )

    @torch.no_grad()
    def _assign_credit(self, rollout: Rollout, batches: list[_Batch]) -> None:
        """Advantages and value targets of all decisions; moves the critics' scales along."""
        cfg, free = self.config, rollout.free
        steps, envs, _ = free.shape
        values = np.zeros((steps + 1, envs, N_BLUE), np.float32)
        for agent, batch in zip(self.agents, batches, strict=True):
            i = agent.index
            values[:-1, :, i][free[..., i]] = batch.value.numpy()
            final = networks.forward(agent.critic, batch.final_x).squeeze(-1)
            values[-1, :, i] = agent.norm.denormalise(final).numpy()
        reward = rollout.reward * np.float32(cfg.reward_scale)
        advantages = smdp_gae(reward, free, values, cfg.gamma, cfg.gae_lambda)
        for agent, batch in zip(self.agents, batches, strict=True):
            advantage = torch.from_numpy(advantages[..., agent.index][free[..., agent.index]])
            returns = advantage + batch.value
            if cfg.value_norm:
                agent.norm.update_and_rescale(returns, *agent.critic[-1])
            batch.target = agent.norm.normalise(returns)
            batch.advantage = (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)

    def _improve_policy(
        self, agent: _Agent, batch: _Batch, rate: float, rng: np.random.Generator
    ) -> dict[str, float]:
        """Maximise the clipped surrogate plus the entropy bonus."""
        cfg, steps = self.config, []
        for rows in self._minibatches(len(batch.x), rng):
            raw = networks.forward(agent.actor, batch.x.index_select(0, rows))
            legal = batch.legal.index_select(0, batch.env.index_select(0, rows))
            log_prob, entropy = networks.log_prob_and_entropy(
                raw, legal, batch.action.index_select(0, rows)
            )
            log_ratio = log_prob - batch.log_prob.index_select(0, rows)
            ratio = log_ratio.exp()
            with torch.no_grad():  # the low-variance estimator of KL(old, new), Schulman 2020
                kl = float((ratio - 1 - log_ratio).mean())
                clipped = float(((ratio - 1).abs() > cfg.clip).float().mean())
            if cfg.target_kl is not None and kl > cfg.target_kl:
                break
            advantage = batch.advantage.index_select(0, rows)
            surrogate = torch.minimum(
                ratio * advantage, ratio.clamp(1 - cfg.clip, 1 + cfg.clip) * advantage
            ).mean()
            loss = -surrogate - cfg.entropy * entropy.mean()
            norm = self._descend(loss, agent.actor_optimiser, rate)
            legal_actions = (legal == 0).sum(-1)
            relative = float((entropy.detach() / legal_actions.log()).mean())
            steps.append((float(surrogate.detach()), relative, kl, clipped, norm))
        names = ("surrogate", "entropy", "kl", "clipped", "actor_grad_norm")
        means = np.mean(steps, axis=0) if steps else np.zeros(len(names))
        return dict(zip(names, means.tolist(), strict=True)) | {"policy_steps": float(len(steps))}

    def _fit_values(
        self, agent: _Agent, batch: _Batch, rate: float, rng: np.random.Generator
    ) -> dict[str, float]:
        """Regress the values on the returns."""
        steps = []
        for rows in self._minibatches(len(batch.x), rng):
            value = networks.forward(agent.critic, batch.x.index_select(0, rows)).squeeze(-1)
            error = 0.5 * (value - batch.target.index_select(0, rows)).square().mean()
            norm = self._descend(self.config.value * error, agent.critic_optimiser, rate)
            steps.append((float(error.detach()), norm))
        error, norm = np.mean(steps, axis=0).tolist()
        residual = batch.target - agent.norm.normalise(batch.value)
        explained = 1 - float(residual.var(correction=0) / batch.target.var(correction=0).clamp_min(1e-8))
        return {
            "value_loss": error,
            "critic_grad_norm": norm,
            "explained_variance": explained,
            "value_mean": agent.norm.mean,
            "value_std": agent.norm.std,
        }

    def _minibatches(self, rows: int, rng: np.random.Generator) -> Iterator[Tensor]:
        """Row numbers of every minibatch of every epoch, each epoch shuffled anew."""
        for _ in range(self.config.epochs):
            order = torch.from_numpy(rng.permutation(rows))
            yield from order.chunk(min(self.config.minibatches, rows))

    def _descend(self, loss: Tensor, optimiser: torch.optim.Adam, rate: float) -> float:
        """One clipped step; returns the gradient's norm before clipping."""
        (parameters,) = optimiser.param_groups
        parameters["lr"] = rate
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(parameters["params"], self.config.max_grad_norm)
        optimiser.step()
        return float(norm)

    def _agent(self, index: int) -> _Agent:
        def trainable(stacks: list[StackedMLP]) -> tuple[Layers, torch.optim.Adam]:
            layers: Layers = [
                (nn.Parameter(weight), nn.Parameter(bias))  # share the stack's memory
                for weight, bias in networks.agent_networks(stacks)[index]
            ]
            parameters = [parameter for layer in layers for parameter in layer]
            return layers, torch.optim.Adam(parameters, eps=self.config.adam_eps, fused=True)

        actor, actor_optimiser = trainable(self.actors)
        critic, critic_optimiser = trainable(self.critics)
        norm = ValueNorm(self.config.value_norm_decay)
        return _Agent(index, actor, critic, actor_optimiser, critic_optimiser, norm)

    def weights(self) -> dict[str, Any]:
        """What acting needs."""
        return {"actors": networks.agent_networks(self.actors)}

    def state(self) -> dict[str, Any]:
        """Everything that learning changes; random numbers follow from seed and round number."""
        return {
            "actors": networks.agent_networks(self.actors),
            "critics": networks.agent_networks(self.critics),
            "actor_optimisers": [agent.actor_optimiser.state_dict() for agent in self.agents],
            "critic_optimisers": [agent.critic_optimiser.state_dict() for agent in self.agents],
            "norms": [agent.norm.state() for agent in self.agents],
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        for stacks, saved in ((self.actors, state["actors"]), (self.critics, state["critics"])):
            for network, layers in zip(networks.agent_networks(stacks), saved, strict=True):
                for parameters, values in zip(network, layers, strict=True):
                    for parameter, value in zip(parameters, values, strict=True):
                        parameter.copy_(value)
        for agent in self.agents:
            agent.actor_optimiser.load_state_dict(state["actor_optimisers"][agent.index])
            agent.critic_optimiser.load_state_dict(state["critic_optimisers"][agent.index])
            agent.norm.load(state["norms"][agent.index])
