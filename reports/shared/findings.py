"""Findings as sentences for readers who do not know CC4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cagexplain.audit import ranking
from cagexplain.audit.check import Check
from cagexplain.audit.checks import checks
from cagexplain.audit.parts import CELL
from cagexplain.audit.ranking import Standout
from cagexplain.audit.results import Audit, Finding, Measured, Part, Place, Price, Span, Verdict
from reports.kit import numbers
from reports.kit.numbers import NBSP, number, percent
from reports.kit.terms import VERDICTS
from reports.shared import show

ORDER: Final = (
    "The gravest first: by severity, warnings half as heavy as failures, and heavier the more of "
    "the return a remedy was measured to win back."
)
"""How findings are put in order."""

_UNDOING: Final = "ROB-03"
"""The check whose number is what attackers undo, not what the policy loses beside the expert."""


def declared(ident: str) -> Check | None:
    """The declaration of a check; None if the catalogue does not have it."""
    return next((check for check in checks() if check.id == ident), None)


def passages(finding: Finding, audit: Audit) -> list[tuple[str, str]]:
    """A finding in sentences: what, where, since when, why, what a patch does, what to do."""
    check = declared(finding.id)
    parts = [
        ("Found", measurement(finding, audit)),
        ("Where", where(finding) or under(finding, audit)),
        ("When", since(finding)),
        ("Why it matters", check.why if check else ""),
        ("Its patch", f"{patch(finding, audit)} {cured(finding)}".strip()),
        ("What to do", remedy(finding, audit)),
    ]
    return [(name, text) for name, text in parts if text]


def headline(finding: Finding) -> str:
    """What is wrong, in a few words."""
    if declared(finding.id) is None:
        return f"{VERDICTS[finding.verdict].reads}: {finding.title}"
    return f"In part: {problem(finding)}" if finding.verdict == "WARN" else problem(finding)


def problem(finding: Finding) -> str:
    """What it means that a check does not hold."""
    check = declared(finding.id)
    return check.problem if check else f"not met: {finding.title}"


def in_numbers(finding: Finding) -> str:
    """What was measured, in short: in the part that fails, or over all cases."""
    if finding.worst is not None:
        part = finding.worst.part
        where = ", ".join(place_name(place) for place in finding.worst.place)
        return f"{where}, {number(part.bad)} of {number(part.n)} {finding.trigger}"
    measured = finding.decisive
    if measured is None:
        return ""
    return f"the {measured.name} is {show.value(measured)} ({show.judged_by(measured)})"


def measurement(finding: Finding, audit: Audit) -> str:
    """What was measured, how surely, on how much, and what others do."""
    measured = finding.decisive
    if measured is None:
        return finding.reason
    limits = show.limits(measured)
    brackets = "; ".join(
        [*([f"95{NBSP}% interval {limits}"] if limits else []), show.judged_by(measured)]
    )
    every = "Over all cases, the" if finding.worst is not None else "The"
    sentences = [f"{every} {measured.name} is {show.value(measured)} ({brackets})."]
    if finding.worst is not None:
        sentences.append(_alone(finding))
    if measured is finding.measures[0]:
        sentences.append(basis(finding, audit))
    elif measured.n:
        sentences.append(f"It rests on {number(measured.n)} cases.")
    sentences.append(standing(measured))
    if finding.verdict == "FAIL" and finding.survives is False:
        sentences.append("With so many checks, chance alone could have made this failure.")
    return " ".join(filter(None, sentences))


_ALONE: Final[Mapping[Verdict, str]] = {
    "PASS": "That alone would pass: the failure shows only in its part.",
    "WARN": "That alone would be a warning: the failure shows only in its part.",
    "INCONCLUSIVE": "That alone would decide nothing: the failure shows only in its part.",
}


def _alone(finding: Finding) -> str:
    """What all cases together would have come to, if that is not what the part comes to."""
    return _ALONE.get(finding.whole, "")


def basis(finding: Finding, audit: Audit) -> str:
    """What the number rests on."""
    if not finding.n:
        return ""
    episodes = show.episodes_of(audit)
    of = f" of {number(episodes)}" if episodes is not None else ""
    return f"It rests on {number(finding.n)} {finding.trigger} in {finding.episodes}{of} episodes."


def standing(measured: Measured) -> str:
    """How many of the reference policies do no better."""
    n = len(measured.standing)
    if measured.percentile is None or not n:
        return ""
    beaten = round(measured.percentile * n)
    if beaten == 0:
        return f"All {n} reference policies do better."
    if beaten == n:
        return f"None of the {n} reference policies does better."
    return f"{n - beaten} of {n} reference policies do better."


def where(finding: Finding) -> str:
    """The part that fails; else the parts that are clearly worse than the whole."""
    if finding.worst is not None:
        part = finding.worst.part
        return (
            f"{places(finding.worst.place)}: {number(part.bad)} of {number(part.n)} "
            f"{finding.trigger} there speak against the policy{part_limits(finding, part)}."
        )
    named = [_named(standout) for standout in ranking.standouts(finding)]
    return f"Most often wrong: {'; '.join(named)}." if named else ""


def part_limits(finding: Finding, part: Part) -> str:
    """The interval of the number in a part, in brackets; empty if there is none."""
    text = part_interval(finding, part)
    return f" ({text}; the limits hold for all parts at once)" if text else ""


def part_interval(finding: Finding, part: Part) -> str:
    """The same alone: "99.1 to 100 %"; of durations the share that ends in time."""
    measured = finding.decisive
    if measured is None or part.low is None or part.high is None:
        return ""
    if {"steps", "episodes"} & set(part.kind.split(" and ")):  # judged by their bad cases
        return numbers.between(*(numbers.amount(x, "share") for x in (part.low, part.high)))
    if measured.unit == "steps":
        limits = numbers.between(*(numbers.amount(x, "share") for x in (part.low, part.high)))
        return f"{limits} end within {show.amount(measured.bad, measured.unit)}"
    return numbers.between(*(numbers.amount(x, measured.unit) for x in (part.low, part.high)))


def places(all_of: Sequence[Place]) -> str:
    """What a part is, as the beginning of a sentence."""
    text = ", ".join(place_name(place) for place in all_of)
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str]) -> str:
    """Names in a row: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _named(standout: Standout) -> str:
    share = f"{percent(standout.share)} of {number(standout.cases)}"
    return f"{place_name(standout.part)} ({share}, overall {percent(standout.whole)})"


