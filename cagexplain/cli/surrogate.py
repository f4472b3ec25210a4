"""`cagexplain surrogate`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich import box
from rich.table import Table
from rich.text import Text

from cagexplain.cli import playing
from cagexplain.cli.options import Command, Unused, output_option
from cagexplain.cli.places import new_place
from cagexplain.common import terminal

if TYPE_CHECKING:
    from cagexplain.analysis.trees.results import Surrogate
    from cagexplain.policies.trees.tree import TreePolicy


_UNUSED: Final = (
    Unused(
        "on a recorded trace, whose episodes are what they are",
        lambda options: playing.recorded(options["policy"]) is not None,
        (
            "fit_episodes",
            "rounds",
            *(name for name in playing.EPISODES_NAMES if name != "deterministic"),
        ),
    ),
)


@click.command("surrogate", cls=Command, unused=_UNUSED)
@click.argument("policy", metavar="POLICY|TRACE")
@output_option("Folder to write to.  [default: runs/surrogate-POLICY-1, -2, ...]")
@click.option(
    "--leaves",
    type=click.IntRange(2, 10_000),
    default=64,
    show_default=True,
    help="Leaves of each agent's tree, at most.",
)
@click.option(
    "--fit-episodes",
    type=click.IntRange(min=2),
    default=64,
    show_default=True,
    help="Episodes of each round of roll-outs.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=0),
    default=6,
    show_default=True,
    help="Rounds in which the trees play and the policy says what it would do in their place.",
)
@playing.episode_options
@playing.ON_RAY
def command(
    policy: str,
    output: Path | None,
    leaves: int,
    fit_episodes: int,
    rounds: int,
    **options: Any,
) -> None:
    """Extract decision trees from POLICY that can be read, and played.

    POLICY is whatever plays (see `cagexplain policies --help`); TRACE is a folder that
    `cagexplain trace` has written: then the trees are fitted to the recorded decisions alone. They
    take the policy's likeliest actions; with --stochastic they draw, as likely as it does. They are
    judged on --episodes held-out episodes, by how often they choose like the policy and by the
    return that teams lose in which they play. The folder gets surrogate.html, surrogate.json, a
    picture and a text of every tree, and tree.json, which every command takes as a POLICY.
    """
    from cagexplain.analysis.trees.extract import Options, extract, extract_from_trace
    from cagexplain.common.files import prepare_output_dir
    from cagexplain.policies.blocks import There
    from cagexplain.policies.registry import load_policy
    from cagexplain.tracing.trace import open_trace

    deterministic = options["deterministic"]
    how = Options(
        leaves,
        fit_episodes,
        rounds,
        options["episodes"],
        options["seed"],
        deterministic is False,
    )
    cluster = playing.cluster(options)
    place = None if cluster is None else There(cluster)
    folder = output or new_place("surrogate", Path(policy).stem)
    console = terminal.console(stderr=True)
    prepare_output_dir(folder)
    with _removed_if_empty(folder), console.status("") as status:

        def progress(message: str) -> None:
            status.update(Text(message))
            if not console.is_terminal:
                console.print(message, highlight=False, soft_wrap=True)

        if (recorded := playing.recorded(policy)) is not None:
            trace = open_trace(recorded)
            result, trees = extract_from_trace(trace, how, place=place, progress=progress)
        else:
            teacher = load_policy(
                policy,
                mask_sleep=options["mask_sleep"],
                deterministic=deterministic,
                opening=playing.opening(options["trust_code"], options["step_timeout"]),
            )
            playing.single_threaded(teacher)
            params = playing.params(options)
            result, trees = extract(teacher, params, how, place=place, progress=progress)
    _write(folder, result, trees)
    terminal.console().print(_summary(result))
    click.echo(f"{folder / 'surrogate.html'}\n{folder / 'tree.json'}")


@contextlib.contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    """Leave no empty folder behind when the block fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def _write(folder: Path, result: Surrogate, trees: TreePolicy) -> None:
    from cagexplain.common.files import write_json, write_text
    from cagexplain.policies.trees.files import save_tree
    from reports.drawings.tree import svg
    from reports.exports.trees import dot, text
    from reports.trees.page import surrogate_page

    save_tree(folder / "tree.json", trees)
    write_json(folder / "surrogate.json", result.to_json())
    for tree in result.agents:
        write_text(folder / f"{tree.agent}.txt", text(tree))
        write_text(folder / f"{tree.agent}.dot", dot(tree))
        write_text(folder / f"{tree.agent}.svg", svg(tree))
    write_text(folder / "surrogate.html", surrogate_page(result))


def _summary(result: Surrogate) -> Table:
    table = Table(box=box.SIMPLE, title=_verdict(result), title_justify="left")
    table.add_column("agent", no_wrap=True)
    for name in ("leaves", "depth", "balanced", "95 %", "same likeliest", "points lost alone"):
        table.add_column(name, justify="right")
    alone = {worth.seats[0]: worth for worth in result.seats}
    for tree in result.agents:
        balanced, seat = tree.fidelity.balanced.trees, alone.get(tree.agent)
        table.add_row(
            tree.agent,
            str(tree.leaves),
            str(tree.depth),
            _share(balanced.value),
            _span(balanced.low, balanced.high),
            _share(tree.fidelity.likeliest.trees.value),
            "–" if seat is None else f"{seat.lost.mean:,.0f}",
        )
    return table


def _verdict(result: Surrogate) -> str:
    team, policy = result.team, result.teacher_return.mean
    lost = team.lost
    span = (
        "" if lost.low is None or lost.high is None else f" ({lost.low:,.0f} to {lost.high:,.0f})"
    )
    return (
        f"All five trees return {team.returns.mean:,.0f}, the policy {policy:,.0f}: they lose "
        f"{lost.mean:,.0f} points{span}; restore_cycle returns {result.cycle_return.mean:,.0f}"
    )


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f} %"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
