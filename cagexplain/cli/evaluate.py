"""`cagexplain evaluate`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table

from cagexplain.cc4 import conditions, phases
from cagexplain.cc4.reds import red_name
from cagexplain.cli import playing
from cagexplain.cli.options import FILE_OR_OUTPUT, Command, Unused
from cagexplain.common import terminal
from cagexplain.policies.rollout import OFFICIAL, PROTOCOLS, SEEDS

if TYPE_CHECKING:
    from cagexplain.policies.evaluation import Evaluation, MeanReturn


_OFFICIAL: Final = Unused(
    "with --protocol official, which plays one world after the other",
    lambda options: options["protocol"] == OFFICIAL,
    ("batch", "workers", "ray"),
)


@click.command(
    "evaluate", cls=Command, unused=[playing.WITHOUT_CYBORG, playing.NOT_CYBORG, _OFFICIAL]
)
@click.argument("policy")
@playing.options
@playing.ON_RAY
@click.option(
    "--protocol",
    type=click.Choice(list(PROTOCOLS)),
    default=SEEDS,
    show_default=True,
    help="Which worlds are played: with 'seeds' every episode that of its own seed; with "
    "'official' those of CC4's own evaluation script, consecutive ones of one generator, "
    "constructed with --seed.",
)
@click.option(
    "--json",
    "output",
    type=FILE_OR_OUTPUT,
    help="Write everything, episode by episode, to this file; - is the standard output.",
)
def command(policy: str, output: Path | None, **options: Any) -> None:
    """Play POLICY and report its return.

    POLICY is whatever plays (see `cagexplain policies --help`). The return of an episode is the
    official one: the sum of all rewards but the last.
    """
    from cagexplain.policies.evaluation import evaluate, evaluate_official
    from cagexplain.policies.rollout import seed_range

    params = playing.params(options)
    player = playing.load(policy, options)
    engine = playing.engine(options)
    steps = options["episodes"] * phases.calls(params.steps)
    cluster = playing.cluster(options)
    began = time.perf_counter()
    finished: list[Evaluation] = []
    label = f"evaluating {player.name}"
    try:
        if options["protocol"] == OFFICIAL:
            with playing.progress(label, steps) as bar:
                evaluate_official(
                    player,
                    options["seed"],
                    options["episodes"],
                    params,
                    engine=engine,
                    observers=[bar],
                    after_episode=finished.append,
                )
        else:
            with playing.place(cluster, engine, label, steps) as place:
                usual = playing.batch(options, engine, player)
                evaluate(
                    player,
                    seed_range(options["seed"], options["episodes"]),
                    params,
                    batch=options["batch"] or place.size(options["episodes"], usual),
                    engine=engine,
                    place=place,
                    after_batch=finished.append,
                )
    finally:
        # Also when the simulator fails half-way: what was finished counts.
        if finished:
            _show(finished[-1], time.perf_counter() - began, output)


def _show(result: Evaluation, seconds: float, output: Path | None) -> None:
    from cagexplain.common.files import write_json

    if str(output) == "-":
        click.echo(json.dumps(result.to_json(), indent=2))
        return
    steps = len(result.seeds) * phases.calls(result.options["steps"])
    click.echo(_heading(result))
    click.echo(f"Protocol {result.protocol}: {PROTOCOLS[result.protocol]}.")
    summary = result.summary()
    terminal.console().print(_table(summary))
    for line in _without_interval(summary):
        click.echo(line)
    if result.protocol == OFFICIAL:
        click.echo(_as_the_script(result))
    click.echo(f"{steps:,} steps in {seconds:.1f} s, {steps / seconds:,.0f} per second")
    if output is not None:
        write_json(output, result.to_json())
        click.echo(f"Written to {output}")


def _heading(result: Evaluation) -> str:
    options, seeds = result.options, result.seeds
    under = options["condition"]
    condition = "" if under == conditions.STANDARD else f" under condition {under}"
    episodes = "1 episode" if len(seeds) == 1 else f"{len(seeds):,} episodes"
    span = f"seed {seeds[0]}" if seeds[0] == seeds[-1] else f"seeds {seeds[0]} to {seeds[-1]}"
    masked = ", Sleep masked" if result.policy.get("mask_sleep") else ""
    played = f"{result.policy['name']}{masked} against {red_name(options['red'])}{condition}"
    return f"{played}, {episodes}, {span}"


def _as_the_script(result: Evaluation) -> str:
    mean, deviation = result.official()
    if deviation is None:
        return f"The official script: mean {mean}; it fails where there is one episode only."
    return f"The official script: mean {mean}, standard deviation {deviation}"


def _table(summary: Mapping[str, Mapping[str, MeanReturn]]) -> Table:
    from reports.kit.numbers import fixed
    from reports.kit.terms import CAUSE_WORDS, subnet

    words = {"cause": lambda name: CAUSE_WORDS[name], "subnet": subnet}
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in ("mean", "sd", "95 % confidence interval"):
        table.add_column(heading, justify="right")
    for group, rows in summary.items():
        for name, value in rows.items():
            whole = group == "return"
            table.add_row(
                name if whole else f"  {group}: {words.get(group, str)(name)}",
                fixed(value.mean, 1),
                "" if value.sd is None else fixed(value.sd, 1),
                ""
                if value.low is None or value.high is None
                else f"{fixed(value.low, 1)} to {fixed(value.high, 1)}",
                style="bold" if whole else None,
            )
    return table


def _without_interval(summary: Mapping[str, Mapping[str, MeanReturn]]) -> Iterator[str]:
    """Why the return, or its parts, have no interval: one line for those with the same reason."""
    reasons: dict[str, list[str]] = {}
    for group, rows in summary.items():
        (reason,) = {value.reason for value in rows.values()}
        if reason is not None:
            reasons.setdefault(reason, []).append(group)
    for reason, groups in reasons.items():
        yield f"{', '.join(groups)}: {reason}"
