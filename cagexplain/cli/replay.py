"""`cagexplain replay`."""

from __future__ import annotations

from pathlib import Path

import click

from cagexplain.cli.options import FILE_TO_WRITE, Command, output_option
from cagexplain.cli.places import RUNS


@click.command("replay", cls=Command)
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option(
    "--episode",
    type=click.IntRange(min=0),
    help="Number of the episode.  [default: the one with the worst return]",
)
@output_option(
    "HTML file to write.  [default: replay-N.html in the trace's folder]", FILE_TO_WRITE
)
def command(trace: Path | None, episode: int | None, output: Path | None) -> None:
    """Show an episode on the map of CC4's network, step by step, as one HTML page.

    The page shows what red holds and what it believes, alerts, decoys, blocked traffic, what both
    sides do and to whom, users' failures, and the reward. TRACE is a folder that `cagexplain trace`
    has written; the newest one below ./runs by default.
    """
    from cagexplain.analysis.episodes.timeline import require_episodes, timelines, worst_episode
    from cagexplain.analysis.fsm.analyse import trace_facts
    from cagexplain.common.files import prepare_output_file, write_text
    from cagexplain.tracing.trace import latest_trace, open_trace
    from reports.replay.page import replay_page

    folder = trace or latest_trace(RUNS)
    opened = open_trace(folder)
    if episode is None:
        chosen = {worst_episode(opened): f"worst return of {opened.n_episodes}"}
    else:
        require_episodes([episode], opened.n_episodes)
        chosen = {episode: "asked for"}
    (timeline,) = timelines(opened, chosen)
    target = output or prepare_output_file(folder / f"replay-{timeline.episode}.html")
    page = replay_page(timeline, trace_facts(opened))
    write_text(target, page)
    click.echo(target)
