"""What kinds of action are worth: what is known in advance comes out."""

import numpy as np
import pytest

from cagexplain.audit.play.worth import worth
from cagexplain.envs import EnvParams
from cagexplain.policies.registry import load_policy

pytestmark = pytest.mark.slow

SEEDS = np.arange(900, 940)
PARAMS = EnvParams(steps=150)


def test_what_is_never_done_is_worth_nothing() -> None:
    (change,) = worth(load_policy("reactive"), ["Remove"], SEEDS, PARAMS).values()
    assert (change.mean, change.low, change.high) == (0, 0, 0)


def test_what_carries_a_defence_is_worth_points() -> None:
    changes = worth(load_policy("reactive"), ["Sleep and Monitor", "Restore"], SEEDS, PARAMS)
    assert list(changes) == ["Restore"]
    assert changes["Restore"].low is not None and changes["Restore"].low > 0


def test_few_episodes_have_no_limits() -> None:
    (change,) = worth(load_policy("reactive"), ["Restore"], SEEDS[:2], PARAMS).values()
    assert (change.low, change.high) == (None, None)
