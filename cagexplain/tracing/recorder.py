"""Turns the play of a batch of episodes into the trace's tables.

The recorder watches all environments of a batch at once and keeps codes in arrays; names appear
when a batch is done and becomes Arrow tables. Its memory depends on the size of the batch only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cagexplain.cc4 import actions, agents, network, observations, phases, red_fsm, reward
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.green import GreenAction
from cagexplain.cc4.layout import (
    CONNECTION,
    NONE,
    PHASE,
    PROCESS,
    SLEEP_INDEX,
    SLOT_OF_HOST,
)
from cagexplain.common.arrays import Array
from cagexplain.policies.base import Decision
from cagexplain.policies.rollout import Observer
from cagexplain.tracing import schema
from cagexplain.tracing.columns import Dense, Sparse, arrow, binary
from cagexplain.tracing.host_states import host_states, zone_states
from cagexplain.tracing.level_changes import level_changes

if TYPE_CHECKING:
    from cagexplain.envs import Env, GroundTruth

_AGENTS: Final = np.arange(agents.N_BLUE)
_N_LEVELS: Final = 3  # no red session on a host, one of a user, one of root
_HAS_USER: Final = network.HOST_KIND == network.USER
_HOSTS_WITH_STATE: Final = np.isin(network.HOST_KIND, (network.USER, network.SERVER))


_BIT_SLICES: Final = [
    slice(offset + 1, offset + size)
    for offset, size in zip(observations.OFFSETS, observations.SIZES, strict=True)
]
"""Agents' entries after the phase, which are all 0 or 1."""

_CAUSES_BESIDE_ACTIONS: Final = 2 * red_fsm.N_RED_ACTIONS

_WORK: Final = (GreenAction.LOCAL_WORK, GreenAction.ACCESS)
"""In the order of ``schema.GREEN_KINDS``, which is that of what makes them fail."""
_GREEN_KIND: Final = np.array(
    [_WORK.index(action) if action in _WORK else -1 for action in (*GreenAction, None)],
    dtype=np.int8,
)
"""Index in `_WORK` by ``GreenAction``; the last one is that of no action, whose code is -1."""


