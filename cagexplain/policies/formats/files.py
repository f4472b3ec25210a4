"""A policy that plays foreign networks: from observations to rows, from outputs to actions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.layout import OFFSETS, SLEEP_INDEX
from cagexplain.common.arrays import BoolArray, Float32Array, IntArray
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.base import Decision, Instead, done
from cagexplain.policies.chances import Chances
from cagexplain.policies.formats import views
from cagexplain.policies.formats.descriptor import Form
from cagexplain.policies.formats.network import Network, State
from cagexplain.policies.learned import networks

_TRUSTED_NONE: Final = "Give another checkpoint: this one computes nothing that could be played"


@dataclass
class Seat:
    """A file in play.

    Attributes:
        file: for errors.
        network: that it holds.
        form: how it is played.
        agents: that it serves, by number.
    """

    file: Path
    network: Network
    form: Form
    agents: list[int]

    def __post_init__(self) -> None:
        # A team's network has one row for all of its agents; any other has one per agent.
        self.viewers = self.agents[:1] if self.form.actions == "team" else self.agents
        self.columns = np.stack([self.form.view.columns(agent) for agent in self.viewers])
        self.width = views.n_outputs(self.form.actions, self.viewers[0])

    def inputs(self, wide: Float32Array) -> Tensor:
        """Rows of inputs, environment by environment, of what `views.widened` gives."""
        return torch.from_numpy(wide[:, self.columns].reshape(-1, self.columns.shape[1]))

    def legal(self, mask: BoolArray) -> Tensor:
        """The action masks of these rows: ``bool[rows, choices]``."""
        rows = np.zeros((len(mask), len(self.viewers), self.width), np.bool_)
        for at, agent in enumerate(self.viewers):
            part = mask if self.form.actions == "team" else mask[:, actions.slice_of(agent)]
            rows[:, at, : part.shape[1]] = part
        return torch.from_numpy(rows.reshape(-1, self.width))


class FilePolicy:
    """Plays foreign files that answer with indices of actions.

    Args:
        name: for tables.
        seats: a file, or several that serve all five agents together.
        facts: about the files, for manifests.

    An index without an action behind it, or of a host that does not exist, sleeps, as in CC4. All
    memories and chances belong to single environments.

    Raises:
        CagexplainError: what a network computes cannot be played.
    """

    kind: Literal["external"] = "external"
    deterministic = True

    def __init__(self, name: str, seats: list[Seat], facts: Mapping[str, Any]) -> None:
        self.name = name
        self.seats = seats
        self._facts = dict(facts)
        self._try()
        self.reset(np.zeros(1, np.int64))

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, one per seed."""
        self._states: list[State] = [
            seat.network.start(len(seeds) * len(seat.viewers)) for seat in self.seats
        ]

    @torch.inference_mode()
    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Actions for obs (n, 578), mask (n, 570) and free (n, 5); or what is done `instead`."""
        chosen = np.broadcast_to(SLEEP_INDEX, free.shape).copy()
        for seat, outputs in self._outputs(obs, mask):
            index = outputs.numpy().reshape(len(obs), -1)
            for at, agent in enumerate(seat.agents):
                part, index_of = mask[:, actions.slice_of(agent)], index[:, at]
                exists = (index_of >= 0) & (index_of < part.shape[1])
                exists &= part[np.arange(len(obs)), np.where(exists, index_of, 0)]
                chosen[exists, agent] = index_of[exists]
        return Decision(done(self._submitted(chosen, free), instead))

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments; the weights are shared."""
        twin = copy.copy(self)
        twin._states = [
            tuple(memory[_rows_of(rows, len(seat.viewers))] for memory in state)
            for seat, state in zip(self.seats, self._states, strict=True)
        ]
        return twin

    def describe(self) -> dict[str, Any]:
        """Facts for manifests, JSON-able: the files and how they are played."""
        return {
            "name": self.name,
            "kind": self.kind,
            "deterministic": self.deterministic,
            **self._facts,
            "forms": {
                BLUE[agent]: {"file": seat.file.name, **seat.form.as_dict()}
                for seat in self.seats
                for agent in seat.agents
            },
        }

    def _submitted(self, chosen: npt.NDArray[np.int64], free: BoolArray) -> npt.NDArray[np.int64]:
        for seat in self.seats:
            if seat.form.busy == "sleeps":
                at = seat.agents
                chosen[:, at] = np.where(free[:, at], chosen[:, at], SLEEP_INDEX[at])
        return chosen

    def _outputs(self, obs: npt.NDArray[np.int8], mask: BoolArray) -> list[tuple[Seat, Tensor]]:
        """What each network computes, and its memories go on."""
        wide = views.widened(obs)
        computed = []
        for number, seat in enumerate(self.seats):
            inputs, legal = seat.inputs(wide), seat.legal(mask)
            outputs, self._states[number] = seat.network.run(inputs, legal, self._states[number])
            expected = N_BLUE if seat.form.actions == "team" else 1
            if seat.form.outputs != "actions":
                expected = seat.width
            if tuple(outputs.shape) != (len(inputs), expected):
                raise CagexplainError(
                    f"the network gives {list(outputs.shape)} for {len(inputs)} observations, not "
                    f"[{len(inputs)}, {expected}]",
                    where=seat.file,
                    field="actions",
                    remedy="Correct the descriptor, or export the network anew",
                )
            computed.append((seat, outputs))
        return computed

    def _try(self) -> None:
        """Play two steps of observations in which nothing, everything or every other entry is set:
        what does not fit or overflows is told before anything is recorded."""
        obs = np.zeros((3, observations.TOTAL), np.int8)
        obs[1], obs[2, ::2] = 1, 1
        self.reset(np.arange(len(obs)))
        for _ in range(2):
            self.act(
                obs,
                np.ones((len(obs), actions.TOTAL), np.bool_),
                np.ones((len(obs), N_BLUE), np.bool_),
            )


