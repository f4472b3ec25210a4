"""Acting with trained networks: the policy that a checkpoint holds."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.layout import SLEEP_INDEX
from cagexplain.common.arrays import BoolArray, IntArray
from cagexplain.common.documents import convert
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import json_name, sha256_file
from cagexplain.policies.base import Decision, Instead, done
from cagexplain.policies.chances import Chances
from cagexplain.policies.checkpoint import ActingSettings, Checkpoint, load_checkpoint
from cagexplain.policies.learned import messages, networks
from cagexplain.policies.learned.features import GROUPS, Features
from cagexplain.policies.learned.networks import Acting, Stack

_REMEDY: Final = "Use a checkpoint that `cagexplain train` wrote"
_UPDATE: Final = "Update cagexplain, or train the policy again"


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


class TrainedPolicy:
    """Plays the networks of a checkpoint, each agent on its own observation.

    Args:
        checkpoint: what to play.
        source: path the checkpoint was read from, for manifests.
        known_as: what manifests call it instead, if it comes with the package.
        deterministic: play the most probable action instead of drawing one; None plays the way
            that the training evaluated (the `acting` setting of the run).

    Drawn actions depend on the seeds given to `reset` alone, not on how many environments are
    played side by side.

    Raises:
        CagexplainError: settings that are not known here, or weights that do not fit them or
            overflow.
        UsageError: it cannot play that way.
    """

    kind: Literal["checkpoint"] = "checkpoint"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        source: Path | None = None,
        known_as: str | None = None,
        deterministic: bool | None = None,
    ) -> None:
        self.name = known_as or checkpoint.algorithm
        self.checkpoint = checkpoint
        self.source = source
        self.known_as = known_as
        settings = convert(checkpoint.config, ActingSettings, source or self.name, remedy=_UPDATE)
        greedy = settings.acting == "greedy"
        self.deterministic = greedy if deterministic is None else deterministic
        self.values = checkpoint.weights.get("outputs") == "values"
        if self.values and not self.deterministic:
            raise UsageError(
                f"the networks of {checkpoint.algorithm} value actions: there are no probabilities "
                "to draw from",
                where=source,
                remedy="Let it play its best actions (--deterministic)",
            )
        self.actors = _actors(settings, checkpoint, source)
        self.profile, self.messages = settings.observation, settings.messages
        self._try()
        self.reset(np.zeros(1, np.int64))

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, one per seed."""
        self.features = Features(self.profile, len(seeds))
        self.inputs = self.features.empty()
        self.acting = Acting(self.actors, len(seeds))
        self.chances = Chances(seeds)
        self.terse = False

    @torch.inference_mode()
    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """Actions for obs (n, 578), mask (n, 570) and free (n, 5); or what is done `instead`."""
        self.features.observe(obs, mask, free, self.inputs)
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
                probability[:, group] = log_prob.exp().T.numpy()
                entropy[:, group] = h.T.numpy()
        return Decision(chosen, message_bits, probability, entropy)

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> TrainedPolicy:
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
        facts: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "variant": self.checkpoint.variant,
            "deterministic": self.deterministic,
            "config": self.checkpoint.config,
            "summary": self.checkpoint.summary,
            "versions": self.checkpoint.versions,
        }
        if self.source is not None:
            facts |= {
                "path": self.known_as or json_name(self.source),
                "sha256": sha256_file(self.source),
            }
        return facts

    def _try(self) -> None:
        """Play two steps of observations in which nothing, everything or every other entry is set.

        Weights may be finite and their products not; `act` tells.
        """
        obs = np.zeros((3, observations.TOTAL), np.int8)
        obs[1], obs[2, ::2] = 1, 1
        self.reset(np.arange(len(obs)))
        for _ in range(2):
            self.act(
                obs,
                np.ones((len(obs), actions.TOTAL), np.bool_),
                np.ones((len(obs), N_BLUE), np.bool_),
            )

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
                    remedy=_REMEDY,
                )


def load_trained(
    path: str | Path, *, known_as: str | None = None, deterministic: bool | None = None
) -> TrainedPolicy:
    """Read a checkpoint to act from; raises CagexplainError as `load_checkpoint` does."""
    return TrainedPolicy(
        load_checkpoint(path), source=Path(path), known_as=known_as, deterministic=deterministic
    )


def _actors(settings: ActingSettings, checkpoint: Checkpoint, source: Path | None) -> list[Stack]:
    """The actors of a checkpoint; refuses weights that do not fit its settings."""
    try:
        return networks.stored_actors(asdict(settings), checkpoint.weights.get("actors"))
    except (ValueError, UsageError) as error:
        raise CagexplainError(
            f"the weights do not fit the settings and the layouts ({error})",
            where=source,
            field="weights",
            remedy=_REMEDY,
        ) from error
