"""Makes pages from templates."""

from __future__ import annotations

import functools
import re
from importlib import resources

import jinja2
from markupsafe import Markup

from cagexplain.common.printing import visible
from reports import palette, words


@functools.cache
def environment() -> jinja2.Environment:
    """Templates of this package. They escape everything that is not marked as safe, and show
    control characters, which XML cannot hold, as escapes."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=True,
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": words.number,
        "percent": words.percent,
        "interval": words.interval,
        "top_action": words.top_action,
        "leader": words.leader,
        "too_few": words.too_few,
        "steps": words.steps,
        "contrast": palette.contrast,
        "breakable": _breakable,
    }
    made.globals["zip"] = zip
    return made


def _breakable(name: str) -> Markup:
    """A name in CamelCase that lines may break before its capitals."""
    return Markup("<wbr>").join(re.findall(r"[A-Z]?[^A-Z]+|[A-Z]", name))


def source(name: str) -> str:
    """A file beside the templates, as it is."""
    return (resources.files("reports") / "templates" / name).read_text(encoding="utf-8")
