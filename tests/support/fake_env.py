"""A stand-in for the engine: the interface of BatchedEnv on random but plausible content.

It obeys CC4's busy rule and its masks, and each environment has its own generator, so an episode
depends on its seed and on the actions only. It is quick, and tests can set what they need.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from cagexplain.cc4 import actions, agents, network, observations, phases, red_fsm, reward
from cagexplain.sim.fsm import OWN_SESSION

N_TRANSITIONS = 8

_NOTHING = (-1, -1, -1, -1)
"""What red does: number of the action, host and zone that it targets, host that it acts from."""
_ACTED_ON = np.isin(network.HOST_KIND, (network.USER, network.SERVER))


class FakeEnv:
    def __init__(self, n_envs: int, *, params: Any, threads: int | None = None) -> None:
        self.n_envs = n_envs
        self.params = params
        n = n_envs
        self.obs = np.zeros((n, observations.TOTAL), dtype=np.int8)
        self.mask = np.zeros((n, actions.TOTAL), dtype=np.bool_)
        self.free = np.ones((n, 5), dtype=np.bool_)
        self.reward = np.zeros(n, dtype=np.float32)
        self.reward_parts = np.zeros((n, 3, 9), dtype=np.int32)
        self.action_cost = np.zeros((n, 5), dtype=np.int32)
        self.phase = np.zeros(n, dtype=np.int8)
        self.step_count = np.zeros(n, dtype=np.int32)
        self.done = np.zeros(n, dtype=np.bool_)
        self._truth = SimpleNamespace(
            host_exists=np.zeros((n, 137), dtype=np.bool_),
            host_os=np.zeros((n, 137), dtype=np.int8),
            services=np.zeros((n, 137), dtype=np.int16),
            fsm_state=np.zeros((n, 6, 137), dtype=np.int8),
            host_level=np.zeros((n, 137), dtype=np.int8),
            decoys=np.zeros((n, 137), dtype=np.int8),
            reliability=np.full((n, 137), 100, dtype=np.int8),
            ot_stopped=np.zeros((n, 137), dtype=np.bool_),
            red_active=np.zeros((n, 6), dtype=np.bool_),
            blue_action=np.full((n, 5), -1, dtype=np.int16),
            blue_ticks=np.zeros((n, 5), dtype=np.int8),
            blue_submitted=np.full((n, 5), -1, dtype=np.int16),
            blue_started=np.zeros((n, 5), dtype=np.bool_),
            blue_done=np.full((n, 5), -1, dtype=np.int16),
            blue_outcome=np.zeros((n, 5), dtype=np.int8),
            blue_found=np.zeros((n, 5), dtype=np.int16),
            red_started=np.full((n, 6), -1, dtype=np.int8),
            red_start_host=np.full((n, 6), -1, dtype=np.int16),
            red_start_zone=np.full((n, 6), -1, dtype=np.int8),
            red_start_source=np.full((n, 6), -1, dtype=np.int16),
            red_done=np.full((n, 6), -1, dtype=np.int8),
            red_outcome=np.zeros((n, 6), dtype=np.int8),
            red_done_host=np.full((n, 6), -1, dtype=np.int16),
            red_done_zone=np.full((n, 6), -1, dtype=np.int8),
            red_done_source=np.full((n, 6), -1, dtype=np.int16),
            red_detected=np.zeros((n, 6), dtype=np.bool_),
            green_action=np.full((n, 137), -1, dtype=np.int8),
            green_failure=np.zeros((n, 137), dtype=np.int8),
            green_target=np.full((n, 137), -1, dtype=np.int16),
            process_events=np.zeros((n, 137), dtype=np.int16),
            connection_events=np.zeros((n, 137), dtype=np.int16),
            trans_n=np.zeros(n, dtype=np.int16),
            trans_agent=np.zeros((n, N_TRANSITIONS), dtype=np.int8),
            trans_host=np.zeros((n, N_TRANSITIONS), dtype=np.int16),
            trans_from=np.zeros((n, N_TRANSITIONS), dtype=np.int8),
            trans_to=np.zeros((n, N_TRANSITIONS), dtype=np.int8),
            trans_cause=np.zeros((n, N_TRANSITIONS), dtype=np.int8),
        )

    def truth(self) -> SimpleNamespace:
        return self._truth

    def close(self) -> None:
        pass

    def reset(self, seeds: np.ndarray, skip_worlds: int = 0) -> None:
        self._generators = [np.random.default_rng(int(s)) for s in seeds]
        self.step_count[:] = 0
        self.phase[:] = 0
        self.done[:] = False
        self.free[:] = True
        self._truth.blue_action[:] = -1
        self._truth.blue_ticks[:] = 0
        self._red_does = [[_NOTHING] * agents.N_RED for _ in seeds]
        for e, rng in enumerate(self._generators):
            self._world(e, rng)
            self._situation(e, rng)
            self._services(e, 0)
            self._see(e, rng)

    def step(self, chosen: np.ndarray, messages: np.ndarray | None = None) -> None:
        for e, rng in enumerate(self._generators):
            self.phase[e] = phases.of_step(int(self.step_count[e]), self.params.steps)
            self._blue(e, chosen[e])
            self._transitions(e, rng)
            self._situation(e, rng)
            self._services(e, int(self.step_count[e]) + 1)
            self._red(e, rng)
            self._green(e, rng)
            self.reward[e] = self.reward_parts[e].sum() + self.action_cost[e].sum()
            self._see(e, rng)
        self.step_count += 1
        self.done[:] = self.step_count >= phases.calls(self.params.steps)

    def _world(self, e: int, rng: np.random.Generator) -> None:
        truth = self._truth
        exists = network.HOST_KIND == network.ROUTER
        exists[network.INTERNET_HOST] = True
        for zone in range(network.N_REAL_ZONES):
            exists[[network.user(zone, i) for i in range(rng.integers(3, 11))]] = True
            exists[[network.server(zone, i) for i in range(rng.integers(1, 7))]] = True
        truth.host_exists[e] = exists
        truth.host_os[e] = rng.integers(0, 2, 137)
        truth.services[e] = np.where(exists & _ACTED_ON, 1 | rng.integers(0, 32, 137), 0)
        for agent in range(5):
            host = actions.HOST[agent]
            self.mask[e, actions.slice_of(agent)] = (host < 0) | exists[host]

    def _hosts(self, e: int) -> np.ndarray:
        """Servers and user hosts that there are."""
        return np.flatnonzero(self._truth.host_exists[e] & _ACTED_ON)

    def _situation(self, e: int, rng: np.random.Generator) -> None:
        truth = self._truth
        real = truth.host_exists[e] & (truth.services[e] != 0)
        truth.fsm_state[e] = rng.integers(0, 10, (6, 137)) * (rng.random((6, 137)) < 0.3) * real
        truth.host_level[e] = rng.integers(0, 3, 137) * real
        truth.red_active[e] = rng.random(6) < 0.5
        truth.process_events[e] = rng.integers(0, 2, 137) * real
        truth.connection_events[e] = rng.integers(0, 2, 137) * real

    def _services(self, e: int, step: int) -> None:
        """Some hosts lose reliability and get decoys as time goes on; no generator is used."""
        truth, hosts = self._truth, np.arange(137)
        exists = truth.host_exists[e] & _ACTED_ON
        truth.decoys[e] = np.minimum(step // (3 + hosts % 5), 4) * exists
        truth.reliability[e] = 100 - 20 * np.minimum(step // (2 + hosts % 7), 5) * exists
        truth.ot_stopped[e] = (hosts % 11 == 0) & (step % 4 == 3) & exists
        truth.blue_found[e] = hosts[:5] % 3

    def _see(self, e: int, rng: np.random.Generator) -> None:
        self.obs[e] = rng.random(observations.TOTAL) < 0.1
        for agent, hosts in enumerate(observations.HOSTS):
            absent = hosts[~self._truth.host_exists[e, hosts]]
            for bit in (observations.process_bit, observations.connection_bit):
                entries = [observations.OFFSETS[agent] + bit(agent, int(h)) for h in absent]
                self.obs[e, entries] = 0
        self.obs[e, list(observations.OFFSETS)] = self.phase[e]

    def _blue(self, e: int, chosen: np.ndarray) -> None:
        truth = self._truth
        self.action_cost[e] = 0
        for agent, index in enumerate(int(i) for i in chosen):
            valid = self.mask[e, actions.OFFSETS[agent] + index]
            kind = actions.KIND[agent][index] if valid else actions.ActionKind.SLEEP
            if kind == actions.ActionKind.RESTORE:
                self.action_cost[e, agent] = -reward.RESTORE_COST
            if self.free[e, agent]:
                truth.blue_action[e, agent] = index
                truth.blue_ticks[e, agent] = actions.DURATION[kind]
            truth.blue_ticks[e, agent] -= 1
            over = truth.blue_ticks[e, agent] == 0
            truth.blue_done[e, agent] = truth.blue_action[e, agent] if over else -1
            truth.blue_outcome[e, agent] = 1 if over else 0
            if over:
                truth.blue_action[e, agent] = -1
            self.free[e, agent] = over

    def _transitions(self, e: int, rng: np.random.Generator) -> None:
        truth = self._truth
        truth.trans_n[e] = rng.integers(0, N_TRANSITIONS)
        truth.trans_agent[e] = rng.integers(0, 6, N_TRANSITIONS)
        truth.trans_host[e] = rng.choice(self._hosts(e), N_TRANSITIONS, replace=False)
        truth.trans_from[e] = rng.integers(0, 10, N_TRANSITIONS)
        truth.trans_to[e] = rng.integers(0, 10, N_TRANSITIONS)
        truth.trans_cause[e] = rng.integers(0, OWN_SESSION + 1, N_TRANSITIONS)

    def _red(self, e: int, rng: np.random.Generator) -> None:
        """An agent that does nothing may begin an action, which ends in that step or later."""
        truth = self._truth
        begun = (
            truth.red_started,
            truth.red_start_host,
            truth.red_start_zone,
            truth.red_start_source,
        )
        ended = truth.red_done, truth.red_done_host, truth.red_done_zone, truth.red_done_source
        for agent in range(agents.N_RED):
            action = rng.integers(-1, red_fsm.N_RED_ACTIONS)
            target = int(rng.choice(self._hosts(e)))
            scan = action == red_fsm.RedAction.DISCOVER_SYSTEMS
            source = rng.choice([-1, *self._hosts(e)])
            new = (action, -1 if scan else target, network.HOST_ZONE[target], source)
            idle = self._red_does[e][agent][0] < 0
            if idle:
                self._red_does[e][agent] = new
            ends = rng.random() < 0.5
            for part, (begin, end) in enumerate(zip(begun, ended, strict=True)):
                begin[e, agent] = self._red_does[e][agent][part] if idle else -1
                end[e, agent] = self._red_does[e][agent][part] if ends else -1
            if ends:
                self._red_does[e][agent] = _NOTHING
        truth.red_outcome[e] = rng.integers(1, 4, 6)
        truth.red_detected[e] = rng.random(6) < 0.5

    def _green(self, e: int, rng: np.random.Generator) -> None:
        truth = self._truth
        user = truth.host_exists[e] & (network.HOST_KIND == network.USER)
        truth.green_action[e] = np.where(user, rng.integers(0, 3, 137), -1)
        # Local work fails for one reason, access for the other.
        reason = np.array([2, 1, 0])[truth.green_action[e]] * user
        truth.green_failure[e] = reason * (rng.random(137) < 0.1)
        servers = truth.host_exists[e] & (network.HOST_KIND == network.SERVER)
        targets = rng.choice(np.flatnonzero(servers), 137)
        truth.green_target[e] = np.where(truth.green_failure[e] == 2, targets, -1)
        parts = np.zeros((3, 9), dtype=np.int32)
        for host in np.flatnonzero(truth.green_failure[e]):
            cause = truth.green_failure[e, host] - 1
            zone = network.HOST_ZONE[host]
            parts[cause, zone] += reward.TABLE[self.phase[e], zone, cause]
        zone = int(rng.integers(0, 8))
        parts[reward.RIA, zone] += reward.TABLE[self.phase[e], zone, reward.RIA]
        self.reward_parts[e] = parts
