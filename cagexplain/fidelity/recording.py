"""Recorded episodes of CybORG: what was submitted, and what came of it, step by step.

A NumPy archive without pickled objects. The digests make it small and still complete: an engine
whose views (:mod:`cagexplain.fidelity.view`) have the same digests is in the same state.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import observations, phases
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_bytes
from cagexplain.envs import Engine, Env, EnvParams
from cagexplain.fidelity import view

FORMAT: Final = 1
SUFFIX: Final = ".lockstep.npz"
_DIGEST: Final = 8


@dataclass
class Recording:
    """An episode of ``n`` calls as CybORG played it.

    Attributes:
        policy: that chose the actions; a name only.
        seed: of the episode.
        params: of the environment.
        engine: name and version of the simulator.
        actions: ``int16[n, 5]``.
        messages: ``uint8[n, 5, 8]``.
        obs: ``int8[n + 1, 578]`` after the reset and after every call.
        rewards: ``int32[n + 1]``, 0 after the reset.
        digests: ``n + 1`` digests of the views.
    """

    policy: str
    seed: int
    params: EnvParams
    engine: dict[str, str]
    actions: Any = field(default_factory=list)
    messages: Any = field(default_factory=list)
    obs: Any = field(default_factory=list)
    rewards: Any = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)

    @classmethod
    def begin(cls, policy: str, seed: int, params: EnvParams, path: Path | None) -> Recording:
        """An empty recording of the CybORG in ``path``."""
        return cls(Path(policy).stem, seed, params, Engine("cyborg", cyborg_path=path).describe())

    def submit(self, actions: npt.NDArray[Any], messages: npt.NDArray[Any] | None) -> None:
        """Note what is going to be played: actions ``[5]``, messages ``[5, 8]``."""
        silence = np.zeros((N_BLUE, observations.MESSAGE_BITS), dtype=np.uint8)
        self.actions.append(actions.astype(np.int16))
        self.messages.append(silence if messages is None else messages.astype(np.uint8))

    def note(self, env: Env, snapshot: view.View) -> None:
        """Note what CybORG shows."""
        self.obs.append(env.obs[0].copy())
        self.rewards.append(int(env.reward[0]))
        self.digests.append(view.digest(snapshot))

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.policy}-{self.params.red_name}-{self.params.steps}-{self.seed}{SUFFIX}"


def write_recording(folder: Path, recording: Recording) -> Path:
    """Write a finished recording into a folder."""
    facts = {
        "format": FORMAT,
        "policy": recording.policy,
        "seed": recording.seed,
        "params": recording.params.as_dict(),
        "engine": recording.engine,
    }
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        facts=np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8),
        actions=np.array(recording.actions, dtype=np.int16),
        messages=np.packbits(np.array(recording.messages, dtype=np.uint8), axis=-1),
        obs=np.array(recording.obs, dtype=np.int8),
        rewards=np.array(recording.rewards, dtype=np.int32),
        digests=np.frombuffer(b"".join(recording.digests), dtype=np.uint8),
    )
    path = folder / recording.name
    write_bytes(path, buffer.getvalue())
    return path


def read_recording(path: Path) -> Recording:
    """Read a recording.

    Raises:
        CagexplainError: it is damaged, of another version, or no recording.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy and zipfile complain in many ways, all about the same
        raise _damaged(path, "cannot be read as a NumPy archive") from error
    try:
        facts = json.loads(arrays["facts"].tobytes())
        version = facts["format"]
        if version != FORMAT:
            raise CagexplainError(
                f"is of format {version}, this version reads {FORMAT}",
                where=path,
                field="format",
                remedy="record the episode again with 'cagexplain lockstep --record'",
            )
        digests = arrays["digests"].tobytes()
        recording = Recording(
            policy=str(facts["policy"]),
            seed=int(facts["seed"]),
            params=EnvParams(
                **{**facts["params"], "red_duration": tuple(facts["params"]["red_duration"])}
            ),
            engine=dict(facts["engine"]),
            actions=arrays["actions"].astype(np.int64),
            messages=np.unpackbits(arrays["messages"], axis=-1),
            obs=arrays["obs"],
            rewards=arrays["rewards"],
            digests=[digests[i : i + _DIGEST] for i in range(0, len(digests), _DIGEST)],
        )
    except (KeyError, ValueError, TypeError, UsageError) as error:
        raise _damaged(path, str(error)) from error
    _check(path, recording)
    return recording


def _check(path: Path, recording: Recording) -> None:
    n = phases.calls(recording.params.steps)
    expected = {
        "actions": (n, N_BLUE),
        "messages": (n, N_BLUE, observations.MESSAGE_BITS),
        "obs": (n + 1, observations.TOTAL),
        "rewards": (n + 1,),
    }
    for name, shape in expected.items():
        if getattr(recording, name).shape != shape:
            raise _damaged(
                path, f"{name} is of shape {getattr(recording, name).shape}, not {shape}"
            )
    if len(recording.digests) != n + 1 or len(recording.digests[-1]) != _DIGEST:
        raise _damaged(path, f"{len(recording.digests)} digests, not {n + 1}")


def _damaged(path: Path, problem: str) -> CagexplainError:
    return CagexplainError(
        f"is damaged or no recording: {problem}",
        where=path,
        remedy="record the episode again with 'cagexplain lockstep --record'",
    )
