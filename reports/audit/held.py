"""How many hosts red holds over the episode, between a good defender and none, as a diagram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cagexplain.audit.references import GOOD, NOTHING
from cagexplain.audit.results import Audit, HeldHosts
from reports.kit import numbers
from reports.kit.charts import Chart, Frame, Line, Tick, ticks
from reports.kit.numbers import NBSP, number

_TITLE: Final = "Hosts that red holds"
_ROOM: Final = 1.05
"""How much higher the diagram is than its highest point."""
_STEPS: Final = 100
"""Steps between the points that are told to those who cannot see the diagram."""
_LOOKS: Final = {
    "": ("look0", "this policy"),
    GOOD: ("look2", f"{GOOD}, a good defender"),
    NOTHING: ("look1", "Sleep: nobody defends"),
}
"""How the policy and the references look and what they are called."""


@dataclass(frozen=True)
class Drawing:
    """The diagram, its key and the sentences below it.

    Attributes:
        chart: with a line for the policy and each reference.
        key: look and name of each line.
        says: what it comes to.
        rests_on: episodes behind it.
    """

    chart: Chart
    key: Sequence[tuple[str, str]]
    says: str
    rests_on: str


def drawing(audit: Audit) -> Drawing | None:
    """Draw the hosts held; None in an audit of before they were counted."""
    policy = audit.held
    if policy is None:
        return None
    by_name = {reference.name: reference.held for reference in audit.references}
    curves = {"": policy} | {
        name: held for name in (GOOD, NOTHING) if (held := by_name.get(name)) is not None
    }
    end = policy.every * len(policy.mean)
    top = max(max((*held.mean, *held.high)) for held in curves.values())
    frame = Frame(end, max(_ROOM * top, 1.0), width=380, height=210, left=30)
    chart = Chart(
        _TITLE,
        " ".join(_spoken(_LOOKS[name][1], held) for name, held in curves.items()),
        frame,
        [Tick(frame.x(step), number(step)) for step in ticks(0, end, wanted=5)],
        [Tick(frame.y(hosts), number(hosts)) for hosts in ticks(0, frame.y_most)],
        "step",
        [_line(frame, *_LOOKS[name], held) for name, held in reversed(curves.items())],
    )
    return Drawing(chart, [_LOOKS[name] for name in curves], _says(curves), _rests_on(curves))


def _line(frame: Frame, look: str, name: str, held: HeldHosts) -> Line:
    middle, low, high = (
        [(held.every * i, value) for i, value in enumerate(values)]
        for values in (held.mean, held.low, held.high)
    )
    return Line(name, look, frame.line(middle), frame.band(low, high))


def _spoken(name: str, held: HeldHosts) -> str:
    points = ", ".join(
        f"{numbers.decimal(held.mean[i])} at step {held.every * i}"
        for i in range(0, len(held.mean), _STEPS // held.every)
    )
    return f"{name[:1].upper()}{name[1:]}: {points}."


def _says(curves: dict[str, HeldHosts]) -> str:
    """Where the curves end."""
    held = curves[""]
    last = held.every * (len(held.mean) - 1)
    limits = ""
    if held.low:
        low, high = (numbers.decimal(x) for x in (held.low[-1], held.high[-1]))
        limits = f" (95{NBSP}% interval {low} to {high})"
    others = [
        f"{numbers.decimal(curves[name].mean[-1])} {words}"
        for name, words in ((GOOD, f"with {GOOD}"), (NOTHING, "if nobody defends"))
        if name in curves
    ]
    return (
        f"At step {last} red holds {numbers.decimal(held.mean[-1])} of the {number(held.hosts)} "
        f"defended hosts on average{limits}{'; ' if others else ''}{', '.join(others)}."
    )


def _rests_on(curves: dict[str, HeldHosts]) -> str:
    text = (
        f"Mean of {number(curves[''].episodes)} episodes; the band is the 95{NBSP}% interval of "
        "the mean at each step."
    )
    others = [held.episodes for name, held in curves.items() if name]
    return f"{text} References: {number(others[0])} episodes on other seeds." if others else text
