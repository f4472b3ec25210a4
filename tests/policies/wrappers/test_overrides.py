"""Overridden policies, and the remedies they are under."""

import dataclasses
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    ACTION_AGENT,
    ACTION_LINK,
    ACTION_SLOT,
    ACTION_TYPE,
    OFFSETS,
    ON_SLOT,
    SLEEP,
)
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies import remedies
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.knowledge import Knowledge
from cagexplain.policies.registry import load_policy
from cagexplain.policies.remedies import REMEDIES, remedies_of
from cagexplain.policies.targets import on_slots
from cagexplain.policies.trees.tree import TreePolicy
from cagexplain.policies.wrappers.base import unwrapped
from cagexplain.policies.wrappers.mask_sleep import MaskSleep
from cagexplain.policies.wrappers.overrides import Overridden, Remedy, idles
from cagexplain.policies.wrappers.team import MixedTeam
from tests.policies.test_branch import check_branching
from tests.policies.trees.test_tree import RESTORES

SEEDS = np.arange(70, 74)
PARAMS = EnvParams(steps=120)
BY_ID = {remedy.id: remedy for remedy in REMEDIES}


def play(
    policy: Policy, see: Callable[[BatchedEnv, Decision], None], steps: int = 110
) -> BatchedEnv:
    env = BatchedEnv(len(SEEDS), params=PARAMS, threads=1)
    env.reset(SEEDS)
    policy.reset(SEEDS)
    for _ in range(steps):
        decision = policy.act(env.obs, env.mask, env.free)
        see(env, decision)
        env.step(decision.actions, decision.messages)
    return env


def started(policy: Policy) -> np.ndarray:
    """Positions of the actions that free agents chose, step by step, -1 for busy ones."""
    found: list[np.ndarray] = []
    play(policy, lambda env, d: found.append(np.where(env.free, d.actions + OFFSETS, -1)))
    return np.stack(found)


# What a policy is given instead of its choice.


def policies() -> dict[str, Policy]:
    tree = TreePolicy([RESTORES] * N_BLUE, deterministic=True)
    return {
        "scripted": load_policy("punch"),
        "trained": load_policy("ippo_tuned"),
        "tree": tree,
        "masked": MaskSleep(load_policy("ippo_tuned")),
        "team": MixedTeam(load_policy("ippo_tuned"), tree, [1, 4]),
        "overridden": Overridden(load_policy("reactive"), [BY_ID["hunt"]]),
    }


@pytest.mark.parametrize("name", policies())
def test_a_choice_can_be_revised(name: str) -> None:
    """Revising a choice is the same as giving the revised actions, also in what is remembered."""
    monitor = np.array(actions.MONITOR_INDEX)
    revising, given_ = policies()[name], policies()[name]
    envs = [BatchedEnv(len(SEEDS), params=PARAMS, threads=1) for _ in range(2)]
    for policy, env in zip((revising, given_), envs, strict=True):
        env.reset(SEEDS)
        policy.reset(SEEDS)
    changed = 0
    for t in range(60):
        calls: list[np.ndarray] = []

        def revise(chosen: np.ndarray, calls: list[np.ndarray] = calls, t: int = t) -> np.ndarray:
            calls.append(chosen.copy())
            revised = chosen.copy()
            revised[:, t % N_BLUE] = monitor[t % N_BLUE]
            return revised

        env = envs[0]
        decision = revising.act(env.obs, env.mask, env.free, revise)
        assert len(calls) == 1
        wanted = revise(calls[0])
        np.testing.assert_array_equal(decision.actions, wanted)
        other = given_.act(envs[1].obs, envs[1].mask, envs[1].free, wanted)
        for told in ("messages", "probability"):
            np.testing.assert_equal(getattr(decision, told), getattr(other, told))
        changed += int((wanted != calls[0]).sum())
        for each in envs:
            each.step(wanted, decision.messages)
    assert changed > 20


# The wrapper.

