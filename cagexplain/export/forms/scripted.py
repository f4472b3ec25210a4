"""Rules written by hand, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cagexplain.common.arrays import Array
from cagexplain.policies.base import Policy
from cagexplain.policies.scripted.builtin import BUILTIN


def unpack(settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Policy:
    """The policy of the given "name"; its arrays are none, of no length."""
    return BUILTIN[settings["name"]].make(settings["name"])
