"""Stable-Baselines3's and sb3-contrib's ZIPs, read without running anything of them.

A ZIP holds `data`, JSON in which everything that is no plain value is pickled, but with its parts
beside it as text; and `policy.pth`, the tensors of the network. The first is read as text only and
the second by the restricted reader of our checkpoints. The layers follow from names and shapes, as
far as the networks are those of "MlpPolicy" and "MlpLstmPolicy"
(https://stable-baselines3.readthedocs.io/en/master/guide/save_format.html).
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.nn import functional

from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.documents import require_file
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.checkpoint import SIZE_LIMIT, read_archive
from cagexplain.policies.formats.descriptor import Activation, Facts, Given, identity_of
from cagexplain.policies.formats.network import State, zeros

KIND: Final = "Stable-Baselines3 checkpoint"
_DATA_LIMIT: Final = 64 * 2**20
_REMEDY: Final = "Save the model again with `model.save(...)`"

_ACTIVATIONS: Final[Mapping[Activation, Callable[[Tensor], Tensor]]] = {
    "tanh": torch.tanh,
    "relu": functional.relu,
    "elu": functional.elu,
    "leaky_relu": functional.leaky_relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}
_CLASSES: Final[Mapping[str, Activation]] = {
    "Tanh": "tanh",
    "ReLU": "relu",
    "ELU": "elu",
    "LeakyReLU": "leaky_relu",
    "GELU": "gelu",
    "SiLU": "silu",
}
"""Torch's names of these activations, as the text of `policy_kwargs` has them."""


@dataclass(frozen=True)
class _Family:
    """How a family of algorithms names its layers.

    Attributes:
        layers: pattern of the names of the linear layers, in their order.
        outputs: what the last one computes.
        activation: between them by default.
    """

    layers: re.Pattern[str]
    outputs: Any
    activation: Activation


_FAMILIES: Final = (
    _Family(re.compile(r"mlp_extractor\.policy_net\.(\d+)|action_net"), "logits", "tanh"),
    _Family(re.compile(r"q_net\.q_net\.(\d+)"), "values", "relu"),
    _Family(re.compile(r"quantile_net\.quantile_net\.(\d+)"), "values", "relu"),
)
"""PPO, A2C, TRPO, MaskablePPO and RecurrentPPO; DQN; QRDQN."""
_LSTM: Final = "lstm_actor"
_UNUSED: Final = re.compile(
    r"value_net|mlp_extractor\.value_net|lstm_critic|critic\.|q_net_target|quantile_net_target"
)
"""Names of what acting does not need."""


class NeedsLibrary(Exception):
    """The network is none of those that can be rebuilt from shapes; says which part is not."""


@dataclass(frozen=True)
class _Data:
    """What the JSON says as plain text.

    Attributes:
        module: of the policy's class.
        space, actions: entries of the spaces, as text.
        kwargs: of the policy's class, as text.
    """

    module: str
    space: dict[str, Any]
    actions: dict[str, Any]
    kwargs: dict[str, Any]


def is_sb3(names: list[str]) -> bool:
    """Whether an archive with these members is such a ZIP."""
    return {"data", "policy.pth"} <= set(names)


def read(path: Path, given: Given) -> Mlp:
    """Read a ZIP.

    Raises:
        CagexplainError: the file is damaged or no such ZIP, or its spaces are none of CC4.
        NeedsLibrary: only the library can rebuild its network.
    """
    require_file(path, KIND, limit=SIZE_LIMIT)
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryFile() as tensors:
            data = _data(_member(archive, "data", _DATA_LIMIT, path), path)
            tensors.write(_member(archive, "policy.pth", SIZE_LIMIT, path))
            tensors.flush()
            tensors.seek(0)
            state = read_archive(tensors, path, KIND)
    except (zipfile.BadZipFile, LookupError, OSError, RuntimeError) as error:
        raise _damaged(path, "it cannot be unpacked") from error
    except CagexplainError as error:
        raise CagexplainError(
            error.problem, where=path, field=error.field or "policy.pth", remedy=_REMEDY
        ) from error
    if not isinstance(state, dict) or not all(isinstance(part, Tensor) for part in state.values()):
        raise _damaged(path, "policy.pth holds other things than tensors")
    return _network(state, data, given, path)


def needs_library(path: Path, given: Given) -> bool:
    """Whether only the library can rebuild the network of a ZIP, by code that the ZIP holds."""
    try:
        read(path, given)
    except NeedsLibrary:
        return True
    return False


