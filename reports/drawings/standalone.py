"""Pictures of a page as files of their own."""

from __future__ import annotations

import re

from reports.drawings.fsm import Drawing
from reports.kit.pages import source

_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


def standalone(drawing: Drawing) -> str:
    """The picture as an SVG file that needs no page around it: light, on white.

    The page's style sheet gives the colours; the rules that the picture uses go into the file.
    """
    style = own_style(".fsm ")
    return re.sub(
        r"(<svg\b[^>]*>)", lambda m: f"{m[1]}<style>{style}</style>", drawing.svg, count=1
    )


def own_style(prefix: str, *sheets: str) -> str:
    """The rules of style sheets whose selectors begin so, with the colours of the light page."""
    rules = [
        (selector.strip(), body)
        for sheet in ("kit/style.css", *sheets)
        for selector, body in _RULE.findall(source(sheet))
    ]
    colours = next(body for selector, body in rules if selector == ":root")
    matching = [f"{selector} {{{body}}}" for selector, body in rules if selector.startswith(prefix)]
    return "\n".join([f"svg {{ background: #ffffff; {colours} }}", *matching])
