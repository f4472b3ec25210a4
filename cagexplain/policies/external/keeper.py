"""The process above all processes of foreign code: ends them, whatever they do.

It is started by us and starts the zygote. It runs no foreign code and waits: for output, of which
it keeps a bounded part in the log, and for the end of its channel, which comes when we are done
with the code, fail, or are killed. Then it kills the process group, and all that left it: as a
"child subreaper" (Linux) it inherits every orphan. Where there is no such thing (macOS), processes
that left the group can outlive it.

Only the standard library is imported, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from select import select
from typing import Final

LOG_BYTES: Final = 10_000_000
"""Size of the log; what is written beyond it is thrown away."""
MOST_PROCESSES: Final = 2_500
"""Processes beyond which the code is taken for a fork bomb."""
_LOOK_AFTER: Final = 0.5
"""Seconds between two looks at how many there are."""
_GIVE_UP: Final = 5.0
"""Seconds after which processes that cannot be killed (by the state of a disk, say) are left."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _parents() -> dict[int, int]:
    """The parent of every process, where /proc tells."""
    parents = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
                # The name of the program, in brackets, may hold anything.
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return parents


def _descendants() -> set[int]:
    """All processes below this one that still run or wait to be reaped."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    below, ahead = set(), [os.getpid()]
    while ahead:
        for pid in children.get(ahead.pop(), ()):
            below.add(pid)
            ahead.append(pid)
    return below


def _too_many() -> bool:
    """Whether there are so many processes below this one that the code is a fork bomb."""
    # Mostly there are not as many on the whole machine, which is known without a look at each.
    everywhere = sum(map(str.isdigit, os.listdir("/proc"))) if os.path.isdir("/proc/self") else 0
    return everywhere > MOST_PROCESSES and len(_descendants()) > MOST_PROCESSES


def _reap(apart_from: int) -> None:
    """Take note of the end of orphans."""
    with contextlib.suppress(ChildProcessError):
        while True:
            state = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if state is None or state.si_pid == apart_from:
                return
            os.waitpid(state.si_pid, os.WNOHANG)


def _kill(group: int) -> None:
    until = time.monotonic() + _GIVE_UP
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
        below = _descendants()
        for pid in below:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        _reap(0)
        if not below:
            return
        time.sleep(0.005)


def _keeping(log: int) -> Callable[[bytes], None]:
    """What writes output to the log, as long as there is room."""
    room = LOG_BYTES

    def keep(output: bytes) -> None:
        nonlocal room
        with contextlib.suppress(OSError):
            os.write(log, output[:room])
            if 0 < room <= len(output):
                os.write(log, b"\n[the log is full: what follows is thrown away]\n")
        room = max(0, room - len(output))

    return keep


def main() -> None:
    """Start the zygote and wait.

    Arguments: descriptors of our channel, of the zygote's and of the log; the zygote's command.
    """
    ours, zygotes, log = (int(argument) for argument in sys.argv[1:4])
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    channel = socket.socket(fileno=ours)
    source, sink = os.pipe()
    zygote = subprocess.Popen(
        [*sys.argv[4:], str(zygotes)],
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=sink,
        pass_fds=[zygotes],
        process_group=0,
        preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    os.close(sink)
    os.close(zygotes)
    keep = _keeping(log)
    channel.sendall(f"{zygote.pid}\n".encode())
    waited_for, last_look = [channel.fileno(), source], time.monotonic()
    while True:
        ready, _, _ = select(waited_for, [], [], _LOOK_AFTER)
        if source in ready:
            output = os.read(source, 2**16)
            keep(output)
            if not output:
                waited_for.remove(source)
        if channel.fileno() in ready:
            break
        if time.monotonic() - last_look > _LOOK_AFTER:
            _reap(zygote.pid)
            last_look = time.monotonic()
            if _too_many():
                with contextlib.suppress(OSError):
                    channel.sendall(f"it started more than {MOST_PROCESSES:,} processes\n".encode())
                break
    _kill(zygote.pid)
    while select([source], [], [], 0)[0] and (output := os.read(source, 2**16)):
        keep(output)


if __name__ == "__main__":
    main()
