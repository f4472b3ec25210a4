"""Extracting decision trees from a policy, and judging how far they can be believed.

Trees are fitted to what the teacher does; then the trees play, the teacher labels the states that
they get into, and new trees are fitted to everything labelled so far (Ross et al. 2011; of several
trees those that play best are kept, as VIPER does: Bastani et al. 2018, arXiv 1805.08328). Scripted
policies are asked likewise: they take what is done in place of their choice for their own and go on
from there. All agents are extracted at once, since what one does changes what the others see
(Milani et al. 2022). Fidelity alone hides what a tree loses in play (Marton et al. 2024), so trees
are also judged by the return of teams that they play in, on episodes that they were not fitted to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean
from typing import Any, Final

import numpy as np

from cagexplain.analysis.decisions.replay import params_of
from cagexplain.analysis.trees import fit as fitting
from cagexplain.analysis.trees import rules as ruling
from cagexplain.analysis.trees.fidelity import balanced, features, fidelity, overlap
from cagexplain.analysis.trees.fit import Growth, best
from cagexplain.analysis.trees.results import AgentTree, Size, Surrogate, Worth
from cagexplain.analysis.trees.samples import KEPT, Samples, joined, of_trace, roll_out
from cagexplain.cc4 import actions
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.arrays import BoolArray, FloatArray, Int64Array
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Policy, decide
from cagexplain.policies.blocks import Place
from cagexplain.policies.evaluation import estimate, evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED, seed_range
from cagexplain.policies.teacher import Teacher
from cagexplain.policies.trees.tree import Tree, TreePolicy
from cagexplain.policies.wrappers.team import MixedTeam
from cagexplain.stats.shares import ratios
from cagexplain.tracing.trace import Trace

Progress = Callable[[str], None]

FIT_SEED: Final = EVALUATION_SEED + 1_000_000
"""First seed of the episodes that trees are fitted to: neither training's nor evaluation's."""
SIZES: Final = (2, 4, 8, 16, 32, 64)
_TOLERANCE: Final = 0.01
"""Fidelity that smaller trees may lose against the best."""
_SURE: Final = 0.8
"""Confidence of the interval that the better return of an earlier candidate must be outside of."""
_REFITS: Final = 3
_CURVE_EPISODES: Final = 32
"""Held-out episodes that every size of trees plays for the curve."""
_MIN_EPISODES: Final = 8
_VALIDATION: Final = 4
"""One in so many episodes that trees are fitted to is kept back to choose their size."""
_WORKERS: Final = 2
_TINY: Final = 1e-12
_REFERENCE: Final = "restore_cycle"


@dataclass(frozen=True)
class Options:
    """How trees are extracted.

    Attributes:
        leaves: of a tree, at most.
        episodes: that a round of roll-outs plays.
        rounds: of roll-outs in which the trees play.
        held_out: episodes that trees are judged on.
        seed: of the first held-out episode.
        stochastic: whether trees draw their actions, and imitate the teacher's probabilities; else
            they imitate its likeliest actions.
    """

    leaves: int = 64
    episodes: int = 64
    rounds: int = 6
    held_out: int = 100
    seed: int = EVALUATION_SEED
    stochastic: bool = False


def extract(
    policy: Policy,
    params: EnvParams | None = None,
    options: Options | None = None,
    *,
    place: Place | None = None,
    progress: Progress = lambda _: None,
) -> tuple[Surrogate, TreePolicy]:
    """Extract trees from a policy by playing.

    Args:
        policy: the teacher.
        params: of the environment; CC4's own by default.
        options: how.
        place: where trees, and teams with them, play to be judged; here by default.
        progress: is told what is being done.
    """
    started = time.perf_counter()
    params, options = params or EnvParams(), options or Options()
    held_out = seed_range(options.seed, options.held_out)  # refused before the work
    teacher = Teacher(policy)
    make = _maker(policy, options)
    returned = partial(_returns, place=place)

    def seeds(number: int) -> Int64Array:
        return seed_range(FIT_SEED + number * options.episodes, options.episodes)

    progress(f"{policy.name} plays {options.episodes} episodes")
    training, _ = roll_out(teacher, None, seeds(0), params)
    candidates: list[list[Tree]] = []
    for number in range(1, options.rounds + 1):
        progress(f"trees play, {policy.name} says what it would do: round {number}")
        candidates.append(_trees(training, options))
        more, _ = roll_out(teacher, make(candidates[-1]), seeds(number), params)
        for agent in range(N_BLUE):  # one by one, which takes less memory
            training[agent] = joined([training[agent], more[agent]])
    progress("growing and pruning trees")
    chosen, curve = _pruned(training, options)
    progress("the trees of all rounds play")
    last = np.concatenate([seeds(options.rounds + 1), seeds(options.rounds + 2)])
    trees = best_candidate([chosen, *candidates], lambda each: returned(make(each), last, params))
    progress(f"{policy.name} plays {options.held_out} held-out episodes")
    unseen, returns = roll_out(teacher, None, held_out, params, 2 * KEPT)
    judge = _Judge(make, held_out, params, policy, returns, place)
    judged, student = _judged(trees, curve, training, unseen, judge, options, progress)
    result = Surrogate(
        teacher=policy.describe(),
        source="roll-outs",
        draws=teacher.draws,
        importance=teacher.importance,
        options={**asdict(options), **params.as_dict(), "condition": params.condition},
        seconds=time.perf_counter() - started,
        **judged,
    )
    return result, student


def extract_from_trace(
    trace: Trace,
    options: Options | None = None,
    *,
    place: Place | None = None,
    progress: Progress = lambda _: None,
) -> tuple[Surrogate, TreePolicy]:
    """Extract trees from recorded decisions: a quarter of the episodes is held out.

    Args:
        trace: of the teacher.
        options: how.
        place: where trees play to be judged; here by default.
        progress: is told what is being done.

    Raises:
        CagexplainError: the trace has no observations, or too few episodes.
    """
    started = time.perf_counter()
    options = options or Options()
    if trace.n_episodes < _MIN_EPISODES:
        raise CagexplainError(
            f"not enough data: {trace.n_episodes} episodes, trees need {_MIN_EPISODES}",
            where=trace.path,
            remedy="Record more episodes",
        )
    progress("reading the trace")
    everything = of_trace(trace)
    numbers = np.arange(trace.n_episodes)
    held_out = numbers[3::4]
    training = [samples.of_episodes(np.setdiff1d(numbers, held_out)) for samples in everything]
    unseen = [samples.of_episodes(held_out) for samples in everything]
    params = params_of(trace)
    recorded = trace.table("steps", ["episode", "reward", "counted"])
    returns = (
        (recorded["reward"].astype(float) * recorded["counted"])
        .groupby(recorded["episode"])
        .sum()
        .to_numpy()
    )
    facts = trace.manifest.policy

    def make(trees: Sequence[Tree]) -> TreePolicy:
        return TreePolicy(
            trees,
            name=f"tree-{facts.get('name')}",
            deterministic=not options.stochastic,
            teacher=_brief(facts),
        )

    progress("growing and pruning trees")
    trees, curve = _pruned(training, options)
    seeds = np.array(trace.manifest.seeds)[held_out]
    judge = _Judge(make, seeds, params, None, returns[held_out], place)
    judged, student = _judged(trees, curve, training, unseen, judge, options, progress)
    result = Surrogate(
        teacher=dict(facts),
        source="trace",
        draws=not facts.get("deterministic", facts.get("kind") == "scripted"),
        importance="none: a trace holds choices only",
        options={
            **asdict(options),
            **params.as_dict(),
            "condition": params.condition,
            "episodes": trace.n_episodes,
        },
        seconds=time.perf_counter() - started,
        **judged,
    )
    return result, student


def best_candidate(
    candidates: Sequence[list[Tree]], returns: Callable[[list[Tree]], FloatArray]
) -> list[Tree]:
    """The first candidate, or the one that earns most of those that earn more than it, about
    surely: their trees may be as good and only less pruned.

    Args:
        candidates: the first is fitted to most.
        returns: of trees in the same episodes: ``float64[n]``.
    """
    first, *others = (returns(candidate) for candidate in candidates)
    gains = [estimate((other - first)[:, None], confidence=_SURE)[0] for other in others]
    sure = [i for i, gain in enumerate(gains) if gain.low is not None and gain.low > 0]
    return candidates[1 + max(sure, key=lambda i: gains[i].mean)] if sure else candidates[0]


def _maker(policy: Policy, options: Options) -> Callable[[Sequence[Tree]], TreePolicy]:
    facts = policy.describe()
    config = facts.get("config", {})

    def make(trees: Sequence[Tree]) -> TreePolicy:
        return TreePolicy(
            trees,
            name=f"tree-{policy.name}",
            deterministic=not options.stochastic,
            message_kind=str(config.get("messages", "none")),
            teacher=_brief(facts),
        )

    return make


def _brief(facts: Any) -> dict[str, Any]:
    """What a policy file tells about its teacher."""
    return {key: facts[key] for key in ("name", "kind", "path", "sha256") if key in facts}


def _trees(training: Sequence[Samples], options: Options) -> list[Tree]:
    """A tree per agent, of the size that is allowed."""
    growths = _grow(training, options.leaves, stochastic=options.stochastic)
    return [growth.tree(options.leaves) for growth in growths]


def _grow(
    samples: Sequence[Samples],
    leaves: int,
    *,
    stochastic: bool,
    times: Sequence[Int64Array | BoolArray] | None = None,
) -> list[Growth]:
    """A growth per agent, side by side: the compiled loops leave the interpreter alone.

    Args:
        samples: by agent.
        leaves: of the largest trees, at most.
        stochastic: whether they draw.
        times: by agent, how often each decision ``[d]`` counts; once by default.
    """

    def grow(agent: int) -> Growth:
        weight = matter(samples[agent]) * (1 if times is None else times[agent])
        return Growth(samples[agent], leaves, stochastic=stochastic, decision_weight=weight)

    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(grow, range(len(samples))))


def matter(samples: Samples) -> FloatArray:
    """Weights ``float64[d]`` of decisions in fitting: half as often as they are, half so that all
    types of action weigh the same, and all of it half by importance, so that calm and rare types
    are learned too."""
    wanted = samples.action_type[best(samples.teacher, samples.decision) > 0]
    counts = np.bincount(wanted, samples.weight, minlength=actions.N_KINDS)
    usual = samples.weight / samples.weight.mean()
    balanced = samples.weight / counts[wanted]
    importance = samples.importance / max(samples.importance.mean(), _TINY)
    weight = (usual + balanced / balanced.mean()) * (1 + importance)
    return np.asarray(weight / weight.mean())


def _returns(
    policy: Policy, seeds: Int64Array, params: EnvParams, place: Place | None
) -> FloatArray:
    return evaluate(policy, seeds, params, place=place).returns.astype(np.float64)


class _Judge:
    """Plays teams with trees on the held-out seeds.

    Args:
        make: makes a policy of trees.
        seeds: of the held-out episodes.
        params: of the environment.
        policy: the teacher; None if only its trace is known.
        returns: of the teacher in these episodes.
        place: where to play; here by default.
    """

    def __init__(
        self,
        make: Callable[[Sequence[Tree]], TreePolicy],
        seeds: Int64Array,
        params: EnvParams,
        policy: Policy | None,
        returns: FloatArray,
        place: Place | None,
    ) -> None:
        self.make, self.policy = make, policy
        self._seeds, self._params = seeds, params
        self.returns, self._place = returns, place
        self.cycle = _returns(load_policy(_REFERENCE), seeds, params, place)
        self.sleep = _returns(load_policy("sleep"), seeds, params, place)

    def worth(self, team: Policy, seats: tuple[str, ...], episodes: int | None = None) -> Worth:
        """How a team fares, on all held-out episodes or on the first of them."""
        returns = _returns(team, self._seeds[:episodes], self._params, self._place)
        teacher, cycle = self.returns[:episodes], self.cycle[:episodes]
        mean, lost = estimate(np.column_stack([returns, teacher - returns]))
        relative, to_cycle = ratios(
            np.column_stack([teacher - returns] * 2),
            np.column_stack([-teacher, teacher - cycle]),
            bounds=(-np.inf, np.inf),
        )
        return Worth(
            seats,
            mean,
            lost,
            relative if relative.total > 0 else None,
            to_cycle if to_cycle.total > 0 else None,
        )

    def decision_time(self, trees: TreePolicy) -> float:
        """Microseconds per decision of one agent, in a batch of 64 episodes."""
        n, steps = 64, 20
        env = BatchedEnv(n, params=self._params)
        env.reset(np.arange(n))
        trees.reset(np.arange(n))
        decide(trees, env)
        start = time.perf_counter()
        for _ in range(steps):
            decide(trees, env)
        env.close()
        return (time.perf_counter() - start) / (steps * n * N_BLUE) * 1e6


def _pruned(
    training: Sequence[Samples], options: Options
) -> tuple[list[Tree], dict[int, list[Tree]]]:
    """The smallest trees that are about as faithful as any, and trees of all sizes."""
    sizes = sorted({size for size in SIZES if size < options.leaves} | {options.leaves})
    enough = _enough(training, sizes, options)
    # And what more leaves than were asked for would bring.
    larger = 2 * options.leaves
    growths = _grow(training, larger, stochastic=options.stochastic)
    curve = {size: [growth.tree(size) for growth in growths] for size in (*sizes, larger)}
    return curve[enough], curve


def _enough(training: Sequence[Samples], sizes: Sequence[int], options: Options) -> int:
    """The least of some sizes that is about as good as any, on episodes that are kept back."""
    back = [_kept_back(samples) for samples in training]
    growths = _grow(
        training,
        options.leaves,
        stochastic=options.stochastic,
        times=[~of_agent for of_agent in back],
    )
    judges = [samples.only(of_agent) for samples, of_agent in zip(training, back, strict=True)]
    fidelity_of = {size: _mean_fidelity(growths, size, judges, options) for size in sizes}
    least = max(fidelity_of.values()) - _TOLERANCE
    return min(size for size, value in fidelity_of.items() if value >= least)


def _mean_fidelity(
    growths: Sequence[Growth], size: int, samples: Sequence[Samples], options: Options
) -> float:
    """Of all agents' trees of a size: the measure that such trees are made for."""
    measure = overlap if options.stochastic else partial(balanced, least=1)
    return fmean(
        measure(growth.tree(size), of_agent) or 0.0
        for growth, of_agent in zip(growths, samples, strict=True)
    )


