"""What a pass over a trace keeps of an episode: the longer the trace, the more that counts."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from cagexplain.analysis.fsm.circumstances import CircumstanceCounter
from cagexplain.analysis.fsm.counts import Counter
from cagexplain.analysis.fsm.dwell import DwellCounter
from cagexplain.analysis.metrics.collect import Collector as MetricsCollector
from cagexplain.analysis.reactions import counts as reaction_counts
from cagexplain.analysis.reactions import study_tables
from cagexplain.audit.autonomy import Warrants
from cagexplain.audit.checks import checks
from cagexplain.audit.judge import Tallies
from cagexplain.audit.playbook import Responses
from cagexplain.audit.profiles import load_profile
from cagexplain.facts.batch import Batch, Collector, Tables, run
from cagexplain.facts.view import Facts
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace

PARTS, EPISODES = 6, 8
"""Parts of the trace, and episodes of each."""
Make = Callable[[], list[Collector]]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """A policy that does much, in episodes of CC4's length."""
    folder = tmp_path_factory.mktemp("trace") / "t"
    seeds = np.arange(PARTS * EPISODES)
    Recording(folder, load_policy("restore_cycle"), seeds, batch=EPISODES).run()
    return open_trace(folder)


def report() -> list[Collector]:
    return [
        *(Counter(), CircumstanceCounter(), DwellCounter()),
        *(reaction_counts.Collector(), study_tables.Collector(), MetricsCollector()),
    ]


def audit() -> list[Collector]:
    facts = Facts()
    return [Tallies(checks(), facts, load_profile("default")), Warrants(facts), Responses()]


def first(trace: Trace, parts: int) -> Trace:
    return Trace(trace.path, replace(trace.manifest, parts=trace.manifest.parts[:parts]))


def memory(trace: Trace, make: Make) -> tuple[int, int]:
    """Bytes that are kept after a pass, and the most that there were during it."""
    collectors = make()
    tracemalloc.start()
    try:
        run(trace, collectors)
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("make", "most"), [(report, 40_000), (audit, 100_000)])
def test_little_is_kept_of_an_episode(trace: Trace, make: Make, most: int) -> None:
    """As plain arrays the counts of an episode take 170 kB for a report, 600 for an audit."""
    run(first(trace, 1), make())  # what is computed once
    few, many = memory(first(trace, 2), make), memory(trace, make)
    more = (PARTS - 2) * EPISODES
    for before, after in zip(few, many, strict=True):
        assert (after - before) / more < most


def test_a_part_is_gone_before_the_next_one_is_counted(trace: Trace) -> None:
    sizes: list[int] = []

    class Watch:
        tables: ClassVar[Tables] = {}

        def add(self, batch: Batch) -> None:
            assert batch.process is not None and batch.levels.any()
            sizes.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        run(trace, [Watch()])
    finally:
        tracemalloc.stop()
    assert len(sizes) == PARTS
    assert max(sizes[1:]) < 1.5 * sizes[0]
