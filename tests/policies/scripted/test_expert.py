"""The expert against its playbook, written down plainly for one agent at a time."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from cagexplain.cc4 import actions, network, observations, phases, reward
from cagexplain.cc4.actions import ActionKind as Kind
from cagexplain.cc4.agents import BLUE_OF_HOST, BLUE_ZONES
from cagexplain.cc4.layout import N_SLOTS, NONE, ON_SLOT, SLOT_OF_HOST
from cagexplain.envs import BatchedEnv
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import seed_range
from cagexplain.policies.scripted.expert import Expert
from tests.support.fake_env import FakeEnv

MISSION_ZONE = {1: network.OZA, 2: network.OZB}
"""Operational zone of the mission of a phase."""
OFFSETS = np.array(actions.OFFSETS)


def weight(phase: int, host: int) -> int:
    return -2 * int(reward.TABLE[phase, network.HOST_ZONE[host]].sum()) + is_server(host)


def is_server(host: int) -> bool:
    return bool(network.HOST_KIND[host] == network.SERVER)


class Responder:
    """One agent by the playbook, with sets and loops."""

    def __init__(self, agent: int, mask: np.ndarray) -> None:
        self.agent = agent
        table = zip(actions.KIND[agent], actions.HOST[agent], mask, strict=True)
        self.hosts = [int(host) for kind, host, valid in table if kind == Kind.RESTORE and valid]
        self.age = dict.fromkeys(self.hosts, 0)
        self.known: set[int] = set()
        self.unclear: set[int] = set()
        self.scanned: set[int] = set()
        self.decoys: set[int] = set()
        self.running: tuple[Kind, int] = (Kind.SLEEP, -1)

    def act(self, obs: np.ndarray, free: bool) -> int:
        for host in self.hosts:
            self.age[host] += 1
        if free:
            self.finish()
        process = {h for h in self.hosts if obs[observations.process_bit(self.agent, h)]}
        connection = {h for h in self.hosts if obs[observations.connection_bit(self.agent, h)]}
        ssh = process & connection
        self.known |= ssh | {h for h in process if is_server(h)} | (process & self.scanned)
        if ssh:
            self.known |= connection - process
        self.unclear |= (process | {h for h in connection if not is_server(h)}) - self.known
        self.scanned |= {h for h in connection if not is_server(h)}
        if not free:
            return actions.SLEEP_INDEX[self.agent]
        index = self.decide(obs, connection)
        kind = Kind(actions.KIND[self.agent][index])
        self.running = (kind, int(actions.HOST[self.agent][index]))
        return index

    def finish(self) -> None:
        kind, host = self.running
        if kind == Kind.RESTORE:
            self.age[host] = 0
            for memory in (self.known, self.unclear, self.scanned, self.decoys):
                memory.discard(host)
        if kind == Kind.ANALYSE:
            self.unclear.discard(host)
        if kind == Kind.DECOY:
            self.decoys.add(host)

    def on(self, kind: Kind, host: int) -> int:
        return actions.index(self.agent, kind, host=host)

    def decide(self, obs: np.ndarray, connection: set[int]) -> int:
        agent, phase = self.agent, int(obs[observations.PHASE])
        pairs = [(to, f) for to in BLUE_ZONES[agent] for f in network.ALPHABETICAL if f != to]
        for kind, closed in ((Kind.ALLOW, False), (Kind.BLOCK, True)):
            for to, frm in pairs:
                blocked = bool(obs[observations.blocked_bit(agent, to, frm)])
                if blocked != closed == bool(obs[observations.policy_bit(agent, to, frm)]):
                    return actions.index(agent, kind, to_zone=to, from_zone=frm)
        if self.known:
            return self.on(Kind.RESTORE, self.first(self.known, lambda h: weight(phase, h)))
        if bare := set(self.hosts) - self.decoys:
            urgency = lambda h: is_server(h) + 2 * (self.age[h] < 10)  # noqa: E731
            return self.on(Kind.DECOY, self.first(bare, urgency))
        if of := self.unclear or connection:
            return self.on(Kind.ANALYSE, self.first(of, lambda h: weight(phase, h)))
        patience = {MISSION_ZONE.get(phase): 200, MISSION_ZONE.get(phase + 1): 100}
        overdue = {
            h: self.age[h] - patience[zone]
            for h in self.hosts
            if not is_server(h) and (zone := network.zone_of(h)) in patience
        }
        if late := {h for h, steps in overdue.items() if steps > 0}:
            return self.on(Kind.RESTORE, self.first(late, overdue.__getitem__))
        return actions.SLEEP_INDEX[agent]

    def first(self, among: set[int], urgency: Callable[[int], int]) -> int:
        """The most urgent; of equals the one that comes first in the layout."""
        return max((h for h in self.hosts if h in among), key=urgency)


def weather(seed: int, steps: int) -> Iterator[np.ndarray]:
    """Observations in which everything happens, in spells that leave time for every rule."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        obs = np.zeros(observations.TOTAL, dtype=np.int8)
        busy_times = step % 100 < 40
        for agent, hosts in enumerate(observations.HOSTS):
            start = observations.OFFSETS[agent]
            obs[start] = phases.of_step(step, steps)
            own = observations.slice_of(agent)
            for host in hosts:
                for bit in (observations.process_bit, observations.connection_bit):
                    obs[start + bit(agent, int(host))] = rng.random() < 0.03 * busy_times
            if rng.random() < 0.02:  # a policy and blocks that do not agree
                for to in BLUE_ZONES[agent]:
                    bits = [
                        bit(agent, to, frm)
                        for frm in network.ALPHABETICAL
                        for bit in (observations.policy_bit, observations.blocked_bit)
                    ]
                    obs[own][bits] = rng.random(len(bits)) < 0.1
        yield obs


