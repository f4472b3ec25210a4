"""The part of a study's page about what the policies do: figure 8 for every method, and what became
of the sentences that the paper reads from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from cagexplain.analysis.fsm.distributions import TARGETED_KINDS
from cagexplain.analysis.studies.learning import Verdict
from cagexplain.analysis.studies.strategies import (
    MIN_DECISIONS,
    ConditionResult,
    MethodPattern,
    Sentence,
    SentenceClaim,
    StatePattern,
    StrategiesResult,
)
from cagexplain.cc4 import actions
from reports.drawings.fsm_small import HEIGHT, WIDTH, SmallPicture, favourite, small_picture
from reports.drawings.standalone import own_style
from reports.kit import numbers, palette
from reports.kit.markdown import cell, table
from reports.kit.pages import environment

PICTURE: Final = "figure-8"
"""Name of the file with all methods."""
HOW: Final = "cagexplain study explain FOLDER"
KINDS: Final = tuple(actions.KIND_NAMES[kind] for kind in TARGETED_KINDS)
"""Actions that can be the most chosen one on a host."""
_COLUMNS: Final = 2
_TITLE: Final = 26
_FOOT: Final = 30


@dataclass(frozen=True)
class ClaimText:
    """A claim as text."""

    about: str
    wanted: str
    value: str
    interval: str
    verdict: Verdict


@dataclass(frozen=True)
class Reacting:
    """A method's reactions as text.

    Attributes:
        title: of the method.
        verdicts: what the runs' own tests say, counted.
        surplus: the mean of their largest surplus.
        picked: the reactions that have it.
        strengths: mean of each of the study's tables, in their order.
    """

    title: str
    verdicts: str
    surplus: str
    picked: str
    strengths: Sequence[str]


@dataclass(frozen=True)
class Shown:
    """All methods under one condition, ready to be shown.

    Attributes:
        name: of the condition.
        pictures: of each method: its title, how many runs it has, and its picture.
        choices: by method its title and what it chooses most in each state.
        brief: the same in a few characters.
        distances: by method, but for the base, its title and its distance from that by state.
        tables: names of the study's tables of reactions.
        reactions: by method.
        sentences: as judged.
    """

    name: str
    pictures: Sequence[tuple[str, str, SmallPicture]]
    choices: Sequence[tuple[str, Sequence[str]]]
    brief: Sequence[tuple[str, Sequence[str]]]
    distances: Sequence[tuple[str, Sequence[str]]]
    tables: Sequence[str]
    reactions: Sequence[Reacting]
    sentences: Sequence[tuple[Sentence, Sequence[ClaimText]]]


@dataclass(frozen=True)
class StrategiesSection:
    """What the page shows.

    Attributes:
        base: title of the method that others are shown against.
        states: names, in order.
        coverage: which runs it is about, in words.
        conditions: the paper's first.
        both: each sentence with its verdict under each condition, and whether they differ.
    """

    base: str
    states: Sequence[str]
    coverage: str
    conditions: Sequence[Shown]
    both: Sequence[tuple[str, Sequence[Verdict], bool]]

    @property
    def masking(self) -> str:
        """What the masking of Sleep does to the verdicts, in words."""
        changed = [text for text, _, differs in self.both if differs]
        if not changed:
            return "That Sleep is masked changes no verdict."
        return f"That Sleep is masked changes the verdict of: {' '.join(changed)}"


def strategies_part(result: StrategiesResult) -> StrategiesSection:
    """Make ready what the page shows of policies."""
    first = result.conditions[0]
    base = next(m.title for m in first.methods if m.id == result.base)
    verdicts = [
        (
            sentences[0].text,
            [sentence.verdict for sentence in sentences],
            len({sentence.verdict for sentence in sentences}) > 1,
        )
        for sentences in zip(*(c.sentences for c in result.conditions), strict=True)
    ]
    return StrategiesSection(
        base=base,
        states=[state.favourite.state for state in first.methods[0].states],
        coverage=_coverage(result),
        conditions=[_shown(condition, base) for condition in result.conditions],
        both=verdicts,
    )


def _coverage(result: StrategiesResult) -> str:
    methods = result.conditions[0].methods
    episodes = sorted({method.episodes // len(method.seeds) for method in methods})
    each = " to ".join(dict.fromkeys(map(str, (episodes[0], episodes[-1]))))
    return (
        f"{result.explained} of {result.wanted} runs are explained, {each} episodes of each under "
        "either condition."
    )


def _shown(condition: ConditionResult, base: str) -> Shown:
    methods = condition.methods
    tables = list(dict.fromkeys(name for method in methods for name in method.strengths))
    return Shown(
        name=condition.condition.capitalize(),
        pictures=[(m.title, runs(len(m.seeds)), method_picture(m)) for m in methods],
        choices=[(m.title, list(map(_choice, m.states))) for m in methods],
        brief=[(m.title, list(map(_brief, m.states))) for m in methods],
        distances=[
            (m.title, [numbers.percent(state.distance) for state in m.states])
            for m in methods
            if m.title != base
        ],
        tables=tables,
        reactions=[_reacting(m, tables) for m in methods],
        sentences=[(s, list(map(_claim_text, s.claims))) for s in condition.sentences],
    )


def method_picture(method: MethodPattern) -> SmallPicture:
    """Figure 8 of a method; states in which it chooses otherwise than the base have a ring."""
    return small_picture(
        [state.favourite for state in method.states],
        {s.favourite.state: f"{s.agreeing}/{s.runs}" for s in method.states if s.runs},
        [s.favourite.state for s in method.states if _differs(s)],
    )


def _differs(state: StatePattern) -> bool:
    chosen = state.favourite.action
    return None not in (chosen, state.base) and chosen != state.base


def _choice(state: StatePattern) -> str:
    if state.favourite.action is None:
        return favourite(state.favourite)
    other = f"; not {state.base}" if _differs(state) else ""
    return f"{favourite(state.favourite)}; in {state.agreeing} of {runs(state.runs)}{other}"


def _brief(state: StatePattern) -> str:
    choice = state.favourite
    if choice.action is None:
        return "–"
    marks = "≠ " * _differs(state) + "≈ " * (not choice.clear)
    return f"{marks}{choice.action} {numbers.percent(choice.share)}, {state.agreeing}/{state.runs}"


def _reacting(method: MethodPattern, tables: Sequence[str]) -> Reacting:
    known = [answer for answer in method.answers if answer.consistency is not None]
    picked = dict.fromkeys(
        f"{a.event} → {a.response} ({a.scope})" for a in known if a.event is not None
    )
    return Reacting(
        title=method.title,
        verdicts=", ".join(f"{count} {verdict}" for verdict, count in method.verdicts.items()),
        surplus=_mean([answer.consistency for answer in known]),
        picked="; ".join(picked) or "–",
        strengths=[_mean(method.strengths.get(table, [])) for table in tables],
    )


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return decimal(sum(known) / len(known)) if known else "–"


def _claim_text(claim: SentenceClaim) -> ClaimText:
    return ClaimText(
        about=claim.about,
        wanted=f"< {claim.most:.2f}" if claim.least is None else f"> {claim.least:.2f}",
        value="–" if claim.value is None else decimal(claim.value),
        interval=numbers.interval(claim.low, claim.high, decimal),
        verdict=claim.verdict,
    )


def decimal(value: float) -> str:
    """A share or a strength, with two decimals and a true minus sign."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def runs(count: int) -> str:
    """A number of runs in words."""
    return f"{count} run{'s' * (count != 1)}"


