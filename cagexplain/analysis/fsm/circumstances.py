"""What blue does by what its target is and by what its alerts say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.fsm.distributions import TARGETED_KINDS, action_distributions
from cagexplain.cc4 import actions, agents, network, observations, red_fsm
from cagexplain.common.results import Result
from cagexplain.facts.batch import Batch, codes
from cagexplain.facts.compact import CompactArray
from cagexplain.facts.tally import tally
from cagexplain.stats.distribution import Distribution
from cagexplain.stats.shares import Ratio, ratios

TARGET_KINDS: Final = ("user", "server")
"""Kinds of host that an action can target."""
PATTERNS: Final = ("no alert", "connection alert", "process alert", "both alerts")
"""Alert bits of the target in the observation that was decided on."""
MANY: Final = 2
"""Hosts with an alert are counted up to this, which stands for more too."""
ZONE_PATTERNS: Final = tuple(
    f"{process} process, {connection} connection"
    for process in ("0", "1", "2+")
    for connection in ("0", "1", "2+")
)
"""How many hosts of the deciding agent's zone show an alert of either kind."""
TEAM: Final = "team"

_KIND_OF_HOST: Final = np.array(
    [TARGET_KINDS.index(name) if name in TARGET_KINDS else 0 for name in network.KIND_NAMES]
)[network.HOST_KIND]
_MOST_HOSTS: Final = max(len(hosts) for hosts in observations.HOSTS)


@dataclass(frozen=True)
class CircumstanceCounts:
    """Decisions by their circumstances.

    Attributes:
        targets: compact ``int32[e, host kind, alert pattern, state, action type]`` those with a
            target.
        zones: compact ``int32[e, blue agent, alerts in the zone, action type]``; None without
            observations.
        exact: ``int64[blue agent, process alerts, connection alerts, action type]`` of all
            episodes; None likewise.
        entropy: ``float64[e, blue agent, state, 2]`` sum of the policy's entropies in nats and
            number of decisions that have one, by the situational view.
    """

    targets: CompactArray
    zones: CompactArray | None
    exact: npt.NDArray[np.int64] | None
    entropy: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ExactAlerts(Result):
    """Decisions of an agent with so many alerts in its zone.

    Attributes:
        agent: name.
        process, connection: hosts with a process and with a connection alert.
        counts: decisions by action type.
    """

    agent: str
    process: int
    connection: int
    counts: dict[str, int]


@dataclass(frozen=True)
class Circumstances(Result):
    """Action distributions by circumstances of the decision.

    Attributes:
        by_host_kind: per kind of target, targeted view per state.
        by_target_alerts: per alert pattern of the target, targeted view per state.
        target_alerts: per alert pattern of the target, over all states.
        zone_alerts: of the team and of every agent, all decisions by the numbers of hosts in the
            agent's zone that show an alert; None if the trace has no observations.
        exact_zone_alerts: the same with exact numbers, as plain counts.
        policy_entropy: of the team and of every agent, per state of the situational view, mean
            entropy in nats of the policy's own probabilities; None where the policy has none. It
            is what varies *given* an observation, a part of what varies in a state.
    """

    by_host_kind: dict[str, tuple[Distribution, ...]]
    by_target_alerts: dict[str, tuple[Distribution, ...]]
    target_alerts: tuple[Distribution, ...]
    zone_alerts: dict[str, tuple[Distribution, ...]] | None
    exact_zone_alerts: tuple[ExactAlerts, ...] | None
    policy_entropy: dict[str, tuple[Ratio, ...]] | None


