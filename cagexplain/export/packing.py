"""What an exported folder has to hold of a policy: settings, arrays, the code that joins them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, cast

from cagexplain.cc4.agents import BLUE
from cagexplain.common.arrays import Array
from cagexplain.common.errors import UsageError
from cagexplain.policies.base import Policy
from cagexplain.policies.scripted.builtin import BUILTIN
from cagexplain.policies.wrappers.base import Wrapper, unwrapped
from cagexplain.policies.wrappers.mask_sleep import MaskSleep


@dataclass(frozen=True)
class Packed:
    """A policy in parts.

    Attributes:
        form: module whose `unpack` makes the policy again.
        technique: what it is, in a few words.
        settings: plain values.
        arrays: by name.
        wrappers: classes that are put around it, from the inside.
    """

    form: str
    technique: str
    settings: dict[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)
    wrappers: tuple[type[Wrapper], ...] = ()

    @property
    def modules(self) -> list[str]:
        """The modules that have to be brought along, with what they import."""
        return [self.form, *(wrapper.__module__ for wrapper in self.wrappers)]


def pack(policy: Policy) -> Packed:
    """The parts of a policy.

    Raises:
        UsageError: it cannot be exported; says why.
    """
    wrappers = []
    inner: Any = policy
    while isinstance(inner, Wrapper):
        if type(inner) is not MaskSleep:
            raise _refusal(policy, f"it is wrapped in {type(inner).__name__}, a tool of audits")
        wrappers.append(MaskSleep)
        inner = inner.inner
    inside = unwrapped(policy)
    packer = _PACKERS.get(str(inside.kind))
    if packer is None:
        raise _refusal(policy, "its code is not ours")
    packed = packer(inside)
    return Packed(**{**vars(packed), "wrappers": tuple(reversed(wrappers))})


def _refusal(policy: Policy, why: str) -> UsageError:
    return UsageError(
        f"this policy cannot be exported: {why}",
        where=policy.name,
        remedy="Give a checkpoint of `cagexplain train`, a decision tree or the name of a built-in "
        "policy",
    )


def _scripted(policy: Policy) -> Packed:
    entry = BUILTIN.get(policy.name)
    if entry is None or type(entry.make(policy.name)) is not type(policy):
        raise _refusal(policy, "its rule is not one of the built-in ones")
    return Packed("cagexplain.export.forms.scripted", entry.summary, {"name": policy.name})


def _tree(policy: Policy) -> Packed:
    from cagexplain.export.forms import trees
    from cagexplain.policies.trees.tree import TreePolicy

    tree = cast(TreePolicy, policy)
    return Packed(
        trees.__name__,
        str(tree.describe()["rule"]),
        {
            "name": tree.name,
            "deterministic": tree.deterministic,
            "message_kind": tree.message_kind,
        },
        {
            trees.key(agent, part): getattr(nodes, part)
            for agent, nodes in zip(BLUE, tree.trees, strict=True)
            for part in trees.PARTS
        },
    )


def _network(policy: Policy) -> Packed:
    from cagexplain.export.forms import networks
    from cagexplain.policies.learned.networks import stored as stored_parameters
    from cagexplain.policies.learned.trained import TrainedPolicy

    if not isinstance(policy, TrainedPolicy):
        raise _refusal(policy, "its networks come from no checkpoint")
    settings, stored = policy.settings, stored_parameters(policy.actors)
    core = "" if settings.core == "none" else f" with {settings.core.upper()}"
    return Packed(
        networks.__name__,
        f"{policy.checkpoint.algorithm}, network {settings.network}{core}",
        {
            "actors": asdict(settings),
            "layers": [len(layers) for layers in stored],
            "player": {
                "name": policy.name,
                "profile": policy.profile,
                "message_kind": policy.messages,
                "values": policy.values,
                "deterministic": policy.deterministic,
            },
        },
        {
            networks.key(g, k, part): tensor.numpy()
            for g, layers in enumerate(stored)
            for k, layer in enumerate(layers)
            for part, tensor in enumerate(layer)
        },
    )


_PACKERS: Final[Mapping[str, Callable[[Policy], Packed]]] = {
    "scripted": _scripted,
    "tree": _tree,
    "checkpoint": _network,
}
"""By kind of policy."""
