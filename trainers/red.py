"""A red that learns to beat one policy: PPO on the choices of the six red agents.

The policy is frozen. All red agents share one scorer (`cagexplain.policies.learned_red`), and begin
as a table: the worst that is known. A busy agent decides nothing, so decisions are samples, as in
`trainers.ppo`. What blue loses in the zones of an agent counts in full for it, what blue loses
elsewhere in part: its own doing is easier to see so, and it still gains by letting others in.

The critic helps in training only. It sees what all six agents know, the mission phase and the time;
the scorer sees what its agent observes, as CybORG's red does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cagexplain.cc4 import network, phases, reward
from cagexplain.cc4.agents import N_RED, RED_ZONES
from cagexplain.cc4.red_fsm import N_RED_ACTIONS, N_STATES, State
from cagexplain.cc4.red_views import ROOT, USER, RedView
from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy, decide
from cagexplain.policies.learned_red import (
    AgainstLearned,
    Decisions,
    LearnedRed,
    log_softmax,
)
from trainers.advantages import smdp_gae
from trainers.core.evaluation import training_seeds
from trainers.core.health import check_finite
from trainers.core.norm import ValueNorm
from trainers.core.stored import fitted
from trainers.core.trainable import adam

Aim = Literal["return", "without-contractor"]

_ZONE_OF: Final = np.zeros((network.N_ZONES, N_RED), np.float32)
for _agent, _zones in enumerate(RED_ZONES):
    _ZONE_OF[list(_zones), _agent] = 1
_PER_AGENT: Final = N_STATES - State.K + 4
_CENTRAL: Final = N_RED * _PER_AGENT + phases.N_PHASES + 1


@dataclass(frozen=True)
class RedSettings:
    """Settings of the learner.

    Attributes:
        aim: what it drives down: the return, or that without the contractor's Impacts.
        envs: episodes of a round.
        epochs, minibatches: passes over a round, and parts of each.
        learning_rate, clip, entropy, gamma, gae_lambda: as in `trainers.ppo`.
        elsewhere: what losses outside its zones count for an agent.
    """

    aim: Aim = "return"
    envs: int = 32
    epochs: int = 4
    minibatches: int = 8
    learning_rate: float = 6e-3
    clip: float = 0.2
    entropy: float = 0.001
    gamma: float = 0.99
    gae_lambda: float = 0.95
    elsewhere: float = 0.25


@dataclass
class _Round:
    """What was played: per step the decisions, options taken and their log-probabilities; rewards
    ``float32[T, n, 6]``; what the critic sees, ``float32[T, n, _CENTRAL]``."""

    decisions: list[Decisions]
    taken: list[IntArray]
    log_chance: list[npt.NDArray[np.float32]]
    reward: npt.NDArray[np.float32]
    central: npt.NDArray[np.float32]
    loss: float


class RedLearner:
    """Improves a red against a policy, round by round.

    Args:
        red: to improve, in place.
        policy: that it plays against.
        params: of the environment; its red is not used.
        settings: of the learner.
        seed: of the run; with the number of a round it decides all its chances.

    Attributes:
        rounds: that are behind it.
    """

    def __init__(
        self, red: LearnedRed, policy: Policy, params: EnvParams, settings: RedSettings, seed: int
    ) -> None:
        self.red, self.policy, self.settings, self.seed = red, policy, settings, seed
        self.env = AgainstLearned(settings.envs, red, params)
        self.norm = ValueNorm(0.9)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.critic = nn.Sequential(
                *(nn.Linear(_CENTRAL, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()),
                nn.Linear(64, N_RED),
            )
        self.optimiser = adam([*red.scorer.parameters(), *self.critic.parameters()], 1e-8)
        self.optimiser.param_groups[0]["lr"] = settings.learning_rate
        self.rounds = 0

    def round(self) -> dict[str, float]:
        """Play and learn once.

        Returns:
            Metrics: "return" is blue's mean on the round's episodes, by the aim.

        Raises:
            Diverged: learning has gone wrong.
        """
        played = self._play(training_seeds(self.seed, self.rounds, self.settings.envs))
        metrics = self._learn(played, np.random.default_rng([self.seed, self.rounds, N_RED]))
        check_finite("the red's training", metrics)
        check_finite("the red's weights", self.red.scorer.state_dict())
        self.rounds += 1
        return {"return": -played.loss} | metrics

    def state(self) -> dict[str, Any]:
        """All that learning changes; chances follow from the seed and the number of rounds."""
        return {
            "rounds": self.rounds,
            "scorer": self.red.scorer.state_dict(),
            "critic": self.critic.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "norm": self.norm.state(),
        }

    def load(self, state: dict[str, Any], where: Path) -> None:
        """Go on from a stored `state`.

        Args:
            state: that was stored.
            where: it was read from, for errors.

        Raises:
            CagexplainError: it does not fit; with the part.
        """
        fit = fitted(self.state(), state, where, "learner")
        self.rounds = fit["rounds"]
        self.red.scorer.load_state_dict(fit["scorer"])
        self.critic.load_state_dict(fit["critic"])
        self.optimiser.load_state_dict(fit["optimiser"])
        self.norm.load(fit["norm"])

    def _play(self, seeds: IntArray) -> _Round:
        env, settings = self.env, self.settings
        steps, n = phases.calls(env.params.steps), env.n_envs
        env.reset(seeds)
        self.policy.reset(seeds)
        rewards = np.zeros((steps, n, N_RED), np.float32)
        central = np.zeros((steps, n, _CENTRAL), np.float32)
        played = _Round([], [], [], rewards, central, 0.0)
        for t in range(steps):
            view = env.red_view()
            made, taken, log_chance = self.red.consider(view)
            _write_central(view, env, central[t])
            blue = decide(self.policy, env)
            env.step(blue.actions, blue.messages, made.choices(n, taken))
            lost, by_zone = _losses(env, settings.aim)
            local = by_zone @ _ZONE_OF
            rewards[t] = local + settings.elsewhere * (lost[:, None] - local)
            played.loss += float(lost.mean())
            played.decisions.append(made)
            played.taken.append(taken)
            played.log_chance.append(log_chance)
        return played

    def _learn(self, played: _Round, rng: np.random.Generator) -> dict[str, float]:
        settings, central = self.settings, torch.from_numpy(played.central)
        steps, n = played.reward.shape[:2]
        with torch.no_grad():
            value = self.norm.denormalise(self.critic(central)).numpy()
        free = np.zeros((steps, n, N_RED), np.bool_)
        for t, made in enumerate(played.decisions):
            free[t, made.env, made.agent] = True
        ended = np.concatenate([value, np.zeros((1, n, N_RED), np.float32)])
        advantage = smdp_gae(played.reward, free, ended, settings.gamma, settings.gae_lambda)
        returns = torch.from_numpy(advantage + value)
        last = self.critic[-1]
        assert isinstance(last, nn.Linear)
        self.norm.update_and_rescale(returns[torch.from_numpy(free)], [(last.weight, last.bias)])
        target = self.norm.normalise(returns)
        spread = advantage[free].std() + 1e-8
        scaled = ((advantage - advantage[free].mean()) / spread).astype(np.float32)
        rows = []
        for _ in range(settings.epochs):
            for part in np.array_split(rng.permutation(steps), settings.minibatches):
                made, taken = joined(
                    [played.decisions[t] for t in part], [played.taken[t] for t in part]
                )
                before = torch.from_numpy(np.concatenate([played.log_chance[t] for t in part]))
                gain = torch.from_numpy(np.concatenate([_at(scaled[t], played, t) for t in part]))
                policy_loss, facts = self._surrogate(made, taken, before, gain)
                mask = torch.from_numpy(free[part])
                error = (self.critic(central[part]) - target[part]).square()[mask].mean()
                self.optimiser.zero_grad()
                (policy_loss + 0.5 * error).backward()
                nn.utils.clip_grad_norm_(self.red.scorer.parameters(), 0.5)
                nn.utils.clip_grad_norm_(self.critic.parameters(), 0.5)
                self.optimiser.step()
                rows.append([*facts, float(error.detach())])
        names = ("kl", "clipped", "entropy", "value_loss")
        return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))

    def _surrogate(
        self, made: Decisions, taken: IntArray, before: Tensor, gain: Tensor
    ) -> tuple[Tensor, list[float]]:
        """The clipped surrogate less the entropy bonus; KL, share clipped, entropy."""
        clip, decides = self.settings.clip, torch.from_numpy(made.decides)
        log_chance = log_softmax(self.red.scorer(made), decides, len(made))
        log_ratio = log_chance[torch.from_numpy(taken)] - before
        ratio = log_ratio.exp()
        surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain).mean()
        entropy = -(log_chance.exp() * log_chance).sum() / len(made)
        with torch.no_grad():
            kl = float((ratio - 1 - log_ratio).mean())
            clipped = float(((ratio - 1).abs() > clip).float().mean())
        loss = -surrogate - self.settings.entropy * entropy
        return loss, [kl, clipped, float(entropy.detach())]


def _at(values: npt.NDArray[np.float32], played: _Round, t: int) -> npt.NDArray[np.float32]:
    made = played.decisions[t]
    at: npt.NDArray[np.float32] = values[made.env, made.agent]
    return at


def _losses(env: AgainstLearned, aim: Aim) -> tuple[FloatArray, FloatArray]:
    """What blue has lost in the step: ``float64[n]``, and of that by zone ``float64[n, 9]``."""
    lost, parts = -env.reward.astype(np.float64), -env.reward_parts.astype(np.float64)
    if aim == "without-contractor":
        lost = lost - parts[:, reward.RIA, network.CON]
        parts[:, reward.RIA, network.CON] = 0
    return lost, parts.sum(axis=1)


def _write_central(view: RedView, env: AgainstLearned, out: npt.NDArray[np.float32]) -> None:
    """What the critic sees, into ``float32[n, _CENTRAL]``."""
    agents = out[:, : N_RED * _PER_AGENT].reshape(env.n_envs, N_RED, _PER_AGENT)
    for place, state in enumerate(range(State.K, N_STATES)):
        agents[:, :, place] = np.log1p((view.state == state).sum(axis=2))
    agents[:, :, -4] = np.log1p((view.session == USER).sum(axis=2))
    agents[:, :, -3] = np.log1p((view.session == ROOT).sum(axis=2))
    agents[:, :, -2], agents[:, :, -1] = view.active, view.free
    out[:, : N_RED * _PER_AGENT] = agents.reshape(env.n_envs, -1)
    out[np.arange(env.n_envs), N_RED * _PER_AGENT + env.phase] = 1
    out[:, -1] = env.step_count / env.params.steps


def joined(parts: Sequence[Decisions], taken: Sequence[IntArray]) -> tuple[Decisions, IntArray]:
    """Decisions of several steps as one, with the options taken, ``int64[d]`` of each."""
    rows = np.cumsum([0, *(len(part.host) for part in parts)])
    numbers = np.cumsum([0, *(len(part) for part in parts)])
    on_hosts = np.cumsum([0, *(len(part.on_hosts) for part in parts)])
    on_zones = np.cumsum([on_hosts[-1], *(len(part.on_zones) for part in parts)])
    shifted = [
        np.where(options < len(part.on_hosts), options + h, options - len(part.on_hosts) + z)
        for part, options, h, z in zip(parts, taken, on_hosts, on_zones, strict=False)
    ]
    split = [(part.prior[: len(part.on_hosts)], part.prior[len(part.on_hosts) :]) for part in parts]
    whole = Decisions(
        env=np.concatenate([part.env for part in parts]),
        agent=np.concatenate([part.agent for part in parts]),
        common=np.concatenate([part.common for part in parts]),
        host=np.concatenate([part.host for part in parts]),
        decision=np.concatenate([p.decision + k for p, k in zip(parts, numbers, strict=False)]),
        hosts=np.concatenate([part.hosts for part in parts]),
        zones=np.concatenate([part.zones for part in parts]),
        on_hosts=np.concatenate(
            [p.on_hosts + k * N_RED_ACTIONS for p, k in zip(parts, rows, strict=False)]
        ),
        on_zones=np.concatenate(
            [p.on_zones + k * network.N_REAL_ZONES for p, k in zip(parts, numbers, strict=False)]
        ),
        prior=np.concatenate([*(h for h, _ in split), *(z for _, z in split)]),
    )
    return whole, np.concatenate(shifted)
