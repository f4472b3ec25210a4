"""`cagexplain checks`."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from cagexplain.common import terminal


@click.command("checks")
@click.argument("check", metavar="[ID]", required=False)
def command(check: str | None) -> None:
    """List the checks of an audit, or explain one of them.

    ID is that of a check, such as ERA-01.
    """
    from cagexplain.audit import checks
    from reports.exports.checks_page import text

    if check is not None:
        click.echo(text(checks.check(check)))
        return
    table = Table("id", "severity", "axis", "judged on", "what it checks", box=None)
    for each in checks.checks():
        row = (each.id, each.severity, each.axis, each.knowledge, each.title)
        table.add_row(*map(Text, row))
    terminal.console().print(table)
