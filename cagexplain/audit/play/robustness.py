"""The policy under other conditions than the usual ones: does it still defend?

A return says little across conditions, as the game itself becomes easier or harder: a fall may be
the policy's fault or the condition's. So the built-in `expert`, a good defender that was made for
no condition, is played under the same conditions on the same episodes. What a policy *may* lose
under a condition is what it usually loses plus what the expert loses more than usual,

    may lose = max(usual, the expert's usual) + max(the expert's - the expert's usual, 0),

and the *multiple* of a condition is what it does lose, as a multiple of that.

* The expert itself has at most 1, and exactly 1 under every condition that is harder for it.
* A policy that is better than the expert may fall to the expert's level: its usual loss counts as
  the expert's. Else who defends best would be called the most brittle.
* A condition that changes nothing has 1, also where the expert gains by it.
* It is a difference of losses, not a quotient: what a condition adds, such as the users that
  phishing deceives, does not grow with how much a policy loses anyway.
* Losses are counted per step, so that longer episodes are no harder by being longer.

Where a member of the team is lost, what its own subnets lose is nobody else's fault: there the
losses of the *others* count, the policy's and the expert's, without the subnets and the actions of
the agent that was lost.

Limits come from resampled episodes, the same ones for both policies and all conditions, and are
widened so that those of all conditions of a number hold together (`cagexplain.stats.simultaneous`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from cagexplain.audit.checks import check
from cagexplain.audit.play.conditions import (
    ATTACKER,
    CONDITIONS,
    LOSSES,
    RADIO,
    Condition,
    attacker,
    networks,
)
from cagexplain.audit.play.main_numbers import MAIN, MIX, measure_of
from cagexplain.audit.play.paired import as_change, effect, mean
from cagexplain.audit.play.stability import stability
from cagexplain.audit.play.team import Play, PlayCounts, Team, Workers
from cagexplain.audit.play.together import Together, together
from cagexplain.audit.play.undoing import undone
from cagexplain.audit.profiles import Profile, load_profile
from cagexplain.audit.results import Variation
from cagexplain.audit.verdicts import verdict
from cagexplain.cc4 import phases
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import FloatArray, Int64Array, IntArray
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy, looks
from cagexplain.policies.registry import load_policy
from cagexplain.stats.estimates import Estimate

EXPERT: Final = "expert"
"""The fixed good defender."""
_POLICY, _EXPERT, _SLEEP = "policy", "expert", "sleep"
_WITHOUT_NUMBERS: Final = ("team", ATTACKER)
"""Groups of conditions under which only returns are counted."""
_USUAL: Final = Condition("usual", "usual", "the usual conditions", check="")
_COLUMNS: Final = 3
"""Of a play under a condition: points that the policy loses, that the expert loses, episodes."""


@dataclass(frozen=True)
class Varied:
    """What robustness showed.

    Attributes:
        variations: the usual conditions first.
        numbers: of the checks ROB-01, ROB-02, ROB-03 and COO-03: the intervals of their measures,
            or why there are none.
    """

    variations: tuple[Variation, ...]
    numbers: dict[str, list[Estimate] | str]


def vary(
    policy: Policy,
    seeds: Int64Array,
    params: EnvParams | None = None,
    *,
    profile: Profile | None = None,
    talks: bool = True,
    siblings: Sequence[Policy] = (),
    fitted: RedTable | None = None,
    workers: Workers = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> Varied:
    """Play a policy under all conditions.

    Args:
        policy: to try.
        seeds: ``int[episode]``, at least two. The networks of the smallest and the largest worlds
            are looked for among the seeds after them.
        params: the usual ones; CC4's own by default.
        profile: has the thresholds; the default one by default.
        talks: whether the agents send messages.
        siblings: policies of the same method, trained with other seeds.
        fitted: a red that was fitted to the policy, to be tried beside the shipped ones.
        workers: where to play; see `Team`.
        advance: is told environment steps as they are played.

    Raises:
        CagexplainError: a worker process died.
    """
    usual = params or EnvParams()
    seeds = np.asarray(seeds, np.int64)
    every = (*CONDITIONS, *(RADIO if talks else ()), *LOSSES)
    every += () if fitted is None else (attacker(fitted, check=""),)
    if looks(policy):  # what it sees is not ours to change
        every = tuple(c for c in every if not c.of_senses)
    conditions = [c for c in every if replace(usual, **c.params) != usual or c.wrapped]
    others = [(condition, seeds) for condition in conditions] + list(networks(seeds, usual))
    players = {_POLICY: policy, _EXPERT: load_policy(EXPERT), _SLEEP: load_policy("sleep")}
    players |= {f"sibling {i}": sibling for i, sibling in enumerate(siblings)}
    keys = (*MAIN, MIX) if siblings else MAIN

    def both(condition: Condition, worlds: Int64Array, counted: tuple[str, ...]) -> list[Play]:
        under = replace(usual, **condition.params)
        return [
            Play(name, worlds, to_count, under, wrapped=condition.wrapped)
            for name, to_count in ((_POLICY, counted), (_EXPERT, ()))
        ]

    plays = both(_USUAL, seeds, keys)
    for condition, worlds in others:
        plays += both(condition, worlds, () if condition.group in _WITHOUT_NUMBERS else MAIN)
    attacks = [condition for condition in conditions if condition.attacks]
    plays += [
        Play(_SLEEP, seeds, params=replace(usual, **condition.params))
        for condition in (_USUAL, *attacks)
    ]
    plays += [Play(f"sibling {i}", seeds, keys, params=usual) for i in range(len(siblings))]
    with Team(players, workers, advance) as team:
        played = iter(team.play(plays))
    base = Tried(next(played), next(played))
    pairs = [(condition, Tried(next(played), next(played))) for condition, _ in others]
    asleep, *slept = (next(played) for _ in (_USUAL, *attacks))
    trained = list(played)
    variations = [_variation(_USUAL, base, base)]
    of_policy = {condition.key: pair.policy for condition, pair in pairs}
    attacked = {
        condition.key: (of_policy[condition.key], sleep)
        for condition, sleep in zip(attacks, slept, strict=True)
    }
    undoing = undone((base.policy, asleep), attacked)
    tried: dict[str, list[Estimate]] = {}
    profile = profile or load_profile("default")
    of_condition: dict[str, Estimate] = {}
    for ident in ("ROB-02", "COO-03"):
        for measure in check(ident).measures:
            of_measure = [(c, p) for c, p in pairs if (c.check, c.measure) == (ident, measure.key)]
            held = multiples(base, of_measure, usual)
            of_condition |= {c.key: one for (c, _), one in zip(of_measure, held.each, strict=True)}
            tried.setdefault(ident, []).append(held.largest)
    for condition, pair in pairs:
        one = replace(_variation(condition, pair, base), undone=undoing.by(condition.key))
        if condition.check:
            one = replace(one, **_judged(of_condition[condition.key], condition, profile))
        variations.append(one)
    for i, (sibling, counts) in enumerate(zip(siblings, trained, strict=True)):
        name = f"another training seed: {sibling.name}"
        condition = Condition(f"sibling_{i}", "training", name, "ROB-01")
        variations.append(_variation(condition, Tried(counts, base.expert), base))
    numbers = {"ROB-01": stability([base.policy, *trained]), "ROB-03": undoing.numbers, **tried}
    return Varied(tuple(variations), numbers)


@dataclass(frozen=True)
class Tried:
    """The policy and the expert under the same conditions."""

    policy: PlayCounts
    expert: PlayCounts

    def part(self, episodes: slice | IntArray) -> Tried:
        """Some of the episodes: a slice, or their numbers ``int[k]``."""
        return Tried(self.policy.part(episodes), self.expert.part(episodes))

    def lost(self, condition: Condition, scale: float = 1.0) -> FloatArray:
        """Points that both lose, and a column of ones: ``float64[episode, 3]``.

        Args:
            condition: whose lost agent's subnets and actions do not count.
            scale: of the points.
        """
        agent = condition.lost
        returns = [
            play.returns if agent is None else play.of_others[:, agent]
            for play in (self.policy, self.expert)
        ]
        return np.stack([*(-scale * r for r in returns), np.ones(len(returns[0]))], axis=1)


def multiples(base: Tried, tried: Sequence[tuple[Condition, Tried]], usual: EnvParams) -> Together:
    """The multiples of the conditions that a number of a check rests on: how the policy's losses
    stand to what it may lose.

    Args:
        base: under the usual conditions.
        tried: conditions, with what was played under them.
        usual: parameters of the environment.
    """
    table = _side_by_side(base, tried, usual) if tried else np.zeros((0, 0))
    numbers = [partial(_multiple, i) for i in range(len(tried))]
    return together(numbers, _episodes, table, len(base.policy.returns))


def _side_by_side(
    base: Tried, tried: Sequence[tuple[Condition, Tried]], usual: EnvParams
) -> FloatArray:
    """For each condition what is lost under the usual conditions and under it:
    ``float64[row, 6 * condition]``. Episodes on the same seeds share a row; those on other seeds
    stand in rows of their own."""
    n = len(base.policy.returns)
    apart = [len(pair.policy.returns) for c, pair in tried if c.group == "network"]
    table = np.zeros((n + sum(apart), 2 * _COLUMNS * len(tried)))
    first = n
    for i, (condition, pair) in enumerate(tried):
        left = 2 * _COLUMNS * i
        steps = replace(usual, **condition.params).steps
        lost = pair.lost(condition, phases.calls(usual.steps) / phases.calls(steps))
        top = 0
        if condition.group == "network":
            top, first = first, first + len(lost)
        table[:n, left : left + _COLUMNS] = base.lost(condition)
        table[top : top + len(lost), left + _COLUMNS : left + 2 * _COLUMNS] = lost
    return table


def _multiple(i: int, totals: FloatArray) -> FloatArray:
    """The multiple of a condition ``[...]``, of totals ``[..., 6 * condition]``; NaN where the
    policy may lose nothing."""
    left = 2 * _COLUMNS * i
    usual, expert_usual, n, under, expert_under, m = np.moveaxis(
        totals[..., left : left + 2 * _COLUMNS], -1, 0
    )
    before = expert_usual / n
    may_lose = np.maximum(usual / n, before) + np.maximum(expert_under / m - before, 0)
    multiple: FloatArray = np.divide(
        under / m, may_lose, out=np.full(np.shape(may_lose), np.nan), where=may_lose > 0
    )
    return multiple


def _episodes(totals: FloatArray) -> FloatArray:
    """Episodes under the usual conditions."""
    return totals[..., _COLUMNS - 1]


def _judged(multiple: Estimate, condition: Condition, profile: Profile) -> dict[str, Any]:
    """What a variation has of its multiple."""
    declared = check(condition.check)
    (measure,) = [m for m in declared.measures if m.key == condition.measure]
    good, bad = profile.thresholds(declared, measure)
    assert good is not None
    assert bad is not None
    judgement = verdict(multiple, measure.better, good, bad, profile.n_min(declared))
    return {"multiple": as_change(multiple), "verdict": judgement}


def _variation(condition: Condition, pair: Tried, base: Tried) -> Variation:
    itself = pair is base
    pairs = condition.group != "network"
    same_length = "steps" not in condition.params
    change = None
    if pairs and same_length and not itself:
        change = mean(pair.policy.returns - base.policy.returns)
    return Variation(
        key=condition.key,
        group=condition.group,
        name=condition.name,
        episodes=len(pair.policy.returns),
        mean_return=mean(pair.policy.returns),
        change=change,
        expert=mean(pair.expert.returns),
        check=condition.check,
        effects=tuple(
            effect(
                key,
                base.policy.sums[key],
                pair.policy.sums[key],
                pairs=pairs,
                compared=not itself and (same_length or measure_of(key).unit != "per episode"),
            )
            for key in MAIN
            if key in pair.policy.sums
        ),
    )
