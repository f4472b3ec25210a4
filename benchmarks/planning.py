"""Roll-outs as a teacher: is there a better action where `champion` decides, and can it be known?

    python -m benchmarks.planning --episodes 768 --play 4000 --play-seed 6000000
    python -m benchmarks.planning --episodes 256 --play 1000 --control

`champion` plays training episodes. At some of its decisions the world is cloned, and its choice and
an alternative are played on with equal chances, in two futures, `champion` deciding from then on.
The true state of the world is used, of which an agent knows its part. But since that state came
about in play, it is a draw of what the agent's history leaves possible: a regression of the gains
on what the agent knows is one over worlds that agree with its belief.

    hold      a Restore is not done; the agent forgets its reason until there is a new sign
    restore   a host with a sign of red is restored, where the rule does something else
    analyse   a host is analysed, where the rule neither restores nor removes
    decoy     the same, with a decoy

Gains are returns over the horizon: of the agent's own subnets and actions, which is what students
learn, and of the team without the contractor's Impacts. There are five students; each leaves a
fifth of the episodes out and is judged by them. Besides, the first future is the judge of the
second: it knows the true state, so this tells what that is worth, at least. Then the policy plays
that holds or restores where all students expect a gain (one step of expert iteration), on common
seeds with `champion`.

The control is the champion without patience in eviction, of which it is known how much it loses: a
teacher that finds nothing there would find nothing anywhere. It claims that holding gains where
students of the control expect it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold

from benchmarks.command import COUNT, CannotMeasure, benchmark
from cagexplain.cc4 import phases
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import N_BLUE
from cagexplain.cc4.layout import (
    ACTION_SLOT,
    ACTION_TYPE,
    OFFSETS,
    ON_SLOT,
    SLOT_AGENT,
    SLOT_START,
    SLOT_ZONE,
)
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.arrays import BoolArray, FloatArray, Int64Array
from cagexplain.envs import BatchedEnv, Engine
from cagexplain.policies.base import decide
from cagexplain.policies.evaluation import Evaluation, evaluate
from cagexplain.policies.knowledge import FAR, Knowledge
from cagexplain.policies.learned.features import (
    GROUPS,
    Features,
    global_columns,
    host_columns,
)
from cagexplain.policies.rollout import batches, seed_range
from cagexplain.policies.scripted.champion import Champion, Rules
from trainers.core.rewards import per_agent

ALTERNATIVES: Final = ("hold", "restore", "analyse", "decoy")
HOLD, RESTORE, ANALYSE, DECOY = range(len(ALTERNATIVES))
_ACTION: Final = {
    RESTORE: ON_SLOT[ActionKind.RESTORE],
    ANALYSE: ON_SLOT[ActionKind.ANALYSE],
    DECOY: ON_SLOT[ActionKind.DECOY],
}
GAINS: Final = ("local", "no_contractor")
"""Rewards whose sums are compared, by their names in `trainers.core.rewards`."""
FOLDS: Final = 5
TRAINING_SEED: Final = 800_000
"""First seed of the episodes that are learned from."""
PLAY_SEED: Final = 3_000_000
"""First seed of those that the taught policy is judged on."""
IMPATIENT: Final = Rules(evict_share=0.0)
"""The champion that is the control."""
_BATCH: Final = 256
_QUOTA: Final = (9, 7, 4, 4)
"""Questions of each kind that a step gives, at most; a step that has fewer repeats some."""
_FUTURES: Final = 2
"""Futures that each alternative is played in: what one shows can be judged by the other."""
_FIRST: Final = 3
"""Decisions before it are not asked about: an agent knows nothing."""


@dataclass(frozen=True)
class Comparisons:
    """What came of alternatives, ``k`` of them.

    Attributes:
        kind: ``int64[k]`` which of `ALTERNATIVES`.
        episode: ``int64[k]`` seed of the episode that the decision is from.
        inputs: ``float32[k, i]`` what the agent knew of itself and the host, see `Views`.
        gain: ``float64[k, 2, 2]`` return after the alternative minus that after the rule's choice,
            by future and by `GAINS`.
    """

    kind: Int64Array
    episode: Int64Array
    inputs: npt.NDArray[np.float32]
    gain: FloatArray

    def of(self, kind: int) -> Comparisons:
        """Those of one kind."""
        chosen = self.kind == kind
        return Comparisons(*(array[chosen] for array in vars(self).values()))


class Views:
    """What agents know of their hosts, as the networks of `--observation raw` are told it.

    Args:
        n: environments.
    """

    def __init__(self, n: int) -> None:
        self._features = Features("raw", n)
        self._inputs = self._features.empty()

    def observe(
        self, obs: Any, mask: BoolArray, free: BoolArray, sightings: Sightings | None
    ) -> None:
        """Take in what the agents are shown, as ``Features.observe`` has it."""
        self._features.observe(obs, mask, free, self._inputs, sightings)

    def acted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember the actions ``int64[n, 5]`` that the agents started."""
        self._features.acted(chosen, free)

    def of(self, env: Int64Array, slot: Int64Array) -> npt.NDArray[np.float32]:
        """Inputs ``float32[k, i]`` about hosts, slots ``int64[k]`` in environments ``int64[k]``:
        of the host, of its agent, and the number of the subnet."""
        rows = np.empty((len(env), _COLUMNS[0].shape[1] + 1), np.float32)
        for group, tensor in zip(GROUPS, self._inputs, strict=True):
            for member, agent in enumerate(group):
                at = np.flatnonzero(SLOT_AGENT[slot] == agent)
                columns = _COLUMNS[agent][slot[at] - SLOT_START[agent]]
                rows[at, :-1] = tensor[member].numpy()[env[at, None], columns]
        rows[:, -1] = SLOT_ZONE[slot]
        return rows


