"""From what the user writes to a policy: a built-in name or the path of a checkpoint."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.base import Policy
from cagexplain.policies.scripted import BUILTIN
from cagexplain.policies.wrappers import MaskSleep

SHIPPED: Final = {"ippo_tuned": "trained: IPPO, network hosts, 2,000,000 steps, seed 0"}
"""Checkpoints that come with the package, each with one line about its making."""

_DATA: Final = Path(__file__).parent.parent / "data"


def builtin_policies() -> dict[str, str]:
    """Names of the built-in policies, each with one line about its rule or making."""
    return {name: entry.summary for name, entry in BUILTIN.items()} | SHIPPED


def load_policy(
    spec: str, *, mask_sleep: bool = False, deterministic: bool | None = None
) -> Policy:
    """Make the policy that `spec` names.

    Args:
        spec: the name of a built-in policy, or the path of a checkpoint (`ckpt.pt`). A name wins
            over a file of the same name; write ``./name`` for the file.
        mask_sleep: forbid Sleep and Monitor to agents that are free.
        deterministic: whether a trained policy takes its most probable action or samples; None
            leaves it as its training evaluated it. Scripted policies follow their rule.

    Raises:
        UsageError: no such policy, or one whose rule is to rest while Sleep is masked.
        CagexplainError: the checkpoint cannot be used.
    """
    policy: Policy
    if spec in BUILTIN:
        scripted = BUILTIN[spec].make(spec)
        if mask_sleep and scripted.rests:
            raise UsageError(
                f"the rule of '{spec}' is to rest, so Sleep cannot be masked",
                remedy="Leave out the masking of Sleep, or choose another policy",
            )
        policy = scripted
    else:
        policy = _load_checkpoint(spec, deterministic=deterministic)
    return MaskSleep(policy) if mask_sleep else policy


def _load_checkpoint(spec: str, *, deterministic: bool | None) -> Policy:
    from cagexplain.policies.trained import load_trained  # needs Torch, which is slow to load

    if spec in SHIPPED:
        return load_trained(_DATA / f"{spec}.pt", known_as=spec, deterministic=deterministic)
    path = Path(spec)
    if path.is_dir():
        raise CagexplainError(
            "this is a folder, not a checkpoint",
            where=path,
            remedy=f"Give the checkpoint in it, such as {path / 'ckpt.pt'}",
        )
    if not path.exists() and path.suffix == "" and len(path.parts) == 1:
        close = difflib.get_close_matches(spec, builtin_policies(), n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise UsageError(
            f"'{spec}' is neither a built-in policy nor a checkpoint file",
            remedy=f"{hint}Run 'cagexplain policies' for the names, or give the path of a ckpt.pt",
        )
    return load_trained(path, deterministic=deterministic)
