"""The reds that are shipped, and how a user names one.

``VARIANTS`` are CC4's own and those of published evaluations, ``PORTFOLIO`` are strong ones: what
an attacker of this family that knows the rules would rather do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4.red_fsm import N_RED_ACTIONS, N_STATES, RedAction, State
from cagexplain.cc4.red_table import RedTable, allowed
from cagexplain.common import yaml_lines
from cagexplain.common.errors import UsageError
from cagexplain.common.inputs import shown

__all__ = [
    "PORTFOLIO",
    "PUBLISHED",
    "REDS",
    "VARIANTS",
    "RedTable",
    "allowed",
    "as_table",
    "load_red",
    "red_name",
]

STANDARD: Final = "finite_state"
"""The official evaluation's red."""

Rows = Mapping[State, Mapping[RedAction, float]]
"""By state, the probability of each action that red may take."""

_K, _KD, _S, _SD, _U, _UD, _R, _RD = (
    *(State.K, State.KD, State.S, State.SD),
    *(State.U, State.UD, State.R, State.RD),
)
_SWEEP, _LOUD, _QUIET = (
    RedAction.DISCOVER_SYSTEMS,
    RedAction.AGGRESSIVE_SCAN,
    RedAction.STEALTH_SCAN,
)
_PROBE, _EXPLOIT, _ESCALATE = (
    RedAction.DISCOVER_DECEPTION,
    RedAction.EXPLOIT,
    RedAction.ESCALATE,
)
_IMPACT, _DEGRADE = RedAction.IMPACT, RedAction.DEGRADE


def probabilities(rows: Rows) -> npt.NDArray[np.float64]:
    """Rows as a table, ``float64[state, action]``."""
    table = np.zeros((N_STATES, N_RED_ACTIONS))
    for state, row in rows.items():
        for action, value in row.items():
            table[state, action] = value
    return table


def weights(by_state: Mapping[State, float]) -> npt.NDArray[np.float64]:
    """Weights of states as an array, ``float64[state]``."""
    array = np.zeros(N_STATES)
    for state, weight in by_state.items():
        array[state] = weight
    return array


# --- CC4's own, and small changes of them that have been published -----------------------------

_FINITE_STATE: Final[Rows] = {
    _K: {_SWEEP: 0.5, _LOUD: 0.25, _QUIET: 0.25},
    _KD: {_LOUD: 0.5, _QUIET: 0.5},
    _S: {_SWEEP: 0.25, _PROBE: 0.25, _EXPLOIT: 0.5},
    _SD: {_PROBE: 0.25, _EXPLOIT: 0.75},
    _U: {_SWEEP: 0.5, _ESCALATE: 0.5},
    _UD: {_ESCALATE: 1.0},
    _R: {_SWEEP: 0.5, _IMPACT: 0.25, _DEGRADE: 0.25},
    _RD: {_IMPACT: 0.5, _DEGRADE: 0.5},
}
_DISCOVERY: Final[Rows] = {
    _K: {_SWEEP: 0.25, _LOUD: 0.75},
    _KD: {_LOUD: 1.0},
    _S: {_SWEEP: 0.25, _EXPLOIT: 0.75},
    _SD: {_EXPLOIT: 1.0},
    _U: {_ESCALATE: 1.0},
    _UD: {_ESCALATE: 1.0},
    _R: {_SWEEP: 1.0},
    _RD: {_IMPACT: 0.5, _DEGRADE: 0.5},
}


def _moved(source: RedAction, target: RedAction) -> npt.NDArray[np.float64]:
    """CC4's table with all probability of one action moved to another."""
    table = probabilities(_FINITE_STATE)
    table[:, target] += table[:, source]
    table[:, source] = 0.0
    return table


_VARIANTS: Final = (
    RedTable(
        STANDARD,
        "FiniteStateRedAgent, the official evaluation's red",
        probabilities(_FINITE_STATE),
    ),
    RedTable(
        "verbose",
        "VerboseFSRed: the same behaviour, it only prints",
        probabilities(_FINITE_STATE),
    ),
    RedTable(
        "discovery",
        "DiscoveryFSRed: explores first, prefers servers it knows by name",
        probabilities(_DISCOVERY),
        weights({_K: 20, _KD: 20, _S: 20, _SD: 20, _U: 10, _UD: 10}),
        prefer_servers=True,
    ),
    RedTable("aggressive", "only the aggressive scan", _moved(_QUIET, _LOUD)),
    RedTable("stealthy", "only the stealth scan", _moved(_LOUD, _QUIET)),
    RedTable("impact", "Impact in place of Degrade", _moved(_DEGRADE, _IMPACT)),
    RedTable("degrade", "Degrade in place of Impact", _moved(_IMPACT, _DEGRADE)),
)
"""``aggressive``, ``stealthy`` and ``impact`` are those of Singh et al. 2024 (arXiv 2410.17351),
``degrade`` that of Castro et al. 2025 (arXiv 2505.04843), all as changes of the action table."""

