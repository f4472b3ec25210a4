"""Whether a policy is a sibling: the same method, trained with another seed (ROB-01)."""

from __future__ import annotations

from typing import Final

from cagexplain.common.errors import UsageError
from cagexplain.policies.base import Policy

_SHOWN: Final = 3
"""Settings that an error lists."""


def require_sibling(policy: Policy, other: Policy) -> None:
    """Refuse a policy that differs in more than its seed, or in nothing.

    Settings that only one of the two has, because its checkpoint is of another version, decide
    nothing; nor do policies of others, which do not say how they were trained.

    Args:
        policy: is audited.
        other: the would-be sibling.

    Raises:
        UsageError: it is none.
    """
    ours, theirs = ({"kind": None, "sha256": None, **p.describe()} for p in (policy, other))
    facts, other_facts = ({"kind": f["kind"], **f.get("config", {})} for f in (ours, theirs))
    differences = [
        f"{key} is {other_facts[key]}, not {fact}"
        for key, fact in facts.items()
        if key != "seed" and key in other_facts and other_facts[key] != fact
    ]
    if differences:
        more = [f"{len(differences) - _SHOWN} more"] if len(differences) > _SHOWN else []
        listed = "; ".join([*differences[:_SHOWN], *more])
        problem = f"it was not trained as {policy.name} was: {listed}"
    elif ours["sha256"] is not None and ours["sha256"] == theirs["sha256"]:
        problem = "it is the policy that is audited"
    else:
        return
    raise UsageError(
        problem,
        where=f"--sibling {other.name}",
        remedy="Name a policy of the same method and settings, trained with another seed",
    )
