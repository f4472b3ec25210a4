"""Returns of the scripted policies against the recorded reference.

    python -m benchmarks.parity [EPISODES] [--policy NAME]

Plays fresh episodes (500 by default) of every policy and asks whether each mean, in all, by phase
and by cause, lies within the reference's 99 % confidence interval (Student's t over the recorded
episodes). With 104 comparisons about one should lie outside by chance, since the reference has only
8 to 40 episodes per policy, always of the same seeds. The claim is that at most 3 of 104 do.

The control is in the column "same": on the recorded seeds themselves every return must be equal
(``tests/sim/test_reference_episodes.py`` compares every step of them).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy import stats

from benchmarks.command import CannotMeasure, benchmark
from cagexplain.cc4.reward import CAUSE_NAMES
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy

REFERENCE: Final = Path(__file__).parent.parent / "tests" / "data" / "policy_returns.parquet"
CONFIDENCE: Final = 0.99
EPISODES: Final = 500
FEWEST_EPISODES: Final = 100
"""With fewer, chance puts our own means outside."""
MOST_OUTSIDE: Final = 3 / 104
FIRST_SEED: Final = 500_000
"""Far from the seeds of the reference."""

COLUMNS: Final = {
    "return": "ret",
    **{f"phase {phase}": f"ret_phase{phase}" for phase in range(3)},
    **{cause: f"ret_{cause}" for cause in CAUSE_NAMES},
}


def _half_width(values: pd.Series) -> float:
    quantile = stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)
    return float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def _recorded() -> pd.DataFrame:
    return pd.read_parquet(REFERENCE)


@benchmark(__doc__)
@click.argument("episodes", type=click.IntRange(min=FEWEST_EPISODES), default=EPISODES)
@click.option("--policy", "names", multiple=True, metavar="NAME", help="[default: all recorded]")
def command(episodes: int, names: Sequence[str]) -> Sequence[str]:
    """Prints the table."""
    console = Console(width=150)
    reference = _recorded()
    recorded_policies = reference["policy"].unique().tolist()
    for name in names:
        if name not in recorded_policies:
            raise click.BadParameter(
                f"'{name}' is not among {', '.join(recorded_policies)}", param_hint="'--policy'"
            )
    table = Table(
        "policy", "n", "same", *COLUMNS, title=f"ours over {episodes} episodes (reference ± 99 %)"
    )
    outside, compared = [], 0
    for policy in names or recorded_policies:
        recorded = reference[reference["policy"] == policy]
        result = evaluate(load_policy(policy), np.arange(FIRST_SEED, FIRST_SEED + episodes))
        seeds = recorded["seed"].to_numpy()
        replayed = evaluate(load_policy(policy), seeds, skip_worlds=1).returns
        same = int((replayed == recorded["ret"].to_numpy()).sum())
        if same < len(recorded):
            raise CannotMeasure(
                f"{policy}: {len(recorded) - same} of {len(recorded)} recorded episodes have "
                "another return when they are played again"
            )
        ours = [result.returns, *result.by_phase.T, *result.by_cause.T]
        cells = []
        for (name, column), values in zip(COLUMNS.items(), ours, strict=True):
            center, half = float(recorded[column].mean()), _half_width(recorded[column])
            mean = float(values.mean())
            compared += 1
            inside = abs(mean - center) <= half
            if not inside:
                outside.append(f"{policy}, {name}")
            mark = "" if inside else " ✗"
            cells.append(f"{mean:.0f}{mark}\n({center:.0f} ± {half:.0f})")
        table.add_row(policy, str(len(recorded)), str(same), *cells)
    console.print(table)
    console.print(f"{compared - len(outside)} of {compared} means inside")
    for line in outside:
        console.print(f"outside: {line}")
    most = math.ceil(MOST_OUTSIDE * compared)
    return [] if len(outside) <= most else [f"at most {most} of {compared} means lie outside"]


if __name__ == "__main__":
    command()
