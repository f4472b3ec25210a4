"""Links lead somewhere, and the site builds from the pages without a warning."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.docs import pages

PAGES: Final = [*pages.PAGES, *(pages.ROOT / name for name in ("CHANGELOG.md", "SECURITY.md"))]
_FENCE: Final = re.compile(r"^```.*?^```", re.M | re.S)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """What links may lead to in a page: its headings, as GitHub names them, and marked places."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    names = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        names.add(name if name not in names else f"{name}-1")
    return names


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links within the repository."""
    for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"https?://", target):
            yield target


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b-c` of [d](e.md), f's\n```sh\n# none\n```\n## Twice\n## Twice\n")
    assert anchors(page) == {"a-b-c-of-d-fs", "twice", "twice-1"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_their_anchors_exist(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_what_programs_import_is_in_the_reference() -> None:
    reference = (pages.ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    programs = [
        block
        for page in sorted((pages.ROOT / "docs").glob("*.md"))
        for block in pages.blocks(page)
        if block.kind == "python"
    ]
    assert len(programs) > 10
    for block in programs:
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cagexplain"):
                for name in node.names:
                    assert re.search(rf"\b{name.name}\b", reference), f"{block}: {name.name}"
                    assert f"::: {node.module}" in reference, f"{block}: {node.module}"


def test_results_of_the_readme_are_those_of_the_pages() -> None:
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    results = re.findall(r"^- \*\*(.*)\(\[.*?\]\((docs/[\w-]+\.md)", text, re.M)
    assert len(results) == 5
    for says, page in results:
        there = (pages.ROOT / page).read_text(encoding="utf-8").replace("−", "-")
        for number in re.findall(r"-?\d[\d,.]*\d|\d", says.replace("−", "-")):
            assert re.search(rf"(?<![\d.,]){number}(?![\d]|[.,]\d)", there), f"{page}: {number}"


def test_pictures_are_small_and_shown() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = [*(pages.ROOT / "docs" / "pictures").iterdir()]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size <= 150_000
        assert f"pictures/{picture.name})" in text


def test_every_page_is_in_the_navigation() -> None:
    """Strictness would notice as well, but not without MkDocs."""
    navigation = (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]
    for page in (pages.ROOT / "docs").rglob("*.md"):
        assert page.relative_to(pages.ROOT / "docs").as_posix() in navigation


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for package in ("material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra 'docs' is not installed")
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=pages.ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stderr
    assert "WARNING" not in build.stderr
    reference = (tmp_path / "reference.html").read_text(encoding="utf-8")
    assert 'id="cagexplain.envs.BatchedEnv"' in reference  # from its docstring
    assert ":class:" not in reference  # roles of Sphinx are left out
    assert (tmp_path / "changelog.html").is_file()
    for page in tmp_path.rglob("*.html"):  # of the site itself, nothing comes from the network
        if page.parent.name not in ("examples", "certificates"):
            loaded = re.findall(
                r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text()
            )
            assert not loaded, page.name


def test_the_workflow_runs_commands_that_exist() -> None:
    workflow = yaml.safe_load(
        (pages.ROOT / "docs" / "examples" / "audit-workflow.yml").read_text(encoding="utf-8")
    )
    steps = workflow["jobs"]["audit"]["steps"]
    (audit,) = [step["run"] for step in steps if step.get("run", "").startswith("cagexplain")]
    (upload,) = [step["with"] for step in steps if "upload-sarif" in step.get("uses", "")]
    from cagexplain.cli.audit import command
    from reports.exports import FORMATS

    words = audit.replace('"$POLICY"', "expert").split()[2:]
    context = command.make_context("audit", words)
    folder = context.params["output"]
    assert upload["sarif_file"] == f"{folder}/{FORMATS['sarif'].file}"
    assert context.params["fail_on"] == "high"


def test_the_citation_is_of_this_version() -> None:
    from cagexplain import __version__

    citation = yaml.safe_load((pages.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["cff-version"] == "1.2.0" and citation["license"] == "MIT"
    assert {"title", "message", "authors"} <= citation.keys()
    (study,) = citation["references"]
    results = " ".join((pages.ROOT / "docs" / "results.md").read_text(encoding="utf-8").split())
    assert study["title"] in results
    for author in study["authors"]:
        assert f"{author['given-names']} {author['family-names']}" in results
