"""Networks at play: a policy of weights, wherever they come from."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.base import Decision, Instead, done
from cagexplain.policies.chances import Chances
from cagexplain.policies.learned import features, messages, networks
from cagexplain.policies.learned.features import GROUPS, Features
from cagexplain.policies.learned.networks import Acting, Stack

if TYPE_CHECKING:
    from typing import Self


def choose(
    logits: Sequence[Tensor],
    free: BoolArray,
    u: npt.NDArray[np.float32] | None,
) -> npt.NDArray[np.int64]:
    """Actions (n, 5) from masked logits per group (members, n, actions).

    Drawn with `u` (n, 5), or the most probable ones if that is None. Agents that are not free,
    ``bool[n, 5]``, sleep: what they submit is ignored, but a Restore would be charged (CC4
    interface, 5.3).
    """
    chosen = np.empty(free.shape, np.int64)
    for group, logit in zip(GROUPS, logits, strict=True):
        if u is None:
            action = logit.argmax(-1)
        else:
            points = np.ascontiguousarray(u[:, group].T)
            action = networks.sample(logit, torch.from_numpy(points))
        chosen[:, group] = action.T.numpy()
    return np.where(free, chosen, SLEEP_INDEX)


class Player:
    """Plays networks, each agent on its own observation.

    Args:
        name: of the policy.
        actors: the networks, a stack per group.
        profile: what they see, one of ``features.PROFILES``.
        message_kind: what the agents tell each other, one of ``messages.KINDS``.
        values: whether they compute values of actions; else logits.
        deterministic: play the most probable action instead of drawing one.
        source: file that the weights were read from, for errors.

    Drawn actions depend on the seeds given to `reset` alone, not on how many environments are
    played side by side.
    """

    kind: Literal["checkpoint"] = "checkpoint"

    def __init__(
        self,
        name: str,
        actors: Sequence[Stack],
        *,
        profile: str,
        message_kind: str,
        values: bool,
        deterministic: bool,
        source: Path | None = None,
    ) -> None:
        self.name = name
        self.actors = actors
        self.profile = profile
        self.messages = message_kind
        self.values = values
        self.deterministic = deterministic
        self.source = source
        self.reset(np.zeros(1, np.int64))

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, one per seed."""
        self.features = Features(self.profile, len(seeds))
        self.inputs = self.features.empty()
        self.acting = Acting(self.actors, len(seeds))
        self.chances = Chances(seeds)
        self.terse = False
        self.sightings: Sightings | None = None

    @property
    def reads(self) -> bool:
        """Whether it needs what the raw observations tell (see `policies.base.Reading`)."""
        return features.reads(self.profile)

    def read(self, sightings: Sightings) -> None:
        """Take note of what the raw observations tell."""
        self.sightings = sightings

    @torch.inference_mode()
    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Actions for obs (n, 578), mask (n, 570) and free (n, 5); or what is done `instead`."""
        self.features.observe(obs, mask, free, self.inputs, self.sightings)
        self.sightings = None
        legal = networks.by_group(networks.additive(torch.from_numpy(mask)), actions.SIZES)
        raw = self.acting.outputs(self.inputs, free if self.terse else None)
        self._require_finite(raw)
        logits = [r + a for r, a in zip(raw, legal, strict=True)]
        self.logits = logits
        chosen = choose(logits, free, None if self.deterministic else self.chances.next())
        chosen = done(chosen, instead)
        self.features.acted(chosen, free)
        message_bits = messages.encode(self.messages, obs, self.features.running)
        if self.terse:
            return Decision(chosen, message_bits)
        probability, entropy = np.ones(free.shape, np.float32), np.zeros(free.shape, np.float32)
        if not self.values:
            for group, r, a in zip(GROUPS, raw, legal, strict=True):
                picked = torch.from_numpy(np.ascontiguousarray(chosen[:, group].T))
                log_prob, h = networks.log_prob_and_entropy(r, a, picked)
                # Sums of large logits round, in single precision, to a little outside the range.
                probability[:, group] = log_prob.clamp_max(0).exp().T.numpy()
                entropy[:, group] = h.clamp_min(0).T.numpy()
        return Decision(chosen, message_bits, probability, entropy)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments; the weights are shared.

        With `seeds`, what counts is how it ends: such a branch thinks only for agents that are
        free, which saves half of its time, and tells no probabilities.
        """
        at = np.asarray(rows, np.int64)
        twin = copy.copy(self)
        twin.features = self.features.branch(at)
        twin.inputs = twin.features.empty()
        twin.acting = self.acting.branch(at)
        twin.chances = self.chances.branch(at, seeds)
        twin.terse = self.terse or seeds is not None
        return twin

    def weights(self) -> npt.NDArray[np.float32]:
        """Log-probabilities, or values if `values`, of all actions in the last `act` (n, 570)."""
        parts = self.logits if self.values else [torch.log_softmax(x, -1) for x in self.logits]
        weights = torch.cat([x.transpose(0, 1).flatten(1) for x in parts], -1)
        return np.asarray(weights.numpy())

    def describe(self) -> dict[str, Any]:
        """Facts for manifests, JSON-able."""
        return {"name": self.name, "kind": self.kind, "deterministic": self.deterministic}

    def _require_finite(self, raw: Sequence[Tensor]) -> None:
        """Refuse outputs (members, n, actions) per group that mean nothing."""
        for group, outputs in zip(GROUPS, raw, strict=True):
            if not (finite := outputs.isfinite()).all():
                agent = group[int(finite.flatten(1).all(1).logical_not().nonzero()[0])]
                raise CagexplainError(
                    f"what the network of {BLUE[agent]} computes is not finite: its weights are "
                    "too large",
                    where=self.source or self.name,
                    field="weights",
                    remedy="Use a checkpoint that `cagexplain train` wrote",
                )
