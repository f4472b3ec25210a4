"""What patches are worth: each remedy played over the policy on the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from cagexplain.audit.results import Audit, Change, Price
from reports.audit.scale import change_bars
from reports.audit.verdict import STYLE
from reports.kit.sections import Section, gap, render
from reports.shared import findings as words
from reports.shared import show

_TITLE = "What patches are worth"


def section(audit: Audit) -> Section:
    """Make the section; a marked gap if nothing was priced."""
    if not audit.prices:
        html = gap("No patch was played.", "Only failures and warnings with a remedy have one.")
        return Section("prices", _TITLE, html, STYLE)
    prices = sorted(audit.prices, key=lambda price: -price.reward.mean)
    html = render(
        "audit/prices.html.j2",
        show=show,
        says=_says(prices),
        prices=list(zip(prices, change_bars([price.reward for price in prices]), strict=True)),
        bundle=audit.bundle,
        bundle_text=words.bundle(audit.bundle) if audit.bundle else "",
        members=_members(audit.bundle) if audit.bundle else [],
        known={finding.id for finding in audit.findings},
    )
    return Section("prices", _TITLE, html, STYLE)


def _members(bundle: Price) -> list[tuple[str, Change | None]]:
    """The remedies of a bundle, each with what it is worth by itself on the same episodes."""
    return list(zip_longest(bundle.titles, bundle.members))


def _says(prices: Sequence[Price]) -> str:
    gains = sum(show.pays(price)[0] == "better" for price in prices)
    harms = sum(show.pays(price)[0] == "worse" for price in prices)
    n = len(prices)
    return (
        f"Of {n} patch{'' if n == 1 else 'es'}, {gains or 'none'} surely win"
        f"{'s' * (gains == 1)} points, {harms or 'none'} surely make{'s' * (harms == 1)} things "
        f"worse, and {n - gains - harms or 'none'} {'has' if n - gains - harms == 1 else 'have'} "
        "no clear effect."
    )
