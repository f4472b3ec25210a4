"""`cagexplain search`: look for the settings that learn best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cagexplain.cli.options import RAY, Command, Option, Unused, output_option
from cagexplain.cli.places import RUNS
from cagexplain.common import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from trainers.studies.search import Point

TABLE_2 = ("gamma=0.6,0.9,0.99", "learning_rate=2.5e-4,5e-3,1e-2")
RANGES = ("gamma=0.9:0.999", "learning_rate=1e-5:1e-2:log")


_UNUSED: Final = (
    Unused(
        "without --optuna, which chooses from it",
        lambda options: options["trials"] is None,
        ("ranges", "pruner"),
    ),
)


@click.command("search", short_help="Search for the best settings.", cls=Command, unused=_UNUSED)
@click.argument("algorithm")
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="KEY=VALUE,VALUE",
    help=f"Values to try of a setting; may be repeated.  [default: {' '.join(TABLE_2)}]",
)
@click.option(
    "--optuna",
    "trials",
    type=click.IntRange(1),
    metavar="N",
    help="Let Optuna propose N points in all, instead of trying the whole grid.",
)
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="KEY=LOW:HIGH[:log]",
    help="Numbers that Optuna may choose from; may be repeated.  "
    f"[default, without --grid: {' '.join(RANGES)}]",
)
@click.option(
    "--pruner",
    type=click.Choice(["asha", "median", "none"]),
    default="asha",
    show_default=True,
    help="How Optuna gives up points that do badly at an evaluation.",
)
@click.option("--preset", default="paper", show_default=True, help="Named settings to start from.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Setting of all points."
)
@click.option(
    "--steps", type=int, default=2_000_000, show_default=True, help="Steps of training of each run."
)
@click.option(
    "--n-seeds",
    "seeds",
    cls=Option,
    old=["--seeds"],
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of seeds that each point is trained with.",
)
@click.option(
    "--eval-every", type=int, default=100_000, show_default=True, help="Steps between evaluations."
)
@click.option(
    "--eval-episodes", type=int, default=50, show_default=True, help="Episodes per evaluation."
)
@output_option("Folder of the search.  [default: runs/search-ALGORITHM-PRESET-KIND]")
@click.option(
    "--workers", type=click.IntRange(1), help="Runs at once.  [default: one per processor core]"
)
@click.option("--ray", **RAY, help="Train on a Ray cluster.")
def command(
    algorithm: str,
    grids: tuple[str, ...],
    trials: int | None,
    ranges: tuple[str, ...],
    pruner: str,
    preset: str,
    assignments: tuple[str, ...],
    steps: int,
    seeds: int,
    eval_every: int,
    eval_episodes: int,
    output: Path | None,
    workers: int | None,
    ray: str | None,
) -> None:
    """Search for the settings with which ALGORITHM learns best.

    The default is the grid of the study's table 2. A point of the search is trained with several
    seeds and judged by the mean of their best evaluations. The folder gets search.json, with all
    points, and best.yaml for `cagexplain train --config`. The same command continues a search.
    """
    from trainers.core.config import RunConfig, from_text
    from trainers.studies import search
    from trainers.studies.run import Workplace

    if not grids and trials is None:
        grids = TABLE_2
    if not grids and not ranges:
        ranges = RANGES
    space = search.Space(
        RunConfig(
            algorithm=algorithm,
            preset=preset,
            steps=steps,
            eval_every=eval_every,
            eval_episodes=eval_episodes,
        ),
        tuple(range(seeds)),
        [from_text(text) for text in assignments],
        search.read_grid(grids),
        search.read_ranges(ranges),
    )
    kind = "grid" if trials is None else "optuna"
    folder = output or RUNS / f"search-{algorithm}-{preset}-{kind}"
    place, console = Workplace(workers, ray), terminal.console()
    if trials is None:
        points = search.grid_search(space, folder, place, console)
    else:
        points = search.optuna_search(space, folder, place, trials, pruner, console)
    console.print(_table(points))
    click.echo(f"Written to {folder / search.RESULTS} and {folder / search.BEST}")


def _table(points: Sequence[Point]) -> Table:
    from rich.table import Table

    table = Table(title="Best evaluation, mean over seeds", title_justify="left")
    for key in points[0].values if points else ():
        table.add_column(key, justify="right")
    for heading in ("mean", "sd", "seeds", "state"):
        table.add_column(heading, justify="right")
    for point in points:
        table.add_row(
            *point.values.values(),
            "" if point.mean is None else f"{point.mean:,.1f}",
            "" if point.sd is None else f"{point.sd:,.1f}",
            str(len(point.scores)),
            point.state,
        )
    return table
