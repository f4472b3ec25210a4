"""What a section of a page is, and how its template is filled.

A section lies in the folder of its page (or in `reports.shared` if several pages have it): a module
with a function ``section(result, ...) -> Section`` and, beside it, its template, and where it needs
them its words, a style sheet and a script. `reports.kit.layout.layout` puts the sections on a page:
it writes the heading, so that a section's HTML begins below it with ``<h3>``, and includes every
style sheet and script once, however many sections bring it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reports.kit.pages import environment


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading of its own.

    Attributes:
        id: its anchor; ids inside its HTML begin with the same word, so that none occurs twice.
        title: its heading, and its name in the navigation.
        html: what stands below the heading.
        style: rules beyond those of the page, as from ``source("shared/timeline.css")``.
        script: what makes it answer the reader; it must be complete without.
    """

    id: str
    title: str
    html: Markup
    style: str = ""
    script: str = ""


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page."""

    value: str
    name: str
    note: str


@dataclass(frozen=True)
class Takeaway:
    """A sentence to remember, and the figures behind it."""

    headline: str
    detail: str


def render(template: str, **context: Any) -> Markup:
    """Fill a template, named by its path in the package; what it is given is escaped."""
    return Markup(environment().get_template(template).render(**context))


def gap(reason: str, remedy: str, command: str = "") -> Markup:
    """The mark of something that cannot be shown.

    Args:
        reason: why, as a sentence.
        remedy: what fills the gap, as a sentence.
        command: that does so, if there is one.
    """
    return render("kit/gap.html.j2", reason=reason, remedy=remedy, command=command)
