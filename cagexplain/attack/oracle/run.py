"""A double oracle from beginning to end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cagexplain import __version__
from cagexplain.attack import results as attacks
from cagexplain.attack import rules
from cagexplain.attack.arena import Arena, Trial, worst_first
from cagexplain.attack.oracle import game, progress, results
from cagexplain.attack.oracle.progress import Hunt, Progress, Task
from cagexplain.attack.oracle.results import Blue, OracleResult, Pair, Plan, Red, Table, Weights
from cagexplain.attack.results import Aim, Rules
from cagexplain.attack.search import Search, choice_seeds
from cagexplain.attack.space import Space
from cagexplain.cc4 import phases
from cagexplain.cc4.reds import PORTFOLIO, REDS, STANDARD, RedTable
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.common.errors import UsageError
from cagexplain.common.files import prepare_output_dir, write_json, write_text
from cagexplain.envs import Engine, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED, seed_range

Narrate = Callable[
    [str, int | None],
    AbstractContextManager[tuple[Callable[[int], None], Callable[[str], None]]],
]
"""Shows one piece of work: (what it is, environment steps) -> what to report steps and words to."""

_TABLE, _START, _WORST = 4, 5, 6
"""Which choice `choice_seeds` are for; an attack has the smaller ones."""
_FOUND, _TRAINED = "found", "blue"
"""What answers are called, with a number behind it."""


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
        plan: how much is played.
        rules, aim: of red.
        seed: of searches and trainings.
        first_seed: of the held-out episodes.
    """

    plan: Plan = Plan()  # noqa: RUF009 - frozen
    rules: Rules = "fenced"
    aim: Aim = "return"
    seed: int = 0
    first_seed: int = EVALUATION_SEED


@dataclass(frozen=True)
class Training:
    """A policy that is to be trained.

    Attributes:
        folder: for the run; what an interrupted one has left there is gone on with.
        reds: the attackers' mixture: each has a share of the episodes.
        teacher: policy to imitate first, as `load_policy` takes it; None for none.
        steps: environment steps.
        seed: of the run.
        params: of the environment, with any red.
    """

    folder: Path
    reds: Sequence[tuple[RedTable, float]]
    teacher: str | None
    steps: int
    seed: int
    params: EnvParams


Train = Callable[[Training], Path]
"""Trains a policy, and says where it lies."""


@dataclass(frozen=True)
class _Known:
    """A blue of the list: what is told of it, its policy, and how `load_policy` finds it."""

    blue: Blue
    policy: Policy
    spec: str


class _Mixture:
    """Several policies as one opponent, each episode played against all of them."""

    def __init__(self, parts: Sequence[tuple[float, Arena]]) -> None:
        self._parts = parts

    def scores(self, trials: Sequence[Trial], aim: Aim) -> list[FloatArray]:
        """The mean of the policies' scores by their weights: ``float64[n]`` of each trial."""
        total: list[FloatArray] = [np.zeros(len(trial.seeds)) for trial in trials]
        for weight, arena in self._parts:
            for sum_, scores in zip(total, arena.scores(trials, aim), strict=True):
                sum_ += weight * scores
        return total