_PUBLISHED: Final = (
    RedTable(
        "degrader",
        "Degrade four times as likely, hosts held as root ten times as likely",
        probabilities(
            {
                **_FINITE_STATE,
                _R: {_SWEEP: 2 / 7, _IMPACT: 1 / 7, _DEGRADE: 4 / 7},
                _RD: {_IMPACT: 0.2, _DEGRADE: 0.8},
            }
        ),
        weights({_K: 1, _KD: 1, _S: 1, _SD: 1, _U: 1, _UD: 1, _R: 10, _RD: 10}),
    ),
)
"""The only profile of Multi-Adversary-CAGE4 (github.com/ArmitaKazemiNajafabadi) that is nearly a
table: there the weight is of a host, here of a state. Its others aim at zones, remember failures or
switch between profiles."""

# --- strong ones ---------------------------------------------------------------------------------

_FORWARD: Final[Rows] = {
    _K: {_LOUD: 1.0},
    _KD: {_LOUD: 1.0},
    _S: {_EXPLOIT: 1.0},
    _SD: {_EXPLOIT: 1.0},
    _U: {_SWEEP: 0.5, _ESCALATE: 0.5},
    _UD: {_ESCALATE: 1.0},
    _R: {_SWEEP: 0.5, _IMPACT: 0.5},
    _RD: {_IMPACT: 1.0},
}
"""Always one state further, by the quickest action; sweeps once, to know other hosts."""
_WAITING: Final[Rows] = {
    **{state: {_SWEEP: 1.0} for state in (_K, _KD, _S, _SD)},
    _U: {_ESCALATE: 1.0},
    _UD: {_ESCALATE: 1.0},
    _R: {_IMPACT: 1.0},
    _RD: {_IMPACT: 1.0},
}
"""Neither scans nor exploits, so no alert shows it: sweeps until a phishing mail opens a host."""
_ADVANCED: Final = {
    **dict.fromkeys((_K, _KD), 1.0),
    **dict.fromkeys((_S, _SD), 1000.0),
    **dict.fromkeys((_U, _UD), 1000000.0),
    **dict.fromkeys((_R, _RD), 1000000000.0),
}
"""The most advanced host, nearly always."""
_BROAD: Final = {_K: 1, _KD: 1, _S: 1, _SD: 1, _U: 3, _UD: 3, _R: 10, _RD: 10}
"""The advanced ones more often, and all of them."""
_ROOTS_FIRST: Final = {**_ADVANCED, _U: 1e12, _UD: 1e12}
"""Escalates every foothold before it does anything with a root session."""


def _degrading(rows: Rows, share: float) -> Rows:
    """The same rows with a share of each Impact turned into Degrade."""
    return {
        state: {action: p if action != _IMPACT else p * (1 - share) for action, p in row.items()}
        | ({_DEGRADE: row[_IMPACT] * share} if _IMPACT in row else {})
        for state, row in rows.items()
    }


def _strong(
    name: str, summary: str, rows: Rows, by_state: Mapping[State, float] | None, **habits: Any
) -> RedTable:
    return RedTable(
        name,
        summary,
        probabilities(rows),
        None if by_state is None else weights(by_state),
        impacts="held",
        **habits,
    )


_OWN: Final = {"own_sessions": True}
_OWN_LIVE: Final[dict[str, Any]] = {"own_sessions": True, "source": "live"}

