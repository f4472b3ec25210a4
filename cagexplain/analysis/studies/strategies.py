"""What the policies of a study have learned: its second question, answered from the runs.

Rigoni et al. (2025) show in figure 8 the blue action that is chosen most in each state of red's
machine, and say in section 4.2 and 4.3.2 what they read from it. Here the figure is drawn for every
method, and each of these sentences is judged.

**The run is the unit of sampling.** All episodes of a run share its weights, so an interval over
runs covers chance in training and, since every run brings its own episodes' error, chance in play.
With few runs such intervals are wide; that is what few runs can say. A number of one method has a
Student interval over runs, a difference of two methods has Welch's, and distances between patterns
have a delete-one jackknife over runs. Where all runs of a method agree exactly, as those of methods
that never choose an action do, an interval is a point.

A sentence claims something of every method, so that one contradiction is enough against it: the
interval that contradicts is widened for the number of its claims, as in `learning.judge`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.compare.comparison import Favourite, favourite
from cagexplain.analysis.fsm.distributions import TARGETED_KINDS, action_distributions
from cagexplain.analysis.reactions.results import CONSISTENT, Answer
from cagexplain.analysis.reactions.study_tables import MEANINGFUL
from cagexplain.analysis.studies.explained_run import (
    CONDITIONS,
    VIEWS,
    Conduct,
    ExplainedRun,
    read_explained,
)
from cagexplain.analysis.studies.learning import Verdict, all_verdicts, finished_runs, judge
from cagexplain.analysis.studies.study_files import Study, read_study
from cagexplain.cc4 import actions, red_fsm
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import Array, FloatArray
from cagexplain.common.results import Result
from cagexplain.stats.few_runs import (
    RunsDifference,
    energy_distance,
    mean_difference,
    mean_estimate,
)

TARGETED: Final = VIEWS[0]
HARD: Final = (ActionKind.REMOVE, ActionKind.RESTORE)
"""Actions that take something from red, where Analyse and DeployDecoy ("milder") do not."""
EARLY_STATES: Final = ("K", "KD", "S", "SD")
LATE_STATES: Final = ("U", "UD", "R", "RD")

HARDER: Final = 0.05
"""A share of hard actions that is larger by less than this is not called harder."""
FREQUENT: Final = 0.10
"""An action that takes at least this share of decisions is called frequent."""
UNCHANGED: Final = 0.10
"""Patterns that differ in less than this share of decisions are called unchanged."""
MIN_DECISIONS: Final = 50
"""A state in which a run made fewer decisions has no pattern."""

Measure = Callable[[Conduct], float | None]
"""A number of a run; None where the run says too little of it."""


@dataclass(frozen=True)
class StatePattern(Result):
    """A method's choices on hosts of one FSM state.

    Attributes:
        favourite: the most chosen action, pooled over runs; limits over runs, or over the episodes
            of a single one: then they hold for its policy, not for the method.
        agreeing: runs in which it is the most chosen one.
        runs: with any decision there.
        base: what the base method of the study chooses most there; None of itself.
        distance: share of decisions in which the two differ (total variation); None likewise, or
            without decisions.
    """

    favourite: Favourite
    agreeing: int
    runs: int
    base: str | None
    distance: float | None


@dataclass(frozen=True)
class MethodPattern(Result):
    """What the policies of a method do under one condition.

    Attributes:
        id, title: of the method.
        seeds: of the explained runs.
        episodes: of all runs together.
        mean_return: over runs.
        states: by FSM state, in its order.
        answers: of our own tests of reactions, by run.
        strengths: of the study's tables of reactions by name, by run.
    """

    id: str
    title: str
    seeds: list[int]
    episodes: int
    mean_return: float
    states: list[StatePattern]
    answers: list[Answer]
    strengths: dict[str, list[float | None]]

    @property
    def verdicts(self) -> Counter[str]:
        """How many runs' own tests gave which answer."""
        return Counter(answer.verdict for answer in self.answers)


@dataclass(frozen=True)
class SentenceClaim(Result):
    """One number that a sentence claims something of.

    Attributes:
        about: methods and quantity in words.
        least, most: where the number lies if the claim holds; None: no limit.
        value, low, high: of the number, with its 95 % interval; None where there is none.
        verdict: see `learning.judge`.
    """

    about: str
    least: float | None
    most: float | None
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Sentence(Result):
    """A sentence of the paper: SUPPORTED if all its claims are, CONTRADICTED if any is.

    Attributes:
        text: what is claimed.
        meaning: how it was made measurable.
        verdict, claims: as they came out.
    """

    text: str
    meaning: str
    verdict: Verdict
    claims: list[SentenceClaim]


