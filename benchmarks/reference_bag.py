"""Results of the reference policies that audits are held against.

    python -m benchmarks.reference_bag [--episodes N] [--policy NAME] [--add NAME=PATH] [--out FILE]
    python -m benchmarks.reference_bag --fit [--out FILE]

Plays each policy on seeds that no audit uses and writes its return and, for every measure of the
catalogue, the value with its interval, triggers and design effect; of a good defender and of none
(expert, sleep) also how many hosts red holds over the episode. --policy and --add choose; a policy
that the file has already and that was not chosen stays as it is.

--fit plays nothing. It sets the recorded values beside the thresholds of a profile, and marks where
these do not tell the policies apart: neither sleep nor random fails though the check applies to
one of them, the expert fails, or all get the same verdict.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.audit_play import play, playable
from benchmarks.command import COUNT, FILE, benchmark
from cagexplain import __version__
from cagexplain.analysis.metrics.definitions import Better
from cagexplain.audit.checks import checks
from cagexplain.audit.held import Holdings
from cagexplain.audit.play.count import count
from cagexplain.audit.play.team import PlayCounts
from cagexplain.audit.profiles import load_profile
from cagexplain.audit.references import FILE as SHIPPED
from cagexplain.audit.references import (
    GOOD,
    NOTHING,
    SCHEMA,
    RecordedValue,
    read_references,
    records,
)
from cagexplain.audit.verdicts import verdict
from cagexplain.common.files import write_json
from cagexplain.facts.view import Facts
from cagexplain.policies.base import Policy
from cagexplain.policies.registry import builtin_policies, load_policy
from cagexplain.policies.rollout import seed_range
from cagexplain.stats.estimates import Estimate, estimate
from cagexplain.stats.spreads import Never

FIRST_SEED: Final = 5_000_000
DO_NOTHING: Final = ("sleep", "random")
STRONGEST: Final = "expert"
TWINS: Final = ("monitor", "champion_net", "champion_tree")
"""Built-in policies that do as another one does, which should not count twice."""
_DIGITS: Final = 6
_SIGNS: Final = {"INCONCLUSIVE": "?", "-": "-", "PASS": "P", "WARN": "W", "FAIL": "F"}


def recorded(policy: Policy, name: str, counts: PlayCounts) -> dict[str, Any]:
    """The entry of a policy.

    Args:
        policy: that was played.
        name: to file it under.
        counts: from play on the seeds from `FIRST_SEED` on.
    """
    measures = {}
    for check in playable():
        for measure in check.measures:
            key = f"{check.id}.{measure.key}"
            estimated = estimate(measure.statistic, counts.sums[key])
            if not np.isnan(estimated.value):
                measures[key] = {
                    field: _plain(getattr(estimated, field))
                    for field in ("value", "low", "high", "n", "deff")
                }
    episodes = len(counts.returns)
    entry = {
        "name": name,
        "kind": policy.kind,
        "sha256": policy.describe().get("sha256"),
        "episodes": episodes,
        "seeds": [FIRST_SEED, FIRST_SEED + episodes - 1],
        "mean_return": _plain(float(counts.returns.mean())),
        "measures": measures,
    }
    if name in (GOOD, NOTHING):
        holdings = Holdings(Facts())
        count(policy, seed_range(FIRST_SEED, episodes), [holdings])
        entry["held"] = holdings.result().to_json()
    return entry


def _reference_policies() -> list[str]:
    return [name for name in builtin_policies() if name not in TWINS]


def _plain(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


@benchmark(__doc__)
@click.option("--episodes", type=COUNT, default=100, show_default=True, help="Of each policy.")
@click.option("--policy", "names", multiple=True, help="Built-in policy.  [default: all of them]")
@click.option("--add", "added", multiple=True, metavar="NAME=PATH", help="Checkpoint to play too.")
@click.option("--processes", type=COUNT, default=1, show_default=True)
@click.option("--fit", is_flag=True, help="Print the recorded values beside the thresholds.")
@click.option("--profile", default="default", show_default=True, help="Thresholds for --fit.")
@click.option(
    "--out",
    type=FILE,
    default=SHIPPED,
    help="File to write.  [default: the one that comes with the project]",
)
def command(
    episodes: int,
    names: Sequence[str],
    added: Sequence[str],
    processes: int,
    fit: bool,
    profile: str,
    out: Path,
) -> Sequence[str]:
    """Record the reference policies, or show what was recorded."""
    if fit:
        _fit(out, profile)
        return ()
    chosen = {name: name for name in names or ([] if added else _reference_policies())}
    for entry in added:
        known_as, separator, checkpoint = entry.partition("=")
        if not separator:
            raise click.UsageError(f"--add {entry} is not of the form NAME=PATH")
        chosen[known_as] = checkpoint
    stored = json.loads(out.read_bytes())["policies"] if out.exists() else []
    loaded = {name: load_policy(spec) for name, spec in chosen.items()}
    counted = play(loaded, dict.fromkeys(loaded, playable()), FIRST_SEED, episodes, processes)
    fresh = {name: recorded(loaded[name], name, counts) for name, counts in counted.items()}
    policies = [entry for entry in stored if entry["name"] not in fresh] + list(fresh.values())
    write_json(
        out,
        {
            "project": "cagexplain",
            "kind": "references",
            "schema_version": SCHEMA,
            "version": __version__,
            "policies": sorted(policies, key=lambda entry: (entry["mean_return"], entry["name"])),
        },
    )
    table = Table("policy", "kind", "episodes", "mean return", "measures", title=str(out))
    for new in fresh.values():
        cells = (new["kind"], new["episodes"], f"{new['mean_return']:.1f}", len(new["measures"]))
        table.add_row(new["name"], *map(str, cells))
    Console(width=120).print(table)
    return ()


def _fit(path: Path, spec: str) -> None:
    profile, usual = load_profile(spec), read_references(path)
    policies, measured = records(path)
    names = [policy.name for policy in policies]
    table = Table("measure", "good", "bad", *names, "", title=f"{profile.name} ({path.name})")
    for check in checks():
        for measure in check.measures:
            good, bad = profile.thresholds(check, measure)
            if good is None or bad is None:
                continue
            n_min = profile.n_min(check)
            values = {name: measured[name].get((check.id, measure.key)) for name in names}
            verdicts = {
                policy.name: _verdict(
                    values[policy.name],
                    policy.episodes,
                    usual.deff(check.id, measure),
                    measure.better,
                    (good, bad, n_min),
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
    Console(width=80 + 12 * len(names)).print(table)


def _verdict(
    value: RecordedValue | None,
    episodes: int,
    deff: float | None,
    better: Better,
    thresholds: tuple[float, float, int],
) -> str:
    """By the recorded limits; a dash without a value or with too few triggers."""
    if value is None or value.n < thresholds[2]:
        return "-"
    centre, low, high = (
        np.inf if limit is None else limit for limit in (value.value, value.low, value.high)
    )
    if value.low is None and value.value is not None:
        low = np.nan  # unknown, not beyond what was followed
    if value.value in (0, 1) and deff is not None:  # this was recorded without a design effect
        never = Never(min(max(value.n / max(deff, 1), episodes), value.n), centre == 1, True)
        low, high = never.limits(0.025)
    interval = Estimate(centre, low, high, value.n, episodes, np.nan, None)
    return verdict(interval, better, *thresholds)


def _cell(value: RecordedValue | None, judged: str) -> str:
    if value is None:
        return ""
    number = "never" if value.value is None else f"{value.value:.3g}"
    return f"{number} {_SIGNS[judged]}"


def _complaints(verdicts: dict[str, str]) -> list[str]:
    complaints = []
    trivial = [verdicts[name] for name in DO_NOTHING if name in verdicts]
    if any(v != "-" for v in trivial) and "FAIL" not in trivial:
        complaints.append("trivial ones do not fail")
    if verdicts.get(STRONGEST) == "FAIL":
        complaints.append("the expert fails")
    judged = {v for v in verdicts.values() if v != "-"}
    if len(judged) == 1:
        complaints.append(f"all {judged.pop()}")
    return complaints


if __name__ == "__main__":
    command()