NOTHING = Remedy("nothing", "Do nothing", "It does nothing.", ())
EMPTY = dataclasses.replace(
    NOTHING,
    forbid=lambda now: np.zeros((len(now.phase), actions.TOTAL), np.bool_),
    replace=lambda now, position: np.full_like(position, -1),
    demand=lambda now: np.full_like(now.action, -1),
    occupy=lambda now: np.full_like(now.action, -1),
)


@pytest.mark.parametrize("name", ["ippo_long", "random", "punch"])
@pytest.mark.parametrize("under", [(), (NOTHING,), (EMPTY, EMPTY)])
def test_a_remedy_that_does_nothing_changes_nothing(name: str, under: tuple[Remedy, ...]) -> None:
    policy = load_policy(name)
    overridden = Overridden(policy, under)
    plain, ours = evaluate(policy, SEEDS, PARAMS), evaluate(overridden, SEEDS, PARAMS)
    np.testing.assert_array_equal(plain.penalties, ours.penalties)
    np.testing.assert_array_equal(plain.costs, ours.costs)
    assert overridden.changed.sum() == 0 < overridden.decisions.sum()


class Narrowed(MaskSleep):
    """A policy that may not deploy decoys, by its mask."""

    def act(self, obs: Any, mask: Any, free: Any, instead: Any = None) -> Decision:
        barred = (ACTION_TYPE == ActionKind.DECOY) & free[:, ACTION_AGENT]
        return self.inner.act(obs, mask & ~barred, free, instead)


NO_ALLOW = dataclasses.replace(
    NOTHING, forbid=lambda now: np.tile(ACTION_TYPE == ActionKind.ALLOW, (len(now.phase), 1))
)


@pytest.mark.parametrize("name", ["ippo_tuned", "ippo_long"])
def test_a_trained_policy_takes_its_next_best(name: str) -> None:
    policies = [load_policy(name, deterministic=True) for _ in range(3)]
    bare = dataclasses.replace(
        NOTHING, forbid=lambda now: np.tile(ACTION_TYPE == ActionKind.DECOY, (len(now.phase), 1))
    )
    ours = started(Overridden(policies[0], [bare]))
    np.testing.assert_array_equal(ours, started(Narrowed(policies[1])))
    assert (ACTION_TYPE[started(policies[2])] == ActionKind.DECOY).any()


def test_a_policy_that_draws_draws_again_what_is_forbidden() -> None:
    policy = load_policy("ippo_tuned", deterministic=False)
    env = BatchedEnv(64, params=PARAMS, threads=1)
    env.reset(np.arange(64))
    policy.reset(np.arange(64))
    plain = policy.act(env.obs, env.mask, env.free).actions + OFFSETS
    weights = np.exp(policy.weights())  # type: ignore[attr-defined]
    overridden = Overridden(load_policy("ippo_tuned", deterministic=False), [NO_ALLOW])
    overridden.reset(np.arange(64))
    ours = overridden.act(env.obs, env.mask, env.free).actions + OFFSETS
    kept = ACTION_TYPE[plain] != ActionKind.ALLOW
    assert 0.5 < kept.mean() < 0.99
    np.testing.assert_array_equal(ours[kept], plain[kept])
    assert (ACTION_TYPE[ours] != ActionKind.ALLOW).all()
    assert (np.take_along_axis(weights, ours, axis=1) > 0).all()
    assert len(np.unique(ours[~kept])) > 5


def test_a_policy_that_cannot_tell_its_next_best_waits() -> None:
    remedy = dataclasses.replace(
        NOTHING, forbid=lambda now: np.tile(ACTION_TYPE == ActionKind.RESTORE, (len(now.phase), 1))
    )
    found = started(Overridden(load_policy("restore_cycle"), [remedy]))
    np.testing.assert_array_equal(found, np.where(found >= 0, SLEEP, -1))


FIRST = [0, 16, 32, 48, 64]  # slots of each agent's first server, which is everywhere