@dataclass(frozen=True)
class ConditionResult(Result):
    """All methods and sentences under one condition."""

    condition: str
    methods: list[MethodPattern]
    sentences: list[Sentence]


@dataclass(frozen=True)
class StrategiesResult(Result):
    """The answer to the study's second question.

    Attributes:
        base: id of the method that others are shown against.
        explained, wanted: runs that could be judged, and runs of the study.
        conditions: the study's own first.
    """

    base: str
    explained: int
    wanted: int
    conditions: list[ConditionResult]


@dataclass(frozen=True)
class _Run:
    seed: int
    explained: ExplainedRun


@dataclass(frozen=True)
class _Method:
    """A method and its explained runs."""

    id: str
    title: str
    config: Mapping[str, Any]
    runs: Sequence[_Run]

    def conducts(self, condition: str) -> list[Conduct]:
        """What each run did."""
        return [run.explained.conditions[condition] for run in self.runs]

    def values(self, condition: str, measure: Measure) -> FloatArray:
        """A number of each run; runs that have none are left out."""
        numbers = map(measure, self.conducts(condition))
        return np.array([value for value in numbers if value is not None], np.float64)


def analyse_strategies(folder: str | Path) -> StrategiesResult | None:
    """What the explained runs of a study do; None if none is explained.

    Raises:
        CagexplainError: there is no study, or a file is damaged.
    """
    folder = Path(folder)
    study = read_study(folder)
    methods = [
        _Method(name, entry.title, entry.config, list(_runs(folder, name, study)))
        for name, entry in study.methods.items()
        if entry.runs == name
    ]
    there = [method for method in methods if method.runs]
    if not there:
        return None
    base = next((method for method in there if method.id == "ippo"), there[0])
    return StrategiesResult(
        base=base.id,
        explained=sum(len(method.runs) for method in there),
        wanted=len(methods) * len(study.seeds),
        conditions=[
            ConditionResult(
                condition=condition,
                methods=[_pattern(method, base, condition) for method in there],
                sentences=list(_sentences(there, condition)),
            )
            for condition in CONDITIONS
        ],
    )


def _runs(folder: Path, method: str, study: Study) -> Iterator[_Run]:
    for seed, place in finished_runs(folder, method, study, []):
        explained = read_explained(place)
        if explained is not None:
            yield _Run(seed, explained)


# ---- figure 8 ----


def _pattern(method: _Method, base: _Method, condition: str) -> MethodPattern:
    conducts = method.conducts(condition)
    decisions, of_base = _decisions(method, condition), _decisions(base, condition)
    units = decisions if len(conducts) > 1 else conducts[0].decisions(TARGETED)
    pooled = action_distributions(units, red_fsm.STATE_NAMES, TARGETED_KINDS)
    return MethodPattern(
        id=method.id,
        title=method.title,
        seeds=[run.seed for run in method.runs],
        episodes=sum(run.explained.episodes for run in method.runs),
        mean_return=float(np.mean([np.mean(conduct.returns) for conduct in conducts])),
        states=[
            _state(
                favourite(distribution), decisions[:, s], None if method is base else of_base[:, s]
            )
            for s, distribution in enumerate(pooled)
        ],
        answers=[conduct.reactions for conduct in conducts],
        strengths={
            table: [_strength_of(table)(conduct) for conduct in conducts]
            for table in _tables([method])
        },
    )


def _state(chosen: Favourite, decisions: Array, of_base: Array | None) -> StatePattern:
    tops = [_most_chosen(run) for run in decisions if run.any()]
    total = decisions.sum(axis=0)
    base = None if of_base is None else of_base.sum(axis=0)
    return StatePattern(
        favourite=chosen,
        agreeing=sum(top == chosen.action for top in tops),
        runs=len(tops),
        base=None if base is None else _most_chosen(base),
        distance=None if base is None else _total_variation(total, base),
    )


