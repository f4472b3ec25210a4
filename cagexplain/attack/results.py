"""What an attack finds, as plain values: what the page shows and `attack.json` holds.

All numbers of a red are of held-out episodes: seeds that neither the search nor the choice among
its best has seen. Seed k of one red is seed k of every other, so their episodes are pairs; reds of
lesser interest are played on the first seeds only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from cagexplain.cc4 import agents, network, phases, reward
from cagexplain.cc4.reds import STANDARD, RedTable
from cagexplain.common.arrays import FloatArray
from cagexplain.common.documents import read_saved, unknown_fields
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.results import Result

Rules = Literal["official", "fenced", "free"]
Aim = Literal["return", "without-contractor"]
Role = Literal["standard", "shipped", "portfolio", "searched"]

SCHEMA: Final = 1
"""Version of `attack.json`."""
FILE: Final = "attack.json"
TRACE: Final = "trace"
"""Names, within an attack's folder, of its document and of the trace of episodes under FOUND."""
_HEAD: Final = {"project": "cagexplain", "kind": "attack"}
_REMEDY: Final = f"Give the {FILE} that 'cagexplain attack' has written"


@dataclass(frozen=True)
class Episodes(Result):
    """Held-out episodes of a policy under a red; entry k is of the attack's seed k.

    Attributes:
        returns: official returns.
        contractor: the part of each that Impacts in the contractor network cost, never positive;
            no policy can prevent these.
        impacts: points that Impacts cost, never positive.
        phantom: points of these that were charged for hosts on which red held no root session when
            it was charged; CC4 charges what comes due, whatever has come of it.
    """

    returns: tuple[int, ...]
    contractor: tuple[int, ...]
    impacts: tuple[int, ...]
    phantom: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.returns)

    def of(self, aim: Aim) -> FloatArray:
        """``float64[n]``: what red drives down, the return or that without the contractor's
        Impacts."""
        returns = np.array(self.returns, np.float64)
        return returns if aim == "return" else returns - np.array(self.contractor, np.float64)

    @property
    def phantom_share(self) -> float | None:
        """Share of the points of Impacts that are phantom; None without Impacts."""
        impacts = sum(self.impacts)
        return abs(sum(self.phantom) / impacts) if impacts else None


@dataclass(frozen=True)
class Losses(Result):
    """Where a policy loses its points: means per episode, never positive.

    Attributes:
        penalties: ``[phase][cause][subnet]`` in the order of ``cc4.phases.PHASE_NAMES``,
            ``cc4.reward.CAUSES`` and ``cc4.network.ZONES``.
        costs: ``[phase][blue agent]`` of submitted actions.
    """

    penalties: tuple[tuple[tuple[float, ...], ...], ...]
    costs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class RootStays(Result):
    """How long red keeps root on defended hosts, from its first root session there to the last.

    Attributes:
        n: stays in all episodes.
        ended: of these, the ones that blue ended; the others outlasted their episode.
        median, p90: steps after which half and nine tenths have ended, as Kaplan and Meier estimate
            them; None where so many never do.
        held: mean number of defended hosts with root at a time.
    """

    n: int
    ended: int
    median: int | None
    p90: int | None
    held: float


@dataclass(frozen=True)
class JudgedRed(Result):
    """A red, and what it does to the policy and to Sleep on the same seeds.

    Attributes:
        key: its name, unique within an attack.
        summary: what it does, in half a sentence.
        role: ``standard`` is CC4's own, ``shipped`` an official or derived variant, ``portfolio`` a
            strong one that needs no search, ``searched`` one of the best of the search.
        table: document of its `cagexplain.cc4.reds.RedTable`.
        policy, sleep: episodes of the policy and of Sleep.
        losses: of the policy.
        root: of the policy.
    """

    key: str
    summary: str
    role: Role
    table: dict[str, Any]
    policy: Episodes
    sleep: Episodes
    losses: Losses
    root: RootStays


@dataclass(frozen=True)
class Ablation(Result):
    """FOUND with a part put back to what the standard red has.

    Attributes:
        part: name of the state whose row was put back, or ``state_weight``, ``own_sessions``,
            ``source``, ``impacts``, ``prefer_servers`` or ``durations``. Only parts that differ.
        policy: episodes of the policy under it.
    """

    part: str
    policy: Episodes


@dataclass(frozen=True)
class Generation(Result):
    """A generation of the search, by what its red aims at; lower is worse for the policy.

    Attributes:
        best: of its candidates, on the generation's seeds. The least of many noisy means: it is
            lower than what the candidate does on others.
        mean: of all its candidates.
    """

    best: float
    mean: float


@dataclass(frozen=True)
class Search(Result):
    """How was searched. The same values on the same version give the same reds.

    Attributes:
        start: name of the red that the search began with.
        seed: of its chances.
        budget: seconds that were given; None if generations were.
        seconds: that it took, without those before it was resumed.
        portfolio_episodes: that each red of the portfolio was tried in.
        population, episodes: candidates of a generation, and episodes that each was played in.
        planned: generations.
        chosen_episodes: in which the best was chosen among the five best.
        parameters: numbers that were searched over.
        history: of the generations; fewer than planned if it was broken off.
    """

    start: str
    seed: int
    budget: float | None
    seconds: float
    portfolio_episodes: int
    population: int
    episodes: int
    planned: int
    chosen_episodes: int
    parameters: int
    history: tuple[Generation, ...]


