"""How long a full audit takes on the command line, and how large its page is.

    python -m benchmarks.audit_time [POLICY] [--episodes N] [--parts] [--json FILE]

Runs `cagexplain audit` (by default of `ippo_long` with 100 episodes) in a process of its own,
prices and robustness included. CPU time is that of all its processes: on a machine that others use
too, it tells more than the time on the wall. --parts runs it again without prices, without
robustness and without moments: what each of them takes is the difference. The claims are at most
3 minutes of 100 episodes on two cores, and a page of at most 1 MB.
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

TARGET_S: Final = 180
TARGET_BYTES: Final = 1_000_000
PARTS: Final = {
    "full": (),
    "without prices": ("--prices", "0"),
    "without robustness": ("--variations", "0"),
    "without moments": ("--moments", "0"),
}
"""Further options of the command."""


def audit(policy: str, episodes: int, options: tuple[str, ...]) -> dict[str, Any]:
    """Time one audit: seconds on the wall and of CPU, largest process, bytes of its files."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "audit"
        arguments = [policy, "--episodes", str(episodes), "-o", str(out), *options]
        return {
            **measure("audit", arguments),
            "bytes": {path.name: path.stat().st_size for path in sorted(out.glob("*.*"))},
        }


@benchmark(__doc__)
@click.argument("policy", default="ippo_long")
@click.option("--episodes", type=COUNT, default=100, show_default=True)
@click.option("--parts", is_flag=True, help="Also time the audit without each of its parts.")
@click.option("--json", "out", type=FILE)
def command(policy: str, episodes: int, parts: bool, out: Path | None) -> Sequence[str]:
    """Time a full audit."""
    runs: dict[str, dict[str, Any]] = {}
    for name, options in PARTS.items():
        if parts or not options:
            click.echo(f"{name} ...", err=True)
            runs[name] = audit(policy, episodes, options)
    if out:
        write_json(out, {"policy": policy, "episodes": episodes, "runs": runs})
    table = Table("", "wall s", "CPU s", "largest process MiB", "page bytes")
    for name, run in runs.items():
        page = run["bytes"].get("audit.html", 0)
        table.add_row(
            name,
            *(str(run[key]) for key in ("wall_s", "cpu_s", "largest_process_mib")),
            f"{page:,}",
        )
    Console(width=100).print(table)
    return list(_false(runs["full"]))


def _false(full: dict[str, Any]) -> Iterator[str]:
    if full["wall_s"] > TARGET_S:
        yield f"an audit takes at most {TARGET_S} s ({full['wall_s']})"
    size = full["bytes"].get("audit.html", 0)
    if size > TARGET_BYTES:
        yield f"its page has at most {TARGET_BYTES:,} bytes ({size:,})"


if __name__ == "__main__":
    command()
