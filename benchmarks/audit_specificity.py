"""How often the audit blames a sound policy, and how well audits of one policy agree.

    python -m benchmarks.audit_specificity [--audits N] [--episodes N] [--policy P] [--json FILE]

Plays a policy (the expert by default), cuts the play into audits on seeds of their own and judges
each of them. The claims for the expert: no FAIL on a practice check that its observation lets it
satisfy; for any policy: two audits agree in at least 95 % of the checks, and none says PASS where
the other says FAIL.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from benchmarks.audit_play import judge, play, playable, slices
from benchmarks.command import COUNT, FILE, benchmark
from cagexplain.audit.profiles import Profile, load_profile
from cagexplain.audit.references import load_references
from cagexplain.audit.results import Finding
from cagexplain.common.files import write_json
from cagexplain.policies.registry import load_policy

FIRST_SEED: Final = 7_000_000
LEAST_AGREEMENT: Final = 0.95
SOUND: Final = "expert"
"""The policy that no practice check may blame."""


def measure(
    names: Sequence[str], audits: int, sizes: Sequence[int], processes: int, profile: Profile
) -> list[dict[str, Any]]:
    """By policy and size of the audits: verdicts by check, agreement and flips."""
    wanted, usual = playable(), load_references()
    policies = {name: load_policy(name) for name in names}
    counts = play(
        policies, dict.fromkeys(policies, wanted), FIRST_SEED, audits * max(sizes), processes
    )
    return [
        {"policy": name, "episodes": size, "audits": audits}
        | summary(
            [judge(counts[name], part, wanted, profile, usual) for part in slices(audits, size)]
        )
        for name in names
        for size in sizes
    ]


def summary(audits: Sequence[Mapping[str, Finding]]) -> dict[str, Any]:
    """How audits of one policy agree: verdicts, agreement, flips, and what FAILs of practice."""
    same, flips, unlike = [], [], Counter[str]()
    for one, other in itertools.combinations(audits, 2):
        for ident in one:
            verdicts = {one[ident].verdict, other[ident].verdict}
            same.append(len(verdicts) == 1)
            unlike[ident] += len(verdicts) > 1
            if verdicts == {"PASS", "FAIL"}:
                flips.append(ident)
    pairs = len(audits) * (len(audits) - 1) // 2
    return {
        "agreement": sum(same) / len(same),
        "flips": dict(Counter(flips)),
        "disagreement": {ident: n / pairs for ident, n in unlike.most_common() if n},
        "verdicts": {
            ident: dict(Counter(audit[ident].verdict for audit in audits)) for ident in audits[0]
        },
        "practice_fails": {
            ident: fails
            for ident, finding in audits[0].items()
            if finding.axis == "practice"
            and (fails := sum(audit[ident].verdict == "FAIL" for audit in audits))
        },
    }


@benchmark(__doc__)
@click.option(
    "--audits",
    type=click.IntRange(min=2),
    default=20,
    show_default=True,
    help="Of each size; two can be compared.",
)
@click.option(
    "--episodes", "sizes", multiple=True, default=(50, 100), show_default=True, type=COUNT
)
@click.option("--policy", "names", multiple=True, default=(SOUND,), show_default=True)
@click.option("--profile", default="default", show_default=True)
@click.option("--processes", type=COUNT, default=1, show_default=True)
@click.option("--json", "out", type=FILE)
def command(
    audits: int,
    sizes: Sequence[int],
    names: Sequence[str],
    profile: str,
    processes: int,
    out: Path | None,
) -> Sequence[str]:
    """Measure specificity and agreement of audits."""
    rows = measure(names, audits, sizes, processes, load_profile(profile))
    if out:
        write_json(out, rows)
    table = Table("policy", "episodes", "agreement", "flips", "FAILs of practice", "disagreement")
    for row in rows:
        texts = [
            ", ".join(f"{ident} {n}" for ident, n in row[key].items()) or "none"
            for key in ("flips", "practice_fails")
        ]
        apart = ", ".join(f"{i} {share:.0%}" for i, share in row["disagreement"].items())
        table.add_row(row["policy"], str(row["episodes"]), f"{row['agreement']:.1%}", *texts, apart)
    Console(width=160).print(table)
    console = Console(width=160)
    for row in rows:
        verdicts = Table("check", "verdicts", title=f"{row['policy']}, {row['episodes']} episodes")
        for ident, counted in row["verdicts"].items():
            verdicts.add_row(ident, " ".join(f"{v} {n}" for v, n in sorted(counted.items())))
        console.print(verdicts)
    return [claim for row in rows for claim in _false(row)]


def _false(row: Mapping[str, Any]) -> Iterator[str]:
    """What is not as claimed of the audits of a policy and size."""
    who = f"{row['policy']}, {row['episodes']} episodes"
    if row["agreement"] < LEAST_AGREEMENT:
        yield f"{who}: audits agree in {LEAST_AGREEMENT:.0%} of checks"
    if row["flips"]:
        yield f"{who}: no audit says PASS where another says FAIL ({', '.join(row['flips'])})"
    if row["policy"] == SOUND and row["practice_fails"]:
        yield f"{who}: no practice check fails ({', '.join(row['practice_fails'])})"


if __name__ == "__main__":
    command()
