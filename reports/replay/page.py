"""The page about one episode: the map of the network, and the time line that goes with it."""

from __future__ import annotations

from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.analysis.fsm.analyse import RunFacts
from reports.kit.layout import Chapter, layout
from reports.kit.sections import render
from reports.shared import timeline as episodes


def replay_page(timeline: Timeline, facts: RunFacts) -> str:
    """Make the page, one self-contained HTML document.

    Args:
        timeline: of the episode.
        facts: about the trace that it is from.
    """
    return layout(
        title=f"{facts.name}: episode {timeline.episode}",
        header=render("replay/header.html.j2", timeline=timeline, facts=facts),
        chapters=[Chapter("Replay", [episodes.section([timeline])])],
        footer=f"From the trace “{facts.trace}”.",
    )
