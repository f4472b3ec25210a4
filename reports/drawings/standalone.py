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


def light_style(prefix: str, *sheets: str) -> str:
    """The same with the values of the light page in the place of its variables, which few programs
    but browsers know; the sheets may have variables of their own."""
    texts = [source(sheet) for sheet in ("kit/style.css", *sheets)]
    values: dict[str, str] = {}
    for text in texts:
        for selector, body in _RULE.findall(text):
            if selector.strip() == ":root":  # the first of a sheet is the light one
                values |= re.findall(r"(--[\w-]+): ([^;]+);", body)
                break
    rules = [
        f"{selector.strip()} {{{body}}}"
        for text in texts
        for selector, body in _RULE.findall(text)
        if selector.strip().startswith(prefix)
    ]
    return re.sub(r"var\((--[\w-]+)\)", lambda match: values[match[1]], "\n".join(rules))
