"""The policy under other conditions than the usual ones: does it still defend?

A return says little across conditions, as the game itself becomes easier or harder. So Sleep is
played under the same conditions on the same episodes, and what counts is which share of the losses
of an undefended network the policy averts: ``(policy - Sleep) / -Sleep``. The *relative loss* of a
condition is by how much that share is lower than under the usual conditions, as a share of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from cagexplain.audit.play.main_numbers import MAIN, MIX, measure_of
from cagexplain.audit.play.paired import as_change, effect, mean, side_by_side
from cagexplain.audit.play.team import Play, PlayCounts, Team
from cagexplain.audit.results import Variation
from cagexplain.cc4 import actions, phases, rates, red_fsm
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import ON_SLOT
from cagexplain.cc4.red_fsm import N_RED_ACTIONS, VARIANTS
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import batches, seed_range
from cagexplain.stats.estimates import Estimate, Function, estimate
from cagexplain.stats.means import CONFIDENCE
from cagexplain.stats.permutation import jensen_shannon
from cagexplain.stats.spreads import Skewed

POOL: Final = 8
"""Worlds per episode that the smallest and the largest networks are looked for in."""
_WORLDS_AT_ONCE: Final = 64
_LONG: Final = 2 * phases.DEFAULT_STEPS
_USUAL: Final = "usual"
_POLICY, _SLEEP = "policy", "sleep"


@dataclass(frozen=True)
class Condition:
    """What is different.

    Attributes:
        key, group, name: as in `Variation`.
        params: what is changed of the environment's parameters.
        drop, invent: noise of the alerts; see `cagexplain.policies.wrappers.noise.NoisyAlerts`.
        judged: whether ROB-02 judges it: missing and false alerts, and red's own variants. The
            others go further than a defence has to bear, or are no harm.
    """

    key: str
    group: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    drop: float = 0.0
    invent: float = 0.0
    judged: bool = False


def _reds() -> tuple[Condition, ...]:
    # VerboseFSRed only prints: it is the usual red.
    return tuple(
        Condition(f"red_{name}", "red", f"{name}: {v.summary}", {"red": name}, judged=True)
        for name, v in VARIANTS.items()
        if name != "verbose"
    )


CONDITIONS: Final[tuple[Condition, ...]] = (
    Condition("drop_alerts", "alerts", "a quarter of the alerts is lost", drop=0.25, judged=True),
    Condition(
        "false_alerts",
        "alerts",
        "users raise false alerts three times as often",
        {"green_false_positive": 3 * rates.GREEN_FALSE_POSITIVE},
        judged=True,
    ),
    Condition(
        "invented_alerts",
        "alerts",
        "every host shows each kind of alert for nothing once in 100 steps",
        invent=0.01,
    ),
    *_reds(),
    # Variants of the challenge's own evaluation (Kiely et al., AAAI 2025): they change parameters
    # of the environment. How far detection falls is not published; here it is gone.
    Condition(
        "fast_red",
        "red",
        "every action of red takes one step (AggressiveRed of Kiely et al. 2025)",
        {"red_duration": (1,) * N_RED_ACTIONS},
    ),
    Condition(
        "hidden_red",
        "red",
        "scans are never detected, users raise false alerts at 75 % of their work (StealthyRed of "
        "Kiely et al. 2025)",
        {"green_false_positive": 0.75, "aggressive_detection": 0.0, "stealth_detection": 0.0},
    ),
    Condition(
        "phishing",
        "red",
        "75 % of users' work opens a phishing mail (Kiely et al. 2025)",
        {"phishing": 0.75},
    ),
    Condition("long", "length", f"episodes of {_LONG:,} steps", {"steps": _LONG}),
)
"""What the policy is tried under, beside other networks."""


@dataclass(frozen=True)
class Varied:
    """What robustness showed.

    Attributes:
        variations: the usual conditions first.
        numbers: of the checks ROB-01 and ROB-02: the intervals of their measures, or why there are
            none.
    """

    variations: tuple[Variation, ...]
    numbers: dict[str, list[Estimate] | str]


def vary(
    policy: Policy,
    seeds: Int64Array,
    params: EnvParams | None = None,
    *,
    siblings: Sequence[Policy] = (),
    workers: int = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> Varied:
    """Play a policy under all conditions.

    Args:
        policy: to try.
        seeds: ``int[episode]``, at least two. The networks of the smallest and the largest worlds
            are looked for among the seeds after them.
        params: the usual ones; CC4's own by default.
        siblings: policies of the same method, trained with other seeds.
        workers: processes to play in; see `Team`.
        advance: is told environment steps as they are played.

    Raises:
        CagexplainError: a worker process died.
    """
    usual = params or EnvParams()
    seeds = np.asarray(seeds, np.int64)
    conditions = [
        c for c in CONDITIONS if replace(usual, **c.params) != usual or c.drop or c.invent
    ]
    players = {_POLICY: policy, _SLEEP: load_policy("sleep")}
    players |= {f"sibling {i}": sibling for i, sibling in enumerate(siblings)}
    keys = (*MAIN, MIX) if siblings else MAIN

    def both(
        condition: Condition, worlds: Int64Array, counted: tuple[str, ...] = MAIN
    ) -> list[Play]:
        under = replace(usual, **condition.params)
        return [
            Play(_POLICY, worlds, counted, under, drop=condition.drop, invent=condition.invent),
            Play(_SLEEP, worlds, params=under),
        ]

    first = Condition(_USUAL, _USUAL, "the usual conditions")
    others = [(condition, seeds) for condition in conditions] + list(_networks(seeds, usual))
    plays = both(first, seeds, keys)
    plays += [play for condition, worlds in others for play in both(condition, worlds)]
    plays += [Play(f"sibling {i}", seeds, keys, params=usual) for i in range(len(siblings))]
    with Team(players, workers, advance) as team:
        played = iter(team.play(plays))
    base = _Pair(next(played), next(played))
    variations = [_variation(first, base, base)]
    under_other = {}
    for condition, _ in others:
        under_other[condition.key] = _Pair(next(played), next(played))
        variations.append(_variation(condition, under_other[condition.key], base))
    trained = list(played)
    for i, (sibling, counts) in enumerate(zip(siblings, trained, strict=True)):
        name = f"another training seed: {sibling.name}"
        pair = _Pair(counts, base.sleep)
        variations.append(_variation(Condition(f"sibling_{i}", "training", name), pair, base))
    judged = [under_other[c.key] for c in conditions if c.judged]
    return Varied(
        tuple(variations),
        {"ROB-01": _stability([base.policy, *trained]), "ROB-02": [_worst(judged, base)]},
    )


@dataclass(frozen=True)
class _Pair:
    """The policy and Sleep under the same conditions."""

    policy: PlayCounts
    sleep: PlayCounts

    @property
    def sums(self) -> FloatArray:
        """Returns of both: ``float64[episode, 2]``."""
        return np.stack([self.policy.returns, self.sleep.returns], axis=1)


def _variation(condition: Condition, pair: _Pair, base: _Pair) -> Variation:
    itself = pair is base
    pairs = condition.group != "network"
    same_length = "steps" not in condition.params
    change = None
    if pairs and same_length and not itself:
        change = mean(pair.policy.returns - base.policy.returns)
    loss = None
    if not itself:
        sums = side_by_side(base.sums, pair.sums, pairs=pairs)
        loss = as_change(estimate(_LOSS, sums))
    return Variation(
        key=condition.key,
        group=condition.group,
        name=condition.name,
        episodes=len(pair.policy.returns),
        mean_return=mean(pair.policy.returns),
        change=change,
        relative_loss=loss,
        effects=tuple(
            effect(
                key,
                base.policy.sums[key],
                pair.policy.sums[key],
                pairs=pairs,
                compared=not itself and (same_length or measure_of(key).unit != "per episode"),
            )
            for key in MAIN
        ),
    )


def _losses(totals: FloatArray) -> FloatArray:
    """Relative losses ``[..., conditions]`` of returns ``[..., 2 * (1 + conditions)]``: of the
    policy and Sleep, under the usual conditions first. NaN where the policy averts nothing."""
    policy, sleep = totals[..., ::2], totals[..., 1::2]
    averted = 1 - np.divide(policy, sleep, out=np.full(policy.shape, np.nan), where=sleep < 0)
    usual = averted[..., :1]
    remainder = np.divide(averted, usual, out=np.full(policy.shape, np.nan), where=usual > 0)
    losses: FloatArray = np.asarray(1 - remainder[..., 1:])
    return losses


def _episodes(totals: FloatArray) -> FloatArray:
    # Every episode without a defence loses something.
    return (totals[..., 1] < 0).astype(np.float64)


_LOSS: Final = Function(of=lambda totals: _losses(totals)[..., 0], triggers=_episodes)


def _worst(judged: Sequence[_Pair], base: _Pair) -> Estimate:
    """The largest relative loss over the conditions that are judged."""
    sums = side_by_side(base.sums, *(pair.sums for pair in judged), pairs=True)
    # The maximum has kinks, which percentiles bear better than moments.
    worst = Function(
        of=lambda totals: _losses(totals).max(axis=-1), triggers=_episodes, smooth=False
    )
    return replace(estimate(worst, sums), n=float(len(sums)))


def _networks(seeds: Int64Array, params: EnvParams) -> tuple[tuple[Condition, Int64Array], ...]:
    """The smallest and the largest networks of a pool of worlds, as many as there are episodes."""
    pool = seed_range(int(seeds.max()) + 1, POOL * len(seeds))
    sizes = np.concatenate([_sizes(part, params) for part in batches(pool, _WORLDS_AT_ONCE)])
    order = np.argsort(sizes, kind="stable")
    networks = []
    for key, rows in (("smallest", order[: len(seeds)]), ("largest", order[-len(seeds) :])):
        name = f"the {key} networks: {sizes[rows].min()} to {sizes[rows].max()} defended hosts"
        networks.append((Condition(f"{key}_networks", "network", name), pool[np.sort(rows)]))
    return tuple(networks)


def _sizes(seeds: Int64Array, params: EnvParams) -> Int64Array:
    """Number of defended hosts in each world."""
    env = BatchedEnv(len(seeds), params=params, threads=1)
    env.reset(seeds)
    sizes: Int64Array = env.mask[:, ON_SLOT[ActionKind.ANALYSE]].sum(axis=1)
    env.close()
    return sizes


def _stability(plays: Sequence[PlayCounts]) -> list[Estimate] | str:
    """How far training seeds are apart in what they do; for ROB-01.

    In every state of the attacker (the most advanced one among the agent's hosts) the mixes of
    action kinds of two policies are compared, each counted in another half of the episodes; from
    that the distance of the two halves of one policy is taken off, which chance alone makes.

    The interval is about training seeds in general: to the variance over episodes it adds that
    over the policies, found by leaving out one after the other (Efron and Tibshirani 1993, chapter
    11). Two policies are one distance, which has no interval.
    """
    if len(plays) < 2:
        return "No policies of the same method, trained with other seeds, were given."
    sums = np.hstack([_halved(play.sums[MIX]) for play in plays])
    shape = (len(plays), 2, red_fsm.N_STATES, actions.N_KINDS)

    def mixes(totals: FloatArray) -> FloatArray:
        return totals.reshape(*totals.shape[:-1], *shape)

    # Triggers are the policies; every episode has them all.
    count = Function(
        of=lambda totals: _excess(mixes(totals)),
        triggers=lambda totals: np.full(totals.shape[:-1], float(len(plays))),
    )
    pooled = estimate(count, sums)
    n, whole = len(plays), mixes(sums.sum(axis=0))
    if n == 2 or not isinstance(pooled.spread, Skewed):
        return [replace(pooled, low=np.nan, high=np.nan, spread=None)]
    without = np.array([_excess(np.delete(whole, i, axis=0)) for i in range(n)])
    episode_spread = pooled.spread
    error = float(np.hypot(episode_spread.error, np.sqrt((n - 1) * without.var())))
    # Third moments add up, and that over so few policies is not known.
    skewness = episode_spread.skewness * (episode_spread.error / error) ** 3 if error else 0.0
    spread = replace(episode_spread, error=error, skewness=skewness, freedom=n - 1)
    low, high = spread.limits((1 - CONFIDENCE) / 2)
    return [replace(pooled, low=low, high=high, spread=spread)]


def _excess(mixes: FloatArray) -> FloatArray:
    """By how much different policies are further apart than the halves of one, from counts
    ``[..., policy, half, state, kind]``."""
    first, second = mixes[..., 0, :, :], mixes[..., 1, :, :]
    every = range(mixes.shape[-4])
    apart = {
        (a, b): _apart(first[..., a, :, :], second[..., b, :, :]) for a in every for b in every
    }
    other = [apart[a, b] for a, b in apart if a != b]
    same = [apart[a, a] for a in every]
    excess: FloatArray = np.mean(other, axis=0) - np.mean(same, axis=0)
    return excess


def _halved(sums: FloatArray) -> FloatArray:
    """Counts of even episodes, then those of odd ones: ``float64[episode, 2 * column]``."""
    even = (np.arange(len(sums)) % 2 == 0)[:, None]
    return np.hstack([sums * even, sums * ~even])


def _apart(a: FloatArray, b: FloatArray) -> FloatArray:
    """Jensen-Shannon distance, 0 to 1, of counts ``[..., state, kind]``: the mean over states,
    weighted by how often they occur."""
    both = a.sum(axis=-1) + b.sum(axis=-1)
    in_both = (a.sum(axis=-1) > 0) & (b.sum(axis=-1) > 0)
    distance = np.sqrt(np.maximum(np.where(in_both, jensen_shannon(a, b), 0.0), 0.0) / np.log(2))
    weight = both * in_both
    mean: FloatArray = (distance * weight).sum(axis=-1) / np.maximum(weight.sum(axis=-1), 1)
    return mean
