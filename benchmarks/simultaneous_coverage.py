"""How often the intervals of an audit that hold together do hold together.

    python -m benchmarks.simultaneous_coverage POLICY [--pool N] [--audits N] [--pairs N]
                                               [--varied N] [--processes N] [--json FILE]

Plays POLICY under every remedy and under every condition on POOL seeds, and the expert under the
conditions. These episodes are the world: the truth is what all of them say, and AUDITS audits draw
PAIRS (for patches) and VARIED (for conditions) of them with replacement. An audit holds if not one
of its intervals misses the truth. Beside that: the same of intervals at 95 % each, and how many
independent ones they are worth.

The claim: 93 to 98 % of the audits hold, as far as so many can tell.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from benchmarks.command import COUNT, FILE, benchmark
from cagexplain.audit.play.conditions import CONDITIONS, LOSSES, Condition
from cagexplain.audit.play.robustness import EXPERT, Tried, multiples
from cagexplain.audit.play.team import Play, PlayCounts, Team
from cagexplain.common.arrays import FloatArray, IntArray
from cagexplain.common.files import write_json
from cagexplain.envs import EnvParams
from cagexplain.policies.registry import load_policy
from cagexplain.policies.remedies import REMEDIES
from cagexplain.policies.rollout import seed_range
from cagexplain.stats import means
from cagexplain.stats.simultaneous import independent, widened

FIRST_SEED: Final = 9_000_000
TARGET: Final = (0.93, 0.98)
SURE: Final = 0.001
"""Probability of so many audits that hold, were the share at the end of `TARGET`, below which the
share counts as outside."""
USUAL: Final = Condition("usual", "usual", "the usual conditions")
Limits = Callable[[IntArray], tuple[FloatArray, FloatArray, float]]
"""Limits of all numbers, and how many independent ones they are worth, of some episodes."""


def of_patches(plain: PlayCounts, patched: Sequence[PlayCounts]) -> tuple[FloatArray, Limits]:
    """What patches are worth in the world, and the limits that an audit has of it."""
    gains = np.stack([counts.returns - plain.returns for counts in patched], axis=1)

    def limits(drawn: IntArray) -> tuple[FloatArray, FloatArray, float]:
        tests = independent(gains[drawn])
        return *means.limits(gains[drawn], widened(tests)), tests

    return gains.mean(axis=0), limits


def of_conditions(
    base: Tried, tried: Sequence[tuple[Condition, Tried]]
) -> tuple[FloatArray, Limits]:
    """The multiples of conditions in the world, and the limits that an audit has of them."""

    def limits(drawn: IntArray) -> tuple[FloatArray, FloatArray, float]:
        few = [(condition, pair.part(drawn)) for condition, pair in tried]
        held = multiples(base.part(drawn), few, EnvParams())
        low, high = (
            np.array([getattr(one, name) for one in held.each]) for name in ("low", "high")
        )
        return low, high, held.tests

    every = multiples(base, tried, EnvParams())
    return np.array([one.value for one in every.each]), limits


def held(
    name: str, truth: FloatArray, limits: Limits, pool: int, size: int, audits: int
) -> dict[str, Any]:
    """How many of the audits hold."""
    rng = np.random.default_rng(0)
    missed, worth = [], []
    for _ in range(audits):
        low, high, tests = limits(rng.integers(pool, size=size))
        missed.append((low > truth) | (truth > high))
        worth.append(tests)
    table = np.stack(missed)
    return {
        "numbers": name,
        "of_them": len(truth),
        "episodes": size,
        "audits": audits,
        "hold": int((~table.any(axis=1)).sum()),
        "each_holds": float((~table).mean()),
        "worth": float(np.mean(worth)),
    }


@benchmark(__doc__)
@click.argument("name", metavar="POLICY")
@click.option("--pool", type=COUNT, default=1_000, show_default=True, help="Episodes of the world.")
@click.option("--audits", type=COUNT, default=400, show_default=True)
@click.option("--pairs", type=COUNT, default=200, show_default=True, help="Episodes per patch.")
@click.option("--varied", type=COUNT, default=40, show_default=True, help="Per condition.")
@click.option("--processes", type=COUNT, default=1, show_default=True)
@click.option("--json", "out", type=FILE)
def command(
    name: str, pool: int, audits: int, pairs: int, varied: int, processes: int, out: Path | None
) -> Sequence[str]:
    """Measure how often intervals hold together."""
    seeds, usual = seed_range(FIRST_SEED, pool), EnvParams()
    conditions = [c for c in (*CONDITIONS, *LOSSES) if c.wrapped or c.params != {"red": usual.red}]
    plays = [Play(name, seeds, remedies=(remedy,)) for remedy in REMEDIES]
    for c in (USUAL, *conditions):
        under = EnvParams(**c.params)
        plays += [Play(who, seeds, params=under, wrapped=c.wrapped) for who in (name, EXPERT)]
    with Team({who: load_policy(who) for who in (name, EXPERT)}, processes) as team:
        played = team.play(plays)
    patched, rest = played[: len(REMEDIES)], iter(played[len(REMEDIES) :])
    base, *tried = (Tried(next(rest), next(rest)) for _ in (USUAL, *conditions))
    worlds = [("values of patches", *of_patches(base.policy, patched), pairs)]
    for check in ("ROB-02", "COO-03"):
        judged = [(c, t) for c, t in zip(conditions, tried, strict=True) if c.check == check]
        worlds.append((f"multiples of {check}", *of_conditions(base, judged), varied))
    rows = [held(what, truth, of, pool, size, audits) for what, truth, of, size in worlds]
    if out:
        write_json(out, {"policy": name, "pool": pool, "seed": FIRST_SEED, "rows": rows})
    table = Table(
        *("numbers", "of them", "worth", "episodes", "each holds", "all hold"), title=name
    )
    false = []
    for row in rows:
        share = row["hold"] / audits
        cells = (row["of_them"], f"{row['worth']:.1f}", row["episodes"])
        table.add_row(row["numbers"], *map(str, cells), f"{row['each_holds']:.2%}", f"{share:.1%}")
        few = binom.cdf(row["hold"], audits, TARGET[0]) < SURE
        many = binom.sf(row["hold"] - 1, audits, TARGET[1]) < SURE
        if few or many:
            false.append(
                f"{row['numbers']} hold together in {TARGET[0]:.0%} to {TARGET[1]:.0%} of audits "
                f"({share:.1%})"
            )
    Console(width=100).print(table)
    return false


if __name__ == "__main__":
    command()
