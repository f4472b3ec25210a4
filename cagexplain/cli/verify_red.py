"""`cagexplain verify-red`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cagexplain.cli import playing
from cagexplain.cli.lockstep import DIFFERENT
from cagexplain.cli.options import FILE_TO_WRITE, Command
from cagexplain.policies.rollout import EVALUATION_SEED

if TYPE_CHECKING:
    from cagexplain.cc4.reds import RedTable
    from cagexplain.export.red import Replayed

_EPISODES: Final = 1


@click.command("verify-red", cls=Command)
@click.argument("red", **playing.RED)
@click.argument("policies", metavar="POLICY...", nargs=-1, required=True)
@click.option(
    "--episodes",
    type=click.IntRange(min=1),
    default=_EPISODES,
    show_default=True,
    help="Episodes to play of each policy.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=EVALUATION_SEED,
    show_default=True,
    help="Of the first one.",
)
@click.option("--episode-length", "steps", **playing.LENGTH)
@click.option(
    "--keep", type=FILE_TO_WRITE, help="Also write the class that was replayed to this file."
)
@click.option("--cyborg-path", **playing.CYBORG_PATH)
@click.option(
    "--json", "output", type=FILE_TO_WRITE, help="Write the rewards of every step to this file."
)
@playing.trust_options
def command(
    red: RedTable,
    policies: tuple[str, ...],
    episodes: int,
    seed: int,
    steps: int,
    keep: Path | None,
    cyborg_path: Path | None,
    output: Path | None,
    **trust: Any,
) -> int:
    """Prove that an attacker is the same in the real CybORG: replay it there.

    RED is the name of an attacker or the YAML file of a table, as the option --red of other
    commands takes it. Every POLICY plays against it on our simulator. The same blue actions are
    then played in CybORG, against RED as a class of its own (see --keep), which decides there by
    itself; the rewards of all steps are compared. Exit code 3: some differ.
    """
    from cagexplain.common.files import write_json
    from cagexplain.envs.cyborg.locate import load
    from cagexplain.export import red as export
    from cagexplain.policies.registry import load_policy

    load(cyborg_path)  # an unusable CybORG is reported before anything is played
    opening = replace(playing.opening(**trust), cyborg_path=cyborg_path)
    players = {name: load_policy(name, opening=opening) for name in policies}
    if keep is not None:
        export.write(keep, red)
        click.echo(f"Written to {keep}")
    replayed: dict[str, list[Replayed]] = {}
    for name, player in players.items():
        playing.single_threaded(player)
        seeds = range(seed, seed + episodes)
        replayed[name] = export.verify(red, player, seeds, cyborg_path, steps=steps)
        for episode in replayed[name]:
            click.echo(_line(red.name, name, episode))
        if output is not None:
            write_json(output, _to_json(red, replayed))
    return DIFFERENT if any(len(e.differing) for es in replayed.values() for e in es) else 0


def _line(red: str, policy: str, episode: Replayed) -> str:
    ours, theirs = episode.returned
    line = (
        f"{policy} against {red}, seed {episode.seed}: return {ours:,.1f}, in CybORG "
        f"{theirs:,.1f}; {len(episode.differing)} of {episode.steps} steps differ"
    )
    return line + (f", first step {episode.differing[0]}" if len(episode.differing) else "")


def _to_json(red: RedTable, replayed: dict[str, list[Replayed]]) -> dict[str, Any]:
    return {
        "red": red.document(),
        "episodes": [
            {
                "policy": policy,
                "seed": episode.seed,
                "differing": episode.differing.tolist(),
                "rewards": episode.ours.tolist(),
                "rewards_cyborg": episode.theirs.tolist(),
            }
            for policy, episodes in replayed.items()
            for episode in episodes
        ],
    }
