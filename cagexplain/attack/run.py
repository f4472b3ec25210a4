"""An attack from beginning to end: portfolio, search, choice, judgement."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from cagexplain import __version__
from cagexplain.attack import plan as plans
from cagexplain.attack import progress as progresses
from cagexplain.attack import results, rules
from cagexplain.attack.ablation import put_back
from cagexplain.attack.arena import Arena, Trial, worst_first
from cagexplain.attack.plan import Plan
from cagexplain.attack.progress import Progress, Task
from cagexplain.attack.results import (
    Ablation,
    Aim,
    AttackResult,
    Generation,
    JudgedRed,
    Role,
    Rules,
)
from cagexplain.attack.search import Search, choice_seeds
from cagexplain.attack.space import Space
from cagexplain.attack.watch import Watched
from cagexplain.cc4 import phases
from cagexplain.cc4.reds import PORTFOLIO, REDS, STANDARD, VARIANTS, RedTable
from cagexplain.common.arrays import Int64Array
from cagexplain.common.errors import UsageError
from cagexplain.common.files import prepare_output_dir, write_json, write_text
from cagexplain.envs import Engine, EnvParams
from cagexplain.policies.base import Policy, rows_at_once
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import DEFAULT_BATCH, EVALUATION_SEED, seed_range
from cagexplain.tracing.recording import Recording

FOUND: Final = "found"
"""Name of the worst red of the search; its others are numbered."""
TABLE: Final = "found.yaml"
"""The worst red, as ``--red`` takes it."""
TRACED: Final = 10
"""Episodes of the worst red that are recorded."""
_START, _WORST = 2, 3
"""Which choice `choice_seeds` are for."""
_LIKE_STANDARD: Final = "verbose"


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
        rules, aim: of red.
        start: to start from; the portfolio's worst by default.
        seed: of the search.
        first_seed: of the held-out episodes.
    """

    rules: Rules = "fenced"
    aim: Aim = "return"
    start: RedTable | None = None
    seed: int = 0
    first_seed: int = EVALUATION_SEED