class Oracle:
    """A double oracle.

    Args:
        policies: blue's list to begin with, by key: what `load_policy` takes, and the policy.
        reds: red's list to begin with.
        params: of the environment, with any red.
        settings: what is asked for.
        folder: for results; new or empty unless `resume`.
        train: makes blue's answers.
        narrate: shows what is played.
        resume: go on with the interrupted one in the folder.
        workers: threads; one per core by default.

    Raises:
        CagexplainError: the folder cannot be used, or what it holds is damaged.
        UsageError: a red occurs twice, or the folder holds another double oracle.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        reds: Sequence[RedTable],
        params: EnvParams,
        settings: Settings,
        folder: Path,
        *,
        train: Train,
        narrate: Narrate,
        resume: bool = False,
        workers: int | None = None,
    ) -> None:
        names = [red.name for red in reds]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(
                    f"two attackers have the name '{name}'",
                    where="--red",
                    remedy="Name each once, and give tables of your own names of their own",
                )
        self.folder, self.settings = folder, settings
        self._params, self._workers = replace(params, red=STANDARD), workers
        self._train, self._narrate = train, narrate
        self._blues = [
            _Known(Blue(key, attacks.plain(policy.describe())), policy, key)
            for key, policy in policies.items()
        ]
        self._reds = list(reds)
        options = {k: v for k, v in self._params.as_dict().items() if k != "red"}
        options |= {"condition": params.condition, "engine": Engine().describe()}
        task = Task(
            {known.blue.key: known.blue.policy for known in self._blues},
            tuple(red.document() for red in reds),
            attacks.plain(options),
            settings.rules,
            settings.aim,
            settings.plan,
            settings.seed,
            settings.first_seed,
        )
        if resume and (folder / results.FILE).exists():
            raise UsageError(
                "this double oracle is finished",
                where=folder,
                remedy="Give another folder to begin anew",
            )
        self._progress = progress.read(folder, task) if resume else Progress(task)
        prepare_output_dir(folder, allow_existing=resume)

    def run(self) -> OracleResult:
        """Play all rounds, and write what they come to.

        Raises:
            KeyboardInterrupt: what is finished is kept.
        """
        plan = self.settings.plan
        chances = choice_seeds(self.settings.seed, _TABLE, plan.table)
        solutions, answers = [], []
        for number in range(plan.rounds):
            blue, _ = _solve(self._table("table", chances))
            self._add_red(number, blue)
            table = self._table("table", chances)
            _, red = _solve(table)
            if plan.steps:
                self._add_blue(number, red, table)
            solutions.append((blue, red))
            answers.append(_answers(self._table("table", chances), blue, red))
        final = _solve(self._table("table", chances))
        seeds = seed_range(self.settings.first_seed, plan.held_out)
        held_out = self._table("held_out", seeds)
        task = self._progress.task
        result = OracleResult(
            options=task.options,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=__version__,
            rules=task.rules,
            aim=task.aim,
            plan=plan,
            seed=task.seed,
            seeds=tuple(seeds.tolist()),
            blues=tuple(known.blue for known in self._blues),
            reds=tuple(Red(red.name, red.summary, red.document()) for red in self._reds),
            pairs=tuple(
                tuple(Pair.of(points) for points in row)
                for row in held_out.points.astype(np.int64).tolist()
            ),
            rounds=tuple(
                held_out.round(*mixtures, answer)
                for mixtures, answer in zip(solutions, answers, strict=True)
            ),
            final=held_out.mixtures(*final),
        )
        write_json(self.folder / results.FILE, result.to_json(), indent=None)
        return result

    def _keep(self, **changes: Any) -> None:
        self._progress = replace(self._progress, **changes)
        self._progress.write(self.folder)

    def _table(self, kind: Literal["table", "held_out"], seeds: Int64Array) -> Table:
        """The points of all pairs on some seeds; pairs that are new are played."""
        for known in self._blues:
            cells, key = getattr(self._progress, kind), known.blue.key
            row = cells.get(key, {})
            new = [red for red in self._reds if red.name not in row]
            if not new:
                continue
            steps = len(new) * len(seeds) * phases.calls(self._params.steps)
            words = f"{key} against {len(new)} attacker{'s' if len(new) > 1 else ''}"
            with (
                self._narrate(words, steps) as (advance, _),
                Arena(known.policy, self._params, self._workers, advance) as arena,
            ):
                scores = arena.scores([Trial(red, seeds) for red in new], self.settings.aim)
            played = {
                red.name: tuple(points.astype(int).tolist())
                for red, points in zip(new, scores, strict=True)
            }
            self._keep(**{kind: {**cells, key: {**row, **played}}})
        cells = getattr(self._progress, kind)
        blues, reds = [known.blue.key for known in self._blues], [red.name for red in self._reds]
        points = [[cells[blue][red] for red in reds] for blue in blues]
        return Table(blues, reds, np.array(points, np.float64))

    def _add_red(self, number: int, blue: Weights) -> None:
        """Search for an attacker of a mixture of blues; what is found joins the list."""
        hunts = self._progress.hunts
        if number == len(hunts) or hunts[number].answer is None:
            with self._opponent(blue, number) as (opponent, tell):
                self._hunt(number, opponent, tell)
        answer = RedTable.from_document(self._progress.hunts[number].answer or {})
        if answer.name not in [red.name for red in self._reds]:
            self._reds.append(answer)
            write_text(self.folder / f"{answer.name}.yaml", answer.yaml())

    def _hunt(self, number: int, opponent: _Mixture, tell: Callable[[str], None]) -> None:
        """The search of a round, or what is left of it; keeps the worst that it comes to."""
        settings, plan = self.settings, self.settings.plan.search
        aim, seed = settings.aim, settings.seed + number
        before = self._progress.hunts[:number]
        if number == len(self._progress.hunts):
            tell("choosing where to begin")
            known = [*(REDS[name] for name in PORTFOLIO), *self._reds]
            candidates = {red.name: red for red in known}
            allowed = [
                red for red in candidates.values() if rules.offence(red, settings.rules) is None
            ]
            seeds = choice_seeds(seed, _START, plan.portfolio)
            best = worst_first(opponent, allowed, seeds, aim)[0]
            self._keep(hunts=(*before, Hunt(best.document())))
        hunt = self._progress.hunts[number]
        start = RedTable.from_document(hunt.start)
        search = Search(Space(start, settings.rules), plan, seed, hunt.values)

        def after(search: Search) -> None:
            self._keep(hunts=(*before, replace(hunt, values=search.values)))
            tell(f"generation {len(search.values)} of {plan.generations}")

        search.run(opponent, aim, after)
        tell("choosing the worst")
        seeds = choice_seeds(seed, _WORST, plan.choice)
        worst = worst_first(opponent, [start, *search.finalists()], seeds, aim)[0]
        if worst is not start:
            worst = replace(worst, name=_unused(_FOUND, [red.name for red in self._reds]))
        answer = replace(hunt, values=search.values, answer=worst.document())
        self._keep(hunts=(*before, answer))

    @contextmanager
    def _opponent(
        self, blue: Weights, number: int
    ) -> Iterator[tuple[_Mixture, Callable[[str], None]]]:
        """A mixture of blues to search against."""
        words = f"round {number + 1}, an attacker of {len(blue)} of blue’s"
        with ExitStack() as stack:
            advance, tell = stack.enter_context(self._narrate(words, None))
            parts = [
                (
                    blue[known.blue.key],
                    stack.enter_context(Arena(known.policy, self._params, self._workers, advance)),
                )
                for known in self._blues
                if known.blue.key in blue
            ]
            yield _Mixture(parts), tell

    def _add_blue(self, number: int, red: Weights, table: Table) -> None:
        """Train a policy against a mixture of reds; it joins the list.

        It begins by imitating the best against the mixture, by the `table`, of those that may be
        imitated: training runs no code of others.
        """
        gains = _gains(table, red)
        able = [known for known in self._blues if known.policy.kind != "external"]
        teacher = max(able, key=lambda known: gains[known.blue.key], default=None)
        key = _unused(_TRAINED, list(gains))
        file = self._train(
            Training(
                self.folder / key,
                [(each, red[each.name]) for each in self._reds if each.name in red],
                None if teacher is None else teacher.spec,
                self.settings.plan.steps,
                self.settings.seed + number,
                self._params,
            )
        )
        policy = load_policy(str(file))
        taught = None if teacher is None else teacher.blue.key
        facts = attacks.plain(policy.describe())
        self._blues.append(_Known(Blue(key, facts, taught), policy, str(file)))


def _unused(name: str, keys: Sequence[str]) -> str:
    """The first of name_1, name_2, ... that is no key yet."""
    numbered = (f"{name}_{i}" for i in itertools.count(1))
    return next(key for key in numbered if key not in keys)


def _solve(table: Table) -> tuple[Weights, Weights]:
    """Mixtures of both sides."""
    solution = game.solve(table.points.mean(axis=2))
    return _weights(table.blues, solution.rows), _weights(table.reds, solution.columns)


def _weights(keys: Sequence[str], weights: FloatArray) -> Weights:
    return {key: float(w) for key, w in zip(keys, weights, strict=True) if w > 0}


def _gains(table: Table, red: Weights) -> dict[str, float]:
    """What each blue gets under a mixture of reds."""
    return {key: float(table.under({key: 1.0}, red).mean()) for key in table.blues}


def _answers(table: Table, blue: Weights, red: Weights) -> tuple[str, str]:
    """Keys of the best answers: of blue's to red's mixture, and of red's to blue's."""
    gains = _gains(table, red)
    losses = {key: float(table.under(blue, {key: 1.0}).mean()) for key in table.reds}
    return max(gains, key=gains.__getitem__), min(losses, key=losses.__getitem__)
