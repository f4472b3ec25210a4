"""Colours: the palette of Okabe and Ito (2008), which colour-blind readers can distinguish."""

from typing import Final

ACTIONS: Final = {
    "Analyse": "#56B4E9",
    "Monitor": "#CC79A7",
    "Remove": "#E69F00",
    "Restore": "#D55E00",
    "Sleep": "#999999",
    "AllowTrafficZone": "#F0E442",
    "BlockTrafficZone": "#0072B2",
    "DeployDecoy": "#009E73",
}
"""Blue's actions, alike in all figures."""

LEVELS: Final = {"clean": "#009E73", "user session": "#E69F00", "root session": "#D55E00"}
"""True compromise of a host."""

EVICTORS: Final = {
    "Remove": ACTIONS["Remove"],
    "Restore": ACTIONS["Restore"],
    "none: another blue action ended there": ACTIONS["Analyse"],
    "none: no blue action ended there": "#999999",
}
"""What blue had completed on a host where red lost its last session."""

EFFECTS: Final = {
    "evicted": "#009E73",
    "cleared unnoticed": "#56B4E9",
    "red stayed": "#D55E00",
    "host was clean": "#999999",
}
"""What a Remove or Restore did."""

EDGES: Final = {"red": "#D55E00", "blue": "#0072B2", "seen": "#6B7280", "own": "#AA4499"}
"""Transitions of the state machine."""

SHADES: Final = ("#FFFFFF", "#EFF3F8", "#DCE5F0", "#C2D2E6", "#A3BCDB")
"""Time spent in a state, little to much."""

EMPTY: Final = "#D5D9DF"
INK: Final = "#1B2430"
"""Of the light page."""


def contrast(colour: str) -> str:
    """Black or white, whichever reads better on a colour (relative luminance, WCAG 2.2)."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#FFFFFF"
