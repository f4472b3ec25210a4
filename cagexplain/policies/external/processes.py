"""Our side of foreign code: starts its processes, talks with them, ends them."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cagexplain.common import machine
from cagexplain.policies.external import keeper
from cagexplain.policies.external.code import Code
from cagexplain.policies.external.messages import (
    Branch,
    Failed,
    Fate,
    Fork,
    Forked,
    FromChild,
    Load,
    Loaded,
    Spawn,
    ToChild,
    from_child,
    packed,
)

_PASSED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "NUMBA_CACHE_DIR")
"""The part of our environment that foreign code gets."""
_SET: Final = {
    "PYTHONHASHSEED": "0",  # the order of sets of texts
    "PYTHONUNBUFFERED": "1",
    "CUDA_VISIBLE_DEVICES": "",  # no process with an initialised GPU can be forked
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
        ),
        "1",
    ),
}
_ROOT: Final = str(Path(__file__).parents[3])
_END: Final = 10.0
"""Seconds in which the keeper must have killed everything."""
_ZYGOTE: Final = "cagexplain.policies.external.zygote"


@dataclass(frozen=True)
class Limits:
    """What foreign code may take.

    Attributes:
        start: seconds to import it and, for a submission, to wrap its environment.
        step: seconds to choose for all agents of an episode, or of a batch where one process plays
            a whole batch.
        memory: bytes of data of each process (``RLIMIT_DATA``; macOS does not hold it).
    """

    start: float = 120.0
    step: float = 10.0
    memory: int = 4 * 2**30


class ChildFailure(Exception):
    """A process of foreign code failed.

    Args:
        problem: how, in words.
        during: what it was doing.

    Attributes:
        index: which of several that were asked.
        log: file with the output of the code, once it is known.
    """

    def __init__(self, problem: str, during: str = "") -> None:
        super().__init__(problem)
        self.problem, self.during = problem, during
        self.index = 0
        self.log: Path | None = None


class Crew:
    """The processes of some foreign code: its keeper, the zygote that has loaded it, the episodes.

    They end with this object, and with our process, however it ends.

    Args:
        code: to load.
        limits: of its processes.

    Attributes:
        loaded: what it turned out to be.
        log: file with the output of all its processes.

    Raises:
        ChildFailure: it cannot be loaded.
    """

    def __init__(self, code: Code, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        folder = Path(tempfile.mkdtemp(prefix="cagexplain-external-"))
        self.log = folder / "log.txt"
        self._work = folder / "work"
        if code.files is None:
            self._work.mkdir()
        else:
            code.files.copy(self._work)
        ours, zygotes = socket.socketpair()
        self._channel, keepers = socket.socketpair()
        with open(self.log, "ab") as log, zygotes, keepers:
            self._keeper = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", keeper.__file__),
                    *(str(end.fileno()) for end in (keepers, zygotes)),
                    str(log.fileno()),
                    *(sys.executable, "-P", "-X", "faulthandler", "-m", _ZYGOTE),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[keepers.fileno(), zygotes.fileno(), log.fileno()],
                start_new_session=True,
                cwd=self._work,
                env=_environment(self._work),
            )
        self._remains = _Remains(self._keeper, ours, self._channel, folder)
        self.end = weakref.finalize(self, self._remains.end)
        self._channel.settimeout(limits.start)
        self._group = self._remains.group = int(self._channel.recv(32))
        # A proxy: no cycle keeps processes alive that nobody uses any more.
        self._zygote = Process(weakref.proxy(self), ours, self._group)
        load = Load(
            code.loader,
            code.entry,
            code.name,
            [str(self._work), *code.import_path],
            limits.memory,
            dict(code.options),
        )
        try:
            answer = self._zygote.ask(load, limits.start)
            if not isinstance(answer, Loaded):
                raise ChildFailure("it sent another message than was asked for")
        except ChildFailure as failure:
            self.fail(failure)
            raise
        self.loaded = answer

    def spawn(self, seed: int) -> Process:
        """A process that begins an episode.

        Raises:
            ChildFailure: the zygote has died.
        """
        with self._lock:
            return self._zygote.fork(Spawn(seed))

    def fate(self, pid: int) -> str:
        """How a process ended, in words."""
        if (told := self._told()) is not None:
            return told
        if pid != self._group:
            with self._lock, contextlib.suppress(ChildFailure):
                fate = self._zygote.ask(Fate(pid), 1.0)
                if isinstance(fate, Fate) and fate.status is not None:
                    return _ending(fate.status)
        return "its process has ended"

    def _told(self) -> str | None:
        """What the keeper has to say."""
        with contextlib.suppress(OSError):
            self._channel.setblocking(False)
            return self._channel.recv(200).decode("utf-8", "replace").strip() or None
        return None

    def fail(self, failure: ChildFailure) -> None:
        """End all processes, and leave the log for the user to read, of which the failure tells."""
        failure.log = self.log
        self._remains.keeps_log = True
        self.end()


class _Remains:
    """What is left when a crew is no longer used, and its end."""

    def __init__(
        self,
        keeper: subprocess.Popen[bytes],
        zygote: socket.socket,
        channel: socket.socket,
        folder: Path,
    ) -> None:
        self._keeper, self._zygote, self._channel, self._folder = keeper, zygote, channel, folder
        self.group: int | None = None
        self.keeps_log = False

    def end(self) -> None:
        """End all processes and remove their folder."""
        self._zygote.close()
        self._channel.close()
        try:
            status = self._keeper.wait(_END)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            status = self._keeper.wait()
        if status != 0 and self.group is not None:  # somebody has killed the keeper
            with contextlib.suppress(OSError):
                os.killpg(self.group, signal.SIGKILL)
        gone = self._folder / "work" if self.keeps_log else self._folder
        shutil.rmtree(gone, ignore_errors=True)


class Process:
    """A process that answers; it ends with this object.

    Args:
        crew: that it belongs to.
        connection: our end of its channel.
        pid: its number.
    """

    def __init__(self, crew: Crew, connection: socket.socket, pid: int) -> None:
        self.crew, self.pid = crew, pid
        self.connection = connection
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self.close = weakref.finalize(self, connection.close)

    def send(self, message: ToChild, descriptors: Sequence[int] = ()) -> None:
        """Send a message. Whether the process still lives, its answer will tell.

        Raises:
            ChildFailure: it does not take it.
        """
        content = memoryview(packed(message))
        self.connection.settimeout(self.crew.limits.step)
        try:
            if descriptors:
                content = content[socket.send_fds(self.connection, [content], descriptors) :]
            self.connection.sendall(content)
        except TimeoutError as error:
            raise ChildFailure(_hangs(self.crew.limits.step)) from error
        except OSError:
            pass

    def take(self) -> FromChild | None:
        """Its answer, or None if it is not complete yet.

        Raises:
            ChildFailure: it has failed, ended, or sent what is no message.
        """
        try:
            content = self.connection.recv(2**18, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            content = b""
        if not content:
            raise ChildFailure(self.crew.fate(self.pid))
        self._buffer += content
        try:
            answer = from_child(self._buffer)
        except ValueError as error:
            raise ChildFailure(f"it sent what is no message ({error})") from error
        if isinstance(answer, Failed):
            raise ChildFailure(answer.problem, answer.during)
        return answer

    def ask(self, message: ToChild, seconds: float) -> FromChild:
        """Send a message and wait for the answer.

        Raises:
            ChildFailure: there is none in time, or see `take`.
        """
        return ask([self], [message], seconds)[0]

    def fork(self, message: Spawn | Fork | Branch) -> Process:
        """Ask for a new process.

        Raises:
            ChildFailure: as `ask`.
        """
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            self.send(message, [theirs.fileno()])
            try:
                (answer,) = ask([self], [None], self.crew.limits.step)
            except ChildFailure:
                ours.close()
                raise
        if not isinstance(answer, Forked):
            ours.close()
            raise ChildFailure("it sent another message than was asked for")
        return Process(self.crew, ours, answer.pid)


def ask(
    processes: Sequence[Process], messages: Sequence[ToChild | None], seconds: float
) -> list[FromChild]:
    """Send every process its message and wait for all answers.

    As many work at once as there are processor cores, so that the time of each is its own.

    Args:
        processes: of one crew.
        messages: one for each; None where it was sent before.
        seconds: that each may take.

    Raises:
        ChildFailure: of the process with that index.
    """
    answers: list[FromChild | None] = [None] * len(processes)
    deadlines: dict[int, float] = {}
    ahead = iter(range(len(processes)))
    index = 0
    with selectors.PollSelector() as selector:
        try:
            while True:
                while len(deadlines) < machine.cores() and (index := next(ahead, -1)) >= 0:
                    message = messages[index]
                    if message is not None:
                        processes[index].send(message)
                    deadlines[index] = time.monotonic() + seconds
                    selector.register(processes[index].connection, selectors.EVENT_READ, index)
                if not deadlines:
                    break
                wait = min(deadlines.values()) - time.monotonic()
                for key, _ in selector.select(max(0.0, wait)):
                    index = key.data
                    answers[index] = processes[index].take()
                    if answers[index] is not None:
                        selector.unregister(key.fileobj)
                        del deadlines[index]
                late = [i for i, deadline in deadlines.items() if deadline < time.monotonic()]
                if late:
                    index = late[0]
                    raise ChildFailure(_hangs(seconds))
        except ChildFailure as failure:
            failure.index = index
            raise
    return [answer for answer in answers if answer is not None]


def _hangs(seconds: float) -> str:
    return f"it did not answer within {seconds:g} s"


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"its process exited with status {code}"
    with contextlib.suppress(ValueError):
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process was killed by signal {-code}"


def _environment(work: Path) -> dict[str, str]:
    """All that foreign code gets of an environment; its home is its working folder."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    # Where we find modules, foreign code does, whatever the present folder is.
    ours = [path for path in sys.path if path and Path(path).is_absolute()]
    python_path = os.pathsep.join([_ROOT, *ours])
    places = {"HOME": str(work), "TMPDIR": str(work), "PYTHONPATH": python_path}
    return passed | _SET | places
