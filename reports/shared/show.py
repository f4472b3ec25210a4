"""The audit's numbers and verdicts in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cagexplain.audit.check import Severity
from cagexplain.audit.results import Audit, Change, Effect, Measured, Price, Verdict
from reports.kit.numbers import NBSP, number, percent


@dataclass(frozen=True)
class Look:
    """How a verdict is shown: never by its colour alone.

    Attributes:
        icon, word: beside each other.
        style: CSS class.
        means: for the key, as a sentence.
    """

    icon: str
    word: str
    style: str
    means: str


VERDICTS: Final[dict[Verdict, Look]] = {
    "FAIL": Look("✗", "Fail", "fail", "The whole interval lies beyond the border to “bad”."),
    "ERROR": Look("∅", "Error", "error", "The check itself could not be carried out."),
    "WARN": Look("!", "Warning", "warn", "The whole interval lies between “good” and “bad”."),
    "INCONCLUSIVE": Look(
        "?",
        "Inconclusive",
        "open",
        "The interval reaches over a border, or there are too few data.",
    ),
    "PASS": Look("✓", "Pass", "pass", "The whole interval lies beyond the border to “good”."),
    "NOT_APPLICABLE": Look(
        "–", "Not applicable", "none", "The check has nothing to judge in this audit."
    ),
}
"""In the order in which they ask for attention."""

AXES: Final = {
    "practice": "what it does",
    "outcome": "what comes of it",
    "health": "health of the policy",
    "robustness": "robustness",
    "meta": "the explanation",
}
"""What a check is about."""

KNOWLEDGE: Final = {
    "obs": "Judged only on what the agents could see.",
    "truth": "Judged on the simulator’s truth, which the agents cannot see.",
}

GROUPS: Final = {
    "alerts": "Alerts",
    "red": "Attacker",
    "length": "Length",
    "network": "Network",
    "training": "Training",
}
"""What a variation changes."""

_SUFFIXES: Final = {
    **{"ticks": "ticks", "bits": "bits"},
    **{unit: unit for unit in ("per episode", "per 100 ticks", "per 100 decisions")},
}
_SHARES: Final = ("share", "difference of shares")


def decimal(value: float) -> str:
    """Three digits that count, with a true minus sign: 1,234, 71.2, 0.036."""
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2
    if 0 < size < 0.1:
        digits = 3
    return f"{value:,.{digits}f}".replace("-", "−")


def roughly(count: int) -> str:
    """An estimated number, with the two digits that it can bear at most: 3,000 for 2,999."""
    return number(round(count, 2 - len(str(count))))


def signed(value: float) -> str:
    """The same, always with a sign."""
    return f"+{decimal(value)}" if value > 0 else decimal(value)


def amount(value: float | None, unit: str) -> str:
    """A value in its unit; a dash if it is undefined."""
    if value is None:
        return "–"
    if unit == "share":
        return percent(value)
    if unit == "difference of shares":
        return f"{signed(100 * value)}{NBSP}percentage points"
    suffix = "tick" if unit == "ticks" and abs(value) == 1 else _SUFFIXES.get(unit, "")
    return f"{decimal(value)}{NBSP}{suffix}" if suffix else decimal(value)


def change(value: float, unit: str) -> str:
    """A difference in a unit, always with a sign."""
    if unit in _SHARES:
        return f"{signed(100 * value)}{NBSP}percentage points"
    return amount(value, unit) if value <= 0 else f"+{amount(value, unit)}"


def value(found: Measured) -> str:
    """What was measured."""
    if not found.reached:
        floor = f" (beyond {amount(found.low, found.unit)})" if found.low is not None else ""
        return f"not reached within an episode{floor}"
    return amount(found.value, found.unit)


def limits(found: Measured) -> str:
    """The interval of what was measured; empty without one."""
    if found.low is None:
        return ""
    if found.high is None:
        return f"{amount(found.low, found.unit)} or more"
    return between(found.low, found.high, found.unit)


def between(low: float, high: float, unit: str) -> str:
    """Both limits in a unit, which is named once."""
    return _between(amount(low, unit), amount(high, unit))


def _between(first: str, last: str) -> str:
    _, _, suffix = last.partition(NBSP)
    return f"{first.removesuffix(f'{NBSP}{suffix}') if suffix else first} to {last}"


def borders(found: Measured) -> str:
    """What is good and what is bad; that nothing is, where there are no borders."""
    if found.good is None or found.bad is None:
        return "shown only, not judged"
    signs = ("≥", "≤") if found.better == "higher" else ("≤", "≥")
    good, bad = (
        f"{sign}{NBSP}{amount(border, found.unit)}"
        for sign, border in zip(signs, (found.good, found.bad), strict=True)
    )
    return f"good {good}, bad {bad}"


def ends(found: Measured) -> list[str]:
    """What lies at the left and the right end of a bar; nothing without borders."""
    if found.good is None or found.bad is None:
        return []
    good, bad = borders(found).split(", ")
    return [good, bad] if found.better == "lower" else [bad, good]


def points(found: Change) -> str:
    """A change of the return: +312 (280 to 346)."""
    return f"{signed_points(found.mean)} {interval(found)}"


def interval(found: Change, unit: str = "") -> str:
    """The limits of a change or a mean in brackets."""
    if found.low is None or found.high is None:
        return "(no interval)"
    show = (lambda x: change(x, unit)) if unit else _whole
    return f"({_between(show(found.low), show(found.high))})"


def signed_points(mean: float) -> str:
    """A change of the return: always with a sign, whole from ten on."""
    text = _whole(mean)
    return text if mean <= 0 or text == "0" else f"+{text}"


def _whole(found: float) -> str:
    text = number(found) if abs(found) >= 9.95 else f"{found:.1f}".replace("-", "−")
    return "0" if text in ("−0", "−0.0", "0.0") else text


def pays(price: Price) -> tuple[str, str]:
    """What following a remedy comes to: CSS class and words."""
    if not price.reward.clear:
        return "open", "no clear effect"
    return ("better", "pays") if price.reward.mean > 0 else ("worse", "makes things worse")


def place(name: str) -> str:
    """A subnet or host by CC4's name, readably: "restricted zone a: user host 3"."""
    zone, found, host = name.partition("_subnet")
    text = zone.replace("_", " ")
    for letter in "ab":
        text = text.replace(f"zone {letter}", f"zone {letter.upper()}")
    rest = host.strip("_").replace("_", " ")
    return f"{text}, {rest}" if found and rest else text


