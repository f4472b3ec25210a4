"""`cagexplain replay`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cagexplain.cli.options import FILE_TO_WRITE, FOLDER, Command, Unused, output_option
from cagexplain.cli.places import RUNS

if TYPE_CHECKING:
    from cagexplain.analysis.episodes.timeline import Timeline
    from cagexplain.analysis.fsm.analyse import RunFacts

_UNUSED: Final = (
    Unused(
        "without --gif or --mp4, which show a part of the episode",
        lambda options: options["gif"] is None and options["mp4"] is None,
        ("first", "last", "rate"),
    ),
)


@click.command("replay", cls=Command, unused=_UNUSED)
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option(
    "--episode",
    type=click.IntRange(min=0),
    help="Number of the episode.  [default: the one with the worst return]",
)
@output_option("HTML file to write.  [default: replay-N.html in the trace's folder]", FILE_TO_WRITE)
@click.option(
    "--png", type=FOLDER, help="Also write the key moments as pictures, into this folder."
)
@click.option("--gif", type=FILE_TO_WRITE, help="Also write the episode as an animated GIF.")
@click.option("--mp4", type=FILE_TO_WRITE, help="Also write it as a film in H.264.")
@click.option(
    "--from", "first", type=click.IntRange(min=0), help="First step of the film.  [default: 0]"
)
@click.option(
    "--to", "last", type=click.IntRange(min=0), help="Last step of the film.  [default: the last]"
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1, max=60),
    default=4,
    show_default=True,
    help="Steps of the film per second.",
)
def command(
    trace: Path | None,
    episode: int | None,
    output: Path | None,
    png: Path | None,
    gif: Path | None,
    mp4: Path | None,
    first: int | None,
    last: int | None,
    rate: float,
) -> None:
    """Show an episode on the map of CC4's network, step by step, as one HTML page.

    The page shows what red holds and what it believes, alerts, decoys, blocked traffic, what both
    sides do and to whom, users' failures, and the reward. TRACE is a folder that `cagexplain trace`
    has written; the newest one below ./runs by default. Pictures and films need the extra "film"
    (pip install -e '.[film]').
    """
    from cagexplain.analysis.episodes.timeline import require_episodes, timelines, worst_episode
    from cagexplain.analysis.fsm.analyse import trace_facts
    from cagexplain.common.files import prepare_output_file, write_text
    from cagexplain.tracing.trace import latest_trace, open_trace
    from reports.replay.page import replay_page

    films = {"gif": gif, "mp4": mp4}
    if png or gif or mp4:
        from reports.exports.pixels import require_film

        require_film()
    folder = trace or latest_trace(RUNS)
    opened = open_trace(folder)
    if episode is None:
        chosen = {worst_episode(opened): f"worst return of {opened.n_episodes}"}
    else:
        require_episodes([episode], opened.n_episodes)
        chosen = {episode: "asked for"}
    (timeline,) = timelines(opened, chosen)
    steps = _steps(first, last, timeline.steps)
    target = output or prepare_output_file(folder / f"replay-{timeline.episode}.html")
    facts = trace_facts(opened)
    write_text(target, replay_page(timeline, facts))
    click.echo(target)
    if png is not None:
        _pictures(png, timeline, facts)
    for kind, path in films.items():
        if path is not None:
            _film(kind, path, timeline, facts, steps, rate)


def _steps(first: int | None, last: int | None, steps: int) -> range:
    """The steps of a film.

    Raises:
        UsageError: there are none.
    """
    from cagexplain.common.errors import UsageError

    begin, end = first or 0, steps - 1 if last is None else last
    for name, step in (("--from", begin), ("--to", end)):
        if step >= steps:
            raise UsageError(
                f"there is no step {step}",
                field=name,
                remedy=f"The episode has steps 0 to {steps - 1}",
            )
    if begin > end:
        raise UsageError(
            f"step {end} comes before step {begin}", field="--to", remedy="Name a later step"
        )
    return range(begin, end + 1)


def _pictures(folder: Path, timeline: Timeline, facts: RunFacts) -> None:
    """A PNG file for each step that is a key moment."""
    from cagexplain.analysis.episodes.moments import moments
    from cagexplain.common.files import prepare_output_dir, write_bytes
    from reports.exports.pixels import PAPER_WIDTH, png
    from reports.replay.film import Film

    prepare_output_dir(folder, allow_existing=True)
    film = Film(timeline, facts)
    kinds: dict[int, list[str]] = {}
    for moment in moments(timeline):
        kinds.setdefault(moment.step, []).append(moment.kind)
    for step, names in kinds.items():
        unique = "-".join(dict.fromkeys(names))
        path = folder / f"episode-{timeline.episode}-step-{step:03d}-{unique}.png"
        write_bytes(path, png(film.picture(step), PAPER_WIDTH))
        click.echo(path)


def _film(
    kind: str, path: Path, timeline: Timeline, facts: RunFacts, steps: range, rate: float
) -> None:
    from reports.exports.pixels import write_gif, write_mp4
    from reports.replay.film import Film

    writers: dict[str, Callable[..., Any]] = {"gif": write_gif, "mp4": write_mp4}
    film = Film(timeline, facts)
    writers[kind](path, map(film.picture, steps), rate)
    click.echo(path)