class CircumstanceCounter:
    """Counts decisions by circumstances; a collector for `passes.run`.

    It keeps about 2 kilobytes an episode.
    """

    tables: Mapping[str, Sequence[str]] = {
        "blue": (
            *("episode", "step", "agent", "action_type", "started", "target_host", "target_state"),
            *("zone_state", "process_alert", "connection_alert", "entropy"),
        ),
    }

    def __init__(self) -> None:
        self._targets = CompactArray()
        self._zones: CompactArray | None = None
        self._entropy: list[npt.NDArray[np.float64]] = []
        most = _MOST_HOSTS + 1
        self._exact = np.zeros((agents.N_BLUE, most, most, actions.N_KINDS), dtype=np.int64)

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        blue = batch.frame("blue")
        blue = blue[np.asarray(blue["started"])]
        episode = (np.asarray(blue["row"]), batch.n)
        kind = (codes(blue, "action_type"), actions.N_KINDS)
        host, state = codes(blue, "target_host"), codes(blue, "target_state")
        process, connection = (
            np.asarray(blue["process_alert"]),
            np.asarray(blue["connection_alert"]),
        )
        self._targets.add(
            tally(
                episode,
                (_KIND_OF_HOST[host], len(TARGET_KINDS)),
                (2 * process + connection, len(PATTERNS)),
                (state, red_fsm.N_STATES),
                kind,
                where=host >= 0,
            ).astype(np.int32)
        )
        entropy = np.asarray(blue["entropy"], dtype=np.float64)
        known = ~np.isnan(entropy)
        situation = (
            episode,
            (codes(blue, "agent"), agents.N_BLUE),
            (codes(blue, "zone_state"), red_fsm.N_STATES),
        )
        sums = tally(*situation, where=known, weights=entropy)
        self._entropy.append(np.stack([sums, tally(*situation, where=known)], axis=-1))
        if batch.process is not None and batch.connection is not None:
            self._add_zones(batch, batch.process, batch.connection)

    def _add_zones(
        self, batch: Batch, process: npt.NDArray[np.bool_], connection: npt.NDArray[np.bool_]
    ) -> None:
        row, step, agent = np.nonzero(batch.started)
        kind = (batch.kind[row, step, agent], actions.N_KINDS)
        alerts = [_of_agents(bits)[row, step, agent] for bits in (process, connection)]
        deciding = (agent, agents.N_BLUE)
        self._exact += tally(deciding, *((n, _MOST_HOSTS + 1) for n in alerts), kind)
        few = [np.minimum(n, MANY) for n in alerts]
        pattern = (few[0] * (MANY + 1) + few[1], len(ZONE_PATTERNS))
        self._zones = self._zones or CompactArray()
        self._zones.add(tally((row, batch.n), deciding, pattern, kind).astype(np.int32))

    def result(self) -> CircumstanceCounts:
        """Counts of all batches together."""
        return CircumstanceCounts(
            targets=self._targets,
            zones=self._zones,
            exact=self._exact if self._zones else None,
            entropy=np.concatenate(self._entropy),
        )


def circumstances(counts: CircumstanceCounts) -> Circumstances:
    """Distributions by circumstances."""
    targets = np.asarray(counts.targets)
    return Circumstances(
        by_host_kind={
            name: _targeted(targets[:, i].sum(axis=1)) for i, name in enumerate(TARGET_KINDS)
        },
        by_target_alerts={
            name: _targeted(targets[:, :, i].sum(axis=1)) for i, name in enumerate(PATTERNS)
        },
        target_alerts=action_distributions(targets.sum(axis=(1, 3)), PATTERNS, TARGETED_KINDS),
        zone_alerts=None if counts.zones is None else _by_agent(np.asarray(counts.zones)),
        exact_zone_alerts=None if counts.exact is None else tuple(_exact_rows(counts.exact)),
        policy_entropy=_own_entropy(counts.entropy),
    )


def _exact_rows(exact: npt.NDArray[np.int64]) -> Iterator[ExactAlerts]:
    for agent, process, connection in zip(*np.nonzero(exact.sum(axis=-1)), strict=True):
        counts = exact[agent, process, connection].tolist()
        yield ExactAlerts(
            agents.BLUE[agent],
            int(process),
            int(connection),
            dict(zip(actions.KIND_NAMES, counts, strict=True)),
        )


def _of_agents(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many hosts of each blue agent have the bit: ``int64[n, steps, 5]``."""
    return np.stack(
        [np.count_nonzero(bits[:, :, hosts], axis=2) for hosts in observations.HOSTS], 2
    )


def _targeted(counts: npt.NDArray[np.int32]) -> tuple[Distribution, ...]:
    return action_distributions(counts, red_fsm.STATE_NAMES, TARGETED_KINDS)


def _by_agent(zones: npt.NDArray[np.int32]) -> dict[str, tuple[Distribution, ...]]:
    counts: dict[str, npt.NDArray[Any]] = {TEAM: zones.sum(axis=1)}
    counts |= {name: zones[:, agent] for agent, name in enumerate(agents.BLUE)}
    return {
        name: action_distributions(decisions, ZONE_PATTERNS, range(actions.N_KINDS))
        for name, decisions in counts.items()
    }


def _own_entropy(sums: npt.NDArray[np.float64]) -> dict[str, tuple[Ratio, ...]] | None:
    if not sums[..., 1].any():
        return None
    parts = {TEAM: sums.sum(axis=1)}
    parts |= {name: sums[:, agent] for agent, name in enumerate(agents.BLUE)}
    return {name: ratios(part[..., 0], part[..., 1]) for name, part in parts.items()}
