"""The engine's state in the words of the recorded traces, so that the two can be compared."""

import gzip
import json
from functools import cache
from typing import Any

from cagexplain.cc4 import network
from cagexplain.cc4.agents import BLUE_OF_HOST
from tests.support.paths import DATA


@cache
def traces() -> list[dict[str, Any]]:
    """The eight recorded episodes."""
    with gzip.open(DATA / "golden_traces.json.gz", "rt") as file:
        loaded: list[dict[str, Any]] = json.load(file)
    return loaded


def normal(key: str, value: Any) -> Any:
    """A recorded value without what the compact form of the engine does not carry."""
    family = key.split("|")[0]
    if family == "proc":
        return value[1:]
    if family in ("known_subnet", "block", "ports"):
        return sorted(set(value))  # sets; the original keeps some of them as lists
    return value


def watched(key: str) -> bool:
    """Events where blue does not look pile up in the original for ever, without any effect."""
    if not key.startswith("ev|"):
        return True
    return bool(BLUE_OF_HOST[network.host_index(key.split("|")[1])] >= 0)
