"""Which simulator plays: ours or the real CybORG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cagexplain.common import machine
from cagexplain.envs.batched import BatchedEnv
from cagexplain.envs.protocol import Env
from cagexplain.sim.params import EnvParams


@dataclass(frozen=True)
class Engine:
    """A simulator and how it is run; makes environments.

    Attributes:
        name: ``native`` is ours, ``cyborg`` the user's installation of CybORG.
        workers: threads of ours (default: one per core), processes of CybORG (default likewise).
        cyborg_path: folder that holds the ``CybORG`` package, if it is not installed.
    """

    name: Literal["native", "cyborg"] = "native"
    workers: int | None = None
    cyborg_path: Path | None = None

    @property
    def processes(self) -> int:
        """How many workers there are if all of them have something to do."""
        return self.workers or machine.cores()

    def make(self, n_envs: int, params: EnvParams | None = None) -> Env:
        """A batch of environments.

        Raises:
            CagexplainError: CybORG is wanted and cannot be used.
        """
        if self.name == "native":
            return BatchedEnv(n_envs, params=params, threads=self.workers)
        from cagexplain.envs.cyborg import CybORGEnv

        return CybORGEnv(n_envs, params=params, workers=self.processes, path=self.cyborg_path)

    def describe(self) -> dict[str, str]:
        """Name and version of the simulator, for manifests; of CybORG its sources' digest too."""
        if self.name == "native":
            from cagexplain import __version__

            return {"name": "cagexplain.sim", "version": __version__}
        from cagexplain.envs.cyborg import describe

        return describe(self.cyborg_path)
