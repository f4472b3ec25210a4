"""Policies in front of foreign code, which the rest of the program plays as any other."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NoReturn, Self

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, Int64Array, IntArray
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.base import Decision, Instead, Policy, done
from cagexplain.policies.external.code import Code
from cagexplain.policies.external.messages import (
    Branch,
    Chosen,
    Decided,
    Done,
    Fork,
    FromChild,
    Reset,
    Sight,
    ToChild,
    Twin,
    World,
)
from cagexplain.policies.external.processes import ChildFailure, Crew, Limits, Process, ask

if TYPE_CHECKING:
    from cagexplain.envs import Env

MOST_ROWS: Final = 16
"""Episodes that are played side by side, each in a process: enough to keep the cores busy, few
enough for the memory of networks that each process may have to itself."""


class ExternalFailure(CagexplainError):
    """Foreign code failed, hung, or answered what is no action."""


def open_external(code: Code, limits: Limits) -> Policy:
    """Load foreign code and give the policy that it is.

    Raises:
        ExternalFailure: it cannot be loaded.
    """
    link = _Link(code, limits)
    return _POLICIES[link.crew().loaded.kind](link)


def _failure(code: Code, what: str, failure: ChildFailure) -> ExternalFailure:
    where = f", in {failure.during}" if failure.during else ""
    return ExternalFailure(
        f"the policy {what}{where}: {failure.problem}",
        where=code.spec,
        remedy=f"Mend the policy; its output is in {failure.log}",
    )


class _Link:
    """Some foreign code and its processes: those of a policy and of all its branches. It can be
    sent to another process of ours, which starts its own."""

    def __init__(self, code: Code, limits: Limits) -> None:
        self.code, self.limits = code, limits
        self._crew: Crew | None = None
        self._lock = threading.Lock()
        self.facts: dict[str, str] = {}

    def crew(self) -> Crew:
        """The processes, started if there are none.

        Raises:
            ExternalFailure: the code cannot be loaded.
        """
        with self._lock:
            if self._crew is None or not self._crew.end.alive:
                try:
                    self._crew = Crew(self.code, self.limits)
                except ChildFailure as failure:
                    raise _failure(self.code, "cannot be loaded", failure) from failure
                self.facts = self._crew.loaded.facts
            return self._crew

    def failure(self, what: str, failure: ChildFailure) -> ExternalFailure:
        """The error to raise. All processes end: none can be trusted any more."""
        with self._lock:
            if self._crew is not None:
                self._crew.fail(failure)
        return _failure(self.code, what, failure)

    def __getstate__(self) -> dict[str, Any]:
        return {"code": self.code, "limits": self.limits, "facts": self.facts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["code"], state["limits"])  # type: ignore[misc]
        self.facts = state["facts"]


class External(ABC):
    """What all policies of foreign code share.

    Args:
        link: to the code and its processes.
    """

    kind: Literal["external"] = "external"

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._step = 0

    @property
    def name(self) -> str:
        """What the code calls itself, or what the user called it."""
        return self._link.facts.get("NAME") or self._link.code.short

    def describe(self) -> dict[str, Any]:
        """What is run."""
        code = self._link.code
        return {
            "kind": self.kind,
            "name": self.name,
            "form": code.form,
            "path": None if code.path is None else str(code.path),
            "entry": code.entry_point,
            "sha256": code.sha256,
            **{name.lower(): fact for name, fact in self._link.facts.items() if name != "NAME"},
        }

    @abstractmethod
    def _fail(self, failure: ChildFailure) -> NoReturn:
        """Raise the error about what processes failed at."""

    def _ask(self, processes: Sequence[Process], messages: Sequence[ToChild]) -> list[FromChild]:
        seconds = self._link.limits.step
        if self._step == 0:  # what is made for an episode is made now
            seconds = max(seconds, self._link.limits.start)
        try:
            return ask(processes, messages, seconds)
        except ChildFailure as failure:
            self._fail(failure)


_Chosen = tuple[Int64Array, npt.NDArray[np.uint8] | None]


@dataclass
class _Row:
    """An episode.

    Attributes:
        seed: of its world.
        chances: seed of the code's generators.
        process: that plays it; none before the first step.
    """

    seed: int
    chances: int
    process: Process | None = None


class EpisodesPolicy(External):
    """Foreign code that plays every episode in a process of its own."""

    most_rows: ClassVar[int] = MOST_ROWS
    """See `policies.base.rows_at_once`."""
    _LAST: ClassVar[tuple[int, ...]] = actions.SIZES
    """One more than the largest action of each agent."""

    def __init__(self, link: _Link) -> None:
        super().__init__(link)
        self._rows: list[_Row] = []

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, each in a fresh process."""
        self._rows = [_Row(int(seed), int(seed)) for seed in seeds]
        self._step = 0

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the code chooses.

        Raises:
            ExternalFailure: it failed.
        """
        messages = self._messages(obs, mask, free)
        answers = self._ask([self._process(i) for i in range(len(self._rows))], messages)
        choices = [self._checked(i, answer) for i, answer in enumerate(answers)]
        chosen = np.concatenate([choice for choice, _ in choices])
        actions_done = done(chosen, instead)
        said = [bits for _, bits in choices]
        self._step += 1
        return Decision(
            actions_done,
            None
            if all(bits is None for bits in said)
            else np.concatenate([_QUIET if bits is None else bits for bits in said]),
        )

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some episodes: forks of their processes.

        Raises:
            ExternalFailure: one cannot be copied.
        """
        twin = type(self)(self._link)
        twin._step = self._step
        chances = [None] * len(rows) if seeds is None else [int(seed) for seed in seeds]
        twin._rows = [self._copy(int(i), seed) for i, seed in zip(rows, chances, strict=True)]
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {"_link": self._link, "_step": 0, "_rows": [], "_env": None}

    def _copy(self, i: int, seed: int | None) -> _Row:
        row = self._rows[i]
        chances = row.chances if seed is None else seed
        if row.process is None:
            return _Row(row.seed, chances)
        try:
            return _Row(row.seed, chances, row.process.fork(Fork(seed)))
        except ChildFailure as failure:
            failure.index = i
            self._fail(failure)

    def _process(self, i: int) -> Process:
        row = self._rows[i]
        if row.process is None:
            crew = self._link.crew()
            try:
                row.process = crew.spawn(row.chances)
            except ChildFailure as failure:
                failure.index = i
                self._fail(failure)
        return row.process

    def _messages(
        self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray
    ) -> Sequence[ToChild]:
        """What each episode is asked."""
        return [
            Sight(obs[i].tobytes(), mask[i].tobytes(), free[i].tobytes()) for i in range(len(obs))
        ]

    def _fail(self, failure: ChildFailure) -> NoReturn:
        row = self._rows[failure.index]
        what = f"failed in step {self._step} of the episode of seed {row.seed}"
        raise self._link.failure(what, failure) from failure

    def _checked(self, i: int, answer: FromChild) -> _Chosen:
        """A process's choice, if it is one."""
        try:
            return choice(answer, 1, self._LAST)
        except ChildFailure as failure:
            failure.index = i
            self._fail(failure)


