"""The process that imports foreign code, once; every episode is played by a fork of it.

Run as `python -m cagexplain.policies.external.zygote DESCRIPTOR`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from typing import Final

from cagexplain.policies.external.messages import (
    ChildEnd,
    Failed,
    Fate,
    Forked,
    Load,
    Loaded,
    Spawn,
)
from cagexplain.policies.external.players import LOADERS, ForeignFailure, Player, during, run

_FILE_BYTES: Final = 2**30
"""Size of the largest file that foreign code can write."""


def main() -> None:
    """Load the code and serve, until the channel ends."""
    end = ChildEnd(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load, _ = end.receive()
    assert isinstance(load, Load)
    _limit(load.memory)
    sys.path[:0] = load.path
    try:
        with during("its import"):
            loaded = LOADERS[load.form](load)
    except ForeignFailure as failure:
        end.send(Failed(failure.problem, failure.during))
        return
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    end.send(Loaded(loaded.kind, dict(loaded.facts)))
    ended: dict[int, int] = {}
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            message, descriptor = end.receive()
            _reap(ended)
            match message:
                case Spawn(seed) if descriptor is not None:
                    _spawn(end, loaded.play, seed, descriptor)
                case Fate(pid):
                    if pid not in ended:
                        with contextlib.suppress(ChildProcessError):
                            _, ended[pid] = os.waitpid(pid, 0)
                    end.send(Fate(pid, ended.get(pid)))


def _spawn(end: ChildEnd, player: Player, seed: int, descriptor: int) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        end.send(Failed(f"no process can be started ({error.strerror})"))
        return
    if pid == 0:
        end.connection.close()
        run(player, ChildEnd(socket.socket(fileno=descriptor)), seed)
    os.close(descriptor)
    end.send(Forked(pid))


def _reap(ended: dict[int, int]) -> None:
    """Note how episodes ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended[pid] = status


def _limit(memory: int) -> None:
    for what, limit in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (limit, limit))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # threads that the code has left behind are not waited for
