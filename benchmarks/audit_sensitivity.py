"""How often the audit notices planted defects.

    python -m benchmarks.audit_sensitivity [--audits N] [--episodes N] [--defect NAME] [--json FILE]

Plays every policy of `benchmarks.defects`, cuts the play into audits of EPISODES episodes each on
seeds of their own, and counts in how many of them the check that is meant for the defect fails. The
claim is that every defect is noticed in at least 95 % of audits. The expert without defects is
judged by the same checks: it is the control, and a check that fails it as well shows nothing.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from benchmarks.audit_play import judge, play, playable, slices
from benchmarks.command import COUNT, FILE, CannotMeasure, benchmark
from benchmarks.defects import DEFECTS
from cagexplain.audit.profiles import Profile, load_profile
from cagexplain.audit.references import load_references
from cagexplain.common.files import write_json
from cagexplain.policies.registry import load_policy

FIRST_SEED: Final = 6_000_000
TARGET: Final = 0.95
MOST_BLAMED: Final = 0.05
"""Share of audits in which a check may fail the expert without defects."""
_SOUND: Final = "expert"


def measure(
    names: Sequence[str], audits: int, episodes: int, processes: int, profile: Profile
) -> list[dict[str, Any]]:
    """Verdicts of the meant check by defect, as ``{verdict: number of audits}``."""
    meant = {name: playable([DEFECTS[name].check]) for name in names}
    sound = tuple({check.id: check for checks in meant.values() for check in checks}.values())
    policies = {name: DEFECTS[name].make() for name in names}
    counts = play(
        policies | {_SOUND: load_policy(_SOUND)},
        {**meant, _SOUND: sound},
        FIRST_SEED,
        audits * episodes,
        processes,
    )
    usual = load_references()
    rows = []
    for name in names:
        ident = DEFECTS[name].check
        verdicts, values = {}, {}
        for policy in (name, _SOUND):
            findings = [
                judge(counts[policy], part, meant[name], profile, usual)[ident]
                for part in slices(audits, episodes)
            ]
            verdicts[policy] = Counter(finding.verdict for finding in findings)
            values[policy] = {m.key: m.value for m in findings[0].measures if m.good is not None}
        rows.append(
            {
                "defect": name,
                "summary": DEFECTS[name].summary,
                "check": ident,
                "share": verdicts[name]["FAIL"] / audits,
                "verdicts": dict(verdicts[name]),
                "sound": dict(verdicts[_SOUND]),
                "values": values[name],
                "sound_values": values[_SOUND],
            }
        )
    return rows


@benchmark(__doc__)
@click.option("--audits", type=COUNT, default=20, show_default=True, help="Of each defect.")
@click.option("--episodes", type=COUNT, default=50, show_default=True, help="Of each audit.")
@click.option(
    "--defect",
    "names",
    multiple=True,
    type=click.Choice(list(DEFECTS)),
    metavar="NAME",
    help="By name.  [default: all]",
)
@click.option("--profile", default="default", show_default=True)
@click.option("--processes", type=COUNT, default=1, show_default=True)
@click.option("--json", "out", type=FILE)
def command(
    audits: int,
    episodes: int,
    names: Sequence[str],
    profile: str,
    processes: int,
    out: Path | None,
) -> Sequence[str]:
    """Measure the sensitivity of the audit."""
    rows = measure(names or tuple(DEFECTS), audits, episodes, processes, load_profile(profile))
    if out:
        write_json(out, {"audits": audits, "episodes": episodes, "defects": rows})
    table = Table(
        *("defect", "check", "fails", "verdicts", "expert", "first values", "of the expert"),
        title=f"{audits} audits of {episodes} episodes",
    )
    for row in rows:
        mark = "" if row["share"] >= TARGET else " !"
        texts = [_counts(row[key]) for key in ("verdicts", "sound")]
        texts += [_values(row[key]) for key in ("values", "sound_values")]
        table.add_row(row["defect"], row["check"], f"{row['share']:.0%}{mark}", *texts)
    Console(width=180).print(table)
    noticed = sum(row["share"] >= TARGET for row in rows)
    click.echo(f"{noticed} of {len(rows)} defects are noticed in at least {TARGET:.0%} of audits")
    blamed = [row["check"] for row in rows if row["sound"].get("FAIL", 0) > MOST_BLAMED * audits]
    if blamed:
        raise CannotMeasure(f"{', '.join(blamed)} fails the {_SOUND} without defects too")
    return [
        f"{row['check']} notices {row['defect']} in {TARGET:.0%} of audits"
        for row in rows
        if row["share"] < TARGET
    ]


def _counts(verdicts: dict[str, int]) -> str:
    return " ".join(f"{verdict} {n}" for verdict, n in sorted(verdicts.items()))


def _values(values: dict[str, float | None]) -> str:
    return " ".join(f"{k} {'none' if v is None else f'{v:.3g}'}" for k, v in values.items())


if __name__ == "__main__":
    command()
