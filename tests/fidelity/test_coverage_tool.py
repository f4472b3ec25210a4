"""The instrumenter of benchmarks/coverage.py on a small function, run by Python itself."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.coverage import Coverage, Place, instrumented

SOURCE = '''"""A module."""

@jit
def rule(n, m):
    """A rule."""
    total = 0
    for k in range(n):
        if k == 1 and m > 0:
            break
        total += 2 if m else 1
    while m > 0:
        m -= 1
    if n > 5:
        return -1
    return total

def helper(n):
    return 1 if n else 0
'''


def _run(*calls: tuple[int, int]) -> tuple[list[int], set[str]]:
    """Results of calls of ``rule``, and the names of the places that they reached."""
    places: list[Place] = []
    source = instrumented(SOURCE, "made_up.py", places)
    reached: set[int] = set()

    def decide(place: int, value: Any) -> Any:
        reached.add(place if value else place + 1)
        return value

    imported = "from cagexplain.sim.branch_hits import decide, hit\n"
    assert imported in source
    names: dict[str, Any] = {"jit": lambda f: f, "hit": reached.add, "decide": decide}
    exec(source.replace(imported, ""), names)
    rule: Callable[[int, int], int] = names["rule"]
    results = [rule(*call) for call in calls]
    return results, {f"{places[k].text} {places[k].outcome}".strip() for k in reached}


def test_places_are_the_outcomes_of_compiled_functions() -> None:
    places: list[Place] = []
    instrumented(SOURCE, "made_up.py", places)
    assert [(p.line, p.text, p.outcome, p.operand) for p in places if p.outcome != "false"] == [
        (4, "", "entered", False),
        (7, "for k in range(n)", "body", False),
        (7, "for k in range(n)", "end", False),
        (8, "k == 1 and m > 0", "true", False),
        (8, "k == 1", "true", True),
        (8, "m > 0", "true", True),
        (10, "m", "true", False),
        (11, "m > 0", "true", False),
        (13, "n > 5", "true", False),
    ]
    assert {p.function for p in places} == {"rule"}


def test_imports_come_where_they_may() -> None:
    assert instrumented('"""Nothing."""', "made_up.py", []).startswith('"""Nothing."""\nfrom cage')
    future = "from __future__ import annotations\n"
    assert instrumented(future + "import os", "made_up.py", []).startswith(future + "from cage")


def test_decorators_may_have_arguments() -> None:
    places: list[Place] = []
    instrumented("@jit(inline='always')\ndef rule(n):\n    return n", "made_up.py", places)
    assert places == [Place("made_up.py", "rule", "", "entered")]


def test_places_of_one_name_are_numbered() -> None:
    places: list[Place] = []
    instrumented(SOURCE, "made_up.py", places)
    assert [p.nth for p in places if p.text == "m > 0" and p.outcome == "true"] == [1, 2]


def test_an_instrumented_function_does_the_same_and_notes_its_way() -> None:
    results, reached = _run((0, 0))
    assert results == [0]
    assert reached == {"entered", "for k in range(n) end", "m > 0 false", "n > 5 false"}


def test_a_broken_loop_did_not_run_to_its_end() -> None:
    results, reached = _run((3, 1))
    assert results == [2]
    assert reached == {
        "entered",
        "for k in range(n) body",
        "k == 1 true",
        "k == 1 false",
        "m > 0 true",
        "m > 0 false",
        "k == 1 and m > 0 true",
        "k == 1 and m > 0 false",
        "m true",
        "n > 5 false",
    }


def test_what_is_excused_must_exist_and_stay_unreached(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Place("f.py", "f", "a", "true"), Place("f.py", "f", "a", "false")
    gone = Place("f.py", "f", "b", "true")
    monkeypatch.setattr("benchmarks.coverage._excused", lambda: iter([one, gone]))
    assert Coverage([one, two], reached=set()).missing == [two]
    assert Coverage([one, two], reached={0, 1}).wrong_excuses == [one, gone]
    assert Coverage([one, two], reached={1}).wrong_excuses == [gone]
