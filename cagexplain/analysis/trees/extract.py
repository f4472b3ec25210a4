"""Extracting decision trees from a policy, and judging how far they can be believed.

The method is VIPER's (Bastani et al. 2018, arXiv 1805.08328): trees are fitted to what the teacher
does; then the trees play, the teacher labels the states that they get into, and new trees are
fitted to everything seen so far. All agents are extracted at once, since what one does changes what
the others see (Milani et al. 2022). Fidelity alone hides what a tree loses in play (Marton et al.
2024), so trees are also judged by the return of teams that they play in, on episodes that they were
not fitted to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from cagexplain.analysis.trees import fit as fitting
from cagexplain.analysis.trees import rules as ruling
from cagexplain.analysis.trees.fidelity import features, fidelity, overlap
from cagexplain.analysis.trees.fit import Growth
from cagexplain.analysis.trees.results import AgentTree, Gain, Size, Surrogate
from cagexplain.analysis.trees.samples import Samples, Teacher, joined, of_trace, roll_out
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.evaluation import estimate, evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED, seed_range
from cagexplain.policies.trees.tree import Tree, TreePolicy
from cagexplain.policies.wrappers.team import MixedTeam
from cagexplain.stats.shares import ratios
from cagexplain.tracing.trace import Trace

Progress = Callable[[str], None]

FIT_SEED: Final = EVALUATION_SEED + 1_000_000
"""First seed of the episodes that trees are fitted to: neither training's nor evaluation's."""
SIZES: Final = (2, 4, 8, 16, 32, 64)
_TOLERANCE: Final = 0.005
"""Fidelity that a smaller tree may lose against the largest."""
_REFITS: Final = 3
_CURVE_EPISODES: Final = 32
"""Held-out episodes that every size of trees plays for the curve."""
_MIN_EPISODES: Final = 8
_WORKERS: Final = 2


@dataclass(frozen=True)
class Options:
    """How trees are extracted.

    Attributes:
        leaves: of a tree, at most.
        episodes: that a round of roll-outs plays.
        rounds: of roll-outs in which the trees play.
        held_out: episodes that trees are judged on.
        seed: of the first held-out episode.
        stochastic: whether trees draw their actions; None as the policy does, so far as it tells.
    """

    leaves: int = 64
    episodes: int = 64
    rounds: int = 3
    held_out: int = 100
    seed: int = EVALUATION_SEED
    stochastic: bool | None = None


def extract(
    policy: Policy,
    params: EnvParams | None = None,
    options: Options | None = None,
    *,
    progress: Progress = lambda _: None,
) -> tuple[Surrogate, TreePolicy]:
    """Extract trees from a policy by playing.

    Args:
        policy: the teacher.
        params: of the environment; CC4's own by default.
        options: how.
        progress: is told what is being done.
    """
    started = time.perf_counter()
    params, options = params or EnvParams(), options or Options()
    held_out = seed_range(options.seed, options.held_out)
    teacher = Teacher(policy, options.stochastic)
    progress(f"{policy.name} plays {options.episodes} episodes")
    seeds = seed_range(FIT_SEED, options.episodes)
    training, _ = roll_out(teacher, None, seeds, params)
    make = _maker(teacher, policy)
    candidates: list[tuple[float, list[Tree]]] = []
    # A script follows a plan of its own, so what it would do after another's actions tells nothing.
    for number in range(options.rounds if teacher.weighs else 0):
        progress(f"trees play, {policy.name} says what it would do: round {number + 1}")
        growths = _grow(training, options.leaves, teacher.stochastic)
        trees = [growth.tree(options.leaves) for growth in growths]
        student = make(trees)
        seeds = seed_range(FIT_SEED + (number + 1) * options.episodes, options.episodes)
        more, earned = roll_out(teacher, student, seeds, params)
        candidates.append((float(earned.mean()), trees))
        training = [joined(pair) for pair in zip(training, more, strict=True)]
    progress("growing and pruning trees")
    trees, curve = _pruned(training, options, stochastic=teacher.stochastic)
    seeds = seed_range(FIT_SEED + (options.rounds + 1) * options.episodes, options.episodes)
    candidates.append((float(_returns(make(trees), seeds, params).mean()), trees))
    # As VIPER does: of all the trees that were made, those that play best.
    _, trees = max(candidates, key=lambda candidate: candidate[0])
    progress(f"{policy.name} plays {options.held_out} held-out episodes")
    unseen, returns = roll_out(teacher, None, held_out, params)
    judge = _Judge(teacher, make, held_out, params, policy, returns, teacher.stochastic)
    judged, student = _judged(trees, curve, training, unseen, judge, progress)
    result = Surrogate(
        teacher=policy.describe(),
        source="roll-outs",
        options={**asdict(options), **params.as_dict()},
        seconds=time.perf_counter() - started,
        **judged,
    )
    return result, student


def extract_from_trace(
    trace: Trace, options: Options | None = None, *, progress: Progress = lambda _: None
) -> tuple[Surrogate, TreePolicy]:
    """Extract trees from recorded decisions: a quarter of the episodes is held out.

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
    params = EnvParams(steps=trace.manifest.options["steps"], red=trace.manifest.options["red"])
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
    trees, curve = _pruned(training, options, stochastic=bool(options.stochastic))
    seeds = np.array(trace.manifest.seeds)[held_out]
    judge = _Judge(None, make, seeds, params, None, returns[held_out], bool(options.stochastic))
    judged, student = _judged(trees, curve, training, unseen, judge, progress)
    result = Surrogate(
        teacher=dict(facts),
        source="trace",
        options={**asdict(options), **params.as_dict(), "episodes": trace.n_episodes},
        seconds=time.perf_counter() - started,
        **judged,
    )
    return result, student


