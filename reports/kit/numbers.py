"""Numbers as text: each kind of value is rounded in one place, here.

Minus signs are true ones, thousands are set apart by commas, and a no-break space stands before a
unit. A value that rounds to zero has no sign.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

NBSP: Final = "\u00a0"

_UNITS: Final = {
    "steps": "steps",
    "bits": "bits",
    "per episode": "per episode",
    "per 100 steps": "per 100 steps",
    "per 100 decisions": "per 100 decisions",
}
"""What stands behind a number in the unit of a check; other units have no word."""
_SHARES: Final = ("share", "difference of shares")


class Amount(NamedTuple):
    """A value in its unit as text; the unit is empty where a number has none."""

    figure: str
    unit: str

    def __str__(self) -> str:
        return f"{self.figure}{NBSP}{self.unit}" if self.unit else self.figure


def fixed(value: float, digits: int = 0) -> str:
    """With so many decimals: −1,234.5."""
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−") if text.strip("-0.") else text.lstrip("-")


def signed(value: float, digits: int | None = None) -> str:
    """The same, with a sign in any case; with three digits that count if none are given."""
    text = decimal(value) if digits is None else fixed(value, digits)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def number(value: float) -> str:
    """A whole number: 1234.4 as 1,234."""
    return fixed(value)


def decimal(value: float) -> str:
    """Three digits that count: 1,234, 71.2, 0.036."""
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2
    return fixed(value, 3 if 0 < size < 0.1 else digits)


def compact(value: int) -> str:
    """Counts in a few characters: 9,876, 12.3k, 123k, 1.2M."""
    if value < 10_000:
        return number(value)
    size, unit = (1e6, "M") if value >= 1e6 else (1e3, "k")
    return f"{fixed(value / size, 0 if value >= 100 * size else 1)}{unit}"


def roughly(count: int) -> str:
    """An estimated number, with the two digits that it can bear at most: 3,000 for 2,999."""
    return number(round(count, 2 - len(str(count))))


def percent(share: float | None, digits: int | None = None) -> str:
    """0.613 as 61 %; small shares keep a decimal."""
    return "–" if share is None else str(_percent(share, digits))


def _percent(share: float, digits: int | None = None) -> Amount:
    value = 100 * share
    if digits is None:
        digits = 0 if value == 0 or value >= 9.95 else 1
    text = fixed(value, digits)
    if value < 100 <= round(value, digits):  # nearly all is not all
        text = fixed(value, 1) if value < 99.95 else ">99.9"
    if 0 < value < 0.05 and digits == 1:
        text = "<0.1"
    return Amount(text, "%")


def percent_change(share: float) -> Amount:
    """A difference of shares in per cent of a whole, with its sign: +4.0 %."""
    if abs(share) < 0.0005:  # a sign before "<0.1 %" reads as nothing
        return Amount("0.0" if share else "0", "%")
    return Amount(f"{'−' if share < 0 else '+'}{_percent(abs(share)).figure}", "%")


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign: +12.3 pp."""
    return f"{signed(100 * difference, 1)}{NBSP}pp"


def amount(value: float, unit: str) -> Amount:
    """A value in the unit of a check or a metric.

    A difference of shares comes with its sign, in percentage points. Units that are not known are
    left out.
    """
    if unit == "share":
        return _percent(value)
    if unit == "difference of shares":
        return Amount(signed(100 * value), "percentage points")
    word = _UNITS.get(unit, "")
    return Amount(decimal(value), "step" if unit == "steps" and abs(value) == 1 else word)


def change(value: float, unit: str) -> Amount:
    """A difference in a unit, always with its sign."""
    if unit in _SHARES:
        return amount(value, "difference of shares")
    return Amount(signed(value), amount(value, unit).unit)


def between(low: Amount, high: Amount) -> str:
    """Both limits of an interval, whose unit is named once: 64 to 80 steps."""
    return f"{low.figure} to {high}"


def interval(low: float | None, high: float | None, text: Callable[[float], str]) -> str:
    """Both limits of an interval, each as `text` has it; or that there is none."""
    return "no interval" if low is None or high is None else f"{text(low)} to {text(high)}"


def p_value(p: float | None) -> str:
    """A p-value with as many digits as mean something."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """The same to go on after "p": = 0.012, < 0.001."""
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"


def short(value: float) -> str:
    """A round number in few characters, exactly: 2,000,000 as 2M, 50,000 as 50k."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def plain(value: float | None, unit: str) -> str:
    """A value of a metric without its unit; shares in per cent, with a decimal."""
    if value is None:
        return "–"
    return percent(value, 1) if unit == "share" else decimal(value)
