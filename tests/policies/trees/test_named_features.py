"""Named features against a plain account of what happened."""

import numpy as np
import pytest

from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES, N_BLUE
from cagexplain.cc4.layout import (
    ACTION_AGENT,
    ACTION_TYPE,
    SLOT_AGENT,
    SLOT_IS_SERVER,
    SLOT_ZONE,
    positions,
)
from cagexplain.cc4.reward import ZONE_WEIGHT
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import decide
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.registry import load_policy
from cagexplain.policies.scripted.champion import Champion
from cagexplain.policies.scripted.expert import Expert
from cagexplain.policies.trees.named_features import (
    ABSENT,
    FEATURES,
    NAMES,
    NEVER,
    RAW,
    STARTS,
    ActionFacts,
    facts_of,
)

N, STEPS = 2, 80
AGED = {
    "Analyse": ActionKind.ANALYSE,
    "Remove": ActionKind.REMOVE,
    "Restore": ActionKind.RESTORE,
    "DeployDecoy": ActionKind.DECOY,
}


def shown(now: Knowledge, obs: np.ndarray, mask: np.ndarray, free: np.ndarray) -> ActionFacts:
    """The features of agents that are shown this."""
    now.observe(obs, mask, free)
    return facts_of(now)


class Account:
    """What an agent may know of its hosts in one environment, told host by host."""

    def __init__(self, agent: int) -> None:
        self.agent = agent
        self.hosts = [int(host) for host in observations.HOSTS[agent]]
        self.facts = {
            host: {
                "process": NEVER,
                "connection": NEVER,
                "process alerts": 0,
                "connection alerts": 0,
                "decoys": 0,
                "removed": 0,
                **{name: 0.0 if name == "Restore" else NEVER for name in AGED},
            }
            for host in self.hosts
        }
        self.running: int | None = None

    def see(self, vector: np.ndarray, free: bool) -> None:
        if free and self.running is not None:
            self.complete(self.running)
        for host in self.hosts:
            facts = self.facts[host]
            for what, bit in (
                ("process", observations.process_bit(self.agent, host)),
                ("connection", observations.connection_bit(self.agent, host)),
            ):
                if vector[bit]:
                    facts[what] = 0
                    facts[f"{what} alerts"] += 1
                    if what == "process":
                        facts["removed"] = 0

    def complete(self, action: int) -> None:
        host, kind = int(actions.HOST[self.agent][action]), actions.KIND[self.agent][action]
        if host < 0:
            return
        facts = self.facts[host]
        for name, aged in AGED.items():
            if kind == aged:
                facts[name] = 0
        if kind == ActionKind.RESTORE:
            facts.update({"process alerts": 0, "connection alerts": 0, "decoys": 0, "removed": 0})
        facts["removed"] = 1 if kind == ActionKind.REMOVE else facts["removed"]
        facts["decoys"] += kind == ActionKind.DECOY

    def later(self) -> None:
        for facts in self.facts.values():
            for name in ("process", "connection", *AGED):
                facts[name] = min(facts[name] + 1, NEVER)

    def expected(self, host: int) -> dict[str, float]:
        facts = self.facts[host]
        return {
            "steps since process alert": facts["process"],
            "steps since connection alert": facts["connection"],
            "process alerts since Restore": facts["process alerts"],
            "connection alerts since Restore": facts["connection alerts"],
            "decoys since Restore": facts["decoys"],
            "Remove since process alert": facts["removed"],
            **{f"steps since {name}": facts[name] for name in AGED},
        }


def rows(facts: ActionFacts, env: int, agent: int) -> dict[int, dict[str, float]]:
    """Features by name of all actions of an agent."""
    at = np.flatnonzero(agent == ACTION_AGENT)
    values = facts.matrix(np.full(len(at), env), at)
    return {i: dict(zip(NAMES, row.tolist(), strict=True)) for i, row in enumerate(values)}