def _decisions(method: _Method, condition: str) -> npt.NDArray[np.int64]:
    """``int64[run, state, action type]`` decisions on hosts in a state."""
    return np.stack([c.decisions(TARGETED).sum(axis=0) for c in method.conducts(condition)])


def _most_chosen(decisions: Array) -> str | None:
    return actions.KIND_NAMES[decisions.argmax()] if decisions.any() else None


def _total_variation(a: Array, b: Array) -> float | None:
    if not (a.any() and b.any()):
        return None
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


# ---- sentences ----


@dataclass(frozen=True)
class _Stated:
    """A claim before it is judged."""

    about: str
    difference: RunsDifference | None
    least: float | None = None
    most: float | None = None


def _sentences(methods: Sequence[_Method], condition: str) -> Iterator[Sentence]:
    yield _sentence(
        "Blue takes harder actions where red has a shell (U, UD, R, RD), and milder ones before "
        "(K, KD, S, SD).",
        f"The share of Remove and Restore among the decisions on hosts in U to RD is larger than "
        f"that in K to SD, by at least {_percent(HARDER)} of decisions.",
        _of_each(methods, condition, "hard in U to RD − in K to SD", _harder, least=HARDER),
    )
    yield _sentence(
        "Analyse is still frequent in RD.",
        f"At least {_percent(FREQUENT)} of the decisions on hosts in RD are Analyse.",
        _of_each(methods, condition, "Analyse in RD", _analyse_in_rd, least=FREQUENT),
    )
    yield _sentence(
        "Blue’s actions show no meaningful and consistent correlation with what red did.",
        f"In each of the study’s tables the bias-corrected Cramér’s V is below {MEANINGFUL}.",
        [
            stated
            for table in _tables(methods)
            for stated in _of_each(
                methods, condition, f"V, {table}", _strength_of(table), most=MEANINGFUL
            )
        ],
    )
    yield _sentence(
        "Blue has no consistent reactions to what it can see.",
        "Our own tests: the largest surplus of one response to one kind of event over its base "
        f"rate is below {CONSISTENT}.",
        _of_each(methods, condition, "surplus", _consistency, most=CONSISTENT),
    )
    for words in UNCHANGED_ACROSS:
        yield _sentence(
            f"Policy patterns remain unchanged across {words}.",
            "The choices of runs of two methods that differ in this alone differ from each other "
            f"by less than {_percent(UNCHANGED)} of decisions more than those of one method.",
            [
                _Stated(
                    f"{a.title} against {b.title}", _pattern_change(a, b, condition), most=UNCHANGED
                )
                for a, b in _pairs(methods, FACTORS[words])
            ],
        )
    yield _sentence(
        "Agents trained independently choose more consistently in a state than those trained "
        "centrally.",
        "The share of an agent’s most chosen action, averaged over states and agents, is larger "
        "with a critic of its own than with a central one.",
        [
            _Stated(
                f"{independent.title} − {central.title}",
                _welch(independent, central, condition, _concentration),
                least=0.0,
            )
            for independent, central in _pairs(methods, FACTORS["critics"])
        ],
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@dataclass(frozen=True)
class Factor:
    """What two methods may differ in while all else is equal.

    Attributes:
        free: settings that may differ; one does at least.
        plain, other: what these are to be in the first and in the second method.
    """

    free: frozenset[str]
    plain: Mapping[str, str]
    other: Mapping[str, str]


FACTORS: Final = {
    "kinds of messages": Factor(frozenset({"messages"}), {"messages": "none"}, {}),
    "rewards": Factor(
        frozenset({"reward", "intrinsic"}), {"reward": "global", "intrinsic": "none"}, {}
    ),
    "forms of the global state": Factor(
        frozenset({"algorithm", "critic"}), {"critic": "central"}, {"critic": "compact"}
    ),
    "critics": Factor(frozenset({"algorithm", "critic"}), {"critic": "own"}, {"critic": "central"}),
}
"""What a study varies, in words."""
UNCHANGED_ACROSS: Final = ("kinds of messages", "rewards", "forms of the global state")
"""What the paper says that patterns do not depend on."""


def _pairs(methods: Sequence[_Method], factor: Factor) -> Iterator[tuple[_Method, _Method]]:
    """Methods that differ in nothing else, the plain one first."""
    for a, b in itertools.permutations(methods, 2):
        different = {
            key for key in {*a.config, *b.config} if a.config.get(key) != b.config.get(key)
        }
        if (
            different
            and different <= factor.free
            and factor.plain.items() <= a.config.items()
            and factor.other.items() <= b.config.items()
        ):
            yield a, b


def _sentence(text: str, meaning: str, stated: Sequence[_Stated]) -> Sentence:
    claims = [_claim(each, len(stated)) for each in stated]
    return Sentence(text, meaning, all_verdicts([claim.verdict for claim in claims]), claims)


def _of_each(
    methods: Sequence[_Method],
    condition: str,
    quantity: str,
    measure: Measure,
    *,
    least: float | None = None,
    most: float | None = None,
) -> list[_Stated]:
    stated = []
    for method in methods:
        values = method.values(condition, measure)
        n, all_of_them = len(values), len(method.runs)
        about = f"{method.title}: {quantity}"
        if n < all_of_them:
            about += f" ({n} of {all_of_them} runs have enough decisions)"
        stated.append(_Stated(about, mean_estimate(values) if n else None, least, most))
    return stated


def _claim(stated: _Stated, of: int) -> SentenceClaim:
    difference = stated.difference
    interval = difference.interval() if difference else None
    return SentenceClaim(
        about=stated.about,
        least=stated.least,
        most=stated.most,
        value=difference.value if difference else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        verdict=judge(difference, stated.least, stated.most, of),
    )


def _welch(a: _Method, b: _Method, condition: str, measure: Measure) -> RunsDifference | None:
    samples = [method.values(condition, measure) for method in (a, b)]
    return mean_difference(*samples) if all(map(len, samples)) else None


def _of_states(conduct: Conduct, states: Sequence[str]) -> Array:
    chosen = [red_fsm.STATE_NAMES.index(state) for state in states]
    total: Array = conduct.decisions(TARGETED).sum(axis=0)[chosen].sum(axis=0)
    return total


def _share(decisions: Array, kinds: Sequence[int]) -> float | None:
    total = int(decisions.sum())
    return float(decisions[list(kinds)].sum() / total) if total >= MIN_DECISIONS else None


def _harder(conduct: Conduct) -> float | None:
    late = _share(_of_states(conduct, LATE_STATES), HARD)
    early = _share(_of_states(conduct, EARLY_STATES), HARD)
    return None if late is None or early is None else late - early


def _analyse_in_rd(conduct: Conduct) -> float | None:
    return _share(_of_states(conduct, ("RD",)), (ActionKind.ANALYSE,))


def _tables(methods: Sequence[_Method]) -> list[str]:
    """Names of the tables that any run has."""
    conducts = (c for method in methods for name in CONDITIONS for c in method.conducts(name))
    return list(dict.fromkeys(table.name for conduct in conducts for table in conduct.tables))


def _strength_of(table: str) -> Measure:
    return lambda conduct: next((t.strength for t in conduct.tables if t.name == table), None)


def _consistency(conduct: Conduct) -> float | None:
    return conduct.reactions.consistency


def _concentration(conduct: Conduct) -> float | None:
    """Mean share of the most chosen action over agents and states with enough decisions."""
    decisions = conduct.decisions_of_agents(TARGETED)
    total = decisions.sum(axis=2)
    enough = total >= MIN_DECISIONS
    return float((decisions.max(axis=2)[enough] / total[enough]).mean()) if enough.any() else None


def _pattern_change(a: _Method, b: _Method, condition: str) -> RunsDifference | None:
    """How much the choices of two methods differ beyond what those of runs of one method do."""
    samples = [_decisions(method, condition) for method in (a, b)]
    if min(map(len, samples)) < 2:
        return None
    runs = np.concatenate(samples)
    distances = np.array([[_distance(x, y) for y in runs] for x in runs])
    return None if np.isnan(distances).any() else energy_distance(distances, len(samples[0]))


def _distance(a: Array, b: Array) -> float:
    """Mean total variation over the states in which both runs made enough decisions; NaN without
    such."""
    common = (a.sum(axis=1) >= MIN_DECISIONS) & (b.sum(axis=1) >= MIN_DECISIONS)
    if not common.any():
        return float("nan")
    shares = [run[common] / run[common].sum(axis=1, keepdims=True) for run in (a, b)]
    return float(np.abs(shares[0] - shares[1]).sum(axis=1).mean() / 2)