def test_demands_come_in_the_order_of_the_remedies_and_yield_to_what_is_forbidden() -> None:
    first, second = (
        dataclasses.replace(
            NOTHING,
            demand=lambda now, k=kind: np.tile(
                ON_SLOT[k][[0, 16, 32, 48, 64]], (len(now.phase), 1)
            ),
        )
        for kind in (ActionKind.RESTORE, ActionKind.DECOY)
    )
    barred = dataclasses.replace(
        NOTHING,
        forbid=lambda now: on_slots(ActionKind.RESTORE, np.ones_like(now.exists)),
    )
    sleep = load_policy("sleep")
    for under, kind in (
        ((first, second), ActionKind.RESTORE),
        ((second, first), ActionKind.DECOY),
        ((first, second, barred), ActionKind.DECOY),
    ):
        found = started(Overridden(sleep, under))
        assert (ACTION_TYPE[found[0]] == kind).all()


@pytest.mark.parametrize("name", ["ippo_tuned", "punch"])
def test_a_branch_plays_what_the_original_plays(name: str) -> None:
    check_branching(Overridden(load_policy(name), REMEDIES))


def test_a_branch_of_a_policy_that_draws_again_plays_what_the_original_plays() -> None:
    policy = load_policy("ippo_tuned", deterministic=False)
    check_branching(Overridden(policy, [NO_ALLOW, BY_ID["restore_on_evidence"]]))


def test_it_tells_what_it_is() -> None:
    policy = Overridden(MaskSleep(load_policy("ippo_tuned")), [BY_ID["hunt"], BY_ID["rearm"]])
    assert policy.name == "ippo_tuned with hunt, rearm"
    assert policy.kind == "checkpoint"
    assert unwrapped(policy).name == "ippo_tuned"
    told = json.loads(json.dumps(policy.describe()))
    assert told["remedies"] == ["hunt", "rearm"]
    assert told["policy"]["mask_sleep"] is True


# The table.


def test_the_table_is_well_formed() -> None:
    assert len(BY_ID) == len(REMEDIES)
    for remedy in REMEDIES:
        assert re.fullmatch(r"[a-z_]+", remedy.id)
        assert remedy.title[0].isupper() and not remedy.title.endswith(".")
        assert remedy.text.endswith(".") and remedy.checks
        assert all(re.fullmatch(r"[A-Z]{3}-\d\d", check) for check in remedy.checks)
        assert any((remedy.forbid, remedy.replace, remedy.demand, remedy.occupy))
    assert remedies_of("POL-04") == (BY_ID["silent_while_busy"],)
    assert remedies_of("SUR-01") == ()


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    chosen=st.lists(st.sampled_from(REMEDIES), min_size=1, max_size=len(REMEDIES), unique=True),
    name=st.sampled_from(["random", "restore_spam", "block_allow_cycle", "punch", "ippo_tuned"]),
)
def test_remedies_submit_valid_actions_and_leave_busy_agents_alone(
    chosen: list[Remedy], name: str
) -> None:
    seen: list[np.ndarray] = []

    class Inner:
        def __init__(self) -> None:
            self.inner = load_policy(name)

        def __getattr__(self, attribute: str) -> Any:
            return getattr(self.inner, attribute)

        def act(self, obs: Any, mask: Any, free: Any, instead: Any = None) -> Decision:
            def watch(own: np.ndarray) -> np.ndarray:
                seen.append(own)
                return instead(own)

            return self.inner.act(obs, mask, free, watch)

    def check(env: BatchedEnv, decision: Decision) -> None:
        position = decision.actions + OFFSETS
        assert np.take_along_axis(env.mask, position, axis=1).all()
        busy = ~env.free
        kept = (decision.actions == seen[-1]) | (position == SLEEP)
        assert kept[busy].all()

    play(Overridden(Inner(), chosen), check, steps=60)  # type: ignore[arg-type]


class Alerts:
    """Alert bits host by host, read plainly."""

    def __init__(self, obs: np.ndarray, agent: int) -> None:
        own = obs[observations.slice_of(agent)]
        hosts = [int(h) for h in observations.HOSTS[agent]]
        self.process = [h for h in hosts if own[observations.process_bit(agent, h)]]
        self.connection = [h for h in hosts if own[observations.connection_bit(agent, h)]]


