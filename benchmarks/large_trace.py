"""How much memory and time a long recording takes, and what reads it.

    python -m benchmarks.large_trace [--episodes 20000] [--policy expert] [--trace FOLDER]
                                     [--only COMMAND] [--json FILE]

Records episodes of CC4's length, then shows and judges them: `fsm-report`, `compare` (of the trace
with itself, which takes as much as with another one), and `audit` of the trace, as far as it does
not play the policy again. Each command is a process of its own; its memory is the peak of the
largest one that it starts. --trace reads a trace that there is instead of recording one. The claim
is at most 2 GiB for each command.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, FILE, benchmark
from benchmarks.usage import measure
from cagexplain.common.files import write_json

TARGET_MIB: Final = 2048
READERS: Final = {
    "fsm-report": ("{trace}", "-o", "{out}/fsm-report.html"),
    "compare": ("{trace}", "{trace}", "-o", "{out}/compare.html"),
    "audit": (
        *("{trace}", "-o", "{out}/audit"),
        *("--prices", "0", "--variations", "0", "--moments", "0"),
    ),
}
"""Arguments of the commands that read a trace."""
_PAGES: Final = ("fsm-report.html", "compare.html", "audit/audit.html")


@benchmark(__doc__)
@click.option("--episodes", type=COUNT, default=20_000, show_default=True)
@click.option("--policy", default="expert", show_default=True)
@click.option(
    "--trace", type=click.Path(exists=True, file_okay=False), help="Read this one; record none."
)
@click.option(
    "--only", type=click.Choice(list(READERS)), multiple=True, help="Only these; may be repeated."
)
@click.option("--json", "out", type=FILE)
def command(
    episodes: int, policy: str, trace: str | None, only: tuple[str, ...], out: Path | None
) -> Sequence[str]:
    """Measure a recording and its readers."""
    runs: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if trace is None:
            trace = f"{folder}/trace"
            click.echo("trace ...", err=True)
            arguments = [policy, "--episodes", str(episodes), "-o", trace]
            runs["trace"] = measure("trace", arguments)
        for name in only or READERS:
            click.echo(f"{name} ...", err=True)
            arguments = [part.format(trace=trace, out=folder) for part in READERS[name]]
            runs[name] = measure(name, arguments)
        pages = [Path(folder) / page for page in _PAGES]
        sizes = {page.stem: page.stat().st_size for page in pages if page.exists()}
    if out:
        write_json(out, {"policy": policy, "episodes": episodes, "runs": runs, "bytes": sizes})
    table = Table("", "wall s", "CPU s", "largest process MiB", "page bytes")
    for name, run in runs.items():
        table.add_row(name, *map(str, run.values()), f"{sizes[name]:,}" if name in sizes else "")
    Console(width=100).print(table)
    return list(_false(runs))


def _false(runs: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, run in runs.items():
        if run["largest_process_mib"] > TARGET_MIB:
            yield f"{name} takes at most {TARGET_MIB} MiB ({run['largest_process_mib']})"


if __name__ == "__main__":
    command()
