"""A red agent as data: what it chooses in each state, and four habits beyond that.

CC4's red keeps a state per host that it knows (:mod:`cagexplain.cc4.red_fsm`). How it chooses among
hosts and actions is a table; :class:`RedTable` is such a table. It can be written by hand as YAML,
made by a search, played by the engine and played by CybORG, with the same draws.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import yaml

from cagexplain.cc4.red_fsm import (
    N_RED_ACTIONS,
    N_STATES,
    RED_ACTION_NAMES,
    RED_DURATION,
    STATE_NAMES,
    SUCCESS,
    RedAction,
    State,
)
from cagexplain.common.errors import UsageError
from cagexplain.common.inputs import as_array, shown, whole_number

Source = Literal["any", "live"]
Impacts = Literal["free", "held"]

MAX_DURATION: Final = 100
"""Steps of the longest action."""
STATES: Final = tuple(state for state in State if state >= State.K)
"""States in which red acts on a host."""
MAY_BE_UNVISITED: Final = (State.K, State.KD, State.S, State.SD)
"""States of hosts on which the agent may never have had a session."""
PAYOFFS: Final = (RedAction.IMPACT, RedAction.DEGRADE)
"""Actions that do the damage. An agent may name a host to them that it has had a session on."""
UNHELD: Final[Mapping[State, State]] = {State.R: State.U, State.RD: State.UD}
"""Whose row red uses on a host of this state where it has no root session, if ``impacts`` is
"held"."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")
_LONGEST_SUMMARY: Final = 400
_WHOLE: Final = 1e-8
"""How far the sum of a row may be from 1; NumPy draws from no other."""
_WEIGHTS: Final = (1e-100, 1e100)
"""Least and greatest weight beside 0: what lies between can be added and divided."""


def allowed(impacts: Impacts) -> npt.NDArray[np.bool_]:
    """What a table may give a probability to, ``bool[state, action]``.

    The actions that CC4's machine has an entry for, but for Withdraw: no red of CC4 ever takes it,
    it only gives back what red holds, and in which order CybORG ends the sessions of a host by it
    is not simulated. With ``impacts`` "free", also Impact and
    Degrade in every state: CC4 charges an Impact that fails like one that succeeds.
    """
    usable = SUCCESS >= 0
    usable[State.F] = False
    usable[:, RedAction.WITHDRAW] = False
    if impacts == "free":
        usable[np.ix_(STATES, PAYOFFS)] = True
    return usable


def _choices() -> npt.NDArray[np.bool_]:
    choices = np.stack([allowed("held")] * 2)
    for state, like in UNHELD.items():
        choices[0, state] = choices[0, like]
    choices[:, :, RedAction.DISCOVER_SYSTEMS] = False
    return choices


CHOICES: Final = _choices()
"""``bool[2, state, action]``: what may be chosen for a host by whoever decides in a table's place,
without and with a root session there. DiscoverRemoteSystems is aimed at a zone, any known one."""