class RestoresOpenAlerts:
    """What `restore_alerted` makes of Sleep, one agent at a time: Restore the host whose process
    alert is the latest of those that no Restore has answered, the first of equals."""

    name, kind = "rule", "scripted"

    def reset(self, seeds: np.ndarray) -> None:
        self.open: list[dict[int, int]] = [{} for _ in range(len(seeds) * N_BLUE)]
        self.running = [-1] * (len(seeds) * N_BLUE)
        self.step = 0

    def act(self, obs: Any, mask: Any, free: Any, instead: Any = None) -> Decision:
        chosen = np.tile(actions.SLEEP_INDEX, (len(obs), 1))
        for i in range(len(obs) * N_BLUE):
            e, agent = divmod(i, N_BLUE)
            seen = self.open[i]
            if free[e, agent]:
                seen.pop(self.running[i], None)
                self.running[i] = -1
            alerts = Alerts(obs[e], agent)
            seen.update(dict.fromkeys(alerts.process, self.step))
            for host in set(alerts.connection) & set(seen):
                seen[host] = self.step
            if free[e, agent] and seen:
                order = [int(h) for h in observations.HOSTS[agent]]
                host = min(seen, key=lambda h: (-seen[h], order.index(h)))
                chosen[e, agent] = actions.index(agent, ActionKind.RESTORE, host=host)
                self.running[i] = host
        self.step += 1
        return Decision(chosen.astype(np.int64))


def test_sleep_that_restores_on_alert_is_the_reactive_rule() -> None:
    ours = started(Overridden(load_policy("sleep"), [BY_ID["restore_alerted"]]))
    theirs = started(RestoresOpenAlerts())  # type: ignore[arg-type]
    np.testing.assert_array_equal(ours, theirs)
    assert (ACTION_TYPE[theirs[theirs >= 0]] == ActionKind.RESTORE).sum() > 20


def positions(name: str, *ids: str) -> np.ndarray:
    return started(Overridden(load_policy(name), [BY_ID[i] for i in ids]))


def test_remove_is_used_where_an_alert_was_shown() -> None:
    flagged: set[tuple[int, int]] = set()
    removes = 0

    def check(env: BatchedEnv, decision: Decision) -> None:
        nonlocal removes
        for e in range(len(env.obs)):
            for agent in range(N_BLUE):
                flagged.update((e, h) for h in Alerts(env.obs[e], agent).process)
                action = decision.actions[e, agent]
                if actions.KIND[agent][action] == ActionKind.REMOVE:
                    assert (e, int(actions.HOST[agent][action])) in flagged
                    removes += 1

    play(Overridden(load_policy("remove_cycle"), [BY_ID["no_blind_remove"]]), check)
    assert removes > 0


def test_a_remove_is_followed_by_a_restore_of_the_host() -> None:
    found = positions("remove_cycle", "restore_after_remove")
    for e in range(found.shape[1]):
        for agent in range(N_BLUE):
            own = found[:, e, agent]
            own = own[own >= 0]
            removes = np.flatnonzero(ACTION_TYPE[own[:-1]] == ActionKind.REMOVE)
            assert len(removes) > 3
            assert (ACTION_TYPE[own[removes + 1]] == ActionKind.RESTORE).all()
            assert (ACTION_SLOT[own[removes + 1]] == ACTION_SLOT[own[removes]]).all()


