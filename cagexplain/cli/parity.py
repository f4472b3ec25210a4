"""`cagexplain parity`."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table

from cagexplain.cc4 import phases
from cagexplain.cli import playing
from cagexplain.cli.options import Command, Unused, output_option
from cagexplain.cli.places import new_place
from cagexplain.common import terminal
from cagexplain.common.errors import UsageError

if TYPE_CHECKING:
    from cagexplain.envs import EnvParams
    from cagexplain.fidelity.parity import MetricParity, Parity
    from cagexplain.fidelity.samples import ParitySample
    from cagexplain.policies.base import Policy

EXIT_CODES: Final = {"EQUIVALENT": 0, "DIFFERENT": 3, "INCONCLUSIVE": 4}
STYLES: Final = {"EQUIVALENT": "green", "DIFFERENT": "bold red", "INCONCLUSIVE": "yellow"}

_PERCENT: Final = click.FloatRange(0, 100, min_open=True)
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


def _uses_cyborg(options: Mapping[str, Any]) -> bool:
    return any(
        options[f"engine_{side}"] == "cyborg" and options[f"sample_{side}"] is None for side in "ab"
    )


_UNUSED: Final = (
    Unused(
        "with both samples from files",
        lambda options: options["sample_a"] and options["sample_b"],
        ("episodes", "seed", "batch", "workers", "cyborg_path"),
    ),
    Unused(
        "with --sample-a, whose file names it", lambda options: options["sample_a"], ("engine_a",)
    ),
    Unused(
        "with --sample-b, whose file names it",
        lambda options: options["sample_b"],
        ("engine_b", "episodes_b"),
    ),
    Unused(
        "with --paired: the number follows from the pairs",
        lambda options: options["paired"],
        ("episodes_b",),
    ),
    Unused(
        "on pairs with a sample from a file, which has their seeds",
        lambda options: options["paired"] and (options["sample_a"] or options["sample_b"]),
        ("episodes", "seed"),
    ),
    Unused(
        "with --sample-a and --episodes-b",
        lambda options: options["sample_a"] and options["episodes_b"] is not None,
        ("episodes",),
    ),
    Unused("without CybORG", lambda options: not _uses_cyborg(options), ("cyborg_path",)),
)


@click.command("parity", cls=Command, unused=_UNUSED)
@click.argument("policy")
@click.option(
    "--engine-a",
    type=playing.ENGINE,
    default="native",
    show_default=True,
    help="Simulator to judge: native (fast, built in) or cyborg (the original, if installed).",
)
@click.option(
    "--engine-b",
    type=playing.ENGINE,
    default="cyborg",
    show_default=True,
    help="Simulator that it is judged by.",
)
@click.option(
    "--episodes-b",
    type=click.IntRange(min=2),
    help="Number of episodes on the second simulator.  [default: as many as on the first]",
)
@click.option(
    "--paired",
    is_flag=True,
    help="Play the same seeds on both and judge the differences. Far more powerful where both "
    "consume random numbers alike.",
)
@click.option(
    "--margin-return",
    type=_PERCENT,
    default=5.0,
    show_default=True,
    metavar="PCT",
    help="Margin of returns, in percent of the span from doing nothing to the best policy.",
)
@click.option(
    "--margin-metric",
    type=_PERCENT,
    default=10.0,
    show_default=True,
    metavar="PCT",
    help="Margin of all other metrics, in percent of the second simulator's mean.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Level of every claim.",
)
@click.option(
    "--sample-a",
    type=_FILE,
    help="Take the first sample from this file, with the seeds and the simulator it names.",
)
@click.option(
    "--sample-b",
    type=_FILE,
    help="Take the second sample from this file (such as sample-b.parquet).",
)
@output_option(
    "Folder of the samples and results; an unfinished one is continued.  "
    "[default: runs/parity-POLICY-1, -2, ...]"
)
@playing.playing_options
def command(policy: str, output: Path | None, **options: Any) -> None:
    """Judge whether POLICY meets the same world on two simulators.

    Plays independent episodes on both and tests the return and many metrics of behaviour for
    equivalence: the means differ by less than a margin, which is stated beforehand. For what cannot
    be compared step by step: a modified CybORG, other red agents, stochastic policies.

    Finished batches of episodes are kept in the output folder, so the same command with the same
    --output continues where it was interrupted.

    The exit status is 0 for EQUIVALENT, 3 for DIFFERENT and 4 for INCONCLUSIVE; 1 and 2 are
    failures, as always.
    """
    from cagexplain.common.files import prepare_output_dir, write_json, write_text
    from cagexplain.fidelity.parity import Settings, compare
    from reports.parity.page import parity_certificate

    if options["episodes"] < 2:
        raise UsageError(
            "a comparison takes two episodes", where="--episodes", remedy="Play 2 or more"
        )
    settings = Settings(
        margin_return=options["margin_return"] / 100,
        margin_metric=options["margin_metric"] / 100,
        alpha=options["alpha"],
        paired=options["paired"],
    )
    params = playing.params(options)
    player = playing.load(policy, options)
    folder = prepare_output_dir(output or new_place("parity", player.name), allow_existing=True)
    click.echo(f"Keeping samples in {folder}; --output {folder} continues from there.", err=True)
    result = compare(*_samples(player, params, folder, options), settings)
    facts = {
        "command": _command_line(click.get_current_context()),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    write_json(folder / "parity.json", {**result.to_json(), **facts})
    write_text(folder / "parity.html", parity_certificate(result, **facts))
    _show(result, folder)
    click.get_current_context().exit(EXIT_CODES[result.verdict])


def _samples(
    player: Policy, params: EnvParams, folder: Path, options: dict[str, Any]
) -> tuple[ParitySample, ParitySample]:
    """Read or play both; what can be refused is refused before anything is played."""
    from cagexplain.fidelity.parity import require_design, seeds
    from cagexplain.fidelity.samples import collect, origin_of, read, require_same

    played = {"mask_sleep": options["mask_sleep"]}
    files = {side: options[f"sample_{side}"] for side in "ab"}
    samples = {side: read(file) for side, file in files.items() if file is not None}
    for side, sample in samples.items():
        wanted = origin_of(player, params, played, engine=sample.origin.engine)
        remedy = "Name the policy and the options that it was played with"
        require_same(sample.origin, wanted, ("policy", "options"), files[side], remedy)
    engines = {
        side: playing.engine(options, f"engine_{side}") for side in "ab" if side not in samples
    }
    for engine in engines.values():
        engine.describe()  # fails if it is not installed

    episodes = options["episodes"], options["episodes_b"] or options["episodes"]
    a, b = seeds(*episodes, first=options["seed"], paired=options["paired"])
    if options["paired"] and samples:
        a = b = next(iter(samples.values())).seeds
    seeds_of = {"a": a, "b": b} | {side: sample.seeds for side, sample in samples.items()}
    require_design(seeds_of["a"], seeds_of["b"], paired=options["paired"])

    for side, engine in engines.items():
        steps = len(seeds_of[side]) * phases.calls(params.steps)
        with playing.progress(f"{player.name} on {engine.name}", steps) as bar:
            samples[side] = collect(
                player,
                engine,
                seeds_of[side],
                params,
                file=folder / f"sample-{side}.parquet",
                options=played,
                batch=playing.batch(options, engine, player),
                observers=[bar],
            )
    return samples["a"], samples["b"]


def _command_line(context: click.Context) -> str:
    """The command with the arguments that were given."""
    words = ["cagexplain", "parity", str(context.params["policy"])]
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if isinstance(option, click.Option) and source == click.core.ParameterSource.COMMANDLINE:
            value = context.params[option.name or ""]
            if option.is_flag:
                words.append((option.opts if value else option.secondary_opts)[0])
            else:
                words += [option.opts[-1], str(value)]
    return shlex.join(words)


def _show(result: Parity, folder: Path) -> None:
    from cagexplain.stats.equivalence import Verdict

    judgement, split = result.judgement, len(result.judgement.returns)
    rows = list(result.rows)
    problems = [
        row
        for verdict in (Verdict.DIFFERENT, Verdict.INCONCLUSIVE)
        for row in rows[split:]
        if row.verdict == verdict
    ]
    design = "in pairs" if result.settings.paired else "independently"
    a, b = result.a.origin, result.b.origin
    click.echo(
        f"{a.policy['name']} on {a.simulator} and {b.simulator}, "
        f"{len(result.a.seeds):,} and {len(result.b.seeds):,} episodes, compared {design}"
    )
    console = terminal.console()
    console.print(_table([*rows[:split], *problems]))
    click.echo(
        f"Interval: {100 * (1 - 2 * result.settings.alpha):g} % interval of A − B in margins; "
        "within −1 to 1 is equivalent."
    )
    click.echo(
        f"{judgement.equivalent} of {judgement.observed} further metrics are equivalent, each by "
        f"itself; {judgement.required} are required."
    )
    console.print(result.verdict, style=STYLES[result.verdict])
    if result.verdict == Verdict.INCONCLUSIVE:
        click.echo(
            "The data do not show how many episodes would decide."
            if judgement.needed is None
            else f"About {judgement.needed:,} episodes of each would probably decide."
        )
    for name in ("parity.html", "parity.json"):
        click.echo(folder / name)


def _table(rows: list[MetricParity]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True, max_width=28)
    for heading in ("A", "B", "interval / margin"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=7)
    table.add_column("verdict", no_wrap=True, min_width=len("INCONCLUSIVE"))
    for row in rows:
        comparison = row.comparison
        low, high, margin = comparison.low, comparison.high, comparison.margin
        interval = ""
        if low is not None and high is not None:
            interval = f"{low / margin:+.2f} to {high / margin:+.2f}"
        table.add_row(
            row.metric.label,
            _number(comparison.a.mean),
            _number(comparison.b.mean),
            interval,
            row.verdict,
            style=None if row.verdict == "EQUIVALENT" else STYLES.get(row.verdict),
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"
