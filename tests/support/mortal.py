"""Work that kills the process that does it, as a full memory or a lost node does."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.wrappers.base import Wrapper


def die_at_first(deaths: Path, most: int) -> None:
    """Kill this process, unless it was done so often before.

    Args:
        deaths: file that keeps the number of each process that died.
        most: how often.
    """
    before = deaths.read_text().split() if deaths.exists() else []
    if len(before) < most:
        deaths.write_text(" ".join([*before, str(os.getpid())]))
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Wrapper):
    """A policy whose process is killed in the middle of an episode.

    Args:
        policy: the wrapped policy.
        seed: of the episode.
        deaths: see `die_at_first`.
        most: how often that happens.
    """

    def __init__(self, policy: Policy, seed: int, deaths: Path, most: int = 1) -> None:
        super().__init__(policy)
        self.seed, self.deaths, self.most = seed, deaths, most

    def reset(self, seeds: Any) -> None:
        self._steps = 5 if np.isin(self.seed, seeds) else -1
        super().reset(seeds)

    def act(self, *sight: Any) -> Decision:
        self._steps -= 1
        if self._steps == 0:
            die_at_first(self.deaths, self.most)
        return super().act(*sight)


def double(shared: dict[str, Any], job: int) -> int:
    """Twice the job; some of them kill their worker or fail first."""
    if job in shared.get("deadly", ()):
        die_at_first(shared["deaths"] / str(job), shared["most"])
    if job in shared.get("failing", ()):
        raise shared["error"]
    return 2 * job


def threads(shared: None, job: int) -> int:
    """Threads that Torch takes in a worker."""
    import torch

    return torch.get_num_threads()
