"""Everything that lockstep compares of one environment, as one flat dictionary per simulator."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any, Final

from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.envs import Env, GroundTruth

PUBLIC: Final = (
    "obs",
    "mask",
    "free",
    "reward",
    "reward_parts",
    "action_cost",
    "phase",
    "step_count",
    "done",
)
"""Arrays of the environment's protocol."""

SUMMED_UP: Final = ("decoys", "reliability", "ot_stopped", "blue_found")
"""Facts that follow from entries which are compared singly: services of hosts, and files in raw
observations. Left out, so that recordings made before there were such summaries stay good."""

_TRUTH: Final = tuple(field.name for field in fields(GroundTruth) if field.name not in SUMMED_UP)
_LOGGED: Final = tuple(name for name in _TRUTH if name.startswith("trans_") and name != "trans_n")

LEFT_OUT: Final = {
    "action": "an object in CybORG; what the agent did is compared as truth|blue_*",
    "message": "missing in ours after a reset; the received bits are compared in obs",
}
"""Keys of raw observations that are not compared, and the reason."""

View = dict[str, Any]


def of(env: Env, index: int) -> View:
    """What can be compared of environment ``index``: plain values by name."""
    view: View = {name: getattr(env, name)[index] for name in PUBLIC}
    truth = env.truth()
    moves = int(truth.trans_n[index])
    for name in _TRUTH:
        value = getattr(truth, name)[index]
        view[f"truth|{name}"] = value[:moves] if name in _LOGGED else value
    view = {name: value.tolist() for name, value in view.items()}
    view.update(env.full_state(index))
    for agent in range(N_BLUE):
        for key, value in env.raw_observation(index, agent).items():
            if key not in LEFT_OUT:
                view[f"raw|{BLUE[agent]}|{key}"] = value
    view["generator"] = env.generator_state(index)
    return view


def digest(view: View) -> bytes:
    """Eight bytes that two views share only if they are equal (BLAKE2b)."""
    text = json.dumps(view, sort_keys=True, separators=(",", ":"), default=_item)
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def differences(ours: View, theirs: View) -> list[str]:
    """Names of the entries that differ, most telling first."""
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return sorted(names, key=_telling)


def _telling(name: str) -> tuple[int, str]:
    """A cause comes before its consequences: state, then what is seen of it, then the draws."""
    family = name.split("|")[0]
    late = {"truth": 1, "raw": 2, "obs": 3, "reward": 3, "generator": 4}
    return late.get(family, 0), name


def _item(number: Any) -> Any:
    """CybORG's integers are sometimes NumPy's."""
    return number.item()