def _kept_back(samples: Samples) -> BoolArray:
    """``bool[d]`` the decisions of the episodes that are kept back."""
    place = np.unique(samples.episode, return_inverse=True)[1]
    return np.asarray(place % _VALIDATION == 0)


def _judged(
    chosen: Sequence[Tree],
    sizes: dict[int, list[Tree]],
    training: Sequence[Samples],
    unseen: Sequence[Samples],
    judge: _Judge,
    options: Options,
    progress: Progress,
) -> tuple[dict[str, Any], TreePolicy]:
    progress(f"trees of {', '.join(map(str, sizes))} leaves play")
    curve = tuple(
        Size(
            size,
            tuple(balanced(tree, samples) for tree, samples in zip(trees, unseen, strict=True)),
            judge.worth(judge.make(trees), BLUE, _CURVE_EPISODES),
        )
        for size, trees in sizes.items()
    )
    policy = judge.make(chosen)
    progress("the chosen trees play, in all seats and in one at a time")
    team = judge.worth(policy, BLUE)
    seats = tuple(
        judge.worth(MixedTeam(judge.policy, policy, [agent]), (BLUE[agent],))
        for agent in range(N_BLUE)
        if judge.policy is not None
    )
    progress("refitting on resampled episodes")
    stochastic = options.stochastic
    stability = _stability(chosen, training, unseen, stochastic=stochastic)
    agents = tuple(
        AgentTree(
            agent=BLUE[agent],
            leaves=tree.leaves,
            depth=tree.depth,
            features=features(tree),
            decisions=unseen[agent].decisions,
            fidelity=fidelity(
                tree,
                training[agent],
                unseen[agent],
                stochastic=stochastic,
                recorded=judge.policy is None,
            ),
            rules=ruling.rules(tree, unseen[agent], stochastic=stochastic),
            nodes=ruling.nodes(tree, unseen[agent], stochastic=stochastic),
            stability=stability[agent],
        )
        for agent, tree in enumerate(chosen)
    )
    judged = {
        "stochastic": stochastic,
        "teacher_return": estimate(judge.returns[:, None])[0],
        "cycle_return": estimate(judge.cycle[:, None])[0],
        "sleep_return": estimate(judge.sleep[:, None])[0],
        "team": team,
        "seats": seats,
        "sizes": curve,
        "agents": agents,
        "decision_time": judge.decision_time(policy),
    }
    return judged, policy


