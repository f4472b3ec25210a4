"""Parameters of an environment, validated once, and their compiled form."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases, rates
from cagexplain.cc4.conditions import CONDITIONS
from cagexplain.cc4.network import MAX_SERVERS, MAX_USERS, MIN_SERVERS, MIN_USERS
from cagexplain.cc4.red_fsm import CHOICE_ORDER, N_RED_ACTIONS, N_STATES, RED_DURATION
from cagexplain.cc4.red_table import checked_durations
from cagexplain.cc4.reds import REDS, STANDARD, RedTable, as_table
from cagexplain.common.errors import UsageError
from cagexplain.common.inputs import as_array, probability, shown, whole_number

MAX_STEPS: Final = 100_000

PARAMS: Final = np.dtype(
    [
        ("steps", np.int32),
        ("phase_end", np.int32, (2,)),
        ("green_false_positive", np.float64),
        ("phishing", np.float64),
        ("aggressive_detection", np.float64),
        ("stealth_detection", np.float64),
        ("deception_true_positive", np.float64),
        ("deception_false_positive", np.float64),
        ("exploit_detection", np.float64),
        ("red_duration", np.int8, (N_RED_ACTIONS,)),
        ("action_cdf", np.float64, (N_STATES, N_RED_ACTIONS)),
        ("unvisited_cdf", np.float64, (N_STATES, N_RED_ACTIONS)),
        ("state_weight", np.float64, (N_STATES,)),
        ("weighted_hosts", np.bool_),
        ("prefer_servers", np.bool_),
        ("own_sessions", np.bool_),
        ("live_source", np.bool_),
        ("held_impacts", np.bool_),
        ("users_per_zone", np.int8, (2,)),
        ("servers_per_zone", np.int8, (2,)),
    ],
    align=True,
)
"""Compiled form: one record that every rule reads."""


@dataclass(frozen=True)
class EnvParams:
    """Parameters of a CC4 environment; the defaults are the official evaluation's.

    ``steps`` is CybORG's parameter: an episode has ``steps - 1`` calls. ``red`` names one
    of :data:`cagexplain.cc4.reds.REDS`, or is a table of its own (or that table's document; what is
    kept is the name of a shipped one, or the table). The rest are the probabilities of
    :mod:`cagexplain.cc4.rates`, red's durations in steps by action number, which red's table may
    replace, and the least and the most hosts of a kind that a subnet has.

    Raises:
        UsageError: a value is of another type or out of range.
    """

    steps: int = phases.DEFAULT_STEPS
    red: str | RedTable = STANDARD
    green_false_positive: float = rates.GREEN_FALSE_POSITIVE
    phishing: float = rates.PHISHING
    aggressive_detection: float = rates.AGGRESSIVE_DETECTION
    stealth_detection: float = rates.STEALTH_DETECTION
    deception_true_positive: float = rates.DECEPTION_TRUE_POSITIVE
    deception_false_positive: float = rates.DECEPTION_FALSE_POSITIVE
    exploit_detection: float = rates.EXPLOIT_DETECTION
    red_duration: tuple[int, ...] = field(default=tuple(int(d) for d in RED_DURATION))
    users_per_zone: tuple[int, int] = (MIN_USERS, MAX_USERS)
    servers_per_zone: tuple[int, int] = (MIN_SERVERS, MAX_SERVERS)

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {"steps": whole_number(self.steps, "steps", 2, MAX_STEPS)}
        table = as_table(self.red)
        checked["red"] = table.name if table.name in REDS else table
        for name in (f.name for f in fields(self) if f.type is float or f.type == "float"):
            checked[name] = probability(getattr(self, name), name)
        checked["red_duration"] = checked_durations(self.red_duration, "red_duration")
        for name, most in (("users_per_zone", MAX_USERS), ("servers_per_zone", MAX_SERVERS)):
            checked[name] = _span(getattr(self, name), name, most)
        for name, value in checked.items():  # plain numbers, whatever they were given as
            object.__setattr__(self, name, value)

    def under(self, condition: str) -> EnvParams:
        """The same with the changes of a condition.

        Raises:
            UsageError: there is no such one.
        """
        if condition not in CONDITIONS:
            raise UsageError(
                f"there is no condition {shown(condition)}",
                field="condition",
                remedy=f"Choose one of {', '.join(CONDITIONS)}",
            )
        return replace(self, **CONDITIONS[condition].changes)

    @property
    def condition(self) -> str:
        """Name of the condition that these are the parameters of, for any length and variant of
        red; "custom" if there is none."""
        plain = EnvParams(steps=self.steps, red=self.red)
        return next((name for name in CONDITIONS if plain.under(name) == self), "custom")

    @property
    def red_table(self) -> RedTable:
        """How red chooses."""
        return as_table(self.red)

    @property
    def red_name(self) -> str:
        """Name of red's table, shipped or not."""
        return self.red_table.name

    def as_dict(self) -> dict[str, Any]:
        """The parameters as plain, JSON-able values; a red that is not shipped as its document."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        if isinstance(self.red, RedTable):
            plain["red"] = self.red.document()
        return plain

    def compiled(self) -> npt.NDArray[Any]:
        """The same as an array of one record of dtype :data:`PARAMS`."""
        record = np.zeros(1, dtype=PARAMS)
        assert PARAMS.names is not None
        for name in (f.name for f in fields(self) if f.name in PARAMS.names):
            record[name] = getattr(self, name)
        first, second, _ = phases.lengths(self.steps)
        record["phase_end"] = (first, first + second)
        red = self.red_table
        record["action_cdf"] = _cumulative(red.probability)
        record["unvisited_cdf"] = _cumulative(red.unvisited)
        if red.state_weight is not None:
            record["weighted_hosts"] = True
            record["state_weight"] = red.state_weight
        if red.durations is not None:
            record["red_duration"] = red.durations
        record["prefer_servers"] = red.prefer_servers
        record["own_sessions"] = red.own_sessions
        record["live_source"] = red.source == "live"
        record["held_impacts"] = red.impacts == "held"
        return record


def _cumulative(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What an action is drawn from, like NumPy's choice(p=...): the number of entries of the
    cumulative sum (in list order, divided by its last entry) that are not above a uniform number.
    ``float64[state, action]``."""
    cumulative = table[:, list(CHOICE_ORDER)].cumsum(axis=1)
    total = cumulative[:, -1:]
    return np.divide(cumulative, total, out=np.ones_like(cumulative), where=total > 0)


def _span(value: Any, name: str, most: int) -> tuple[int, int]:
    """The least and the most hosts of a kind; one at least, as red and green need them."""
    bounds = as_array(value)
    if (
        bounds.shape != (2,)
        or bounds.dtype.kind not in "iu"
        or not 1 <= bounds[0] <= bounds[1] <= most
    ):
        raise UsageError(
            f"{shown(value)} is not a range of hosts",
            field=name,
            remedy=f"Give the least and the most, whole numbers from 1 to {most}",
        )
    return int(bounds[0]), int(bounds[1])