def _columns(agent: int) -> Int64Array:
    """Inputs about each of an agent's hosts and about no host: ``int64[hosts, i]``."""
    hosts, others = host_columns("raw", agent), global_columns("raw", agent)
    return np.hstack([hosts, np.tile(others, (len(hosts), 1))])


_COLUMNS: Final = [_columns(agent) for agent in range(N_BLUE)]


def signs(now: Knowledge) -> BoolArray:
    """Hosts of which the agent knows something that may speak for a Restore: ``bool[n, 112]``."""
    known: BoolArray = now.exists & (
        now.source | now.removed | now.exploited | now.rooted | now.first | now.stale
    )
    return known


def hold(now: Knowledge, env: Int64Array, slot: Int64Array) -> None:
    """Forget why hosts are to be restored; new signs will count again.

    Args:
        now: is changed.
        env, slot: ``int64[k]`` hosts that `champion` restores.
    """
    begun = now.rooted[env, slot] | now.first[env, slot]
    soon = now.source_from[env, slot] - now.exploited_at[env, slot] < Rules().got_through
    through = ~begun & (now.exploited | now.removed)[env, slot] & soon
    evicted = ~begun & ~through
    for flags in (now.rooted, now.first, now.stale):
        flags[env[begun], slot[begun]] = False
    now.source_from[env[through], slot[through]] = FAR
    now.targets[env[evicted], slot[evicted]] = 0


@dataclass(frozen=True)
class Questions:
    """Alternatives to be compared with what the rule does, ``k`` of them.

    Attributes:
        kind: ``int64[k]`` which of `ALTERNATIVES`.
        env: ``int64[k]`` environment.
        slot: ``int64[k]`` the host that it is about.
    """

    kind: Int64Array
    env: Int64Array
    slot: Int64Array

    @property
    def agent(self) -> Int64Array:
        """``int64[k]`` whose decision it is."""
        return SLOT_AGENT[self.slot]

    def repeated(self, times: int) -> Questions:
        """All of them so many times, one after the other."""
        return Questions(*(np.tile(field, times) for field in vars(self).values()))


def eligible(now: Knowledge, chosen: Int64Array, free: BoolArray) -> list[BoolArray]:
    """Hosts ``bool[n, 112]`` that each of `ALTERNATIVES` can be asked about.

    Args:
        now: what the agents know.
        chosen: ``int64[n, 5]`` positions of the actions that the rule chooses.
        free: ``bool[n, 5]``.
    """
    kind, target = ACTION_TYPE[chosen][:, SLOT_AGENT], ACTION_SLOT[chosen][:, SLOT_AGENT]
    here = target == np.arange(len(SLOT_AGENT))
    can = free[:, SLOT_AGENT] & now.exists
    restored = kind == ActionKind.RESTORE
    idle = can & ~restored & (kind != ActionKind.REMOVE)
    return [
        can & restored & here,
        can & signs(now) & ~(restored & here),
        idle & ~(here & (kind == ActionKind.ANALYSE)),
        idle & ~(here & (kind == ActionKind.DECOY)),
    ]


