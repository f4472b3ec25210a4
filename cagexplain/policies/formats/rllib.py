"""RLlib's checkpoints, of both API stacks: folders of pickles, read in a child process only.

A checkpoint of an algorithm holds a folder per policy (``policies/NAME``) or per module
(``learner_group/learner/rl_module/NAME``); each of them can be given by itself, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from cagexplain.common.errors import CagexplainError
from cagexplain.policies.formats.descriptor import NAME, Facts, Given, identity_of
from cagexplain.policies.formats.network import Network, State

KIND: Final = "RLlib checkpoint"
_MODULES: Final = Path("learner_group", "learner", "rl_module")
_POLICIES: Final = Path("policies")
_ALGORITHM: Final = "rllib_checkpoint.json"
_POLICY: Final = "policy_state.pkl"
_MODULE: Final = "module_state.pkl"


def is_rllib(path: Path) -> bool:
    """Whether a folder is a checkpoint of an algorithm, a policy or a module."""
    return any((path / name).is_file() for name in (_ALGORITHM, _POLICY, _MODULE))


def policies(path: Path) -> list[Path]:
    """The folders of the policies or modules in a checkpoint; itself, if it is one of them."""
    inside = [
        folder
        for parent, member in ((_POLICIES, _POLICY), (_MODULES, _MODULE))
        if (path / parent).is_dir()
        for folder in sorted((path / parent).iterdir())
        if (folder / member).is_file()
    ]
    return inside or [path]


def read(path: Path, given: Given) -> Network:
    """Load a policy, which unpickles it.

    Raises:
        CagexplainError: RLlib is missing or refuses it, or there are several policies in it.
    """
    inside = policies(path)
    if len(inside) > 1:
        names = ", ".join(str(folder.relative_to(path)) for folder in inside[:8])
        raise CagexplainError(
            f"the checkpoint holds several policies ({names}), whose names do not end with the "
            "agents' numbers",
            where=path,
            field="agents",
            remedy=f"Say in a file {NAME} in it which of these folders serves which agent",
        )
    folder = inside[0]
    try:
        import ray.rllib  # noqa: F401 - tells what is missing before anything is unpickled
    except ImportError as error:
        raise CagexplainError(
            f"RLlib is needed for this and cannot be imported ({error})",
            where=path,
            remedy="Run pip install 'cagexplain[rllib]'",
        ) from error
    try:
        return _ModuleNetwork(folder) if (folder / _MODULE).is_file() else _PolicyNetwork(folder)
    except CagexplainError:
        raise
    except Exception as error:  # whatever the code in the pickles makes of being loaded
        raise CagexplainError(
            f"RLlib cannot load it ({type(error).__name__}: {error})"[:400],
            where=folder,
            remedy="Load it with the version of Ray that wrote it",
        ) from error


def _facts(space: Any, original: Any, choices: Any, outputs: Any, folder: Path) -> Facts:
    """What the spaces of a policy say.

    Args:
        space: of what its network is given.
        original: of what the environment gives.
        choices: space of actions.
        outputs: what it computes.
    """
    if len(getattr(space, "shape", None) or ()) != 1 or not hasattr(choices, "n"):
        raise CagexplainError(
            f"it is for observations {type(space).__name__} and actions {type(choices).__name__}",
            where=folder,
            remedy="Train with vectors as observations and Discrete actions",
        )
    one_hot = type(original).__name__ == "MultiDiscrete"
    return Facts(
        inputs=int(space.shape[0]),
        choices=int(choices.n),
        encoding="one_hot" if one_hot else None,
        identity=None if one_hot else identity_of(getattr(space, "high", np.empty(0)).tolist()),
        mask="none",
        outputs=outputs,
    )


class _PolicyNetwork:
    """A policy of the old API stack."""

    def __init__(self, folder: Path) -> None:
        from ray.rllib.policy.policy import Policy

        from_checkpoint: Any = Policy.from_checkpoint  # of one policy it gives one
        self._policy = from_checkpoint(str(folder))
        space = self._policy.observation_space
        self._values = not hasattr(self._policy.model, "value_function") or hasattr(
            self._policy.model, "get_q_value_distributions"
        )
        self.facts = _facts(
            space,
            getattr(space, "original_space", space),
            self._policy.action_space,
            "values" if self._values else "logits",
            folder,
        )

    def start(self, rows: int) -> State:
        """The policy's own beginning, for every row."""
        return tuple(
            torch.as_tensor(np.repeat(np.asarray(part)[None], rows, axis=0))
            for part in self._policy.get_initial_state()
        )

    def run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits or values of a step; see `Network`."""
        _, after, more = self._policy.compute_actions(
            inputs.numpy(), state_batches=[part.numpy() for part in state], explore=False
        )
        outputs = more["q_values" if self._values else "action_dist_inputs"]
        return torch.as_tensor(outputs), tuple(torch.as_tensor(part) for part in after)


class _ModuleNetwork:
    """A module of the new API stack."""

    def __init__(self, folder: Path) -> None:
        from ray.rllib.core.rl_module.rl_module import RLModule

        self._module: Any = RLModule.from_checkpoint(str(folder))
        self._names = sorted(self._module.get_initial_state()) if self._recurrent else []
        values = hasattr(self._module, "compute_q_values")
        space = self._module.observation_space
        self.facts = _facts(
            space, space, self._module.action_space, "values" if values else "logits", folder
        )

    @property
    def _recurrent(self) -> bool:
        return bool(self._module.is_stateful())

    def start(self, rows: int) -> State:
        """The module's own beginning, for every row."""
        begin = self._module.get_initial_state() if self._names else {}
        return tuple(
            torch.as_tensor(begin[name])[None].repeat_interleave(rows, 0) for name in self._names
        )

    def run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits or values of a step; see `Network`."""
        if self.facts.outputs == "values":
            return self._module.compute_q_values({"obs": inputs})["qf_preds"], state
        if not self._names:
            return self._module.forward_inference({"obs": inputs})["action_dist_inputs"], state
        memories = dict(zip(self._names, state, strict=True))
        answer = self._module.forward_inference({"obs": inputs[:, None], "state_in": memories})
        after = tuple(answer["state_out"][name] for name in self._names)
        return answer["action_dist_inputs"][:, 0], after