_QUIET: Final = np.zeros((1, N_BLUE, MESSAGE_BITS), np.uint8)


def choice(answer: FromChild, n: int, last: tuple[int, ...]) -> _Chosen:
    """Actions ``int64[n, 5]`` and messages ``uint8[n, 5, 8]`` that a process sent.

    Raises:
        ChildFailure: they are none.
    """
    if not isinstance(answer, Chosen | Decided):
        raise ChildFailure("it sent another message than was asked for")
    chosen = _array(answer.actions, np.int64, (n, N_BLUE))
    beyond = np.argwhere((chosen < 0) | (chosen >= last))
    if len(beyond):
        row, a = beyond[0].tolist()
        raise ChildFailure(
            f"{BLUE[a]} has no action {chosen[row, a]}; its last one is {last[a] - 1}"
        )
    if answer.messages is None:
        return chosen, None
    bits = _array(answer.messages, np.uint8, (n, N_BLUE, MESSAGE_BITS))
    if (bits > 1).any():
        raise ChildFailure("its messages hold other numbers than 0 and 1")
    return chosen, bits


def _array(content: bytes, kind: Any, shape: tuple[int, ...]) -> Any:
    """A writable array that a process sent.

    Raises:
        ChildFailure: it has another size.
    """
    array = np.frombuffer(content, np.uint8)
    if array.size != np.prod(shape) * np.dtype(kind).itemsize:
        raise ChildFailure("it sent an array of another size than was asked for")
    return array.view(kind).reshape(shape).copy()


