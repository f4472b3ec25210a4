"""Prices of remedies: what is known in advance comes out."""

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest

from cagexplain.audit.checks import check, checks
from cagexplain.audit.compose import _priced
from cagexplain.audit.play.main_numbers import MAIN, keys_of, measure_of
from cagexplain.audit.play.paired import effect, mean, side_by_side
from cagexplain.audit.play.prices import Priced, price
from cagexplain.audit.play.team import Play, Team
from cagexplain.audit.results import Change, Effect, Finding, Price
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import ACTION_TYPE
from cagexplain.envs import EnvParams
from cagexplain.policies import evaluation
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.remedies import REMEDIES
from cagexplain.policies.wrappers.noise import NoisyAlerts
from cagexplain.policies.wrappers.overrides import Overridden, Remedy
from cagexplain.stats.simultaneous import independent, widened

pytestmark = pytest.mark.slow

SEEDS = np.arange(900, 924)
PARAMS = EnvParams(steps=150)
BY_ID = {remedy.id: remedy for remedy in REMEDIES}
NOTHING = Remedy("nothing", "Do nothing", "It does nothing.", ("DET-04",))
NEVER_RESTORE = Remedy(
    "never_restore",
    "Never Restore",
    "It takes away what helps.",
    ("REC-01",),
    forbid=lambda now: np.tile(ACTION_TYPE == ActionKind.RESTORE, (len(now.phase), 1)),
)


def finding(ident: str, verdict: Any = "FAIL") -> Finding:
    declared = check(ident)
    head = {
        name: getattr(declared, name)
        for name in ("id", "title", "family", "severity", "axis", "knowledge")
    }
    return Finding(verdict=verdict, **head)


def priced(name: str, remedies: list[Remedy], *ids: str, **more: Any) -> Priced:
    findings = [finding(ident) for ident in ids]
    return price(load_policy(name), findings, SEEDS, PARAMS, remedies=remedies, **more)


def test_every_remedy_answers_checks_of_the_catalogue() -> None:
    known = {declared.id for declared in checks()}
    assert {ident for remedy in REMEDIES for ident in remedy.checks} <= known


def test_main_numbers_are_declared() -> None:
    for key in MAIN:
        assert measure_of(key).name


@pytest.mark.parametrize("name", ["reactive", "random", "ippo_tuned"])
def test_a_remedy_that_does_nothing_costs_exactly_nothing(name: str) -> None:
    found = priced(name, [NOTHING], "DET-04")
    (single,) = found.prices
    assert (single.reward.mean, single.reward.low, single.reward.high) == (0, 0, 0)
    assert single.share_changed == 0
    assert found.bundle is None
    for one in single.effects:
        assert one.before == one.after
        assert one.change is None or (one.change.mean, one.change.low, one.change.high) == (0, 0, 0)


def test_a_remedy_that_makes_things_worse_is_said_to() -> None:
    found = priced("reactive", [NEVER_RESTORE], "REC-01")
    (single,) = found.prices
    assert single.reward.high is not None and single.reward.high < 0
    assert 0 < single.share_changed < 1
    effects = {one.key: one for one in single.effects}
    restores = effects["REC-02.restores"]
    assert restores.before is not None and restores.before > 5 and restores.after == 0
    assert found.bundle is None


def test_sleep_that_restores_on_alert_gains_what_the_policy_with_the_rule_gains() -> None:
    found = priced("sleep", [BY_ID["restore_alerted"]], "DET-04")
    (single,) = found.prices
    rule = Overridden(load_policy("sleep"), [BY_ID["restore_alerted"]])
    differences = (
        evaluate(rule, SEEDS, PARAMS).returns
        - evaluate(load_policy("sleep"), SEEDS, PARAMS).returns
    )
    assert single.reward.mean == pytest.approx(differences.mean())
    assert single.reward.low is not None and single.reward.low > 0
    assert single.checks == ("DET-04",)
    assert single.episodes == len(SEEDS)
    effects = {one.key: one for one in single.effects}
    assert set(effects) == {*keys_of("DET-04"), *MAIN}
    unanswered = effects["DET-04.value"]
    assert unanswered.before == 1 and unanswered.after is not None and unanswered.after < 0.2
    clean = effects["clean_hosts"].change
    assert clean is not None and clean.low is not None and clean.low > 0


