"""`cagexplain train`: train an algorithm and save checkpoints."""

from __future__ import annotations

from pathlib import Path

import click

from cagexplain.common.errors import UsageError


@click.command(name="train", short_help="Train blue agents and save checkpoints.")
@click.argument("algorithm")
@click.option("--preset", default="tuned", show_default=True, help="Named settings: tuned, paper.")
@click.option("--steps", type=int, default=2_000_000, show_default=True, help="Environment steps.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the run.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run.  [default: runs/ALGORITHM-PRESET-SEED]",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the preset.",
)
@click.option(
    "--eval-every", type=int, default=100_000, show_default=True, help="Steps between evaluations."
)
@click.option(
    "--eval-episodes", type=int, default=50, show_default=True, help="Episodes per evaluation."
)
@click.option(
    "--final-episodes",
    type=int,
    default=100,
    show_default=True,
    help="Other episodes that judge the best weights at the end.",
)
@click.option("--threads", type=click.IntRange(1), help="Processor cores to use.  [default: all]")
@click.option(
    "--resume", "resumed", is_flag=True, help="Continue the run in --out, with its own settings."
)
@click.pass_context
def command(
    ctx: click.Context,
    algorithm: str,
    preset: str,
    steps: int,
    seed: int,
    out: Path | None,
    assignments: tuple[str, ...],
    eval_every: int,
    eval_episodes: int,
    final_episodes: int,
    threads: int | None,
    resumed: bool,
) -> None:
    """Train ALGORITHM (such as ippo) and save checkpoints.

    The folder gets ckpt.pt (the best weights, to be evaluated, traced and explained), last.pt,
    resume.pt, metrics.jsonl and TensorBoard scalars. Ctrl-C saves before it ends the run.
    """
    from trainers import config, loop, registry  # needs Torch, which is slow to load

    folder = out or Path("runs") / f"{algorithm}-{preset}-{seed}"
    settings = config.override(registry.find_preset(algorithm, preset), assignments)
    if resumed:
        _refuse_changes(ctx)
        run = loop.resume(folder, threads=threads)
        if run.config.algorithm != algorithm:
            raise UsageError(
                f"this is a run of {run.config.algorithm}",
                where=folder,
                remedy=f"Give {run.config.algorithm}, or another folder",
            )
    else:
        chosen = config.RunConfig(
            algorithm, preset, steps, seed, eval_every, eval_episodes, final_episodes
        )
        run = loop.start(chosen, settings, folder, threads=threads)
    run.train()


def _refuse_changes(ctx: click.Context) -> None:
    """A resumed run keeps its settings: what is given beside --resume would be ignored."""
    kept = {"algorithm", "out", "threads", "resumed"}
    for name in sorted(set(ctx.params) - kept):
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE and not (
            name in ("preset", "seed") and ctx.params["out"] is None  # they name the folder
        ):
            option = "set" if name == "assignments" else name.replace("_", "-")
            raise UsageError(
                f"--{option} cannot be changed when a run is resumed",
                remedy="Leave it out, or start a new run in another folder",
            )