def test_the_budget_is_kept() -> None:
    found = positions("restore_cycle", "restore_budget")
    for agent, share in enumerate((14, 14, 14, 14, 42)):
        restores = (ACTION_TYPE[found[..., agent]] == ActionKind.RESTORE) & (found[..., agent] >= 0)
        most = min(share, -(-110 // 5))
        assert (restores.sum(axis=0) == most).all()


def test_restores_have_evidence_until_a_sweep_is_due() -> None:
    latest: dict[tuple[int, int], int] = {}
    step, restores = 0, 0

    def check(env: BatchedEnv, decision: Decision) -> None:
        nonlocal step, restores
        for e, agent in np.ndindex(env.free.shape):
            alerts = Alerts(env.obs[e], agent)
            latest.update(((e, h), step) for h in alerts.connection)
            latest.update(((e, h), step + 1000) for h in alerts.process)  # counts until a Restore
            action = decision.actions[e, agent]
            restore = actions.KIND[agent][action] == ActionKind.RESTORE
            if restore and env.free[e, agent]:
                host = int(actions.HOST[agent][action])
                assert step - latest.get((e, host), -100) <= remedies.RECENT
                restores += 1
        step += 1

    under = [BY_ID["restore_on_evidence"]]
    play(Overridden(load_policy("restore_cycle"), under), check, steps=remedies.SWEEP)
    assert restores > 20


def test_open_links_stay_open_and_are_opened() -> None:
    blocked = []
    keep = BY_ID["keep_open"]

    def look(env: BatchedEnv, decision: Decision) -> None:
        now = Knowledge.fresh(len(env.obs))
        now.observe(env.obs, env.mask, env.free)
        blocked.append((now.blocked & ~now.prohibited).sum())

    play(Overridden(load_policy("block_allow_cycle"), [keep]), look)
    phase_changes = 2 * 30  # blocks of links that a new phase opens need some steps
    assert sum(blocked[:39]) == 0
    assert sum(blocked) <= phase_changes * len(SEEDS) * 10
    assert blocked[-1] == 0
    lifting = dataclasses.replace(keep, forbid=None)
    found = started(Overridden(load_policy("block_all_then_sleep"), [lifting]))
    assert (ACTION_TYPE[found[found >= 0]] == ActionKind.ALLOW).any()


def test_links_follow_the_phase() -> None:
    wrong = []

    def look(env: BatchedEnv, decision: Decision) -> None:
        now = Knowledge.fresh(len(env.obs))
        now.observe(env.obs, env.mask, env.free)
        wrong.append((now.blocked != now.prohibited).sum())

    play(Overridden(load_policy("random"), [BY_ID["follow_phase"]]), look)
    assert wrong[0] > 0
    assert wrong[38] == wrong[78] == wrong[-1] == 0  # the phases begin at 0, 40 and 80


def test_links_do_not_flap() -> None:
    found = positions("random", "no_flapping")
    for kind, other in (
        (ActionKind.BLOCK, ActionKind.ALLOW),
        (ActionKind.ALLOW, ActionKind.BLOCK),
    ):
        for e in range(found.shape[1]):
            for agent in range(N_BLUE):
                last: dict[int, int] = {}
                blocked: set[int] = set()
                for t, action in enumerate(found[:, e, agent]):
                    link = int(ACTION_LINK[action])
                    if action < 0 or link < 0:
                        continue
                    if ACTION_TYPE[action] == kind:
                        changes = (link in blocked) == (kind == ActionKind.ALLOW)
                        assert not changes or t - last.get(link, -100) > remedies.RECENT
                    if ACTION_TYPE[action] in (kind, other):
                        is_block = ACTION_TYPE[action] == ActionKind.BLOCK
                        if (link in blocked) != is_block:
                            last[link] = t
                        (blocked.add if is_block else blocked.discard)(link)


def test_decoys_cover_all_hosts_once() -> None:
    env = play(
        Overridden(load_policy("sleep"), [BY_ID["decoys_when_idle"], BY_ID["one_decoy"]]),
        lambda env, decision: None,
    )
    found = positions("sleep", "decoys_when_idle", "one_decoy")
    for e in range(len(SEEDS)):
        done = found[:, e][found[:, e] >= 0]
        slots = ACTION_SLOT[done[ACTION_TYPE[done] == ActionKind.DECOY]]
        assert len(np.unique(slots)) == len(slots)
        exists = env.mask[e, ON_SLOT[ActionKind.DECOY]]
        assert len(slots) == exists[np.arange(len(exists))].sum()


def test_a_restored_host_gets_a_decoy_again() -> None:
    found = positions("restore_cycle", "rearm")
    own = found[:, 0, 0]
    own = own[own >= 0]
    restores = np.flatnonzero(ACTION_TYPE[own[:-1]] == ActionKind.RESTORE)
    assert len(restores) > 5
    assert (ACTION_TYPE[own[restores + 1]] == ActionKind.DECOY).all()
    assert (ACTION_SLOT[own[restores + 1]] == ACTION_SLOT[own[restores]]).all()


def test_an_idle_agent_restores_all_its_user_hosts_in_turn() -> None:
    found = positions("sleep", "hunt")
    for e in range(found.shape[1]):
        for agent in range(N_BLUE):
            own = found[:, e, agent]
            steps = np.flatnonzero((own >= 0) & (ACTION_TYPE[own] == ActionKind.RESTORE))
            assert (np.diff(steps) == remedies.HUNT).all()
            assert len(steps) == (110 - 1) // remedies.HUNT
            few = ACTION_SLOT[own[steps]][:3]
            assert len(np.unique(few)) == 3


def test_nothing_is_repeated_without_news() -> None:
    restore = actions.index(0, ActionKind.RESTORE, host=int(actions.HOST[0][0]))
    again = dataclasses.replace(
        NOTHING, demand=lambda now: np.tile([restore, -1, -1, -1, -1], (len(now.phase), 1))
    )
    seen: list[list[Any]] = [[] for _ in SEEDS]

    def look(env: BatchedEnv, decision: Decision) -> None:
        for e in range(len(SEEDS)):
            alerts = Alerts(env.obs[e], 0)
            host = int(actions.HOST[0][0])
            news = host in alerts.process + alerts.connection
            seen[e].append((news, env.free[e, 0] and decision.actions[e, 0] == restore))

    play(Overridden(load_policy("sleep"), [again, BY_ID["no_repetition"]]), look)
    for steps in seen:
        done = [t for t, (_, restored) in enumerate(steps) if restored]
        for before, after in itertools.pairwise(done):
            assert any(news for news, _ in steps[before + 1 : after + 1])
    assert any(sum(restored for _, restored in steps) > 1 for steps in seen)


def test_no_traffic_rule_is_set_that_holds_already() -> None:
    links: set[tuple[int, int]] = set()

    def check(env: BatchedEnv, decision: Decision) -> None:
        now = Knowledge.fresh(len(env.obs))
        now.observe(env.obs, env.mask, env.free)
        position = decision.actions + OFFSETS
        for e, agent in zip(*np.nonzero(env.free & (ACTION_LINK[position] >= 0)), strict=True):
            link = ACTION_LINK[position[e, agent]]
            is_block = ACTION_TYPE[position[e, agent]] == ActionKind.BLOCK
            assert now.blocked[e, link] != is_block
            links.add((int(e), int(link)))

    play(Overridden(load_policy("block_allow_cycle"), [BY_ID["no_useless_rules"]]), check)
    assert len(links) > 20


def test_nothing_is_charged_while_busy() -> None:
    spam = load_policy("restore_spam")
    quiet = Overridden(load_policy("restore_spam"), [BY_ID["silent_while_busy"]])
    plain, ours = evaluate(spam, SEEDS, PARAMS), evaluate(quiet, SEEDS, PARAMS)
    np.testing.assert_array_equal(plain.penalties, ours.penalties)
    paid = -ours.costs.sum(axis=(1, 2))
    free_steps = -(-PARAMS.steps // 5)
    assert (paid <= free_steps * N_BLUE).all()
    assert (-plain.costs.sum(axis=(1, 2)) > 4 * paid).all()
    assert (quiet.changed > 0).all() and (quiet.changed < quiet.decisions).all()


def test_alerted_hosts_are_restored_rather_than_looked_at() -> None:
    remove = positions("reactive_remove", "restore_not_look")
    restore = positions("reactive")
    np.testing.assert_array_equal(remove[:1], restore[:1])
    assert not (ACTION_TYPE[remove[remove >= 0]] == ActionKind.REMOVE).any()
    assert (ACTION_TYPE[remove[remove >= 0]] == ActionKind.RESTORE).any()


def test_an_analyse_can_be_spared_by_those_who_are_not_told_what_it_lists() -> None:
    now = Knowledge.fresh(1)
    analyse = OFFSETS + np.array(
        [actions.index(a, ActionKind.ANALYSE, host=int(actions.HOST[a][0])) for a in range(N_BLUE)]
    )
    for seen in (False, True):
        assert idles(now, SLEEP[None], sees_files=seen).all()
        assert (idles(now, analyse[None], sees_files=seen) != seen).all()