def test_features_are_what_happened() -> None:
    env = BatchedEnv(N, params=EnvParams(steps=STEPS + 1), threads=1)
    seeds = np.array([5, 6])
    env.reset(seeds)
    policy = load_policy("random")
    policy.reset(seeds)
    now = Knowledge.fresh(N)
    accounts = [[Account(agent) for agent in range(N_BLUE)] for _ in range(N)]
    checked = 0
    for step in range(STEPS):
        free = env.free.copy()
        facts = shown(now, env.obs, env.mask, free)
        chosen = policy.act(env.obs, env.mask, free).actions
        for e in range(N):
            for agent in range(N_BLUE):
                account = accounts[e][agent]
                vector = env.obs[e, observations.slice_of(agent)]
                account.see(vector, bool(free[e, agent]))
                if free[e, agent] and step % 7 == 0:
                    checked += 1
                    check_agent(rows(facts, e, agent), account, vector, step)
                if free[e, agent]:
                    account.running = int(chosen[e, agent])
                account.later()
        now.acted(chosen, free)
        env.step(chosen)
    assert checked > 20


def check_agent(
    found: dict[int, dict[str, float]], account: Account, vector: np.ndarray, step: int
) -> None:
    agent = account.agent
    for action, features in found.items():
        kind = actions.KIND_NAMES[actions.KIND[agent][action]]
        assert [name for name, v in features.items() if name.startswith("action is") and v] == [
            f"action is {kind}"
        ]
        assert features["step"] == step
        assert features["mission phase"] == vector[observations.PHASE]
        host = int(actions.HOST[agent][action])
        if host >= 0:
            expected = account.expected(host)
            assert {name: features[name] for name in expected} == expected
            assert features["is a server"] == (network.HOST_KIND[host] == network.SERVER)
            assert features["position"] == account.hosts.index(host)
            assert features["was the last target"] == (
                account.running is not None and actions.HOST[agent][account.running] == host
            )
        else:
            assert all(features[f.name] == ABSENT for f in FEATURES[STARTS[1] : STARTS[2]])
        to, frm = (int(z[agent][action]) for z in (actions.TO_ZONE, actions.FROM_ZONE))
        if to >= 0:
            blocked = vector[observations.blocked_bit(agent, to, frm)]
            prohibited = vector[observations.policy_bit(agent, to, frm)]
            assert features["link is blocked"] == blocked
            assert features["link is set wrongly"] == (blocked != prohibited)


def test_evidence_is_what_the_expert_acts_on() -> None:
    """Its rules, read off the features, host by host."""
    env = BatchedEnv(2, params=EnvParams(steps=260), threads=1)
    seeds = np.array([3, 4])
    env.reset(seeds)
    expert = Expert()
    expert.reset(seeds)
    evidence = 0
    for step in range(250):
        chosen = expert.act(env.obs, env.mask, env.free).actions
        if step % 5 == 0:
            host = dict(
                zip(
                    NAMES[STARTS[1] : STARTS[2]],
                    np.moveaxis(facts_of(expert.now).host, 2, 0),
                    strict=True,
                )
            )
            opened = host["process alerts since Restore"] > 0
            known = (
                (host["coincidence of both alerts since Restore"] > 0)
                | (host["connection alert beside an exploited host since Restore"] > 0)
                | (host["process alert after a scan since Restore"] > 0)
                | (opened & (host["is a server"] > 0))
            )
            there = expert.now.exists
            np.testing.assert_array_equal(known[there], expert.known()[there])
            scans = (host["unanswered connection alert"] > 0) & (host["is a server"] == 0)
            unclear = ((host["unanswered process alert"] > 0) | scans) & ~known
            np.testing.assert_array_equal(unclear[there], expert.unclear()[there])
            evidence += known[there].sum()
        env.step(chosen)
    assert evidence > 20


def test_hosts_are_ranked_among_those_of_their_kind_and_subnet() -> None:
    now = Knowledge.fresh(1)
    env = BatchedEnv(1, params=EnvParams(steps=5), threads=1)
    env.reset([1])
    now.observe(env.obs, env.mask, env.free)
    users = np.flatnonzero((SLOT_AGENT == 1) & ~SLOT_IS_SERVER & now.exists[0])[:3]
    server = np.flatnonzero((SLOT_AGENT == 1) & SLOT_IS_SERVER & now.exists[0])[0]
    now.restored_at[0, users] = 9, 4, 9
    now.restored_at[0, server] = 2
    others = ((SLOT_AGENT == 1) & ~SLOT_IS_SERVER & now.exists[0]).sum() - 3
    column = NAMES.index("hosts like it longer without Restore") - STARTS[1]
    ranks = facts_of(now).host[0, users, column] - others  # which were never restored
    assert ranks.tolist() == [1, 0, 1]  # equals have the same rank


