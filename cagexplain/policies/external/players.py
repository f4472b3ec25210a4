"""In the processes of foreign code: how it is loaded, and how it plays.

`LOADERS` has an entry per form. A loader imports the code, in the zygote, and returns a `Player`:
what plays an episode (or, for policies of many environments, a batch) in a fork of the zygote, over
a channel to us. Nothing here is imported in our own process.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import operator
import os
import random
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import numpy as np

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import Array
from cagexplain.policies.base import Weighing, reads
from cagexplain.policies.external.messages import (
    Branch,
    ChildEnd,
    Chosen,
    Decided,
    Done,
    Failed,
    Fork,
    Forked,
    FromChild,
    Load,
    Ready,
    Reset,
    Sight,
    ToChild,
)

_PROBLEM_LENGTH: Final = 500


class ForeignFailure(Exception):
    """The foreign code failed, or does what it cannot.

    Args:
        problem: in words.
        during: what it was doing.
    """

    def __init__(self, problem: str, during: str = "") -> None:
        super().__init__(problem)
        self.problem, self.during = problem, during


@contextlib.contextmanager
def during(what: str) -> Iterator[None]:
    """Run foreign code: whatever it raises, exits included, becomes a `ForeignFailure`."""
    try:
        yield
    except ForeignFailure:
        raise
    except BaseException as error:
        _log(error)
        raise ForeignFailure(_told(error), what) from error


def _log(error: BaseException) -> None:
    with contextlib.suppress(Exception):  # whoever closes its streams has no log
        traceback.print_exception(error)


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # it is foreign: its text may fail at anything
        text = "its message cannot be read"
    line = " ".join(f"{type(error).__name__}: {text}".split())
    return line if len(line) <= _PROBLEM_LENGTH else f"{line[:_PROBLEM_LENGTH]} ..."


class Episode:
    """The channel of a process that plays: forks it when it is asked to, and ends it with its
    other end."""

    def __init__(self, end: ChildEnd) -> None:
        self._end = end
        self._copies: set[int] = set()
        signal.signal(signal.SIGCHLD, lambda *_: self._reap())

    def receive(self) -> ToChild:
        """The next message that is the player's to answer."""
        while True:
            message, descriptor = self._receive()
            if not isinstance(message, Fork) or descriptor is None:
                return message
            if self.fork(descriptor) and message.seed is not None:
                seed_generators(message.seed)

    def receive_branch(self) -> tuple[ToChild, int | None]:
        """Likewise, with the descriptor: forking is the player's own affair."""
        return self._receive()

    def _receive(self) -> tuple[ToChild, int | None]:
        try:
            return self._end.receive()
        except (EOFError, ConnectionError):
            os._exit(0)

    def send(self, message: FromChild) -> None:
        """Answer."""
        self._end.send(message)

    def fork(self, descriptor: int) -> bool:
        """Go on twice; whether this is the copy, whose channel is the socket `descriptor`."""
        chances = random.getstate()
        try:
            pid = os.fork()
        except OSError as error:
            self._end.send(Failed(f"it cannot be copied ({error.strerror})"))
            os._exit(1)
        if pid == 0:
            random.setstate(chances)  # Python seeds this generator anew in forks
            self._end.connection.close()
            self._end.connection = socket.socket(fileno=descriptor)
            self._copies = set()
            return True
        os.close(descriptor)
        self._copies.add(pid)
        self._end.send(Forked(pid))
        return False

    def _reap(self) -> None:
        """Let no copy stay a zombie. Children of the foreign code are its own affair."""
        for pid in tuple(self._copies):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    continue
            self._copies.discard(pid)


Player = Callable[[Episode], None]
"""Plays in a process of its own until its channel ends."""


@dataclass(frozen=True)
class Loadable:
    """Foreign code that was imported.

    Attributes:
        kind: what it turned out to be: `policy`, `weighing` (a policy), `function` or `submission`.
        play: plays it.
        facts: what it says about itself.
    """

    kind: str
    play: Player
    facts: Mapping[str, str] = field(default_factory=dict)


