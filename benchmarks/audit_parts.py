"""How often the audit finds planted defects of a part, names the place, and leaves the sound alone.

    python -m benchmarks.audit_parts [--audits N] [--episodes N] [--defect NAME] [--sound] ...

Plays every policy of `benchmarks.part_defects` and of `benchmarks.sound` in audits of EPISODES
episodes each, on seeds of their own, and judges each with the whole catalogue. The claims, for
every defect: at least 95 % of audits have a FAIL on a check that is meant for it; in at least 90 %
such a finding names the right place, and the step since when it is so, to 15 steps; practice is
called unorthodox in at least 95 % if the defect costs 5 % of the points of the sound policy that it
is made of. For every sound policy: no FAIL on a practice check, and audits agree in at least 95 %
of the checks.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.audit_specificity import LEAST_AGREEMENT, summary
from benchmarks.command import COUNT, FILE, benchmark
from benchmarks.defect_prices import Price
from benchmarks.part_defects import PART_DEFECTS, PartDefect, Place, Places
from benchmarks.sound import SOUND, sound
from benchmarks.whole_audits import WholeAudit, audits, returns_of
from cagexplain.audit.results import Finding
from cagexplain.common.arrays import FloatArray
from cagexplain.common.files import write_json
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.rollout import seed_range

FIRST_SEED: Final = 9_000_000
NOTICED: Final = 0.95
PLACED: Final = 0.90
CLOSE: Final = 15
"""Steps between the true change point and a right one."""


def named_place(finding: Finding) -> Places:
    """The parts that a finding names."""
    places = finding.worst.place if finding.worst else ()
    return tuple(Place(place.kind, place.name) for place in places)


def change_point(finding: Finding) -> int | None:
    """The step since when a finding says that it is so; None if it says none."""
    return finding.worst.since.start if finding.worst and finding.worst.since else None


def is_right(named: Places, places: Places) -> bool:
    """Whether parts that a finding names are those of a defect.

    At least one is, and no other part of their kinds is named; parts of other kinds say more than
    the defect declares, which may be true.
    """
    kinds = {place.kind for place in places}
    relevant = [place for place in named if place.kind in kinds]
    return bool(relevant) and all(p in places or Place(p.kind) in places for p in relevant)


def judged(defect: PartDefect, judgements: Sequence[WholeAudit], price: Price) -> dict[str, Any]:
    """How audits of a defect did, as shares of the audits; None for what it does not have."""
    fails = [
        [audit.findings[check] for check in defect.checks if _fails(audit, check)]
        for audit in judgements
    ]
    placed = [any(is_right(named_place(f), defect.places) for f in some) for some in fails]
    timed = [
        any((at := change_point(f)) is not None and abs(at - defect.since) <= CLOSE for f in some)
        for some in fails
        if defect.since is not None
    ]
    return {
        "defect": defect.name,
        "summary": defect.summary,
        "checks": list(defect.checks),
        "places": [place._asdict() for place in defect.places],
        "since": defect.since,
        "noticed": float(np.mean([bool(some) for some in fails])),
        "by": dict(Counter(f.id for some in fails for f in some)),
        "placed": float(np.mean(placed)) if defect.places else None,
        "timed": float(np.mean(timed)) if timed else None,
        "practice": dict(Counter(audit.practice for audit in judgements)),
        "price": asdict(price),
        "dear": price.dear,
    }


def _fails(audit: WholeAudit, check: str) -> bool:
    return check in audit.findings and audit.findings[check].verdict == "FAIL"


def measure(
    defects: Sequence[str],
    sound_names: Sequence[str],
    number: int,
    episodes: int,
    processes: int,
    profile: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row per defect, and a row per sound policy."""
    policies = {name: PART_DEFECTS[name].make() for name in defects} | {
        name: sound(name) for name in sound_names
    }
    every = audits(policies, FIRST_SEED, number, episodes, processes, profile)
    base = _returns_of_bases(defects, number * episodes)
    defect_rows = [
        judged(
            PART_DEFECTS[name],
            every[name],
            Price.of(returns_of(every[name]), base[PART_DEFECTS[name].base]),
        )
        for name in defects
    ]
    sound_rows = [
        {
            "policy": name,
            "return": float(returns_of(every[name]).mean()),
            "practice": dict(Counter(audit.practice for audit in every[name])),
        }
        | summary([audit.findings for audit in every[name]])
        for name in sound_names
    ]
    return defect_rows, sound_rows


