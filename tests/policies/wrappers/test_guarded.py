"""A policy whose errors are reported as its own."""

from typing import Any

import numpy as np
import pytest

from cagexplain.common.arrays import BoolArray
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.base import unwrapped
from cagexplain.policies.wrappers.guarded import Guarded, PolicyFailure
from tests.support.planted import Planted

OBS, MASK, FREE = np.zeros((2, 578), np.int8), np.ones((2, 570), bool), np.ones((2, 5), bool)


class Fails(Planted):
    """Fails at once."""

    def choose(self, obs: Any, mask: BoolArray, free: BoolArray) -> Any:
        raise ZeroDivisionError("by the rule")


def test_a_guarded_policy_is_the_same_policy() -> None:
    policy = load_policy("reactive")
    guarded = Guarded(policy)
    assert unwrapped(guarded) is policy
    assert (guarded.name, guarded.kind, guarded.describe()) == (
        policy.name,
        policy.kind,
        policy.describe(),
    )
    guarded.reset(np.array([1, 2]))
    assert isinstance(guarded.act(OBS, MASK, FREE), Decision)
    twin = guarded.branch(np.array([1]))
    np.testing.assert_array_equal(
        twin.act(OBS[:1], MASK[:1], FREE[:1]).actions[0],
        guarded.act(OBS, MASK, FREE).actions[1],
    )


def test_its_errors_name_it_and_the_step() -> None:
    guarded = Guarded(Fails())
    guarded.reset(np.array([1, 2]))
    with pytest.raises(PolicyFailure, match="Fails: the policy failed in step 0: ZeroDivisionErr"):
        guarded.act(OBS, MASK, FREE)
