"""Robustness: what is known in advance comes out."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.checks import check
from cagexplain.audit.compose import outside
from cagexplain.audit.judge import declared
from cagexplain.audit.play import robustness
from cagexplain.audit.play.conditions import CONDITIONS, LOSSES, POOL, RADIO, networks, without
from cagexplain.audit.play.robustness import Varied, vary
from cagexplain.audit.play.stability import stability
from cagexplain.audit.play.team import PlayCounts
from cagexplain.audit.profiles import load_profile
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding, Variation
from cagexplain.cc4 import actions, red_fsm
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import MESSAGES, OFFSETS, SLEEP
from cagexplain.cc4.observations import MESSAGE_BITS
from cagexplain.cc4.red_fsm import N_RED_ACTIONS
from cagexplain.cc4.reds import PORTFOLIO, VARIANTS
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Decision, done
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.base import Wrapper
from cagexplain.policies.wrappers.noise import NoisyAlerts
from cagexplain.stats.estimates import Function, estimates
from cagexplain.stats.simultaneous import Largest
from tests.support.small import ENOUGH

pytestmark = pytest.mark.slow

SEEDS = np.arange(300, 300 + ENOUGH)
STEPS = 100
PARAMS = EnvParams(steps=STEPS)


@cache
def varied(name: str, *siblings: str) -> Varied:
    return vary(
        load_policy(name), SEEDS, PARAMS, siblings=[load_policy(other) for other in siblings]
    )


def variation(found: Varied, key: str) -> Variation:
    (one,) = [v for v in found.variations if v.key == key]
    return one


def test_every_condition_is_played_once_the_usual_ones_first() -> None:
    found = varied("punch", "punch")
    keys = [v.key for v in found.variations]
    assert keys[0] == "usual"
    assert len(set(keys)) == len(keys)
    every = {c.key for c in (*CONDITIONS, *RADIO, *LOSSES)}
    assert every - set(keys) == {"red_finite_state"}
    reds = {key.removeprefix("red_") for key in keys if key.startswith("red_")}
    assert reds | {"finite_state", "verbose"} == {*VARIANTS, *PORTFOLIO}
    assert {v.group for v in found.variations} == {
        *("usual", "alerts", "red", "attacker", "length", "network", "team", "training")
    }
    assert all(v.episodes == len(SEEDS) for v in found.variations)


def test_returns_are_those_of_the_evaluation_under_the_condition() -> None:
    found = varied("punch", "punch")
    policy = load_policy("punch")
    usual = evaluate(policy, SEEDS, PARAMS).returns
    for key, other in (
        ("drop_alerts", evaluate(NoisyAlerts(policy, drop=0.25), SEEDS, PARAMS)),
        ("red_impact", evaluate(policy, SEEDS, EnvParams(steps=STEPS, red="impact"))),
        ("phishing", evaluate(policy, SEEDS, EnvParams(steps=STEPS, phishing=0.75))),
    ):
        one = variation(found, key)
        assert one.mean_return.mean == pytest.approx(other.returns.mean())
        assert one.change is not None
        assert one.change.mean == pytest.approx((other.returns - usual).mean())
    assert variation(found, "long").change is None
    assert variation(found, "smallest_networks").change is None


def lost(name: str, params: EnvParams, wrapped: Any = lambda policy: policy) -> float:
    return -float(evaluate(wrapped(load_policy(name)), SEEDS, params).returns.mean())


def test_a_multiple_holds_losses_against_the_experts_under_the_same_condition() -> None:
    found = varied("reactive")
    usual, expert = lost("reactive", PARAMS), lost("expert", PARAMS)
    for key, params, noise in (
        ("fast_red", EnvParams(steps=STEPS, red_duration=(1,) * N_RED_ACTIONS), 0.0),
        ("red_degrade", EnvParams(steps=STEPS, red="degrade"), 0.0),
        ("drop_alerts", PARAMS, 0.25),
    ):
        there, experts = (
            lost(name, params, partial(NoisyAlerts, drop=noise)) for name in ("reactive", "expert")
        )
        one = variation(found, key)
        assert one.expert is not None and one.multiple is not None
        assert one.expert.mean == pytest.approx(-experts)
        may_lose = max(usual, expert) + max(experts - expert, 0)
        assert one.multiple.mean == pytest.approx(there / may_lose)
        assert (one.check, one.effects != ()) == ("ROB-02", True)
    long = variation(found, "long").multiple
    there, experts = (
        lost(name, EnvParams(steps=1000)) * (STEPS - 1) / 999 for name in ("reactive", "expert")
    )
    assert long is not None
    assert long.mean == pytest.approx(there / (max(usual, expert) + max(experts - expert, 0)))


def test_rob_02_is_the_worst_condition_with_limits_that_hold_together() -> None:
    found = varied("reactive")
    (worst,) = found.numbers["ROB-02"]
    judged = [v.multiple for v in found.variations if v.check == "ROB-02"]
    assert not isinstance(worst, str)
    assert len(judged) == len(CONDITIONS) + 1  # two networks more, and the usual red less
    for number, limit in (("mean", worst.value), ("low", worst.low), ("high", worst.high)):
        assert limit == max(getattr(one, number) for one in judged if one)
    assert (worst.n, worst.episodes) == (len(SEEDS), len(SEEDS))
    assert isinstance(worst.spread, Largest)
    assert 1 < worst.spread.tests < len(judged)
    (alone,) = estimates(
        [Function(lambda t: robustness._multiple(0, t), robustness._episodes)],
        _columns("reactive", EnvParams(steps=STEPS, red="degrade")),
    )
    one = variation(found, "red_degrade").multiple
    assert one is not None and one.low is not None and one.high is not None
    assert one.low < alone.low <= alone.high < one.high


def _columns(name: str, params: EnvParams) -> np.ndarray:
    players = [(name, PARAMS), ("expert", PARAMS), (name, params), ("expert", params)]
    losses = [-evaluate(load_policy(who), SEEDS, under).returns for who, under in players]
    ones = np.ones(len(SEEDS))
    return np.stack([losses[0], losses[1], ones, losses[2], losses[3], ones], axis=1)


def test_the_expert_loses_what_it_may_lose() -> None:
    found = varied("expert")
    multiples = [v.multiple.mean for v in found.variations if v.multiple]
    assert len(multiples) > 15
    assert max(multiples) == pytest.approx(1)
    (worst,) = found.numbers["ROB-02"]
    assert not isinstance(worst, str)
    assert (worst.value, worst.low) == pytest.approx((1, 1))


@pytest.mark.parametrize(
    ("losses", "multiple"),
    [
        # policy and expert usually, then under the condition
        ((336, 193, 1241, 553), 1241 / (336 + 360)),  # falls far deeper than the expert
        ((336, 193, 354, 264), 354 / (336 + 71)),  # hardly falls
        ((592, 193, 592, 416), 592 / (592 + 223)),  # blind to alerts: nothing changes
        ((336, 193, 336, 100), 1.0),  # nothing changes, though the expert gains
        ((150, 193, 553, 553), 1.0),  # better than the expert, falls to its level
        ((150, 193, 150, 193), 150 / 193),
    ],
)
def test_multiples_order_what_changes_rightly(losses: tuple[int, ...], multiple: float) -> None:
    policy, expert, under, expert_under = losses
    totals = np.array([10.0 * policy, 10.0 * expert, 10, 5.0 * under, 5.0 * expert_under, 5])
    assert robustness._multiple(0, totals) == pytest.approx(multiple)


def test_where_nothing_may_be_lost_there_is_no_multiple() -> None:
    assert np.isnan(robustness._multiple(0, np.array([0.0, 0, 5, 3, 0, 5])))


def test_sleep_loses_nothing_by_noise() -> None:
    found = varied("sleep")
    for key in ("drop_alerts", "invented_alerts"):
        change = variation(found, key).change
        assert change is not None and (change.mean, change.low, change.high) == (0, 0, 0)
        assert variation(found, key).verdict == "PASS"
    assert isinstance(found.numbers["ROB-01"], str)


# The team.


class Relies(Wrapper):
    """The expert, whose agents act only while all others tell them that they are there."""

    def act(self, obs: Any, mask: Any, free: Any, instead: Any = None) -> Decision:
        heard = obs[:, MESSAGES].reshape(len(obs), N_BLUE, N_BLUE - 1, MESSAGE_BITS)
        reached = (heard[..., 0] == 1).all(axis=2)
        decision = self.inner.act(
            obs, mask, free, lambda own: done(np.where(reached, own, SLEEP - OFFSETS), instead)
        )
        messages = np.zeros((len(obs), N_BLUE, MESSAGE_BITS), np.uint8)
        messages[..., 0] = 1
        return replace(decision, messages=messages)


class Chats(Relies):
    """Sends the same, and does not listen."""

    def act(self, obs: Any, mask: Any, free: Any, instead: Any = None) -> Decision:
        every = obs.copy()
        every[:, MESSAGES] = 1
        return super().act(every, mask, free, instead)


@cache
def of_team(kind: type[Wrapper]) -> Varied:
    return vary(kind(load_policy("expert")), SEEDS, EnvParams(steps=200), talks=True)


def test_a_team_that_relies_on_messages_is_told() -> None:
    found = of_team(Relies)
    member, messages = found.numbers["COO-03"]
    assert not isinstance(member, str) and not isinstance(messages, str)
    for key in ("deaf", "lied_to"):
        one = variation(found, key)
        assert (one.check, one.verdict) == ("COO-03", "FAIL")
        assert one.change is not None and one.change.loses
        assert one.expert is not None and one.multiple is not None
        assert one.expert.mean == variation(found, "usual").expert.mean  # type: ignore[union-attr]
    assert messages.low > 1.4
    # Whoever is lost, the others fall silent, and lose what the expert's others do not.
    assert member.low > 1.4
    without_any = [variation(found, f"without_{i}") for i in range(N_BLUE)]
    assert all(one.multiple is not None and one.multiple.mean > 1.4 for one in without_any)


def test_a_team_that_sends_messages_and_needs_none_bears_everything() -> None:
    found = of_team(Chats)
    for number in found.numbers["COO-03"]:
        assert not isinstance(number, str)
        assert number.value == pytest.approx(1, abs=0.05) and number.high < 1.4


def test_what_the_lost_members_own_subnets_lose_is_not_held_against_the_others() -> None:
    """Agent 3 defends an operational zone: without it the team loses many times as much."""
    found = varied("expert")
    one = variation(found, "without_3")
    assert one.multiple is not None and one.multiple.mean <= 1 + 1e-9
    evaluation = evaluate(without(load_policy("expert"), 3), SEEDS, PARAMS)
    assert one.mean_return.mean == pytest.approx(evaluation.returns.mean())
    assert evaluation.returns.sum() < evaluation.of_others[:, 3].sum() < 0
    assert not evaluation.costs[:, :, 3].any() and evaluation.costs[:, :, 4].any()


def test_a_team_without_messages_cannot_be_deaf() -> None:
    found = vary(load_policy("sleep"), SEEDS[:2], EnvParams(steps=20), talks=False)
    assert not {"deaf", "lied_to"} & {v.key for v in found.variations}
    profile = load_profile("default")
    head = declared(check("COO-03"), profile)
    (judged,) = outside(
        [Finding(verdict="NOT_APPLICABLE", **head)],
        {"COO-03": found.numbers["COO-03"]},
        profile,
        References((), {}, {}),
        2,
    )
    verdicts = {measured.key: measured.verdict for measured in judged.measures}
    assert verdicts == {"member": "INCONCLUSIVE", "messages": "NOT_APPLICABLE"}


def test_networks_are_the_smallest_and_the_largest_of_the_pool() -> None:
    found = {condition.key: own for condition, own in networks(SEEDS, PARAMS)}
    pool = SEEDS[-1] + 1 + np.arange(POOL * len(SEEDS))
    env = BatchedEnv(len(pool), params=PARAMS, threads=1)
    env.reset(pool)
    kinds = np.concatenate(actions.KIND)
    sizes = dict(
        zip(pool, env.mask[:, kinds == actions.ActionKind.RESTORE].sum(axis=1), strict=True)
    )
    small, large = (
        [sizes[seed] for seed in found[f"{key}_networks"]] for key in ("smallest", "largest")
    )
    ordered = sorted(sizes.values())
    assert sorted(small) == ordered[: len(SEEDS)]
    assert sorted(large) == ordered[-len(SEEDS) :]


def mixed(shares: np.ndarray, seed: int, episodes: int = 40, decisions: int = 300) -> PlayCounts:
    """A play whose decisions, all in one state, are of kinds with these shares."""
    generator = np.random.default_rng(seed)
    table = np.zeros((episodes, red_fsm.N_STATES, actions.N_KINDS))
    table[:, red_fsm.State.U] = generator.multinomial(decisions, shares, size=episodes)
    sums = {"action_mix": table.reshape(episodes, -1)}
    none = np.zeros(episodes, np.int64)
    others = np.zeros((episodes, N_BLUE))
    return PlayCounts(none.astype(float), others, none.astype(float), sums, none, none)


def test_policies_that_do_the_same_are_not_apart() -> None:
    shares = np.array([0.3, 0.1, 0.1, 0.2, 0.1, 0.1, 0.05, 0.05])
    found = stability([mixed(shares, seed) for seed in range(3)])
    assert not isinstance(found, str)
    assert abs(found[0].value) < 0.01
    assert found[0].low <= found[0].value <= found[0].high
    assert found[0].n == 3


def test_policies_that_share_no_action_are_wholly_apart() -> None:
    first, second = np.eye(actions.N_KINDS)[[0, 3]]
    found = stability([mixed(first, 0), mixed(second, 1)])
    assert not isinstance(found, str)
    assert found[0].value == pytest.approx(1)
    assert np.isnan(found[0].low) and np.isnan(found[0].high)  # one distance has no interval


def test_the_interval_is_about_training_seeds_not_about_episodes_alone() -> None:
    """Two policies agree and one does not: what a further one would do, nobody can say."""
    same, other = np.eye(actions.N_KINDS)[[0, 3]]
    (three,) = stability([mixed(same, 0), mixed(same, 1), mixed(other, 2)])
    assert not isinstance(three, str)
    assert three.value == pytest.approx(2 / 3)
    assert three.low < 0 and three.high > 1
    # Without one of the two that agree the distance is 1, without the other one 0.
    error = np.sqrt(2 / 3 * (2 * (1 - 2 / 3) ** 2 + (0 - 2 / 3) ** 2))
    assert three.high - three.low == pytest.approx(2 * 4.303 * error, rel=1e-3)


def test_the_same_policy_as_its_own_sibling_is_not_apart() -> None:
    found = varied("punch", "punch")
    (excess,) = found.numbers["ROB-01"]
    assert not isinstance(excess, str)
    assert excess.value == pytest.approx(0, abs=1e-9)
    change = variation(found, "sibling_0").change
    assert change is not None and change.mean == 0