class Recorder(Observer):
    """Records one batch of episodes.

    Args:
        first_episode: number of the batch's first episode.
        with_observations: whether to keep what the agents saw.
    """

    def __init__(self, first_episode: int = 0, *, with_observations: bool = True) -> None:
        self._first_episode = first_episode
        self._with_observations = with_observations

    def begin(self, env: Env, seeds: npt.NDArray[np.int64]) -> None:
        """Keep the worlds of the batch, of seeds ``int64[n]``."""
        self._truth = truth = env.truth()
        self._n = len(seeds)
        self._calls = phases.calls(env.params.steps)
        self._t = 0
        self._exists = truth.host_exists.copy()
        self._users = self._exists & _HAS_USER
        self._stateful = self._exists & _HOSTS_WITH_STATE
        self._os = truth.host_os.copy()
        self._services = truth.services.copy()
        self._masks = np.hstack(
            [
                np.packbits(env.mask[:, actions.slice_of(agent)], axis=1)
                for agent in range(agents.N_BLUE)
            ]
        )
        self._first_level = truth.host_level.copy()
        self._steps, self._blue, self._observed = (Dense(self._calls) for _ in range(3))
        self._red, self._transitions, self._levels, self._services_now, self._green = (
            Sparse() for _ in range(5)
        )
        self._condition = _condition(truth)
        self._green_work = np.zeros(
            (self._n, phases.N_PHASES, network.N_REAL_ZONES, len(_WORK), 2), dtype=np.int32
        )

    def before_step(self, env: Env, decision: Decision) -> None:
        """Keep what the decisions are made on, and the decisions."""
        truth = self._truth  # nothing has happened since the last step
        states = host_states(truth.fsm_state)
        self._level_before = truth.host_level.copy()
        self._put_situation(env.obs, truth, states)
        self._put_decision(env, truth, states, decision)
        if self._with_observations:
            self._observed.put(
                self._t,
                phase=env.obs[:, PHASE],
                bits=np.hstack([np.packbits(env.obs[:, part], axis=1) for part in _BIT_SLICES]),
            )

    def after_step(self, env: Env, decision: Decision) -> None:
        """Keep what the step did."""
        self._truth = truth = env.truth()
        t = self._t
        self._steps.put(
            t,
            phase=env.phase,
            reward=env.reward,
            parts=env.reward_parts.sum(axis=2),
            reward_cost=env.reward - env.reward_parts.sum(axis=(1, 2)),
        )
        done = np.where(truth.blue_done >= 0, self._effective(truth.blue_done), np.int16(-1))
        done_host = np.where(done >= 0, actions.ALL_HOST[_AGENTS, done], NONE)
        done_kind = np.where(done >= 0, actions.ALL_KIND[_AGENTS, done], NONE)
        level = np.take_along_axis(self._level_before, done_host.clip(min=0), axis=1)
        self._blue.put(
            t,
            ticks_left=truth.blue_ticks,
            outcome=truth.blue_outcome,
            done=done,
            completed_host=done_host,
            completed_level=np.where(done_host >= 0, level, np.int8(-1)),
            found=np.where(done_kind == ActionKind.ANALYSE, truth.blue_found, np.int16(-1)),
        )
        self._put_red(truth)
        self._put_transitions(truth)
        self._levels.put(t, **level_changes(truth, self._level_before, done_kind, done_host))
        self._put_services(truth)
        self._put_green(truth, env.phase)
        self._t += 1

    def _put_situation(self, obs: Array, truth: GroundTruth, states: Array) -> None:
        shape = (self._n, red_fsm.N_STATES, _N_LEVELS)
        cell = np.ravel_multi_index((np.arange(self._n)[:, None], states, truth.host_level), shape)
        hosts = np.bincount(cell[self._stateful], minlength=np.prod(shape)).reshape(shape)
        self._steps.put(
            self._t,
            hosts=np.stack([hosts.sum(axis=2), hosts[..., 1], hosts[..., 2]], axis=1),
            hosts_user=(truth.host_level == 1).sum(axis=1),
            hosts_root=(truth.host_level == 2).sum(axis=1),
            red_active=truth.red_active.sum(axis=1),
            process_alerts=obs[:, PROCESS].sum(axis=1),
            connection_alerts=obs[:, CONNECTION].sum(axis=1),
        )

    def _put_decision(
        self, env: Env, truth: GroundTruth, states: Array, decision: Decision
    ) -> None:
        chosen = decision.actions
        every = np.arange(self._n)[:, None]
        effective = self._effective(chosen)
        target = actions.ALL_HOST[_AGENTS, effective]
        has_target = target != NONE
        slot = SLOT_OF_HOST[target]

        def alert(entry: Array) -> Array:
            bit = np.where(slot != NONE, env.obs[every, entry[slot]], np.int8(0))
            return np.where(has_target, bit, np.int8(-1))

        busy_with = np.where(env.free, effective, truth.blue_action)
        green = np.where(self._users, truth.green_action, np.int8(-1))
        self._blue.put(
            self._t,
            action=chosen.astype(np.int16),
            effective=effective.astype(np.int16),
            started=env.free,
            executing=actions.ALL_KIND[_AGENTS, busy_with],
            target_state=np.where(has_target, states[every, target], np.int8(-1)),
            target_level=np.where(has_target, truth.host_level[every, target], np.int8(-1)),
            green_before=np.where(has_target & (self._t > 0), green[every, target], np.int8(-1)),
            zone_state=zone_states(states),
            process_alert=alert(PROCESS),
            connection_alert=alert(CONNECTION),
        )
        silent = np.zeros((self._n, agents.N_BLUE, observations.MESSAGE_BITS), dtype=np.uint8)
        messages = silent if decision.messages is None else decision.messages
        self._blue.put(self._t, message=np.packbits(messages != 0, axis=2)[..., 0])
        for name in ("probability", "entropy"):
            values = getattr(decision, name)
            known = np.full(env.free.shape, np.nan) if values is None else values
            self._blue.put(self._t, **{name: np.where(env.free, known, np.nan).astype(np.float32)})

    def _effective(self, index: Array) -> Array:
        """The indices ``[n, 5]`` as the simulator takes them: a Sleep where one is invalid."""
        host = actions.ALL_HOST[_AGENTS, index]
        present = (host == NONE) | self._exists[np.arange(self._n)[:, None], host]
        valid = present & actions.ACCEPTED[_AGENTS, index]
        return np.where(valid, index, SLEEP_INDEX)

    def _put_red(self, truth: GroundTruth) -> None:
        def pair(started: Array, done: Array) -> Array:
            return np.stack([started, done], axis=-1)

        nothing = np.zeros_like(truth.red_outcome)
        action = pair(truth.red_started, truth.red_done)
        episode, agent, event = at = np.nonzero(action >= 0)
        self._red.put(
            self._t,
            episode,
            agent=agent,
            event=event,
            action=action[at],
            target_host=pair(truth.red_start_host, truth.red_done_host)[at],
            target_zone=pair(truth.red_start_zone, truth.red_done_zone)[at],
            source_host=pair(truth.red_start_source, truth.red_done_source)[at],
            outcome=pair(nothing, truth.red_outcome)[at],
            detected=pair(nothing, truth.red_detected)[at] != 0,
        )

    def _put_transitions(self, truth: GroundTruth) -> None:
        real = np.nonzero(np.arange(truth.trans_n.max()) < truth.trans_n[:, None])
        self._transitions.put(
            self._t,
            real[0],
            agent=truth.trans_agent[real],
            host=truth.trans_host[real],
            from_state=truth.trans_from[real],
            to_state=truth.trans_to[real],
            cause=truth.trans_cause[real],
        )

    def _put_services(self, truth: GroundTruth) -> None:
        condition = _condition(truth)
        episode, host = at = np.nonzero((condition != self._condition).any(axis=-1))
        decoys, reliability, stopped = condition[at].T
        self._services_now.put(
            self._t,
            episode,
            host=host,
            decoys=decoys,
            reliability=reliability,
            stopped=stopped != 0,
        )
        self._condition = condition

    def _put_green(self, truth: GroundTruth, phase: Array) -> None:
        kinds = np.where(self._users, _GREEN_KIND[truth.green_action], np.int8(-1))
        env, user = at = np.nonzero(kinds >= 0)
        kind = kinds[at]
        failed = truth.green_failure[at] == kind + 1
        shape = self._green_work.shape[:-1]
        cell = np.ravel_multi_index((env, phase[env], network.HOST_ZONE[user], kind), shape)
        for column, cells in enumerate((cell, cell[failed])):
            counts = np.bincount(cells, minlength=int(np.prod(shape)))
            self._green_work[..., column] += counts.reshape(shape)
        episode, host = at = np.nonzero(truth.green_failure)
        failure = truth.green_failure[at] - 1
        self._green.put(
            self._t,
            episode,
            host=host,
            failure=failure,
            target_host=truth.green_target[at],
            penalty=reward.TABLE[phase[episode], network.HOST_ZONE[host], failure],
        )

    def tables(self) -> dict[str, pa.Table]:
        """The tables of the batch, once it has been played to its end."""
        rows = {
            "steps": self._step_rows(),
            "blue": self._blue_rows(),
            "red": self._red_rows(),
            "transitions": self._transition_rows(),
            "levels": self._levels.rows(),
            "services": self._services_now.rows(),
            "green": self._green_rows(),
            "green_work": self._green_work_rows(),
            "hosts": self._host_rows(),
        }
        if self._with_observations:
            rows["observations"] = self._observation_rows()
            rows["masks"] = self._mask_rows()
        return {name: self._table(schema.TABLES[name], columns) for name, columns in rows.items()}

    def _table(self, table: schema.Table, rows: dict[str, Any]) -> pa.Table:
        rows["episode"] = rows["episode"] + np.int32(self._first_episode)
        arrays = [arrow(column, rows[column.name]) for column in table.columns]
        return pa.Table.from_arrays(arrays, schema=table.schema)

    def _index(self, *axes: int) -> tuple[Array, ...]:
        """Position along each axis for every row of a dense table."""
        return tuple(axis.ravel() for axis in np.indices(axes, dtype=np.int32))

    def _step_rows(self) -> dict[str, Any]:
        episode, step = self._index(self._n, self._calls)
        columns = {
            name: c.reshape(self._n * self._calls, -1) for name, c in self._steps.rows().items()
        }
        parts, hosts = columns.pop("parts"), columns.pop("hosts")
        flat = {name: column[:, 0] for name, column in columns.items()}
        named_parts = dict(zip(("reward_lwf", "reward_asf", "reward_ria"), parts.T, strict=True))
        names = (f"{group}_{s}" for group in ("hosts", "user", "root") for s in schema.STATES)
        named_hosts = dict(zip(names, hosts.T, strict=True))
        done = step == self._calls - 1
        counted = step < self._calls - phases.OFFICIAL_UNCOUNTED
        return {
            "episode": episode,
            "step": step,
            **flat,
            **named_parts,
            **named_hosts,
            "done": done,
            "counted": counted,
        }

    def _blue_rows(self) -> dict[str, Any]:
        episode, step, agent = self._index(self._n, self._calls, agents.N_BLUE)
        columns = {name: column.reshape(-1) for name, column in self._blue.rows().items()}
        effective, completed = columns.pop("effective"), columns.pop("done")
        kind, target, to_zone, from_zone = (
            table[agent, effective]
            for table in (
                actions.ALL_KIND,
                actions.ALL_HOST,
                actions.ALL_TO_ZONE,
                actions.ALL_FROM_ZONE,
            )
        )
        return {
            "episode": episode,
            "step": step,
            "agent": agent,
            **columns,
            "action_type": kind,
            "target_host": target,
            "target_zone": np.where(target != NONE, network.HOST_ZONE[target], to_zone),
            "source_zone": from_zone,
            "completed": np.where(completed >= 0, actions.ALL_KIND[agent, completed], NONE),
        }

    def _red_rows(self) -> dict[str, Any]:
        rows = self._red.rows()
        return {**rows, "action_name": rows["action"]}

    def _transition_rows(self) -> dict[str, Any]:
        rows = self._transitions.rows()
        code = rows.pop("cause").astype(np.int64)
        by_action = code < _CAUSES_BESIDE_ACTIONS
        failed = code >= red_fsm.N_RED_ACTIONS
        return {
            **rows,
            "cause": np.where(by_action, 0, code - _CAUSES_BESIDE_ACTIONS + 1),
            "action": np.where(by_action, code % red_fsm.N_RED_ACTIONS, -1),
            "outcome": np.where(by_action, 1 + failed, 0),
        }

    def _green_rows(self) -> dict[str, Any]:
        rows = self._green.rows()
        failure = rows.pop("failure")
        return {**rows, "kind": failure, "cause": failure}

    def _green_work_rows(self) -> dict[str, Any]:
        episode, phase, zone, kind = self._index(*self._green_work.shape[:-1])
        attempts, failures = self._green_work.reshape(-1, 2).T
        # Local work fails for one reason, access for the other.
        return {
            "episode": episode,
            "phase": phase,
            "zone": zone,
            "kind": kind,
            "attempts": attempts,
            **{
                cause: np.where(kind == code, failures, 0)
                for code, cause in enumerate(schema.GREEN_CAUSES)
            },
        }

    def _host_rows(self) -> dict[str, Any]:
        episode, host = np.nonzero(self._exists)
        names = np.array(schema.SERVICE_LISTS, dtype=object)
        return {
            "episode": episode.astype(np.int32),
            "host": host,
            "zone": network.HOST_ZONE[host],
            "kind": network.HOST_KIND[host],
            "services": names[self._services[episode, host]],
            "os": self._os[episode, host],
            "level": self._first_level[episode, host],
        }

    def _observation_rows(self) -> dict[str, Any]:
        episode, step, agent = self._index(self._n, self._calls, agents.N_BLUE)
        observed = self._observed.rows()
        widths = [(size - 1 + 7) // 8 for size in observations.SIZES]
        return {
            "episode": episode,
            "step": step,
            "agent": agent,
            "phase": observed["phase"].reshape(-1),
            "bits": binary(observed["bits"], np.array(widths)),
        }

    def _mask_rows(self) -> dict[str, Any]:
        episode, agent = self._index(self._n, agents.N_BLUE)
        widths = [(size + 7) // 8 for size in actions.SIZES]
        return {
            "episode": episode,
            "agent": agent,
            "bits": binary(self._masks, np.array(widths)),
        }


def _condition(truth: GroundTruth) -> Array:
    """Decoys, lowest reliability and whether the OT service is stopped: ``int8[n, 137, 3]``."""
    return np.stack([truth.decoys, truth.reliability, truth.ot_stopped.astype(np.int8)], axis=-1)
