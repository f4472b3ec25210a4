"""The search: CMA-ES over red tables, in generations that can be played again.

CMA-ES (Hansen 2016, arXiv 1604.00772) draws a generation of tables around a mean, and moves mean
and covariance towards those that do best. All candidates of a generation are played on the same
seeds, so that they differ by what they do; every generation has new seeds, so that the search
cannot fit worlds.

All that a generation draws follows from the search's seed and from the values of those before it. A
search that was broken off is continued by telling the values again, which takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import cma
import numpy as np

from cagexplain.attack.arena import Opponent, Trial
from cagexplain.attack.plan import FINALISTS, Plan
from cagexplain.attack.results import Aim
from cagexplain.attack.space import Space
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.policies.rollout import EVALUATION_SEED

Values = tuple[tuple[float, ...], ...]
"""By generation and candidate: what red aims at, lower is worse for the policy."""

FIRST_CHOICE_SEED: Final = 9 * EVALUATION_SEED // 10
"""Seeds below it are searched on; those from it up to `EVALUATION_SEED` are for the choices: of the
start, and of the worst red."""
_STEP: Final = 1.5
"""First step size, in logits."""
_LAST: Final = FINALISTS - 2
"""Last generations whose best candidates are finalists."""


def choice_seeds(seed: int, purpose: int, n: int) -> Int64Array:
    """``int64[n]`` seeds of episodes for a choice.

    Args:
        seed: of the search.
        purpose: a number of its own for each choice.
        n: how many.
    """
    chances = np.random.default_rng([seed, purpose])
    pool = EVALUATION_SEED - FIRST_CHOICE_SEED
    return FIRST_CHOICE_SEED + chances.choice(pool, n, replace=n > pool)


class Search:
    """A search that goes on generation by generation.

    Args:
        space: that is searched.
        plan: how many generations, candidates and episodes.
        seed: of all its chances.
        values: of generations that were played before.
    """

    def __init__(self, space: Space, plan: Plan, seed: int, values: Values = ()) -> None:
        self.space, self.plan = space, plan
        self._seed = seed
        chances = np.random.default_rng([seed, 0])
        options = {
            "popsize": plan.population,
            "randn": lambda *shape: chances.standard_normal(shape),
            "seed": np.nan,  # leaves NumPy's global generator alone
            "verbose": -9,
            "CMA_diagonal": True,
            "maxiter": np.inf,
        }
        self._strategy: Any = cma.CMAEvolutionStrategy(space.vector(), _STEP, options)
        self._best: list[FloatArray] = []
        self.values: Values = ()
        for row in values:
            self._tell(self._strategy.ask(), row)

    def _tell(self, vectors: list[FloatArray], row: Sequence[float]) -> None:
        self._strategy.tell(vectors, list(row))
        self._best.append(vectors[int(np.argmin(row))])
        self.values = (*self.values, tuple(row))

    def seeds(self, generation: int) -> Int64Array:
        """``int64[n]`` seeds that a generation is played on."""
        chances = np.random.default_rng([self._seed, 1, generation])
        return chances.choice(FIRST_CHOICE_SEED, self.plan.episodes, replace=False)

    def run(self, opponent: Opponent, aim: Aim, after: Callable[[Search], None]) -> None:
        """Play the generations that are left.

        Args:
            opponent: of the candidates.
            aim: of red.
            after: is called after each generation.
        """
        while len(self.values) < self.plan.generations:
            generation = len(self.values)
            vectors = self._strategy.ask()
            seeds = self.seeds(generation)
            trials = [Trial(self._table(vector, generation), seeds) for vector in vectors]
            self._tell(vectors, [float(x.mean()) for x in opponent.scores(trials, aim)])
            after(self)

    def _table(self, vector: FloatArray, generation: int, kind: str = "a candidate") -> RedTable:
        summary = f"{kind} of generation {generation + 1}, from {self.space.start.name}"
        return self.space.table(vector, f"candidate_{generation + 1}", summary)

    def finalists(self) -> Iterator[RedTable]:
        """The search's mean, and the best candidates of its last generations: what may be the worst
        red. Their values are too good to be true, as they are the best of many noisy ones."""
        last = len(self.values) - 1
        yield self._table(np.asarray(self._strategy.mean), last, "the mean")
        for generation in range(last, max(last - _LAST, -1), -1):
            yield self._table(self._best[generation], generation, "the best")
