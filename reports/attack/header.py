"""What stands above the sections: whose page it is, and the figures that matter."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from cagexplain.attack import figures as computed
from cagexplain.attack.results import AttackResult
from reports.attack import figures
from reports.attack.figures import Figure
from reports.kit import numbers
from reports.kit.sections import Tile, render

FEW = 30
"""With fewer held-out episodes the page warns."""


def header(result: AttackResult) -> Markup:
    """Make the head of the page."""
    search = result.search
    return render(
        "attack/header.html.j2",
        name=str(result.policy.get("name", "unnamed")),
        result=result,
        episodes=len(result.worst.policy),
        tiles=_tiles(result),
        few=len(result.worst.policy) < FEW,
        unfinished=len(search.history) < search.planned,
        generations=(len(search.history), search.planned),
    )


def _tiles(result: AttackResult) -> Iterator[Tile]:
    standard, worst = result.standard, result.worst
    yield _tile(figures.points(computed.mean(standard.policy)), "return under CC4’s own red")
    yield _tile(figures.points(computed.mean(worst.policy)), f"return under {worst.key}")
    without = computed.mean(worst.policy, "without-contractor")
    yield _tile(figures.points(without), "of it without the contractor network")
    before = figures.share(computed.averted(standard)).value
    averted = figures.share(computed.averted(worst))
    yield _tile(averted, "of Sleep’s loss averted", f"{before} under CC4’s own red; ")
    root = worst.root
    yield Tile(
        numbers.decimal(root.held),
        "defended hosts with root at a time",
        f"{numbers.decimal(standard.root.held)} under CC4’s own red",
    )


def _tile(figure: Figure, name: str, before: str = "") -> Tile:
    interval = f"95{numbers.NBSP}% interval {figure.limits}" if figure.limits else "no interval"
    return Tile(figure.value, name, f"{before}{interval}")
