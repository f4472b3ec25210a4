"""Figure 8 of the study for every sample."""

from __future__ import annotations

from cagexplain.analysis.compare.comparison import Comparison
from reports.drawings.fsm_small import favourite, small_picture
from reports.kit import palette
from reports.kit.sections import Section, render


def section(comparison: Comparison) -> Section:
    """Make the section with figure 8 of the study for every sample."""
    html = render(
        "compare/favourites.html.j2",
        asks="Which action does each choose most often on hosts of each state?",
        says=_agreement(comparison),
        samples=comparison.samples,
        pictures=[
            small_picture(sample.favourites, mixes=sample.views["targeted"])
            for sample in comparison.samples
        ],
        rows=list(zip(*(sample.favourites for sample in comparison.samples), strict=True)),
        favourite=favourite,
        kinds=[share.name for share in comparison.samples[0].views["targeted"][0].shares],
        colours=palette.ACTIONS,
    )
    return Section("favourites", "Most chosen actions", html)


def _agreement(comparison: Comparison) -> str:
    rows = list(zip(*(sample.favourites for sample in comparison.samples), strict=True))
    known = [row for row in rows if all(favourite.action is not None for favourite in row)]
    if not known:
        return "No state has enough decisions of all of them."
    clear = [row for row in known if all(favourite.clear for favourite in row)]
    if not clear:
        return "In no state does each of them have a clear first choice."
    same = sum(len({favourite.action for favourite in row}) == 1 for row in clear)
    return (
        f"In {len(clear)} of {len(known)} states that all of them act in, each has a clear first "
        f"choice; it is the same in {same}."
    )
