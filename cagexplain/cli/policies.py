"""`cagexplain policies`."""

from __future__ import annotations

import click
from rich.table import Table

from cagexplain.common import terminal


@click.command("policies")
def command() -> None:
    """List the built-in policies.

    Wherever a command takes a POLICY, it takes one of these names or the path of a checkpoint
    that `cagexplain train` has written.
    """
    from cagexplain.policies.registry import builtin_policies

    table = Table(box=None, pad_edge=False)
    table.add_column("policy", no_wrap=True)
    table.add_column("what it does")
    for name, summary in builtin_policies().items():
        table.add_row(name, summary)
    terminal.console().print(table)