def episodes_of(audit: Audit) -> int | None:
    """How many episodes were audited, if the audit says so."""
    found = audit.play.get("episodes")
    return found if isinstance(found, int) else None


def steps_of(audit: Audit) -> int | None:
    """Steps of an episode, if the audit says so."""
    found = audit.play.get("steps")
    return found if isinstance(found, int) else None


def name_of(audit: Audit) -> str:
    """Name of the policy."""
    return str(audit.policy.get("name", "unnamed"))


def severity(grade: Severity, n: int) -> str:
    """How many findings of a severity there are: "2 critical"."""
    return f"{n} {grade}"


def reached(found: float | None, unit: str) -> str:
    """A value with or without a remedy: one that is missing was not reached, or is undefined."""
    if found is None:
        return "not reached" if unit == "ticks" else "–"
    return amount(found, unit)


def turn(effect: Effect) -> str:
    """Whether a change is surely for the better or the worse."""
    if effect.change is None or not effect.change.clear:
        return "not sure"
    if effect.better is None:
        return "changed"
    return "better" if (effect.change.mean > 0) == (effect.better == "higher") else "worse"


def line(found: Measured) -> str:
    """A number on a bar, for those who cannot see it."""
    its = limits(found)
    sure = f", 95{NBSP}% interval {its}" if its else ""
    return f"{found.name}: {value(found)}{sure}; {borders(found)}"


def lost(share: Change | None) -> str:
    """What a condition does to the lead over Sleep: −4 % where it costs some of it."""
    return "–" if share is None else _percent(-share.mean)


def lost_limits(share: Change | None) -> str:
    """The limits of that, in brackets; empty without."""
    if share is None or share.low is None or share.high is None:
        return ""
    return f"({_between(_percent(-share.high), _percent(-share.low))})"


def _percent(share: float) -> str:
    if 0 < abs(share) < 0.0005:  # a sign before "<0.1 %" reads as nothing
        return f"0.0{NBSP}%"
    return ("−" if share < 0 else "+" if share > 0 else "") + percent(abs(share))


def agent(name: str) -> str:
    """An agent by CC4's name, readably: "blue agent 3"."""
    return name.replace("_", " ")
