"""Interfaces to a CC4 world.

* :class:`BatchedEnv` - arrays, many environments at once
* :class:`Env` - the protocol that it shares with the real CybORG
* :class:`Engine` - chooses between the two
* :func:`parallel_env` - PettingZoo's ``ParallelEnv``, one environment
"""

from cagexplain.envs.batched import BatchedEnv, Snapshot
from cagexplain.envs.engines import Engine
from cagexplain.envs.pettingzoo import ParallelCC4, parallel_env
from cagexplain.envs.protocol import Env
from cagexplain.envs.truth import GroundTruth
from cagexplain.sim.params import EnvParams

__all__ = [
    "BatchedEnv",
    "Engine",
    "Env",
    "EnvParams",
    "GroundTruth",
    "ParallelCC4",
    "Snapshot",
    "parallel_env",
]
