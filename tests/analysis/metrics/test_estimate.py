"""SOC metrics against a plain account of the same episodes, kept while they are played."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cagexplain.analysis.metrics.collect import Collector
from cagexplain.analysis.metrics.definitions import COUNTED, DEFENDED, DEFINITIONS
from cagexplain.analysis.metrics.estimate import MIN_EVENTS, TEAM, Soc, of_collected, soc
from cagexplain.cc4 import actions, agents, green, network, phases, red_fsm
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.facts.batch import run
from cagexplain.facts.incidents import Incidents
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import Observer, play
from cagexplain.stats.estimates import MIN_EPISODES
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace
from tests.support.planted import RestoresOnProcess
from tests.support.traces import write_trace

STEPS = 150
SEEDS = np.arange(10) + 20


class Account(Observer):
    """Counts what the metrics are made of in the plainest way, from everything that is true."""

    def __init__(self) -> None:
        self.count: Counter[tuple[str, str]] = Counter()
        self.blocks: dict[tuple[int, int, int], bool] = {}
        self.steps = 0

    def before_step(self, env: BatchedEnv, decision: Decision) -> None:
        truth = env.truth()
        self.level = truth.host_level.copy()
        self.free = env.free.copy()
        self.running = truth.blue_action.copy()
        for zone in DEFENDED.numbers:
            hosts = (zone == network.HOST_ZONE) & (network.HOST_KIND != network.ROUTER)
            levels = self.level[truth.host_exists & hosts]
            self.add("host_steps", zone, len(levels))
            self.add("clean", zone, np.count_nonzero(levels == 0))
            self.add("no_root", zone, np.count_nonzero(levels < 2))

    def after_step(self, env: BatchedEnv, decision: Decision) -> None:
        truth = env.truth()
        for e in range(len(SEEDS)):
            for agent in range(agents.N_BLUE):
                self.blue(env, truth, e, agent, int(decision.actions[e, agent]))
            for red in range(agents.N_RED):
                self.impact(truth, e, red)
            for host in np.flatnonzero(truth.host_exists[e] & (network.HOST_KIND == network.USER)):
                self.green(truth, e, int(host))
        self.steps += 1

    def blue(self, env: BatchedEnv, truth: Any, e: int, agent: int, chosen: int) -> None:
        name = agents.BLUE[agent]
        self.count["charged", name] -= int(env.action_cost[e, agent])
        if not self.free[e, agent]:
            self.count["ignored", name] -= int(env.action_cost[e, agent])
        running = chosen if self.free[e, agent] else int(self.running[e, agent])
        self.count["restore_steps", name] += self.kind(truth, e, agent, running) == "Restore"
        done = int(truth.blue_done[e, agent])
        kind, host = self.kind(truth, e, agent, done), int(actions.HOST[agent][done])
        if kind in ("Remove", "Restore"):
            before, after = self.level[e, host], truth.host_level[e, host]
            useful = before > 0 and not (kind == "Remove" and before == 2)
            self.count["recoveries", name] += 1
            self.count["useful" if useful else "wasted", name] += 1
            seen = before > 0 and self.steps + 1 < phases.calls(STEPS)
            self.count[f"{kind.lower()}_met", name] += seen
            self.count[f"{kind.lower()}_hit", name] += seen and after == 0
        if kind in ("BlockTrafficZone", "AllowTrafficZone"):
            link = e, int(actions.TO_ZONE[agent][done]), int(actions.FROM_ZONE[agent][done])
            if kind == "BlockTrafficZone" and link not in self.blocks:
                self.blocks[link] = False
                self.count["blocks", name] += 1
            elif kind == "AllowTrafficZone":
                self.blocks.pop(link, None)

    def kind(self, truth: Any, e: int, agent: int, index: int) -> str:
        host = actions.HOST[agent][index]
        if index < 0 or (host >= 0 and not truth.host_exists[e, host]):
            return "Sleep"
        return actions.KIND_NAMES[actions.KIND[agent][index]]

    def impact(self, truth: Any, e: int, red: int) -> None:
        outcome = truth.red_outcome[e, red]
        if truth.red_done[e, red] == red_fsm.RedAction.IMPACT and outcome in (1, 2):
            zone = network.zone_of(int(truth.red_done_host[e, red]))
            if zone in network.OPERATIONAL_ZONES:
                self.add("impacts", zone)
                self.add("stops", zone, outcome == 1)

    def green(self, truth: Any, e: int, host: int) -> None:
        work, failure = int(truth.green_action[e, host]), int(truth.green_failure[e, host])
        zone = network.zone_of(host)
        if work == green.GreenAction.SLEEP:
            return
        local = work == green.GreenAction.LOCAL_WORK
        self.add("tries", zone)
        self.add("served", zone, failure == 0)
        self.add("work" if local else "access", zone)
        self.add("worked" if local else "accessed", zone, failure == 0)
        self.add("blocked", zone, failure == 2)
        if failure == 2:
            other = network.zone_of(int(truth.green_target[e, host]))
            for link in ((e, zone, other), (e, other, zone)):
                if self.blocks.get(link) is False:
                    self.blocks[link] = True
                    self.count["hurtful", agents.BLUE[agents.BLUE_OF_ZONE[link[1]]]] += 1

    def add(self, what: str, zone: int, number: int = 1) -> None:
        self.count[what, network.ZONES[zone]] += int(number)


Played = tuple[Collector, Account]


@pytest.fixture(scope="module", params=["random", "restore_cycle", "reactive_remove"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder, params = tmp_path_factory.mktemp(request.param) / "trace", EnvParams(steps=STEPS)
    policy, account = load_policy(request.param), Account()
    Recording(folder, policy, SEEDS, params, batch=4).run()
    play(policy, BatchedEnv(len(SEEDS), params=params), SEEDS, [account])
    tallies = Collector()
    run(open_trace(folder), [tallies])
    return tallies, account


def trace_of(policy: Policy, folder: Path, **options: Any) -> Trace:
    Recording(folder, policy, SEEDS, EnvParams(steps=STEPS), **options).run()
    return open_trace(folder)


EPISODES = "episodes"
COUNTED_AS = {
    "clean_hosts": ("clean", "host_steps"),
    "non_escalated_hosts": ("no_root", "host_steps"),
    "useful_recoveries": ("useful", EPISODES),
    "wasted_recoveries": ("wasted", EPISODES),
    "recovery_precision": ("useful", "recoveries"),
    "restore_effect": ("restore_hit", "restore_met"),
    "remove_effect": ("remove_hit", "remove_met"),
    "impacts": ("impacts", EPISODES),
    "stopped_services": ("stops", EPISODES),
    "green_availability": ("served", "tries"),
    "local_work_availability": ("worked", "work"),
    "access_availability": ("accessed", "access"),
    "restore_downtime": ("restore_steps", EPISODES),
    "blocks": ("blocks", EPISODES),
    "hurtful_blocks": ("hurtful", "blocks"),
    "green_blocked": ("blocked", EPISODES),
    "action_cost": ("charged", EPISODES),
    "cost_for_nothing": ("ignored", "charged"),
}
"""What the account calls the two sums of a quantity."""
Weights = Callable[[Incidents], npt.NDArray[Any]]
OF_STAYS: dict[str, tuple[Weights, Weights | None]] = {
    "incidents": (lambda incidents: np.ones(len(incidents)), None),
    "silent_incidents": (lambda incidents: ~incidents.visible, None),
    "escalated_incidents": (
        lambda incidents: incidents.root >= 0,
        lambda incidents: np.ones(len(incidents)),
    ),
    "cleared_mean": (
        lambda incidents: (incidents.end - incidents.on) * ~incidents.censored,
        lambda incidents: ~incidents.censored,
    ),
}


def test_every_count_is_checked() -> None:
    assert {*COUNTED_AS, *OF_STAYS} == {each.key for each in COUNTED}


@pytest.mark.parametrize("key", COUNTED_AS)
def test_sums_are_those_of_a_plain_account(played: Played, key: str) -> None:
    collected, account = played
    parts = {each.key: each for each in COUNTED}[key].parts
    sums = collected.sums(key).sum(axis=0)
    for column, name in enumerate(COUNTED_AS[key]):
        apart = [
            len(SEEDS) if name == EPISODES else account.count[name, part] for part in parts.names
        ]
        assert sums[1:, column].tolist() == apart, name
        team = np.array(apart)[parts.in_team].sum()
        assert sums[0, column] == (len(SEEDS) if name == EPISODES else team), name


@pytest.mark.parametrize("key", OF_STAYS)
def test_sums_of_incidents_are_sums_over_stays(played: Played, key: str) -> None:
    collected, _ = played
    incidents = collected.incidents
    for column, of in enumerate(OF_STAYS[key]):
        weights = np.ones(len(incidents)) if of is None else of(incidents)
        for e in range(len(SEEDS)):
            here = incidents.episode == e
            zones = [here & (network.HOST_ZONE[incidents.host] == z) for z in DEFENDED.numbers]
            apart = [1 if of is None else weights[zone].sum() for zone in zones]
            whole = 1 if of is None else weights[here].sum()
            assert collected.sums(key)[e, :, column].tolist() == [whole, *apart]


def test_a_stay_is_as_long_as_its_compromised_steps(played: Played) -> None:
    tallies, account = played
    incidents = tallies.incidents
    dirty = sum(account.count["host_steps", network.ZONES[z]] for z in DEFENDED.numbers)
    dirty -= sum(account.count["clean", network.ZONES[z]] for z in DEFENDED.numbers)
    assert (incidents.end - incidents.on).sum() == dirty


def test_values_are_what_their_formulas_say(played: Played) -> None:
    tallies, account = played
    found, count = of_collected(tallies), account.count

    def total(name: str, *, contractor: bool = True) -> int:
        zone = network.ZONES[network.CON]
        return sum(v for (n, p), v in count.items() if n == name and (contractor or p != zone))

    for key, above, below in (
        ("clean_hosts", "clean", "host_steps"),
        ("non_escalated_hosts", "no_root", "host_steps"),
        ("recovery_precision", "useful", "recoveries"),
        ("green_availability", "served", "tries"),
        ("access_availability", "accessed", "access"),
        ("hurtful_blocks", "hurtful", "blocks"),
        ("cost_for_nothing", "ignored", "charged"),
    ):
        metric, n = found.metric(key), total(below, contractor=False)
        assert metric.n == n
        if n:
            assert metric.value == pytest.approx(total(above, contractor=False) / n)
    for key, what in (("wasted_recoveries", "wasted"), ("impacts", "impacts"),
                      ("green_blocked", "blocked"), ("action_cost", "charged"),
                      ("restore_downtime", "restore_steps")):  # fmt: skip
        assert found.metric(key).value == pytest.approx(total(what) / len(SEEDS))
        assert found.metric(key).n == len(SEEDS)
    zone = network.ZONES[network.OZA]
    clean, steps = count["clean", zone], count["host_steps", zone]
    assert found.metric("clean_hosts", zone).value == pytest.approx(clean / steps)


def test_intervals_hold_their_values(played: Played) -> None:
    found = of_collected(played[0])
    assert {metric.key for metric in found.metrics} == {d.key for d in DEFINITIONS}
    for metric in found.metrics:
        assert (metric.value is None) == (metric.reason is not None), metric
        if metric.value is not None:
            known = metric.low is not None
            assert known or metric.episodes < MIN_EPISODES, metric
            assert metric.low is None or metric.low <= metric.value, metric
            assert metric.high is None or metric.value <= metric.high, metric
        assert 0 <= metric.episodes <= found.episodes == len(SEEDS)


def test_only_the_team_is_compared_with_the_published(played: Played) -> None:
    for metric in of_collected(played[0]).metrics:
        assert metric.scope == TEAM or not metric.published
    assert len(of_collected(played[0]).metric("recovery_precision").published) == 4


def test_sleep_recovers_nothing(tmp_path: Path) -> None:
    found = soc(trace_of(load_policy("sleep"), tmp_path / "trace"))
    precision = found.metric("recovery_precision")
    assert (precision.value, precision.n, precision.reason) == (None, 0, "There were none.")
    for key in ("useful_recoveries", "wasted_recoveries", "blocks", "action_cost"):
        metric = found.metric(key)
        # None was seen, which does not prove that there never are any.
        assert (metric.value, metric.low) == (0, 0)
        assert metric.high == pytest.approx(3 / len(SEEDS))
    respond = found.metric("time_to_respond_median")
    assert respond.value is None
    assert respond.n > MIN_EVENTS
    assert respond.reason is not None and respond.reason.startswith("Not reached")
    assert found.metric("time_to_respond_mean").value == 100
    assert found.metric("access_availability").value == 1
    assert found.metric("cleared_mean").value is None
    detected, silent = (found.metric(f"time_to_detect{s}_mean") for s in ("", "_silent"))
    assert detected.value < silent.value


def test_a_quick_defender_is_quick_where_it_can_see(tmp_path: Path) -> None:
    found = soc(trace_of(RestoresOnProcess(), tmp_path / "trace"))
    visible, silent = (found.metric(f"time_to_respond_{s}_median") for s in ("visible", "silent"))
    assert visible.value == 0
    assert silent.value is None or silent.value > 20
    assert found.metric("dwell_visible_mean").value < found.metric("dwell_silent_mean").value


def test_without_observations_nothing_is_said_about_alerts(tmp_path: Path) -> None:
    trace = trace_of(RestoresOnProcess(), tmp_path / "trace", with_observations=False)
    found = soc(trace)
    for metric in found.metrics:
        blind = metric.key.startswith(("time_to_detect", "alert_to_response"))
        assert (metric.reason == "The trace was recorded without observations.") == blind
    assert found.metric("dwell_visible_mean").value is not None


def handmade(folder: Path, **tables: list[dict[str, Any]]) -> Soc:
    """Metrics of an episode of ten steps in a world of one host that blue defends."""
    host = {"episode": 0, "host": network.HOST_NAMES[network.user(network.OZA)]}
    steps = [{"episode": 0, "step": t} for t in range(10)]
    return soc(write_trace(folder, [{"steps": steps, "hosts": [host], **tables}]))


def test_few_recoveries_have_no_precision(tmp_path: Path) -> None:
    name = network.HOST_NAMES[network.user(network.OZA)]
    rows = [
        {
            **{"episode": 0, "step": t, "agent": "blue_agent_1", "action_type": "Restore"},
            **{"completed": "Restore", "completed_host": name, "completed_level": t % 3},
            **{"started": True, "target_host": name},
        }
        for t in range(9)
    ]
    found = handmade(tmp_path / "trace", blue=rows)
    assert found.metric("useful_recoveries").value == 6
    assert found.metric("wasted_recoveries").value == 3
    precision = found.metric("recovery_precision")
    assert (precision.value, precision.n) == (None, 9)
    assert precision.reason == "Not enough data: n = 9."
    assert found.metric("action_cost").low is None  # a single episode shows no spread


def test_a_block_hurts_only_while_it_is_in_force_and_on_its_link(tmp_path: Path) -> None:
    def switch(step: int, kind: str, to: int, source: int, outcome: str = "SUCCESS") -> dict:
        zones = {"target_zone": network.ZONES[to], "source_zone": network.ZONES[source]}
        agent = agents.BLUE[agents.BLUE_OF_ZONE[to]]
        done = {"action_type": kind, "started": True, "completed": kind, "outcome": outcome}
        return {"episode": 0, "step": step, "agent": agent, **zones, **done}

    def failure(step: int, user: int, server: int) -> dict:
        ends = {
            "host": network.HOST_NAMES[network.user(user)],
            "target_host": network.HOST_NAMES[network.server(server)],
        }
        work = {"kind": "GreenAccessService", "cause": "traffic_blocked"}
        return {"episode": 0, "step": step, **ends, **work}

    block, allow = "BlockTrafficZone", "AllowTrafficZone"
    oza, rza, rzb, ozb, con = (network.OZA, network.RZA, network.RZB, network.OZB, network.CON)
    found = Collector()
    folder = tmp_path / "trace"
    steps = [{"episode": 0, "step": t} for t in range(10)]
    hosts = [{"episode": 0, "host": network.HOST_NAMES[network.user(oza)]}]
    blue = [
        switch(1, block, oza, rza),  # hurts from its own step on, against its direction
        switch(2, block, oza, rza, "FAILURE"),  # changes nothing
        switch(4, allow, oza, rza),  # too late for step 3, in time for step 4
        switch(6, block, oza, rza),  # put up again; nobody minds
        switch(2, block, rzb, con),  # hurts in its direction
        switch(5, block, ozb, con),  # the only failure on it came before
    ]
    green = [failure(1, oza, rza), failure(3, rza, oza), failure(4, oza, rza),
             failure(9, rzb, con), failure(3, ozb, con)]  # fmt: skip
    part = {"steps": steps, "hosts": hosts, "blue": blue, "green": green}
    run(write_trace(folder, [part]), [found])
    hurtful, every = found.sums("hurtful_blocks")[0].T.tolist()
    assert (hurtful, every) == ([2, 0, 1, 1, 0, 0], [4, 0, 2, 1, 1, 0])  # team, then agents
