"""No reactions are found in policies that look at nothing.

`benchmarks.false_discovery` does the same with more and larger sets.
"""

from pathlib import Path

import pytest
from scipy.stats import binom

from benchmarks.false_discovery import discoveries, sets
from cagexplain.analysis.reactions.counts import Collector, ReactionCounts
from cagexplain.analysis.reactions.tests import ALPHA
from cagexplain.facts.batch import run
from tests.support.planted import record

pytestmark = pytest.mark.slow

SIZE, SETS = 6, 6


def counts_of(policy: str, folder: Path) -> ReactionCounts:
    collector = Collector()
    run(record(folder, policy, SIZE * SETS, first_seed=4000, steps=350), [collector])
    return collector.counts


@pytest.mark.parametrize("policy", ["random", "restores_first_servers"])
def test_chance_and_preferences_are_no_reactions(policy: str, tmp_path: Path) -> None:
    counts = counts_of(policy, tmp_path / "t")
    results = list(sets(counts, SIZE))
    assert len(results) == SETS
    assert all(found.answer.tests > 50 for found in results)
    wrong = sum(discoveries(found)[0] for found in results)
    assert wrong <= binom.ppf(0.99, SETS, ALPHA)
    # All together, where smaller biases would show.
    assert next(sets(counts, SIZE * SETS)).answer.verdict == "no"


@pytest.mark.parametrize("policy", ["sleep", "analyse_cycle", "every_tenth", "block_allow_cycle"])
def test_habits_are_no_reactions(policy: str, tmp_path: Path) -> None:
    counts = counts_of(policy, tmp_path / "t")
    for found in (*sets(counts, SIZE), *sets(counts, SIZE * SETS)):
        assert discoveries(found) == (False, False)
        assert found.answer.verdict == "no"
        assert found.answer.consistency == pytest.approx(0, abs=0.05)
