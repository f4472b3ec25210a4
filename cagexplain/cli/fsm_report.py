"""`cagexplain fsm-report`."""

from __future__ import annotations

from pathlib import Path

import click

RUNS = Path("runs")


@click.command("fsm-report")
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write.  [default: fsm-report.html in the trace's folder]",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write all numbers as JSON.",
)
@click.option(
    "--dot",
    "dot_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the state machine for Graphviz.",
)
def command(
    trace: Path | None, output: Path | None, json_file: Path | None, dot_file: Path | None
) -> None:
    """Show what blue does in each state of the attacker, as one HTML page.

    TRACE is a folder that `cagexplain trace` has written; the newest one below ./runs by default.
    """
    from cagexplain.analysis.fsm import analyse
    from cagexplain.common.files import write_json, write_text
    from cagexplain.tracing.trace import latest_trace, open_trace
    from reports.fsm_report import fsm_report

    folder = trace or latest_trace(RUNS)
    analysis = analyse(open_trace(folder))
    page = fsm_report(analysis)
    target = output or folder / "fsm-report.html"
    write_text(target, page.html)
    if json_file is not None:
        write_json(json_file, analysis.to_json())
    if dot_file is not None:
        write_text(dot_file, page.drawing.dot)
    for path in (target, json_file, dot_file):
        if path is not None:
            click.echo(path)
