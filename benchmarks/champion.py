"""What `champion` reaches, what each of its rules is worth, and each kind of what it knows.

    python -m benchmarks.champion --episodes 2000
    python -m benchmarks.champion --episodes 2000 --ablations --matrix 200 --page docs/champion.md

Every policy plays the same seeds. Red's Impacts in the contractor network, which no blue agent can
prevent, are most of the variance of the returns of a good defence, so differences are told of the
return without them, as means over the seeds' differences ± their standard error. A rule is taken
away by its number, a kind of knowledge by showing nothing of it; nothing is tuned again for what is
left.

It claims that the policies of `CLAIMS` return at least so much, with and without the contractor's
Impacts; false is what the mean and two standard errors stay below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from benchmarks.command import COUNT, FILE, benchmark
from cagexplain.cc4 import network, reward
from cagexplain.cc4.conditions import CONDITIONS, STANDARD
from cagexplain.cc4.reds import VARIANTS
from cagexplain.cc4.sightings import UNKNOWN, Sightings
from cagexplain.common.arrays import FloatArray
from cagexplain.common.files import write_text
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.evaluation import Evaluation, evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import seed_range
from cagexplain.policies.scripted.champion import Champion, Rules

CLAIMS: Final = {"champion": (-89, -23), "champion_net": (-90, -24), "champion_tree": (-91, -26)}
"""Least return, and least return without the contractor, by policy."""
SEED: Final = 5_000_000
"""First seed: none that rules or networks were chosen on."""
_MARK: Final = "<!-- measured -->"
"""What follows it in a page is written by this command."""
_BATCH: Final = 256


class Blind(Champion):
    """The champion that is not shown everything.

    Args:
        name: of the policy.
        rules: their numbers.
        hide: from what raw observations tell, what it is shown.
        forgets: whether it forgets which hosts red's machine may still take for its own.
    """

    def __init__(
        self,
        name: str,
        rules: Rules,
        hide: Callable[[Sightings], Sightings],
        forgets: bool,
    ) -> None:
        super().__init__(name, rules)
        self._hide, self._forgets = hide, forgets

    def read(self, sightings: Sightings) -> None:
        """Take note of what is not hidden."""
        super().read(self._hide(sightings))

    def take_in(self, obs: Any, mask: Any, free: Any) -> None:
        """Take in what it is shown, and forget what it is to forget."""
        super().take_in(obs, mask, free)
        if self._forgets:
            self.now.stale[:] = False


def _all(sightings: Sightings) -> Sightings:
    return sightings


def _no_files(sightings: Sightings) -> Sightings:
    return sightings._replace(listed=np.full_like(sightings.listed, UNKNOWN))


def _no_sources(sightings: Sightings) -> Sightings:
    hidden = ("attacked_by", "scanned_by", "passed_by", "outside")
    return sightings._replace(**{n: np.zeros_like(getattr(sightings, n)) for n in hidden})


def _no_exploits(sightings: Sightings) -> Sightings:
    return sightings._replace(exploited=np.zeros_like(sightings.exploited))


def _nothing(sightings: Sightings) -> Sightings:
    return Sightings.nothing(len(sightings.listed))


@dataclass(frozen=True)
class Ablation:
    """Something taken away.

    Attributes:
        what: in words.
        rules: changed numbers.
        hide: what is shown of the raw observations.
        forgets: see `Blind`.
    """

    what: str
    rules: dict[str, Any] = field(default_factory=dict)
    hide: Callable[[Sightings], Sightings] = _all
    forgets: bool = False

    def policy(self) -> Policy:
        """The champion without it."""
        return Blind(f"without {self.what}", Rules(**self.rules), self.hide, self.forgets)


ABLATIONS: Final = (
    Ablation("results of Analyse", hide=_no_files),
    Ablation("results of Analyse, Restore for Remove", {"remove": False}, _no_files),
    Ablation("sources of attacks", hide=_no_sources),
    Ablation("process ids of exploits", hide=_no_exploits),
    Ablation("raw observations", hide=_nothing),
    Ablation("Remove (2): Restore in its place", {"remove": False}),
    Ablation("Restore where red begins (3)", {"begun": False}),
    Ablation("memory of stale hosts (3)", forgets=True),
    Ablation("Restore after exploits that got through (4)", {"got_through": -1000}),
    Ablation("eviction of scanners (5)", {"evict": math.inf}),
    Ablation("patience in eviction (5)", {"evict_share": 0.0}),
    Ablation(
        "tolerance (5): every source is restored",
        {"evict": -1.0, "evict_share": 0.0},
    ),
    Ablation("Analyse again (7)", {"recheck": 999, "recheck_critical": 999, "recheck_source": 999}),
    Ablation("decoys (8)", {"decoys": 0}),
    Ablation("patrols (9)", {"patrol_users": 999, "patrol_servers": 999, "patrol_quiet": 999}),
)


@benchmark(__doc__)
@click.option("--episodes", type=COUNT, default=1000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    default=("champion", "champion_net", "champion_tree", "expert"),
    show_default=True,
)
@click.option("--ablations", is_flag=True, help="Also the champion without each of its parts.")
@click.option(
    "--matrix",
    type=COUNT,
    help="Also every policy under all conditions and reds, so many episodes.",
)
@click.option("--page", type=FILE, help="Write what was measured below the mark in this page.")
def command(
    episodes: int,
    seed: int,
    policies: tuple[str, ...],
    ablations: bool,
    matrix: int | None,
    page: Path | None,
) -> Sequence[str]:
    """Play, and write the tables."""
    seeds = seed_range(seed, episodes)
    lines: list[str] = []

    def tell(line: str) -> None:
        click.echo(line)
        lines.append(line)

    tell(f"{episodes:,} episodes each, seeds from {seed}.\n")
    first: FloatArray | None = None
    false: list[str] = []
    for line in _HEADING:
        tell(line)
    for name in policies:
        result = evaluate(load_policy(name), seeds, batch=_BATCH)
        false += _false(name, result)
        tell(_row(name, result, first))
        first = result.without_contractor.astype(float) if first is None else first
    if ablations:
        for ablation in ABLATIONS:
            policy = ablation.policy()
            tell(_row(policy.name, evaluate(policy, seeds, batch=_BATCH), first))
    if matrix is not None:
        tell(f"\n{matrix:,} episodes each, seeds from {seed}: return ± SE (without contractor).\n")
        for line in _matrix(policies, seed_range(seed, matrix)):
            tell(line)
    if page is not None:
        _rewrite(page, lines)
    return false


def _false(name: str, result: Evaluation) -> Iterator[str]:
    """What a policy does not reach that is claimed of it."""
    returns = (result.returns, result.without_contractor)
    for bound, values, what in zip(CLAIMS.get(name, ()), returns, ("", " without"), strict=False):
        if values.mean() + 2 * values.std(ddof=1) / math.sqrt(len(values)) < bound:
            yield f"{name} returns {_mean(values)}{what}, not {bound}"


_HEADING: Final = (
    "| policy | return ± SE (SD) | without contractor ± SE | difference ± SE | LWF | ASF "
    "| other Impacts | Restores |",
    "|---|---|---|---|---|---|---|---|",
)


def _row(name: str, result: Evaluation, first: FloatArray | None) -> str:
    """A row of the table; differences are from the returns without the contractor of `first`."""
    own = result.without_contractor.astype(float)
    parts = result.penalties.sum(axis=1).mean(axis=0)
    rest = parts[reward.RIA].sum() - parts[reward.RIA, network.CON]
    difference = "" if first is None else _mean(own - first)
    return (
        f"| {name} | {_mean(result.returns)} ({result.returns.std(ddof=1):.1f}) "
        f"| {_mean(own)} | {difference} | {parts[reward.LWF].sum():.1f} "
        f"| {parts[reward.ASF].sum():.1f} | {rest:.1f} "
        f"| {-result.costs.sum(axis=(1, 2)).mean():.1f} |"
    )


def _mean(values: Any) -> str:
    return f"{values.mean():.1f} ± {values.std(ddof=1) / math.sqrt(len(values)):.1f}"


def _worlds() -> Iterator[tuple[str, EnvParams]]:
    """Every condition, and every red that differs from the official one."""
    for name, condition in CONDITIONS.items():
        if name != STANDARD:
            yield name, EnvParams(**condition.changes)
    for name in VARIANTS:
        if name not in ("finite_state", "verbose"):
            yield f"red {name}", EnvParams(red=name)


def _matrix(policies: Sequence[str], seeds: Any) -> Iterator[str]:
    yield f"| condition, red | {' | '.join(policies)} |"
    yield f"|---|{'---|' * len(policies)}"
    for name, params in _worlds():
        cells = []
        for policy in policies:
            result: Evaluation = evaluate(load_policy(policy), seeds, params, batch=_BATCH)
            own = result.without_contractor
            cells.append(f"{_mean(result.returns)} ({own.mean():.1f})")
        yield f"| {name} | {' | '.join(cells)} |"


def _rewrite(page: Path, lines: Sequence[str]) -> None:
    text = page.read_text("utf-8") if page.exists() else ""
    written = text.partition(_MARK)[0] + _MARK + "\n\n" + "\n".join(lines) + "\n"
    write_text(page, written)


if __name__ == "__main__":
    command()
