"""`cagexplain explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich import box
from rich.table import Table
from rich.text import Text

from cagexplain.cc4.actions import N_KINDS
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cli import playing
from cagexplain.cli.options import FILE_TO_WRITE, JSON_OPTION, Command, Unused, output_option
from cagexplain.cli.places import RUNS
from cagexplain.common import machine, terminal
from cagexplain.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from cagexplain.analysis.decisions.counterfactuals import FutureDifference
    from cagexplain.analysis.decisions.explain import DecisionReport, Explanation, Option
    from cagexplain.analysis.decisions.screening import Selection
    from cagexplain.policies.base import Policy
    from cagexplain.tracing.trace import Trace

_CRITICAL: Final = 10
_ENTRIES: Final = 8
"""Entries of the observation, and flips, that the terminal shows."""


_UNUSED: Final = (
    Unused(
        "with --critical, which finds the steps",
        lambda options: options["critical"] is not None,
        ("steps",),
    ),
    Unused(
        "without futures to play on",
        lambda options: options["rollouts"] == 0,
        ("horizon", "every_action"),
    ),
)


@click.command("explain", cls=Command, unused=_UNUSED)
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option("--episode", type=click.IntRange(min=0), help="Number of the episode, from 0.")
@click.option(
    "--step",
    "steps",
    type=click.IntRange(min=0),
    multiple=True,
    help="Step of the episode, from 0; may be given several times.",
)
@click.option(
    "--agent",
    type=click.Choice([*BLUE, *map(str, range(N_BLUE))]),
    metavar="AGENT",
    help="Blue agent, as a name or a number from 0 to 4.",
)
@click.option(
    "--critical",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=_CRITICAL,
    metavar="[N]",
    help="Find the N decisions in which the choice mattered most, of --episode and --agent if they "
    f"are given.  [N: {_CRITICAL} if left out]",
)
@click.option(
    "--rollouts",
    type=click.IntRange(min=0),
    default=64,
    show_default=True,
    help="Roll-outs of each alternative; 0 for none.",
)
@click.option(
    "--horizon",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Steps of each roll-out, at most.",
)
@click.option(
    "--every-action",
    is_flag=True,
    help="Roll out all valid actions, not the best of each type.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    help="Where the policy's file lies now, if it was moved since the recording.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Threads for roll-outs.  [default: all cores]",
)
@playing.trust_options
@output_option("HTML file to write.  [default: explain.html in the trace's folder]", FILE_TO_WRITE)
@JSON_OPTION
def command(
    trace: Path | None,
    episode: int | None,
    steps: tuple[int, ...],
    agent: str | None,
    critical: int | None,
    rollouts: int,
    horizon: int,
    every_action: bool,
    policy_file: Path | None,
    workers: int | None,
    output: Path | None,
    json_file: Path | None,
    **trust: Any,
) -> None:
    """Show why blue chose an action, and what other actions would have led to.

    TRACE is a folder that `cagexplain trace` has written; the newest one below ./runs by default.
    Choose the decisions with --episode, --step and --agent, or let --critical find some. The
    episodes are played again with the policy that was recorded, so its checkpoint must be there.
    """
    from cagexplain.analysis.decisions.explain import explain
    from cagexplain.analysis.decisions.replay import DecisionPlace, policy_of
    from cagexplain.common.files import prepare_output_file, write_json, write_text
    from cagexplain.tracing.trace import latest_trace, open_trace
    from reports.decisions.page import decisions_page

    number = None if agent is None else int(agent[-1])
    if critical is None and (episode is None or not steps or number is None):
        raise UsageError(
            "which decisions?", remedy="Give --episode, --step and --agent, or --critical"
        )
    folder = trace or latest_trace(RUNS)
    opened = open_trace(folder)
    target = output or prepare_output_file(folder / "explain.html")
    policy = policy_of(opened, policy_file, playing.opening(**trust))
    _single_threaded()
    threads = workers or machine.cores()
    selection = None
    if critical is not None:
        selection = _critical(opened, policy, critical, number, episode, threads)
        places = selection.places
    else:
        assert episode is not None
        assert number is not None
        places = tuple(DecisionPlace(episode, step, number) for step in steps)
    with playing.counting("playing on", len(places) * N_KINDS * rollouts * horizon) as advance:
        report = explain(
            opened,
            policy,
            places,
            rollouts=rollouts,
            horizon=horizon,
            every_action=every_action,
            workers=threads,
            selection="as asked for" if selection is None else selection.how,
            importance=None if selection is None else selection.importance,
            advance=advance,
        )
    write_text(target, decisions_page(report))
    if json_file is not None:
        write_json(json_file, report.to_json())
    _show(report)
    for path in (target, json_file):
        if path is not None:
            click.echo(path)


def _single_threaded() -> None:
    import torch

    torch.set_num_threads(1)  # the roll-outs have threads of their own


def _critical(
    trace: Trace, policy: Policy, n: int, agent: int | None, episode: int | None, threads: int
) -> Selection:
    from cagexplain.analysis.decisions import screening

    with playing.counting("screening", screening.steps_of(n)) as advance:
        return screening.critical(
            trace, policy, n, agent=agent, episode=episode, workers=threads, advance=advance
        )


def _show(report: DecisionReport) -> None:
    console = terminal.console(highlight=False)
    if len(report.decisions) > 1:
        console.print(_overview(report))
    else:
        for decision in report.decisions:
            _show_one(console, decision)
    if report.rollouts:
        console.print(
            f"Advantage: points of reward over {report.horizon} steps at most, compared with what "
            f"was chosen, in {report.rollouts} futures from the true state; "
            f"{report.confidence:.0%} interval.",
            style="dim",
        )


def _overview(report: DecisionReport) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{report.policy}: {report.selection}",
        title_justify="left",
    )
    for name in ("episode", "step"):
        table.add_column(name, justify="right")
    for name in ("agent", "chosen", "best alternative"):
        table.add_column(name)
    table.add_column("its advantage", justify="right")
    for decision in report.decisions:
        other = next((o for o in decision.options if not o.chosen), None)
        table.add_row(
            str(decision.episode),
            str(decision.step),
            decision.agent,
            decision.action,
            other.name if other else "",
            _advantage(other) if other else "",
        )
    return table


def _show_one(console: Console, decision: Explanation) -> None:
    from reports.kit.numbers import signed

    console.print(
        f"{decision.agent} in step {decision.step} of episode {decision.episode}: "
        f"{decision.action}",
        style="bold",
    )
    alerts = ", ".join(decision.alerts) or "no alerts"
    console.print(f"It saw: {alerts}.")
    console.print(_options(decision.options))
    if decision.attribution is not None:
        console.print(f"What drove the {decision.attribution.target}:")
        for i in decision.attribution.influences[:_ENTRIES]:
            console.print(f"  {signed(i.attribution, 3):>9}  {i.name} ({i.value:g})")
    for condition in decision.path:
        console.print(f"  {condition}")
    if decision.flips is not None:
        _show_flips(console, decision)
    for note in decision.notes:
        console.print(note, style="dim")


def _options(options: Iterable[Option]) -> Table:
    from reports.kit.numbers import fixed

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("alternative")
    for name in ("weight", "return", "advantage", "mostly by"):
        table.add_column(name, justify="right", no_wrap=True)
    for option in options:
        outcome = option.outcome
        table.add_row(
            Text(option.name, style="bold" if option.chosen else ""),
            _weight(option),
            "" if outcome is None else fixed(outcome.mean_return, 1),
            _advantage(option),
            "" if outcome is None or option.chosen else _main_cause(outcome.by_cause),
        )
    return table


def _weight(option: Option) -> str:
    from reports.kit.numbers import fixed

    if option.value is not None:
        return f"value {fixed(option.value, 2)}"
    return "" if option.probability is None else f"{option.probability:.1%}"


def _advantage(option: Option) -> str:
    from reports.kit.numbers import signed

    if option.outcome is None:
        return ""
    if option.chosen:
        return "chosen"
    advantage = option.outcome.advantage
    if advantage.low is None or advantage.high is None:
        return f"{signed(advantage.mean, 1)} (not enough data: n = {option.outcome.rollouts})"
    low, high = signed(advantage.low, 1), signed(advantage.high, 1)
    return f"{signed(advantage.mean, 1)} ({low} to {high})"


def _main_cause(causes: dict[str, FutureDifference]) -> str:
    from reports.kit.numbers import signed
    from reports.kit.terms import CAUSE_WORDS

    name, largest = max(causes.items(), key=lambda item: abs(item[1].mean))
    return f"{CAUSE_WORDS[name]} {signed(largest.mean, 1)}" if largest.mean else ""


def _show_flips(console: Console, decision: Explanation) -> None:
    flips = decision.flips
    assert flips is not None
    if decision.likeliest is False:
        console.print(f"This was drawn; most preferred was {flips.preferred}.")
    if flips.size is None:
        console.print(f"No change of up to {flips.limit} entries seen changes the choice.")
    for flip in flips.found[:_ENTRIES]:
        console.print(f"{' and '.join(flip.changes)}: {flip.action}")