@dataclass(frozen=True)
class AttackResult(Result):
    """An attack on a policy.

    Attributes:
        policy: what the policy says about itself (`Policy.describe`).
        options: how it was played: the environment's parameters but for red, and the engine.
        created: time in ISO 8601.
        version: of this package.
        rules: what the reds may do (`cagexplain.attack.rules`).
        aim: what was searched for, `Episodes.of`.
        seeds: held-out seeds.
        reds: the standard one, the shipped ones, the portfolio, then the search's best, best first.
        found: key of the worst red: the one that was worst on the seeds of the choice.
        ablation: FOUND with its parts put back one by one.
        search: how it was found.
    """

    policy: dict[str, Any]
    options: dict[str, Any]
    created: str
    version: str
    rules: Rules
    aim: Aim
    seeds: tuple[int, ...]
    reds: tuple[JudgedRed, ...]
    found: str
    ablation: tuple[Ablation, ...]
    search: Search

    def red(self, key: str) -> JudgedRed:
        """The red of that name; ``KeyError`` if there is none."""
        return {red.key: red for red in self.reds}[key]

    @property
    def standard(self) -> JudgedRed:
        """CC4's own red."""
        return self.red(STANDARD)

    @property
    def worst(self) -> JudgedRed:
        """FOUND."""
        return self.red(self.found)

    def worst_of(self, role: Role) -> JudgedRed:
        """Of the reds of a role the one with the lowest mean of the aim."""
        reds = [red for red in self.reds if red.role == role]
        return min(reds, key=lambda red: float(red.policy.of(self.aim).mean()))

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return {**_HEAD, "schema_version": SCHEMA, **super().to_json()}


def read(path: str | Path) -> AttackResult:
    """Read an attack that was written as JSON.

    Args:
        path: of the file, or of the folder that holds it.

    Raises:
        CagexplainError: the file cannot be read, is no attack, is of another version, or a field of
            it is missing, unknown or not what it must be.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    content, result = read_saved(
        path,
        AttackResult,
        "attack",
        head=_HEAD,
        version=SCHEMA,
        remedy=_REMEDY,
        again="Attack again with this version of cagexplain",
    )
    for name, problem in _flaws(content, result):
        raise CagexplainError(problem, where=path, field=name, remedy=_REMEDY)
    return result


def plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as they are read back from a file."""
    read_back: dict[str, Any] = json.loads(json.dumps(facts))
    return read_back


_SHAPE: Final = (phases.N_PHASES, len(reward.CAUSES), network.N_ZONES)
_COSTS: Final = (phases.N_PHASES, agents.N_BLUE)


def _flaws(content: dict[str, Any], result: AttackResult) -> Iterator[tuple[str, str]]:
    """What types cannot tell: the field, and what is wrong with it."""
    for name in unknown_fields(content, result.to_json()):
        yield name, "is unknown"
    try:
        datetime.fromisoformat(result.created)
    except ValueError:
        yield "created", "is not a time in ISO 8601"
    keys = [red.key for red in result.reds]
    for i, red in enumerate(result.reds):
        place = f"reds[{i}]"
        if red.key in keys[:i]:
            yield f"{place}.key", f"occurs twice: {red.key!r:.40}"
        try:
            RedTable.from_document(red.table)
        except UsageError as error:
            yield f"{place}.table.{error.field}", error.problem
        yield from _uneven(red.policy, f"{place}.policy", len(result.seeds))
        yield from _uneven(red.sleep, f"{place}.sleep", len(result.seeds))
        for name, values, shape in (
            ("penalties", red.losses.penalties, _SHAPE),
            ("costs", red.losses.costs, _COSTS),
        ):
            if not _has_shape(values, shape):
                yield f"{place}.losses.{name}", f"is not {' x '.join(map(str, shape))} numbers"
    for name, key in (("found", result.found), ("reds", STANDARD)):
        if key not in keys:
            yield name, f"there is no red {key!r:.40}"
    for i, row in enumerate(result.ablation):
        yield from _uneven(row.policy, f"ablation[{i}].policy", len(result.seeds))


def _uneven(episodes: Episodes, place: str, most: int) -> Iterator[tuple[str, str]]:
    if not 1 <= len(episodes) <= most:
        yield f"{place}.returns", f"has {len(episodes):,} episodes; there are {most:,} seeds"
    for name in ("contractor", "impacts", "phantom"):
        if len(getattr(episodes, name)) != len(episodes):
            yield f"{place}.{name}", "has another number of episodes than the returns"


def _has_shape(values: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    if len(values) != shape[0]:
        return False
    return len(shape) == 1 or all(_has_shape(inner, shape[1:]) for inner in values)
