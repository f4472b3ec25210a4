"""Proximal policy optimisation (Schulman et al. 2017) for teams: IPPO, MAPPO and their variants.

Every agent has an actor of its own, which sees the agent's own inputs and nothing else. The
critics see the agent's own inputs (IPPO, de Witt et al. 2020) or those of all agents (MAPPO, Yu et
al. 2022), with or without repetitions (C_MAPPO). Actors and critics may remember the episode by a
recurrent layer. Nothing else differs, so there is one class. Read `PPO.round` first: one round of
play and learning.

A busy agent decides nothing, so only its decisions are samples (see `trainers.advantages`).
A run may begin by imitating another policy (`PPO.imitate`, `trainers.imitation`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.envs import BatchedEnv
from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.features import GROUPS
from cagexplain.policies.learned.networks import Stack
from trainers.advantages import smdp_gae
from trainers.core.buffers import Rollout
from trainers.core.clock import Clock
from trainers.core.config import setting
from trainers.core.norm import ValueNorm
from trainers.core.player import Player
from trainers.core.settings import PAPER as COMMON
from trainers.core.settings import Settings, check_common
from trainers.core.trainable import Minibatch, Trainable, Views, epochs, outputs, parts
from trainers.imitation import (
    Lesson,
    WarmStart,
    cross_entropy,
    divergence,
    facts,
    load_teacher,
)


@dataclass(frozen=True, kw_only=True)
class PPOConfig(Settings, WarmStart):
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
# only large steps make it heard. Rounds of 16 episodes and two passes give a run enough steps of
# the optimiser, recurrent members above all (docs/results.md, "What the presets rest on").
_TUNED: Final = replace(
    _PAPER,
    observation="memory",
    network="scores",
    hidden=(64, 32),
    critic_hidden=(128,),
    envs=16,
    epochs=2,
    minibatches=16,
    learning_rate=3e-3,
    clip=0.2,
    entropy=0.002,
    target_kl=None,
)
# What tells one host from another is in its inputs, so all hosts of all agents can share weights;
# what no agent can change is noise (docs/training.md, "From raw observations").
_RAW: Final = replace(
    _TUNED,
    observation="raw",
    network="shared",
    hidden=(64, 64),
    acting="greedy",
    reward="local",
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
    settings = MEMBERS[member]
    paper = {"paper": replace(_PAPER, **settings)}
    if "core" in settings:  # which has no place in the network of "raw"
        return paper | {"tuned": replace(_TUNED, **_TUNED_RECURRENT, **settings)}
    return paper | {"tuned": replace(_TUNED, **settings), "raw": replace(_RAW, **settings)}


def check(settings: PPOConfig) -> None:
    """Refuse combinations that make no sense."""
    check_common(settings)


@dataclass
class Critic:
    """A value network, the agents that it values, and the scale of each one's returns."""

    agents: list[int]
    net: Trainable
    norms: list[ValueNorm]

    def outputs(self, k: int) -> Sequence[tuple[Tensor, Tensor]]:
        """The parameters that the value of its k-th agent is linear in."""
        pairs = zip(self.net.layers, self.net.network.gains, strict=True)
        layers = [layer for layer, gain in pairs if gain is None]
        if len(self.agents) == 1:
            return layers
        return [(weight[..., k], bias[..., k]) for weight, bias in layers]

    def normalise(self, values: Tensor) -> Tensor:
        """Discounted rewards, values (its agents, ...), in its own units."""
        return torch.stack([n.normalise(v) for n, v in zip(self.norms, values, strict=True)])

    def denormalise(self, outputs: Tensor) -> Tensor:
        """Its outputs (its agents, ...) as discounted rewards."""
        return torch.stack([n.denormalise(v) for n, v in zip(self.norms, outputs, strict=True)])


