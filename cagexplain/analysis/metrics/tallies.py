"""What the SOC metrics count, per episode and subnet or agent, in one pass over a trace.

The contractor network has no defender and keeps red's foothold for good, so figures of containment
leave it out. The work of its green users is counted, but apart from the team's; the accesses that
blue's blocks stop are the team's doing wherever the user sits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cagexplain.cc4 import actions, agents, network
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.facts.batch import Batch, Tables, codes
from cagexplain.facts.stays import TABLES as STAY_TABLES
from cagexplain.facts.stays import Stays, concatenate, stays_of
from cagexplain.facts.tally import tally
from cagexplain.tracing import schema

Counts = npt.NDArray[np.int64]

DEFENDED: Final = tuple(zone for zone in range(network.N_ZONES) if agents.BLUE_OF_ZONE[zone] >= 0)
"""Subnets that a blue agent defends."""
_WITH_LEVEL: Final = np.isin(network.HOST_KIND, (network.USER, network.SERVER)) & (
    agents.BLUE_OF_HOST >= 0
)
_LEVEL_CAUSE: Final = {name: code for code, name in enumerate(schema.LEVEL_CAUSES)}
_RECOVERIES: Final = {"remove": ActionKind.REMOVE, "restore": ActionKind.RESTORE}
_ROOT: Final = 2


@dataclass(frozen=True)
class Tally:
    """Counts by episode and part of the network or the team.

    Attributes:
        parts: names of the subnets or agents.
        counts: ``int64[episode, part]``.
        in_team: ``bool[part]`` whether a part counts for the team.
    """

    parts: tuple[str, ...]
    counts: Counts
    in_team: npt.NDArray[np.bool_]

    @property
    def team(self) -> Counts:
        """Over the parts that count for the team: ``int64[episode]``."""
        return np.asarray(self.counts[:, self.in_team].sum(axis=1))


def _zones(*zones: int) -> tuple[str, ...]:
    return tuple(network.ZONES[zone] for zone in zones)


_DEFENDED: Final = _zones(*DEFENDED)
_OPERATIONAL: Final = _zones(*network.OPERATIONAL_ZONES)
_WITH_USERS: Final = _zones(*range(network.N_REAL_ZONES))
_POSITION: Final = {
    parts: np.array([parts.index(name) if name in parts else -1 for name in network.ZONES])
    for parts in (_DEFENDED, _OPERATIONAL, _WITH_USERS)
}

_AVAILABILITY: Final = ("tries", "served", "work", "worked", "access", "accessed")
_CONTRACTOR: Final = network.ZONES[network.CON]
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("host_steps", "clean", "no_root"), _DEFENDED),
    **dict.fromkeys(("stays", "silent", "rooted", "closed", "closed_steps"), _DEFENDED),
    **dict.fromkeys(("impacts", "stops"), _OPERATIONAL),
    **dict.fromkeys(("useful", "wasted", "recoveries"), agents.BLUE),
    **dict.fromkeys(
        (f"{name}_{what}" for name in _RECOVERIES for what in ("met", "hit")), agents.BLUE
    ),
    **dict.fromkeys(("restore_steps", "charged", "ignored", "blocks", "hurtful"), agents.BLUE),
    **dict.fromkeys(_AVAILABILITY, _WITH_USERS),
    "blocked": _WITH_USERS,
}
"""Tallies and what they are divided into."""


class SocTallies:
    """Collector of what `cagexplain.analysis.metrics.estimate` estimates from.

    Attributes:
        steps: of an episode.
        observed: whether the trace tells what blue saw.
    """

    tables: ClassVar[Tables] = {
        "levels": STAY_TABLES["levels"],
        "blue": (
            *("target_zone", "source_zone", "executing", "outcome"),
            *("completed", "completed_host", "completed_level"),
        ),
        "red": ("event", "action", "target_zone", "outcome"),
        "green": ("step", "host", "cause", "target_host"),
        "green_work": ("zone", "kind", "attempts", *schema.GREEN_CAUSES),
    }

    def __init__(self) -> None:
        self._counts: dict[str, list[Counts]] = {name: [] for name in PARTS}
        self._stays: list[Stays] = []
        self.steps = 0
        self.observed = False

    def add(self, batch: Batch) -> None:
        """Count in some whole episodes."""
        stays = stays_of(batch)
        self._stays.append(stays)
        self.steps = batch.steps
        self.observed = batch.process is not None
        for counts in (
            _posture(batch),
            _incidents(batch, stays),
            _recoveries(batch),
            _traffic(batch),
            _impacts(batch),
            _green(batch),
        ):
            for name, values in counts.items():
                self._counts[name].append(values)

    @property
    def stays(self) -> Stays:
        """All incidents."""
        return concatenate(self._stays)

    @property
    def tallies(self) -> dict[str, Tally]:
        """Everything else, by name."""
        return {
            name: Tally(
                parts,
                np.concatenate(self._counts[name]),
                np.array([part != _CONTRACTOR or name not in _AVAILABILITY for part in parts]),
            )
            for name, parts in PARTS.items()
        }


def _by_zone(
    batch: Batch, row: Any, zone: Any, parts: tuple[str, ...], weights: Any = None
) -> Counts:
    """Number of rows (or sum of weights) by episode and subnet; other subnets are left out."""
    part = _POSITION[parts][zone]
    axes = ((np.asarray(row), batch.n), (part, len(parts)))
    weights = None if weights is None else np.asarray(weights, dtype=np.float64)
    return np.asarray(tally(*axes, where=part >= 0, weights=weights), dtype=np.int64)


def _by_agent(batch: Batch, blue: pd.DataFrame, where: npt.NDArray[np.bool_]) -> Counts:
    axes = ((blue["row"].to_numpy(), batch.n), (codes(blue, "agent"), agents.N_BLUE))
    return np.asarray(tally(*axes, where=where), dtype=np.int64)


def _posture(batch: Batch) -> dict[str, Counts]:
    """Host-steps at decision time."""
    exists = batch.exists & _WITH_LEVEL
    lengths = {
        "host_steps": np.full(exists.shape, batch.steps),
        "clean": (batch.levels == 0).sum(axis=1),
        "no_root": (batch.levels < _ROOT).sum(axis=1),
    }
    row, host = np.nonzero(exists)
    zone = network.HOST_ZONE[host]
    return {
        name: _by_zone(batch, row, zone, _DEFENDED, steps[row, host])
        for name, steps in lengths.items()
    }


def _incidents(batch: Batch, stays: Stays) -> dict[str, Counts]:
    row = np.searchsorted(batch.episodes, stays.episode)
    zone, closed = network.HOST_ZONE[stays.host], ~stays.censored
    weights = {
        "stays": np.ones(len(stays)),
        "silent": ~stays.visible,
        "rooted": stays.root >= 0,
        "closed": closed,
        "closed_steps": np.where(closed, stays.end - stays.on, 0),
    }
    return {name: _by_zone(batch, row, zone, _DEFENDED, w) for name, w in weights.items()}


def _recoveries(batch: Batch) -> dict[str, Counts]:
    """Completed Remove and Restore, by what they met; a Remove cannot end a root session."""
    blue = batch.frame("blue")
    completed, level = codes(blue, "completed"), blue["completed_level"].to_numpy()
    done = {name: completed == kind for name, kind in _RECOVERIES.items()}
    useful = (done["restore"] & (level > 0)) | (done["remove"] & (level > 0) & (level < _ROOT))
    every = done["restore"] | done["remove"]
    found = {
        "useful": _by_agent(batch, blue, useful),
        "wasted": _by_agent(batch, blue, every & ~useful),
        "recoveries": _by_agent(batch, blue, every),
        "restore_steps": _by_agent(batch, blue, codes(blue, "executing") == ActionKind.RESTORE),
        "charged": _by_agent(batch, blue, codes(blue, "action_type") == ActionKind.RESTORE),
        "ignored": _by_agent(
            batch,
            blue,
            (codes(blue, "action_type") == ActionKind.RESTORE) & ~blue["started"].to_numpy(),
        ),
    }
    levels = batch.frame("levels")
    owner = agents.BLUE_OF_HOST[codes(levels, "host")]
    axes = ((levels["row"].to_numpy(), batch.n), (owner, agents.N_BLUE))
    for name, kind in _RECOVERIES.items():
        by_it = codes(levels, "cause") == _LEVEL_CAUSE[actions.KIND_NAMES[kind]]
        found[f"{name}_hit"] = np.asarray(tally(*axes, where=by_it), dtype=np.int64)
        found[f"{name}_met"] = _by_agent(batch, blue, done[name] & (level > 0))
    return found


def _traffic(batch: Batch) -> dict[str, Counts]:
    """Blocks that took effect, and those that stopped a green user before they were lifted.

    A block stops green in both directions; it is in force from its own step, as traffic control
    comes before green's actions.
    """
    blue = batch.frame("blue")
    changed = codes(blue, "outcome") == Outcome.SUCCESS
    completed = codes(blue, "completed")
    switch = blue[changed & np.isin(completed, list(actions.TRAFFIC_KINDS))]
    key = _link(batch, switch["row"], codes(switch, "target_zone"), codes(switch, "source_zone"))
    moment = key * batch.steps + switch["step"].to_numpy()
    order = np.argsort(moment)
    switch = switch.iloc[order]
    # A sentinel before all moments makes every look-up find something.
    moment = np.concatenate([[-1], moment[order]])
    blocks = codes(switch, "completed") == ActionKind.BLOCK
    hurt = np.zeros(len(moment), dtype=np.bool_)
    failed = batch.frame("green")
    failed = failed[codes(failed, "cause") == schema.GREEN_CAUSES.index("traffic_blocked")]
    ends = (network.HOST_ZONE[codes(failed, name)] for name in ("host", "target_host"))
    user, server = map(np.asarray, ends)
    for to_zone, from_zone in ((user, server), (server, user)):
        link = _link(batch, failed["row"], to_zone, from_zone)
        asked = link * batch.steps + failed["step"].to_numpy()
        last = np.searchsorted(moment, asked, side="right") - 1
        hurt[last[moment[last] // batch.steps == link]] = True
    return {
        "blocks": _by_agent(batch, switch, blocks),
        "hurtful": _by_agent(batch, switch, blocks & hurt[1:]),
    }


def _link(batch: Batch, row: Any, to_zone: Any, from_zone: Any) -> Counts:
    """Number of a direction of traffic in an episode."""
    shape = (batch.n, network.N_ZONES, network.N_ZONES)
    return np.asarray(
        np.ravel_multi_index((np.asarray(row), to_zone, from_zone), shape), dtype=np.int64
    )


def _impacts(batch: Batch) -> dict[str, Counts]:
    """Impacts that came due, successful or not, as both are penalised; and the successful ones."""
    red = batch.frame("red")
    outcome = codes(red, "outcome")
    impact = red["action"].to_numpy() == RedAction.IMPACT
    impact &= codes(red, "event") == schema.RED_EVENTS.index("done")
    found = {
        "impacts": impact & np.isin(outcome, (Outcome.SUCCESS, Outcome.FAILURE)),
        "stops": impact & (outcome == Outcome.SUCCESS),
    }
    row, zone = red["row"].to_numpy(), codes(red, "target_zone")
    return {
        name: _by_zone(batch, row[which], zone[which], _OPERATIONAL)
        for name, which in found.items()
    }


def _green(batch: Batch) -> dict[str, Counts]:
    work = batch.frame("green_work")
    attempts, blocked = work["attempts"].to_numpy(), work["traffic_blocked"].to_numpy()
    good = attempts - blocked - work["service_degraded"].to_numpy()
    local = codes(work, "kind") == schema.GREEN_KINDS.index("GreenLocalWork")
    weights = {
        "tries": attempts,
        "served": good,
        "work": attempts * local,
        "worked": good * local,
        "access": attempts * ~local,
        "accessed": good * ~local,
        "blocked": blocked,
    }
    return {
        name: _by_zone(batch, work["row"], codes(work, "zone"), _WITH_USERS, w)
        for name, w in weights.items()
    }
