"""Acting with trained networks: the policy that a checkpoint holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.documents import convert
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import json_name, sha256_file
from cagexplain.policies.checkpoint import ActingSettings, Checkpoint, load_checkpoint
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.networks import Stack
from cagexplain.policies.learned.player import Player

_REMEDY: Final = "Use a checkpoint that `cagexplain train` wrote"
_UPDATE: Final = "Update cagexplain, or train the policy again"


class TrainedPolicy(Player):
    """Plays the networks of a checkpoint, each agent on its own observation.

    Args:
        checkpoint: what to play.
        source: path the checkpoint was read from, for manifests.
        known_as: what manifests call it instead, if it comes with the package.
        deterministic: play the most probable action instead of drawing one; None plays the way
            that the training evaluated (the `acting` setting of the run).

    Drawn actions depend on the seeds given to `reset` alone, not on how many environments are
    played side by side.

    Attributes:
        settings: those of the checkpoint that acting needs.

    Raises:
        CagexplainError: settings that are not known here, or weights that do not fit them or
            overflow.
        UsageError: it cannot play that way.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        source: Path | None = None,
        known_as: str | None = None,
        deterministic: bool | None = None,
    ) -> None:
        name = known_as or checkpoint.algorithm
        self.checkpoint = checkpoint
        self.known_as = known_as
        self.settings = settings = convert(
            checkpoint.config, ActingSettings, source or name, remedy=_UPDATE
        )
        greedy = settings.acting == "greedy" if deterministic is None else deterministic
        values = checkpoint.weights.get("outputs") == "values"
        if values and not greedy:
            raise UsageError(
                f"the networks of {checkpoint.algorithm} value actions: there are no probabilities "
                "to draw from",
                where=source,
                remedy="Let it play its best actions (--deterministic)",
            )
        super().__init__(
            name,
            _actors(settings, checkpoint, source),
            profile=settings.observation,
            message_kind=settings.messages,
            values=values,
            deterministic=greedy,
            source=source,
        )
        self._try()
        self.reset(np.zeros(1, np.int64))

    def describe(self) -> dict[str, Any]:
        """Facts for manifests, JSON-able."""
        facts = {
            **super().describe(),
            "variant": self.checkpoint.variant,
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
