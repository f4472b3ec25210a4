"""Proof that an exported folder plays as the policy plays here."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions, observations, phases
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.arrays import Array
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import BatchedEnv, Env, EnvParams
from cagexplain.export import replay
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.rollout import Observer, play

EPISODES: Final = 2
"""Episodes that are compared; more than one, as what is remembered must end with an episode."""
PARAMS: Final = EnvParams(steps=131)
"""Of these episodes."""
STEPS: Final = EPISODES * phases.calls(PARAMS.steps)
"""Steps that are compared."""
_REMEDY: Final = "Report it with the policy's file: the export must play as the policy does here"


class _Recorder(Observer):
    """Keeps what the agents are shown, and what they answer."""

    def __init__(self) -> None:
        self.shown: list[tuple[Array, list[dict[str, Any]]]] = []
        self.answers: list[Decision] = []

    def begin(self, env: Env, seeds: npt.NDArray[np.int64]) -> None:
        self.mask = env.mask[0].copy()
        self._show(env)

    def after_step(self, env: Env, decision: Decision) -> None:
        self.answers.append(decision)
        self._show(env)

    def _show(self, env: Env) -> None:
        raw = [env.raw_observation(0, agent) for agent in range(N_BLUE)]
        self.shown.append((env.obs[0].copy(), raw))


@dataclass(frozen=True)
class Recording:
    """Episodes that a policy has played here, one after the other.

    Attributes:
        obs, mask: what was shown: ``int8[episodes, steps + 1, 578]``, ``bool[episodes, 570]``.
        raw: the agents' raw observations, likewise: [episodes][steps + 1][5].
        actions, messages: what was answered: ``int64[episodes * steps, 5]``,
            ``uint8[episodes * steps, 5, 8]``.
    """

    obs: Array
    mask: Array
    raw: list[list[list[dict[str, Any]]]]
    actions: Array
    messages: Array

    def save(self, path: Path) -> None:
        """Write what was shown, for `cagexplain.export.replay`."""
        np.savez_compressed(
            path,
            obs=self.obs,
            mask=self.mask,
            raw=np.frombuffer(json.dumps(self.raw, default=_plain).encode(), np.uint8),
            entry_ends=np.array(observations.OFFSETS[1:]),
            action_ends=np.array(actions.OFFSETS[1:]),
        )


def _plain(value: Any) -> Any:
    """An array or number of NumPy's as JSON can hold it."""
    return value.tolist()


def record(policy: Policy) -> Recording:
    """Play the episodes of seeds 0, 1, ..., which an exported team takes when it is given none."""
    recorders = []
    env = BatchedEnv(1, params=PARAMS)
    for seed in range(EPISODES):
        recorders.append(_Recorder())
        play(policy, env, np.array([seed]), recorders[-1:])
    env.close()
    silence = np.zeros((N_BLUE, observations.MESSAGE_BITS), np.uint8)
    answers = [decision for recorder in recorders for decision in recorder.answers]
    return Recording(
        obs=np.array([[obs for obs, _ in recorder.shown] for recorder in recorders]),
        mask=np.array([recorder.mask for recorder in recorders]),
        raw=[[raw for _, raw in recorder.shown] for recorder in recorders],
        actions=np.array([decision.actions[0] for decision in answers]),
        messages=np.array(
            [silence if d.messages is None else d.messages[0] for d in answers], np.uint8
        ),
    )


def compare(folders: Sequence[Path], recordings: Sequence[Recording]) -> None:
    """Play folders in a fresh interpreter, and hold every action and message against ours.

    Raises:
        CagexplainError: one differs, or a folder cannot be played; says where.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        arguments: list[str] = []
        for i, (folder, recording) in enumerate(zip(folders, recordings, strict=True)):
            recording.save(place / f"recording{i}.npz")
            arguments += [str(folder.absolute()), str(place / f"recording{i}.npz")]
            arguments += [str(place / f"answers{i}.npz")]
        run([sys.executable, "-IB", replay.__file__, *arguments], folders[0])
        for i, (folder, recording) in enumerate(zip(folders, recordings, strict=True)):
            with np.load(place / f"answers{i}.npz", allow_pickle=False) as archive:
                _hold_against(dict(archive), recording, folder)


def run(
    command: Sequence[str],
    where: Path,
    *,
    what: str = "policy",
    remedy: str = _REMEDY,
    **options: Any,
) -> str:
    """What a program prints.

    Args:
        command: to run.
        where, what, remedy: of the complaint: the exported file, what it is, and what to do.
        options: of `subprocess.run`.

    Raises:
        CagexplainError: it failed; with the last line of its complaint.
    """
    ended: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise CagexplainError(
            f"the exported {what} failed in a fresh interpreter ({lines[-1]})",
            where=where,
            remedy=remedy,
        )
    printed: str = ended.stdout
    return printed


def _hold_against(answers: dict[str, Array], recording: Recording, where: Path) -> None:
    for name in ("actions", "messages"):
        theirs, ours = answers[name], getattr(recording, name)
        if theirs.shape != ours.shape:
            raise CagexplainError(
                f"the exported policy gave {name} of shape {theirs.shape}, not {ours.shape}",
                where=where,
                remedy=_REMEDY,
            )
        differ = (theirs != ours).reshape(len(ours), N_BLUE, -1).any(axis=2)
        if differ.any():
            step, agent = (int(i) for i in np.argwhere(differ)[0])
            raise CagexplainError(
                f"the exported policy differs in {name}: first {BLUE[agent]} in step {step} "
                f"({theirs[step, agent]}, here {ours[step, agent]}); "
                f"{int(differ.sum())} of {differ.size} differ",
                where=where,
                remedy=_REMEDY,
            )
