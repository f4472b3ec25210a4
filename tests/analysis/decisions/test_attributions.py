"""Integrated gradients and the smallest flips, against networks whose answers are known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from cagexplain.analysis.decisions.alternatives import preferences
from cagexplain.analysis.decisions.attributions import attribute, integrated_gradients
from cagexplain.analysis.decisions.flips import _changed, flips, possible_changes
from cagexplain.analysis.decisions.replay import DecisionPlace, Moment
from cagexplain.cc4 import actions, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.cc4.layout import PROCESS as PROCESS_ENTRY
from cagexplain.cc4.layout import SLOT_START
from cagexplain.cc4.sightings import Sightings
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Policy, decide
from cagexplain.policies.checkpoint import Checkpoint
from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.trained import TrainedPolicy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.trees.named_features import NAMES
from cagexplain.policies.trees.tree import Tree, TreePolicy
from cagexplain.policies.wrappers.mask_sleep import MaskSleep

PARAMS = EnvParams(steps=100)
AGENT = 2
HOSTS = (network.server(network.RZB), network.user(network.RZB, 1))  # exist in every world
RESTORE = [actions.index(AGENT, ActionKind.RESTORE, host=h) for h in HOSTS]
PROCESS = [observations.process_bit(AGENT, h) for h in HOSTS]
SLEEP = actions.SLEEP_INDEX[AGENT]


def trained(config: Mapping[str, Any], seed: int = 1, **weights: Any) -> TrainedPolicy:
    full = {"network": "mlp", "observation": "flat", "hidden": (16,), "acting": "greedy", **config}
    stacks = networks.build_actors(full)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(seed), 1.0)
    content = {"actors": networks.stored(stacks), **weights}
    return TrainedPolicy(Checkpoint("ippo", "test", dict(full), content, {}))


def planted(first: float, second: float, threshold: float, **weights: Any) -> TrainedPolicy:
    """Restores the first host if first * a + second * b > threshold, where a and b are the process
    alerts on two hosts; else it sleeps."""
    policy = trained({"hidden": (1,)}, **weights)
    group = next(g for g, members in enumerate(features.GROUPS) if AGENT in members)
    (w1, b1), (w2, b2) = policy.actors[group].layers
    for tensor in (w1, b1, w2, b2):
        tensor.zero_()
    member = features.GROUPS[group].index(AGENT)
    w1[member, PROCESS[0], 0], w1[member, PROCESS[1], 0] = first, second
    b1[member] = -threshold
    w2[member, 0, RESTORE[0]] = 10
    b2[member, SLEEP] = 1e-3
    return policy


def moment(
    policy: Policy, step: int = 30, agent: int = AGENT, alerted: tuple[int, ...] = ()
) -> Moment:
    """The decision of an agent after some steps in which it did nothing special, with process
    alerts on some of `HOSTS` and on nothing else."""
    env = BatchedEnv(1, params=PARAMS, threads=1)
    env.reset([4])
    policy.reset(np.array([4]))
    for _ in range(step):
        decision = policy.act(env.obs, env.mask, env.free)
        env.step(decision.actions, decision.messages)
    own = env.obs[0, observations.slice_of(agent)]
    for host in observations.HOSTS[agent].tolist():
        own[[observations.process_bit(agent, host), observations.connection_bit(agent, host)]] = 0
    own[[observations.process_bit(agent, host) for host in alerted]] = 1
    env.state["blue_action"][:] = -1  # everyone is free
    before = policy.branch(np.zeros(1, np.int64))
    decision = policy.act(env.obs, env.mask, np.ones_like(env.free))
    talks = decision.messages is not None
    return Moment(DecisionPlace(0, step, agent), 4, env.save(), before, decision.actions[0], talks)


def test_of_a_linear_function_the_attributions_are_known() -> None:
    weight = torch.tensor([2.0, -1.0, 0.5, 0.0], dtype=torch.float64)
    x = torch.tensor([[1.0, 1.0, 4.0, 3.0]], dtype=torch.float64)
    baseline = torch.tensor([[0.0, 1.0, 2.0, 0.0]], dtype=torch.float64)
    found, error = integrated_gradients(lambda rows: rows @ weight + 7, x, baseline, 10)
    np.testing.assert_allclose(found, [2, 0, 1, 0], atol=1e-6)
    assert error == pytest.approx(0, abs=1e-6)


def test_of_a_product_the_attributions_are_halves() -> None:
    """Known integral: of x * y from the origin, both contribute x * y / 2."""
    x = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    found, _ = integrated_gradients(lambda r: r[:, 0] * r[:, 1], x, torch.zeros_like(x), 10)
    np.testing.assert_allclose(found, [6, 6], atol=1e-6)


def test_the_alert_that_drives_the_choice_is_named() -> None:
    found = moment(planted(2, 0, 0, outputs="values"), alerted=HOSTS)
    assert found.chosen == RESTORE[0]
    told = attribute(found)
    assert told is not None
    assert told.target == "value of the choice"
    (influence, *others) = told.influences
    assert influence.name == "process alert on server_host_0 (RZB)"
    assert (influence.value, influence.baseline) == (1, 0)
    assert influence.attribution == pytest.approx(20)
    assert all(other.attribution == 0 for other in others)
    assert (told.at_baseline, told.at_input) == pytest.approx((0, 20))


NETWORKS: dict[str, dict[str, Any]] = {
    "flat": {},
    "memory": {"observation": "memory", "hidden": (16, 16)},
    "scores": {"observation": "memory", "network": "scores", "hidden": (16, 8)},
    "scores-flat": {"observation": "flat", "network": "scores", "hidden": (16, 8)},
    "hosts": {"observation": "memory", "network": "hosts"},
    "shared": {"observation": "memory", "network": "shared", "hidden": (8, 8)},
    "lstm": {"core": "lstm", "core_size": 8},
    "gru": {"observation": "memory", "core": "gru", "core_size": 8},
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("agent", [AGENT, 4])
def test_attributions_add_up(kind: str, values: bool, agent: int) -> None:
    weights = {"outputs": "values"} if values else {}
    policy = trained(NETWORKS[kind], **weights)
    zone = BLUE_ZONES[agent][0]
    alerted = (network.server(zone), network.user(zone, 2))
    found = moment(policy, agent=agent, alerted=alerted)
    told = attribute(found)
    assert told is not None
    difference = told.at_input - told.at_baseline
    total = sum(influence.attribution for influence in told.influences)
    assert abs(difference) > 1e-3, "there is something to explain"
    assert total == pytest.approx(difference, abs=0.02 * abs(difference) + 1e-4)
    assert told.completeness_error == pytest.approx(total - difference, abs=1e-6)
    assert bool(told.notes) == (kind in ("lstm", "gru"))
    # The target at the input is what the policy itself computes.
    branch = found.policy.branch(np.zeros(1, np.int64))
    branch.act(found.snapshot.obs, found.snapshot.mask, found.free, found.submitted[None])
    own = branch.weights()[0, actions.slice_of(agent)]  # type: ignore[attr-defined]
    assert told.at_input == pytest.approx(float(own[found.chosen]), abs=1e-4)


def test_policies_without_a_network_have_no_gradients() -> None:
    assert attribute(moment(load_policy("punch"))) is None


def test_sleep_masked_is_no_alternative() -> None:
    found = moment(MaskSleep(trained({"acting": "greedy"})))
    told = attribute(found)
    assert told is not None
    assert told.at_input > np.log(1 / (actions.SIZES[AGENT] - 2))


@pytest.mark.parametrize("profile", features.PROFILES)
@pytest.mark.parametrize("agent", range(5))
def test_every_input_has_a_name_of_its_own(profile: str, agent: int) -> None:
    names = features.names(profile, agent)
    assert len(names) == len(set(names)) == features.sizes(profile)[agent]
    assert len(features.units(profile, agent)) == len(names)
    for host in observations.HOSTS[agent].tolist():
        label = features.host_label(host)
        assert names[observations.process_bit(agent, host)] == f"process alert on {label}"
        assert names[observations.connection_bit(agent, host)] == f"connection alert on {label}"
    if profile == "memory":
        staleness = observations.SIZES[agent] + 4 * len(observations.HOSTS[agent])
        first = features.host_label(int(observations.HOSTS[agent][0]))
        assert names[staleness] == f"steps since the last Restore of {first}"
        assert features.units(profile, agent)[staleness] == 100


def test_a_single_alert_flips_a_reactive_policy() -> None:
    found = moment(load_policy("reactive"))
    told = flips(found)
    there = [
        host
        for host in observations.HOSTS[AGENT].tolist()
        if found.snapshot.mask[
            0, actions.OFFSETS[AGENT] + actions.index(AGENT, ActionKind.ANALYSE, host=host)
        ]
    ]
    assert (told.size, told.total) == (1, len(there))
    assert told.tried == len(list(possible_changes(found)))
    for flip, host in zip(told.found, there, strict=False):
        label = features.host_label(host)
        assert flip.changes == (f"with a process alert on {label}",)
        assert (flip.action, flip.kind) == (f"Restore {label}", "Restore")


def test_without_its_alert_a_reactive_policy_goes_on_with_its_rota() -> None:
    found = moment(load_policy("reactive"), alerted=HOSTS[1:])
    told = flips(found)
    label = features.host_label(HOSTS[1])
    calm = [flip for flip in told.found if flip.kind == "Analyse"]
    assert [flip.changes for flip in calm] == [(f"without the process alert on {label}",)]


def test_two_changes_where_one_is_not_enough() -> None:
    found = moment(planted(1, 1, 1.5))
    assert found.chosen == SLEEP
    told = flips(found)
    assert (told.size, told.total, told.preferred) == (2, 1, "Sleep")
    labels = [f"with a process alert on {features.host_label(h)}" for h in HOSTS]
    assert set(told.found[0].changes) == set(labels)
    assert told.found[0].action == f"Restore {features.host_label(HOSTS[0])}"


def test_what_is_remembered_changes_with_the_observation() -> None:
    """A network that looks at nothing but "process alert since the last Restore" flips with the
    alert that this entry follows from."""
    policy = trained({"observation": "memory", "hidden": (1,)})
    group = next(g for g, members in enumerate(features.GROUPS) if AGENT in members)
    member = features.GROUPS[group].index(AGENT)
    layers = policy.actors[group].layers
    for tensor in (t for layer in layers for t in layer):
        tensor.zero_()
    label = features.host_label(HOSTS[0])
    entry = features.names("memory", AGENT).index(
        f"process alert since the last Restore of {label}"
    )
    layers[0][0][member, entry, 0] = 1
    layers[1][0][member, 0, RESTORE[0]] = 1
    layers[1][1][member, SLEEP] = 0.5
    told = flips(moment(policy, step=0))
    assert [flip.changes for flip in told.found] == [(f"with a process alert on {label}",)]


def test_an_exploit_flips_a_policy_that_reads_raw_observations() -> None:
    """In place of its round of Analyses it removes what was opened. An alert alone does not flip
    it: users raise such, too."""
    env = BatchedEnv(1, params=PARAMS, threads=1)
    env.reset([4])
    policy = load_policy("champion")
    policy.reset(np.array([4]))
    for _ in range(30):
        env.step(decide(policy, env).actions)
    while not env.free[0, AGENT]:
        env.step(decide(policy, env).actions)
    before = policy.branch(np.zeros(1, np.int64))
    snapshot = env.save()
    chosen = decide(policy, env).actions[0]
    found = Moment(DecisionPlace(0, 30, AGENT), 4, snapshot, before, chosen, False)
    told = flips(found, limit=1)
    changed = {flip.changes for flip in told.found}
    host = HOSTS[0]
    label = features.host_label(host)
    assert (f"with an exploit seen on {label}",) in changed
    assert not any("alert" in text for (text,) in changed)
    told_of = {flip.changes: flip.action for flip in told.found}
    assert told_of[f"with an exploit seen on {label}",] == f"Remove {label}"


def test_without_its_alert_no_exploit_is_seen() -> None:
    obs = np.ones((1, observations.TOTAL), np.int8)
    seen = Sightings.nothing(1)
    seen.exploited[:] = True
    seen.attacked_by[:] = 0b1011
    seen.passed_by[:] = 0b100
    others = np.full((1, 2 * len(observations.HOSTS[AGENT])), -1)
    first = int(SLOT_START[AGENT])
    obs[0, PROCESS_ENTRY[first]] = 0
    others[0, 1] = 0  # no exploit on the second host
    others[0, len(observations.HOSTS[AGENT]) + np.arange(3)] = 0, 1, 0
    changed = _changed(seen, AGENT, obs, others)
    assert changed.exploited[0, first : first + 3].tolist() == [False, False, True]
    assert changed.exploited[0, : SLOT_START[AGENT]].all()
    assert changed.sources(AGENT)[0, :4].tolist() == [False, True, False, True]


@pytest.mark.parametrize("name", ["sleep", "random"])
def test_what_does_not_look_cannot_be_flipped(name: str) -> None:
    told = flips(moment(load_policy(name)))
    assert (told.size, told.found, told.total, told.limit) == (None, (), 0, 2)
    assert told.tried > 100


def test_messages_can_flip_who_listens() -> None:
    silent, talking = (trained({"messages": kind}) for kind in ("none", "action"))
    counts = [len(list(possible_changes(moment(policy)))) for policy in (silent, talking)]
    assert counts[1] - counts[0] == observations.N_MESSAGE_ENTRIES


def test_a_tree_tells_the_path_to_its_choice() -> None:
    """Restore scores 2, everything else 1."""
    is_restore = NAMES.index("action is Restore")
    tree = Tree(
        feature=np.array([is_restore, -1, -1]),
        threshold=np.array([0.5, 0, 0]),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        weight=np.array([0.0, 1.0, 2.0]),
    )
    told = preferences(moment(TreePolicy([tree] * 5, deterministic=True)))
    assert told.path == ("action is Restore: yes",)
    assert told.likeliest(RESTORE[0]) is True
    assert told.probability(RESTORE[0]) == pytest.approx(2 * (told.probability(SLEEP) or 0))
