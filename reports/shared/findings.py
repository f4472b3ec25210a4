"""Findings as sentences for readers who do not know CC4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.check import Check
from cagexplain.audit.checks import checks
from cagexplain.audit.results import Audit, Finding, Measured, Part, Price
from reports.kit.numbers import NBSP, number, percent
from reports.shared import show

_WEIGHTS: Final = {"critical": 8.0, "high": 4.0, "medium": 2.0, "low": 1.0, "info": 0.5}
"""What a failure of a severity weighs when findings are put in order."""
_CLEARLY: Final = 0.05
"""By how much a part must be worse than the whole to be named."""
_PART: Final = 0.05
"""Share of the cases that a part must have to be named."""
FEW: Final = 10
"""Cases that it must have."""

ORDER: Final = (
    "The gravest first: by severity, warnings half as heavy as failures, and heavier the more of "
    "the score a remedy was measured to win back."
)
"""How findings are put in order."""


@dataclass(frozen=True)
class Told:
    """A finding in sentences.

    Attributes:
        finding: that is told.
        headline: in a few words.
        parts: names of what is told, with the sentences.
    """

    finding: Finding
    headline: str
    parts: tuple[tuple[str, str], ...]


def declared(ident: str) -> Check | None:
    """The declaration of a check; None if the catalogue does not have it."""
    return next((check for check in checks() if check.id == ident), None)


def in_order(audit: Audit) -> list[Finding]:
    """What the policy fails or is warned of, the most pressing first."""
    wrong = [f for f in audit.findings if f.verdict in ("FAIL", "WARN") and f.axis != "meta"]
    return sorted(wrong, key=lambda finding: -_weight(finding, audit.mean_return.mean))


def _weight(finding: Finding, mean_return: float) -> float:
    weight = _WEIGHTS[finding.severity] * (1.0 if finding.verdict == "FAIL" else 0.5)
    if finding.price is None or not finding.price.reward.clear:
        return weight
    won = max(finding.price.reward.mean, 0.0) / max(abs(mean_return), 1.0)
    return weight * (1.0 + min(won, 1.0))


def tell(finding: Finding, audit: Audit) -> Told:
    """A finding in sentences: what, where, since when, why, what it costs, what to do."""
    known = declared(finding.id)
    parts = [
        ("Found", what(finding, audit)),
        ("Where", where(finding)),
        ("Since", since(finding, audit)),
        ("Why it matters", known.why if known else ""),
        ("What it costs", f"{cost(finding.price, audit)} {cured(finding)}".strip()),
        ("What to do", remedy(finding)),
    ]
    return Told(finding, headline(finding), tuple((name, text) for name, text in parts if text))


def headline(finding: Finding) -> str:
    """What is wrong, in a few words."""
    known = declared(finding.id)
    if known is None:
        lead = {"FAIL": "Not met: ", "WARN": "Only partly met: "}.get(finding.verdict, "")
        return f"{lead}{finding.title}"
    return f"In part: {known.problem}" if finding.verdict == "WARN" else known.problem


def what(finding: Finding, audit: Audit) -> str:
    """What was measured, how surely, on how much, and what others do."""
    measured = finding.decisive
    if measured is None:
        return finding.reason
    limits = show.limits(measured)
    brackets = "; ".join(
        [*([f"95{NBSP}% interval {limits}"] if limits else []), show.borders(measured)]
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


def against(part: Part, measured: Measured) -> int | None:
    """Cases of a part that speak against the policy; None if that cannot be told from it."""
    if measured.unit not in ("share", "difference of shares"):
        return None
    return part.n - part.hits if measured.better == "higher" else part.hits


def where(finding: Finding) -> str:
    """Zone, agent and phase that are clearly worse than the whole."""
    main = finding.decisive
    if main is None:
        return ""
    kinds = {
        kind: [p for p in finding.parts if p.kind == kind] for kind in ("zone", "agent", "phase")
    }
    named = [_worst(parts, main) for parts in kinds.values() if len(parts) > 1]
    found = [text for text in named if text]
    if not found:
        return ""
    return f"{_opening(main)} {'; '.join(found)}."


def _opening(main: Measured) -> str:
    shares = main.unit in ("share", "difference of shares")
    return "Most often wrong:" if shares else "Most cases lie in:"


def _worst(parts: Sequence[Part], main: Measured) -> str:
    total = sum(part.n for part in parts)
    shares = [
        (bad / part.n, part)
        for part in parts
        if (bad := against(part, main)) is not None and part.n >= max(FEW, _PART * total)
    ]
    if shares:
        whole = sum(against(part, main) or 0 for part in parts) / total
        rate, part = max(shares, key=lambda pair: pair[0])
        if rate < whole + _CLEARLY:
            return ""
        return f"{part_name(part)} ({percent(rate)} of {number(part.n)}, overall {percent(whole)})"
    if against(parts[0], main) is not None or not total:
        return ""
    part = max(parts, key=lambda part: part.n)
    if part.n / total < 1 / len(parts) + _CLEARLY:
        return ""
    return f"{part_name(part)} ({percent(part.n / total)} of {number(total)})"


def part_name(part: Part) -> str:
    """A part, readably."""
    if part.kind == "agent":
        return part.name.replace("_", " ")
    return f"phase “{part.name}”" if part.kind == "phase" else show.place(part.name)


def since(finding: Finding, audit: Audit) -> str:
    """When in the episode it begins."""
    if finding.since is None:
        return ""
    steps = show.steps_of(audit)
    return f"In half of the episodes the first case comes by step {finding.since}" + (
        f" of {number(steps)}." if steps else "."
    )


def cost(price: Price | None, audit: Audit) -> str:
    """What the finding costs: what its remedy, played on the same seeds, changes."""
    if price is None and not audit.prices:
        return "Not priced: no remedy was played in this audit."
    if price is None:
        return "Not priced: no remedy for it could be played in the policy’s stead."
    remedy = " and ".join(f"“{title}”" for title in price.titles)
    lead = f"With the remedy {remedy} played over the policy on the same {number(price.episodes)} "
    lead += "episodes, the score changes by "
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
    known, price = declared(finding.id), finding.price
    advice = known.remediation if known else ""
    if price is not None and price.reward.clear and price.reward.mean < 0:
        return f"Retrain rather than patch; the measured patch hurts. {advice}".strip()
    if not advice and price is not None:
        return f"{'; '.join(price.titles)}."
    return advice


def bundle(price: Price) -> str:
    """What the best set of remedies gains."""
    return (
        f"Played together over the policy on {number(price.episodes)} episodes, these change the "
        f"score by {show.points(price.reward)} per episode: {show.pays(price)[1]}. They change "
        f"{percent(price.share_changed)} of the decisions."
    )
