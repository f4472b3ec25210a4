"""ONNX files, played by ONNX Runtime.

A graph computes; it holds no code. No custom operators are registered, weights outside of the file
are not looked for, and its inputs and outputs are held against the forms of CC4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.documents import require_file
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.checkpoint import SIZE_LIMIT
from cagexplain.policies.formats.descriptor import Busy, Facts, Given, Outputs
from cagexplain.policies.formats.network import State

KIND: Final = "ONNX file"
_TYPES: Final = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
_REMEDY: Final = (
    "Export a network of an observation [rows, inputs], perhaps a mask [rows, actions] and memories"
)
_NAMED: Final[dict[Outputs, str]] = {"logits": "logit", "probabilities": "prob", "values": "q"}
"""How the names of outputs begin that say what they are."""
DESCRIPTION: Final = "cagexplain"
"""Key of the metadata that our own files describe themselves by."""
_MOST: Final = 2**24
"""Numbers of the largest memory of a row."""


class _Description(msgspec.Struct):
    """What our own files say of themselves, as far as it is played by.

    Attributes:
        profile: whether their inputs are the official entries alone.
        busy: see `descriptor`.
    """

    profile: Literal["flat", "memory", "raw"] = "flat"
    busy: Busy | None = None


def read(path: Path, given: Given) -> OnnxNetwork:
    """Read an ONNX file.

    Raises:
        CagexplainError: ONNX Runtime is missing or refuses it, or its inputs and outputs are not
            those of a policy; with the input or output.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise CagexplainError(
            "ONNX files need ONNX Runtime, which is not installed",
            where=path,
            remedy="Run pip install -e '.[onnx]'",
        ) from error
    require_file(path, KIND, limit=SIZE_LIMIT)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime's errors have no common class but this
        raise CagexplainError(
            f"ONNX Runtime refuses the file ({_line(error)})",
            where=path,
            remedy="Export it again, with its weights inside and standard operators only",
        ) from error
    return OnnxNetwork(session, path, given)


class OnnxNetwork:
    """A graph: observation, mask if it has an input of that name, then memories.

    Attributes:
        facts: what its inputs and outputs say.
    """

    def __init__(self, session: Any, path: Path, given: Given) -> None:
        self._session, self._path = session, path
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self._mask = next((i for i in inputs if "mask" in i.name.lower()), None)
        self._observed, *memories = [i for i in inputs if i is not self._mask] or [None]
        if self._observed is None:
            raise self._refusal("it has no input for an observation", None)
        for entry in (*inputs, outputs[0]):
            if entry.type not in _TYPES:
                raise self._refusal(f"numbers of the kind {entry.type} are not played", entry.name)
        if len(outputs) < 1 + len(memories):
            raise self._refusal(
                f"it has {len(memories)} inputs for memories and {len(outputs) - 1} outputs",
                memories[0].name,
            )
        self._memories = [(i, self._rows_axis(i)) for i in memories]
        self._outputs = [output.name for output in outputs[: 1 + len(memories)]]
        self._one_by_one = self._observed.shape[:1] == [1]
        self._description = self._described(session.get_modelmeta().custom_metadata_map)
        self.facts = self._facts(outputs[0])

    def _described(self, metadata: Mapping[str, str]) -> _Description:
        try:
            description = msgspec.json.decode(metadata.get(DESCRIPTION, "{}"), type=_Description)
        except msgspec.MsgspecError as error:
            raise self._refusal(f"its metadata cannot be read ({error})", DESCRIPTION) from error
        if description.profile != "flat":
            raise CagexplainError(
                "its network also takes what the agents remember, which is computed outside of it",
                where=self._path,
                field=self._observed.name,
                remedy="Play the policy that it was exported from, or export that with "
                "--submission",
            )
        return description

    def _facts(self, output: Any) -> Facts:
        indices = np.issubdtype(_TYPES[output.type], np.integer)
        width = output.shape[1] if len(output.shape) > 1 else 1
        known = width if isinstance(width, int) else None
        says: Outputs | None = "actions" if indices else None
        for outputs, beginning in _NAMED.items():
            if not indices and output.name.lower().startswith(beginning):
                says = outputs
        n_actions = (N_BLUE if known == N_BLUE else 1) if indices else None
        return Facts(
            inputs=self._width(self._observed),
            choices=None if indices else known,
            n_actions=n_actions,
            mask=None if self._mask is None else "input",
            outputs=says,
            busy=self._description.busy,
        )

    def _width(self, entry: Any) -> int | None:
        if len(entry.shape) != 2 or (isinstance(entry.shape[0], int) and entry.shape[0] != 1):
            raise self._refusal(
                f"its shape is {entry.shape}, not [rows, inputs] with any number of rows, or one",
                entry.name,
            )
        return entry.shape[1] if isinstance(entry.shape[1], int) else None

    def _rows_axis(self, entry: Any) -> int:
        """Which axis of a memory is that of the rows: the one without a size, or else of size 1."""
        open_axes = [a for a, size in enumerate(entry.shape) if not isinstance(size, int)]
        if not open_axes:
            open_axes = [a for a, size in enumerate(entry.shape) if size == 1][:1]
        sizes = [size for size in entry.shape if isinstance(size, int)]
        if len(open_axes) != 1 or math.prod(sizes) > _MOST or min(sizes, default=1) < 1:
            raise self._refusal(f"a memory of the shape {entry.shape} is not played", entry.name)
        return open_axes[0]

    def start(self, rows: int) -> State:
        """Zeros for all memories, with their rows first."""
        return tuple(
            torch.zeros(rows, *(size for a, size in enumerate(i.shape) if a != axis))
            for i, axis in self._memories
        )

    def run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """One step; see `Network`."""
        if not self._one_by_one:
            return self._run(inputs, mask, state)
        rows = [
            self._run(inputs[i : i + 1], mask[i : i + 1], tuple(m[i : i + 1] for m in state))
            for i in range(len(inputs))
        ]
        return (
            torch.cat([outputs for outputs, _ in rows]),
            tuple(torch.cat(memory) for memory in zip(*(after for _, after in rows), strict=True)),
        )

    def _run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        feed = {self._observed.name: self._cast(self._observed, inputs)}
        if self._mask is not None:
            feed[self._mask.name] = self._cast(self._mask, mask)
        for (entry, axis), memory in zip(self._memories, state, strict=True):
            feed[entry.name] = self._cast(entry, memory.movedim(0, axis))
        try:
            outputs, *after = self._session.run(self._outputs, feed)
        except Exception as error:  # as above
            raise self._refusal(f"ONNX Runtime cannot run it ({_line(error)})", None) from error
        numbers = torch.from_numpy(np.array(outputs))
        if numbers.ndim == 1:
            numbers = numbers[:, None]
        numbers = numbers if self.facts.n_actions else numbers.float()
        memories = []
        for (entry, axis), memory, before in zip(self._memories, after, state, strict=True):
            moved = torch.from_numpy(np.array(memory)).float()
            moved = moved.movedim(axis, 0) if moved.ndim > axis else moved
            if moved.shape != before.shape:
                raise self._refusal(
                    f"its memory changes its shape to {list(np.shape(memory))}", entry.name
                )
            memories.append(moved)
        return numbers, tuple(memories)

    @staticmethod
    def _cast(entry: Any, rows: Tensor) -> npt.NDArray[Any]:
        return np.ascontiguousarray(rows.numpy(), dtype=_TYPES[entry.type])

    def _refusal(self, problem: str, field: str | None) -> CagexplainError:
        return CagexplainError(problem, where=self._path, field=field, remedy=_REMEDY)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