def run(player: Player, end: ChildEnd, seed: int) -> NoReturn:
    """Play in this process, which was forked for it, and end it."""
    try:
        seed_generators(seed)
        player(Episode(end))
    except ForeignFailure as failure:
        _last_words(end, Failed(failure.problem, failure.during))
    except BaseException as error:
        _log(error)
        _last_words(end, Failed(_told(error)))
    finally:
        os._exit(1)


def _last_words(end: ChildEnd, failed: Failed) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        end.send(failed)


def seed_generators(seed: int) -> None:
    """Seed the generators that code takes when it is given none."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)


def load_object(load: Load) -> Loadable:
    """A class, factory, policy or function that a module or file defines."""
    value: Any = _module(load.entry)
    for part in load.name.split("."):
        if not hasattr(value, part):
            raise ForeignFailure(f"it defines no '{load.name}'", "its import")
        value = getattr(value, part)
    what = f"{load.name}()"
    if isinstance(value, type) or (callable(value) and not _takes(value, 3)):
        if not _takes(value, 0):
            raise ForeignFailure(
                f"{load.name} takes neither nothing, as classes and factories of policies do, nor "
                "an agent, its observation and its mask, as functions do"
            )
        with during(what):
            value = value()
    if all(callable(getattr(value, method, None)) for method in ("reset", "act", "branch")):
        return _loadable(value)
    if callable(value) and _takes(value, 3):
        return Loadable("function", _FunctionPlayer(value))
    raise ForeignFailure(
        f"{load.name} gives neither a policy, with the methods reset, act and branch, nor a "
        "function of an agent, its observation and its mask"
    )


def load_trainer(load: Load) -> Loadable:
    """Files of other trainers, which lie where they lay: they are no modules."""
    with during("the loading of its networks"):
        from cagexplain.policies.formats import loading  # needs Torch

        deterministic = load.options["deterministic"]
        policy = loading.load(Path(load.entry), deterministic=deterministic, trusted=True)
    return _loadable(policy)


def _loadable(policy: Any) -> Loadable:
    """A policy of our own protocol."""
    facts = _facts(policy)
    facts["READS"] = _truth(reads(policy))
    if not isinstance(policy, Weighing):
        return Loadable("policy", _PolicyPlayer(policy), facts)
    facts["VALUES"] = _truth(policy.values)
    facts["DETERMINISTIC"] = _truth(getattr(policy, "deterministic", False))
    return Loadable("weighing", _PolicyPlayer(policy), facts)


def _truth(value: object) -> str:
    return "true" if value else "false"


def _facts(policy: Any) -> dict[str, str]:
    with during("name"):
        name = getattr(policy, "name", "")
    return {"NAME": name} if isinstance(name, str) and name else {}


def _takes(function: Any, n: int) -> bool:
    """Whether it can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(n))
    except TypeError:
        return False
    except ValueError:  # nobody knows, as of some compiled functions
        return n != 0
    return True


def _module(entry: str) -> ModuleType:
    with during("its import"):
        if not entry.endswith(".py"):
            return importlib.import_module(entry)
        path = Path(entry)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module


class _FunctionPlayer:
    """Asks a function of (agent, official observation, mask) for every agent in every step, as the
    official evaluation asks its agents, busy or not."""

    def __init__(self, function: Callable[[str, Any, Any], Any]) -> None:
        self._function = function

    def __call__(self, episode: Episode) -> None:
        while isinstance(sight := episode.receive(), Sight):
            obs = np.frombuffer(sight.obs, np.int8).astype(np.int64)
            mask = np.frombuffer(sight.mask, np.bool_).copy()
            chosen = np.empty((1, N_BLUE), np.int64)
            for a, agent in enumerate(BLUE):
                seen, valid = obs[observations.slice_of(a)], mask[actions.slice_of(a)]
                with during(f"the choice of {agent}"):
                    chosen[0, a] = action_number(self._function(agent, seen, valid), agent)
            episode.send(Chosen(chosen.tobytes()))


def action_number(answer: Any, agent: str) -> int:
    """An answer as the number of an action; one of NumPy's or an array of one is fine, too."""
    try:
        number = operator.index(answer.item() if hasattr(answer, "item") else answer)
    except (TypeError, ValueError) as error:
        raise ForeignFailure(
            f"the answer {_shown(answer)} is no number of an action", f"the choice of {agent}"
        ) from error
    if not 0 <= number < 2**31:
        raise ForeignFailure(f"there is no action {number}", f"the choice of {agent}")
    return number


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # likewise
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:80]} ..."


