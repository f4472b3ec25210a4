"""TorchScript files: programs, which run in a child process that the user trusts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.documents import require_file
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.checkpoint import SIZE_LIMIT
from cagexplain.policies.formats import views
from cagexplain.policies.formats.descriptor import Facts, Given
from cagexplain.policies.formats.network import State, zeros
from cagexplain.policies.formats.ours import DESCRIPTION, Description, described

KIND: Final = "TorchScript file"
_PROGRAM: Final = re.compile(r"[^/]+/(code/.*|constants\.pkl)")


def is_torchscript(names: list[str]) -> bool:
    """Whether an archive with these members is such a file."""
    return any(_PROGRAM.fullmatch(name) for name in names)


def read(path: Path, given: Given) -> TorchScriptNetwork:
    """Load a program, which runs it.

    Raises:
        CagexplainError: Torch refuses it, or it does not take what the descriptor says.
    """
    require_file(path, KIND, limit=SIZE_LIMIT)
    name = f"{DESCRIPTION}.json"
    extra = {name: ""}
    try:
        program = torch.jit.load(str(path), map_location="cpu", _extra_files=extra).eval()
    except Exception as error:  # whatever its code makes of being loaded
        raise _refusal(path, error) from error
    return TorchScriptNetwork(program, path, given, described(extra[name], path))


class TorchScriptNetwork:
    """A program of an observation, of the mask with ``mask: input``, and of memories.

    How many inputs it takes follows from which of them it runs with. All else is said by the
    descriptor, or by the file itself if it is ours.

    Attributes:
        facts: what trying it shows, and what it says.
    """

    def __init__(self, program: Any, path: Path, given: Given, says: Description) -> None:
        self._program, self._path = program, path
        self._inputs = says.form.inputs
        self._with_mask = "input" in (given.mask, says.form.mask)
        self._sizes = tuple((size,) for size in given.state or says.form.state or ())
        self.facts = Facts()
        self.facts = self._tried()
        if says.form.outputs is not None:
            self.facts = replace(
                self.facts, mask=says.form.mask, outputs=says.form.outputs, busy=says.busy
            )

    def _tried(self) -> Facts:
        """The facts of the only form of observation that it runs with; or none of its width."""
        forms = {len(view.columns(agent)) for view in views.VIEWS for agent in (0, 4)}
        widths = sorted(forms) if self._inputs is None else [self._inputs]
        possible, problem = {}, None
        for width in widths:
            for choices in (242, 82, 570) if self._with_mask else (0,):
                try:
                    mask = torch.ones(2, choices, dtype=torch.bool)
                    outputs, _ = self.run(torch.zeros(2, width), mask, self.start(2))
                except CagexplainError as error:
                    problem = error
                else:
                    possible[width] = outputs
                    break
        if not possible:
            assert problem is not None  # there are widths
            raise problem
        outputs = next(iter(possible.values()))
        if outputs.ndim != 2:
            raise CagexplainError(
                f"it gives {list(outputs.shape)} for two observations",
                where=self._path,
                remedy="Export a network that gives [rows, actions], or an index per row",
            )
        inputs = next(iter(possible)) if len(possible) == 1 else None
        if not outputs.is_floating_point():
            return Facts(
                inputs, None, N_BLUE if outputs.shape[1] == N_BLUE else 1, outputs="actions"
            )
        return Facts(inputs, outputs.shape[1])

    def start(self, rows: int) -> State:
        """Zeros for all memories."""
        return zeros(rows, self._sizes)

    @torch.inference_mode()  # always: a program is compiled by how it is run first
    def run(self, inputs: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """One step; see `Network`."""
        given = (inputs, mask, *state) if self._with_mask else (inputs, *state)
        try:
            answer = self._program(*given)
        except Exception as error:  # as above
            raise _refusal(self._path, error) from error
        outputs, *after = answer if isinstance(answer, tuple) else (answer,)
        after = after[: len(state)]
        if [tuple(memory.shape) for memory in after] != [tuple(memory.shape) for memory in state]:
            raise CagexplainError(
                f"it returns memories of the shapes {[list(memory.shape) for memory in after]}",
                where=self._path,
                field="state",
                remedy="Give the sizes of its memories, which it takes and returns as [rows, size]",
            )
        return (outputs[:, None] if outputs.ndim == 1 else outputs), tuple(after)


def _refusal(path: Path, error: Exception) -> CagexplainError:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return CagexplainError(
        f"it does not run ({lines[-1] if lines else type(error).__name__})"[:400],
        where=path,
        remedy="Export it for an observation [rows, inputs]; the descriptor's fields 'mask' and "
        "'state' say what else it takes",
    )