def without_ghosts(obs: np.ndarray, mask: np.ndarray) -> None:
    """No alerts on hosts that do not exist."""
    for agent, hosts in enumerate(observations.HOSTS):
        for host in map(int, hosts):
            restore = actions.OFFSETS[agent] + actions.index(agent, Kind.RESTORE, host=host)
            if not mask[restore]:
                for bit in (observations.process_bit, observations.connection_bit):
                    obs[observations.OFFSETS[agent] + bit(agent, host)] = 0


def test_it_follows_the_playbook() -> None:
    env = FakeEnv(2, params=SimpleNamespace(steps=500))
    env.reset(np.array([3, 4]))
    policy = Expert()
    policy.reset(np.array([3, 4]))
    agents = [
        [Responder(agent, env.mask[e, actions.slice_of(agent)]) for agent in range(5)]
        for e in range(2)
    ]
    done = np.zeros(actions.N_KINDS, dtype=int)
    busy = np.zeros((2, 5), dtype=int)
    for step, seen in enumerate(zip(weather(0, 500), weather(1, 500), strict=True)):
        obs = np.stack(seen)
        for row, mask in zip(obs, env.mask, strict=True):
            without_ghosts(row, mask)
        free = busy == 0
        chosen = policy.act(obs, env.mask, free).actions
        for e in range(2):
            for agent in range(5):
                expected = agents[e][agent].act(
                    obs[e, observations.slice_of(agent)], free[e, agent]
                )
                assert chosen[e, agent] == expected, f"step {step}, agent {agent}"
                if free[e, agent]:
                    kind = actions.KIND[agent][expected]
                    done[kind] += 1
                    busy[e, agent] = actions.DURATION[kind]
        busy -= 1
    assert (np.delete(done, [Kind.MONITOR, Kind.REMOVE]) >= 10).all()
    assert done[Kind.MONITOR] == done[Kind.REMOVE] == 0


# Single situations: agent 1 defends OZA; all its hosts have decoys already.

AGENT = 1
USERS = [network.user(network.OZA, i) for i in range(3)]
SERVERS = [network.server(network.OZA, i) for i in range(2)]
Alert = tuple[Callable[[int, int], int], int]
"""Kind of bit and host."""
P, C = observations.process_bit, observations.connection_bit


def armed() -> tuple[Expert, np.ndarray]:
    """An expert whose agent 1 has put up its decoys, and the mask."""
    mask = np.zeros((1, actions.TOTAL), dtype=bool)
    for agent in range(5):
        host = actions.HOST[agent]
        slot = host % network.HOSTS_PER_ZONE
        real = np.isin(slot, (1, 2, 3, network.FIRST_SERVER_SLOT, network.FIRST_SERVER_SLOT + 1))
        mask[0, actions.slice_of(agent)] = (host < 0) | real
    policy = Expert()
    policy.reset(np.array([0]))
    for _ in SERVERS + USERS:
        assert see(policy, mask)[0] == Kind.DECOY
    assert see(policy, mask) == (Kind.SLEEP, -1)
    return policy, mask


def see(policy: Expert, mask: np.ndarray, *alerts: Alert, phase: int = 0) -> tuple[Kind, int]:
    """What agent 1 does in a step in which these bits are set; every action takes one step."""
    obs = np.zeros((1, observations.TOTAL), dtype=np.int8)
    obs[0, list(observations.OFFSETS)] = phase
    for bit, host in alerts:
        obs[0, observations.OFFSETS[AGENT] + bit(AGENT, host)] = 1
    index = policy.act(obs, mask, np.ones((1, 5), dtype=bool)).actions[0, AGENT]
    return Kind(actions.KIND[AGENT][index]), int(actions.HOST[AGENT][index])


def test_an_exploit_leads_to_its_target_and_its_source() -> None:
    policy, mask = armed()
    did = [see(policy, mask, (P, USERS[0]), (C, USERS[0]), (C, USERS[2]))]
    did += [see(policy, mask) for _ in range(4)]
    assert did[0] == (Kind.RESTORE, USERS[0])
    assert did[1] == (Kind.RESTORE, USERS[2])
    assert sorted(did[2:4]) == [(Kind.DECOY, USERS[0]), (Kind.DECOY, USERS[2])]
    assert did[4] == (Kind.SLEEP, -1)