def _maker(teacher: Teacher, policy: Policy) -> Callable[[Sequence[Tree]], TreePolicy]:
    facts = policy.describe()
    config = facts.get("config", {})

    def make(trees: Sequence[Tree]) -> TreePolicy:
        return TreePolicy(
            trees,
            name=f"tree-{policy.name}",
            deterministic=not teacher.stochastic,
            message_kind=str(config.get("messages", "none")),
            teacher=_brief(facts),
        )

    return make


def _brief(facts: Any) -> dict[str, Any]:
    """What a policy file tells about its teacher."""
    return {key: facts[key] for key in ("name", "kind", "path", "sha256") if key in facts}


def _grow(samples: Sequence[Samples], leaves: int, stochastic: bool) -> list[Growth]:
    """A growth per agent, side by side: scikit-learn leaves the interpreter alone."""

    def grow(agent_samples: Samples) -> Growth:
        return Growth(
            agent_samples, leaves, stochastic=stochastic, decision_weight=_matter(agent_samples)
        )

    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(grow, samples))


def _matter(samples: Samples) -> FloatArray:
    """Weights of decisions in fitting: half by importance, so that calm is learned too."""
    mean = samples.importance.mean()
    if mean <= 0:
        return np.ones(samples.decisions)
    return np.asarray(0.5 + 0.5 * samples.importance / mean)


def _returns(policy: Policy, seeds: Int64Array, params: EnvParams) -> FloatArray:
    return evaluate(policy, seeds, params).returns.astype(np.float64)


class _Judge:
    """Plays teams with trees on the held-out seeds."""

    def __init__(
        self,
        teacher: Teacher | None,
        make: Callable[[Sequence[Tree]], TreePolicy],
        seeds: Int64Array,
        params: EnvParams,
        policy: Policy | None,
        returns: FloatArray,
        stochastic: bool,
    ) -> None:
        self.stochastic = stochastic
        self.importance = (
            "none: a trace holds choices only" if teacher is None else teacher.importance
        )
        self.make, self.policy = make, policy
        self._seeds, self._params = seeds, params
        self.returns = returns
        self.sleep = _returns(load_policy("sleep"), seeds, params)

    def gain(self, team: Policy, seats: tuple[str, ...], episodes: int | None = None) -> Gain:
        """How a team fares, on all held-out episodes or on the first of them."""
        returns = _returns(team, self._seeds[:episodes], self._params)
        sleep, teacher = self.sleep[:episodes], self.returns[:episodes]
        (mean,) = estimate(returns[:, None])
        (ratio,) = ratios(
            (returns - sleep)[:, None], (teacher - sleep)[:, None], bounds=(-np.inf, np.inf)
        )
        if ratio.total <= 0:
            return Gain(seats, mean, None, None, None)
        return Gain(seats, mean, ratio.value, ratio.low, ratio.high)

    def decision_time(self, trees: TreePolicy) -> float:
        """Microseconds per decision of one agent, in a batch of 64 episodes."""
        n, steps = 64, 20
        env = BatchedEnv(n, params=self._params)
        env.reset(np.arange(n))
        trees.reset(np.arange(n))
        trees.act(env.obs, env.mask, env.free)
        start = time.perf_counter()
        for _ in range(steps):
            trees.act(env.obs, env.mask, env.free)
        env.close()
        return (time.perf_counter() - start) / (steps * n * N_BLUE) * 1e6


