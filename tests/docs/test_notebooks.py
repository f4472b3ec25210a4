"""Every notebook of docs/notebooks runs, and shows what is stored in it.

Cells that are tagged "varies" show what rounding may change from one machine to the next, such as
the weights of a trained policy: they run, and only what they show is not compared.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final

import pytest

from tests.docs import pages

nbformat = pytest.importorskip("nbformat", reason="the extra 'notebooks' is not installed")
for _package in ("nbclient", "ipykernel", "duckdb", "polars", "matplotlib"):
    pytest.importorskip(_package, reason="the extra 'notebooks' is not installed")

from scripts.notebooks import NOTEBOOKS, executed  # noqa: E402

MOST_BYTES: Final = 300_000


def texts(notebook: Any) -> list[tuple[str, list[str]]]:
    """Of each cell of code that shows the same everywhere: its source, and the text it shows."""
    return [
        (cell.source, [text(output) for output in cell.outputs])
        for cell in notebook.cells
        if cell.cell_type == "code" and "varies" not in cell.metadata.get("tags", ())
    ]


def text(output: Any) -> str:
    """What an output shows as text."""
    return str(output.text if output.output_type == "stream" else output.data["text/plain"])


@pytest.fixture
def quiet_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter keeps its files here, and takes none of the user's."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    # The notebooks import this checkout, whatever else is installed.
    monkeypatch.setenv("PYTHONPATH", str(pages.ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_is_stored_in_it(path: Path, quiet_jupyter: None) -> None:
    stored = nbformat.read(path, as_version=4)
    fresh = executed(path)
    for (source, then), (_, now) in zip(texts(stored), texts(fresh), strict=True):
        assert now == then, f"`make notebooks` stores what this cell shows now:\n{source}"


@pytest.mark.slow
def test_a_stale_output_is_noticed(tmp_path: Path, quiet_jupyter: None) -> None:
    cells = [nbformat.v4.new_code_cell("print(1)"), nbformat.v4.new_code_cell("2")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    fresh = executed(tmp_path / "small.ipynb")
    assert texts(fresh) == [("print(1)", ["1\n"]), ("2", ["2"])]
    assert texts(fresh) != texts(nbformat.read(tmp_path / "small.ipynb", as_version=4))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_names_no_place_of_its_maker(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert len(content) <= MOST_BYTES
    assert not re.search(r"/(tmp|home|root|work|Users)/", content)
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in code) >= 5  # readers see what it shows
    for cell in code:
        assert cell.execution_count is None
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)\)", cell.source):
                assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_imports_is_in_the_reference(path: Path) -> None:
    reference = (pages.ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(re.sub(r"^%%.*\n", "", cell.source))):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if module.partition(".")[0] in ("cagexplain", "trainers", "reports"):
                assert isinstance(node, ast.ImportFrom)
                assert f"::: {module}" in reference, module
                for name in node.names:
                    assert re.search(rf"\b{name.name}\b", reference), f"{module}: {name.name}"


def test_every_notebook_is_on_the_page_of_notebooks() -> None:
    page = (pages.ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        assert f"](notebooks/{path.name})" in page