def compare(
    seeds: Int64Array, rules: Rules, *, share: float, horizon: int, seed: int = 0
) -> Comparisons:
    """Have a champion play, and play alternatives on.

    Args:
        seeds: ``int64[n]`` of the episodes.
        rules: of the champion.
        share: of the steps in which alternatives are played.
        horizon: steps that each future lasts, fewer at the end of the episode.
        seed: of what is drawn here.
    """
    rng = np.random.default_rng(seed)
    futures = Futures(sum(_QUOTA), horizon)
    rows = [
        row
        for part in batches(seeds, _BATCH)
        for row in _play_on(part, Champion(rules=rules), share, futures, rng)
    ]
    return Comparisons(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _play_on(
    seeds: Int64Array,
    policy: Champion,
    share: float,
    futures: Futures,
    rng: np.random.Generator,
) -> Iterator[tuple[Any, ...]]:
    """The fields of `Comparisons` of each step of a batch of episodes that is asked about."""
    env, views = BatchedEnv(len(seeds), threads=1), Views(len(seeds))
    env.reset(seeds)
    policy.reset(seeds)
    everyone = np.arange(len(seeds))
    for step in range(futures.counted):
        asks = step >= _FIRST and rng.random() < share
        before = policy.branch(everyone) if asks else None
        views.observe(env.obs, env.mask, env.free, env.sightings())
        decision = decide(policy, env)
        if before is not None:
            possible = eligible(policy.now, decision.actions + OFFSETS, env.free)
            asked = _draw(possible, futures.questions, rng)
            if asked is not None:
                gain, differs = futures.gains(env, before, asked, step, rng)
                inputs = views.of(asked.env, asked.slot)
                fields = (asked.kind, seeds[asked.env], inputs, gain)
                yield tuple(field[differs] for field in fields)
        views.acted(decision.actions, env.free)
        env.step(decision.actions)


def _draw(possible: Sequence[BoolArray], count: int, rng: np.random.Generator) -> Questions | None:
    """Questions, `count` of them: of each kind up to its quota, by agents that can be asked and
    then one of their hosts, repeated if there are too few; None if there are none."""
    rows = []
    for kind, (flags, quota) in enumerate(zip(possible, _QUOTA, strict=True)):
        env, slot = np.nonzero(flags)
        order = rng.permutation(len(env))
        _, first = np.unique(env[order] * N_BLUE + SLOT_AGENT[slot[order]], return_index=True)
        taken = order[rng.permutation(first)[:quota]]
        rows.append(np.stack([np.full(len(taken), kind), env[taken], slot[taken]]))
    asked = np.concatenate(rows, axis=1).astype(np.int64)
    if not asked.shape[1]:
        return None
    return Questions(*asked[:, np.resize(np.arange(asked.shape[1]), count)])


class Futures:
    """Plays the rule's choices and alternatives on, in pairs of futures with equal chances.

    Args:
        questions: that are played side by side.
        horizon: steps that they are played for.

    Attributes:
        counted: steps of an episode whose rewards count.
    """

    def __init__(self, questions: int, horizon: int) -> None:
        self.questions, self._horizon = questions, horizon
        self._env = BatchedEnv(2 * _FUTURES * questions, threads=1)
        self.counted = phases.calls(self._env.params.steps) - phases.OFFICIAL_UNCOUNTED

    def gains(
        self,
        env: BatchedEnv,
        policy: Champion,
        asked: Questions,
        step: int,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, BoolArray]:
        """Returns after alternatives minus those after what the rule does.

        Args:
            env: the environments, at a decision.
            policy: what plays in them, before it has seen this step.
            asked: the alternatives, as many as it plays side by side.
            step: of the decision.
            rng: draws the chances of the futures.

        Returns:
            ``float64[k, 2, 2]`` by future and `GAINS`, and ``bool[k]`` whether the alternative is
            another action.
        """
        k = self.questions
        half, rows = _FUTURES * k, np.arange(2 * _FUTURES * k)
        at = rows % k  # the rule's futures of all questions, then the alternatives'
        self._env.restore(env.save(asked.env), at)
        self._env.reseed(np.tile(rng.integers(0, 2**62, half), 2))
        branch = policy.branch(asked.env[at])
        differs = np.zeros(half, np.bool_)

        def instead(chosen: Int64Array) -> Int64Array:
            revised = chosen.copy()
            revised[half:] = _alternatives(branch, asked.repeated(_FUTURES), chosen[half:])
            differs[:] = (revised[half:] != chosen[half:]).any(axis=1)
            return revised

        agent = asked.agent[at]
        sums = np.zeros((len(GAINS), 2 * half))
        reward = np.zeros((2 * half, N_BLUE), np.float32)
        for number in range(min(self._horizon, self.counted - step)):
            decision = decide(branch, self._env, instead if number == 0 else None)
            self._env.step(decision.actions)
            parts, costs = self._env.reward_parts.copy(), self._env.action_cost.copy()
            for total, kind in zip(sums, GAINS, strict=True):
                per_agent(kind, self._env.reward, parts, costs, reward)
                total += reward[rows, agent]
        gain = (sums[:, half:] - sums[:, :half]).reshape(len(GAINS), _FUTURES, k)
        return gain.T, differs[:k]


def _alternatives(branch: Champion, asked: Questions, chosen: Int64Array) -> Int64Array:
    """Actions ``int64[k, 5]`` of the last k environments of a branch: what was `chosen` there with
    the alternatives in its place."""
    k, held = len(chosen), np.flatnonzero(asked.kind == HOLD)
    hold(branch.now, len(branch.now.clock) - k + held, asked.slot[held])
    forgetful = branch.decide()[-k:]
    revised, rows = chosen.copy(), np.arange(k)
    position = forgetful[rows, asked.agent]
    for kind, table in _ACTION.items():
        position = np.where(asked.kind == kind, table[asked.slot], position)
    revised[rows, asked.agent] = position - OFFSETS[asked.agent]
    return revised


@dataclass(frozen=True)
class Lesson:
    """What students learned from comparisons of one kind, and how they were judged.

    Attributes:
        students: each learned from other episodes; ``predict(float32[k, i])`` gains ``[k]``.
        expected: ``float64[k]`` gain that the student expected which had not learned from it.
    """

    students: Sequence[Any]
    expected: FloatArray


def learn(part: Comparisons) -> Lesson:
    """Regress the local gains on what the agents knew, by small trees, as gains are a tenth of
    their noise; each of `FOLDS` students leaves a part of the episodes out."""
    students, expected = [], np.zeros(len(part.kind))
    gain = part.gain[:, :, 0].mean(axis=1)
    for train, test in GroupKFold(FOLDS).split(part.inputs, groups=part.episode):
        trees = HistGradientBoostingRegressor(
            learning_rate=0.05,
            max_iter=60,
            max_depth=3,
            min_samples_leaf=100,
            l2_regularization=10.0,
            random_state=0,
        ).fit(part.inputs[train], gain[train])
        expected[test] = trees.predict(part.inputs[test])
        students.append(trees)
    return Lesson(students, expected)


class Taught(Champion):
    """`champion`, which holds or restores where all students expect a gain.

    Args:
        students: by kind, `HOLD` and `RESTORE`.
        margin: that each expected gain must exceed.
        rules: of the champion.
    """

    def __init__(
        self, students: dict[int, Sequence[Any]], margin: float, rules: Rules | None = None
    ) -> None:
        super().__init__("taught", rules)
        self._students, self._margin = students, margin

    def begin(self, mask: BoolArray) -> None:
        """Nothing is known yet."""
        super().begin(mask)
        self.views = Views(len(mask))

    def take_in(self, obs: Any, mask: BoolArray, free: BoolArray) -> None:
        """Take in what the agents are shown, twice: what is held is forgotten by one memory."""
        self.views.observe(obs, mask, free, self._sightings)
        super().take_in(obs, mask, free)

    def decide(self) -> Int64Array:
        """What the rules say, but for the expected gains."""
        position = super().decide()
        env, slot = self._expected(HOLD, position)
        if len(env):
            hold(self.now, env, slot)
            position[np.unique(env)] = super().decide()[np.unique(env)]
        env, slot = self._expected(RESTORE, position)
        position[env, SLOT_AGENT[slot]] = _ACTION[RESTORE][slot]
        return position

    def _expected(self, kind: int, position: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Hosts whose alternative is expected to gain, the best last."""
        env, slot = np.nonzero(eligible(self.now, position, self.now.free)[kind])
        if not len(env):
            return env, slot
        inputs, least = self.views.of(env, slot), np.full(len(env), np.inf)
        for student in self._students[kind]:
            left = np.flatnonzero(least > self._margin)
            if len(left):
                least[left] = np.minimum(least[left], student.predict(inputs[left]))
        order = np.argsort(least, kind="stable")
        chosen = order[least[order] > self._margin]
        return env[chosen], slot[chosen]

    def submitted(self, chosen: Int64Array, free: BoolArray) -> None:
        """Remember the actions that were started."""
        super().submitted(chosen, free)
        self.views.acted(chosen, free)


@benchmark(__doc__)
@click.option("--episodes", type=COUNT, default=512, show_default=True, help="To learn from.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.25,
    show_default=True,
    help="Of the steps in which alternatives are played.",
)
@click.option("--horizon", type=COUNT, default=200, show_default=True, help="Steps of a future.")
@click.option("--margin", type=float, default=0.1, show_default=True, help="Expected, to act on.")
@click.option("--play", type=COUNT, default=2000, show_default=True, help="Episodes to judge by.")
@click.option("--play-seed", type=click.IntRange(min=0), default=PLAY_SEED, show_default=True)
@click.option("--control", is_flag=True, help="Teach the champion without patience in eviction.")
def command(
    episodes: int,
    share: float,
    horizon: int,
    margin: float,
    play: int,
    play_seed: int,
    control: bool,
) -> Sequence[str]:
    """Play alternatives on, learn from them, and play what was learned."""
    seeds = seed_range(TRAINING_SEED, episodes)
    rules = IMPATIENT if control else Rules()
    compared = compare(seeds, rules, share=share, horizon=horizon)
    parts = [compared.of(kind) for kind in range(len(ALTERNATIVES))]
    if any(len(np.unique(part.episode)) < FOLDS for part in parts):
        raise CannotMeasure(f"an alternative was compared in fewer than {FOLDS} episodes")
    click.echo(
        f"{len(compared.kind):,} comparisons from {episodes:,} episodes, seeds from "
        f"{TRAINING_SEED}, each in {_FUTURES} futures of {horizon} steps; gains ± SE.\n"
    )
    lessons = [learn(part) for part in parts]
    for line in _judged(parts, lessons, margin):
        click.echo(line)
    students = {kind: lessons[kind].students for kind in (HOLD, RESTORE)}
    tested = seed_range(play_seed, play)
    click.echo(f"\n{play:,} episodes each, seeds from {play_seed}; points per episode ± SE.\n")
    policies = [Champion("control" if control else "champion", rules)]
    policies.append(Taught(students, margin, rules))
    if control:
        policies.append(Champion())
    results = [
        evaluate(policy, tested, batch=_BATCH, engine=Engine(workers=1)) for policy in policies
    ]
    for line in _played(results):
        click.echo(line)
    held = parts[HOLD].gain[lessons[HOLD].expected > margin, :, 0].mean(axis=1)
    if control and (len(held) < 2 or held.mean() < 2 * _error(held)):
        return [f"students of the control are right to hold: {len(held)} gain {_mean(held)}"]
    return []


def _judged(
    parts: Sequence[Comparisons], lessons: Sequence[Lesson], margin: float
) -> Iterator[str]:
    """What came of each kind, of those that a student expected to gain more than the margin who had
    not learned from them, and, by their second future, of those that gained in the first."""
    yield (
        "| alternative | comparisons | gain | of the team | SD | expected to gain | these gain "
        "| of the team | gain in one future | these gain in the other |"
    )
    yield f"|{'---|' * 10}"
    for name, part, lesson in zip(ALTERNATIVES, parts, lessons, strict=True):
        gain = part.gain
        local, team = gain.mean(axis=1).T
        hopeful, lucky = lesson.expected > margin, gain[:, 0, 0] > 0
        yield (
            f"| {name} | {len(gain):,} | {_mean(local)} | {_mean(team)} | {gain[..., 0].std():.1f} "
            f"| {hopeful.mean():.1%} | {_mean(local[hopeful])} | {_mean(team[hopeful])} "
            f"| {lucky.mean():.0%} | {_mean(gain[lucky, 1, 0])} |"
        )


def _played(results: Sequence[Evaluation]) -> Iterator[str]:
    """How policies do on common seeds; differences are from the first one."""
    yield "| policy | return | without contractor | difference | Restores |"
    yield "|---|---|---|---|---|"
    first = results[0].without_contractor
    for result in results:
        own = result.without_contractor
        yield (
            f"| {result.policy['name']} | {_mean(result.returns)} | {_mean(own)} "
            f"| {_mean(own - first)} | {-result.costs.sum(axis=(1, 2)).mean():.1f} |"
        )


def _mean(values: Any) -> str:
    return f"{values.mean():.2f} ± {_error(values):.2f}" if len(values) > 1 else ""


def _error(values: Any) -> float:
    """Standard error of a mean."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


if __name__ == "__main__":
    command()
