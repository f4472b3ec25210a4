"""Whether a red that has learned does more harm than the worst table of an attack.

Both are played on the attack's held-out seeds. Training ends when its time is over, whatever it has
come to; nothing is chosen by these seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain.attack import results
from cagexplain.attack.figures import change
from cagexplain.attack.results import Aim, AttackResult, Episodes
from cagexplain.attack.rules import FENCED
from cagexplain.attack.watch import Watch, Watched
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import Int64Array
from cagexplain.common.errors import UsageError
from cagexplain.common.results import Result
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy, rows_at_once
from cagexplain.policies.evaluation import MeanReturn
from cagexplain.policies.learned_red import AgainstLearned, LearnedRed
from cagexplain.policies.rollout import DEFAULT_BATCH, batches, play

FILE: Final = "learned.json"
WEIGHTS: Final = "learned.pt"
"""Names, within an attack's folder, of what the learned red has come to, and of itself."""
_HEAD: Final = {"project": "cagexplain", "kind": "learned-red", "schema_version": 1}


@dataclass(frozen=True)
class LearnedResult(Result):
    """What a learned red has come to.

    Attributes:
        policy, options, aim, seeds: of the attack.
        start: name of the table that it began as.
        settings, seed: of the learner.
        seconds: that it learned, play included.
        history: the policy's mean of the aim in each round of training.
        table: held-out episodes under the table.
        learned: the same under the learned red.
    """

    policy: dict[str, Any]
    options: dict[str, Any]
    aim: Aim
    seeds: tuple[int, ...]
    start: str
    settings: dict[str, Any]
    seed: int
    seconds: float
    history: tuple[float, ...]
    table: Episodes
    learned: Episodes

    @property
    def change(self) -> MeanReturn:
        """By how much the policy's aim changes from the table to the learned red, seed by seed."""
        return change(self.learned, self.table, self.aim)

    @property
    def worse(self) -> bool:
        """Whether the learned red is significantly worse for the policy."""
        high = self.change.high
        return high is not None and high < 0

    @property
    def better(self) -> bool:
        """Whether it is significantly better for the policy: a weaker attacker than the table."""
        low = self.change.low
        return low is not None and low > 0

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return {**_HEAD, **super().to_json()}


def begun(folder: Path, policy: Policy) -> AttackResult:
    """The finished attack on a policy that a red can go on from.

    Raises:
        CagexplainError: the folder has no readable attack.
        UsageError: it is one on another policy, or by other rules.
    """
    attack = results.read(folder)
    if attack.policy != results.plain(policy.describe()):
        raise UsageError(
            "the attack is on another policy",
            where=folder / results.FILE,
            field="policy",
            remedy="Give the policy that it was made with",
        )
    if attack.rules != FENCED:
        raise UsageError(
            f"the attack's rules are '{attack.rules}', those of a learned red are '{FENCED}'",
            where=folder / results.FILE,
            field="rules",
            remedy=f"Attack with --rules {FENCED} first",
        )
    return attack


def start(attack: AttackResult) -> LearnedRed:
    """A red that plays the attack's worst table."""
    return LearnedRed(RedTable.from_document(attack.worst.table))


def params(attack: AttackResult) -> EnvParams:
    """Of the environment that the attack was played in, with any red."""
    known = EnvParams().as_dict().keys()
    return EnvParams(**{name: v for name, v in attack.options.items() if name in known})


def judged(policy: Policy, red: LearnedRed, params: EnvParams, seeds: Int64Array) -> Episodes:
    """Episodes of a policy under a learned red, one per seed ``int64[n]``."""
    parts = []
    for part in batches(seeds, rows_at_once(policy, DEFAULT_BATCH)):
        watch = Watch()
        play(policy, AgainstLearned(len(part), red, params), part, [watch])
        parts.append(watch.watched())
    return Watched.joined(parts).episodes


def result(
    attack: AttackResult,
    learned: Episodes,
    settings: dict[str, Any],
    seed: int,
    seconds: float,
    history: list[float],
) -> LearnedResult:
    """All that is to be told of it."""
    return LearnedResult(
        policy=attack.policy,
        options=attack.options,
        aim=attack.aim,
        seeds=attack.seeds,
        start=attack.found,
        settings=settings,
        seed=seed,
        seconds=seconds,
        history=tuple(history),
        table=attack.worst.policy,
        learned=learned,
    )


def held_out(attack: AttackResult) -> Int64Array:
    """The attack's seeds, ``int64[n]``."""
    return np.array(attack.seeds, np.int64)
