"""`cagexplain reds`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.markup import escape
from rich.table import Table

from cagexplain.cli.options import FILE_TO_WRITE, Command, Unused
from cagexplain.common import terminal

if TYPE_CHECKING:
    from cagexplain.cc4.reds import RedTable

_UNUSED: Final = (
    Unused(
        "without the name or file of one red",
        lambda options: options["red"] is None,
        ("as_yaml", "output"),
    ),
)


@click.command("reds", cls=Command, unused=_UNUSED)
@click.argument("red", metavar="[NAME|FILE]", required=False)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the table as YAML, to start from.")
@click.option("-o", "--output", type=FILE_TO_WRITE, help="Write the YAML to this file.")
def command(red: str | None, as_yaml: bool, output: Path | None) -> None:
    """List the attackers that are shipped, or explain one of them.

    Wherever a command takes --red, it takes one of these names, or the YAML file of a table of your
    own: `cagexplain reds NAME -o mine.yaml` writes one to change (give it another name, too).
    docs/attackers.md explains the entries.
    """
    from cagexplain.cc4.reds import load_red
    from cagexplain.common.files import write_text

    if red is None:
        terminal.console().print(_list())
        return
    table = load_red(red)
    if output is not None:
        write_text(output, table.yaml())
        click.echo(f"Written to {output}")
    elif as_yaml:
        click.echo(table.yaml(), nl=False)
    else:
        click.echo(f"{table.name}: {table.summary}\n")
        terminal.console().print(_rows(table))
        click.echo("\n".join(["", *_habits(table)]))


def _list() -> Table:
    from cagexplain.cc4.reds import PORTFOLIO, REDS, VARIANTS

    listed = Table(box=None, pad_edge=False)
    listed.add_column("red", no_wrap=True)
    listed.add_column("kind", no_wrap=True)
    listed.add_column("what it does")
    for name, table in REDS.items():
        kind = "variant" if name in VARIANTS else "portfolio" if name in PORTFOLIO else "published"
        listed.add_row(name, kind, escape(table.summary))
    return listed


def _rows(table: RedTable) -> Table:
    """What it does in each state, and how much a state weighs."""
    from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, STATE_NAMES
    from cagexplain.cc4.red_table import STATES

    shown = Table(box=None, pad_edge=False)
    shown.add_column("state", no_wrap=True)
    if table.state_weight is not None:
        shown.add_column("weight", justify="right", no_wrap=True)
    shown.add_column("what it does there")
    for state in STATES:
        row = ", ".join(
            f"{RED_ACTION_NAMES[action]} {p:.3g}" for action, p in table.row(state).items()
        )
        weight = () if table.state_weight is None else (f"{table.state_weight[state]:.4g}",)
        shown.add_row(STATE_NAMES[state], *weight, row)
    return shown


def _habits(table: RedTable) -> Iterator[str]:
    """What else distinguishes it, in sentences."""
    if table.state_weight is None:
        yield "Host: each that it knows is equally likely."
    else:
        yield "Host: first a state by weight, then one of the hosts in it."
    if table.prefer_servers:
        yield "Servers whose names it knows come first, three times out of four."
    yield (
        "Own sessions: what a phishing mail opened counts as a foothold."
        if table.own_sessions
        else "Own sessions: what a phishing mail opened on a host that it knows is not used."
    )
    yield (
        "Source: a live session; for an exploit, that which scanned the host."
        if table.source == "live"
        else "Source: any session that it ever had, dead ones included."
    )
    yield (
        "Impacts: only where it has a root session when it decides."
        if table.impacts == "held"
        else "Impacts: wherever the table says."
    )
    if table.durations is not None:
        yield f"Steps by action: {', '.join(map(str, table.durations))}."
