"""Changes to what was written: traces, with a manifest that agrees or not, and documents."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def put(*place: Any) -> Callable[[dict[str, Any]], None]:
    """A change to a document: the keys that lead to an entry, then its new value."""
    *path, key, value = place

    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for step in path:
            inner = inner[step]
        inner[key] = value

    return change


def replace_table(folder: Path, name: str, number: int, table: pa.Table) -> Path:
    """Put another table in the place of a part of `name`, with a manifest that agrees."""
    path = folder / name / f"part-{number:06d}.parquet"
    pq.write_table(table, path)

    def agree(content: dict[str, Any]) -> None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        content["parts"][number]["files"][name] = {
            **{"rows": table.num_rows, "bytes": path.stat().st_size, "sha256": digest}
        }

    edit_manifest(folder, agree)
    return path
