"""Recording for an audit, also of a policy that fails on some episodes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.checks import checks
from cagexplain.audit.compose import facts_of
from cagexplain.audit.play.record import record
from cagexplain.envs import EnvParams
from cagexplain.facts.view import Facts
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.guarded import PolicyFailure
from cagexplain.policies.wrappers.noise import NoisyAlerts
from tests.support.planted import Planted

SHORT = EnvParams(steps=12)
SEEDS = np.arange(40, 52)


class FailsOn(Planted):
    """Sleeps, and fails in step 5 of the episodes of some seeds."""

    def __init__(self, *seeds: int) -> None:
        super().__init__()
        self._fatal = seeds
        self._sleeps = load_policy("sleep")

    def begin(self, mask: Any) -> None:
        self._step = 0

    def choose(self, obs: Any, mask: Any, free: Any) -> Any:
        self._step += 1
        if self._step == 6 and np.isin(self._seeds, self._fatal).any():
            raise ZeroDivisionError("no <b>way</b>")
        return self._sleeps.act(obs, mask, free).actions


def test_episodes_in_which_the_policy_fails_are_left_out_and_told(tmp_path: Path) -> None:
    done = record(tmp_path / "t", FailsOn(43, 50), SEEDS, SHORT, batch=4)
    assert set(done.failed) == {43, 50}
    assert all("failed in step 5: ZeroDivisionError: no" in text for text in done.failed.values())
    assert done.trace.manifest.seeds == [s for s in SEEDS if s not in (43, 50)]
    assert done.trace.n_episodes == 10


def test_a_policy_that_always_fails_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyFailure, match=r"FailsOn: the policy failed in step 5: ZeroDiv"):
        record(tmp_path / "t", FailsOn(*SEEDS.tolist()), SEEDS, SHORT, batch=5)


def test_a_policy_that_never_fails_is_recorded_as_ever(tmp_path: Path) -> None:
    done = record(tmp_path / "t", load_policy("reactive"), SEEDS, SHORT)
    assert done.failed == {}
    assert done.trace.manifest.policy["name"] == "reactive"
    assert not facts_of(done.trace).sees_files
    assert done.trace.manifest.seeds == SEEDS.tolist()


def test_who_reads_raw_observations_sees_what_analyse_lists(tmp_path: Path) -> None:
    """So the checks of what Analyse finds apply, however it is wrapped."""
    done = record(tmp_path / "t", NoisyAlerts(load_policy("champion")), SEEDS, SHORT)
    facts = facts_of(done.trace)
    assert facts.sees_files
    for check in ("DET-05", "DET-06"):
        asked = next(each for each in checks() if each.id == check)
        assert asked.applies(facts) is None
        assert asked.applies(Facts()) is not None
