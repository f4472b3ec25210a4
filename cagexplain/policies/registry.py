"""From what the user writes to a policy: a built-in name, the path of a policy's file, or a form of
others (`cagexplain.policies.external.forms`)."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import sha256_file
from cagexplain.policies.base import Policy, looks
from cagexplain.policies.external.forms import AnotherPolicy, Opening, form_of, registered
from cagexplain.policies.scripted.builtin import BUILTIN
from cagexplain.policies.trees.files import load_tree
from cagexplain.policies.wrappers.mask_sleep import MaskSleep


class Shipped(NamedTuple):
    """A policy that comes with the package.

    Attributes:
        file: of its weights or trees, in the folder of data.
        summary: one line about its making.
    """

    file: str
    summary: str


SHIPPED: Final[Mapping[str, Shipped]] = {
    "champion_net": Shipped(
        "champion_net.pt", "trained: imitates champion, weights shared by all hosts"
    ),
    "champion_tree": Shipped("champion_tree.json", "trees of raw observations from champion"),
    "ippo_tuned": Shipped("ippo_tuned.pt", "trained: IPPO, network hosts, 2,000,000 steps, seed 0"),
    "ippo_long": Shipped("ippo_long.pt", "trained: IPPO, network scores, 10,000,000 steps, seed 1"),
}
"""By name."""

_GONE: Final = "the policy that the trace was recorded with is not here (any more)"
_RECORD_AGAIN: Final = "Give its file with --policy PATH, or record the trace again"
_KINDS: Final = (
    "Run 'cagexplain policies' for the names; docs/your-agent.md tells which files and folders are "
    "policies"
)
_DATA: Final = Path(__file__).parent.parent / "data"


def builtin_policies() -> dict[str, str]:
    """Names of the built-in policies, each with one line about its rule or making."""
    scripted = {name: entry.summary for name, entry in BUILTIN.items()}
    return scripted | {name: entry.summary for name, entry in SHIPPED.items()}


def load_policy(
    spec: str,
    *,
    mask_sleep: bool = False,
    deterministic: bool | None = None,
    opening: Opening | None = None,
) -> Policy:
    """Make the policy that `spec` names.

    Args:
        spec: the name of a built-in policy, the path of a checkpoint (`ckpt.pt`) or of decision
            trees (`tree.json`), or what one of the forms of others recognises. A name wins
            over a file of the same name; write ``./name`` for the file.
        mask_sleep: forbid Sleep and Monitor to agents that are free.
        deterministic: whether a trained policy takes its most probable action or samples; None
            leaves it as its training evaluated it, or as its file says. Scripted policies follow
            their rule.
        opening: how policies of others are opened; by default their code is not run.

    Raises:
        UsageError: no such policy, one whose rule is to rest while Sleep is masked, or one of
            others that may not be run.
        CagexplainError: the checkpoint cannot be used, or the code of others fails.
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
    elif spec not in SHIPPED and (form := form_of(spec)) is not None:
        opening = opening or Opening()
        policy = form.opens(spec, replace(opening, deterministic=deterministic))
        if mask_sleep and looks(policy):
            raise UsageError(
                "a submission makes its masks itself, so Sleep cannot be masked",
                where=spec,
                remedy="Leave out the masking of Sleep",
            )
    else:
        policy = _load_file(spec, deterministic=deterministic)
    return MaskSleep(policy) if mask_sleep else policy


def reload_policy(
    facts: Mapping[str, Any],
    path: str | Path | None = None,
    *,
    places: Sequence[Path] = (),
    opening: Opening | None = None,
) -> Policy:
    """The policy that a trace was recorded with.

    Args:
        facts: what it said about itself (the manifest's entry "policy").
        path: where it lies now, if its file was moved.
        places: where else its file may lie; it is known by its SHA-256.
        opening: how a policy of others is opened; by default its code is not run.

    Raises:
        UsageError: it is one of others, which may not be run.
        CagexplainError: its file is gone or another one, or only its own code can play it.
    """
    if facts.get("kind") == "external":
        return _reload_external(facts, path, places, opening or Opening())
    name, recorded, digest = (facts.get(key) for key in ("name", "path", "sha256"))
    mask_sleep = bool(facts.get("mask_sleep", False))
    spec = None
    if path is not None:
        candidates = [Path(path)]
    elif recorded is None and name in BUILTIN:
        return load_policy(str(name), mask_sleep=mask_sleep)
    elif recorded is None or digest is None:
        raise CagexplainError(
            f"the trace was recorded with a policy, '{name}', that only its own code can play",
            remedy="Give it with --policy",
        )
    elif recorded in SHIPPED:
        spec, candidates = str(recorded), [_DATA / SHIPPED[str(recorded)].file]
    else:
        candidates = [Path(str(recorded)), *places]
    file = _known_file(candidates, digest)
    return load_policy(
        spec or str(file.absolute()),
        mask_sleep=mask_sleep,
        deterministic=facts.get("deterministic"),
    )


