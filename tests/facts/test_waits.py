from dataclasses import fields

import numpy as np

from cagexplain.facts.incidents import NEVER, Incidents
from cagexplain.facts.waits import Moment, waits


def test_times_are_censored_where_the_incident_was_last_looked_at() -> None:
    """An incident over steps 2 to 6, cleared at 7, and one from 4 on that outlasts the ten steps:
    what blue did is seen up to step 6 and 9, whether red has left one step longer."""
    columns = {field.name: np.full(2, NEVER, dtype=np.int32) for field in fields(Incidents)}
    columns |= {"on": np.array([2, 4]), "clear": np.array([7, NEVER]), "end": np.array([7, 10])}
    columns["response"] = np.array([NEVER, 6])
    incidents = Incidents(**columns)
    expected: dict[tuple[Moment, Moment], tuple[list[int], list[bool]]] = {
        ("on", "clear"): ([5, 6], [True, False]),
        ("on", "response"): ([4, 2], [False, True]),
        ("response", "clear"): ([4], [False]),
    }
    for moments, (length, seen) in expected.items():
        times = waits(incidents, *moments)
        assert (times.duration.tolist(), times.hit.tolist()) == (length, seen)
