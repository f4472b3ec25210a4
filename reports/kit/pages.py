"""Makes pages from templates."""

from __future__ import annotations

import functools
import re
from importlib import resources

import jinja2
from markupsafe import Markup

from cagexplain.common.printing import visible
from reports.kit import estimates, numbers, palette, terms


@functools.cache
def environment() -> jinja2.Environment:
    """Templates of this package, by their paths in it.

    They escape everything that is not marked as safe, and show control characters, which XML cannot
    hold, as escapes.
    """
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("reports", ""),
        autoescape=True,
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "number": numbers.number,
        "percent": numbers.percent,
        "points": numbers.points,
        "p_value": numbers.p_value,
        "interval": estimates.interval,
        "top_action": estimates.top_action,
        "leader": estimates.leader,
        "too_few": estimates.too_few,
        "steps": estimates.steps,
        "contrast": palette.contrast,
        "breakable": _breakable,
    }
    env.globals |= {"zip": zip, "terms": terms}
    return env


def _breakable(name: str) -> Markup:
    """A name in CamelCase that lines may break before its capitals."""
    return Markup("<wbr>").join(re.findall(r"[A-Z]?[^A-Z]+|[A-Z]", name))


def source(name: str) -> str:
    """A style sheet or script of the package as it is, by its path (``shared/timeline.js``)."""
    return (resources.files("reports") / name).read_text(encoding="utf-8")
