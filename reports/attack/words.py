"""What an attacker does, told from its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from cagexplain.cc4.red_fsm import RedAction, State
from cagexplain.cc4.red_table import RedTable
from reports.kit.numbers import percent

_GROUPS: Final = (
    ((State.R, State.RD), "with root"),
    ((State.U, State.UD), "with a user session"),
    ((State.S, State.SD), "that it has scanned"),
    ((State.K, State.KD), "that it only knows"),
)
"""States of hosts by how far red has come on them, the furthest first."""
_VERBS: Final = {
    RedAction.DISCOVER_SYSTEMS: "sweeps a subnet",
    RedAction.AGGRESSIVE_SCAN: "scans aggressively",
    RedAction.STEALTH_SCAN: "scans stealthily",
    RedAction.DISCOVER_DECEPTION: "looks for decoys",
    RedAction.EXPLOIT: "breaks in",
    RedAction.ESCALATE: "escalates",
    RedAction.IMPACT: "plays Impact",
    RedAction.DEGRADE: "degrades services",
    RedAction.WITHDRAW: "withdraws",
}
_LOUD: Final = (RedAction.AGGRESSIVE_SCAN, RedAction.STEALTH_SCAN, RedAction.EXPLOIT)
_CLEARLY: Final = 3.0
"""How many times as much a host must weigh as a less advanced one to be played first."""
_RARE: Final = 0.1
"""Actions with less probability in both states of a group are not told."""
_NEVER: Final = 0.01
PARTS: Final = {
    "state_weight": "the choice of the host (any, with equal chance)",
    "own_sessions": "phished sessions (not used as footholds)",
    "source": "the source of actions (any session, also dead ones)",
    "impacts": "Impact and Degrade (also without root)",
    "prefer_servers": "the preference for servers",
    "durations": "how long actions take",
}
"""Parts of a table beside its rows, and what CC4's own red has there."""


def told(red: RedTable) -> list[str]:
    """The attack in three to five sentences."""
    root, user, scanned, known = _GROUPS
    way_in = (
        _silence()
        if _is_silent(red)
        else f"On hosts {known[1]} it {_does(red, known[0])}; on hosts {scanned[1]} it "
        f"{_does(red, scanned[0])}."
    )
    return [
        _hosts(red),
        way_in,
        f"On hosts {user[1]} it {_does(red, user[0])}; on hosts {root[1]} it "
        f"{_does(red, root[0])}.",
        *_habits(red),
    ]


def part(name: str) -> str:
    """A part of a table that was put back."""
    return PARTS.get(name) or f"the row of {name}"


def _hosts(red: RedTable) -> str:
    """Which hosts it turns to."""
    weights = red.state_weight
    if weights is None:
        return (
            "It turns to any host that it knows with the same chance, as CC4’s own red does, so "
            "it seldom follows up what it has won."
        )
    levels = [(float(weights[list(states)].max()), place) for states, place in _GROUPS]
    order = sorted(levels, key=lambda level: -level[0])
    if all(upper > 0 and upper >= _CLEARLY * lower for (upper, _), (lower, _) in pairwise(order)):
        if order == levels:
            return (
                "It always plays its most advanced host: first those with root, then user "
                "sessions, then scanned hosts, then others."
            )
        first, *others = (place for _, place in order)
        return f"It plays hosts {first} first, then those {_joined(others)}."
    total = float(weights.sum())
    by_weight = sorted(State, key=lambda state: -weights[state])
    named = [f"{s.name} ({percent(weights[s] / total)})" for s in by_weight if weights[s] > 0][:3]
    return (
        f"It turns to hosts in {_joined(named)} first; the figures are the chance of the state "
        "where red has hosts in all of them."
    )


def _is_silent(red: RedTable) -> bool:
    """Whether it never does on its way in what may raise an alert."""
    rows = red.probability[[State.K, State.KD, State.S, State.SD]]
    return bool((rows[:, _LOUD].sum(axis=1) < _NEVER).all())


def _silence() -> str:
    return (
        "It neither scans nor breaks in, so nothing on its way in raises an alert: it waits until "
        "a phishing mail opens a host."
    )


def _does(red: RedTable, states: tuple[State, ...]) -> str:
    """What it does with the hosts of some states, the likeliest first."""
    rows = red.probability[list(states)]
    actions = [action for action in RedAction if (rows[:, action] >= _RARE).any()]
    actions.sort(key=lambda action: -float(rows[:, action].sum()))
    return _joined(
        [
            f"{_VERBS[action]} ("
            + ", ".join(
                f"{percent(p)} in {state.name}"
                for state, p in zip(states, rows[:, action].tolist(), strict=True)
                if p > 0
            )
            + ")"
            for action in actions
        ],
        "or",
    )


def _habits(red: RedTable) -> Iterator[str]:
    """What its table has beyond rows and weights."""
    if red.own_sessions:
        yield (
            "A session that a phishing mail has opened is a foothold to it at once, where CC4’s "
            "own red breaks in once more."
        )
    habits = [
        *(["acts from live sessions only"] if red.source == "live" else []),
        *(["prefers servers that it knows by name"] if red.prefer_servers else []),
        *(["has durations of its own"] if red.durations is not None else []),
    ]
    if habits:
        yield f"It {_joined(habits)}."


def _joined(parts: Sequence[str], word: str = "and") -> str:
    *most, last = parts
    return f"{', '.join(most)} {word} {last}" if most else last
