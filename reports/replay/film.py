"""A step of an episode as a picture of its own, for papers and films: light, on white."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup

from cagexplain.analysis.episodes.frames import frame
from cagexplain.analysis.episodes.timeline import Timeline
from cagexplain.analysis.fsm.analyse import RunFacts
from reports.drawings.network import WIDE, lay_out
from reports.drawings.network_acts import Acts
from reports.drawings.standalone import light_style
from reports.kit import terms
from reports.kit.sections import render
from reports.shared import replay_words as words
from reports.shared.replay import look, needed

_MARGIN: Final = 20
_TOP: Final = 62
_BELOW: Final = 66
_KEY: Final = (
    (0, "l0", "clean"),
    (90, "l1", "red: user session"),
    (245, "l2", "red: root session"),
    (400, "l0 b-SD", "letters, rim: red’s belief"),
    (595, "l0 p", "alert"),
    (680, "l0 d", "decoy"),
)


class Film:
    """The steps of an episode.

    Args:
        timeline: of the episode.
        facts: about the trace that it is from.
    """

    def __init__(self, timeline: Timeline, facts: RunFacts) -> None:
        self._timeline = timeline
        self._title = f"{facts.name} against {facts.red}, episode {timeline.episode}"
        self._drawing = lay_out(timeline, WIDE)
        self._acts = Acts(self._drawing, timeline, words.BLUE_VERBS, terms.RED_VERBS)
        self._style = light_style("svg.map", "shared/timeline.css", "shared/replay.css")
        rewards = zip(*timeline.rewards.values(), strict=True)
        self._totals: list[float] = []
        total = 0.0
        for step, parts in enumerate(rewards):
            total += sum(parts) * (step < timeline.counted)
            self._totals.append(total)

    def picture(self, step: int) -> str:
        """A step as an SVG file that needs no page around it."""
        now = frame(self._timeline, step)
        return re.sub(
            r"\n+",
            "\n",
            render(
                "replay/film.svg.j2",
                width=WIDE.width + 2 * _MARGIN,
                height=round(_TOP + self._drawing.height + _BELOW),
                margin=_MARGIN,
                top=_TOP,
                title=self._title,
                says=words.situation(now),
                total=self._totals[step],
                style=Markup(self._style),  # our own sheets
                drawing=self._drawing,
                frame=now,
                look=look,
                gates={
                    (block.zone, block.source): " shut needed"
                    if needed(block, now.phase)
                    else " shut"
                    for block in now.blocks
                },
                swept=self._acts.swept(now),
                acts=list(self._acts.of(now)),
                key=_KEY,
                steps=self._timeline.steps,
            ),
        )
