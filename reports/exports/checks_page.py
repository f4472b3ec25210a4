"""The catalogue in words: for the documentation and for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

from cagexplain.audit.check import (
    FAMILIES,
    FRAMEWORKS,
    Check,
    Measure,
    Reference,
)
from cagexplain.audit.checks import checks
from cagexplain.audit.verdicts import FALSE_DISCOVERIES, least
from reports.kit.markdown import written
from reports.kit.terms import AXES, KNOWLEDGE, SEVERAL_NUMBERS, SOURCES, VERDICTS

WIDTH: Final = 88
"""Columns of a page in a terminal."""
_NEEDS: Final = {"observations": "a trace with observations"}

_HEAD: Final = """\
# Checks of an audit

`cagexplain audit` holds a policy against these checks; `cagexplain checks ID` explains one of them
in a terminal. This page is made from their declarations (`cagexplain/audit/catalogue/`, one file
each) by `python -m reports.exports.checks_page`.

## How to read it

A check counts *triggers* in the audited episodes and judges one or more numbers. A number has a
*good* and a *bad* threshold, and a 95 % confidence interval, for which whole episodes are the
units.
"""
_RULES: Final = f"""\
{SEVERAL_NUMBERS}

An INCONCLUSIVE check estimates how many more episodes would decide it. Among so many checks some
fail by chance: the report marks the FAILs that remain if at most {100 * FALSE_DISCOVERIES:g} % of
them may be false (Benjamini and Hochberg 1995), and estimates how many failures a policy exactly on
all bad thresholds would get.

The thresholds below are those of the profile `default`; `--profile` names another one, or your own
file. Numbers without thresholds are shown in the report and not judged. The first number of a check
is the main one: where, since when and the examples in a report are about it. The unit `steps` is
CC4’s step: an agent that is free makes a decision, and its action then takes 1 to 5 steps.
"""


def markdown() -> str:
    """The page `docs/checks.md`, whole."""
    catalogue = checks()
    parts = [_HEAD, verdicts(), _RULES, _axes(), "## All checks", _overview(catalogue)]
    for letters, family in FAMILIES.items():
        members = [check for check in catalogue if check.id.startswith(letters)]
        if members:
            parts += [f"## {family}", *map(_section, members)]
    parts += ["## Frameworks", _frameworks(catalogue)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def verdicts() -> str:
    """What the verdicts mean, as a table of the documentation."""
    rows = [(verdict, term.means) for verdict, term in VERDICTS.items()]
    return written(("verdict", "when"), rows)


def text(check: Check) -> str:
    """A check as plain text of at most `WIDTH` columns, for a terminal; an address stays whole."""
    lines = textwrap.wrap(f"{check.id}  {check.title}", WIDTH)
    lines += ["", *_columns(_facts(check))]
    for heading, words in _paragraphs(check):
        lines += ["", heading, *_indented(words, hang=0)]
    lines += ["", "Numbers"]
    for measure in check.measures:
        lines += _indented(f"{measure.key}: the {measure.name}; {_thresholds(measure)}")
    lines += ["", "References"]
    lines += [line for ref in check.references for line in _indented(_cited(ref))]
    return "\n".join(lines) + "\n"


def _facts(check: Check) -> list[tuple[str, str]]:
    """Short properties of a check, by name."""
    needs = [_NEEDS.get(name, name) for name in sorted(check.needs)]
    when = [] if check.applies is None else [check.applies_when]
    facts = [
        ("family", check.family + (" (an extra of the catalogue)" if check.extra else "")),
        ("severity", check.severity),
        ("axis", f"{check.axis}: {AXES[check.axis].asks}"),
        ("judged on", KNOWLEDGE[check.knowledge]),
        ("computed from", SOURCES[check.source]),
        ("least data", f"{least(check.n_min, check.trigger)} {check.trigger}"),
        ("applies", "if " + " and ".join(when) if when else "always"),
        ("needs", " and ".join(needs)),
        ("not applicable", check.absent),
        ("see also", ", ".join(check.related)),
        ("since", f"version {check.since} of the catalogue"),
    ]
    return [(name, value) for name, value in facts if value]


def _paragraphs(check: Check) -> list[tuple[str, str]]:
    return [
        ("Why it matters", check.why),
        ("What to do about a failure", check.remediation),
        ("How it is computed", check.formula),
    ]


def _thresholds(measure: Measure) -> str:
    better = f"{measure.unit}, {measure.better} is better"
    if measure.good is None or measure.bad is None:
        return f"{better}; shown, not judged"
    good, bad = ("at least", "at most") if measure.better == "higher" else ("at most", "at least")
    return f"{better}; good {good} {measure.good:g}, bad {bad} {measure.bad:g}"


def _cited(ref: Reference) -> str:
    name, version, address = FRAMEWORKS[ref.framework]
    title = f" {ref.title}" if ref.title else ""
    return f"{name} {version}: {ref.id}{title} <{address}>"


def _indented(words: str, hang: int = 2) -> list[str]:
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent="  ",
        subsequent_indent=" " * (2 + hang),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, value in rows:
        begin = f"  {name:<14}  "
        lines += textwrap.wrap(
            value, WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin)
        )
    return lines


def _axes() -> str:
    rows = [(f"axis: {axis}", term.asks) for axis, term in AXES.items()]
    rows += [(f"judged on: {known}", words) for known, words in KNOWLEDGE.items()]
    return written(("word", "meaning"), rows)


def _overview(catalogue: Iterable[Check]) -> str:
    rows = [
        (
            f"[{check.id}](#{check.id.lower()})" + (" (extra)" if check.extra else ""),
            check.title,
            check.severity,
            check.axis,
            check.knowledge,
            "<br>".join(_short(measure) for measure in check.measures if measure.judged),
        )
        for check in catalogue
    ]
    return written(("check", "good condition", "severity", "axis", "judged on", "pass"), rows)


def _short(measure: Measure) -> str:
    sign = "≥" if measure.better == "higher" else "≤"
    return f"{sign} {measure.good:g} {measure.unit}"


def _section(check: Check) -> str:
    numbers = [
        (f"`{m.key}`", m.name, m.unit, m.better, _number(m.good), _number(m.bad))
        for m in check.measures
    ]
    cited = [
        (FRAMEWORKS[ref.framework][0], FRAMEWORKS[ref.framework][1], ref.id, ref.title)
        for ref in check.references
    ]
    return "\n\n".join(
        [
            f'<a id="{check.id.lower()}"></a>\n\n### {check.id}: {check.title}',
            *(f"**{heading}.** {words}" for heading, words in _paragraphs(check)),
            written(("number", "the …", "unit", "better", "good", "bad"), numbers),
            "\n".join(f"- **{name}**: {value}" for name, value in _facts(check)),
            written(("reference", "version", "passage", "title"), cited),
        ]
    )


def _number(threshold: float | None) -> str:
    return "–" if threshold is None else f"{threshold:g}"


def _frameworks(catalogue: Iterable[Check]) -> str:
    cited = {ref.framework for check in catalogue for ref in check.references}
    rows = [
        (name, version, f"<{address}>")
        for key, (name, version, address) in FRAMEWORKS.items()
        if key in cited
    ]
    return written(("framework", "version", "address"), rows)


if __name__ == "__main__":
    print(markdown(), end="")