class BatchPolicy(External):
    """Foreign code that follows our own protocol: one process plays a whole batch."""

    def __init__(self, link: _Link) -> None:
        super().__init__(link)
        self._seeds: list[int] = []
        self._process: Process | None = None
        self._sightings: tuple[bytes, ...] | None = None

    @property
    def reads(self) -> bool:
        """Whether it reads raw observations (`policies.base.Reading`)."""
        return self._link.facts["READS"] == "true"

    def describe(self) -> dict[str, Any]:
        """What is run, and whether it reads raw observations."""
        return {**super().describe(), "reads": self.reads}

    def read(self, sightings: Sightings) -> None:
        """Keep what the raw observations tell for the next question."""
        self._sightings = tuple(part.tobytes() for part in sightings)

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, in a fresh process."""
        self._seeds, self._step = [int(seed) for seed in seeds], 0
        crew = self._link.crew()
        try:
            self._process = crew.spawn(self._seeds[0])
        except ChildFailure as failure:
            self._fail(failure)
        self._answer(Reset(self._seeds))

    def act(
        self,
        obs: npt.NDArray[np.int8],
        mask: BoolArray,
        free: BoolArray,
        instead: Instead | None = None,
    ) -> Decision:
        """What the code decides.

        Raises:
            ExternalFailure: it failed.
        """
        n = len(obs)
        sight = Sight(
            obs.tobytes(), mask.tobytes(), free.tobytes(), instead is not None, self._sightings
        )
        self._sightings = None
        answer = self._answer(sight)
        try:
            if isinstance(answer, Chosen):
                chosen, _ = choice(answer, n, actions.SIZES)
                answer = self._answer(Done(done(chosen, instead).astype(np.int64).tobytes()))
            decided, messages = choice(answer, n, actions.SIZES)
            if not isinstance(answer, Decided):
                raise ChildFailure("it sent another message than was asked for")
            self._take(answer, n)
            decision = Decision(
                decided,
                messages,
                *(
                    None if part is None else _array(part, np.float32, (n, N_BLUE))
                    for part in (answer.probability, answer.entropy)
                ),
            )
        except ChildFailure as failure:
            self._fail(failure)
        self._step += 1
        return decision

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some environments, in a fork of the process."""
        twin = type(self)(self._link)
        twin._step = self._step
        twin._seeds = [self._seeds[i] for i in rows]
        if self._process is None:
            twin.reset(np.array(twin._seeds) if seeds is None else seeds)
            return twin
        again = None if seeds is None else [int(seed) for seed in seeds]
        try:
            twin._process = self._process.fork(Branch([int(i) for i in rows], again))
        except ChildFailure as failure:
            self._fail(failure)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {
            "_link": self._link,
            "_step": 0,
            "_seeds": [],
            "_process": None,
            "_sightings": None,
        }

    def _take(self, answer: Decided, n: int) -> None:
        """Take what a subclass wants of an answer about so many environments."""

    def _answer(self, message: ToChild) -> FromChild:
        assert self._process is not None  # reset comes first
        (answer,) = self._ask([self._process], [message])
        return answer

    def _fail(self, failure: ChildFailure) -> NoReturn:
        first, last = self._seeds[0], self._seeds[-1]
        episodes = f"episode of seed {first}" if first == last else f"episodes {first} to {last}"
        raise self._link.failure(f"failed in step {self._step} of the {episodes}", failure)


