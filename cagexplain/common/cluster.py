"""Work on the nodes of a Ray cluster: many small jobs, one processor core each.

A job is a function of a module that all nodes have, something that all jobs share (such as a
policy; it travels to each node once), and plain data. A job whose worker or node dies is done
again. Results do not depend on where a job is done, so the nodes must have the same versions of
what computes; a node that has others is refused.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from cagexplain import __version__
from cagexplain.common.errors import CagexplainError, UsageError

Job = TypeVar("Job")
Shared = TypeVar("Shared")
Result = TypeVar("Result")

OPTION: Final = "--ray"
LOCAL: Final = "local"
"""The address that starts a cluster on this machine."""
ATTEMPTS: Final = 4
"""Times that a job is begun: a node that is lost takes its jobs along once, a job that kills its
workers does so every time."""
_PATIENCE: Final = 10.0
"""Seconds that a cluster may take to accept a connection."""
_AHEAD: Final = 2
"""Jobs per core that are given to the cluster at once, so that no core waits for this process."""
_COMPUTE: Final = ("numpy", "numba", "torch", "pyarrow")


def connect(address: str) -> Any:
    """Join a Ray cluster; this process may have done so before.

    Args:
        address: of the cluster; "auto" finds the one that this machine belongs to, "local" starts
            one on this machine.

    Returns:
        The module of Ray.

    Raises:
        UsageError: Ray is not installed.
        CagexplainError: there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "Ray is not installed",
            where=OPTION,
            remedy=f"Install it with `pip install ray`, or leave {OPTION} out",
        ) from error
    if ray.is_initialized():
        return ray
    # What fails beside the job whose error is raised: Ray would print all of it.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    try:
        _require_answer(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise CagexplainError(
            f"no Ray cluster answers at {address!r} ({str(error).splitlines()[0]})",
            where=OPTION,
            remedy="Start one with `ray start --head`, or correct the address",
        ) from error
    return ray


def _require_answer(address: str) -> None:
    """Refuse HOST:PORT where nothing listens; Ray itself would try for two minutes, and say so.

    Raises:
        ConnectionError: nothing does.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
        except OSError as error:
            raise ConnectionError(error.strerror or str(error)) from error


def cores(ray: Any) -> int:
    """Processor cores of the cluster."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


class Cluster:
    """A Ray cluster that does jobs; a context manager, which leaves the cluster at its end.

    Args:
        address: see `connect`.
        workers: jobs at once, at most; None: one per core of the cluster.

    Raises:
        UsageError: Ray is not installed.
        CagexplainError: there is no such cluster.
    """

    def __init__(self, address: str, workers: int | None = None) -> None:
        module = sys.modules.get("ray")
        self._joined_before = module is not None and module.is_initialized()
        self._ray = connect(address)
        self._workers = workers
        # What dies with its worker is begun again here, where attempts are counted.
        self._task = self._ray.remote(num_cpus=1, max_retries=0)(_do)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._joined_before:
            self._ray.shutdown()

    @property
    def slots(self) -> int:
        """Jobs that are done at once, as the cluster is now."""
        there = cores(self._ray)
        return there if self._workers is None else min(there, self._workers)

    def each(
        self, do: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Do all jobs.

        Args:
            do: the work, a function that can be imported on every node.
            shared: its first argument, the same for all jobs; each gets a copy of its own.
            jobs: its second argument; `str` names one in errors.

        Yields:
            The number of each job and its result, as they are finished.

        Raises:
            CagexplainError: a node has other versions, a job was lost with its workers too often,
                or the work itself raised this.
        """
        common = self._ray.put(shared)
        waiting, running = deque(range(len(jobs))), dict[Any, int]()
        begun: Counter[int] = Counter()
        most = self._workers or _AHEAD * self.slots
        # After an error or Ctrl-C, what still runs ends unheard, or when this process leaves the
        # cluster. It is not cancelled: Ray 2.60 ends the whole process if it is asked to cancel a
        # task that is just ending ("Tried to complete task that was not pending").
        while waiting or running:
            while waiting and len(running) < most:
                i = waiting.popleft()
                begun[i] += 1
                running[self._task.remote(do, common, jobs[i], _versions())] = i
            (reference,), _ = self._ray.wait(list(running), num_returns=1)
            i = running.pop(reference)
            try:
                result = self._result(reference)
            except _Lost as lost:
                if begun[i] == ATTEMPTS:
                    raise _given_up(str(jobs[i]), lost) from lost
                waiting.appendleft(i)
            else:
                yield i, result

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:  # the work's own
            raise error.cause from error
        except errors.RayError as error:
            raise _Lost(str(error).splitlines()[0]) from error


class _Lost(Exception):
    """A job was lost with the process or the node that was at it."""


def _given_up(job: str, lost: _Lost) -> CagexplainError:
    return CagexplainError(
        f"{job}: {ATTEMPTS} workers died, one after the other ({lost})",
        where=OPTION,
        remedy="Look into the memory and the logs of the cluster's nodes; smaller blocks (--batch) "
        "take less memory",
    )


@cache
def _versions() -> dict[str, str]:
    """Of what the results of a job can depend on."""
    packages = {name: importlib.metadata.version(name) for name in _COMPUTE}
    return {"cagexplain": __version__, "python": platform.python_version(), **packages}


def _do(do: Callable[[Any, Any], Any], shared: Any, job: Any, versions: dict[str, str]) -> Any:
    """What a worker does."""
    here = _versions()
    for name, version in versions.items():
        if here[name] != version:
            raise CagexplainError(
                f"node {platform.node()} has {name} {here[name]}, and this machine has {version}: "
                "results could differ",
                where=OPTION,
                remedy="Install the same versions on all nodes",
            )
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)  # every core has a job of its own
    return do(shared, job)
