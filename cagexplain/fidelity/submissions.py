"""An official submission on both simulators, compared after every step."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cagexplain.cc4 import actions
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.envs.lookalike.exchange import content_of
from cagexplain.fidelity.lockstep import FirstDifference
from cagexplain.policies.external.code import Code
from cagexplain.policies.external.messages import (
    FromChild,
    GoOn,
    Seen,
    Tell,
    ToChild,
    Told,
    Verify,
    World,
)
from cagexplain.policies.external.policy import ExternalFailure, choice
from cagexplain.policies.external.processes import ChildFailure, Crew, Limits, Process, ask

ENGINES = ("native", "cyborg")


@dataclass(frozen=True)
class Verified:
    """What became of an episode.

    Attributes:
        seed: of the episode.
        steps: that were compared.
        returned: official return, in our simulator.
        difference: the first one; None if there is none.
    """

    seed: int
    steps: int
    returned: float
    difference: FirstDifference | None


class Verification:
    """Plays a submission on both simulators.

    Args:
        code: of the submission.
        limits: of its processes.

    Raises:
        ExternalFailure: it cannot be loaded.
    """

    def __init__(self, code: Code, limits: Limits) -> None:
        self._code = dataclasses.replace(code, loader="verification")
        self._limits = limits
        try:
            self._crew = Crew(self._code, limits)
        except ChildFailure as failure:
            raise self._failure("cannot be loaded", failure) from failure

    def episode(self, seed: int, params: EnvParams) -> Verified:
        """Play one episode in both, to its end or to the first difference.

        Raises:
            ExternalFailure: it failed.
        """
        step, returned, last = 0, 0.0, 0.0
        env = BatchedEnv(1, params=params, threads=1)
        env.reset([seed])
        try:
            pair = [self._crew.spawn(seed) for _ in ENGINES]
            for step, (ours, theirs) in enumerate(self._seen(pair, env, seed)):
                returned, last = returned + ours.reward, ours.reward
                if ours != theirs:
                    difference = self._difference(step, pair, ours, theirs)
                    return Verified(seed, step, returned, difference)
        except ChildFailure as failure:
            self._crew.fail(failure)
            what = f"failed in step {step + 1} of the episode of seed {seed}"
            raise self._failure(what, failure) from failure
        return Verified(seed, step, returned - last, None)

    def _seen(self, pair: list[Process], env: BatchedEnv, seed: int) -> Iterator[tuple[Seen, Seen]]:
        """What the submission did and saw on ours and on CybORG, step by step."""
        mine, its = pair
        for engine, process in zip(ENGINES, pair, strict=True):
            process.send(Verify(engine, seed, env.params.as_dict()))
        message: ToChild = _world(env)
        seconds = self._limits.start
        while True:
            answer = mine.ask(message, seconds)
            while not isinstance(answer, Seen):
                chosen, bits = choice(answer, 1, actions.ALL_SIZES)
                env.step(chosen, bits)
                answer = mine.ask(_world(env), seconds)
            ours = answer
            theirs = _of(Seen, ask([its], [None], seconds)[0])
            yield ours, theirs
            if ours.over or theirs.over:
                return
            message, seconds = GoOn(), self._limits.step
            its.send(message)

    def _difference(
        self, step: int, pair: list[Process], ours: Seen, theirs: Seen
    ) -> FirstDifference:
        names = [n for n in ours.digests if ours.digests[n] != theirs.digests.get(n)] or ["reward"]
        if names == ["reward"]:
            return FirstDifference(step, ("reward",), ours.reward, theirs.reward)
        answers = ask(pair, [Tell(), Tell()], self._limits.step)
        mine, its = (json.loads(_of(Told, answer).contents[names[0]]) for answer in answers)
        where, one, other = first_difference(mine, its)
        return FirstDifference(step, (names[0] + where, *names[1:]), one, other)

    def _failure(self, what: str, failure: ChildFailure) -> ExternalFailure:
        where = f", in {failure.during}" if failure.during else ""
        return ExternalFailure(
            f"the submission {what}{where}: {failure.problem}",
            where=self._code.spec,
            remedy=f"Look into its output in {failure.log}" if failure.log else "Mend it",
        )


def _world(env: BatchedEnv) -> ToChild:
    return World(content_of(env.state[0]), env.params.steps)


def _of(kind: Any, answer: FromChild) -> Any:
    if not isinstance(answer, kind):
        raise ChildFailure("it sent another message than was asked for")
    return answer


def first_difference(ours: Any, theirs: Any, where: str = "") -> tuple[str, Any, Any]:
    """The place at which two values of JSON differ first, and the values there; order counts."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and list(ours) == list(theirs):
        pairs = [(f"[{key}]", ours[key], theirs[key]) for key in ours]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"[{k}]", *pair) for k, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        return where, ours, theirs
    for place, one, other in pairs:
        if json.dumps(one) != json.dumps(other):
            return first_difference(one, other, where + place)
    raise CagexplainError("two equal values were taken for different", remedy="Report this")