def _pruned(
    training: Sequence[Samples], options: Options, *, stochastic: bool
) -> tuple[list[Tree], dict[int, list[Tree]]]:
    """The smallest trees that are about as faithful as the largest, and trees of all sizes."""
    sizes = sorted({size for size in SIZES if size < options.leaves} | {options.leaves})
    growths = _grow(training, options.leaves, stochastic)
    curve = {size: [growth.tree(size) for growth in growths] for size in sizes}
    chosen = []
    for agent, agent_samples in enumerate(training):
        overlaps = {
            size: overlap(trees[agent], agent_samples, stochastic=stochastic)
            for size, trees in curve.items()
        }
        enough = max(overlaps.values()) - _TOLERANCE
        smallest = min(size for size, value in overlaps.items() if value >= enough)
        chosen.append(curve[smallest][agent])
    # What more leaves than were asked for would bring.
    larger = 2 * options.leaves
    curve[larger] = [growth.tree(larger) for growth in _grow(training, larger, stochastic)]
    return chosen, curve


def _judged(
    chosen: Sequence[Tree],
    sizes: dict[int, list[Tree]],
    training: Sequence[Samples],
    unseen: Sequence[Samples],
    judge: _Judge,
    progress: Progress,
) -> tuple[dict[str, Any], TreePolicy]:
    progress(f"trees of {', '.join(map(str, sizes))} leaves play")
    curve = []
    for size, trees in sizes.items():
        played = judge.gain(judge.make(trees), BLUE, _CURVE_EPISODES)
        fidelities = tuple(
            overlap(tree, agent_samples, stochastic=judge.stochastic)
            for tree, agent_samples in zip(trees, unseen, strict=True)
        )
        curve.append(Size(size, fidelities, played.gain, played.returns.mean))
    policy = judge.make(chosen)
    progress("the chosen trees play, in all seats and in one at a time")
    team = judge.gain(policy, BLUE)
    seats = tuple(
        judge.gain(MixedTeam(judge.policy, policy, [agent]), (BLUE[agent],))
        for agent in range(N_BLUE)
        if judge.policy is not None
    )
    progress("refitting on resampled episodes")
    stability = _stability(chosen, training, unseen, judge.stochastic)
    agents = tuple(
        AgentTree(
            agent=BLUE[agent],
            leaves=tree.leaves,
            depth=tree.depth,
            features=features(tree),
            decisions=unseen[agent].decisions,
            fidelity=fidelity(tree, training[agent], unseen[agent], stochastic=judge.stochastic),
            rules=ruling.rules(tree, unseen[agent], stochastic=judge.stochastic),
            nodes=ruling.nodes(tree, unseen[agent], stochastic=judge.stochastic),
            stability=stability[agent],
        )
        for agent, tree in enumerate(chosen)
    )
    judged = {
        "stochastic": judge.stochastic,
        "importance": judge.importance,
        "teacher_return": estimate(judge.returns[:, None])[0],
        "sleep_return": estimate(judge.sleep[:, None])[0],
        "team": team,
        "seats": seats,
        "sizes": tuple(curve),
        "agents": agents,
        "decision_time": judge.decision_time(policy),
    }
    return judged, policy


def _stability(
    trees: Sequence[Tree], training: Sequence[Samples], unseen: Sequence[Samples], stochastic: bool
) -> list[tuple[float, float] | None]:
    """Against trees of the same size from other draws of the episodes."""
    rng = np.random.default_rng(0)

    def refits(agent: int) -> tuple[float, float]:
        agent_samples, tree = training[agent], trees[agent]
        taken = fitting.choice(tree, unseen[agent], stochastic=stochastic)
        alike, shared = [], []
        for drawn in draws[agent]:
            other = _grow([agent_samples.of_episodes(drawn)], tree.leaves, stochastic)[0].tree(
                tree.leaves
            )
            theirs = fitting.choice(other, unseen[agent], stochastic=stochastic)
            alike.append(np.minimum(taken, theirs).sum() / unseen[agent].decisions)
            asked = [set(features(t)) for t in (tree, other)]
            shared.append(len(asked[0] & asked[1]) / max(len(asked[0] | asked[1]), 1))
        return float(np.mean(alike)), float(np.mean(shared))

    draws = []
    for agent_samples in training:
        episodes = np.unique(agent_samples.episode)
        draws.append([rng.choice(episodes, len(episodes)) for _ in range(_REFITS)])
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(refits, range(len(trees))))
