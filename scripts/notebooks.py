"""Runs the notebooks of docs/notebooks and stores what they show: `make notebooks`.

A notebook is stored with outputs, so that readers who do not run it see them. What differs from one
run or machine to the next is left out: times, counts of executions, messages of progress.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT: Final = Path(__file__).parents[1]
NOTEBOOKS: Final = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def executed(path: Path) -> Any:
    """The notebook of a file with fresh outputs; it runs in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            # Files, so that no port is open.
            config=Config(KernelManager={"transport": "ipc", "ip": f"{folder}/.kernel"}),
            timeout=None,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_lasting(output) for output in cell.outputs if _is_result(output)]
    # Kernels say which Python they are.
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def _is_result(output: Any) -> bool:
    return output.get("name") != "stderr"


def _lasting(output: Any) -> Any:
    if "execution_count" in output:
        output["execution_count"] = None
    return output


if __name__ == "__main__":
    for path in NOTEBOOKS:
        print(path.relative_to(ROOT), file=sys.stderr)
        nbformat.write(executed(path), path)
