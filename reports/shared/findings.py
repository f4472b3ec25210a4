"""Findings as sentences for readers who do not know CC4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cagexplain.audit import ranking
from cagexplain.audit.check import Check
from cagexplain.audit.checks import checks
from cagexplain.audit.ranking import Standout
from cagexplain.audit.results import Audit, Finding, Measured, Part, Place, Price
from reports.kit.numbers import NBSP, number, percent
from reports.kit.terms import VERDICTS
from reports.shared import show

ORDER: Final = (
    "The gravest first: by severity, warnings half as heavy as failures, and heavier the more of "
    "the return a remedy was measured to win back."
)
"""How findings are put in order."""


def declared(ident: str) -> Check | None:
    """The declaration of a check; None if the catalogue does not have it."""
    return next((check for check in checks() if check.id == ident), None)


def passages(finding: Finding, audit: Audit) -> list[tuple[str, str]]:
    """A finding in sentences: what, where, since when, why, what it costs, what to do."""
    check = declared(finding.id)
    parts = [
        ("Found", measurement(finding, audit)),
        ("Where", where(finding)),
        ("When", since(finding, audit)),
        ("Why it matters", check.why if check else ""),
        ("What it costs", f"{cost(finding.price, audit)} {cured(finding)}".strip()),
        ("What to do", remedy(finding)),
    ]
    return [(name, text) for name, text in parts if text]


def headline(finding: Finding) -> str:
    """What is wrong, in a few words."""
    check = declared(finding.id)
    if check is None:
        return f"{VERDICTS[finding.verdict].reads}: {finding.title}"
    return f"In part: {check.problem}" if finding.verdict == "WARN" else check.problem


def measurement(finding: Finding, audit: Audit) -> str:
    """What was measured, how surely, on how much, and what others do."""
    measured = finding.decisive
    if measured is None:
        return finding.reason
    limits = show.limits(measured)
    brackets = "; ".join(
        [*([f"95{NBSP}% interval {limits}"] if limits else []), show.judged_by(measured)]
    )
    sentences = [f"The {measured.name} is {show.value(measured)} ({brackets})."]
    if measured is finding.measures[0]:
        sentences.append(basis(finding, audit))
    elif measured.n:
        sentences.append(f"It rests on {number(measured.n)} cases.")
    sentences.append(standing(measured))
    if finding.verdict == "FAIL" and finding.survives is False:
        sentences.append("With so many checks, chance alone could have made this failure.")
    return " ".join(filter(None, sentences))


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
        bad = f"{number(part.bad)} of {number(part.n)} cases"
        return f"{_joined(finding.worst.place)}: {bad} there speak against the policy."
    named = [_named(standout) for standout in ranking.standouts(finding)]
    return f"Most often wrong: {'; '.join(named)}." if named else ""


def _joined(places: Sequence[Place]) -> str:
    text = ", ".join(place_name(place) for place in places)
    return text[:1].upper() + text[1:]


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
            return f"link to {' from '.join(map(show.place, place.name.split(' from ')))}"
        case "host kind":
            return f"{place.name} hosts"
        case "agent was":
            return f"when the agent was {place.name}"
        case "change of phase":
            return place.name.replace("one", "a change of phase")
        case _:
            return place.name


def since(finding: Finding, audit: Audit) -> str:
    """When in the episode it begins and ends."""
    span = finding.worst.since if finding.worst else None
    if span is None:
        return ""
    text = f"From step {span.start} (95{NBSP}% interval {span.start_low} to {span.start_high})"
    if span.stop is None:
        return f"{text} to the end of the episode."
    return f"{text} to step {span.stop} ({span.stop_low} to {span.stop_high})."


def cost(price: Price | None, audit: Audit) -> str:
    """What the finding costs: what its remedy, played on the same seeds, changes."""
    if price is None and not audit.prices:
        return "Not priced: no remedy was played in this audit."
    if price is None:
        return "Not priced: no remedy for it could be played in place of the policy."
    remedy = " and ".join(f"“{title}”" for title in price.titles)
    lead = f"With the remedy {remedy} played over the policy on the same {number(price.episodes)} "
    lead += "episodes, the return changes by "
    mean, loses = price.reward.mean, -audit.mean_return.mean
    changed = f"{show.points(price.reward)} per episode"
    if not price.reward.clear:
        return f"{lead}{changed}: no clear effect."
    if mean < 0:
        return f"{lead}{changed}: the remedy makes things worse, as the policy is now."
    share = f" of the {number(loses)} points that it loses" if loses >= mean else ""
    return f"{number(mean)} points per episode{share}. {lead}{changed}."


def cured(finding: Finding) -> str:
    """What the remedy does to the number that the verdict rests on; empty if that is unknown."""
    measured, effects = finding.decisive, finding.price.effects if finding.price else ()
    for effect in effects:
        if measured is not None and effect.key == f"{finding.id}.{measured.key}":
            before, after = (show.reached(x, effect.unit) for x in (effect.before, effect.after))
            return f"The number itself goes from {before} to {after} with it."
    return ""


def remedy(finding: Finding) -> str:
    """What to do; a remedy that was measured to do harm is not advised."""
    check, price = declared(finding.id), finding.price
    advice = check.remediation if check else ""
    if price is not None and price.reward.clear and price.reward.mean < 0:
        return f"Retrain rather than patch; the measured patch hurts. {advice}".strip()
    if not advice and price is not None:
        return f"{'; '.join(price.titles)}."
    return advice


def bundle(price: Price) -> str:
    """What the best set of remedies gains."""
    return (
        f"Played together over the policy on {number(price.episodes)} episodes, these change the "
        f"return by {show.points(price.reward)} per episode: {show.pays(price)[1]}. They change "
        f"{percent(price.share_changed)} of the decisions."
    )