def test_subnets_weigh_what_the_phase_says() -> None:
    env = BatchedEnv(1, params=EnvParams(steps=5), threads=1)
    env.reset([1])
    now = Knowledge.fresh(1)
    now.observe(env.obs, env.mask, env.free)
    column = NAMES.index("penalty weight of its subnet") - STARTS[1]
    for phase in range(3):
        now.phase_of[:] = phase
        np.testing.assert_array_equal(
            facts_of(now).host[0, :, column], ZONE_WEIGHT[phase, SLOT_ZONE]
        )


def test_ranks_give_the_order_of_a_rota() -> None:
    """The host without Analyse for the longest time, by position among equals, has rank 0."""
    env = BatchedEnv(1, params=EnvParams(steps=120), threads=1)
    env.reset([3])
    policy = load_policy("analyse_cycle")
    policy.reset(np.array([3]))
    now = Knowledge.fresh(1)
    decisions = 0
    for _ in range(100):
        facts = shown(now, env.obs, env.mask, env.free)
        chosen = policy.act(env.obs, env.mask, env.free).actions
        for agent in np.flatnonzero(env.free[0]):
            features = rows(facts, 0, int(agent))[int(chosen[0, agent])]
            assert features["hosts longer without Analyse"] == 0
            decisions += 1
        now.acted(chosen, env.free)
        env.step(chosen)
    assert decisions > 100


def test_alerts_before_a_host_are_counted_within_its_agent() -> None:
    env = BatchedEnv(1, params=EnvParams(steps=5), threads=1)
    env.reset([1])
    obs = env.obs.copy()
    first = [int(h) for h in observations.HOSTS[4][[2, 5]]]
    for host in first:
        obs[0, observations.OFFSETS[4] + observations.process_bit(4, host)] = 1
    foreign = int(observations.HOSTS[3][0])
    obs[0, observations.OFFSETS[3] + observations.process_bit(3, foreign)] = 1
    facts = shown(Knowledge.fresh(1), obs, env.mask, env.free)
    found = [
        rows(facts, 0, 4)[actions.index(4, ActionKind.RESTORE, host=int(host))]
        for host in observations.HOSTS[4][:8]
    ]
    before = [row["hosts before it with process alert now"] for row in found]
    assert before == [0, 0, 0, 1, 1, 1, 2, 2]
    assert {row["hosts with process alert now"] for row in found} == {2}


def test_a_branch_goes_on_alone() -> None:
    env = BatchedEnv(3, params=EnvParams(steps=60), threads=1)
    seeds = np.arange(3)
    env.reset(seeds)
    policy = load_policy("random")
    policy.reset(seeds)
    now = Knowledge.fresh(3)
    for _ in range(30):
        now.observe(env.obs, env.mask, env.free)
        chosen = policy.act(env.obs, env.mask, env.free).actions
        now.acted(chosen, env.free)
        env.step(chosen)
    picked = np.array([2, 0])
    twin = now.branch(picked)
    ours = shown(now, env.obs, env.mask, env.free)
    theirs = shown(twin, env.obs[picked], env.mask[picked], env.free[picked])
    np.testing.assert_array_equal(theirs.host, ours.host[picked])
    np.testing.assert_array_equal(theirs.agent, ours.agent[picked])
    np.testing.assert_array_equal(
        shown(now, env.obs, env.mask, env.free).host[..., 12],
        np.minimum(ours.host[..., 12] + 1, NEVER),
    )


@pytest.mark.parametrize("agent", range(N_BLUE))
def test_zones_of_the_third_agent_are_told_apart(agent: int) -> None:
    env = BatchedEnv(1, params=EnvParams(steps=5), threads=1)
    env.reset([1])
    facts = shown(Knowledge.fresh(1), env.obs, env.mask, env.free)
    for host in observations.HOSTS[agent]:
        features = rows(facts, 0, agent)[actions.index(agent, ActionKind.REMOVE, host=int(host))]
        place = BLUE_ZONES[agent].index(network.zone_of(int(host)))
        flags = [features[f"is in the agent's {nth} zone"] for nth in ("second", "third")]
        assert flags == [place == 1, place == 2]


