"""Episodes recorded from CybORG with actions and messages that the scripted policies never send.

Random actions, decoys and Removes concentrated on few hosts (reuse of pids), blocks toggled,
DiscoveryFSRed, other episode lengths; random messages in all of them. Observations, rewards and the
generator's state are compared after every step: a generator in the same state has made the same
draws, so that nothing can have gone differently inside.
"""

from pathlib import Path

import numpy as np
import pytest

from cagexplain.envs import BatchedEnv, EnvParams
from tests.sim.recorded import DATA

RECORDINGS = sorted((DATA / "lockstep").glob("*.npz"))


def test_the_recordings_are_there() -> None:
    assert {path.stem.rsplit("-", 1)[0] for path in RECORDINGS} == {
        "discovery-mix",
        "discovery-random",
        "finite_state-decoyremove",
        "finite_state-random",
        "finite_state-traffic",
    }


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_lockstep(path: Path) -> None:
    recorded = np.load(path)
    env = BatchedEnv(1, params=EnvParams(steps=int(recorded["steps"]), red=str(recorded["red"])))
    env.reset([int(recorded["seed"])], skip_worlds=1)
    messages = np.unpackbits(recorded["messages"], axis=-1)
    assert (env.obs[0] == recorded["obs"][0]).all()
    for t in range(len(recorded["actions"])):
        env.step(recorded["actions"][t : t + 1], messages[t : t + 1])
        assert (env.obs[0] == recorded["obs"][t + 1]).all(), f"observations of step {t}"
        assert env.reward[0] == recorded["rewards"][t], f"reward of step {t}"
        assert (env.state["rng"][0, :2] == recorded["generator"][t]).all(), f"step {t}"
    assert env.done[0]
    assert len(recorded["actions"]) == recorded["steps"] - 1
