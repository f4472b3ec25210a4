"""What a red may do, and so which attack is a finding about the defender.

CC4 charges an Impact that comes due whatever comes of it, also on a host that red has lost. A red
that lives on this attacks the rules of the game: it tells nothing about the defender.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

import numpy as np

from cagexplain.attack.results import Rules
from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, STATE_NAMES
from cagexplain.cc4.reds import REDS, RedTable, allowed
from cagexplain.common.arrays import BoolArray
from cagexplain.common.errors import UsageError

RULES: Final = get_args(Rules)
OFFICIAL, FENCED, FREE = RULES
MEANING: Final = {
    OFFICIAL: "the actions that CC4's own reds take in each state, and no habits beyond theirs",
    FENCED: "all actions of red's machine but Withdraw; Impact and Degrade only where red has root",
    FREE: "Impact and Degrade wherever the host's name is known, also on hosts that red lost",
}
_CC4S_OWN: Final = ("finite_state", "discovery")


def support(rules: Rules) -> BoolArray:
    """``bool[state, action]``: what a table may give a probability to."""
    if rules == OFFICIAL:
        first, second = (REDS[name].probability > 0 for name in _CC4S_OWN)
        return first | second
    return allowed("free" if rules == FREE else "held")


def offence(red: RedTable, rules: Rules) -> tuple[str, str] | None:
    """What a red does that the rules forbid: the field, and what is wrong with it."""
    if rules == OFFICIAL:
        if red.own_sessions:
            return "own_sessions", "is on"
        if red.source != "any":
            return "source", f'is "{red.source}"'
        if red.durations is not None:
            return "durations", "are not CC4's"
    if rules == FENCED and red.impacts != "held":
        return "impacts", 'is not "held"'
    beyond = np.argwhere((red.probability > 0) & ~support(rules))
    if len(beyond):
        state, action = beyond[0]
        return "probability", f"has {RED_ACTION_NAMES[action]} in state {STATE_NAMES[state]}"
    return None


def fit(red: RedTable, rules: Rules) -> RedTable:
    """A red under the rules: fenced in, if it is not and they ask for it.

    Raises:
        UsageError: they forbid something else of what it does.
    """
    if (
        rules == FENCED
        and red.impacts != "held"
        and not (red.probability > 0)[~support(rules)].any()
    ):
        red = replace(red, name=f"{red.name}-held", impacts="held")
    if (wrong := offence(red, rules)) is not None:
        field, problem = wrong
        raise UsageError(
            f"the red '{red.name}' breaks the rules '{rules}': {field} {problem}",
            where="--start",
            remedy=f"Start from another red, or choose other rules: {rules} means {MEANING[rules]}",
        )
    return red
