"""Random tables of red."""

import numpy as np
from hypothesis import strategies as st

from cagexplain.cc4.red_table import MAY_BE_UNVISITED, PAYOFFS, STATES, RedTable, allowed


def random_table(seed: int) -> RedTable:
    """A table with every habit by chance, some entries of it large and some missing."""
    draw = np.random.default_rng(seed)
    impacts = "held" if draw.random() < 0.5 else "free"
    usable = allowed(impacts)  # type: ignore[arg-type]
    table = np.zeros(usable.shape)
    for state in STATES:
        row = draw.random(usable.shape[1]) ** 3 * usable[state] * (draw.random() + 0.01)
        row *= draw.random(len(row)) < 0.7
        plain = row.copy()
        if state in MAY_BE_UNVISITED:
            plain[list(PAYOFFS)] = 0.0
        if not plain.any():
            row[0] = 1.0  # a sweep is possible everywhere
        table[state] = row / row.sum()
    weights = np.zeros(len(table))
    weights[list(STATES)] = draw.random(len(STATES)) ** 4 * (draw.random(len(STATES)) < 0.8)
    return RedTable(
        f"random-{seed}",
        "drawn at random",
        table,
        weights if weights.any() and draw.random() < 0.7 else None,
        tuple(draw.integers(1, 5, usable.shape[1]).tolist()) if draw.random() < 0.4 else None,
        prefer_servers=bool(draw.random() < 0.5),
        own_sessions=bool(draw.random() < 0.5),
        source="live" if draw.random() < 0.5 else "any",
        impacts=impacts,  # type: ignore[arg-type]
    )


def tables() -> st.SearchStrategy[RedTable]:
    """Such tables, for hypothesis."""
    return st.integers(0, 10_000).map(random_table)
