"""`cagexplain export`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cagexplain.cli import playing
from cagexplain.cli.options import FILE_TO_WRITE, FOLDER, Command, Unused
from cagexplain.common.errors import UsageError

if TYPE_CHECKING:
    from cagexplain.policies.base import Policy


def _no_folder(options: Mapping[str, Any]) -> bool:
    return options["submission"] is None


@click.command(
    "export",
    cls=Command,
    unused=[Unused("without --submission", _no_folder, ("mask_sleep", "cyborg_path"))],
)
@click.argument("policy")
@click.option(
    "--submission",
    type=FOLDER,
    help="Folder to write for the official evaluation of CAGE Challenge 4, new or empty.",
)
@click.option("--onnx", type=FILE_TO_WRITE, help="File to write the policy's networks to as ONNX.")
@click.option("--torchscript", type=FILE_TO_WRITE, help="Likewise as TorchScript.")
@playing.manner_options
@click.option("--cyborg-path", **playing.CYBORG_PATH)
def command(
    policy: str,
    submission: Path | None,
    onnx: Path | None,
    torchscript: Path | None,
    cyborg_path: Path | None,
    **options: Any,
) -> None:
    """Write POLICY for those who do not have cagexplain.

    POLICY is the path of a checkpoint or tree, or the name of a built-in policy (see `cagexplain
    policies`).

    A submission brings the policy's own code and weights, and needs NumPy, and PyTorch for
    networks. Before it gets its place it is played in a fresh interpreter, and every action and
    message is compared with those here. If CybORG is at hand, its official evaluation script is
    run as well (a minute), and has to give what our simulator gives.

    ONNX and TorchScript files hold the networks alone, and a description of their inputs.
    """
    if submission is None and onnx is None and torchscript is None:
        raise UsageError(
            "there is nothing to write",
            where="export",
            remedy="Give --submission FOLDER, --onnx FILE or --torchscript FILE",
        )
    player = playing.load_ours(policy, options)
    if submission is not None:
        _write_submission(submission, player, cyborg_path)
    if torchscript is not None:
        from cagexplain.export.graphs import write_torchscript

        _tell(torchscript, write_torchscript(torchscript, player))
    if onnx is not None:
        from cagexplain.export.graphs import write_onnx

        _tell(onnx, write_onnx(onnx, player))


def _write_submission(folder: Path, player: Policy, cyborg_path: Path | None) -> None:
    from cagexplain.envs.cyborg.locate import load
    from cagexplain.export import checking, official
    from cagexplain.export.submission import write

    at_hand = cyborg_path is not None or importlib.util.find_spec("CybORG") is not None
    if at_hand:
        load(cyborg_path)  # one that cannot be used is reported before the work
    scores = []

    def check(place: Path) -> None:
        checking.compare([place], [checking.record(player)])
        if at_hand:
            click.echo("Running the official evaluation script ...", err=True)
            scores.append(official.check(place, player, cyborg_path))

    write(folder, player, check)
    click.echo(f"Written to {folder}")
    click.echo(f"{checking.STEPS} steps in a fresh interpreter: every action and message as here")
    for score in scores:
        click.echo(
            f"official evaluation, {official.EPISODES} episodes with seed {official.SEED}: mean "
            f"{score.mean:,.1f}, SD {score.stdev:,.1f}, as on our simulator"
        )
    if not at_hand:
        click.echo("official evaluation: not run, as CybORG is not at hand (see --cyborg-path)")


def _tell(file: Path, difference: float) -> None:
    click.echo(f"Written to {file}: differs from the networks here by at most {difference:.1g}")