_PORTFOLIO: Final = (
    _strong(
        "opportunist",
        "CC4's table, but uses what phishing opened on hosts that it knew before",
        _FINITE_STATE,
        None,
        **_OWN,
    ),
    _strong(
        "noisy",
        "scans, exploits, escalates and Impacts side by side, the advanced hosts likelier",
        _FORWARD,
        _BROAD,
    ),
    _strong("greedy", "always plays its most advanced host, then Impact", _FORWARD, _ADVANCED),
    _strong(
        "greedy_degrade",
        "greedy, half of the Impacts turned into Degrade",
        _degrading(_FORWARD, 0.5),
        _ADVANCED,
    ),
    _strong(
        "greedy_live",
        "greedy, from live sessions, and uses what phishing opened",
        _FORWARD,
        _ADVANCED,
        **_OWN_LIVE,
    ),
    _strong(
        "greedy_mixed",
        "greedy_live, but root on every foothold first, and half Impact, half Degrade",
        _degrading(_FORWARD, 0.5),
        _ROOTS_FIRST,
        **_OWN_LIVE,
    ),
    _strong(
        "silent",
        "never scans or exploits: waits for phishing, escalates, Impact",
        _WAITING,
        _ADVANCED,
    ),
    _strong(
        "silent_own",
        "silent, and uses what phishing opened on hosts that it knew before",
        _WAITING,
        _ADVANCED,
        **_OWN,
    ),
    _strong("silent_live", "silent_own, from live sessions", _WAITING, _ADVANCED, **_OWN_LIVE),
    _strong(
        "silent_mixed",
        "silent_live, but root on every foothold first, and 35 % Degrade",
        _degrading(_WAITING, 0.35),
        _ROOTS_FIRST,
        **_OWN_LIVE,
    ),
    _strong(
        "silent_degrade",
        "silent_live, but root on every foothold first, and 70 % Degrade",
        _degrading(_WAITING, 0.7),
        _ROOTS_FIRST,
        **_OWN_LIVE,
    ),
    _strong(
        "sleeper",
        "silent_live, but root on every foothold before the first Impact",
        _WAITING,
        _ROOTS_FIRST,
        **_OWN_LIVE,
    ),
)

VARIANTS: Final[Mapping[str, RedTable]] = MappingProxyType({red.name: red for red in _VARIANTS})
"""CC4's own reds and published small changes of them: what robustness is judged on."""
PUBLISHED: Final = tuple(red.name for red in _PUBLISHED)
"""Names of published profiles."""
PORTFOLIO: Final = tuple(red.name for red in _PORTFOLIO)
"""Names of the strong ones."""
REDS: Final[Mapping[str, RedTable]] = MappingProxyType(
    {red.name: red for red in (*_VARIANTS, *_PUBLISHED, *_PORTFOLIO)}
)
"""All that are shipped, by the name that ``--red`` takes."""


def as_table(red: object, where: str | None = None) -> RedTable:
    """The red that a program, a trace or a file of settings means.

    Args:
        red: a name of `REDS`, a table, or a table's document.
        where: it comes from, for errors.

    Raises:
        UsageError: there is no such name, it is no table, or another red has its name already.
    """
    if isinstance(red, str) and red in REDS:
        return REDS[red]
    if isinstance(red, Mapping):
        red = RedTable.from_document(red, where)
    if not isinstance(red, RedTable):
        raise unknown_red(red, REDS, f"Choose one of {', '.join(REDS)}, or give a RedTable")
    if red.name in REDS and red != REDS[red.name]:
        raise UsageError(
            f"'{red.name}' is the name of a red that is shipped, and this one is different",
            where=where,
            field="name",
            remedy="Give it another name",
        )
    return red


def red_name(stored: object) -> str:
    """Name of the red that a trace, checkpoint or file of results was made with: what it stores is
    a name or a document."""
    return str(stored.get("name", "unnamed") if isinstance(stored, Mapping) else stored)


def load_red(spec: str) -> RedTable:
    """The red that a user names: of `REDS`, or a YAML file with a table's document.

    Args:
        spec: name or path; a name wins over a file of the same name.

    Raises:
        CagexplainError: it is a folder, pipe or device.
        UsageError: there is neither, or the file holds no table; names the entry.
    """
    if spec in REDS:
        return REDS[spec]
    path = Path(spec)
    if not path.exists():
        raise unknown_red(
            spec, REDS, "Run `cagexplain reds` for the list, or give the path of a YAML file"
        )
    entries = yaml_lines.load(path).mapping()
    return as_table({name: entry.plain() for name, entry in entries.items()}, str(path))


def unknown_red(spec: object, known: Iterable[str], remedy: str) -> UsageError:
    """The error to raise where there is no such red."""
    close = difflib.get_close_matches(spec, list(known), n=1) if isinstance(spec, str) else []
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return UsageError(f"there is no red {shown(spec)}", field="red", remedy=f"{hint}{remedy}")
