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

from cagexplain.cc4.agents import N_BLUE
from cagexplain.envs import BatchedEnv
from cagexplain.policies import networks
from cagexplain.policies.features import GROUPS
from cagexplain.policies.networks import Stack
from trainers.advantages import smdp_gae
from trainers.buffers import Rollout
from trainers.clock import Clock
from trainers.norm import ValueNorm
from trainers.ppo_config import PPOConfig


class _Trainable:
    """One agent's network and its optimiser; the parameters are views into the group's stack."""

    def __init__(self, stack: Stack, member: int, adam_eps: float) -> None:
        self.network = stack.network
        self.layers = [(nn.Parameter(w), nn.Parameter(b)) for w, b in stack.member(member)]
        self.parameters = [parameter for layer in self.layers for parameter in layer]
        self.optimiser = torch.optim.Adam(self.parameters, eps=adam_eps, fused=True)

    def __call__(self, x: Tensor) -> Tensor:
        """(rows, in) -> (rows, out)."""
        return self.network(self.layers, x.unsqueeze(0)).squeeze(0)

    def descend(self, loss: Tensor, rate: float, max_norm: float) -> float:
        """One clipped step; returns the gradient's norm before clipping."""
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, max_norm)
        self.optimiser.step()
        return float(norm)


@dataclass
class _Agent:
    """One learner: its place among the agents, its networks, and the scale of its returns."""

    index: int
    group: int
    member: int
    actor: _Trainable
    critic: _Trainable
    norm: ValueNorm


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
        self.actors = networks.build_actors(vars(config))
        self.critics = networks.build_critics(vars(config))
        generator = torch.Generator().manual_seed(seed)
        for stacks, gain in ((self.actors, 0.01), (self.critics, 1.0)):
            for stack in stacks:
                stack.initialise(generator, gain)
        self.agents = [
            _Agent(
                index,
                group,
                member,
                _Trainable(self.actors[group], member, config.adam_eps),
                _Trainable(self.critics[group], member, config.adam_eps),
                ValueNorm(config.value_norm_decay),
            )
            for group, members in enumerate(GROUPS)
            for member, index in enumerate(members)
        ]
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self.rollout: Rollout | None = None

    def round(
        self, env: BatchedEnv, seeds: npt.NDArray[np.int64], number: int, of: int, clock: Clock
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
        value = agent.norm.denormalise(agent.critic(x).squeeze(-1))
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
            final = agent.critic(batch.final_x).squeeze(-1)
            values[-1, :, i] = agent.norm.denormalise(final).numpy()
        reward = rollout.reward * np.float32(cfg.reward_scale)
        advantages = smdp_gae(reward, free, values, cfg.gamma, cfg.gae_lambda)
        for agent, batch in zip(self.agents, batches, strict=True):
            advantage = torch.from_numpy(advantages[..., agent.index][free[..., agent.index]])
            returns = advantage + batch.value
            if cfg.value_norm:
                agent.norm.update_and_rescale(returns, *agent.critic.layers[-1])
            batch.target = agent.norm.normalise(returns)
            batch.advantage = (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)

    def _improve_policy(
        self, agent: _Agent, batch: _Batch, rate: float, rng: np.random.Generator
    ) -> dict[str, float]:
        """Maximise the clipped surrogate plus the entropy bonus."""
        cfg, steps = self.config, []
        for rows in self._minibatches(len(batch.x), rng):
            raw = agent.actor(batch.x.index_select(0, rows))
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
            norm = agent.actor.descend(loss, rate, cfg.max_grad_norm)
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
        cfg, steps = self.config, []
        for rows in self._minibatches(len(batch.x), rng):
            value = agent.critic(batch.x.index_select(0, rows)).squeeze(-1)
            error = 0.5 * (value - batch.target.index_select(0, rows)).square().mean()
            norm = agent.critic.descend(cfg.value * error, rate, cfg.max_grad_norm)
            steps.append((float(error.detach()), norm))
        error, norm = np.mean(steps, axis=0).tolist()
        residual = batch.target - agent.norm.normalise(batch.value)
        explained = 1 - float(
            residual.var(correction=0) / batch.target.var(correction=0).clamp_min(1e-8)
        )
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

    def weights(self) -> dict[str, Any]:
        """What acting needs."""
        return {"actors": networks.stored(self.actors)}

    def state(self) -> dict[str, Any]:
        """Everything that learning changes; random numbers follow from seed and round number."""
        return {
            "actors": networks.stored(self.actors),
            "critics": networks.stored(self.critics),
            "actor_optimisers": [agent.actor.optimiser.state_dict() for agent in self.agents],
            "critic_optimisers": [agent.critic.optimiser.state_dict() for agent in self.agents],
            "norms": [agent.norm.state() for agent in self.agents],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        networks.restore(self.actors, state["actors"])
        networks.restore(self.critics, state["critics"])
        for agent in self.agents:
            agent.actor.optimiser.load_state_dict(state["actor_optimisers"][agent.index])
            agent.critic.optimiser.load_state_dict(state["critic_optimisers"][agent.index])
            agent.norm.load(state["norms"][agent.index])
