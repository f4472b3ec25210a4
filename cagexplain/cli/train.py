"""`cagexplain train`: train an algorithm and save checkpoints."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click
from rich import box
from rich.table import Table

from cagexplain.cli.options import TRACK_OPTION, Command, Option, Unused, output_option
from cagexplain.cli.places import RUNS
from cagexplain.common import terminal
from cagexplain.common.errors import UsageError
from trainers.core import config
from trainers.core.config import Assignment, RunConfig

_OPTIONS: Final = {
    "messages": "What agents send each other: none, action, 2bit, 8bit.",
    "reward": "What each agent learns from: the team's reward (global), the same without what "
    "nobody can prevent (no_contractor), what happens in its own subnets with a share of what no "
    "agent defends (individual) or without (local), or individual and global (hybrid).",
    "observation": "What agents see: the official vector (flat), with what they remember of it "
    "(memory), or of their raw observations (raw).",
    "warm_start": "Policy to imitate before learning (methods of the PPO family).",
    "intrinsic": "Bonus for novelty: none, ngu (Never Give Up).",
} | {
    entry.name: f"{entry.metadata['help'].capitalize()}.  [default: {entry.default}]"
    for entry in fields(RunConfig)
    if entry.name not in ("algorithm", "preset")
}
"""Settings that have an option of their own, and its help."""


def _setting_options(command: Any) -> Any:
    for name, text in reversed(_OPTIONS.items()):
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, name, metavar="VALUE", help=text)(command)
    return command


_UNUSED: Final = (
    Unused(
        "with --show, which only lists the settings",
        lambda options: options["show"],
        ("output", "resumed", "workers", "device", "track"),
    ),
)


@click.command(
    name="train",
    short_help="Train blue agents and save checkpoints.",
    cls=Command,
    unused=_UNUSED,
)
@click.argument("algorithm")
@click.option(
    "--preset",
    help="Settings to begin with: tuned, paper; of the PPO family also raw.  [default: tuned]",
)
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML file of lines `setting: value`, or the config.json of a run.",
)
@_setting_options
@click.option(
    "--set",
    "texts",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change any setting; may be given several times.",
)
@output_option("Folder of the run.  [default: runs/ALGORITHM-PRESET-SEED]")
@click.option("--resume", "resumed", is_flag=True, help="Continue the run in the folder.")
@click.option(
    "--workers",
    cls=Option,
    old=["--threads"],
    type=click.IntRange(1),
    help="Processor cores to use.  [default: all]",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="What learning computes on. The simulation is always on the CPU.",
)
@TRACK_OPTION
@click.option("--show", is_flag=True, help="List all settings with their values, and end.")
def command(
    algorithm: str,
    preset: str | None,
    file: Path | None,
    texts: tuple[str, ...],
    output: Path | None,
    resumed: bool,
    workers: int | None,
    device: str,
    track: str | None,
    show: bool,
    **options: str | None,
) -> None:
    """Train ALGORITHM and save checkpoints.

    ALGORITHM is ippo, mappo, c_mappo, r_ippo, r_mappo, vdn, qmix, b_qmix, per_qmix, r_qmix,
    maddpg or per_maddpg.

    Settings begin as the preset's and are changed by --config, then by the options below, then by
    --set. `cagexplain train ALGORITHM --show` lists them.

    The folder gets ckpt.pt (the best weights, to be evaluated, traced and explained), last.pt,
    resume.pt, metrics.parquet, TensorBoard scalars and at the end result.json. Ctrl-C saves before
    it ends the run.
    """
    from trainers import registry
    from trainers.core import loop, mlflow_runs

    assignments = config.from_file(file) if file else []
    chosen = options | {"preset": preset}
    assignments += [Assignment(name, value) for name, value in chosen.items() if value is not None]
    assignments += [config.from_text(text) for text in texts]
    _refuse_other(algorithm, assignments)
    named = RunConfig(algorithm, _last(assignments, "preset", "tuned"))
    run, settings = config.override(
        (named, registry.find_preset(algorithm, named.preset)), assignments
    )
    if show:
        _show(run, settings)
        return
    folder = output or RUNS / f"{algorithm}-{run.preset}-{run.seed}"
    if track is not None:
        mlflow_runs.require(track, folder if resumed else None)
    if resumed:
        training = loop.resume(folder, threads=workers, device=device, track=track)
        stored = (training.config, training.settings)
        # Another algorithm's settings have no counterpart in the run: the name says enough.
        asked = assignments if training.config.algorithm == algorithm else []
        asked = [*asked, Assignment("algorithm", algorithm)]
        config.refuse_changes(stored, config.override(stored, asked), folder)
    else:
        training = loop.start(run, settings, folder, threads=workers, device=device, track=track)
    training.train()


def _last(assignments: list[Assignment], name: str, otherwise: str) -> str:
    """The value that a setting is given last."""
    return next((str(each.value) for each in reversed(assignments) if each.name == name), otherwise)


def _refuse_other(algorithm: str, assignments: list[Assignment]) -> None:
    """Settings of another algorithm would be half understood."""
    for each in assignments:
        if each.name == "algorithm" and each.value != algorithm:
            raise UsageError(
                f"these are settings of {each.value}, not of {algorithm}",
                where=each.where,
                field="algorithm",
                remedy=f"Call `cagexplain train {each.value}`, or remove the line",
            )


def _show(*parts: Any) -> None:
    shown = Table(box=box.SIMPLE)
    for heading in ("setting", "value", "meaning"):
        shown.add_column(heading, no_wrap=heading == "setting")
    for name, value, allowed, meaning in config.table(parts):
        shown.add_row(name, value, f"{meaning} ({allowed})" if allowed else meaning)
    terminal.console().print(shown, highlight=False)
