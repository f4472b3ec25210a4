"""`cagexplain study`: train a whole study, and report what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cagexplain.cli.options import FILE_TO_WRITE, RAY, TRACK_OPTION, Command, Unused, output_option
from cagexplain.cli.places import RUNS

if TYPE_CHECKING:
    from cagexplain.analysis.studies.explained_run import ExplainedRun
    from cagexplain.common.cluster import Cluster

_KEPT: Final = click.Path(file_okay=False, path_type=Path)
_KEPT_HELP: Final = (
    "Folder with the small files of finished runs (a few hundred kB each), to keep where "
    "checkpoints are too large: what is there counts as finished, what finishes is added."
)


@click.group("study", short_help="Train a whole study, and report what it shows.")
def command() -> None:
    """Train many methods with many seeds from one file, and report what they show."""


_UNUSED: Final = (
    Unused(
        "with --dry-run, which trains nothing",
        lambda options: options["dry_run"],
        ("ray", "track"),
    ),
)


@command.command("run", cls=Command, unused=_UNUSED)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@output_option("Folder of the study.  [default: runs/NAME-OF-FILE]")
@click.option(
    "--workers", type=click.IntRange(1), help="Runs at once.  [default: one per processor core]"
)
@click.option(
    "--ray",
    **RAY,
    help="Train on a Ray cluster instead of this machine alone.",
)
@click.option("--kept", type=_KEPT, help=_KEPT_HELP)
@TRACK_OPTION
@click.option(
    "--only", multiple=True, metavar="NAME", help="Limit to a method or a figure; may be repeated."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be trained and how long that takes, at the speed of the runs so far; "
    "train nothing.",
)
def run(
    file: Path,
    output: Path | None,
    workers: int | None,
    ray: str | None,
    kept: Path | None,
    track: str | None,
    only: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Train the runs that FILE declares.

    Finished runs are skipped and unfinished ones continued, so the same command resumes after an
    interruption. Ctrl-C lets all runs save first.
    """
    from trainers.core import mlflow_runs
    from trainers.studies.definition import read_study
    from trainers.studies.run import Workplace, run_study, show_plan

    folder = output or RUNS / file.stem
    if dry_run:
        show_plan(read_study(file), folder, workers, only=only, kept=kept)
        return
    if track is not None:
        mlflow_runs.require(track)
    run_study(read_study(file), folder, Workplace(workers, ray), only=only, kept=kept, track=track)
    click.echo(f"Next: cagexplain study report {folder}")


@command.command("explain")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--episodes",
    type=click.IntRange(min=10),
    default=100,
    show_default=True,
    help="Episodes of each run, with Sleep masked and again with Sleep allowed.",
)
@click.option("--kept", type=_KEPT, help=_KEPT_HELP)
@click.option(
    "--ray",
    **RAY,
    help="Play on a Ray cluster, a run under a condition on each core, with the same results (see "
    "docs/scale.md).",
)
def explain(folder: Path, episodes: int, kept: Path | None, ray: str | None) -> None:
    """Play the policies of the finished runs in FOLDER, and keep what they do.

    Each run gets an explain.json: what blue chose in each state of red's machine, and the tests of
    its reactions. `cagexplain study report` shows them as figure 8, and judges what the paper says
    of its policies. Runs that have the file are skipped.
    """
    import torch

    from cagexplain.analysis.studies.explained_run import write_explained
    from cagexplain.analysis.studies.study_files import read_study
    from cagexplain.cli.playing import cluster
    from trainers.studies import keeping

    read_study(folder)  # refuses a folder that is none of a study
    torch.set_num_threads(1)  # as in every command that plays: the networks are small
    keeping.keep_all(folder, kept)
    waiting, lost = keeping.unexplained(folder, kept)
    for run, explained in _explained(folder, waiting, episodes, cluster({"ray": ray})):
        write_explained(folder / run, explained)
        keeping.keep(folder, run, kept)
        click.echo(folder / run)
    if lost:
        click.echo(
            f"Not explained, as their checkpoints are not here: {', '.join(map(str, lost))}. "
            "Train these runs again to explain them."
        )
    click.echo(f"Next: cagexplain study report {kept or folder}")


def _explained(
    folder: Path, runs: Sequence[Path], episodes: int, joined: Cluster | None
) -> Iterator[tuple[Path, ExplainedRun]]:
    """What runs of a study do, as they are played: one after the other, or on a cluster."""
    from cagexplain.analysis.studies.explained_run import explain_run, explain_runs
    from cagexplain.cc4.phases import DEFAULT_STEPS, calls
    from cagexplain.cli.playing import counting, progress
    from cagexplain.envs import EnvParams
    from trainers.core.loop import BEST
    from trainers.studies.keeping import attacker

    steps = 2 * episodes * calls(DEFAULT_STEPS)
    played = [(folder / run / BEST, EnvParams(red=attacker(folder / run))) for run in runs]
    if joined is not None:
        with counting("explaining", steps * len(runs)) as advance:
            for number, explained in explain_runs(played, episodes, joined, advance):
                yield runs[number], explained
        return
    for run, (checkpoint, params) in zip(runs, played, strict=True):
        with progress(f"explaining {run}", steps) as bar:
            explained = explain_run(checkpoint, episodes, params, [bar])
        yield run, explained


@command.command("report")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@output_option(
    "HTML file to write; what else is written lies beside it.  [default: FOLDER/report.html]",
    FILE_TO_WRITE,
)
def report(folder: Path, output: Path | None) -> None:
    """Show what the finished runs in FOLDER say about the study's findings.

    Beside the page there are results.md and results.json with the same numbers, and the pictures
    as SVG: the learning curves of each figure, and figure 8 of the runs that are explained.
    """
    from cagexplain.analysis.studies.learning import analyse_study
    from cagexplain.analysis.studies.strategies import analyse_strategies
    from cagexplain.common.files import write_json, write_text
    from reports.study.page import study_report

    result = analyse_study(folder)
    strategies = analyse_strategies(folder)
    page = study_report(result, strategies)
    target = output or folder / "report.html"
    write_text(target, page.html)
    write_text(target.with_name("results.md"), page.markdown)
    numbers = result.to_json() | {"strategies": strategies and strategies.to_json()}
    write_json(target.with_name("results.json"), numbers)
    for name, picture in page.pictures.items():
        write_text(target.with_name(f"{name}.svg"), picture)
    click.echo(target)
