"""A red table for CybORG: a class in one file, and the proof that it attacks as red does here."""

from __future__ import annotations

import pprint
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

import cagexplain
from cagexplain.cc4 import observations, phases
from cagexplain.cc4.actions import SIZES
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import Array, BoolArray
from cagexplain.common.errors import UsageError
from cagexplain.common.files import write_text
from cagexplain.envs import BatchedEnv, Env, EnvParams
from cagexplain.envs.cyborg import table_red
from cagexplain.export import red_replay
from cagexplain.export.checking import run
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.rollout import Observer, play

_FILE: Final = '''\
# {name}: {summary}
# An attacker for CAGE Challenge 4, exported by cagexplain {version}. Give the class at the end,
# {agent}, to CybORG as red:
#
#     EnterpriseScenarioGenerator(red_agent_class={agent}, ...)

{code}

from CybORG.Agents import FiniteStateRedAgent  # noqa: E402

TABLE = {table}


class {agent}({base}, FiniteStateRedAgent):
    """Red by the table above."""

    table = TABLE
'''


def source(red: RedTable) -> str:
    """The class as a Python file that needs CybORG alone."""
    return _FILE.format(
        name=_line(red.name),
        summary=_line(red.summary),
        version=cagexplain.__version__,
        agent=red_replay.AGENT,
        base=table_red.TableRed.__name__,
        code=Path(table_red.__file__).read_text("utf-8").rstrip(),
        table=pprint.pformat(red.document(), width=96, sort_dicts=False),
    )


def _line(text: str) -> str:
    """A text that cannot end the comment that it stands in."""
    return " ".join(text.split())


def write(path: str | Path, red: RedTable) -> None:
    """Write the class to a file.

    Raises:
        OSError: it cannot be written.
    """
    write_text(path, source(red))


@dataclass(frozen=True)
class Replayed:
    """An episode that was played here and replayed in CybORG.

    Attributes:
        seed: of the episode.
        ours, theirs: ``float64[steps]`` rewards here and there.
    """

    seed: int
    ours: Array
    theirs: Array

    @property
    def steps(self) -> int:
        """Steps that were compared."""
        return len(self.ours)

    @property
    def differing(self) -> npt.NDArray[np.int64]:
        """Steps whose rewards differ."""
        return np.flatnonzero(self.ours != self.theirs)

    @property
    def returned(self) -> tuple[float, float]:
        """Official returns, here and there."""
        counted = self.steps - phases.OFFICIAL_UNCOUNTED
        return float(self.ours[:counted].sum()), float(self.theirs[:counted].sum())


def verify(
    red: RedTable, policy: Policy, seeds: Sequence[int], cyborg: Path | None, *, steps: int
) -> list[Replayed]:
    """Play a policy against a red here, and the same actions against its exported class in CybORG.

    Nothing else goes from here to there: red decides there by itself. So if all rewards are the
    same, it is the same red.

    Args:
        red: the attacker.
        policy: the defender.
        seeds: of the episodes.
        cyborg: folder that holds the package CybORG; None if it is installed.
        steps: length of an episode as CC4 counts it.

    Raises:
        UsageError: the policy does what CybORG's flat wrapper does not offer.
        CagexplainError: the exported class failed there.
    """
    recorders = [_played(red, policy, seed, steps) for seed in seeds]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        agent, episodes, rewards = (
            place / file for file in ("red_agent.py", "episodes.npz", "rewards.npy")
        )
        write(agent, red)
        np.savez(
            episodes,
            seeds=np.array(seeds),
            actions=np.array([recorder.actions for recorder in recorders]),
            messages=np.array([recorder.messages for recorder in recorders]),
        )
        run(
            [
                *(sys.executable, "-Bm", red_replay.__name__),
                *(str(cyborg.resolve()) if cyborg else "", str(agent)),
                *(str(episodes), str(rewards)),
            ],
            agent,
            what="red",
            remedy="Use CybORG 4 as it is published; report it with the table if you do",
        )
        theirs = np.load(rewards, allow_pickle=False)
    return [
        Replayed(seed, np.array(recorder.rewards), given)
        for seed, recorder, given in zip(seeds, recorders, theirs, strict=True)
    ]


class _Recorder(Observer):
    """Keeps what blue did in an episode, and what it got."""

    def __init__(self) -> None:
        self.actions: list[Array] = []
        self.messages: list[BoolArray] = []
        self.rewards: list[float] = []

    def after_step(self, env: Env, decision: Decision) -> None:
        actions = decision.actions[0]
        if (actions >= SIZES).any():
            raise UsageError(
                "this policy takes actions that CybORG's BlueFlatWrapper does not offer",
                where="verify-red",
                remedy="Compare it with 'cagexplain lockstep' or 'cagexplain verify-submission'",
            )
        self.actions.append(actions)
        silence = np.zeros((N_BLUE, observations.MESSAGE_BITS), np.bool_)
        told = silence if decision.messages is None else decision.messages[0].astype(np.bool_)
        self.messages.append(told)
        self.rewards.append(float(env.reward[0]))


def _played(red: RedTable, policy: Policy, seed: int, steps: int) -> _Recorder:
    recorder = _Recorder()
    env = BatchedEnv(1, params=EnvParams(steps=steps, red=red), threads=1)
    play(policy, env, np.array([seed]), [recorder])
    env.close()
    return recorder
