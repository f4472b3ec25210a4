"""Playing a round of episodes, the same for all algorithms: messages, rewards, what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.envs import BatchedEnv
from cagexplain.policies.learned import messages, networks
from cagexplain.policies.learned.features import GROUPS, Features
from cagexplain.policies.learned.networks import Acting, Stack
from trainers.core import rewards
from trainers.core.buffers import Rollout
from trainers.core.clock import Clock
from trainers.core.settings import Settings
from trainers.imitation import Lesson
from trainers.intrinsic import NGU

Explore = Callable[[Tensor, Tensor], Tensor]
"""Chooses actions (members, n) from the masked outputs (members, n, actions) of a group, with
uniform random numbers (members, n)."""


class Player:
    """Plays rounds under the settings that say what agents see, tell each other and earn.

    Args:
        settings: of the run.
        seed: of the run.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings = settings
        self.ngu = NGU(settings, seed) if settings.intrinsic == "ngu" else None
        self.rollout: Rollout | None = None

    @torch.inference_mode()
    def play(
        self,
        env: BatchedEnv,
        seeds: npt.NDArray[np.int64],
        stacks: list[Stack],
        explore: Explore | None,
        rng: np.random.Generator,
        clock: Clock,
        lesson: Lesson | None = None,
    ) -> Rollout:
        """Play one episode per environment; the memory is used again by the next call.

        Busy agents submit Sleep: what they submit is ignored, but a Restore would be charged (CC4
        interface, 5.3). What counts as their action is the one in progress.

        Args:
            env: environments, as many as the settings say.
            seeds: (envs,) of the episodes.
            stacks: the agents' networks.
            explore: how actions are chosen from the networks' outputs; None draws them from
                softmax(outputs) and records their log-probabilities.
            rng: for the choices.
            clock: gets the time of simulation and inference.
            lesson: hears what is chosen, and may put something else in its place.
        """
        cfg, calls = self.settings, phases.calls(env.params.steps)
        if self.rollout is None:
            self.rollout = Rollout.empty(cfg.observation, calls, env.n_envs)
        rollout = self.rollout
        with clock("simulation"):
            env.reset(seeds)
        features, acting = Features(cfg.observation, env.n_envs), Acting(stacks, env.n_envs)
        uniform = rng.random((calls, N_BLUE, env.n_envs), dtype=np.float32)
        legal = networks.additive(torch.from_numpy(env.mask))
        rollout.legal = networks.by_group(legal, actions.SIZES)
        running = np.tile(SLEEP_INDEX, (env.n_envs, 1))
        spare = cfg.network == "shared"  # its outputs cost more than picking those that count
        for t in range(calls):
            with clock("inference"):
                free = rollout.free[t]
                free[:] = env.free
                inputs = [f[t] for f in rollout.features]
                seen = env.sightings() if features.reads else None
                features.observe(env.obs, env.mask, free, inputs, seen)
                for group, raw, mask in zip(
                    GROUPS,
                    acting.outputs(inputs, free if spare else None),
                    rollout.legal,
                    strict=True,
                ):
                    members = slice(group[0], group[-1] + 1)
                    outputs = raw + mask
                    u = torch.from_numpy(uniform[t, members])
                    if explore is None:
                        chosen, log_prob = networks.draw(outputs, u)
                        rollout.log_prob[t][:, members] = log_prob.T
                    else:
                        chosen = explore(outputs, u)
                    np.copyto(running[:, members], chosen.T.numpy(), where=free[:, members])
                submitted = np.where(free, running, SLEEP_INDEX)
            if lesson is not None:
                with clock("lesson"):
                    submitted = lesson.attend(t, submitted)
                    np.copyto(running, submitted, where=free)
            with clock("inference"):
                rollout.action[t] = running
                features.acted(submitted, free)
                encoded = messages.encode(cfg.messages, env.obs, running)
            with clock("simulation"):
                env.step(submitted, encoded)
            rollout.team[t] = env.reward
            rewards.per_agent(
                cfg.reward, env.reward, env.reward_parts, env.action_cost, rollout.reward[t]
            )
        rollout.free[-1] = env.free
        features.observe(
            env.obs,
            env.mask,
            env.free,
            [f[-1] for f in rollout.features],
            env.sightings() if features.reads else None,
        )
        return rollout

    def seek_novelty(
        self, rollout: Rollout, number: int, rng: np.random.Generator, clock: Clock
    ) -> dict[str, float]:
        """Add the intrinsic reward to the agents' rewards, and learn what is novel from now on."""
        if self.ngu is None:
            return {}
        cfg = self.settings
        with clock("intrinsic"):
            bonus = self.ngu.rewards(rollout.features, rollout.action)
            rollout.reward += np.float32(cfg.ngu_weight) * bonus
            rate = cfg.ngu_rate * cfg.ngu_decay**number
            return self.ngu.learn(rollout.features, rollout.action, rng, rate) | {
                "intrinsic_reward": float(bonus.mean())
            }

    def state(self) -> dict[str, Any]:
        """What must be stored to continue."""
        return {} if self.ngu is None else {"ngu": self.ngu.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        if self.ngu is not None:
            self.ngu.load(state["ngu"])
