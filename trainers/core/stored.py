"""Holding the stored state of a learner against the form of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from cagexplain.common.errors import CagexplainError

REMEDY: Final = "Start the run again in a new folder: it cannot be continued from this file"


def fitted(ours: Any, theirs: Any, where: Path, field: str) -> Any:
    """A stored state, once it has proved to be of the form of the learner's own.

    The form is given by an example: dicts have the same keys, lists the same length, tensors the
    same shape and type, and all numbers are finite. Of optimisers' states, "param_groups" stay
    ours, since the settings say all of it.

    Args:
        ours: what the learner would store now.
        theirs: what was stored.
        where: the file that it was read from.
        field: that it is the content of.

    Raises:
        CagexplainError: names the part that differs.
    """
    match ours:
        case dict() if isinstance(theirs, dict):
            if theirs.keys() != ours.keys():
                _refuse(f"holds {_names(theirs)}, not {_names(ours)}", where, field)
            return {
                key: ours[key]
                if key == "param_groups"
                else fitted(ours[key], part, where, f"{field}.{key}")
                for key, part in theirs.items()
            }
        case list() | tuple() if isinstance(theirs, list | tuple):
            if len(theirs) != len(ours):
                _refuse(f"has {len(theirs)} parts, not {len(ours)}", where, field)
            return [
                fitted(one, other, where, f"{field}[{i}]")
                for i, (one, other) in enumerate(zip(ours, theirs, strict=True))
            ]
        case Tensor() if isinstance(theirs, Tensor):
            if (theirs.shape, theirs.dtype) != (ours.shape, ours.dtype):
                _refuse(f"is {_form(theirs)}, not {_form(ours)}", where, field)
            if not theirs.isfinite().all():
                _refuse("is not finite", where, field)
        case float() if type(theirs) is float:
            if not math.isfinite(theirs):
                _refuse(f"is {theirs}", where, field)
        case _ if type(theirs) is not type(ours):
            _refuse(f"is a {type(theirs).__name__}, not a {type(ours).__name__}", where, field)
    return theirs


def _form(tensor: Tensor) -> str:
    return f"a tensor of {tuple(tensor.shape)} {tensor.dtype}"


def _names(entries: dict[Any, Any]) -> str:
    return ", ".join(map(str, entries)) or "nothing"


def _refuse(problem: str, where: Path, field: str) -> None:
    raise CagexplainError(
        f"the state of the run does not fit its settings: it {problem}",
        where=where,
        field=field,
        remedy=REMEDY,
    )
