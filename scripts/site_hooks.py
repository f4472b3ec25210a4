"""Hooks of mkdocs.yml: pages of the repository's root join the site, and links fit both places.

The same Markdown is read in the repository, where links may lead to sources, and on the site, which
has the pages of `docs` alone.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Files of the repository's root that are pages of the site -> their names there."""

_LINK: Final = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the repository's root."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links out of `docs` to where the site has the file, or leave their text alone."""
    folder = posixpath.dirname(page.file.src_uri)

    def fitting(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, link["target"]))
        if "://" in link["target"] or target.startswith("docs/"):
            return link[0]
        there = PAGES.get(target)
        return (
            f"[{link['text']}]({posixpath.relpath(there, folder or '.')})"
            if there
            else link["text"]
        )

    return _LINK.sub(fitting, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Leave out the roles of Sphinx, which some docstrings put before a name."""
    return re.sub(r":(?:attr|class|data|exc|func|meth|mod):(?=<code>)", "", html)