def test_who_does_not_read_raw_observations_has_nothing_of_them() -> None:
    env = BatchedEnv(N, params=EnvParams(steps=STEPS), threads=1)
    env.reset([5, 6])
    now = Knowledge.fresh(N)
    for _ in range(40):
        now.observe(env.obs, env.mask, env.free, env.sightings())
        env.step(np.full((N, N_BLUE), actions.SLEEP_INDEX))
    flat, raw = facts_of(now), facts_of(now, raw=True)
    env_of, action = np.nonzero(env.mask)
    columns, read = flat.matrix(env_of, action), raw.matrix(env_of, action)
    assert not (columns[:, RAW] > 0).any()
    assert (read[:, RAW] > 0).any(axis=0).sum() > 10
    np.testing.assert_array_equal(read[:, ~RAW], columns[:, ~RAW])


def test_raw_features_are_what_the_champion_acts_on() -> None:
    """Every Restore, Remove and repeated Analyse of its rules has its reason among the features."""
    env = BatchedEnv(16, params=EnvParams(), threads=1)
    seeds = np.arange(16)
    env.reset(seeds)
    champion = Champion()
    rules = champion.rules
    champion.reset(seeds)
    reasons = dict.fromkeys(("root", "first", "source", "evicted", "Remove", "again"), 0)
    while not env.done.any():
        chosen = decide(champion, env).actions
        at = positions(chosen)
        facts = facts_of(champion.now, raw=True)
        for agent in range(N_BLUE):
            for e in np.flatnonzero(env.free[:, agent]):
                kind = ACTION_TYPE[at[e, agent]]
                if kind not in (ActionKind.RESTORE, ActionKind.REMOVE):
                    continue
                row = facts.matrix(np.array([e]), at[e : e + 1, agent])[0]
                host = dict(zip(NAMES, row.tolist(), strict=True))
                worth = host["points that Impacts could still cost"] > rules.worth
                opened = host["exploit since Restore or Remove"] > 0
                if kind == ActionKind.REMOVE:
                    assert opened
                    reasons["Remove"] += 1
                elif host["root or an unseen exploit was listed"] and worth:
                    reasons["root"] += 1
                elif host["is where red begins its work"] and worth:
                    reasons["first"] += 1
                elif (
                    host["is a source of attacks"]
                    and worth
                    and (
                        opened or host["steps from exploit to its first attack"] < rules.got_through
                    )
                ):
                    reasons["source"] += 1
                else:
                    share = host["per cent of hosts that can be exploited from it"]
                    assert share >= 100 * rules.evict_share
                    assert host["worth of evicting it"] > rules.evict
                    reasons["evicted"] += 1
        env.step(chosen)
    assert all(reasons[name] for name in ("root", "first", "evicted", "Remove")), reasons


def test_hosts_are_ranked_by_how_long_nobody_looked_at_them() -> None:
    now = Knowledge.fresh(1)
    now.exists[:] = True
    now.clock[:] = 50
    slots = np.flatnonzero((SLOT_AGENT == 0) & ~SLOT_IS_SERVER)[:4]
    server = np.flatnonzero((SLOT_AGENT == 0) & SLOT_IS_SERVER)[0]
    users = np.flatnonzero((SLOT_AGENT == 0) & ~SLOT_IS_SERVER)
    now.analysed_at[0, users] = 45
    now.analysed_at[0, slots] = 30, 10, 30, 20
    now.restored_at[0, slots[3]] = 40
    now.removed_at[0, slots[:2]] = 41
    now.source_from[0, slots[2:4]] = 12
    host = facts_of(now, raw=True).host[0]

    def column(name: str) -> list[float]:
        values: list[float] = host[slots, NAMES.index(name) - STARTS[1]].tolist()
        return values

    assert column("hosts of its kind longer without Analyse or Restore") == [1, 0, 2, 3]
    assert column("hosts with a Remove longer without Analyse") == [1, 0, 2, 1]
    assert column("sources longer without Analyse") == [1, 0, 1, 0]
    assert column("steps since Analyse or Restore") == [20, 40, 20, 10]
    rank = NAMES.index("hosts of its kind longer without Analyse or Restore") - STARTS[1]
    assert host[server, rank] == 0  # no user counts
    every = NAMES.index("hosts longer without Analyse or Restore") - STARTS[1]
    servers = int(((SLOT_AGENT == 0) & SLOT_IS_SERVER).sum())  # which nobody looked at
    assert (host[slots, every] - servers).tolist() == [1, 0, 2, 3]


def test_names_are_different() -> None:
    assert len(set(NAMES)) == len(NAMES) == STARTS[4]