def _reload_external(
    facts: Mapping[str, Any], path: str | Path | None, places: Sequence[Path], opening: Opening
) -> Policy:
    """A policy of others: its file or folder with the name of what it defines, or a module."""
    recorded, entry = facts.get("path"), str(facts.get("entry", ""))
    if path is not None:
        specs = [f"{path}:{entry}" if entry and os.path.exists(path) else str(path)]
    elif recorded is None:
        specs = [entry]
    else:
        candidates = (Path(recorded), *places)
        there = [place for place in candidates if os.path.exists(place)] or candidates[:1]
        specs = [f"{place}:{entry}" if entry else str(place) for place in there]
    other: AnotherPolicy | None = None
    for spec in filter(form_of, specs):
        try:
            return load_policy(
                spec,
                mask_sleep=bool(facts.get("mask_sleep", False)),
                deterministic=facts.get("deterministic"),
                opening=replace(opening, sha256=str(facts.get("sha256"))),
            )
        except AnotherPolicy as error:
            other = other or error
    raise other or CagexplainError(_GONE, where=specs[0], remedy=_RECORD_AGAIN)


def _known_file(candidates: Sequence[Path], digest: str | None) -> Path:
    """The first of some files that has this SHA-256. Without one there is no telling: any will do,
    and playing an episode again shows whether it is the right one."""
    there = [file for file in candidates if os.path.isfile(file)]  # False for impossible names, too
    if not there:
        raise CagexplainError(_GONE, where=candidates[0], remedy=_RECORD_AGAIN)
    for file in there:
        if digest is None or sha256_file(file) == digest:
            return file
    raise CagexplainError(
        "this is another policy than the one that the trace was recorded with "
        "(their SHA-256 differ)",
        where=there[0],
        remedy=_RECORD_AGAIN,
    )


def source_of(facts: Mapping[str, Any]) -> str | None:
    """File that a built-in policy is made of: its rule or its weights.

    Args:
        facts: what the policy says about itself.

    Returns:
        Its path from the folder in which the package lies, with ``/``; None for other policies.
    """
    name, recorded = str(facts.get("name")), facts.get("path")
    if isinstance(recorded, str) and recorded in SHIPPED:
        return f"cagexplain/data/{SHIPPED[recorded].file}"
    if recorded is None and name in BUILTIN:
        return type(BUILTIN[name].make(name)).__module__.replace(".", "/") + ".py"
    return None


def _load_file(spec: str, *, deterministic: bool | None) -> Policy:
    if not spec:  # as a path, it would be the present folder
        raise UsageError(
            "the name of the policy is empty",
            remedy=_KINDS,
        )
    shipped = SHIPPED.get(spec)
    path, known_as = (Path(spec), None) if shipped is None else (_DATA / shipped.file, spec)
    if path.suffix == ".json":
        return load_tree(path, known_as=known_as, deterministic=deterministic)

    from cagexplain.policies.learned.trained import (
        load_trained,  # needs Torch, which is slow to load
    )

    if path.is_dir():
        raise CagexplainError(
            "this folder is no policy: it has neither the submission.py of a submission, nor an "
            "agents.yaml or five files of other trainers, nor is it a checkpoint of RLlib",
            where=path,
            remedy=f"Give one that is, or the checkpoint in it, such as {path / 'ckpt.pt'}",
        )
    if path.is_file() and path.suffix == ".zip":
        raise CagexplainError(
            "this file is no policy: neither a ZIP archive with the submission.py of a submission, "
            "nor one of Stable-Baselines3",
            where=path,
            remedy="Pack the submission again, or save the model again",
        )
    if path.suffix == ".py":
        raise UsageError(
            "which function or class of this file is the policy?",
            where=path,
            remedy=f"Name it: {path}:NAME",
        )
    if not path.exists() and path.suffix == "" and len(path.parts) == 1:
        close = difflib.get_close_matches(spec, [*builtin_policies(), *registered()], n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        raise UsageError(
            f"'{spec}' is neither a policy's name nor a file or folder that is here",
            remedy=f"{hint}{_KINDS}",
        )
    return load_trained(path, known_as=known_as, deterministic=deterministic)
