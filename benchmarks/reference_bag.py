"""Results of the reference policies that audits are held against.

    python -m benchmarks.reference_bag [--episodes N] [--policy NAME] [--add NAME=PATH] [--out FILE]
    python -m benchmarks.reference_bag --fit [--out FILE]

Plays each policy on seeds that no audit uses and writes its return and, for every measure of the
catalogue, the value with its interval, triggers and design effect. --policy and --add choose; a
policy that the file has already and that was not chosen stays as it is.

--fit plays nothing. It sets the recorded values beside the borders of a profile, and marks where
these do not tell the policies apart: `bad` above a do-nothing policy (one of sleep and random
should fail unless the check cannot apply to it), `good` below the expert (which should not fail).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cagexplain import __version__
from cagexplain.analysis.audit.measure import count
from cagexplain.analysis.practices import checks
from cagexplain.analysis.practices.check import Measure
from cagexplain.analysis.practices.profiles import load_profile
from cagexplain.analysis.practices.references import FILE, SCHEMA, Recorded, records
from cagexplain.analysis.practices.statistics import Interval, estimate
from cagexplain.analysis.practices.tallies import Tallies
from cagexplain.analysis.practices.verdicts import verdict
from cagexplain.analysis.practices.view import Facts
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import write_json
from cagexplain.policies.registry import builtin_policies, load_policy
from cagexplain.policies.rollout import seed_range

FIRST_SEED: Final = 5_000_000
DO_NOTHING: Final = ("sleep", "random")
STRONGEST: Final = "expert"
_DIGITS: Final = 6
_SIGNS: Final = {"INCONCLUSIVE": "?", "-": ""}


def recorded(spec: str, name: str, episodes: int) -> dict[str, Any]:
    """Play a policy and measure everything.

    Args:
        spec: built-in name or path of a checkpoint.
        name: to file it under.
        episodes: to play.
    """
    policy = load_policy(spec)
    tallies = Tallies(checks(), Facts(), details=False)
    seeds = seed_range(FIRST_SEED, episodes)
    played = count(policy, seeds, [tallies])
    measures = {}
    for check in checks():
        for measure in check.measures:
            sums = tallies.sums(check.id, measure.key)
            if sums is None:
                continue
            found = estimate(measure.statistic, sums)
            if not np.isnan(found.value):
                measures[f"{check.id}.{measure.key}"] = {
                    field: _plain(getattr(found, field))
                    for field in ("value", "low", "high", "n", "deff")
                }
    return {
        "name": name,
        "kind": policy.kind,
        "sha256": policy.describe().get("sha256"),
        "episodes": episodes,
        "seeds": [int(seeds[0]), int(seeds[-1])],
        "mean_return": _plain(float(played.returns.mean())),
        "measures": measures,
    }


def _plain(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


@click.command()
@click.option("--episodes", default=100, show_default=True, help="Of each policy.")
@click.option("--policy", "names", multiple=True, help="Built-in policy.  [default: all of them]")
@click.option("--add", "added", multiple=True, metavar="NAME=PATH", help="Checkpoint to play too.")
@click.option("--fit", is_flag=True, help="Print the recorded values beside the borders.")
@click.option("--profile", default="default", show_default=True, help="Borders for --fit.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=FILE,
    help="File to write.  [default: the one that comes with the project]",
)
def command(
    episodes: int,
    names: Sequence[str],
    added: Sequence[str],
    fit: bool,
    profile: str,
    out: Path,
) -> None:
    """Record the reference policies, or show what was recorded."""
    if fit:
        _fit(out, profile)
        return
    chosen = {name: name for name in names or ([] if added else builtin_policies())}
    for entry in added:
        known_as, separator, checkpoint = entry.partition("=")
        if not separator:
            raise click.UsageError(f"--add {entry} is not of the form NAME=PATH")
        chosen[known_as] = checkpoint
    try:
        kept = json.loads(out.read_bytes())["policies"] if out.exists() else []
        fresh = {
            name: recorded(spec, name, episodes)
            for name, spec in track(chosen.items(), "playing", total=len(chosen))
        }
    except CagexplainError as error:
        raise click.ClickException(str(error)) from error
    policies = [entry for entry in kept if entry["name"] not in fresh] + list(fresh.values())
    write_json(
        out,
        {
            "project": "cagexplain",
            "kind": "references",
            "schema_version": SCHEMA,
            "version": __version__,
            "policies": sorted(policies, key=lambda entry: entry["mean_return"]),
        },
    )
    table = Table("policy", "kind", "episodes", "mean return", "measures", title=str(out))
    for new in fresh.values():
        cells = (new["kind"], new["episodes"], f"{new['mean_return']:.1f}", len(new["measures"]))
        table.add_row(new["name"], *map(str, cells))
    Console(width=120).print(table)


def _fit(path: Path, spec: str) -> None:
    profile = load_profile(spec)
    policies, measured = records(path)
    names = [policy.name for policy in policies]
    table = Table("measure", "good", "bad", *names, "", title=f"{profile.name} ({path.name})")
    for check in checks():
        for measure in check.measures:
            good, bad = profile.borders(check, measure)
            if good is None or bad is None:
                continue
            n_min = profile.n_min(check)
            values = {name: measured[name].get((check.id, measure.key)) for name in names}
            verdicts = {
                policy.name: _verdict(
                    values[policy.name], policy.episodes, measure, good, bad, n_min
                )
                for policy in policies
            }
            cells = [_cell(values[name], verdicts[name]) for name in names]
            table.add_row(
                f"{check.id}.{measure.key}",
                f"{good:g}",
                f"{bad:g}",
                *cells,
                "; ".join(_complaints(verdicts)),
            )
    Console(width=60 + 12 * len(names)).print(table)


def _verdict(
    value: Recorded | None, episodes: int, measure: Measure, good: float, bad: float, n_min: int
) -> str:
    """By the recorded limits; a dash without a value or with too few triggers."""
    if value is None or value.n < n_min:
        return "-"
    centre, low, high = (
        np.inf if limit is None else limit for limit in (value.value, value.low, value.high)
    )
    if value.low is None and value.value is not None:
        low = np.nan  # unknown, not beyond what was followed
    interval = Interval(centre, low, high, value.n, episodes, np.nan, None)
    return verdict(interval, measure.better, good, bad, n_min)


def _cell(value: Recorded | None, its: str) -> str:
    if value is None:
        return ""
    number = "never" if value.value is None else f"{value.value:.3g}"
    return f"{number} {_SIGNS.get(its, its)}"


def _complaints(verdicts: dict[str, str]) -> list[str]:
    found = []
    trivial = [verdicts[name] for name in DO_NOTHING if name in verdicts]
    if any(v != "-" for v in trivial) and "FAIL" not in trivial:
        found.append("neither sleep nor random fails")
    if verdicts.get(STRONGEST) == "FAIL":
        found.append("the expert fails")
    judged = {v for v in verdicts.values() if v != "-"}
    if len(judged) == 1:
        found.append(f"all {judged.pop()}")
    return found


if __name__ == "__main__":
    command()