def place_name(place: Place | Part) -> str:
    """A place, readably."""
    match place.kind:
        case "agent":
            return show.agent(place.name)
        case "zone":
            return show.place(place.name)
        case "phase":
            return f"phase “{place.name}”"
        case "link":
            return show.link(place.name)
        case "host kind":
            return "routers" if place.name == "router" else f"{place.name} hosts"
        case "steps":
            return place.name.replace("step", "steps", 1)
        case "episodes":
            return f"in {place.name}"
        case "agent was":
            return f"when the agent was {place.name}"
        case "change of phase":
            return place.name.replace("one", "a change of phase")
        case _:
            return place.name


def since(finding: Finding) -> str:
    """When in the episode it begins and ends."""
    span = finding.worst.since if finding.worst else None
    return "" if span is None else stretch(span)


def stretch(span: Span) -> str:
    """A stretch of time, with the intervals of its change points."""
    text = "From the first step"
    if span.start:
        text = f"From step {span.start} ({_within(span.start_low, span.start_high)})"
    if span.stop is None or span.stop_low is None or span.stop_high is None:
        return f"{text} to the end of the episode."
    return f"{text} to step {span.stop} ({_within(span.stop_low, span.stop_high)})."


def _within(low: int, high: int) -> str:
    """The interval of a change point, which is told to a few steps only."""
    if low == high:
        return f"sure to within {CELL} steps"
    return f"95{NBSP}% interval {low} to {high}"


