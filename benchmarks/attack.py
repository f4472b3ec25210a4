"""How bad the attackers are that `cagexplain attack` finds, and whether it finds them again.

    python -m benchmarks.attack [--policy NAME] [--family NAME] [--seeds N] [--budget TIME]
        [--json FILE]

Attacks policies within the time that the claims allow (or --budget), in two families of attackers:
"tables" are CC4's own actions and no other habits (rules official), "sessions" also use what
phishing opened (rules fenced). --policy and --family, which may be repeated, choose among the
claims; --seeds attacks again with other seeds of the search. The time is that of the clock, so a
busy machine plays fewer episodes in it: the table says how many.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, FILE, benchmark
from cagexplain.attack import figures
from cagexplain.attack.results import Rules
from cagexplain.attack.run import Attack, Settings
from cagexplain.cli import playing
from cagexplain.cli.attack import DURATION
from cagexplain.common.files import write_json
from cagexplain.envs import EnvParams
from cagexplain.policies.registry import load_policy

FAMILIES: Final[dict[str, Rules]] = {"tables": "official", "sessions": "fenced"}
AGREE: Final = 0.05
"""How far two searches may be apart, of the larger loss."""


@dataclass(frozen=True)
class Claim:
    """A mean return on held-out seeds that an attack gets a policy down to.

    Attributes:
        policy: name of a built-in one.
        family: one of `FAMILIES`.
        most: mean return.
        minutes: that the attack may take.
    """

    policy: str
    family: str
    most: float
    minutes: float = 2.0


CLAIMS: Final = (
    Claim("expert", "sessions", -5500),
    Claim("punch", "sessions", -8000),
    Claim("champion", "sessions", -2700),
    Claim("ippo_long", "sessions", -5400, 5.0),
    Claim("sleep", "sessions", -8100),
    Claim("expert", "tables", -2700),
    Claim("punch", "tables", -4800),
    Claim("champion", "tables", -2000),
    Claim("ippo_long", "tables", -3300, 5.0),
)


@dataclass(frozen=True)
class Measured:
    """What an attack came to.

    Attributes:
        policy, family, most: of the claim.
        seed: of the search.
        start, found: names of reds.
        mean, low, high: held-out return under FOUND.
        standard: mean return under the standard red, on the same seeds.
        held_out: episodes; generations, episodes: of the search, all candidates together.
        wall_s: seconds on the clock.
    """

    policy: str
    family: str
    most: float
    seed: int
    start: str
    found: str
    mean: float
    low: float | None
    high: float | None
    standard: float
    held_out: int
    generations: int
    episodes: int
    wall_s: float


def attack(claim: Claim, seed: int, budget: float) -> Measured:
    """Attack once."""
    player = load_policy(claim.policy)
    playing.single_threaded(player)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        settings = Settings(rules=FAMILIES[claim.family], seed=seed)
        attack = Attack(player, EnvParams(), settings, Path(folder) / "attack")
        attack.plan(budget=budget)
        result = attack.run()
        wall = time.perf_counter() - began
    worst, search = figures.mean(result.worst.policy), result.search
    return Measured(
        claim.policy,
        claim.family,
        claim.most,
        seed,
        search.start,
        result.found,
        worst.mean,
        worst.low,
        worst.high,
        figures.mean(result.standard.policy).mean,
        len(result.seeds),
        len(search.history),
        len(search.history) * search.population * search.episodes,
        wall,
    )


@benchmark(__doc__)
@click.option("--policy", "policies", multiple=True, metavar="NAME")
@click.option("--family", "families", multiple=True, type=click.Choice(list(FAMILIES)))
@click.option("--seeds", type=COUNT, default=1, show_default=True, help="Searches of each.")
@click.option("--budget", type=DURATION, metavar="TIME", help="In place of the claims' own.")
@click.option("--json", "out", type=FILE)
def command(
    policies: tuple[str, ...],
    families: tuple[str, ...],
    seeds: int,
    budget: float | None,
    out: Path | None,
) -> Sequence[str]:
    """Attack, and hold what is found against the claims."""
    chosen = [
        claim
        for claim in CLAIMS
        if claim.policy in (policies or {claim.policy}) and claim.family in (families or FAMILIES)
    ]
    measured: list[Measured] = []
    for claim in chosen:
        for seed in range(seeds):
            click.echo(f"{claim.policy}, {claim.family}, seed {seed} ...", err=True)
            measured.append(attack(claim, seed, budget or 60 * claim.minutes))
            if out:
                write_json(out, [asdict(row) for row in measured])
    Console(width=130).print(_table(measured))
    return list(_false(measured))


def _table(measured: Sequence[Measured]) -> Table:
    table = Table("policy", "family", "seed", "from", "standard", "found", "limits", "claim")
    for heading in ("episodes", "generations", "searched", "wall s"):
        table.add_column(heading, justify="right")
    for row in measured:
        limits = "" if row.low is None else f"{row.low:,.0f} to {row.high:,.0f}"
        table.add_row(
            *(row.policy, row.family, str(row.seed), row.start),
            *(f"{row.standard:,.0f}", f"{row.mean:,.0f}", limits, f"{row.most:,.0f}"),
            *(f"{n:,}" for n in (row.held_out, row.generations, row.episodes)),
            f"{row.wall_s:,.0f}",
        )
    return table


def _false(measured: Sequence[Measured]) -> Iterator[str]:
    by_claim: dict[tuple[str, str], list[Measured]] = {}
    for row in measured:
        by_claim.setdefault((row.policy, row.family), []).append(row)
        if row.mean > row.most:
            yield (
                f"{row.policy} falls to {row.most:,.0f} by {row.family} "
                f"({row.mean:,.0f}, seed {row.seed})"
            )
    for (policy, family), rows in by_claim.items():
        means = [row.mean for row in rows]
        if max(means) - min(means) > AGREE * -min(means):
            yield (
                f"searches of {policy} by {family} agree within {AGREE:.0%} "
                f"({', '.join(f'{mean:,.0f}' for mean in means)})"
            )


if __name__ == "__main__":
    command()
