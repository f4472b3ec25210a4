"""The intrinsic reward of Never Give Up (NGU; Badia et al. 2020), agent by agent.

An observation is worth its novelty within the episode, times how new it is to the agent at all:

    r = episodic(x) * min(max(1 + (err(x) - mean err) / std err, 1), L).

Only this reward is NGU's: the learner that it is given to has one policy and one discount, where
NGU trains a family of policies with rewards of different strength. It is computed after the
episodes were played, which gives the same episodic novelties as computing it step by step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies.learned.features import GROUPS, sizes
from trainers.core.settings import Settings
from trainers.core.trainable import adam

MAX_ROWS: Final = 8192
"""Steps of a round that the networks learn from, drawn at random where there are more: the number
of learning steps should not grow with the environments (as in random network distillation)."""
MINIBATCH: Final = 512
BLOCK: Final = 4096
"""Rows that pass a network at once, so that its intermediate results stay in the cache."""
CLIP: Final = 5.0
"""Normalised inputs of the distilled network are cut off here."""


class RunningMoments(nn.Module):
    """Running mean and standard deviation of all rows seen, in double precision.

    Args:
        shape: of a row.
    """

    count: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("square", torch.zeros(shape, dtype=torch.float64))

    def update(self, rows: Tensor) -> None:
        """Take in (rows, *shape): pool their moments with the old ones (Chan et al. 1979)."""
        variance, mean = torch.var_mean(rows.double(), 0, correction=0)
        total = self.count + len(rows)
        shift = mean - self.mean
        self.square += variance * len(rows) + shift.square() * self.count * len(rows) / total
        self.mean += shift * len(rows) / total
        self.count.copy_(total)

    def std(self, floor: float) -> Tensor:
        """Standard deviation, at least `floor`."""
        return (self.square / self.count).sqrt().clamp(min=floor)


class EpisodicNovelty(nn.Module):
    """How far an observation is from the earlier ones of its episode."""

    distances: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("distances", torch.zeros(2, dtype=torch.float64))

    def rewards(self, embedding: Tensor) -> Tensor:
        """1 / (sqrt(sum of K) + c), K = eps / (d^2 / mean d^2 - cluster + eps), over k neighbours.

        The neighbours are looked for before the observation joins the memory, which is empty when
        an episode begins; an observation with fewer than k earlier ones is worth nothing. The mean
        is that of the squared distances to all neighbours so far, environments side by side.

        Args:
            embedding: (T + 1, n, width) of the observations.

        Returns:
            (T, n): the reward of step t belongs to observation t + 1.
        """
        cfg, k = self.settings, self.settings.ngu_k
        points = embedding.transpose(0, 1).contiguous()
        rewards = torch.zeros(len(embedding) - 1, len(points))
        totals = self.distances.numpy()  # sum and number of the squared distances so far
        for t in range(k, len(embedding)):
            # Differences and not products of points, so that a repeated one is at distance zero.
            squared = (points[:, :t] - points[:, t : t + 1]).square_().sum(-1).numpy()
            squared.partition(k - 1, axis=1)  # several times faster than torch.topk
            nearest = squared[:, :k]
            totals += (nearest.sum(dtype=np.float64), nearest.size)
            relative = nearest / max(totals[0] / totals[1], 1e-12)
            apart = np.maximum(relative - cfg.ngu_cluster, 0)
            kernel = cfg.ngu_kernel / (apart + cfg.ngu_kernel)
            similarity = np.sqrt(kernel.sum(axis=1)) + cfg.ngu_constant
            bonus = np.where(similarity > cfg.ngu_max_similarity, 0, 1 / similarity)
            rewards[t - 1] = torch.from_numpy(bonus)
        return rewards


class _Agent(nn.Module):
    """One agent's networks and statistics; agents share nothing.

    Args:
        settings: of the run.
        agent: its number.
        generator: for the first weights.
    """

    def __init__(self, settings: Settings, agent: int, generator: torch.Generator) -> None:
        super().__init__()
        self.max_novelty = settings.ngu_max_novelty
        width = sizes(settings.observation)[agent]
        layers = (width, *settings.ngu_hidden, settings.ngu_embedding)
        head = (2 * settings.ngu_embedding, settings.ngu_hidden[-1], actions.SIZES[agent])
        self.embed = _perceptron(layers, generator)
        self.inverse = _perceptron(head, generator)
        self.target = _perceptron(layers, generator).requires_grad_(False)
        self.predictor = _perceptron(layers, generator)
        self.inputs, self.errors = RunningMoments(width), RunningMoments()
        self.episodic = EpisodicNovelty(settings)

    def rewards(self, x: Tensor) -> Tensor:
        """Intrinsic rewards (T, n) of the observations x (T + 1, n, width)."""
        embedding = _in_blocks(self.embed, x.flatten(0, 1)).view(*x.shape[:2], -1)
        return self.episodic.rewards(embedding) * self._modulation(x[1:])

    def losses(self, before: Tensor, after: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """What the embedding and the predictor are trained to lower.

        The embedding has to tell which `action` (rows,) was in progress between two successive
        observations (rows, width), so it comes to hold what actions change and to drop the rest.
        """
        embedded = self.embed(torch.cat([before, after]))
        guess = self.inverse(torch.cat(embedded.chunk(2), -1))
        return functional.cross_entropy(guess, action), self._error(self._normalise(after)).mean()

    def _modulation(self, x: Tensor) -> Tensor:
        """Life-long novelty of observations (T, n, width) as a factor (T, n) from 1 to L.

        The statistics take in the whole round first, so that the first round has some. They are
        those of all training so far: as the predictor learns, errors sink below their mean and
        the factor goes to 1, which leaves the episodic novelty, as NGU intends.
        """
        rows = x.flatten(0, 1)
        self.inputs.update(rows)
        error = _in_blocks(self._error, self._normalise(rows)).double()
        self.errors.update(error)
        factor = 1 + (error - self.errors.mean) / self.errors.std(1e-8)
        return factor.clamp(1, self.max_novelty).float().view(x.shape[:2])

    def _error(self, normalised: Tensor) -> Tensor:
        """Error of the predictor on each row: (rows, width) -> (rows,)."""
        missed: Tensor = self.predictor(normalised) - self.target(normalised)
        return missed.square().mean(-1)

    def _normalise(self, rows: Tensor) -> Tensor:
        std = self.inputs.std(1e-4).float()  # a bit that was never set is far out when it is
        return ((rows - self.inputs.mean.float()) / std).clamp(-CLIP, CLIP)


class NGU:
    """Intrinsic rewards for whole rounds of play; call `rewards`, then `learn`, once per round.

    Args:
        settings: of the run: everything named ``ngu_`` but weight, rate and decay, which are the
            caller's; and the observation profile.
        seed: of the run.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.agents = [_Agent(settings, agent, generator) for agent in range(N_BLUE)]
        self.networks = nn.ModuleList(self.agents)
        trained = [p for p in self.networks.parameters() if p.requires_grad]
        self.optimiser = adam(trained, 1e-8)

    @torch.no_grad()
    def rewards(
        self, features: Sequence[Tensor], action: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Novelty of what each step led to, with running statistics that take the round in.

        Args:
            features: per group (T + 1, members, n, width), observations of whole episodes.
            action: (T, n, 5) in progress in each step.

        Returns:
            (T, n, 5).
        """
        rewards = np.empty(action.shape, np.float32)
        for i, (agent, x) in enumerate(zip(self.agents, _by_agent(features), strict=True)):
            rewards[..., i] = agent.rewards(x).numpy()
        return rewards

    def learn(
        self,
        features: Sequence[Tensor],
        action: npt.NDArray[np.int64],
        rng: np.random.Generator,
        rate: float,
    ) -> dict[str, float]:
        """Train the networks on the round, so that what was seen is less novel from now on.

        Args:
            features: per group (T + 1, members, n, width), as in `rewards`.
            action: (T, n, agents), as in `rewards`.
            rng: for the order of the steps.
            rate: step size.

        Returns:
            Mean losses before their steps: ``ngu_inverse_loss`` (nats), ``ngu_error``.
        """
        self.optimiser.param_groups[0]["lr"] = rate
        n = action.shape[1]
        observed = [x.flatten(0, 1) for x in _by_agent(features)]
        actions = torch.from_numpy(action).flatten(0, 1)
        order = torch.from_numpy(rng.permutation(len(actions))[:MAX_ROWS])
        history = []
        for rows in order.split(MINIBATCH):
            losses: list[Tensor] = []
            for i, (agent, x) in enumerate(zip(self.agents, observed, strict=True)):
                before, after = x.index_select(0, rows), x.index_select(0, rows + n)
                losses += agent.losses(before, after, actions[:, i].index_select(0, rows))
            self.optimiser.zero_grad()
            loss = torch.stack(losses)
            loss.sum().backward()  # no parameter has a part in two of them
            self.optimiser.step()
            history.append(loss.detach().view(N_BLUE, 2).mean(0))
        inverse, error = torch.stack(history).mean(0).tolist()
        return {"ngu_inverse_loss": inverse, "ngu_error": error}

    def state(self) -> dict[str, Any]:
        """Everything that changes, to be stored."""
        return {"networks": self.networks.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        self.networks.load_state_dict(state["networks"])
        self.optimiser.load_state_dict(state["optimiser"])


def _by_agent(features: Sequence[Tensor]) -> list[Tensor]:
    """Per group (T + 1, members, n, width) -> per agent (T + 1, n, width)."""
    return [x[:, i] for group, x in zip(GROUPS, features, strict=True) for i in range(len(group))]


def _perceptron(widths: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """A perceptron with ReLU between its layers, orthogonal weights and no biases to begin with."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layer = nn.utils.skip_init(nn.Linear, inputs, outputs)  # its own start is global randomness
        nn.init.orthogonal_(layer.weight, math.sqrt(2), generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _in_blocks(network: Any, rows: Tensor) -> Tensor:
    return torch.cat([network(block) for block in rows.split(BLOCK)])