def strategies_svg(part: StrategiesSection) -> str:
    """Figure 8 of all methods as one file, under the paper's condition."""
    shown = part.conditions[0]
    rows = -(-len(shown.pictures) // _COLUMNS)
    return (
        environment()
        .get_template("study/strategies.svg.j2")
        .render(
            part=part,
            shown=shown,
            columns=_COLUMNS,
            cell_width=WIDTH,
            cell_height=HEIGHT + _TITLE,
            title_height=_TITLE,
            width=_COLUMNS * WIDTH,
            height=rows * (HEIGHT + _TITLE) + _FOOT,
            style=Markup(own_style(".fsm", "drawings/fsm_small.css")),
        )
    )


def strategies_context(part: StrategiesSection | None) -> dict[str, Any]:
    """What the templates need beside the part."""
    return {
        "part": part,
        "how": HOW,
        "kinds": KINDS,
        "colours": palette.ACTIONS,
        "least": MIN_DECISIONS,
    }


def strategies_markdown(part: StrategiesSection | None) -> Iterator[str]:
    """The same as Markdown, line by line."""
    yield from ("## What the policies do", "")
    if part is None:
        yield from (f"No run is explained: `{HOW}` plays their policies.", "")
        return
    yield from (part.coverage, "")
    names = [shown.name for shown in part.conditions]
    yield from table(
        ["Sentence of the paper", *names],
        [[text, *verdicts] for text, verdicts, _ in part.both],
    )
    yield from (cell(part.masking), "")
    yield from (f"![Most chosen action by state]({PICTURE}.svg)", "")
    first, *others = part.conditions
    yield from (f"### {first.name}", "", *_condition_markdown(part, first))
    for shown in others:
        yield from (f"<details><summary>The same with {shown.name}</summary>", "")
        yield from (*_condition_markdown(part, shown), "</details>", "")


def _condition_markdown(part: StrategiesSection, shown: Shown) -> Iterator[str]:
    yield from (
        "Most chosen action on hosts of each state, its share, and in how many runs it is the most "
        f"chosen one. ≈: not clearly ahead of another. ≠: {cell(part.base)} chooses another.",
        "",
    )
    yield from table(["Method", *part.states], [[title, *each] for title, each in shown.brief])
    if shown.distances:
        yield from (f"Share of decisions in which a method differs from {cell(part.base)}:", "")
        yield from table(
            ["Method", *part.states], [[title, *values] for title, values in shown.distances]
        )
    for sentence, claims in shown.sentences:
        yield from (f"**{sentence.verdict}**: {cell(sentence.text)} {cell(sentence.meaning)}", "")
        if claims:
            yield from table(
                ["Claim", "Claimed", "Estimate", "95 % interval", "Verdict"],
                [[c.about, c.wanted, c.value, c.interval, c.verdict] for c in claims],
            )
    yield from ("Reactions:", "")
    yield from table(
        ["Method", "Our tests, runs", "Surplus", "Reaction", *(f"V, {t}" for t in shown.tables)],
        [[r.title, r.verdicts, r.surplus, r.picked, *r.strengths] for r in shown.reactions],
    )