class WeighingPolicy(BatchPolicy):
    """Likewise, of a policy that weighs all actions (`policies.base.Weighing`)."""

    def __init__(self, link: _Link) -> None:
        super().__init__(link)
        self._weights = np.empty((0, actions.TOTAL), np.float32)

    @property
    def values(self) -> bool:
        """Whether the weights are values of actions."""
        return self._link.facts["VALUES"] == "true"

    @property
    def deterministic(self) -> bool:
        """Whether it takes its heaviest actions."""
        return self._link.facts["DETERMINISTIC"] == "true"

    def describe(self) -> dict[str, Any]:
        """What is run, and how it chooses."""
        return {
            **super().describe(),
            "values": self.values,
            "deterministic": self.deterministic,
        }

    def weights(self) -> npt.NDArray[np.float32]:
        """Weights of all actions in the last `act` ``[n, 570]``."""
        return self._weights

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_weights": self._weights[:0]}

    def _take(self, answer: Decided, n: int) -> None:
        if answer.weights is None:
            raise ChildFailure("it sent no weights of its actions")
        self._weights = _array(answer.weights, np.float32, (n, actions.TOTAL))
        if np.isnan(self._weights).any():
            raise ChildFailure("the weights of its actions are no numbers")


class SubmissionPolicy(EpisodesPolicy):
    """A submission: it plays on an environment, so it sees the whole state.

    Attributes:
        looks: it has to be shown the states (`policies.base.Onlooker`).
    """

    looks = True
    _LAST = actions.ALL_SIZES
    _carries_on = False

    def __init__(self, link: _Link) -> None:
        super().__init__(link)
        self._env: Env | None = None

    def reset(self, seeds: IntArray) -> None:
        """Begin new episodes, each in a fresh process unless the agents carry on."""
        if self._carries_on:
            self._carries_on, self._step = False, 0
        else:
            super().reset(seeds)

    def carry_on(self, env: Env) -> None:
        """Show the agents how their episodes have ended; they play the next ones as well.

        Raises:
            ExternalFailure: a process hangs.
        """
        for i, world in enumerate(self._worlds(env)):
            try:
                self._process(i).send(world)
            except ChildFailure as failure:
                failure.index = i
                self._fail(failure)
        self._carries_on = True

    def look(self, env: Env) -> None:
        """Look at the environments that the next `act` is about."""
        self._env = env

    def branch(self, rows: IntArray, seeds: IntArray | None = None) -> Self:
        """Go on with copies of some episodes: forks of their processes.

        Raises:
            CagexplainError: it plays on CybORG.
            ExternalFailure: one cannot be copied.
        """
        begun = any(row.process is not None for row in self._rows)
        if begun and not hasattr(self._env, "state"):
            raise CagexplainError(
                "a submission that plays on CybORG cannot be branched: the world of its copy would "
                "go on by itself, as CybORG's worlds cannot be saved and played on here",
                where=self._link.code.spec,
                remedy="Play it on our simulator: leave out '--engine cyborg'",
            )
        return super().branch(rows, seeds)

    def _messages(
        self, obs: npt.NDArray[np.int8], mask: BoolArray, free: BoolArray
    ) -> Sequence[ToChild]:
        assert self._env is not None  # `decide` shows it
        return self._worlds(self._env)

    def _worlds(self, env: Env) -> Sequence[ToChild]:
        """The environments as each episode is shown its own."""
        steps = env.params.steps
        if (states := getattr(env, "state", None)) is not None:  # of our engine
            from cagexplain.envs.lookalike.exchange import content_of

            return [World(content_of(state), steps) for state in states]
        return [
            Twin(
                row.seed,
                steps,
                env.params.as_dict()["red"],
                env.skipped_worlds,  # type: ignore[attr-defined]  # it is CybORG's
                float(env.reward[i]),
                str(env.generator_state(i)["state"]),
            )
            for i, row in enumerate(self._rows)
        ]


_POLICIES: Final[dict[str, type[EpisodesPolicy] | type[BatchPolicy]]] = {
    "function": EpisodesPolicy,
    "policy": BatchPolicy,
    "weighing": WeighingPolicy,
    "submission": SubmissionPolicy,
}
