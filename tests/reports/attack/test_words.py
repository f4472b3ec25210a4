"""An attack told from its table: known answers."""

from dataclasses import replace

import numpy as np
import pytest

from cagexplain.cc4.reds import PORTFOLIO, REDS
from reports.attack import words


def test_the_standard_red() -> None:
    first, way_in, further = words.told(REDS["finite_state"])
    assert first.startswith("It turns to any host that it knows with the same chance")
    assert way_in == (
        "On hosts that it only knows it scans aggressively (25 % in K, 50 % in KD), scans "
        "stealthily (25 % in K, 50 % in KD) or sweeps a subnet (50 % in K); on hosts that it has "
        "scanned it breaks in (50 % in S, 75 % in SD), looks for decoys (25 % in S, 25 % in SD) or "
        "sweeps a subnet (25 % in S)."
    ).replace(" %", "\u00a0%")
    assert "with a user session it escalates (50" in further and "plays Impact (25" in further


def test_a_silent_one_that_uses_what_phishing_opened() -> None:
    assert words.told(REDS["silent_live"])[0].startswith("It always plays its most advanced host")
    told = words.told(REDS["silent_mixed"])
    assert told[0] == (
        "It plays hosts with a user session first, then those with root, that it has scanned and "
        "that it only knows."
    )
    assert told[1].startswith("It neither scans nor breaks in")
    assert "degrades services (35" in told[2]
    assert told[3].startswith("A session that a phishing mail has opened is a foothold")
    assert told[4] == "It acts from live sessions only."


def test_other_preferences_are_told_by_state() -> None:
    weights = np.zeros_like(REDS["greedy"].state_weight)
    weights[[3, 5, 8]] = 1, 6, 3  # KD, SD, R
    red = replace(REDS["greedy"], name="mine", state_weight=weights, prefer_servers=True)
    told = words.told(red)
    assert told[0].startswith(
        "It turns to hosts in SD (60\u00a0%), R (30\u00a0%) and KD (10\u00a0%)"
    )
    assert told[-1] == "It prefers servers that it knows by name."


@pytest.mark.parametrize("name", PORTFOLIO)
def test_every_shipped_one_takes_three_to_five_sentences(name: str) -> None:
    told = words.told(REDS[name])
    assert 3 <= len(told) <= 5 and all(sentence.endswith(".") for sentence in told)


def test_parts_have_words() -> None:
    assert words.part("RD") == "the row of RD"
    assert words.part("own_sessions").startswith("phished sessions")