@dataclass(frozen=True, eq=False)
class RedTable:
    """How the red agents choose; all six of them alike.

    A free agent draws, in this order (``Generator.choice``, ``Generator.random``; a choice among
    one consumes nothing):

    1. The *state* to act in, if there is ``state_weight``: by weight, among the states of the hosts
       that are not F, in order of first appearance; uniformly if all of these weigh nothing.
    2. Whether to *prefer servers*, if ``prefer_servers`` and there are several hosts of that state
       (without weights: several hosts) and servers with known names are among them: a number up to
       0.75 means servers only, a larger one the others only. If all are such servers, they stay.
    3. The *host*, uniformly among what is left, in order of first appearance.
    4. The *action*, by the row of the host's state, in the order of ``CHOICE_ORDER``. Two
       replacements come first: with ``impacts`` "held", a host of state R or RD on which the agent
       has no root session has the row of U or UD (`UNHELD`); and on a host on which the agent has
       never had a session, Impact and Degrade are taken out of the row and the rest is divided by
       its sum (`unvisited`), as CybORG takes the name of no other host; the one that the scenario
       names to each agent beforehand counts as visited once its name is known.
    5. The *zone*, if the action is DiscoverRemoteSystems, uniformly among those it knows.
    6. The *source*, uniformly among all session ids that the agent has ever learnt. With ``source``
       "live", among those of them that its last observation shows as abstract sessions of its own
       (only these can scan, exploit and escalate), and, if there are none, among all ids. An
       Exploit takes the id whose session scanned the host last, without a draw, if it is live.

    ``own_sessions`` draws nothing. After the agent has noted which sessions it lost, a host of
    state K or S on which its observation shows a session becomes U, one of KD or SD becomes UD. So
    it uses what a phishing mail opened, where CC4's red breaks in once more.

    In CybORG this is a subclass of ``FiniteStateRedAgent``: ``state_transitions_probability``,
    ``set_host_state_priority_list`` and ``prioritise_servers`` give 1 to 4;
    ``_session_removal_state_change`` is where own sessions count; ``_choose_host_and_action`` is
    where rows are replaced and sources chosen (:mod:`cagexplain.envs.cyborg.reds`).

    Attributes:
        name: letters, digits and ``_.+-``.
        summary: what it does, half a sentence.
        probability: ``float64[state, action]``; the rows of K to RD sum to one.
        state_weight: ``float64[state]``; None chooses uniformly among hosts, not among states.
        durations: steps of each action, by its number; None: CC4's.
        prefer_servers: as above.
        own_sessions: whether sessions that were not fought for count as footholds.
        source: "any": CC4's blind draw, dead sessions included; "live".
        impacts: "free": Impact and Degrade wherever the table says, as CC4; "held": only where the
            agent has a root session when it decides.

    Raises:
        UsageError: it is no such table; names the field.
    """

    name: str
    summary: str
    probability: npt.NDArray[np.float64]
    state_weight: npt.NDArray[np.float64] | None = None
    durations: tuple[int, ...] | None = None
    prefer_servers: bool = False
    own_sessions: bool = False
    source: Source = "any"
    impacts: Impacts = "free"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{shown(self.name)} is no name of a red",
                field="name",
                remedy="Give up to 60 letters, digits, _, ., + or -",
            )
        if not isinstance(self.summary, str) or not 0 < len(self.summary) <= _LONGEST_SUMMARY:
            raise UsageError(
                "this is no summary",
                field="summary",
                remedy=f"Say in up to {_LONGEST_SUMMARY} characters what this red does",
            )
        for name in ("prefer_servers", "own_sessions"):
            _one_of(getattr(self, name), name, (True, False))
        _one_of(self.source, "source", get_args(Source))
        _one_of(self.impacts, "impacts", get_args(Impacts))
        table = _numbers(self.probability, "probability", (N_STATES, N_RED_ACTIONS))
        _check_rows(table, self.impacts)
        object.__setattr__(self, "probability", table)
        if self.state_weight is not None:
            weights = _numbers(self.state_weight, "state_weight", (N_STATES,))
            _check_weights(weights)
            object.__setattr__(self, "state_weight", weights)
        if self.durations is not None:
            object.__setattr__(self, "durations", checked_durations(self.durations, "durations"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedTable) and self.document() == other.document()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def unvisited(self) -> npt.NDArray[np.float64]:
        """``float64[state, action]``: the table on hosts on which the agent never had a session."""
        table = self.probability.copy()
        for state in MAY_BE_UNVISITED:
            if table[state, PAYOFFS].any():
                table[state, PAYOFFS] = 0.0
                table[state] /= table[state].sum()
        return table

    def row(self, state: State, *, visited: bool = True) -> dict[RedAction, float]:
        """The actions of a state that have a probability."""
        row = (self.probability if visited else self.unvisited)[state]
        return {action: float(row[action]) for action in RedAction if row[action] > 0}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], where: str | None = None) -> RedTable:
        """The table that a document describes: `document`, or a YAML file that was read.

        Args:
            document: ``name``, ``summary`` and ``probability`` (by state, then by action) are
                needed; ``state_weight`` by state, ``durations`` by action; what is missing there
                weighs nothing, or takes as long as in CC4.
            where: it comes from, for errors.

        Raises:
            UsageError: an entry is missing, unknown or unusable.
        """
        try:
            return cls._read(document)
        except UsageError as error:
            raise UsageError(
                error.problem, where=where, field=error.field, remedy=error.remedy
            ) from None

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> RedTable:
        known = [entry.name for entry in fields(cls)]
        given = dict(_entries(document, "", known))
        for name in ("name", "summary", "probability"):
            if name not in given:
                raise UsageError(
                    "this entry is missing",
                    field=name,
                    remedy="Add it; `cagexplain reds finite_state --yaml` shows a whole table",
                )
        table = np.zeros((N_STATES, N_RED_ACTIONS))
        states = [STATE_NAMES[state] for state in STATES]
        for state, row in _entries(given["probability"], "probability", states).items():
            place = f"probability.{state}"
            for action, value in _entries(row, place, RED_ACTION_NAMES).items():
                table[State[state], RED_ACTION_NAMES.index(action)] = _number(
                    value, f"{place}.{action}"
                )
        given["probability"] = table
        if given.get("state_weight") is not None:
            weights = np.zeros(N_STATES)
            for state, value in _entries(given["state_weight"], "state_weight", states).items():
                weights[State[state]] = _number(value, f"state_weight.{state}")
            given["state_weight"] = weights
        if given.get("durations") is not None:
            steps = RED_DURATION.tolist()
            entries = _entries(given["durations"], "durations", RED_ACTION_NAMES)
            for action, value in entries.items():
                steps[RED_ACTION_NAMES.index(action)] = whole_number(
                    value, f"durations.{action}", 1, MAX_DURATION
                )
            given["durations"] = tuple(steps)
        return cls(**given)

    def document(self) -> dict[str, Any]:
        """The table as plain values, for YAML and JSON; `from_document` reads it back."""
        rows = {
            STATE_NAMES[state]: {
                RED_ACTION_NAMES[action]: value for action, value in self.row(state).items()
            }
            for state in STATES
        }
        weights = self.state_weight
        return {
            "name": self.name,
            "summary": self.summary,
            "probability": rows,
            "state_weight": None
            if weights is None
            else {STATE_NAMES[s]: float(weights[s]) for s in STATES if weights[s] > 0},
            "durations": None
            if self.durations is None
            else dict(zip(RED_ACTION_NAMES, self.durations, strict=True)),
            "prefer_servers": self.prefer_servers,
            "own_sessions": self.own_sessions,
            "source": self.source,
            "impacts": self.impacts,
        }

    def yaml(self) -> str:
        """The document as YAML, a line per state."""
        return yaml.safe_dump(
            self.document(), sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
        )


