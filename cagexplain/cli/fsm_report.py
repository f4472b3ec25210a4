"""`cagexplain fsm-report`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cagexplain.cli import playing
from cagexplain.cli.options import FILE_TO_WRITE, JSON_OPTION, Command, Unused, output_option
from cagexplain.cli.places import RUNS
from cagexplain.common import machine

if TYPE_CHECKING:
    from cagexplain.analysis.decisions.explain import DecisionReport
    from cagexplain.analysis.fsm.analyse import FsmAnalysis
    from cagexplain.policies.external.forms import Opening
    from cagexplain.tracing.trace import Trace

_PLAYED = ("explanations", "surrogate")
"""What takes the policy itself, by the names of the page's arguments."""
_FURTHER: Final = 3
"""Most episodes that are shown beside the usual ones for their explained decisions: each adds half
a megabyte to the page."""
_WHY: Final = "explained decision"
_PLACE: Final = click.Path(path_type=Path)


_UNUSED: Final = (
    Unused(
        "without --critical or --rules, which play the policy",
        lambda options: options["critical"] is None and not options["rules"],
        ("policy_file",),
    ),
)


@click.command("fsm-report", cls=Command, unused=_UNUSED)
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@output_option(
    "HTML file to write.  [default: fsm-report.html in the trace's folder]", FILE_TO_WRITE
)
@click.option(
    "--episode",
    "episodes",
    type=click.IntRange(min=0),
    multiple=True,
    help="Number of an episode to show step by step; may be repeated.  [default: the worst, the "
    "median and the best, and those of up to 3 explained decisions]",
)
@click.option(
    "--critical",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=5,
    metavar="[N]",
    help="Also explain the N decisions in which the choice mattered most.  [N: 5 if left out]",
)
@click.option("--rules", is_flag=True, help="Also extract decision trees; this takes some minutes.")
@playing.trust_options
@click.option(
    "--policy",
    "policy_file",
    type=_PLACE,
    help="Where the policy's file lies now, if it was moved since the recording; for --critical "
    "and --rules, which play it.",
)
@JSON_OPTION
@click.option("--dot", type=FILE_TO_WRITE, help="Also write the state machine for Graphviz.")
@click.option("--svg", type=FILE_TO_WRITE, help="Also write the picture of the state machine.")
@click.option("--graphml", type=FILE_TO_WRITE, help="Also write the state machine as GraphML.")
@click.option("--graph-json", type=FILE_TO_WRITE, help="Also write it as JSON, nodes and edges.")
def command(
    trace: Path | None,
    output: Path | None,
    episodes: tuple[int, ...],
    critical: int | None,
    rules: bool,
    policy_file: Path | None,
    json_file: Path | None,
    trust_code: bool,
    step_timeout: float,
    **pictures: Path | None,
) -> None:
    """Show what a policy does, when, and how well it defends, as one HTML page.

    TRACE is a folder that `cagexplain trace` has written; the newest one below ./runs by default.
    """
    from cagexplain.analysis.fsm.analyse import analyse
    from cagexplain.common.files import prepare_output_file, write_json, write_text
    from cagexplain.tracing.trace import latest_trace, open_trace
    from reports.drawings.standalone import standalone
    from reports.exports import fsm_graph as exports
    from reports.fsm.page import fsm_report

    folder = trace or latest_trace(RUNS)
    opened = open_trace(folder)
    target = output or prepare_output_file(folder / "fsm-report.html")
    analysis = analyse(opened, episodes)
    played = _played(
        opened, critical, rules, policy_file, playing.opening(trust_code, step_timeout)
    )
    analysis = _with_explained(opened, analysis, played.get("explanations"), bool(episodes))
    page = fsm_report(analysis, **played)
    write_text(target, page.html)
    click.echo(target)
    if json_file is not None:
        extra = {name: played[name].to_json() for name in _PLAYED if name in played}
        write_json(json_file, analysis.to_json() | extra)
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


def _with_explained(
    trace: Trace, analysis: FsmAnalysis, report: DecisionReport | None, asked: bool
) -> FsmAnalysis:
    """Show the episodes of explained decisions, too, unless the user has said which to show."""
    from cagexplain.analysis.episodes.timeline import timelines

    if report is None or asked:
        return analysis
    shown = {timeline.episode for timeline in analysis.timelines}
    further = dict.fromkeys((d.episode for d in report.decisions if d.episode not in shown), _WHY)
    more = timelines(trace, dict(list(further.items())[:_FURTHER]))
    return replace(analysis, timelines=(*analysis.timelines, *more))


def _played(
    trace: Trace,
    critical: int | None,
    rules: bool,
    policy_file: Path | None,
    opening: Opening,
) -> dict[str, Any]:
    """What takes the policy itself; a reason if it cannot be played again."""
    from cagexplain.analysis.decisions.explain import explain
    from cagexplain.analysis.decisions.replay import params_of, policy_of
    from cagexplain.analysis.decisions.screening import critical as choose
    from cagexplain.analysis.trees.extract import extract
    from cagexplain.common.errors import CagexplainError

    parts: dict[str, Any] = {}
    if critical is None and not rules:
        return parts
    try:
        policy = policy_of(trace, policy_file, opening)
        playing.single_threaded(policy)
        if critical is not None:
            cores = machine.cores()
            chosen = choose(trace, policy, critical, workers=cores)
            parts["explanations"] = explain(
                trace,
                policy,
                chosen.places,
                selection=chosen.how,
                importance=chosen.importance,
                workers=cores,
            )
        if rules:
            parts["surrogate"], _ = extract(policy, params_of(trace))
    except CagexplainError as error:
        click.echo(f"Left a gap in the page: {error}", err=True)
        asked = zip(_PLAYED, (critical is not None, rules), strict=True)
        missing = [name for name, wanted in asked if wanted and name not in parts]
        parts["why_not"] = dict.fromkeys(missing, str(error))
    return parts
