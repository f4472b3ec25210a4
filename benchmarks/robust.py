"""What it costs `champion` at home to bear strong attackers, as a curve.

    python -m benchmarks.robust [--draws 300] [--episodes 300] [--page docs/attackers.md]

The numbers of the champion's rules are drawn at random from `SPACE`. Each draw plays a few episodes
against CC4's red and against the strong reds of the portfolio; the worst of these counts. The draws
that no other beats in both are played again on held-out seeds, more often, beside `champion` and
`champion_robust`: the returns printed are of these.

It claims that `champion_robust` returns at least so much as `LEAST` says, against CC4's red and
against the worst of the portfolio; false is what the mean and two standard errors stay below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks.command import COUNT, FILE, benchmark
from cagexplain.cc4.reds import PORTFOLIO, STANDARD
from cagexplain.common.arrays import FloatArray
from cagexplain.common.files import write_text
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import seed_range
from cagexplain.policies.scripted.champion import Champion, Rules

SPACE: Final[Mapping[str, tuple[Any, ...]]] = {
    "worth": (0.0, 5.0, 10.0, 20.0, 30.0),
    "remove": (True, False),
    "begun": (True, False),
    "got_through": (20, 40, 100),
    "evict_share": (0.0, 0.1, 0.2, 0.4),
    "evict": (0.0, 3.0, 10.0, 30.0),
    "recheck": (2, 4, 8, 16),
    "recheck_critical": (2, 3, 5),
    "recheck_source": (2, 5, 10, 20, 40),
    "decoys": (0, 1, 2, 3),
    "patrol_users": (1, 3, 5, 7, 10, 20),
    "patrol_servers": (20, 40, 80, 300),
    "patrol_quiet": (1, 3, 5, 10),
    "patrol_first": (True, False),
}
"""Values of each number of the rules."""
LEAST: Final = (-120, -1_900)
"""Of `champion_robust`: against CC4's red, against the worst of the portfolio."""
SHIPPED: Final = ("champion", "champion_robust")
DEVELOPMENT, HELD_OUT = 3_000_000, 6_200_000
"""First seeds."""
_TRIED_ON: Final = 24
_NEAR_HOME: Final = 1.4
"""Draws that lose more than so many times what `champion` loses to CC4's red are not played on."""
_BATCH: Final = 64
_MARK: Final = "<!-- robust -->"
"""What stands between two of them in a page is written by this command."""


def returns(policy: Policy, red: str, first: int, episodes: int) -> FloatArray:
    """Of the episodes from a seed on: ``[episodes]``."""
    params = EnvParams(red=red)
    played = evaluate(policy, seed_range(first, episodes), params, batch=_BATCH)
    return np.asarray(played.returns, np.float64)


def abroad(policy: Policy, first: int, episodes: int) -> dict[str, FloatArray]:
    """Returns against each red of the portfolio."""
    return {red: returns(policy, red, first, episodes) for red in PORTFOLIO}


def worst(played: Mapping[str, FloatArray]) -> str:
    """The red to which a policy loses most."""
    return min(played, key=lambda red: float(played[red].mean()))


def search(draws: int, generator: np.random.Generator) -> Iterator[tuple[Rules, float, float]]:
    """Rules with their mean returns against CC4's red and against the worst of the portfolio."""
    limit = _NEAR_HOME * returns(Champion(), STANDARD, DEVELOPMENT, _TRIED_ON).mean()
    for _ in range(draws):
        rules = Rules(
            **{name: values[generator.integers(len(values))] for name, values in _items()}
        )
        policy = Champion("drawn", rules)
        home = float(returns(policy, STANDARD, DEVELOPMENT, _TRIED_ON).mean())
        if home >= limit:
            played = abroad(policy, DEVELOPMENT, _TRIED_ON)
            yield rules, home, float(played[worst(played)].mean())


def _items() -> list[tuple[str, tuple[Any, ...]]]:
    return list(SPACE.items())


def front(drawn: Sequence[tuple[Rules, float, float]]) -> list[Rules]:
    """Those that no other beats in both returns, from the best at home on."""
    best, kept = -math.inf, []
    for rules, _, lowest in sorted(drawn, key=lambda entry: -entry[1]):
        if lowest > best:
            best = lowest
            kept.append(rules)
    return kept


def _difference(rules: Rules) -> str:
    changed = {
        name: value for name, value in rules._asdict().items() if value != getattr(Rules(), name)
    }
    return ", ".join(f"{name} {value}" for name, value in changed.items())


def _cell(played: FloatArray) -> str:
    return f"{played.mean():,.1f} ± {_error(played):.1f}"


def _error(played: FloatArray) -> float:
    return float(played.std(ddof=1) / math.sqrt(len(played)))


@benchmark(__doc__)
@click.option("--draws", type=click.IntRange(min=0), default=300, show_default=True)
@click.option("--episodes", type=click.IntRange(min=2), default=300, show_default=True)
@click.option("--seed", type=COUNT, default=1, show_default=True, help="Of the draws.")
@click.option("--page", type=FILE, help="Write the table into this page.")
def command(draws: int, episodes: int, seed: int, page: Path | None) -> list[str]:
    """Search, judge, and compare with what is claimed."""
    drawn = front(list(search(draws, np.random.default_rng(seed))))
    policies = [load_policy(name) for name in SHIPPED]
    policies += [Champion(_difference(rules), rules) for rules in drawn]
    lines = [
        "| rules | CC4's red | mean of the portfolio | worst of the portfolio | which |",
        "|---|---|---|---|---|",
    ]
    false = []
    for policy in policies:
        home = returns(policy, STANDARD, HELD_OUT, episodes)
        played = abroad(policy, HELD_OUT, episodes)
        red = worst(played)
        cells = (_cell(home), _cell(np.mean(list(played.values()), axis=0)), _cell(played[red]))
        lines.append(f"| {policy.name} | {' | '.join(cells)} | `{red}` |")
        click.echo(lines[-1])
        if policy.name == SHIPPED[1]:
            false = [
                f"{policy.name} returns at least {least:,}: {_cell(against)}"
                for least, against in zip(LEAST, (home, played[red]), strict=True)
                if against.mean() + 2 * _error(against) < least
            ]
    if page is not None:
        before, _, after = page.read_text().split(_MARK)
        write_text(page, f"{before}{_MARK}\n{_table(lines, draws, episodes)}{_MARK}{after}")
    return false


def _table(lines: Sequence[str], draws: int, episodes: int) -> str:
    heading = (
        f"Mean return ± standard error over {episodes} episodes, seeds from {HELD_OUT}; "
        f"{draws} draws."
    )
    return "\n".join(["", heading, "", *lines, "", ""])


if __name__ == "__main__":
    command()
