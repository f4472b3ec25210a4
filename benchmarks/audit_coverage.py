"""How often the intervals of small audits cover the truth.

    python -m benchmarks.audit_coverage POLICY [--truth N] [--audits N] [--episodes N] [--json FILE]

Plays TRUTH episodes for the true values, then others for AUDITS audits on seeds of their own, of
each given number of episodes. If more than --fresh further episodes would be needed, the audits
draw theirs without replacement from that many: they then overlap, which leaves the mean coverage as
it is. Measures that are the same in most audits (column "constant": none
or all of the cases are hits, or there is no spread), or whose true value is a duration that is not
reached, are not counted: their limits are bounds. The last lines count ratios (shares, their
differences and quotients, rates) and the others (means, durations, entropies, distances) apart.

The claims: on average, the intervals of ratios that vary cover the truth in 92 to 98 % of audits,
and those of no such ratio in less than 90 %, as far as the audits can tell.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from benchmarks.audit_play import play, playable
from benchmarks.command import COUNT, FILE, CannotMeasure, benchmark
from cagexplain.audit.check import Check, Measure
from cagexplain.audit.play.team import PlayCounts
from cagexplain.audit.references import References, load_references
from cagexplain.common.arrays import FloatArray
from cagexplain.common.files import write_json
from cagexplain.policies.registry import load_policy
from cagexplain.stats.estimates import estimate
from cagexplain.stats.spreads import Never

FIRST_SEED: Final = 8_000_000
TARGET: Final = (0.92, 0.98)
LOWEST: Final = 0.90
SURE: Final = 0.001
"""Probability of a coverage this low in so many audits, were it `LOWEST`, below which it counts."""
RATIOS: Final = frozenset(
    ("Share", "Difference", "Relative", "Incidence", "PerCases", "PerMiss", "Largest")
)
"""Statistics that are quotients of counts of cases."""


def parts(size: int, audits: int, available: int) -> list[np.ndarray]:
    """Episodes of each audit: disjoint ones if there are enough."""
    if size * audits <= available:
        return [np.arange(i * size, (i + 1) * size) for i in range(audits)]
    rng = np.random.default_rng(0)
    return [rng.choice(available, size, replace=False) for _ in range(audits)]


def covered(
    check: Check,
    measure: Measure,
    truth: FloatArray,
    sums: FloatArray,
    chosen: Sequence[np.ndarray],
    usual: References,
) -> dict[str, Any]:
    """Coverage of one measure."""
    true = float(measure.statistic.value(truth.sum(axis=0)))
    deff = usual.deff(check.id, measure)
    estimates = [estimate(measure.statistic, sums[part], usual_deff=deff) for part in chosen]
    known = [each for each in estimates if not np.isnan(each.low)]
    constant = sum(isinstance(each.spread, Never) or each.low == each.high for each in known)
    below = sum(each.high < true for each in known)
    above = sum(each.low > true for each in known)
    share = None if not known or np.isnan(true) else 1 - (below + above) / len(known)
    return {
        "measure": f"{check.id}.{measure.key}",
        "statistic": type(measure.statistic).__name__,
        "judged": measure.judged,
        "truth": true if np.isfinite(true) else None,
        "known": len(known),
        "constant": constant,
        "too_low": below,
        "too_high": above,
        "coverage": share,
    }


def measure_all(
    truth: PlayCounts, small: PlayCounts, size: int, audits: int
) -> list[dict[str, Any]]:
    """Coverage of all measures, for audits of a size."""
    chosen = parts(size, audits, len(small.returns))
    usual = load_references()
    return [
        covered(check, measure, truth.sums[key], small.sums[key], chosen, usual)
        | {"episodes": size}
        for check in playable()
        for measure in check.measures
        for key in [f"{check.id}.{measure.key}"]
    ]


@benchmark(__doc__)
@click.argument("name", metavar="POLICY")
@click.option(
    "--truth", "many", type=COUNT, default=10_000, show_default=True, help="Episodes for the truth."
)
@click.option("--audits", type=COUNT, default=300, show_default=True)
@click.option("--episodes", "sizes", multiple=True, type=COUNT, default=(20, 50), show_default=True)
@click.option(
    "--fresh", type=COUNT, default=6_000, show_default=True, help="Further episodes at most."
)
@click.option("--processes", type=COUNT, default=1, show_default=True)
@click.option("--json", "out", type=FILE)
def command(
    name: str,
    many: int,
    audits: int,
    sizes: Sequence[int],
    fresh: int,
    processes: int,
    out: Path | None,
) -> Sequence[str]:
    """Measure the coverage of intervals."""
    if max(sizes) > fresh:
        raise click.BadParameter(
            f"{fresh} further episodes are too few for audits of {max(sizes)}",
            param_hint="'--fresh'",
        )
    fresh = min(fresh, audits * max(sizes))
    policies = {name: load_policy(name)}
    counts = play(policies, {name: playable()}, FIRST_SEED, many + fresh, processes)[name]
    truth, small = counts.part(slice(many)), counts.part(slice(many, None))
    rows = [row for size in sizes for row in measure_all(truth, small, size, audits)]
    if out:
        write_json(out, {"policy": name, "truth": many, "audits": audits, "measures": rows})
    console = Console(width=140)
    false: list[str] = []
    for size in sizes:
        of_size = [r for r in rows if r["episodes"] == size]
        _print(console, f"{name}: {audits} audits of {size}", of_size)
        false += _false(of_size, f"{name}, audits of {size} episodes")
    return false


def _varied(rows: Sequence[dict[str, Any]], *, ratios: bool) -> list[dict[str, Any]]:
    """The measures that vary and have a finite truth: ratios, or the others."""
    return [
        row
        for row in rows
        if row["truth"] is not None
        and row["known"]
        and row["constant"] <= row["known"] / 2
        and (row["statistic"] in RATIOS) == ratios
    ]


def _false(rows: Sequence[dict[str, Any]], who: str) -> list[str]:
    """What is not as claimed of audits of a size."""
    ratios = _varied(rows, ratios=True)
    if not ratios:
        raise CannotMeasure(f"{who}: no ratio varies")
    known = sum(row["known"] for row in ratios)
    mean = sum(row["coverage"] * row["known"] for row in ratios) / known
    margin = 3 * np.sqrt(TARGET[0] * (1 - TARGET[0]) / known)
    false = []
    if not TARGET[0] - margin <= mean <= TARGET[1] + margin:
        false.append(f"{who}: on average, ratios are covered in {TARGET[0]:.0%} to {TARGET[1]:.0%}")
    false += [
        f"{who}: {row['measure']} is covered in at least {LOWEST:.0%} ({row['coverage']:.1%})"
        for row in ratios
        if binom.cdf(round(row["coverage"] * row["known"]), row["known"], LOWEST) < SURE
    ]
    return false


def _print(console: Console, title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(
        *("measure", "statistic", "truth", "known", "constant", "too low", "too high", "coverage"),
        title=f"{title} episodes",
    )
    for row in rows:
        coverage = row["coverage"]
        inside = coverage is None or TARGET[0] <= coverage <= TARGET[1]
        table.add_row(
            row["measure"],
            row["statistic"],
            "" if row["truth"] is None else f"{row['truth']:.4g}",
            *(str(row[key]) for key in ("known", "constant", "too_low", "too_high")),
            "" if coverage is None else f"{coverage:.1%}" + ("" if inside else " !"),
        )
    console.print(table)
    for name, are_ratios in (("ratios", True), ("others", False)):
        covers = [row["coverage"] for row in _varied(rows, ratios=are_ratios)]
        if covers:
            inside = sum(TARGET[0] <= coverage <= TARGET[1] for coverage in covers)
            below, above = (
                sum(coverage < TARGET[0] for coverage in covers),
                sum(coverage > TARGET[1] for coverage in covers),
            )
            console.print(
                f"{name}: {inside} of {len(covers)} that vary within {TARGET[0]:.0%} to "
                f"{TARGET[1]:.0%}, {below} below, {above} above, mean {np.mean(covers):.1%}"
            )


if __name__ == "__main__":
    command()
