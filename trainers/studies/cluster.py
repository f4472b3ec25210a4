"""Workers on a Ray cluster. What a worker does is the same as on one machine.

Every node needs cagexplain installed and the study's folder under the same path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cagexplain.common.cluster import connect, cores
from trainers.studies.jobs import Job
from trainers.studies.local import attend, stop_flag
from trainers.studies.worker import INTERRUPTED, TRAIN

_LOST = -9  # as if the process had been killed: to be tried again


class RayBackend:
    """Trains in tasks of a Ray cluster, one processor core each.

    Args:
        address: of the cluster; see `connect`.
        workers: how many runs at once; None: one per core of the cluster.
        function: what they do, see `local.Worker`.

    Raises:
        UsageError: Ray is not installed.
        CagexplainError: there is no such cluster.
    """

    def __init__(self, address: str, workers: int | None = None, function: str = TRAIN) -> None:
        self.ray, self.function = connect(address), function
        self.slots = workers or cores(self.ray)
        # A task that is lost with its node is begun again by the study, which counts the attempts.
        self.attend = self.ray.remote(num_cpus=1, max_retries=0)(attend)

    def start(self, job: Job) -> RayTask:
        """Begin or continue a run somewhere."""
        flag = stop_flag(job.log)
        flag.unlink(missing_ok=True)  # of an earlier worker
        task = self.attend.remote(job.to_json(), self.function)
        return RayTask(self.ray, task, job.log)


class RayTask:
    """A run on the cluster."""

    def __init__(self, ray: Any, reference: Any, log: Path) -> None:
        self.ray, self.reference, self.log = ray, reference, log

    def status(self) -> int | None:
        """As of `local.Worker`."""
        if not self.ray.wait([self.reference], timeout=0)[0]:
            return None
        stop_flag(self.log).unlink(missing_ok=True)
        try:
            status: int = self.ray.get(self.reference)
        except self.ray.exceptions.TaskCancelledError:
            return INTERRUPTED
        except self.ray.exceptions.RayTaskError as error:  # no worker could be started there
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with open(self.log, "a", encoding="utf-8") as log:
                log.write(f"{error}\n")
            return 1
        except self.ray.exceptions.RayError:
            return _LOST
        return status

    def stop(self) -> None:
        """Ask it to save and end, by a file in the study's folder: Ray's own request to cancel a
        task can get lost on a busy machine."""
        stop_flag(self.log).touch()

    def kill(self) -> None:
        """End it at once; only for a study that ends, too, as cancelling a task that is just ending
        ends this process (Ray 2.60)."""
        self.ray.cancel(self.reference, force=True)