def _returns_of_bases(defects: Sequence[str], episodes: int) -> dict[str, FloatArray]:
    """Returns of the sound policies that defects are made of, on the seeds of all audits."""
    seeds = seed_range(FIRST_SEED, episodes)
    return {
        name: evaluate(sound(name), seeds, batch=200).returns.astype(np.float64)
        for name in {PART_DEFECTS[defect].base for defect in defects}
    }


@benchmark(__doc__)
@click.option(
    "--audits",
    "number",
    type=click.IntRange(min=2),
    default=20,
    show_default=True,
    help="Of each policy; two can be compared.",
)
@click.option("--episodes", type=COUNT, default=50, show_default=True, help="Of each audit.")
@click.option(
    "--defect",
    "names",
    multiple=True,
    type=click.Choice(list(PART_DEFECTS)),
    metavar="NAME",
    help="Only this one, and others that are given.",
)
@click.option("--sound", "only_sound", is_flag=True, help="Only sound policies.")
@click.option("--profile", default="default", show_default=True)
@click.option("--processes", type=COUNT, default=1, show_default=True)
@click.option("--json", "out", type=FILE)
def command(
    number: int,
    episodes: int,
    names: Sequence[str],
    only_sound: bool,
    profile: str,
    processes: int,
    out: Path | None,
) -> Sequence[str]:
    """Measure how the audit judges parts."""
    everything = not names and not only_sound
    defects = tuple(PART_DEFECTS) if everything else names
    sound_names = tuple(SOUND) if everything or only_sound else ()
    defect_rows, sound_rows = measure(defects, sound_names, number, episodes, processes, profile)
    if out:
        head = {"audits": number, "episodes": episodes}
        write_json(out, head | {"defects": defect_rows, "sound": sound_rows})
    _show(defect_rows, sound_rows, f"{number} audits of {episodes} episodes")
    return [claim for row in defect_rows for claim in false_of(row)] + [
        claim for row in sound_rows for claim in false_of_sound(row)
    ]


def _show(
    defect_rows: Sequence[Mapping[str, Any]], sound_rows: Sequence[Mapping[str, Any]], title: str
) -> None:
    console = Console(width=180)
    if defect_rows:
        table = Table(
            *("defect", "noticed", "place", "since", "by", "practice", "points lost, share"),
            title=title,
        )
        for row in defect_rows:
            shares = [_share(row[key]) for key in ("noticed", "placed", "timed")]
            texts = [_counts(row["by"]), _counts(row["practice"]), Price(**row["price"]).text()]
            table.add_row(row["defect"], *shares, *texts)
        console.print(table)
    if sound_rows:
        table = Table(
            *("sound policy", "return", "agreement", "flips", "FAILs of practice", "practice"),
            title=title,
        )
        for row in sound_rows:
            texts = [_counts(row[key]) for key in ("flips", "practice_fails", "practice")]
            table.add_row(row["policy"], f"{row['return']:,.1f}", f"{row['agreement']:.1%}", *texts)
        console.print(table)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _counts(counts: Mapping[str, int]) -> str:
    return " ".join(f"{name} {n}" for name, n in counts.items()) or "none"


def false_of(row: Mapping[str, Any]) -> Iterator[str]:
    """What is not as claimed of a defect."""
    name = row["defect"]
    if row["noticed"] < NOTICED:
        yield f"{name}: a meant check fails in {NOTICED:.0%} of audits"
    if row["placed"] is not None and row["placed"] < PLACED:
        yield f"{name}: the right place is named in {PLACED:.0%} of audits"
    if row["timed"] is not None and row["timed"] < PLACED:
        yield f"{name}: the change point is right to {CLOSE} steps in {PLACED:.0%} of audits"
    unorthodox = row["practice"].get("unorthodox", 0) / sum(row["practice"].values())
    if row["dear"] and unorthodox < NOTICED:
        yield f"{name}: practice is unorthodox in {NOTICED:.0%} of audits"


def false_of_sound(row: Mapping[str, Any]) -> Iterator[str]:
    """What is not as claimed of a sound policy."""
    name = row["policy"]
    if row["practice_fails"]:
        yield f"{name}: no practice check fails ({_counts(row['practice_fails'])})"
    if row["agreement"] < LEAST_AGREEMENT:
        yield f"{name}: audits agree in {LEAST_AGREEMENT:.0%} of checks"


if __name__ == "__main__":
    command()
