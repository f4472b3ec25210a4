"""`cagexplain fsm-report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

RUNS = Path("runs")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("fsm-report")
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=_FILE,
    help="HTML file to write.  [default: fsm-report.html in the trace's folder]",
)
@click.option(
    "--episode",
    "episodes",
    type=click.IntRange(min=0),
    multiple=True,
    help="Number of an episode to show step by step; may be repeated.  [default: the worst, the "
    "median and the best]",
)
@click.option("--json", "json_file", type=_FILE, help="Also write all numbers as JSON.")
@click.option("--dot", type=_FILE, help="Also write the state machine for Graphviz.")
@click.option("--svg", type=_FILE, help="Also write the picture of the state machine.")
@click.option("--graphml", type=_FILE, help="Also write the state machine as GraphML.")
@click.option("--graph-json", type=_FILE, help="Also write it as JSON, nodes and links.")
def command(
    trace: Path | None,
    output: Path | None,
    episodes: tuple[int, ...],
    json_file: Path | None,
    **pictures: Path | None,
) -> None:
    """Show what a policy does, when, and how well it defends, as one HTML page.

    TRACE is a folder that `cagexplain trace` has written; the newest one below ./runs by default.
    """
    from cagexplain.analysis import exports
    from cagexplain.analysis.fsm import analyse
    from cagexplain.common.files import write_json, write_text
    from cagexplain.tracing.trace import latest_trace, open_trace
    from reports.fsm_report import fsm_report
    from reports.standalone import standalone

    folder = trace or latest_trace(RUNS)
    analysis = analyse(open_trace(folder), episodes)
    page = fsm_report(analysis)
    target = output or folder / "fsm-report.html"
    write_text(target, page.html)
    click.echo(target)
    if json_file is not None:
        write_json(json_file, analysis.to_json())
        click.echo(json_file)
    forms: dict[str, Any] = {
        "dot": lambda: page.drawing.dot,
        "svg": lambda: standalone(page.drawing),
        "graphml": lambda: exports.graphml(analysis.graph),
        "graph_json": lambda: exports.node_link(analysis.graph),
    }
    for name, path in pictures.items():
        if path is not None:
            write_text(path, forms[name]())
            click.echo(path)
