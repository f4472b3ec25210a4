"""Messages are true."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.catalogue import coo_01, coo_02
from cagexplain.cc4 import agents
from cagexplain.cc4.network import OZA, RZA, RZB, user
from cagexplain.common.arrays import BoolArray
from cagexplain.facts.messages import lied, sent, statements
from cagexplain.facts.view import View
from cagexplain.policies.base import Decision
from tests.support.planted import PROCESS, RestoresOnProcess, alert_bits
from tests.support.small import ENOUGH, by_hand, finding, judged, number, steps

FIRST = 128
"""A message whose first bit is raised."""
HOSTS = {0: user(RZA), 1: user(OZA), 2: user(RZB)}


class Tells(RestoresOnProcess):
    """As `RestoresOnProcess`, and raises its first bit while a host shows a process alert; the
    liars do so while none does, in some episodes and from some step on."""

    state = ("_clock",)

    def __init__(self, liars: Iterable[int] = (), every: int = 1, since: int = 0) -> None:
        super().__init__()
        self._liars = np.isin(np.arange(agents.N_BLUE), list(liars))
        self._every, self._since = every, since

    def begin(self, mask: BoolArray) -> None:
        self._clock = np.full(len(mask), -1)

    def act(self, obs: Any, mask: BoolArray, free: BoolArray, instead: Any = None) -> Decision:
        chosen = super().act(obs, mask, free, instead).actions
        self._clock = self._clock + 1
        now = (self._seeds % self._every == 0) & (self._clock >= self._since)
        messages = np.zeros((len(obs), agents.N_BLUE, 8), dtype=np.uint8)
        messages[..., 0] = alert_bits(obs, PROCESS).any(axis=-1) ^ (self._liars & now[:, None])
        return Decision(chosen, messages)


def found(folder: Path, policy: Any, episodes: int = ENOUGH) -> Any:
    return judged(folder, policy, episodes, [coo_02.CHECK], usual=2.0)["COO-02"]


def test_who_tells_what_it_sees_passes(tmp_path: Path) -> None:
    finding = found(tmp_path, Tells())
    assert finding.verdict == "PASS"
    assert number(finding).value == 1


def test_who_tells_the_opposite_fails(tmp_path: Path) -> None:
    finding = found(tmp_path, Tells(range(5)))
    assert finding.verdict == "FAIL"
    assert number(finding).value == 0


def test_one_liar_among_honest_ones_is_named(tmp_path: Path) -> None:
    finding = found(tmp_path, Tells([2]))
    assert number(finding).verdict == "PASS"
    assert finding.verdict == "FAIL"
    assert finding.worst.place[0].name == agents.BLUE[2]


def test_a_liar_is_caught_since_it_lies(tmp_path: Path) -> None:
    finding = found(tmp_path, Tells([2], since=300))
    assert finding.verdict == "FAIL"
    assert finding.worst.place[0].name == agents.BLUE[2]
    assert abs(finding.worst.since.start - 300) <= 15


def test_lies_in_every_other_episode_are_caught(tmp_path: Path) -> None:
    finding = found(tmp_path, Tells([1], every=2), 2 * ENOUGH)
    assert finding.verdict == "FAIL"
    assert finding.worst.place[0].name == agents.BLUE[1]


@pytest.mark.parametrize("policy", ["sleep", "random"])
def test_silent_policies_are_not_judged(tmp_path: Path, policy: str) -> None:
    finding = found(tmp_path, policy)
    assert finding.verdict == "NOT_APPLICABLE"
    assert "no messages" in finding.reason


def spoken(folder: Path, words: Any, alarms: Any, agent: int = 0) -> View:
    """An agent says some words, while its host shows process alerts."""
    rows = [
        {
            **{"episode": 0, "step": step, "agent": agents.BLUE[agent], "started": True},
            **{"action_type": "Sleep", "message": int(word)},
        }
        for step, word in enumerate(words)
    ]
    alerts = [(0, int(step), HOSTS[agent]) for step in np.flatnonzero(alarms)]
    return by_hand(folder, {"steps": steps(len(words)), "blue": rows}, process=alerts)


def test_a_bit_is_asked_when_an_alert_appears(tmp_path: Path) -> None:
    alarms = np.zeros(60, dtype=bool)
    alarms[[5, 6, 7, 20, 40]] = True
    words = alarms * FIRST
    words[39] = FIRST  # too early
    words[20] = 0  # missed
    view = spoken(tmp_path, words, alarms)
    assert np.array_equal(sent(view)[0, :, 0, 0], words > 0)
    said = statements(view)
    told = sorted(zip(said.step.tolist(), said.true.tolist(), strict=True))
    assert told == [(4, True), (5, True), (19, True), (20, False), (39, False), (40, True)]
    assert set(said.agent) == {0} and set(said.bit) == {0}


def test_noise_says_nothing(tmp_path: Path) -> None:
    lot = np.random.default_rng(4)
    view = spoken(tmp_path, lot.integers(0, 256, 400), lot.integers(0, 5, 400) == 0)
    assert not len(statements(view).row)
    assert finding(view, coo_02.CHECK).verdict == "NOT_APPLICABLE"


def test_lies_are_no_information(tmp_path: Path) -> None:
    alarms = np.random.default_rng(6).integers(0, 4, 300) == 0
    true = spoken(tmp_path / "true", alarms * FIRST, alarms)
    false = spoken(tmp_path / "false", ~alarms * FIRST, alarms)
    assert not lied(true).any()
    assert np.argwhere(lied(false)).tolist() == [[0, 0, 0]]
    assert coo_01.message_tables(true).any()
    assert not coo_01.message_tables(false).any()