class _PolicyPlayer:
    """Plays a policy of our own protocol, for a whole batch in one process."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy

    def __call__(self, episode: Episode) -> None:
        policy = self._policy
        while True:
            message, descriptor = episode.receive_branch()
            match message:
                case Reset():
                    with during("reset"):
                        policy.reset(np.array(message.seeds, np.int64))
                    episode.send(Ready())
                case Branch() if descriptor is not None:
                    if episode.fork(descriptor):
                        seeds = None if message.seeds is None else np.array(message.seeds, np.int64)
                        with during("branch"):
                            policy = policy.branch(np.array(message.rows, np.int64), seeds)
                case Sight():
                    episode.send(_decided(policy, message, episode))


def _decided(policy: Any, sight: Sight, episode: Episode) -> Decided:
    n = len(sight.free) // N_BLUE
    obs = np.frombuffer(sight.obs, np.int8).reshape(n, -1).copy()
    mask = np.frombuffer(sight.mask, np.bool_).reshape(n, -1).copy()
    free = np.frombuffer(sight.free, np.bool_).reshape(n, -1).copy()

    def revise(chosen: Any) -> Any:
        episode.send(Chosen(_array(chosen, np.int64, (n, N_BLUE), "actions")))
        done = episode.receive()
        assert isinstance(done, Done)
        return np.frombuffer(done.actions, np.int64).reshape(n, N_BLUE).copy()

    if sight.sightings is not None:
        with during("read"):
            policy.read(_sightings(sight.sightings, n))
    with during("act"):
        decision = policy.act(obs, mask, free, revise if sight.revised else None)
    bits = (n, N_BLUE, observations.MESSAGE_BITS)

    def part(name: str, kind: Any, shape: tuple[int, ...]) -> bytes | None:
        value = getattr(decision, name, None)
        return None if value is None else _array(value, kind, shape, name)

    chosen = part("actions", np.int64, (n, N_BLUE))
    if chosen is None:
        raise ForeignFailure(f"the answer {_shown(decision)} is no decision", "act")
    return Decided(
        chosen,
        part("messages", np.uint8, bits),
        part("probability", np.float32, (n, N_BLUE)),
        part("entropy", np.float32, (n, N_BLUE)),
        _weights(policy, n) if isinstance(policy, Weighing) else None,
    )


def _sightings(parts: Sequence[bytes], n: int) -> Sightings:
    """What the raw observations of ``n`` environments tell, from its arrays' bytes."""
    sightings = Sightings.nothing(n)
    arrays: Sequence[Array] = sightings
    for array, part in zip(arrays, parts, strict=True):
        array[...] = np.frombuffer(part, array.dtype).reshape(array.shape)
    return sightings


def _weights(policy: Weighing, n: int) -> bytes:
    with during("weights"):
        weights = policy.weights()
    return _array(weights, np.float32, (n, actions.TOTAL), "weights")


def _array(value: Any, kind: Any, shape: tuple[int, ...], name: str) -> bytes:
    """An array of the policy's decision as bytes."""
    with during("act"):
        array = np.asarray(value)
    exact = np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_
    if array.shape != shape or not (exact or (kind is np.float32 and array.dtype.kind == "f")):
        raise ForeignFailure(
            f"its {name} are {array.dtype} of shape {list(array.shape)}, and should be "
            f"{np.dtype(kind)} of shape {list(shape)}",
            "act",
        )
    return array.astype(kind).tobytes()


def _submission(load: Load) -> Loadable:
    from cagexplain.policies.external.submissions import load_submission

    return load_submission(load)


def _verification(load: Load) -> Loadable:
    from cagexplain.policies.external.verification import load_verification

    return load_verification(load)


LOADERS: Final[Mapping[str, Callable[[Load], Loadable]]] = {
    "object": load_object,
    "submission": _submission,  # needs the environments, which take a second to import
    "verification": _verification,
    "trainer": load_trainer,
}
"""How the code of each form is loaded."""