@dataclass
class _Actor:
    """The weights of a policy, and the agents that act by them."""

    agents: list[int]
    net: Trainable

    def decisions(self, batch: _Batch) -> Tensor:
        """Where its agents decide: (agents * T, envs), one agent after the other."""
        return batch.free[self.agents].flatten(0, 1)

    def by_agent(self, part: Minibatch, steps: int) -> Iterator[tuple[int, Minibatch]]:
        """Each agent's share of a minibatch of `decisions`, of episodes with `steps` * envs."""
        if len(self.agents) == 1:
            yield self.agents[0], part
            return
        for k, agent in enumerate(self.agents):
            inside = part.rows[part.rows // steps == k]
            if len(inside):
                yield agent, Minibatch(inside - k * steps)


@dataclass
class _Batch:
    """A round on grids of (agents, T, envs); `free` tells where there is a decision. A `lesson` is
    what the teacher said of it; `tie` the weight of the divergence from what was imitated."""

    inputs: list[Views]  # of each agent, at T + 1 moments
    critic_inputs: list[Views]  # by each critic, the same
    legal: list[Tensor]  # for each agent, (envs, actions)
    free: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    advantage: Tensor
    returns: Tensor
    lesson: Lesson | None = None
    tie: float = 0.0


_PLACES: Final = [(g, m) for g, group in enumerate(GROUPS) for m in range(len(group))]
"""Group of each agent, and its place in it."""


class PPO:
    """The learner of the PPO family.

    Args:
        settings: of the run.
        seed: of the run.
        threads: workers that learn side by side. The networks learn independently once the
            advantages are known, so threads change the time a round takes and nothing else.
        device: of the networks, "cpu" or "cuda".
    """

    def __init__(self, settings: PPOConfig, seed: int, threads: int, device: str = "cpu") -> None:
        self.config, self.seed, self.device = settings, seed, device
        self.player = Player(settings, seed)
        self.teacher = load_teacher(settings)
        with torch.device(device):
            self.actor_stacks = networks.build_actors(vars(settings))
            self.critic_stacks = self._critic_stacks()
            self.imitated = networks.build_actors(vars(settings)) if self.teacher else None
        generator = torch.Generator().manual_seed(seed)
        for stacks, gain in ((self.actor_stacks, 0.01), (self.critic_stacks, 1.0)):
            for stack in networks.distinct(stacks):
                stack.initialise(generator, gain)
        eps = settings.adam_eps
        self.networks = [self.actor_stacks[g].network for g, _ in _PLACES]
        self.actors = (
            [_Actor([*range(N_BLUE)], Trainable(self.actor_stacks[0], 0, eps))]
            if settings.network == "shared"
            else [
                _Actor([agent], Trainable(self.actor_stacks[g], m, eps))
                for agent, (g, m) in enumerate(_PLACES)
            ]
        )
        valued = (
            [
                ([agent], Trainable(self.critic_stacks[g], m, eps))
                for agent, (g, m) in enumerate(_PLACES)
            ]
            if settings.critic == "own"
            else [([*range(N_BLUE)], Trainable(self.critic_stacks[0], 0, eps))]
        )
        self.critics = [
            Critic(agents, net, [ValueNorm(settings.value_norm_decay) for _ in agents])
            for agents, net in valued
        ]
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def _critic_stacks(self) -> list[Stack]:
        """One critic per agent on its own inputs, or one on all inputs with a value per agent."""
        cfg = self.config
        if cfg.critic == "own":
            return networks.build_critics(vars(cfg))
        self.columns = (
            torch.arange(sum(features.sizes(cfg.observation)))
            if cfg.critic == "central"
            else torch.tensor(features.compact_columns(cfg.observation))
        )
        inputs = len(self.columns)
        return [Stack(networks.perceptron(vars(cfg), inputs, cfg.critic_hidden, N_BLUE), 1)]

    def round(
        self, env: BatchedEnv, seeds: npt.NDArray[np.int64], number: int, of: int, clock: Clock
    ) -> dict[str, float]:
        """Play one episode per environment, learn from them, and report.

        Args:
            env: `settings.envs` environments.
            seeds: (envs,) of the episodes.
            number: of this round, from 0; decides, with the seed, all random numbers of the round.
            of: number of rounds of the whole run, for the annealing.
        """
        if number < self.config.lessons:
            return self.imitate(env, seeds, number, clock)
        if number == self.config.lessons and self.imitated is not None:
            networks.restore(self.imitated, networks.stored(self.actor_stacks))
            for actor in self.actors:
                actor.net.forget()
        cfg, rng = self.config, np.random.default_rng([self.seed, number])
        progress = (number - cfg.lessons) / (of - cfg.lessons)
        rollout = self.player.play(env, seeds, self.actor_stacks, None, rng, clock)
        novelty = self.player.seek_novelty(rollout, number, rng, clock)
        with clock("update"):
            batch = self._gather(rollout)
            batch.tie = cfg.tie(progress)
            rate = cfg.learning_rate * (1 - progress if cfg.anneal else 1)
            metrics = self._learn(self._improve_policy, batch, rate, rng)
        return metrics | novelty | {"return": float(rollout.official_returns().mean())}

    def imitate(
        self, env: BatchedEnv, seeds: npt.NDArray[np.int64], number: int, clock: Clock
    ) -> dict[str, float]:
        """A round in which the actors learn what the teacher does, and the critics what it is worth
        to play so; the arguments are those of `round`."""
        assert self.teacher is not None
        cfg, rng = self.config, np.random.default_rng([self.seed, number])
        lesson = Lesson(self.teacher, number == 0, env, seeds)
        rollout = self.player.play(env, seeds, self.actor_stacks, None, rng, clock, lesson)
        with clock("update"):
            batch = self._gather(rollout)
            batch.lesson = lesson
            rate = cfg.warm_rate * (1 - number / cfg.lessons)
            metrics = self._learn(self._copy_teacher, batch, rate, rng)
        return metrics | {"return": float(rollout.official_returns().mean())}

    def _learn(
        self,
        lead: Callable[..., dict[str, float]],
        batch: _Batch,
        rate: float,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """Train all actors by `lead` and all critics, side by side."""
        self._normalise(batch)
        work: list[tuple[Callable[..., dict[str, float]], Any]] = [
            *((lead, actor) for actor in reversed(self.actors)),
            *((self._fit_values, critic) for critic in reversed(self.critics)),
        ]  # agent 4's networks are the largest, so they come first
        jobs = [
            self.pool.submit(learn, who, batch, rate, stream)
            for (learn, who), stream in zip(work, rng.spawn(len(work)), strict=True)
        ]
        reports = [job.result() for job in jobs]
        metrics = {"decisions": float(batch.free.float().mean()), "learning_rate": rate}
        for name in dict.fromkeys(key for report in reports for key in report):
            metrics[name] = float(np.mean([r[name] for r in reports if name in r]))
        return metrics

    @torch.no_grad()
    def _gather(self, rollout: Rollout) -> _Batch:
        """Bring a rollout into the learner's shape, and value it."""
        cfg, device = self.config, self.device
        repeat = features.repeats(cfg.observation)
        inputs = [Views(rollout.features[g][:, m].to(device), repeat=repeat) for g, m in _PLACES]
        if cfg.critic == "own":
            critic_inputs = inputs
        else:
            joint = rollout.joint_features().to(device)
            compact = cfg.critic == "compact"
            joint = joint.index_select(-1, self.columns) if compact else joint
            critic_inputs = [Views(joint, repeat=repeat)]
        free, action, log_prob = (
            torch.from_numpy(np.ascontiguousarray(grid.transpose(2, 0, 1))).to(device)
            for grid in (rollout.free, rollout.action, rollout.log_prob)
        )
        value = torch.zeros(free.shape, device=device)
        free[:, -1] = True  # for the value of the final observation
        for critic, x in zip(self.critics, critic_inputs, strict=True):
            (part,) = parts(free[critic.agents].any(0), 1, None, critic.net.recurrent)
            outputs = torch.zeros(len(critic.agents), *free.shape[1:], device=device)
            outputs.flatten(1)[:, part.rows] = critic.net(x, part).T
            value[critic.agents] = critic.denormalise(outputs)
        if cfg.time_limit == "terminal":
            value[:, -1] = 0
        legal = [rollout.legal[g][m].to(device) for g, m in _PLACES]
        advantage = smdp_gae(
            rollout.reward * np.float32(cfg.reward_scale),
            rollout.free[:-1],
            value.permute(1, 2, 0).cpu().numpy(),
            cfg.gamma,
            cfg.gae_lambda,
        )
        grid = torch.from_numpy(np.ascontiguousarray(advantage.transpose(2, 0, 1))).to(device)
        value, free = value[:, :-1], free[:, :-1]
        return _Batch(
            inputs, critic_inputs, legal, free, action, log_prob, value, grid, grid + value
        )

    def _normalise(self, batch: _Batch) -> None:
        """Move the critics' scales along with the returns; bring advantages to a common scale."""
        if self.config.value_norm:
            for critic in self.critics:
                for k, agent in enumerate(critic.agents):
                    norm, returns = critic.norms[k], batch.returns[agent][batch.free[agent]]
                    if norm.update_and_rescale(returns, critic.outputs(k)):
                        # From now on, what a fresh critic says is in the new units.
                        batch.value[agent] = norm.denormalise(batch.value[agent])
        if self.config.advantages == "team":
            batch.advantage = _standardise(batch.advantage, batch.advantage[batch.free])
        elif self.config.advantages == "agent":
            pairs = zip(batch.advantage, batch.free, strict=True)
            batch.advantage = torch.stack(
                [_standardise(advantage, advantage[free]) for advantage, free in pairs]
            )

    def _improve_policy(
        self, actor: _Actor, batch: _Batch, rate: float, rng: np.random.Generator
    ) -> dict[str, float]:
        """Maximise the clipped surrogate plus the entropy bonus, near to what was imitated."""
        cfg, net, steps = self.config, actor.net, []
        for part in epochs(actor.decisions(batch), cfg.minibatches, cfg.epochs, rng, net.recurrent):
            shares = [
                self._compare(net, agent, batch, share)
                for agent, share in actor.by_agent(part, batch.free[0].numel())
            ]
            log_ratio, entropy, choice, advantage, strayed = map(
                torch.cat, zip(*shares, strict=True)
            )
            ratio = log_ratio.exp()
            with torch.no_grad():  # the low-variance estimator of KL(old, new), Schulman 2020
                kl = float((ratio - 1 - log_ratio).mean())
                clipped = float(((ratio - 1).abs() > cfg.clip).float().mean())
            if cfg.target_kl is not None and kl > cfg.target_kl:
                break
            if cfg.advantages == "minibatch":
                advantage = _standardise(advantage, advantage)
            near = ratio.clamp(1 - cfg.clip, 1 + cfg.clip)
            surrogate = torch.minimum(ratio * advantage, near * advantage).mean()
            loss = -surrogate - cfg.entropy * entropy.mean() + batch.tie * strayed.mean()
            norm = net.descend(loss, rate, cfg.max_grad_norm)
            most = choice.sum().clamp_min(1e-8)  # 0 where there is no choice
            relative = float(entropy.detach().sum() / most)
            away = float(strayed.detach().mean())
            steps.append((float(surrogate.detach()), relative, kl, clipped, norm, away))
        names = ("surrogate", "entropy", "kl", "clipped", "actor_grad_norm", "strayed")
        means = np.mean(steps, axis=0) if steps else np.zeros(len(names))
        report = dict(zip(names, means.tolist(), strict=True))
        if not batch.tie:
            del report["strayed"]  # nobody has measured it
        return report | {"gradient_steps": float(len(steps))}

    def _compare(
        self, net: Trainable, agent: int, batch: _Batch, part: Minibatch
    ) -> tuple[Tensor, ...]:
        """An agent's decisions under the present weights (rows, each): log-ratios to the
        probabilities of play, entropies, what the legal actions allow of entropy, advantages,
        and divergences from what was imitated (0 if nothing ties to it)."""
        inputs, masks = batch.inputs[agent], batch.legal[agent]
        env = part.rows % len(masks)
        legal = masks.index_select(0, env)
        raw = outputs(self.networks[agent], net.layers, inputs, part)
        log_prob, entropy = networks.log_prob_and_entropy(raw, legal, part.of(batch.action[agent]))
        strayed = torch.zeros_like(log_prob)
        if batch.tie and self.imitated is not None:
            group, member = _PLACES[agent]
            with torch.no_grad():
                layers = self.imitated[group].member(member)
                before = outputs(self.networks[agent], layers, inputs, part) + legal
            strayed = divergence(before, raw + legal)
        log_ratio = log_prob - part.of(batch.log_prob[agent])
        choice = (masks == 0).sum(-1).log().index_select(0, env)
        return log_ratio, entropy, choice, part.of(batch.advantage[agent]), strayed

    def _copy_teacher(
        self, actor: _Actor, batch: _Batch, rate: float, rng: np.random.Generator
    ) -> dict[str, float]:
        """Minimise the cross-entropy to the teacher's choices, by what they matter."""
        cfg, net, steps = self.config, actor.net, []
        assert batch.lesson is not None
        chance, importance = (
            torch.from_numpy(array).flatten(0, 1).to(self.device)
            for array in (batch.lesson.chance, batch.lesson.importance)
        )
        decided = actor.decisions(batch)
        count = math.ceil(int(decided.sum()) / cfg.warm_batch)
        for part in epochs(decided, count, cfg.warm_epochs, rng, net.recurrent):
            losses, weights, alike = [], [], []
            for agent, share in actor.by_agent(part, batch.free[0].numel()):
                masks = batch.legal[agent]
                legal = masks.index_select(0, share.rows % len(masks))
                inputs = batch.inputs[agent]
                logits = outputs(self.networks[agent], net.layers, inputs, share) + legal
                taught = chance.index_select(0, share.rows)[:, actions.slice_of(agent)]
                losses.append(cross_entropy(logits, taught))
                weights.append(importance.index_select(0, share.rows)[:, agent])
                alike.append(logits.argmax(-1) == taught.argmax(-1))
            weight = torch.cat(weights)
            loss = (torch.cat(losses) * weight).sum() / weight.sum().clamp_min(1e-8)
            norm = net.descend(loss, rate, cfg.max_grad_norm)
            steps.append((float(loss.detach()), float(torch.cat(alike).float().mean()), norm))
        names = ("imitation_loss", "agreement", "actor_grad_norm")
        report = dict(zip(names, np.mean(steps, axis=0).tolist(), strict=True))
        return report | {"gradient_steps": float(len(steps))}

    def _fit_values(
        self, critic: Critic, batch: _Batch, rate: float, rng: np.random.Generator
    ) -> dict[str, float]:
        """Regress the values on the returns."""
        cfg, net, steps = self.config, critic.net, []
        inputs = batch.critic_inputs[self.critics.index(critic)]
        free = batch.free[critic.agents]
        before = critic.normalise(batch.value[critic.agents])
        target = critic.normalise(batch.returns[critic.agents])
        passes = cfg.epochs if batch.lesson is None else cfg.warm_epochs
        for part in epochs(free.any(0), cfg.minibatches, passes, rng, net.recurrent):
            value, goal, decided = net(inputs, part).T, part.of(target), part.of(free)
            error = self._value_error(value, goal)
            if cfg.value_clip is not None:  # pessimistic, as in the policy's surrogate
                old = part.of(before)
                near = old + (value - old).clamp(-cfg.value_clip, cfg.value_clip)
                error = torch.maximum(error, self._value_error(near, goal))
            loss = (error * decided).sum() / decided.sum()
            norm = net.descend(cfg.value * loss, rate, cfg.max_grad_norm)
            steps.append((float(loss.detach()), norm))
        loss_mean, norm_mean = np.mean(steps, axis=0).tolist()
        spread = target[free].var(correction=0).clamp_min(1e-8)
        return {
            "value_loss": loss_mean,
            "critic_grad_norm": norm_mean,
            "explained_variance": 1 - float((target - before)[free].var(correction=0) / spread),
            "value_mean": float(np.mean([norm.mean for norm in critic.norms])),
            "value_std": float(np.mean([norm.std for norm in critic.norms])),
        }

    def _value_error(self, value: Tensor, goal: Tensor) -> Tensor:
        delta = self.config.value_huber
        if delta is None:
            return 0.5 * (value - goal).square()
        return F.huber_loss(value, goal, reduction="none", delta=delta)

    def weights(self) -> dict[str, Any]:
        """What acting needs."""
        return {"actors": networks.stored(self.actor_stacks), "outputs": "logits"}

    def state(self) -> dict[str, Any]:
        """Everything that learning changes; random numbers follow from seed and round number."""
        return {
            "actors": networks.stored(self.actor_stacks),
            "critics": networks.stored(self.critic_stacks),
            "actor_optimisers": [actor.net.optimiser.state_dict() for actor in self.actors],
            "critic_optimisers": [critic.net.optimiser.state_dict() for critic in self.critics],
            "norms": [[norm.state() for norm in critic.norms] for critic in self.critics],
            "player": self.player.state(),
            "imitation": self._imitation(),
        }

    def _imitation(self) -> dict[str, Any]:
        """The policy that is imitated, and what has come of it."""
        if self.teacher is None or self.imitated is None:
            return {}
        return {"teacher": facts(self.teacher), "imitated": networks.stored(self.imitated)}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        networks.restore(self.actor_stacks, state["actors"])
        networks.restore(self.critic_stacks, state["critics"])
        for actor, stored in zip(self.actors, state["actor_optimisers"], strict=True):
            actor.net.optimiser.load_state_dict(stored)
        for critic, stored in zip(self.critics, state["critic_optimisers"], strict=True):
            critic.net.optimiser.load_state_dict(stored)
        for critic, norms in zip(self.critics, state["norms"], strict=True):
            for norm, stored in zip(critic.norms, norms, strict=True):
                norm.load(stored)
        self.player.load(state["player"])
        if self.teacher is not None and self.imitated is not None:
            if state["imitation"]["teacher"] != facts(self.teacher):
                raise ValueError("the policy to imitate is another one than when the run began")
            networks.restore(self.imitated, state["imitation"]["imitated"])


def _standardise(values: Tensor, sample: Tensor) -> Tensor:
    """`values` in units of the sample's spread, from its mean."""
    return (values - sample.mean()) / (sample.std(correction=0) + 1e-8)