def test_a_scan_is_looked_at_and_makes_the_next_process_alert_an_exploit() -> None:
    policy, mask = armed()
    assert see(policy, mask, (C, USERS[1])) == (Kind.ANALYSE, USERS[1])
    assert see(policy, mask, (P, USERS[0])) == (Kind.ANALYSE, USERS[0])
    assert see(policy, mask, (P, USERS[1])) == (Kind.RESTORE, USERS[1])


def test_a_process_alert_on_a_server_is_an_exploit() -> None:
    policy, mask = armed()
    assert see(policy, mask, (P, SERVERS[1])) == (Kind.RESTORE, SERVERS[1])


def test_what_the_end_of_a_restore_shows_counts_again() -> None:
    policy, mask = armed()
    both = ((P, USERS[0]), (C, USERS[0]))
    assert see(policy, mask, *both) == (Kind.RESTORE, USERS[0])
    assert see(policy, mask, *both) == (Kind.RESTORE, USERS[0])
    assert see(policy, mask) == (Kind.DECOY, USERS[0])


def test_it_hunts_where_a_mission_is_near() -> None:
    policy, mask = armed()
    waited = 0
    while (done := see(policy, mask))[0] == Kind.SLEEP:
        waited += 1
    assert done == (Kind.RESTORE, USERS[0])
    assert waited + len(USERS + SERVERS) + 1 == 100
    policy, mask = armed()
    assert {see(policy, mask, phase=2)[0] for _ in range(300)} == {Kind.SLEEP}


def test_the_most_urgent_host_comes_first() -> None:
    """By whatever urgency a rule has; here agent 4 has two hosts to restore."""
    policy = Expert()
    policy.begin(np.ones((1, actions.TOTAL), dtype=bool))
    policy.take_in(
        np.zeros((1, observations.TOTAL), dtype=np.int8),
        np.ones((1, actions.TOTAL), dtype=bool),
        np.ones((1, 5), dtype=bool),
    )
    light, heavy = (SLOT_OF_HOST[network.server(zone)] for zone in (network.ADM, network.PAZ))
    urgency = np.zeros((1, N_SLOTS), dtype=int)
    urgency[0, heavy] = 1
    wanted = np.zeros((1, N_SLOTS), dtype=bool)
    wanted[0, [light, heavy]] = True
    chosen = policy.best(Kind.RESTORE, wanted, urgency)
    assert chosen[0, 4] == ON_SLOT[Kind.RESTORE][heavy]
    assert (chosen[0, :4] == NONE).all()


@pytest.fixture(scope="module")
def played() -> dict[str, np.ndarray]:
    """Ten episodes of the engine, step by step."""
    env = BatchedEnv(10)
    seeds = seed_range(600, 10)
    env.reset(seeds)
    policy = load_policy("expert")
    policy.reset(seeds)
    seen: dict[str, list[np.ndarray]] = {"chosen": [], "free": [], "blocks": [], "phase": []}
    for _ in range(499):
        decision = policy.act(env.obs, env.mask, env.free)
        assert np.take_along_axis(env.mask, decision.actions + OFFSETS, axis=1).all()
        seen["chosen"].append(decision.actions)
        seen["free"].append(env.free.copy())
        env.step(decision.actions)
        seen["blocks"].append(env.state["blocks"] != 0)
        seen["phase"].append(env.phase.copy())
    env.close()
    return {name: np.stack(values) for name, values in seen.items()}


def test_blocks_are_what_the_phase_demands(played: dict[str, np.ndarray]) -> None:
    closed = phases.COMMS_POLICY[played["phase"]] != 0
    owned = np.isin(np.arange(network.N_ZONES), [z for zones in BLUE_ZONES for z in zones])
    pairs = owned[:, None] & ~np.eye(network.N_ZONES, dtype=bool)
    assert (played["blocks"] & ~closed & pairs).sum() / (~closed & pairs).sum() < 0.01
    assert (~played["blocks"] & closed & pairs).sum() / (closed & pairs).sum() < 0.02


def test_nothing_is_submitted_while_busy(played: dict[str, np.ndarray]) -> None:
    asleep = played["chosen"] == np.array(actions.SLEEP_INDEX)
    assert asleep[~played["free"]].all()


def test_it_keeps_to_the_budget_of_restores(played: dict[str, np.ndarray]) -> None:
    kinds = np.stack([actions.KIND[a][played["chosen"][..., a]] for a in range(5)], axis=-1)
    restores = (kinds == Kind.RESTORE).sum(axis=(0, 2))
    assert (restores <= 100).all()
    assert restores.mean() > 40


def test_it_beats_punch() -> None:
    seeds = seed_range(500, 16)
    expert, punch = (evaluate(load_policy(name), seeds) for name in ("expert", "punch"))
    assert expert.returns.mean() > punch.returns.mean() + 40


def test_every_defended_host_is_somebodys() -> None:
    """The playbook reaches all user and server hosts that blue defends."""
    hosts = np.concatenate(observations.HOSTS)
    defended = (BLUE_OF_HOST >= 0) & np.isin(network.HOST_KIND, (network.USER, network.SERVER))
    assert sorted(hosts.tolist()) == np.flatnonzero(defended).tolist()
