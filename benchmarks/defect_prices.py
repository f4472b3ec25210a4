"""What planted defects of parts cost, and what sound policies return.

    python -m benchmarks.defect_prices [--episodes N] [--defect NAME] [--json FILE]

Plays every policy of `benchmarks.part_defects` and of `benchmarks.sound` on the same seeds, and
tells the paired difference from the sound policy that it is made of; of sound policies that from
the expert. The claim is that no sound policy loses 5 % of the expert's points, as far as the
interval can tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, FILE, benchmark
from benchmarks.part_defects import PART_DEFECTS
from benchmarks.sound import SOUND, sound
from cagexplain.common.arrays import RealArray
from cagexplain.common.files import write_json
from cagexplain.policies.evaluation import estimate, evaluate
from cagexplain.policies.rollout import seed_range

FIRST_SEED: Final = 8_000_000
EXPERT: Final = "expert"
DEAR: Final = 0.05
"""Share of the points of the sound policy from which on a defect is dear."""


@dataclass(frozen=True)
class Price:
    """What a policy loses against another one on the same seeds.

    Attributes:
        mean_return: of the policy.
        base_return: of the other one.
        lost: points per episode.
        low, high: limits of these at 95 %; None with too few episodes.
        share: `lost` as a share of the other one's points.
    """

    mean_return: float
    base_return: float
    lost: float
    low: float | None
    high: float | None
    share: float

    @classmethod
    def of(cls, returns: RealArray, base: RealArray) -> "Price":
        """From official returns ``float64[episode]`` on the same seeds."""
        lost = estimate((base - returns)[:, None])[0]
        mean = float(base.mean())
        return cls(
            float(returns.mean()), mean, lost.mean, lost.low, lost.high, lost.mean / abs(mean)
        )

    @property
    def dear(self) -> bool:
        """Whether the policy loses too much to be left in peace."""
        return self.share >= DEAR

    def text(self) -> str:
        """Points with limits, and the share."""
        limits = "" if self.low is None else f" ({self.low:,.1f} to {self.high:,.1f})"
        return f"{self.lost:,.1f}{limits}, {self.share:.1%}"


def measure(names: Sequence[str], episodes: int) -> dict[str, Price]:
    """Prices of sound policies, and then of defects."""
    seeds = seed_range(FIRST_SEED, episodes)
    returns: Mapping[str, RealArray] = {
        name: evaluate(sound(name), seeds, batch=episodes).returns.astype(np.float64)
        for name in SOUND
    }
    prices = {name: Price.of(values, returns[EXPERT]) for name, values in returns.items()}
    for name in names:
        defect = PART_DEFECTS[name]
        played = evaluate(defect.make(), seeds, batch=episodes).returns.astype(np.float64)
        prices[name] = Price.of(played, returns[defect.base])
    return prices


@benchmark(__doc__)
@click.option("--episodes", type=COUNT, default=200, show_default=True)
@click.option(
    "--defect",
    "names",
    multiple=True,
    type=click.Choice(list(PART_DEFECTS)),
    metavar="NAME",
    help="By name.  [default: all]",
)
@click.option("--json", "out", type=FILE)
def command(episodes: int, names: Sequence[str], out: Path | None) -> Sequence[str]:
    """Measure what defects cost."""
    prices = measure(names or tuple(PART_DEFECTS), episodes)
    if out:
        rows = {name: asdict(price) for name, price in prices.items()}
        write_json(out, {"episodes": episodes, "prices": rows})
    table = Table("policy", "return", "points lost, share", title=f"{episodes} episodes")
    for name, price in prices.items():
        table.add_row(name, f"{price.mean_return:,.1f}", price.text())
    Console(width=100).print(table)
    return [
        f"{name} does not lose {DEAR:.0%} of the points of {EXPERT}"
        for name in SOUND
        if (low := prices[name].low) is not None and low >= DEAR * -prices[name].base_return
    ]


if __name__ == "__main__":
    command()
