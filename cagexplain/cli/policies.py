"""`cagexplain policies`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from cagexplain.common import terminal


@click.command("policies")
@click.option(
    "--inspect",
    "path",
    type=click.Path(path_type=Path),
    help="Show instead how a file of another trainer is played: what its agents are shown, and "
    "what their answers mean.",
)
def command(path: Path | None) -> None:
    """List the policies that have a name: built-in ones, and those that installed packages
    register, of which nothing is imported for this.

    \b
    Wherever a command takes a POLICY, it takes
      one of these names,
      the path of a checkpoint that `cagexplain train` has written, or of trees (tree.json),
      the folder or ZIP file of an official submission,
      a function or class, as FILE.py:NAME or package.module:NAME,
      a file of Stable-Baselines3, RLlib, TorchScript or ONNX.

    docs/your-agent.md shows each of them. Code of others runs with --trust-code only.
    """
    from cagexplain.policies.external.forms import registered
    from cagexplain.policies.registry import builtin_policies

    if path is not None:
        terminal.console().print(_forms(path))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("policy", no_wrap=True)
    table.add_column("what it does")
    builtin = builtin_policies()
    for name, summary in builtin.items():
        table.add_row(name, summary)
    for name, place in registered().items():
        if name not in builtin:  # which wins
            table.add_row(escape(name), escape(f"{place}, of a package; needs --trust-code"))
    terminal.console().print(table)


def _forms(path: Path) -> Table:
    """How each agent's file is played, a column per field of a descriptor."""
    from cagexplain.policies.formats.loading import load

    forms = load(path).describe()["forms"]
    table = Table("agent", *next(iter(forms.values())), box=None, pad_edge=False)
    for agent, form in forms.items():
        table.add_row(agent, *map(escape, form.values()))
    return table
