"""An official submission on both simulators, compared after every step."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.fidelity.lockstep import FirstDifference
from cagexplain.policies.external.code import Code
from cagexplain.policies.external.messages import FromChild, GoOn, Seen, Tell, ToChild, Told, Verify
from cagexplain.policies.external.policy import ExternalFailure
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
        try:
            pair = [self._crew.spawn(seed) for _ in ENGINES]
            options = params.as_dict()
            messages: list[ToChild] = [Verify(engine, seed, options) for engine in ENGINES]
            for step, (ours, theirs) in enumerate(self._seen(pair, messages)):
                returned, last = returned + ours.reward, ours.reward
                if ours != theirs:
                    difference = self._difference(step, pair, ours, theirs)
                    return Verified(seed, step, returned, difference)
        except ChildFailure as failure:
            self._crew.fail(failure)
            engine = "our simulator" if failure.index == 0 else "CybORG"
            what = f"failed on {engine} in step {step} of the episode of seed {seed}"
            raise self._failure(what, failure) from failure
        return Verified(seed, step, returned - last, None)

    def _seen(self, pair: list[Process], messages: list[ToChild]) -> Iterator[tuple[Seen, Seen]]:
        seconds = self._limits.start
        while True:
            ours, theirs = (_of(Seen, answer) for answer in ask(pair, messages, seconds))
            yield ours, theirs
            if ours.over:
                return
            messages, seconds = [GoOn(), GoOn()], self._limits.step

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
