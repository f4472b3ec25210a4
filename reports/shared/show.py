"""How the numbers, places and names of an audit are shown."""

from __future__ import annotations

from typing import NamedTuple

from cagexplain.audit.results import Audit, Change, Effect, Measured, Price
from reports.kit import numbers
from reports.kit.numbers import NBSP, Amount
from reports.kit.terms import AXES, KNOWLEDGE, subnet


class Thresholds(NamedTuple):
    """What is good and what is bad, such as "≤ 10 steps" and "≥ 50 steps"."""

    good: str
    bad: str


def amount(value: float | None, unit: str) -> str:
    """A value in its unit; a dash if it is undefined."""
    return "–" if value is None else str(numbers.amount(value, unit))


def change(value: float, unit: str) -> str:
    """A difference in a unit, always with its sign."""
    return str(numbers.change(value, unit))


def value(measured: Measured) -> str:
    """What was measured."""
    if not measured.reached:
        least = measured.low
        beyond = "" if least is None else f" (beyond {amount(least, measured.unit)})"
        return f"not reached within an episode{beyond}"
    return amount(measured.value, measured.unit)


def limits(measured: Measured) -> str:
    """The interval of what was measured; empty without one."""
    if measured.low is None:
        return ""
    low = numbers.amount(measured.low, measured.unit)
    if measured.high is None:
        return f"{low} or more"
    return numbers.between(low, numbers.amount(measured.high, measured.unit))


def thresholds(measured: Measured) -> Thresholds | None:
    """What is good and what is bad; None for a number that is not judged."""
    if measured.good is None or measured.bad is None:
        return None
    signs = ("≥", "≤") if measured.better == "higher" else ("≤", "≥")
    good, bad = (
        f"{sign}{NBSP}{amount(threshold, measured.unit)}"
        for sign, threshold in zip(signs, (measured.good, measured.bad), strict=True)
    )
    return Thresholds(good, bad)


def judged_by(measured: Measured) -> str:
    """The same as words, also where nothing is judged."""
    judged = thresholds(measured)
    if judged is None:
        return "shown only, not judged"
    return f"good {judged.good}, bad {judged.bad}"


def ends(measured: Measured) -> list[str]:
    """What lies at the left and the right end of a bar; nothing without thresholds."""
    judged = thresholds(measured)
    if judged is None:
        return []
    shown = [f"good {judged.good}", f"bad {judged.bad}"]
    return shown if measured.better == "lower" else shown[::-1]


def points(change: Change) -> str:
    """A change of the return: +312 (280 to 346)."""
    return f"{signed_points(change.mean)} {interval(change)}"


def interval(change: Change, unit: str = "") -> str:
    """The limits of a change or a mean in brackets."""
    if change.low is None or change.high is None:
        return "(no interval)"
    low, high = (
        numbers.change(x, unit) if unit else Amount(_whole(x), "")
        for x in (change.low, change.high)
    )
    return f"({numbers.between(low, high)})"


def signed_points(mean: float) -> str:
    """A change of the return: always with a sign, whole from ten on."""
    return f"+{_whole(mean)}" if mean >= 0.05 else _whole(mean)


def _whole(points: float) -> str:
    if abs(points) < 0.05:
        return "0"
    return numbers.fixed(points, 0 if abs(points) >= 9.95 else 1)


def pays(price: Price) -> tuple[str, str]:
    """What following a remedy comes to: CSS class and words."""
    if not price.reward.clear:
        return "open", "no clear effect"
    return ("better", "pays") if price.reward.mean > 0 else ("worse", "makes things worse")


def place(name: str) -> str:
    """A subnet or host by CC4's name, readably: "restricted zone A, user host 3"."""
    zone, separator, host = name.partition("_subnet")
    if not separator:
        return name.replace("_", " ")
    rest = host.strip("_").replace("_", " ")
    return f"{subnet(zone)}, {rest}" if rest else subnet(zone)


def link(name: str) -> str:
    """A link by the names of its subnets, readably: "the link to office network from internet"."""
    return f"the link to {' from '.join(map(place, name.split(' from ')))}"


def episodes_of(audit: Audit) -> int | None:
    """How many episodes were audited, if the audit says so."""
    episodes = audit.play.get("episodes")
    return episodes if isinstance(episodes, int) else None


def steps_of(audit: Audit) -> int | None:
    """Steps of an episode, if the audit says so."""
    steps = audit.play.get("steps")
    return steps if isinstance(steps, int) else None


def name_of(audit: Audit) -> str:
    """Name of the policy."""
    return str(audit.policy.get("name", "unnamed"))


def reached(value: float | None, unit: str) -> str:
    """A value with or without a remedy: one that is missing was not reached, or is undefined."""
    if value is None:
        return "not reached" if unit == "steps" else "–"
    return amount(value, unit)


def turn(effect: Effect) -> str:
    """Whether a change is surely for the better or the worse."""
    if effect.change is None or not effect.change.clear:
        return "not sure"
    if effect.better is None:
        return "changed"
    return "better" if (effect.change.mean > 0) == (effect.better == "higher") else "worse"


def line(measured: Measured) -> str:
    """A number on a bar, for those who cannot see it."""
    interval = limits(measured)
    sure = f", 95{NBSP}% interval {interval}" if interval else ""
    return f"{measured.name}: {value(measured)}{sure}; {judged_by(measured)}"


def times(multiple: Change | None) -> str:
    """How many times as much as the policy may lose: 1.8 times."""
    return "–" if multiple is None else f"{numbers.fixed(multiple.mean, 2)}{NBSP}times"


def times_limits(multiple: Change | None) -> str:
    """The limits of that, in brackets; empty without."""
    if multiple is None or multiple.low is None or multiple.high is None:
        return ""
    low, high = (Amount(numbers.fixed(x, 2), "") for x in (multiple.low, multiple.high))
    return f"({numbers.between(low, high)})"


def share_limits(share: Change) -> str:
    """The limits of a share in brackets."""
    if share.low is None or share.high is None:
        return "(no interval)"
    low, high = (numbers.amount(x, "share") for x in (share.low, share.high))
    return f"({numbers.between(low, high)})"


def agent(name: str) -> str:
    """An agent by CC4's name, readably: "blue agent 3"."""
    return name.replace("_", " ")


def axis(name: str) -> str:
    """What checks of an axis are about; the name itself if this version does not know it."""
    return next((term.short for axis, term in AXES.items() if axis == name), name)


def judged_on(knowledge: str) -> str:
    """What a check judges on, as a sentence; empty if this version does not know it."""
    return next((f"Judged on {text}." for key, text in KNOWLEDGE.items() if key == knowledge), "")