def test_the_bundle_is_what_helps_and_is_reported_on_episodes_that_did_not_select_it() -> None:
    under = [NEVER_RESTORE, BY_ID["restore_alerted"], BY_ID["decoys_when_idle"], NOTHING]
    found = priced("sleep", under, "DET-04", "DEC-01", "REC-01")
    assert len(found.prices) == 4
    assert found.bundle is not None
    assert "restore_alerted" in found.bundle.remedies
    assert not {"never_restore", "nothing"} & set(found.bundle.remedies)
    half = SEEDS[len(SEEDS) // 2 :]
    chosen = [remedy for remedy in under if remedy.id in found.bundle.remedies]
    after = evaluate(Overridden(load_policy("sleep"), chosen), half, PARAMS).returns
    before = evaluate(load_policy("sleep"), half, PARAMS).returns
    assert found.bundle.episodes == len(half)
    assert found.bundle.reward.mean == pytest.approx((after - before).mean())
    # Its members are shown on the same episodes.
    alone = [evaluate(Overridden(load_policy("sleep"), [r]), half, PARAMS).returns for r in chosen]
    assert [member.mean for member in found.bundle.members] == pytest.approx(
        [(returns - before).mean() for returns in alone]
    )


def test_the_intervals_of_all_prices_hold_together() -> None:
    """The more remedies are tried, the wider each interval; alone it is that of a return."""
    several = [BY_ID["restore_alerted"], BY_ID["decoys_when_idle"], BY_ID["hunt"], NOTHING]
    found = priced("reactive", several, "DET-04", "DEC-01", "DET-07")
    (alone,) = priced("reactive", several[:1], "DET-04").prices
    among = found.prices[0]
    assert among.reward.mean == alone.reward.mean
    assert among.reward.low is not None and among.reward.high is not None
    assert alone.reward.low is not None and alone.reward.high is not None
    assert among.reward.low < alone.reward.low and alone.reward.high < among.reward.high
    rule = Overridden(load_policy("reactive"), several[:1])
    difference = (
        evaluate(rule, SEEDS, PARAMS).returns
        - evaluate(load_policy("reactive"), SEEDS, PARAMS).returns
    )
    assert alone.reward == mean(difference, widened(independent(difference[:, None])))
    assert widened(independent(difference[:, None])) == pytest.approx(0.95, abs=0.004)


def test_only_findings_that_fail_or_warn_are_priced() -> None:
    findings = [finding("DET-04", "PASS"), finding("DEC-01", "INCONCLUSIVE"), finding("SUR-01")]
    assert price(load_policy("sleep"), findings, SEEDS, PARAMS) == Priced((), None)
    warned = price(load_policy("sleep"), [finding("POL-04", "WARN")], SEEDS[:4], PARAMS, workers=1)
    assert [single.remedies for single in warned.prices] == [("silent_while_busy",)]


def test_worker_processes_count_what_one_process_counts() -> None:
    remedies = (BY_ID["hunt"],)
    plays = [
        Play("policy", SEEDS[:3], MAIN, PARAMS),
        Play("policy", SEEDS[:3], (), PARAMS, remedies),
        Play("policy", SEEDS[:3], (), PARAMS, wrapped=partial(NoisyAlerts, drop=0.5)),
    ]
    found, steps = [], 0

    def advance(played: int) -> None:
        nonlocal steps
        steps += played

    for workers in (1, 2):
        with Team({"policy": load_policy("ippo_tuned")}, workers, advance) as team:
            found.append(team.play(plays))
    assert steps == 2 * 3 * 3 * 149
    for here, there in zip(*found, strict=True):
        np.testing.assert_array_equal(here.returns, there.returns)
        np.testing.assert_array_equal(here.changed, there.changed)
        np.testing.assert_array_equal(here.decisions, there.decisions)
        for key in here.sums:
            np.testing.assert_array_equal(here.sums[key], there.sums[key])


def test_what_is_counted_does_not_depend_on_how_the_policy_is_played() -> None:
    """Terse branches and batches change nothing: returns are those of the evaluation."""
    policy = load_policy("ippo_tuned")
    with Team({"policy": policy}) as team:
        (counted,) = team.play([Play("policy", SEEDS[:3], MAIN, PARAMS)])
    np.testing.assert_array_equal(counted.returns, evaluate(policy, SEEDS[:3], PARAMS).returns)


# Paired statistics.


def test_the_interval_of_a_paired_change_is_narrower_than_of_separate_episodes() -> None:
    generator = np.random.default_rng(3)
    n = 60
    common = generator.integers(5, 60, n)
    cases = np.full(n, 100)
    before = np.stack([common, cases], axis=1).astype(float)
    after = np.stack([common + 10 + generator.integers(0, 3, n), cases], axis=1).astype(float)
    paired = effect("REC-01.value", before, after).change
    apart = effect("REC-01.value", before, after, pairs=False).change
    assert paired is not None and apart is not None
    assert paired.mean == pytest.approx(apart.mean, abs=0.01)
    assert paired.low is not None and paired.high is not None
    assert apart.low is not None and apart.high is not None
    assert paired.low < 0.11 < paired.high
    assert paired.high - paired.low < 0.2 * (apart.high - apart.low)


def test_a_change_that_cannot_be_told_is_left_out() -> None:
    none = np.zeros((10, 2))
    some = np.stack([np.arange(10.0), np.full(10, 20.0)], axis=1)
    one = effect("REC-01.value", none, some)
    assert one.before is None and one.after is not None and one.change is None
    assert effect("REC-01.value", some, some, compared=False).change is None


def test_returns_of_one_episode_have_no_interval() -> None:
    assert dataclasses.astuple(mean(np.array([3.0]))) == (3.0, None, None)


def test_sums_of_other_episodes_stand_in_rows_of_their_own() -> None:
    table = side_by_side(np.ones((2, 1)), np.full((3, 2), 2.0), pairs=False)
    np.testing.assert_array_equal(table[:2], [[1, 0, 0]] * 2)
    np.testing.assert_array_equal(table[2:], [[0, 2, 2]] * 3)


def test_a_return_has_the_interval_that_it_has_everywhere() -> None:
    returns = np.random.default_rng(0).normal(-300, 60, 12)
    (elsewhere,) = evaluation.estimate(returns[:, None])
    change = mean(returns)
    assert (change.mean, change.low, change.high) == (
        elsewhere.mean,
        elsewhere.low,
        elsewhere.high,
    )
    assert mean(returns[:4]).low is None


def test_a_finding_has_a_patch_that_does_not_lose_points_if_there_is_one() -> None:
    """Not the one that mends the check's own number and loses points by it."""

    def patch(name: str, reward: Change, share: Change | None) -> Price:
        number = Effect("ERA-04.value", "share", "share", "higher", 0.2, 0.5, share)
        return Price((name,), (name,), ("ERA-04",), 200, reward, 0.1, (number,))

    mends = Change(0.3, 0.2, 0.4)
    harmful = patch("harmful", Change(-42, -60, -24), mends)
    weak = patch("weak", Change(5, -9, 19), None)
    strong = patch("strong", Change(37, 20, 54), None)
    fitting = patch("fitting", Change(12, 2, 22), mends)
    for prices, chosen in (
        ((harmful, weak), weak),
        ((harmful, weak, strong), strong),
        ((harmful, strong, fitting), fitting),
        ((harmful,), harmful),
    ):
        assert _priced(finding("ERA-04"), prices).price == chosen