def read_by_library(path: Path, given: Given) -> LibraryNetwork:
    """Read a ZIP with the library, which runs what is pickled in it.

    Raises:
        CagexplainError: the library is missing or refuses it.
    """
    try:
        from stable_baselines3.common.save_util import load_from_zip_file
    except ImportError as error:
        raise CagexplainError(
            "this network needs Stable-Baselines3, which is not installed",
            where=path,
            remedy="Run pip install 'cagexplain[sb3]'",
        ) from error
    try:
        data: Any
        data, tensors, _ = load_from_zip_file(path, device="cpu")
        policy = data["policy_class"](
            data["observation_space"],
            data["action_space"],
            lambda _: 0.0,
            **data["policy_kwargs"],
        )
        policy.load_state_dict(tensors["policy"])
        policy.set_training_mode(False)
        return LibraryNetwork(policy, data)
    except Exception as error:  # whatever the code in the file makes of being loaded
        problem = f"the library cannot load it ({type(error).__name__}: {error})"[:400]
        raise _damaged(path, problem) from error


def _member(archive: zipfile.ZipFile, name: str, limit: int, path: Path) -> bytes:
    if archive.getinfo(name).file_size > limit:
        raise _damaged(path, f"its member '{name}' is too large")
    return archive.read(name)


def _data(raw: bytes, path: Path) -> _Data:
    try:
        entries = json.loads(raw)
        parts = [
            entries[name]
            for name in ("policy_class", "observation_space", "action_space", "policy_kwargs")
        ]
        module = parts[0]["__module__"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise _damaged(path, "'data' is not what the library writes") from error
    if not isinstance(module, str) or not all(isinstance(part, dict) for part in parts):
        raise _damaged(path, "'data' is not what the library writes")
    return _Data(module, *parts[1:])


def _network(state: dict[str, Tensor], data: _Data, given: Given, path: Path) -> Mlp:
    if any("features_extractor" in name for name in state):
        raise NeedsLibrary("a features extractor with weights of its own")
    layers: list[tuple[Tensor, Tensor]] = []
    family = next((f for f in _FAMILIES if any(_named(f, name) for name in state)), None)
    if family is None:
        raise NeedsLibrary(f"the policy of {data.module}")
    for name in _in_order(family, state):
        layers.append((state.pop(f"{name}.weight"), state.pop(f"{name}.bias", torch.empty(0))))
    lstm = {n: state.pop(n) for n in list(state) if n.startswith(f"{_LSTM}.")}
    unknown = [name for name in state if not _UNUSED.match(name)]
    if unknown:
        raise NeedsLibrary(f"'{unknown[0]}'")
    activation = given.activation or _activation(data, family)
    choices = _choices(data, path)
    quantiles = family is _FAMILIES[2]
    width = layers[-1][0].shape[0] if layers[-1][0].ndim == 2 else 0
    if width % choices or (width != choices and not quantiles) or not width:
        raise _damaged(path, f"the last layer has {width} outputs for {choices} actions")
    facts = Facts(
        inputs=_inputs(layers, lstm, path),
        choices=choices,
        encoding="one_hot" if _is(data.space, "MultiDiscrete") else "numbers",
        identity=identity_of(_numbers(data.space, "high")) if _is(data.space, "Box") else None,
        mask="logits" if ".maskable." in f".{data.module}." else "none",
        outputs=family.outputs,
    )
    return Mlp(facts, layers, _ACTIVATIONS[activation], _Lstm.of(lstm, path), width // choices)


def _named(family: _Family, name: str) -> bool:
    return family.layers.fullmatch(name.rpartition(".")[0]) is not None


def _in_order(family: _Family, state: Mapping[str, Tensor]) -> list[str]:
    """Names of a family's layers; `action_net` has no number and is the last."""
    names = {n.rpartition(".")[0] for n in state if _named(family, n)}
    numbers = {n: cast("re.Match[str]", family.layers.fullmatch(n))[1] for n in names}
    return sorted(names, key=lambda n: int(numbers[n] or len(state)))


def _activation(data: _Data, family: _Family) -> Activation:
    text = str(data.kwargs.get("activation_fn", ""))
    name = text.rpartition(".")[2].rstrip("'>")
    if not text:
        return family.activation
    if name not in _CLASSES:
        raise NeedsLibrary(f"the activation {text}")
    return _CLASSES[name]


def _is(space: Mapping[str, Any], kind: str) -> bool:
    return f".{kind}'" in str(space.get(":type:"))


def _numbers(space: Mapping[str, Any], name: str) -> list[float]:
    """The numbers of an array that was written as text."""
    return [float(word) for word in re.findall(r"-?\d+\.?\d*", str(space.get(name)))]


def _choices(data: _Data, path: Path) -> int:
    sizes = _numbers(data.actions, "n" if _is(data.actions, "Discrete") else "nvec")
    if len(sizes) not in (1, N_BLUE):
        raise CagexplainError(
            f"its actions are {data.actions.get(':type:')}, not an index or one for each agent",
            where=path,
            field="action_space",
            remedy="Train with the actions of CC4: Discrete, or MultiDiscrete for all five agents",
        )
    return int(sum(sizes))


def _inputs(layers: list[tuple[Tensor, Tensor]], lstm: Mapping[str, Tensor], path: Path) -> int:
    """Entries of the observation; refuses layers that do not fit each other."""
    first = lstm.get(f"{_LSTM}.weight_ih_l0", layers[0][0])
    width = None
    for weight, bias in layers:
        if (
            weight.ndim != 2
            or bias.shape != weight.shape[:1]
            or width not in (None, weight.shape[1])
        ):
            raise _damaged(path, "its layers do not fit each other")
        width = weight.shape[0]
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise _damaged(path, "its weights are not finite")
    if first.ndim != 2:
        raise _damaged(path, "its layers do not fit each other")
    return int(first.shape[1])


class _Lstm:
    """The LSTM before the layers, of any depth.

    Args:
        weights: by Torch's names.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        first = weights["weight_ih_l0"]
        hidden = weights["weight_hh_l0"].shape[1]
        depth = sum(name.startswith("weight_ih_l") for name in weights)
        self.module = torch.nn.LSTM(first.shape[1], hidden, depth)
        self.module.load_state_dict(dict(weights))
        self.sizes = ((depth, hidden), (depth, hidden))

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], path: Path) -> _Lstm | None:
        """The LSTM of these tensors, None if there are none."""
        if not weights:
            return None
        try:
            return cls({name.partition(".")[2]: tensor for name, tensor in weights.items()})
        except (LookupError, RuntimeError, ValueError) as error:
            raise _damaged(path, "the tensors of its LSTM do not fit each other") from error

    def run(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """One step; memories have their rows first here, and their layers first in Torch."""
        output, after = self.module(
            inputs[None], tuple(memory.transpose(0, 1).contiguous() for memory in state)
        )
        return output[0], tuple(memory.transpose(0, 1) for memory in after)


class Mlp:
    """Linear layers with an activation between them, behind an LSTM if there is one.

    Attributes:
        facts: what the file says of it.
    """

    def __init__(
        self,
        facts: Facts,
        layers: list[tuple[Tensor, Tensor]],
        activation: Callable[[Tensor], Tensor],
        lstm: _Lstm | None,
        quantiles: int,
    ) -> None:
        self.facts = facts
        self._layers, self._activation = layers, activation
        self._lstm, self._quantiles = lstm, quantiles

    def start(self, rows: int) -> State:
        """Zeros for the LSTM."""
        return () if self._lstm is None else zeros(rows, self._lstm.sizes)

    def run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits or values of a step; see `Network`."""
        x = inputs
        if self._lstm is not None:
            x, state = self._lstm.run(x, state)
        for number, layer in enumerate(self._layers):
            x = functional.linear(x if number == 0 else self._activation(x), *layer)
        if self._quantiles > 1:  # a value is the mean of its quantiles
            x = x.reshape(len(x), self._quantiles, -1).mean(1)
        return x, state


class LibraryNetwork:
    """A network that the library rebuilt, of an algorithm that draws actions by logits.

    Attributes:
        facts: what its spaces say.
    """

    def __init__(self, policy: Any, data: Mapping[str, Any]) -> None:
        self._policy = policy
        space, choices = data["observation_space"], data["action_space"]
        values = getattr(space, "nvec", None)
        self.facts = Facts(
            inputs=int(space.shape[0] if values is None else values.sum()),
            choices=int(getattr(choices, "n", 0) or choices.nvec.sum()),
            encoding="numbers" if values is None else "one_hot",
            identity=identity_of(space.high.tolist()) if values is None else None,
            mask="logits" if ".maskable." in f".{type(policy).__module__}." else "none",
            outputs="logits" if hasattr(policy, "action_net") else "values",
        )

    def start(self, rows: int) -> State:
        """Nothing to remember: recurrent networks are rebuilt without the library."""
        return ()

    def run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits or values of a step; see `Network`."""
        if self.facts.outputs == "values":
            return self._policy.q_net(inputs), state
        features = self._policy.extract_features(inputs)
        features = features if isinstance(features, Tensor) else features[0]
        latent = self._policy.mlp_extractor.forward_actor(features)
        return self._policy.action_net(latent), state


def _damaged(path: Path, problem: str) -> CagexplainError:
    return CagexplainError(f"this is no usable {KIND}: {problem}", where=path, remedy=_REMEDY)
