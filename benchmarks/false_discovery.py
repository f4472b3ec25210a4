"""How often reactions are found in policies that do not react.

    python -m benchmarks.false_discovery [REPETITIONS] [EPISODES] [POLICY ...]

Records REPETITIONS (200 by default) independent sets of EPISODES (20) full episodes of policies
that look at nothing, and analyses each set by itself. A set with any significant reaction is a
false discovery. The claim is that their share does not exceed the nominal 5 %; columns "p" tell
with which chance a test of exactly 5 % errs at least as often, and 0.1 % is too little. The same
is claimed of the dependence of an agent's actions on alert patterns, whose tests are adjusted by
themselves. Five sets together are analysed as well, where smaller biases would show.

The control is a policy that does react: five sets together must show it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from benchmarks.command import COUNT, CannotMeasure, benchmark
from cagexplain.analysis.reactions.counts import Collector, ReactionCounts
from cagexplain.analysis.reactions.find import summarise
from cagexplain.analysis.reactions.results import Reactions
from cagexplain.analysis.reactions.tests import ALPHA
from cagexplain.facts.batch import run
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace

POLICIES: Final = (
    *("random", "sleep"),
    *("analyse_cycle", "restore_cycle", "remove_cycle", "decoy_cycle"),
    *("block_allow_cycle", "block_all_then_sleep"),
)
CONTROL: Final = "reactive_remove"
SURE: Final = 0.001
FIRST_SEED: Final = 600_000
_TOGETHER: Final = 5


def count(policy: str, episodes: int, at_once: int = 200) -> ReactionCounts:
    """What the analysis of reactions counts in fresh episodes, which are not kept."""
    collector = Collector()
    for first in range(0, episodes, at_once):
        seeds = FIRST_SEED + np.arange(first, min(first + at_once, episodes))
        with tempfile.TemporaryDirectory() as folder:
            Recording(Path(folder), load_policy(policy), seeds).run()
            run(open_trace(folder), [collector])
    return collector.counts


def sets(counts: ReactionCounts, size: int) -> Iterator[Reactions]:
    """The analyses of the sets, one after another."""
    for some in counts.sets(size):
        yield summarise(some, observed=True)


def discoveries(result: Reactions) -> tuple[bool, bool]:
    """Whether anything is significant: reactions, dependence on alert patterns."""
    reactions = any(reaction.significant for reaction in result.reactions)
    adjusted = [d.adjusted_p for d in result.dependence if d.adjusted_p is not None]
    return reactions, any(p < ALPHA for p in adjusted)


@benchmark(__doc__)
@click.argument("repetitions", type=click.IntRange(min=_TOGETHER), default=200)
@click.argument("episodes", type=COUNT, default=20)
@click.argument("policies", metavar="[POLICY]...", nargs=-1)
def command(repetitions: int, episodes: int, policies: Sequence[str]) -> Sequence[str]:
    """Prints the table, line by line as it is found."""
    control = next(sets(count(CONTROL, _TOGETHER * episodes), _TOGETHER * episodes))
    if not all(discoveries(control)):
        raise CannotMeasure(f"{_TOGETHER * episodes} episodes do not show that '{CONTROL}' reacts")
    false: list[str] = []
    console = Console(width=120)
    table = Table(
        *("policy", "episodes", "sets", "tests", "reactions", "p", "dependence", "p"),
        title="sets with a false discovery at 5 %",
    )
    for policy in policies or POLICIES:
        counts = count(policy, repetitions * episodes)
        for size in (episodes, _TOGETHER * episodes):
            results = list(sets(counts, size))
            wrong = np.array([discoveries(result) for result in results]).sum(axis=0)
            chances = binom.sf(wrong - 1, len(results), ALPHA)
            tests = np.mean([result.answer.tests for result in results])
            cells = [
                cell
                for errors, chance in zip(wrong, chances, strict=True)
                for cell in (f"{errors} ({errors / len(results):.1%})", f"{chance:.2g}")
            ]
            table.add_row(policy, str(size), str(len(results)), f"{tests:.0f}", *cells)
            false += [
                f"{policy}: at most {ALPHA:.0%} of sets of {size} episodes show {kind}"
                for kind, chance in zip(("reactions", "dependence"), chances, strict=True)
                if chance < SURE
            ]
        console.print(table)
    return false


if __name__ == "__main__":
    command()