class WeighingFilePolicy(FilePolicy):
    """Plays foreign files that weigh all actions.

    Args:
        name, seats, facts: as of `FilePolicy`.
        deterministic: play the heaviest action instead of drawing one; None draws by logits, and
            takes the best of values.

    The weight of what sleeps in CC4, a padding or a host that does not exist, counts as Sleep's.

    Attributes:
        values: whether the networks value actions.

    Raises:
        UsageError: values, of which nothing can be drawn.
    """

    def __init__(
        self,
        name: str,
        seats: list[Seat],
        facts: Mapping[str, Any],
        *,
        deterministic: bool | None = None,
    ) -> None:
        self.values = seats[0].form.outputs == "values"
        self.deterministic = self.values if deterministic is None else deterministic
        if self.values and not self.deterministic:
            raise UsageError(
                "the networks value actions: there are no probabilities to draw from",
                where=seats[0].file,
                remedy="Let it play its best actions (--deterministic)",
            )
        super().__init__(name, seats, facts)

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, one per seed."""
        super().reset(seeds)
        self._chances = Chances(seeds)

    @torch.inference_mode()
    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Actions for obs (n, 578), mask (n, 570) and free (n, 5); or what is done `instead`."""
        self._weights = torch.empty(len(obs), actions.TOTAL)
        for seat, outputs in self._outputs(obs, mask):
            self._require_numbers(seat, outputs)
            for at, agent in enumerate(seat.agents):
                row = 0 if seat.form.actions == "team" else at
                weights = outputs.reshape(len(obs), len(seat.viewers), -1)[
                    :, row, views.action_range(seat.form.actions, agent)
                ]
                part = actions.slice_of(agent)
                legal = torch.from_numpy(mask[:, part])
                self._weights[:, part] = self._playable(seat, agent, weights, legal)
        u = None if self.deterministic else self._chances.next()
        logs = [self._weights[:, actions.slice_of(agent)] for agent in range(N_BLUE)]
        chosen = np.stack(
            [
                (
                    w.argmax(-1)
                    if u is None
                    else networks.sample(w, torch.from_numpy(u[:, a].copy()))
                )
                for a, w in enumerate(logs)
            ],
            axis=1,
        )
        chosen = done(self._submitted(chosen, free), instead)
        probability, entropy = np.ones(free.shape, np.float32), np.zeros(free.shape, np.float32)
        if not self.values:
            picked = self._weights.numpy()[np.arange(len(obs))[:, None], chosen + OFFSETS]
            probability = np.exp(picked)
            entropy = np.stack(
                [-(w.exp() * w.nan_to_num(neginf=0.0)).sum(-1) for w in logs], axis=1
            )
        return Decision(chosen, None, probability, entropy)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments; the weights are shared."""
        twin = super().branch(rows, seeds)
        twin._chances = self._chances.branch(rows, seeds)
        return twin

    def weights(self) -> npt.NDArray[np.float32]:
        """Log-probabilities, or values if `values`, of all actions in the last `act` (n, 570)."""
        return np.asarray(self._weights.numpy())

    def _playable(self, seat: Seat, agent: int, weights: Tensor, legal: Tensor) -> Tensor:
        """The weights of the official actions: log-probabilities, or values.

        Args:
            weights: ``[n, choices]`` of the network.
            legal: ``bool[n, official actions]``.
        """
        form, size, sleep = seat.form, actions.SIZES[agent], int(SLEEP_INDEX[agent])
        if form.outputs == "probabilities":
            weights = weights.log()
        official = weights[:, :size].masked_fill(~legal, -torch.inf)
        if form.mask != "logits":  # the choice is among all, and what is forbidden sleeps
            if not self.values:
                weights = torch.log_softmax(weights, -1)
            official = weights[:, :size].masked_fill(~legal, -torch.inf)
            asleep = torch.cat(
                [weights[:, :size].masked_fill(legal, -torch.inf), weights[:, size:]], -1
            )
            asleep = torch.cat([asleep, official[:, sleep : sleep + 1]], -1)
            # The heaviest action stays the heaviest where that is what is played.
            official[:, sleep] = asleep.amax(-1) if self.deterministic else asleep.logsumexp(-1)
            return official
        return official if self.values else torch.log_softmax(official, -1)

    def _require_numbers(self, seat: Seat, outputs: Tensor) -> None:
        if outputs.isnan().any() or (outputs == torch.inf).any():
            raise CagexplainError(
                "what the network computes is not finite",
                where=seat.file,
                remedy=_TRUSTED_NONE,
            )


def _rows_of(rows: IntArray, per_environment: int) -> Tensor:
    """Rows of a network that belong to some environments."""
    at = np.asarray(rows, np.int64)[:, None] * per_environment + np.arange(per_environment)
    return torch.from_numpy(at.reshape(-1))


def policy_of(
    name: str, seats: list[Seat], facts: Mapping[str, Any], *, deterministic: bool | None
) -> FilePolicy:
    """The policy that plays some files.

    Raises:
        CagexplainError, UsageError: see the classes; or some weigh actions and some do not.
    """
    kinds = {seat.form.outputs for seat in seats}
    if len(kinds) > 1:
        raise CagexplainError(
            f"the files compute different things ({', '.join(sorted(kinds))})",
            where=seats[0].file,
            field="outputs",
            remedy="Give files that all compute the same",
        )
    if kinds != {"actions"}:
        return WeighingFilePolicy(name, seats, facts, deterministic=deterministic)
    if deterministic is False:
        raise UsageError(
            "the file gives actions: there are no probabilities to draw from",
            where=seats[0].file,
            remedy="Leave --stochastic out",
        )
    return FilePolicy(name, seats, facts)
