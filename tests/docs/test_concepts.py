"""The numbers of docs/concepts.md are those of the rules."""

from __future__ import annotations

import re
from typing import Final

import pytest

from cagexplain.cc4 import network, phases, rates, reward
from cagexplain.cc4.actions import DURATION, KIND_NAMES
from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, RED_DURATION
from tests.docs import pages

TEXT: Final = (pages.ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
ZONES: Final = {
    "operational zone A": network.OZA,
    "operational zone B": network.OZB,
    "restricted zone A": network.RZA,
    "the contractor network": network.CON,
}
CAUSES: Final = {
    "failed local work": reward.LWF,
    "failed access": reward.ASF,
    "Impact": reward.RIA,
}
PENALTIES: Final = re.findall(r"^\| ([^|]+) \| ([−\d]+) \| ([−\d]+) \| ([−\d]+) \|$", TEXT, re.M)
STEPS: Final = re.findall(r"\| ([A-Z][\w, ]+) \| (\d) ", TEXT)


def test_there_are_penalties_of_every_cause() -> None:
    for cause in (*CAUSES, "Restore"):
        assert any(event.startswith(cause) for event, *_ in PENALTIES)


@pytest.mark.parametrize("row", PENALTIES, ids=lambda row: row[0])
def test_penalties(row: tuple[str, ...]) -> None:
    event, *cells = row
    values = [int(cell.replace("−", "-")) for cell in cells]
    if event.startswith("Restore"):
        assert values == [-reward.RESTORE_COST] * phases.N_PHASES
        return
    (zone,) = [number for name, number in ZONES.items() if name in event]
    (cause,) = [number for name, number in CAUSES.items() if event.startswith(name)]
    assert values == reward.TABLE[:, zone, cause].tolist()


def test_how_long_actions_take() -> None:
    blue = dict(zip(KIND_NAMES, DURATION.tolist(), strict=True))
    red = dict(zip(RED_ACTION_NAMES, RED_DURATION.tolist(), strict=True))
    assert len(STEPS) == 10
    for names, steps in STEPS:
        for name in names.split(", "):
            assert (blue | red)[name] == int(steps), name


def test_rates_and_lengths() -> None:
    text = " ".join(TEXT.split())
    assert f"phishing mail with a probability of {100 * rates.PHISHING:.0f} %" in text
    assert f"An episode has {phases.DEFAULT_STEPS} steps" in text
    assert f"{phases.calls(phases.DEFAULT_STEPS)} are played" in text
    worst = -reward.TABLE[:, :, reward.ASF].min()
    assert f"what the user's zone says, up to {worst} points" in text
