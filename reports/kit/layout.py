"""Puts sections on a page: head, navigation, scripts that the page allows to run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cagexplain import __version__
from reports.kit.pages import environment, source
from reports.kit.sections import Section

_STYLES: Final = ("kit/style.css", "kit/layout.css", "kit/charts.css", "drawings/fsm_small.css")


@dataclass(frozen=True)
class Chapter:
    """Sections that belong together in the navigation."""

    title: str
    sections: Sequence[Section]


def layout(*, title: str, header: Markup, chapters: Sequence[Chapter], footer: str) -> str:
    """Make a page that loads nothing and runs no script but its own.

    Args:
        title: of the window.
        header: what stands above the sections, the page's ``<h1>`` in it.
        chapters: in reading order; those without sections are left out.
        footer: last line, after the version.
    """
    sections = [section for chapter in chapters for section in chapter.sections]
    scripts = _once([source("kit/script.js"), *(section.script for section in sections)])
    styles = _once([*map(source, _STYLES), *(s.style for s in sections)])
    return (
        environment()
        .get_template("kit/layout.html.j2")
        .render(
            title=title,
            header=header,
            chapters=[chapter for chapter in chapters if chapter.sections],
            footer=footer,
            styles=[Markup(text) for text in styles],
            scripts=[Markup(text) for text in scripts],
            # Digests of our own scripts; their quotes must reach the page as they are.
            allowed=" ".join(f"'sha256-{_digest(text)}'" for text in scripts),
            version=__version__,
        )
    )


def _once(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, texts)))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