def _stability(
    trees: Sequence[Tree],
    training: Sequence[Samples],
    unseen: Sequence[Samples],
    *,
    stochastic: bool,
) -> list[tuple[float, float] | None]:
    """Against trees of the same size from other draws of the episodes."""
    rng = np.random.default_rng(0)

    def refits(agent: int) -> tuple[float, float]:
        agent_samples, tree = training[agent], trees[agent]
        taken = fitting.choice(tree, unseen[agent], stochastic=stochastic)
        weight = unseen[agent].weight[unseen[agent].decision]
        alike, shared = [], []
        for times in draws[agent]:
            growths = _grow([agent_samples], tree.leaves, stochastic=stochastic, times=[times])
            other = growths[0].tree(tree.leaves)
            theirs = fitting.choice(other, unseen[agent], stochastic=stochastic)
            alike.append((np.minimum(taken, theirs) * weight).sum() / unseen[agent].weight.sum())
            asked = [set(features(t)) for t in (tree, other)]
            shared.append(len(asked[0] & asked[1]) / max(len(asked[0] | asked[1]), 1))
        return float(np.mean(alike)), float(np.mean(shared))

    draws = [[_resampled(samples, rng) for _ in range(_REFITS)] for samples in training]
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(refits, range(len(trees))))


def _resampled(samples: Samples, rng: np.random.Generator) -> Int64Array:
    """``int64[d]`` how often each decision counts if episodes are drawn with replacement."""
    episodes, of = np.unique(samples.episode, return_inverse=True)
    drawn = rng.integers(len(episodes), size=len(episodes))
    return np.asarray(np.bincount(drawn, minlength=len(episodes))[of], np.int64)
