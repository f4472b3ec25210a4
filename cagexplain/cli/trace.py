"""`cagexplain trace`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cagexplain.cli import playing
from cagexplain.cli.options import Command, output_option
from cagexplain.cli.places import new_place


@click.command("trace", cls=Command, unused=[playing.WITHOUT_CYBORG, playing.NOT_CYBORG])
@click.argument("policy")
@output_option("Folder of the trace, new or empty.  [default: runs/trace-POLICY-1, -2, ...]")
@click.option("--resume", is_flag=True, help="Continue the interrupted recording in --output.")
@click.option("--no-observations", is_flag=True, help="Leave out what the agents saw.")
@playing.options
@playing.ON_RAY
def command(
    policy: str, output: Path | None, resume: bool, no_observations: bool, **options: Any
) -> None:
    """Record the actions of POLICY and the states that they respond to.

    POLICY is whatever plays (see `cagexplain policies --help`). Finished batches of episodes are
    kept when the recording is interrupted: the same command with --resume continues it, with the
    same result.
    """
    from cagexplain.common.errors import UsageError
    from cagexplain.policies.rollout import seed_range
    from cagexplain.tracing.recording import Recording

    if resume and output is None:
        raise UsageError(
            "which recording is to be resumed?",
            where="--resume",
            remedy="Name its folder with --output",
        )
    player = playing.load(policy, options)
    engine = playing.engine(options)
    cluster = playing.cluster(options)
    recording = Recording(
        output or new_place("trace", player.name),
        player,
        seed_range(options["seed"], options["episodes"]),
        playing.params(options),
        engine=engine,
        batch=playing.batch(options, engine, player),
        with_observations=not no_observations,
        options={"mask_sleep": options["mask_sleep"]},
        resume=resume,
    )
    label = f"recording {player.name}"
    planned, finished = recording.steps_planned, recording.steps_finished
    try:
        with playing.place(cluster, engine, label, planned, finished) as place:
            recording.run(place=place)
    except KeyboardInterrupt:
        manifest = recording.manifest
        click.echo(
            f"{manifest.finished_episodes} of {len(manifest.seeds)} episodes are in "
            f"{recording.folder}; the same command with --output {recording.folder} --resume "
            "continues the recording.",
            err=True,
        )
        raise
    episodes = options["episodes"]
    click.echo(f"{episodes} episode{'s' * (episodes > 1)} in {recording.folder}")
