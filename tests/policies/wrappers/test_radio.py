"""Messages that fail: the policy hears nothing, or the opposite; all else stays."""

from typing import Any

import numpy as np
import pytest

from cagexplain.cc4.layout import MESSAGES
from cagexplain.policies.base import Decision
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.base import Wrapper
from cagexplain.policies.wrappers.radio import Failure, Radio


class Listener(Wrapper):
    """Remembers what it was shown."""

    def act(self, obs: Any, mask: Any, free: Any, instead: Any = None) -> Decision:
        self.shown = obs
        return super().act(obs, mask, free, instead)


@pytest.mark.parametrize(("failure", "heard"), [("lost", (0, 0)), ("inverted", (1, 0))])
def test_only_messages_change(failure: Failure, heard: tuple[int, int]) -> None:
    listener = Listener(load_policy("sleep"))
    radio = Radio(listener, failure)
    radio.reset(np.arange(1))
    obs = np.random.default_rng(0).integers(0, 2, (1, 578), dtype=np.int8)
    before = obs.copy()
    radio.act(obs, np.ones((1, 570), np.bool_), np.ones((1, 5), np.bool_))
    np.testing.assert_array_equal(obs, before)  # others see it too
    rest = np.setdiff1d(np.arange(578), MESSAGES)
    np.testing.assert_array_equal(listener.shown[:, rest], obs[:, rest])
    np.testing.assert_array_equal(
        listener.shown[:, MESSAGES], np.where(obs[:, MESSAGES] == 0, *heard)
    )


def test_it_says_what_it_is() -> None:
    assert Radio(load_policy("punch"), "lost").name == "punch (messages lost)"
    assert Radio(load_policy("punch"), "inverted").describe()["messages"] == "inverted"
