"""What agents know, against a plain account of what they saw and did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cagexplain.cc4 import actions, layout, network, observations, services
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.sightings import UNKNOWN, Reader, Sightings
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import decide
from cagexplain.policies.knowledge import FAR, NEVER, Knowledge
from cagexplain.policies.registry import load_policy

N, STEPS = 2, 150
AT = ("process", "connection", "coincided", "source", "analysed", "removed", "decoyed")


class Account:
    """One agent in one environment, with dictionaries and loops."""

    def __init__(self, agent: int) -> None:
        self.agent, self.step = agent, -1
        self.hosts = [int(host) for host in observations.HOSTS[agent]]
        self.at = {name: dict.fromkeys(self.hosts, NEVER) for name in AT}
        self.restored = dict.fromkeys(self.hosts, 0)
        self.alerts: dict[tuple[str, int], list[int]] = {}
        self.decoys = dict.fromkeys(self.hosts, 0)
        self.listed = dict.fromkeys(self.hosts, UNKNOWN)
        self.blocked: dict[tuple[int, int], bool] = {}
        self.switched: dict[tuple[int, int], int] = {}
        self.started: list[tuple[int, int]] = []
        self.exploits: dict[int, list[int]] = {host: [] for host in self.hosts}
        self.scans: dict[int, list[tuple[int, int]]] = {host: [] for host in self.hosts}
        self.source: dict[int, int] = {}
        self.ports: dict[int, set[int]] = {host: set() for host in self.hosts}
        self.rooted: set[int] = set()
        self.first: set[int] = set()
        self.stale: set[int] = set()
        self.called, self.most = False, 0

    def see(self, vector: np.ndarray, free: bool, raw: dict[str, Any]) -> None:
        self.step += 1
        if free and self.started:
            self.complete(self.started[-1][1], raw)
        shown = {
            "process": {h for h in self.hosts if vector[observations.process_bit(self.agent, h)]},
            "connection": {
                h for h in self.hosts if vector[observations.connection_bit(self.agent, h)]
            },
        }
        for name, hosts in shown.items():
            for host in hosts:
                self.at[name][host] = self.step
                self.alerts.setdefault((name, host), []).append(self.step)
        both = shown["process"] & shown["connection"]
        for host in both:
            self.at["coincided"][host] = self.step
        for host in shown["connection"] - both if both else ():
            self.at["source"][host] = self.step
        for to in BLUE_ZONES[self.agent]:
            for frm in set(range(network.N_ZONES)) - {to}:
                now = bool(vector[observations.blocked_bit(self.agent, to, frm)])
                if now != self.blocked.get((to, frm), False):
                    self.switched[to, frm] = self.step
                self.blocked[to, frm] = now

    def see_attacks(self, sightings: Sightings) -> None:
        """What the raw observations told, of an environment by itself."""
        place = {host: i for i, host in enumerate(self.hosts)}
        sources: set[int] = set()

        def members(bits: int) -> set[int]:
            return {host for host, i in place.items() if bits >> i & 1}

        for host in self.hosts:
            slot = layout.SLOT_OF_HOST[host]
            sources |= members(int(sightings.attacked_by[0, slot]))
            if sightings.exploited[0, slot]:
                self.exploits[host].append(self.step)
            for scanner in members(int(sightings.scanned_by[0, slot])):
                self.scans[host].append((self.step, scanner))
        sources |= members(int(sightings.passed_by[0, self.agent]))
        for host in sources - self.source.keys():
            self.source[host] = self.step
            if not self.called or host in self.stale:
                self.first.add(host)
        self.stale = {host for host in self.stale if not sources - {host}}
        self.most = max(self.most, len(self.source))
        self.called |= bool(sources) or bool(sightings.exploited[0, self.slots].any())

    @property
    def slots(self) -> list[int]:
        return [int(layout.SLOT_OF_HOST[host]) for host in self.hosts]

    def complete(self, action: int, raw: dict[str, Any]) -> None:
        kind, host = actions.KIND[self.agent][action], int(actions.HOST[self.agent][action])
        if kind == ActionKind.ANALYSE:
            self.at["analysed"][host] = self.step
            files = raw.get(network.HOST_NAMES[host], {}).get("Files", [])
            names = {file["File Name"] for file in files}
            self.listed[host] = sum(2 ** services.FILE_NAMES.index(name) for name in names)
            seen = [step for step in self.exploits[host] if step >= self.restored[host]]
            if raw["success"] == "TRUE" and (
                "escalate.sh" in names or ("cmd.sh" in names and not seen)
            ):
                self.rooted.add(host)
                self.called = True
        if kind == ActionKind.REMOVE:
            self.at["removed"][host] = self.step
        if kind == ActionKind.DECOY:
            self.at["decoyed"][host] = self.step
            self.decoys[host] += 1
            for process in raw.get(network.HOST_NAMES[host], {}).get("Processes", []):
                if "service_name" in process:
                    port = {"haraka": 25, "tomcat": 443}.get(process["service_name"], 80)
                    self.ports[host].add(port)
        if kind == ActionKind.RESTORE:
            answered = max(self.restored[host], self.at["removed"][host])
            exploited = any(step >= answered for step in self.exploits[host])
            if exploited or host in self.rooted | self.first:
                self.stale.add(host)
            self.restored[host] = self.step
            self.ports[host] = set()
            self.source.pop(host, None)
            self.rooted.discard(host)
            self.first.discard(host)
            self.decoys[host], self.listed[host] = 0, UNKNOWN

    def targets(self, scanner: int) -> set[int]:
        begun = self.restored[scanner]
        return {
            host
            for host, scans in self.scans.items()
            if any(by == scanner and step >= begun for step, by in scans)
        }

    def since_restored(self, name: str, host: int) -> list[int]:
        return [s for s in self.alerts.get((name, host), []) if s >= self.restored[host]]


@pytest.mark.parametrize("name", ["random", "expert", "reactive_remove", "champion"])
def test_agents_know_what_they_saw_and_did(name: str) -> None:
    env = BatchedEnv(N, params=EnvParams(steps=STEPS + 1), threads=1)
    seeds = np.array([5, 6])
    env.reset(seeds)
    policy = load_policy(name)
    policy.reset(seeds)
    now = Knowledge.fresh(N)
    accounts = [[Account(agent) for agent in range(N_BLUE)] for _ in range(N)]
    readers = [Reader([env.raw_observation(e, a) for a in range(N_BLUE)]) for e in range(N)]
    listed_something = False
    for step in range(STEPS):
        raw = [[env.raw_observation(e, agent) for agent in range(N_BLUE)] for e in range(N)]
        now.observe(env.obs, env.mask, env.free, env.sightings())
        assert (now.clock == step).all()
        for e in range(N):
            for agent, account in enumerate(accounts[e]):
                vector = env.obs[e, observations.slice_of(agent)]
                account.see(vector, bool(env.free[e, agent]), raw[e][agent])
                account.see_attacks(readers[e].read(raw[e]))
                check(now, e, account)
        listed_something |= bool((now.listed > 0).any())
        chosen = decide(policy, env).actions
        now.acted(chosen, env.free)
        for e in range(N):
            for agent in np.flatnonzero(env.free[e]):
                account = accounts[e][agent]
                account.started.append((step, int(chosen[e, agent])))
                check_actions(now, e, account)
        env.step(chosen)
    assert listed_something or name != "random"


def check(now: Knowledge, e: int, account: Account) -> None:
    for host in account.hosts:
        slot = layout.SLOT_OF_HOST[host]
        for name in AT:
            assert getattr(now, f"{name}_at")[e, slot] == account.at[name][host], name
        assert now.restored_at[e, slot] == account.restored[host]
        assert now.decoys[e, slot] == account.decoys[host]
        assert now.listed[e, slot] == account.listed[host]
        process = account.since_restored("process", host)
        connection = account.since_restored("connection", host)
        assert now.process_alerts[e, slot] == len(process)
        assert now.connection_alerts[e, slot] == len(connection)
        assert now.scanned_at[e, slot] == min(connection, default=FAR)
        removed = account.at["removed"][host]
        assert now.open[e, slot] == bool(process)
        assert now.flagged[e, slot] == any(s >= removed for s in process)
        assert now.removed[e, slot] == (removed > account.restored[host])
        quiet = removed > account.restored[host] and not any(s >= removed for s in process)
        assert now.quiet_since_removed[e, slot] == quiet
        assert now.rebuilt[e, slot] == (account.restored[host] > 0)
        exploits, scans = account.exploits[host], account.scans[host]
        since = [step for step, _ in scans if step >= account.restored[host]]
        assert now.exploited_at[e, slot] == max(exploits, default=NEVER)
        assert now.scanned_from_at[e, slot] == max(since, default=NEVER)
        assert now.source_from[e, slot] == account.source.get(host, FAR)
        assert now.source[e, slot] == (host in account.source)
        answered = max(removed, account.restored[host])
        assert now.exploited[e, slot] == any(step >= answered for step in exploits)
        targets = sum(1 << account.hosts.index(target) for target in account.targets(host))
        assert now.targets[e, slot] == targets
        bits = sum(services.PORT_BITS[port] for port in account.ports[host])
        assert now.ports[e, slot] == bits
        for name in ("rooted", "first", "stale"):
            assert getattr(now, name)[e, slot] == (host in getattr(account, name)), name
    assert now.called[e, account.agent] == account.called
    assert now.most_sources[e, account.agent] == account.most
    for link in np.flatnonzero(account.agent == layout.LINK_AGENT):
        ends = int(layout.LINK_TO[link]), int(layout.LINK_FROM[link])
        assert now.blocked[e, link] == account.blocked[ends]
        assert now.switched_at[e, link] == account.switched.get(ends, NEVER)


def check_actions(now: Knowledge, e: int, account: Account) -> None:
    agent, (step, action) = account.agent, account.started[-1]
    offset = actions.OFFSETS[agent]
    assert (now.action[e, agent], now.action_at[e, agent]) == (action + offset, step)
    assert now.running[e, agent] == action
    kinds = actions.KIND[agent]
    idle = (ActionKind.SLEEP, ActionKind.MONITOR)
    work = [(s, a) for s, a in account.started if kinds[a] not in idle]
    if work:
        assert (now.work_at[e, agent], now.work[e, agent] - offset) == work[-1]
    else:
        assert now.work[e, agent] == layout.NONE
    restores = [s for s, a in account.started if kinds[a] == ActionKind.RESTORE]
    assert now.restores[e, agent] == len(restores)
    assert now.restore_at[e, agent] == (restores[-1] if restores else 0)


def shown(*entries: int) -> np.ndarray:
    obs = np.zeros((1, observations.TOTAL), np.int8)
    obs[0, list(entries)] = 1
    return obs


MASK, FREE = np.ones((1, actions.TOTAL), np.bool_), np.ones((1, N_BLUE), np.bool_)


def test_an_exploit_lights_its_source_and_no_host_of_another_agent() -> None:
    now = Knowledge.fresh(1)
    target, source, foreign = 0, 3, int(layout.SLOT_START[1])
    connections = layout.CONNECTION[[target, source, foreign]].tolist()
    now.observe(shown(int(layout.PROCESS[target]), *connections), MASK, FREE)
    assert np.flatnonzero(now.coincided_at[0] == 0).tolist() == [target]
    assert np.flatnonzero(now.source_at[0] == 0).tolist() == [source]


def test_phase_and_messages_are_those_that_each_agent_is_shown() -> None:
    now = Knowledge.fresh(1)
    heard = int(layout.MESSAGES[2, 7])
    obs = shown(heard)
    obs[0, layout.PHASE] = [2, 2, 2, 2, 1]
    now.observe(obs, MASK, FREE)
    assert np.argwhere(now.messages[0]).tolist() == [[2, 7]]
    assert now.phase_of.tolist() == [[2, 2, 2, 2, 1]]
    assert now.phase.tolist() == [2]


def test_a_busy_agent_has_completed_nothing() -> None:
    now = Knowledge.fresh(1)
    now.observe(shown(), MASK, FREE)
    restore = layout.ON_SLOT[ActionKind.RESTORE][layout.SLOT_START[:-1]] - layout.OFFSETS
    now.acted(restore[None], FREE)
    busy = ~FREE
    for _ in range(4):
        now.observe(shown(), MASK, busy)
        now.acted(np.array([actions.SLEEP_INDEX]), busy)
        assert (now.action[0] - layout.OFFSETS == restore).all()
        assert not now.rebuilt.any()
    now.observe(shown(), MASK, FREE)
    assert np.flatnonzero(now.rebuilt[0]).tolist() == layout.SLOT_START[:-1].tolist()
    assert (now.since(now.restored_at)[0, layout.SLOT_START[:-1]] == 0).all()
    assert (now.since(now.process_at) >= FAR).all()


def test_without_a_raw_observation_nobody_knows_what_an_analyse_listed() -> None:
    now = Knowledge.fresh(1)
    now.observe(shown(), MASK, FREE)
    analyse = layout.ON_SLOT[ActionKind.ANALYSE][layout.SLOT_START[:-1]] - layout.OFFSETS
    now.acted(analyse[None], FREE)
    twin = now.branch(np.array([0]))
    now.observe(shown(), MASK, FREE)
    assert (now.listed == UNKNOWN).all()
    assert (now.analysed_at[0, layout.SLOT_START[:-1]] == 1).all()
    sightings = Sightings.nothing(1)
    sightings.listed[0] = [0, 0, 0, 3, 0]
    twin.observe(shown(), MASK, FREE, sightings)
    assert twin.listed[0, layout.SLOT_START[:-1]].tolist() == [0, 0, 0, 3, 0]


def test_a_branch_goes_on_alone() -> None:
    now = Knowledge.fresh(2)
    mask, free = np.repeat(MASK, 2, axis=0), np.repeat(FREE, 2, axis=0)
    now.observe(np.concatenate([shown(), shown(int(layout.PROCESS[4]))]), mask, free)
    twin = now.branch(np.array([1, 1, 0]))
    assert twin.process[:, 4].tolist() == [True, True, False]
    twin.observe(
        np.ones((3, observations.TOTAL), np.int8), np.repeat(MASK, 3, axis=0), FREE[[0] * 3]
    )
    assert (twin.clock == 1).all()
    assert (now.clock == 0).all()
    assert now.process.sum() == 1
