"""`cagexplain verify-submission`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cagexplain.cc4.reds import RedTable
from cagexplain.cli import playing
from cagexplain.cli.lockstep import DIFFERENT, lines
from cagexplain.cli.options import FILE_TO_WRITE, Command
from cagexplain.common import terminal

if TYPE_CHECKING:
    from cagexplain.fidelity.submissions import Verified

_EPISODES: Final = 2


@click.command("verify-submission", cls=Command)
@click.argument("path")
@click.option(
    "--episodes",
    type=click.IntRange(min=1),
    default=_EPISODES,
    show_default=True,
    help="Episodes to play.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the first one."
)
@click.option("--red", **playing.ATTACKER)
@click.option("--episode-length", "steps", **playing.LENGTH)
@click.option("--cyborg-path", **playing.CYBORG_PATH)
@click.option(
    "--json",
    "output",
    type=FILE_TO_WRITE,
    help="Write the outcome of every episode to this file.",
)
@playing.trust_options
def command(
    path: str,
    episodes: int,
    seed: int,
    red: RedTable,
    steps: int,
    cyborg_path: Path | None,
    output: Path | None,
    **trust: Any,
) -> int:
    """Play an official submission on both simulators and compare them after every step.

    PATH is the folder or ZIP archive with submission.py. It plays on our simulator, through an
    environment that looks like CybORG, and on CybORG, with the same seeds. Compared without
    tolerance: what its agents are shown, what they choose, what is played for it, and the rewards.
    Exit code 3: they differ.
    """
    from dataclasses import replace

    from cagexplain.common.files import write_json
    from cagexplain.envs import EnvParams
    from cagexplain.envs.cyborg.locate import load
    from cagexplain.fidelity.submissions import Verification
    from cagexplain.policies.external.forms import check_trust, submission_code

    opening = replace(playing.opening(**trust), cyborg_path=cyborg_path)
    code = submission_code(path, opening)
    check_trust(code, opening)
    load(cyborg_path)  # an unusable CybORG is reported once, before anything is run
    verification = Verification(code, opening.limits)
    params = EnvParams(steps=steps, red=red)
    outcomes: list[Verified] = []
    from rich.progress import Progress

    console = terminal.console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verify-submission", total=episodes)
        try:
            for number in range(seed, seed + episodes):
                outcome = verification.episode(number, params)
                outcomes.append(outcome)
                bar.advance(task)
                if output is not None:
                    write_json(output, _to_json(code.sha256, params.as_dict(), outcomes, episodes))
                if outcome.difference is not None:
                    told = lines(outcome.difference)
                    click.echo(f"{code.short}, {red.name}, seed {number}: {told}")
        finally:
            click.echo(_summary(outcomes, episodes))
    return DIFFERENT if any(outcome.difference for outcome in outcomes) else 0


def _summary(outcomes: list[Verified], planned: int) -> str:
    equal = sum(outcome.difference is None for outcome in outcomes)
    told = [
        f"{equal} of {len(outcomes)} episodes equal at every step: "
        f"{sum(outcome.steps for outcome in outcomes):,} steps"
    ]
    if len(outcomes) < planned:
        told.append(f"{planned - len(outcomes)} of {planned} episodes were not finished")
    return "\n".join(told)


def _to_json(
    sha256: str, params: dict[str, Any], outcomes: list[Verified], planned: int
) -> dict[str, Any]:
    return {
        "submission": sha256,
        "params": params,
        "planned": planned,
        "episodes": [
            {
                "seed": outcome.seed,
                "steps": outcome.steps,
                "return": outcome.returned,
                "difference": None
                if outcome.difference is None
                else json.loads(json.dumps(vars(outcome.difference), default=str)),
            }
            for outcome in outcomes
        ],
    }