def under(finding: Finding, audit: Audit) -> str:
    """The condition under which the policy does worst; empty if the check judges none."""
    if finding.id == _UNDOING:
        return _undoing(audit)
    judged = [v for v in audit.variations if v.check == finding.id and v.multiple is not None]
    if not judged:
        return ""
    worst = max(judged, key=lambda v: v.multiple.mean if v.multiple else 0.0)
    usual = next((v.mean_return for v in audit.variations if v.key == "usual"), None)
    returns = [f"its return is {number(worst.mean_return.mean)} there"]
    returns += [f"the expert’s {number(worst.expert.mean)}"] if worst.expert else []
    returns += [f"and usually {number(usual.mean)}"] if usual else []
    return (
        f"Worst under “{worst.name}”: {show.times(worst.multiple)} what it may lose "
        f"({', '.join(returns)})."
    )


def _undoing(audit: Audit) -> str:
    """The attacker that undoes most of the defence."""
    undone = [(v.undone.mean, v) for v in audit.variations if v.undone is not None]
    if not undone:
        return ""
    most, worst = max(undone, key=lambda pair: pair[0])
    return (
        f"Worst under “{worst.name}”: it undoes {show.amount(most, 'share')} of the averted loss "
        f"(the return is {number(worst.mean_return.mean)} there)."
    )


def patch(finding: Finding, audit: Audit) -> str:
    """What the finding's remedy does, played over the policy on the same seeds. Its value stands in
    the table of patches only: several findings may share a remedy, which is worth it once."""
    price = finding.price
    if price is None and not audit.prices:
        return "Not priced: no remedy was played in this audit."
    if price is None:
        return "Not priced: no remedy for it could be played in place of the policy."
    others = [ident for ident in price.checks if ident != finding.id]
    shared = f" It answers {_and(others)} as well, and is worth it once." if others else ""
    style, result = show.pays(price)
    bound = ", a lower bound of what the finding costs" if style == "better" else ""
    return (
        f"The patch {_titles([price])}, played over the policy on the same "
        f"{number(price.episodes)} episodes: {result}. Its value is in the table of patches{bound}."
        f"{shared}"
    )


def cured(finding: Finding) -> str:
    """What the remedy does to the number that the verdict rests on; empty if that is unknown."""
    measured, effects = finding.decisive, finding.price.effects if finding.price else ()
    for effect in effects:
        if measured is not None and effect.key == f"{finding.id}.{measured.key}":
            before, after = (show.reached(x, effect.unit) for x in (effect.before, effect.after))
            return f"The number itself goes from {before} to {after} with it."
    return ""


def remedy(finding: Finding, audit: Audit) -> str:
    """What to do; what was measured to lose points is not advised."""
    check = declared(finding.id)
    answering = [p for p in audit.prices if finding.id in p.checks and len(p.remedies) == 1]
    harmful = [price for price in answering if price.reward.loses]
    paying = [price for price in answering if show.pays(price)[0] == "better"]
    advice = check.remediation if check else ""
    sentences = [f"{'; '.join(price.titles)}." for price in paying]
    if not harmful:
        return advice or " ".join(sentences)
    # The general advice may be the very thing that was measured to lose points.
    if not paying:
        sentences.append("Retrain rather than patch.")
    sentences.append(
        f"Do not patch it with {_titles(harmful)}: as the policy is, that loses points."
    )
    return " ".join(sentences)


def _titles(prices: Sequence[Price]) -> str:
    return _and([f"“{title}”" for price in prices for title in price.titles])


def _and(items: Sequence[str]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def bundle(price: Price) -> str:
    """What the best set of remedies gains, beside each of them on the same episodes."""
    text = (
        f"Played together over the policy on {number(price.episodes)} episodes that did not choose "
        f"them, these change the return by {show.points(price.reward)} per episode: "
        f"{show.pays(price)[1]}. They change {percent(price.share_changed)} of the decisions."
    )
    if not price.members:
        return text
    return (
        f"{text} The list has what each is worth by itself on these episodes. The table above "
        "rests on the others, too, so a single patch may have a larger value there."
    )