def checked_durations(value: object, field: str) -> tuple[int, ...]:
    """Red's durations by action number as plain numbers.

    Raises:
        UsageError: they are not; `field` is named.
    """
    durations = as_array(value)
    if (
        durations.shape != (N_RED_ACTIONS,)
        or durations.dtype.kind not in "iu"
        or not ((durations >= 1) & (durations <= MAX_DURATION)).all()
    ):
        raise UsageError(
            "red's durations are not usable",
            field=field,
            remedy=f"Give {N_RED_ACTIONS} whole numbers from 1 to {MAX_DURATION}",
        )
    return tuple(durations.tolist())


def _one_of(value: object, field: str, known: tuple[object, ...]) -> None:
    # By identity of the type, too: 1 equals True, and means nothing here.
    if not any(value == word and type(value) is type(word) for word in known):
        words = " or ".join(str(word).lower() for word in known)
        raise UsageError(f"{shown(value)} is not known", field=field, remedy=f"Give {words}")


def _numbers(value: object, field: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """A read-only copy of finite numbers from 0."""
    array = as_array(value)
    if array.shape != shape or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise UsageError(
            f"this is no table of {' x '.join(map(str, shape))} numbers",
            field=field,
            remedy="Give one number per state"
            + (" and action" if len(shape) == 2 else "")
            + ", in the order of cagexplain.cc4.red_fsm",
        )
    for place in np.argwhere(array < 0):
        names = (STATE_NAMES[place[0]], *(RED_ACTION_NAMES[action] for action in place[1:]))
        raise UsageError(
            f"{array[tuple(place)]:g} is negative",
            field=".".join((field, *names)),
            remedy="Give numbers from 0",
        )
    numbers = array.astype(np.float64)
    numbers.flags.writeable = False
    return numbers


def _check_rows(table: npt.NDArray[np.float64], impacts: Impacts) -> None:
    usable = allowed(impacts)
    for state, action in np.argwhere((table > 0) & ~usable):
        takes = [name for name, ok in zip(RED_ACTION_NAMES, usable[state], strict=True) if ok]
        name = RED_ACTION_NAMES[action]
        problem = f"red cannot take {name} in state {STATE_NAMES[state]}"
        if action in PAYOFFS and state in STATES:
            problem += ' where "impacts" is "held"'
        raise UsageError(
            problem,
            field=f"probability.{STATE_NAMES[state]}.{name}",
            remedy=f"Give probabilities to {', '.join(takes)} only"
            if takes
            else "Leave the row out",
        )
    for state in STATES:
        total = float(table[state].sum())
        if abs(total - 1.0) > _WHOLE:
            raise UsageError(
                f"the row sums to {total:.9g}, not to 1" if total else "this state has no row",
                field=f"probability.{STATE_NAMES[state]}",
                remedy="Give each of K to RD probabilities that sum to 1",
            )
    for state in MAY_BE_UNVISITED:
        if np.delete(table[state], PAYOFFS).sum() == 0:
            raise UsageError(
                "red would have nothing to do on a host where it has never had a session",
                field=f"probability.{STATE_NAMES[state]}",
                remedy="Give something other than Impact and Degrade a probability, too",
            )


def _check_weights(weights: npt.NDArray[np.float64]) -> None:
    least, most = _WEIGHTS
    for state in State:
        weight = float(weights[state])
        if weight > 0 and (state not in STATES or not least <= weight <= most):
            raise UsageError(
                f"{weight:g} is no weight of this state",
                field=f"state_weight.{STATE_NAMES[state]}",
                remedy=f"Give K to RD 0 or a number from {least:g} to {most:g}, and others nothing",
            )
    if not weights.any():
        raise UsageError(
            "no state has a weight",
            field="state_weight",
            remedy="Give one at least a weight, or leave the entry out for a uniform choice",
        )


def _entries(value: object, place: str, known: Iterable[str]) -> Mapping[str, Any]:
    """The entries of a mapping, all of which must be known."""
    known = list(known)
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{shown(value)} is no mapping",
            field=place or None,
            remedy=f"Give entries of the form `name: value`, of {', '.join(known)}",
        )
    for name in value:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"Did you mean '{close[0]}'? " if close else ""
            raise UsageError(
                "there is no such entry",
                field=f"{place}.{name}".lstrip("."),
                remedy=f"{hint}Known: {', '.join(known)}",
            )
    return value


def _number(value: object, field: str) -> float:
    array = as_array(value)
    if array.shape != () or array.dtype.kind not in "iuf" or not np.isfinite(array):
        raise UsageError(f"{shown(value)} is no number", field=field, remedy="Give a number from 0")
    return float(array)
