"""In the processes of foreign code: a submission plays on a simulator of its own, and shows what it
did and saw in every step, so that two simulators can be compared.

Shown are digests; the contents only when they are asked for.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain.cc4.agents import BLUE
from cagexplain.envs import EnvParams
from cagexplain.envs.cyborg.locate import load as load_cyborg
from cagexplain.envs.cyborg.world import scenario_of
from cagexplain.envs.lookalike import Lookalike
from cagexplain.policies.external.messages import Load, Seen, Tell, Told, Verify
from cagexplain.policies.external.players import (
    Episode,
    ForeignFailure,
    Loadable,
    during,
    seed_generators,
)
from cagexplain.policies.external.submissions import Exchange, choices, imported, step

_DEPTH: Final = 12
"""Levels of objects within objects that are compared."""
_OWN_AFFAIR: Final = frozenset({"logs", "np_random", "route", "route_designated"})
"""Attributes of CybORG's objects that say how it works, not what it means."""


def load_verification(load: Load) -> Loadable:
    """The submission of a module, to be verified."""
    submission, parts, path = imported(load)
    if parts is None:
        raise ForeignFailure("there is no CybORG to compare with; give its folder", "its start")
    return Loadable("verification", _Verifier(submission, parts, path))


class _Verifier:
    """Plays one episode, a step at a time."""

    def __init__(self, submission: Any, parts: Any, path: Path | None) -> None:
        self._submission, self._parts, self._path = submission, parts, path

    def __call__(self, episode: Episode) -> None:
        verify = episode.receive()
        assert isinstance(verify, Verify)
        params = EnvParams(**verify.params)
        if verify.engine == "cyborg":
            base = self._real(verify.seed, params)
        else:
            exchange = Exchange(episode, episode.receive())
            base = Lookalike(self._parts, exchange, params.steps)
        seed_generators(verify.seed)
        for contents, reward, over in self._steps(base, params.steps):
            texts = {name: _json(value) for name, value in contents.items()}
            digests = {
                name: hashlib.blake2b(t, digest_size=16).digest() for name, t in texts.items()
            }
            episode.send(Seen(digests, reward, over))
            while isinstance(episode.receive(), Tell):
                episode.send(Told(texts))

    def _real(self, seed: int, params: EnvParams) -> Any:
        """A CybORG whose state, before its first reset and after it, is the world of the seed."""
        api = load_cyborg(self._path)
        cyborg = api.CybORG(scenario_of(api, params), seed=0)
        cyborg.set_seed(seed)
        cyborg.reset()
        cyborg.set_seed(seed)
        return cyborg

    def _steps(self, base: Any, steps: int) -> Iterator[tuple[dict[str, Any], float, bool]]:
        """What was done and seen in the reset and in every step, its reward, and whether it was
        the last one."""
        submission = self._submission
        with during("wrap"):
            env = submission.wrap(base)
        with during("reset"):
            seen, _ = env.reset()
        yield {"observations": seen}, 0.0, False
        for _ in range(steps):
            chosen = choices(submission, env, seen)
            seen, rewards, over = step(env, chosen)
            played = {name: base.get_last_action(name) for name in BLUE}
            controller = base.environment_controller
            contents = {
                "actions": chosen,
                "played actions": played,
                "observations": seen,
                "rewards": {name: rewards[name] for name in sorted(rewards)},
                "over": over,
            }
            yield contents, float(sum(controller.get_reward(BLUE[0]).values())), over
            if over:
                return
        raise ForeignFailure("the episode does not end", "step")


def _json(value: Any) -> bytes:
    return json.dumps(plain(value)).encode()


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """A value of a submission in JSON's types: exact in numbers, dictionaries in their order,
    objects by class and attributes."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.name if isinstance(value, enum.Enum) else value
    if depth == 0:
        return type(value).__name__
    if isinstance(value, np.generic):
        return plain(value.item(), depth)
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if hasattr(value, "detach") and hasattr(value, "numpy"):  # a tensor
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.tolist()}
    if isinstance(value, dict):
        return {_key(key): plain(entry, depth - 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, depth - 1) for entry in value]
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(plain(entry, depth - 1)) for entry in value)
    if (attributes := getattr(value, "__dict__", None)) is not None:
        kept = {k: v for k, v in attributes.items() if k not in _OWN_AFFAIR}
        return {"class": type(value).__name__, **plain(kept, depth)}
    return str(value)


def _key(key: Any) -> str:
    return key if type(key) is str else str(plain(key, 2))