class Attack:
    """An attack on a policy.

    Args:
        policy: to attack.
        params: of the environment, with any red.
        settings: what is asked for.
        folder: for results; new or empty unless `resume`.
        resume: go on with the interrupted attack in the folder.
        workers: threads; one per core by default.

    Raises:
        CagexplainError: the folder cannot be used, or what it holds is damaged.
        UsageError: the start breaks the rules, or the folder holds another attack.
    """

    def __init__(
        self,
        policy: Policy,
        params: EnvParams,
        settings: Settings,
        folder: Path,
        *,
        resume: bool = False,
        workers: int | None = None,
    ) -> None:
        self._policy, self._params, self._workers = policy, replace(params, red=STANDARD), workers
        start = None if settings.start is None else rules.fit(settings.start, settings.rules)
        options = {k: v for k, v in self._params.as_dict().items() if k != "red"}
        options |= {"condition": params.condition, "engine": Engine().describe()}
        self._task = Task(
            results.plain(policy.describe()),
            results.plain(options),
            settings.rules,
            settings.aim,
            None if start is None else start.document(),
            settings.seed,
            settings.first_seed,
        )
        self._candidates = [
            REDS[name] for name in PORTFOLIO if rules.offence(REDS[name], settings.rules) is None
        ]
        self._shipped = [
            red for name, red in VARIANTS.items() if name not in (STANDARD, _LIKE_STANDARD)
        ]
        if resume and (folder / results.FILE).exists():
            raise UsageError(
                "this attack is finished", where=folder, remedy="Give another folder to begin anew"
            )
        self.folder = folder
        self.progress: Progress | None = progresses.read(folder, self._task) if resume else None
        prepare_output_dir(folder, allow_existing=resume)

    def plan(self, *, budget: float | None = None, generations: int | None = None) -> None:
        """Settle how much is played, unless the attack goes on.

        Args:
            budget: seconds that it may take, turned into numbers of episodes by the speed that a
                short play has.
            generations: or of how many the search has, with all numbers of episodes as they are.

        Raises:
            UsageError: the budget is too short for one generation.
        """
        if self.progress is not None:
            return
        chosen = Plan(generations=generations or Plan.generations)
        if budget is not None:
            calls = phases.calls(self._params.steps)
            speeds = []
            for policy in (self._policy, load_policy("sleep")):
                with self._arena(policy) as arena:
                    speeds.append(arena.speed() / calls)
            chosen = plans.within(budget, (speeds[0], speeds[1]), *self._numbers)
        self.progress = Progress(self._task, chosen, self._task.start)

    @property
    def _numbers(self) -> tuple[int, int]:
        """Reds that are judged in any case, and those that the start is chosen from."""
        candidates = 0 if self._task.start is not None else len(self._candidates)
        return 1 + len(self._shipped) + len(self._candidates), candidates

    @property
    def steps(self) -> tuple[int, int]:
        """Environment steps of it all, about, and those that are behind it."""
        assert self.progress is not None
        plan, played = self.progress.plan, len(self.progress.values)
        behind = played * plan.population * plan.episodes
        calls = phases.calls(self._params.steps)
        return calls * (plan.searched() + sum(plan.fixed(*self._numbers))), calls * behind

    def _arena(self, policy: Policy, advance: Callable[[int], None] = lambda _: None) -> Arena:
        return Arena(policy, self._params, self._workers, advance)

    def run(
        self,
        advance: Callable[[int], None] = lambda steps: None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> AttackResult:
        """Attack, and write what was found.

        Args:
            advance: is told environment steps as they are played, from any thread.
            tell: is told where it is, in words.

        Raises:
            KeyboardInterrupt: the generations so far are kept.
        """
        assert self.progress is not None
        with self._arena(self._policy, advance) as arena:
            if self.progress.start is None:
                tell("portfolio")
                self._keep(start=self._worst_candidate(arena).document())
            search = self._search(arena, tell)
            tell("choosing the worst")
            finalists = self._ranked(arena, search)
            tell("judging on held-out seeds")
            with self._arena(load_policy("sleep"), advance) as sleep:
                result = self._judged(arena, sleep, finalists, search)
        tell("recording")
        found = result.worst.table
        write_text(self.folder / TABLE, RedTable.from_document(found).yaml())
        self._record(RedTable.from_document(found), np.array(result.seeds[:TRACED]))
        write_json(self.folder / results.FILE, result.to_json(), indent=None)
        return result

    def _keep(self, **changes: Any) -> None:
        assert self.progress is not None
        self.progress = replace(self.progress, **changes)
        self.progress.write(self.folder)

    def _worst_candidate(self, arena: Arena) -> RedTable:
        assert self.progress is not None
        seeds = choice_seeds(self._task.seed, _START, self.progress.plan.portfolio)
        return worst_first(arena, self._candidates, seeds, self._task.aim)[0]

    def _search(self, arena: Arena, tell: Callable[[str], None]) -> Search:
        assert self.progress is not None and self.progress.start is not None
        start = RedTable.from_document(self.progress.start)
        plan = self.progress.plan
        search = Search(Space(start, self._task.rules), plan, self._task.seed, self.progress.values)
        before, began = self.progress.seconds, time.perf_counter()

        def after(search: Search) -> None:
            seconds = before + time.perf_counter() - began
            self._keep(values=search.values, seconds=seconds)
            best = min(min(row) for row in search.values)
            tell(f"generation {len(search.values)} of {plan.generations}, best {best:,.0f}")

        tell(f"from {start.name}")
        search.run(arena, self._task.aim, after)
        return search

    def _ranked(self, arena: Arena, search: Search) -> list[RedTable]:
        """The finalists, worst for the policy first, with their names."""
        assert self.progress is not None
        reds = [search.space.start, *search.finalists()]
        seeds = choice_seeds(self._task.seed, _WORST, self.progress.plan.choice)
        names = [FOUND, *(f"{FOUND}_{rank}" for rank in range(2, len(reds) + 1))]
        ranked = worst_first(arena, reds, seeds, self._task.aim)
        return [
            red if red.name in REDS else replace(red, name=name)
            for red, name in zip(ranked, names, strict=True)
        ]

    def _judged(
        self, arena: Arena, sleep: Arena, finalists: list[RedTable], search: Search
    ) -> AttackResult:
        assert self.progress is not None
        plan, worst = self.progress.plan, finalists[0]
        seeds = seed_range(self._task.first_seed, plan.held_out)
        roles: dict[str, Role] = {STANDARD: "standard"}
        roles |= {red.name: "shipped" for red in self._shipped}
        roles |= {red.name: "portfolio" for red in self._candidates}
        known = {red.name: red for red in [REDS[STANDARD], *self._shipped, *self._candidates]}
        known |= {red.name: red for red in finalists}
        trials = [
            Trial(red, seeds if red.name in (STANDARD, worst.name) else seeds[: plan.side])
            for red in known.values()
        ]
        parts = put_back(worst, REDS[STANDARD])
        ablated = [Trial(red, seeds[: plan.ablation]) for red in parts.values()]
        watched = arena.watch([*trials, *ablated])
        slept = sleep.watch(trials)
        of_worst = dict(zip(parts, watched[len(trials) :], strict=True))
        return AttackResult(
            policy=self._task.policy,
            options=self._task.options,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=__version__,
            rules=self._task.rules,
            aim=self._task.aim,
            seeds=tuple(seeds.tolist()),
            reds=tuple(
                _judged(trial.red, roles.get(trial.red.name, "searched"), *both)
                for trial, *both in zip(trials, watched[: len(trials)], slept, strict=True)
            ),
            found=worst.name,
            ablation=tuple(Ablation(part, w.episodes) for part, w in of_worst.items()),
            search=results.Search(
                start=search.space.start.name,
                seed=self._task.seed,
                budget=plan.budget,
                seconds=self.progress.seconds,
                portfolio_episodes=plan.portfolio,
                population=plan.population,
                episodes=plan.episodes,
                planned=plan.generations,
                chosen_episodes=plan.choice,
                parameters=search.space.size,
                history=tuple(Generation(min(row), float(np.mean(row))) for row in search.values),
            ),
        )

    def _record(self, red: RedTable, seeds: Int64Array) -> None:
        trace = self.folder / results.TRACE
        shutil.rmtree(trace, ignore_errors=True)  # one that was interrupted
        Recording(
            trace,
            self._policy,
            seeds,
            replace(self._params, red=red),
            engine=Engine("native", self._workers),
            batch=rows_at_once(self._policy, DEFAULT_BATCH),
        ).run([])


def _judged(red: RedTable, role: Role, policy: Watched, sleep: Watched) -> JudgedRed:
    return JudgedRed(
        key=red.name,
        summary=red.summary,
        role=role,
        table=red.document(),
        policy=policy.episodes,
        sleep=sleep.episodes,
        losses=policy.losses,
        root=policy.root,
    )
