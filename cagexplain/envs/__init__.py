"""Interfaces to a CC4 world.

* :class:`BatchedEnv` - arrays, many environments at once
* :func:`parallel_env` - PettingZoo's ``ParallelEnv``, one environment
"""

from cagexplain.envs.batched import BatchedEnv, Snapshot
from cagexplain.envs.pettingzoo import ParallelCC4, parallel_env
from cagexplain.envs.truth import GroundTruth
from cagexplain.sim.params import EnvParams

__all__ = ["BatchedEnv", "EnvParams", "GroundTruth", "ParallelCC4", "Snapshot", "parallel_env"]
