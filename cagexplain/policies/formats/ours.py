"""What files that `cagexplain.export.graphs` writes say of themselves in their metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from cagexplain.common.errors import CagexplainError
from cagexplain.policies.formats.descriptor import Busy, Mask, Outputs, Size

DESCRIPTION: Final = "cagexplain"
"""Key of the metadata."""
_REMEDY: Final = "Export the policy again"


class Form(msgspec.Struct):
    """What the program of a TorchScript file does not say of its inputs and outputs.

    Attributes:
        inputs: entries of the observation.
        mask, outputs, state: as in `descriptor.Given`.
    """

    inputs: Size | None = None
    mask: Mask | None = None
    outputs: Outputs | None = None
    state: list[Size] | None = None


class Description(msgspec.Struct):
    """A file's description, as far as it is played by.

    Attributes:
        profile: whether the network's inputs are the official entries alone.
        busy: see `descriptor`.
        form: of the inputs and outputs.
    """

    profile: Literal["flat", "memory", "raw"] = "flat"
    busy: Busy | None = None
    form: Form = msgspec.field(default_factory=Form)


def described(text: str | bytes, path: Path) -> Description:
    """Read a file's description; that of others is empty.

    Raises:
        CagexplainError: it cannot be read, or the network takes more than official entries.
    """
    try:
        description = msgspec.json.decode(text or b"{}", type=Description)
    except msgspec.MsgspecError as error:
        raise CagexplainError(
            f"its metadata cannot be read ({error})", where=path, field=DESCRIPTION, remedy=_REMEDY
        ) from error
    if description.profile != "flat":
        raise CagexplainError(
            "its network also takes what the agents remember, which is computed outside of it",
            where=path,
            field="observation",
            remedy="Play the policy that it was exported from, or export that with --submission",
        )
    return description
