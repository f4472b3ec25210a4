"""What the policies of a study have learned: its second question, answered from the runs.

Rigoni et al. (2025) show in figure 8 the blue action that is chosen most in each state of red's
machine, and say in section 4.2 and 4.3.2 what they read from it. Here the figure is drawn for every
method, and each of these sentences is judged.

**The run is the unit of sampling.** All episodes of a run share its weights, so an interval over
runs covers chance in training and, since every run brings its own episodes' error, chance in play.
With few runs such intervals are wide; that is what few runs can say. A number of one method has a
Student interval over runs, a difference of two methods has Welch's, and distances between patterns
have a delete-one jackknife over runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.comparison import Favourite, favourite
from cagexplain.analysis.distributions import TARGETED_KINDS, action_distributions
from cagexplain.analysis.explained_run import (
    CONDITIONS,
    VIEWS,
    ExplainedRun,
    read_explained,
)
from cagexplain.analysis.learning import Verdict, all_verdicts, judge
from cagexplain.analysis.learning_statistics import Difference, Values, mean_difference
from cagexplain.analysis.reaction_results import CONSISTENT
from cagexplain.analysis.results import Result
from cagexplain.analysis.study_files import Study, read_study
from cagexplain.analysis.study_tables import MEANINGFUL
from cagexplain.cc4 import actions, red_fsm
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.errors import CagexplainError

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

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class StatePattern(Result):
    """A method's choices on hosts of one FSM state.

    Attributes:
        favourite: the most chosen action, pooled over runs; limits over runs.
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
        steps: environment steps of their training.
        episodes: per run.
        mean_return: over runs.
        states: by FSM state, in its order.
    """

    id: str
    title: str
    seeds: list[int]
    steps: int
    episodes: int
    mean_return: float
    states: list[StatePattern]


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
    steps: int
    explained: ExplainedRun


@dataclass(frozen=True)
class _Method:
    """A method and its explained runs."""

    id: str
    title: str
    config: Mapping[str, Any]
    runs: Sequence[_Run]

    def values(self, condition: str, measure: Callable[[Any], float | None]) -> Values:
        """A number of each run; runs that have none are left out."""
        found = [measure(run.explained.conditions[condition]) for run in self.runs]
        return np.array([value for value in found if value is not None], np.float64)


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
    for seed in study.seeds:
        place = folder / "runs" / method / f"seed-{seed}"
        explained = read_explained(place)
        if explained is None:
            continue
        missing = [name for name in CONDITIONS if name not in explained.conditions]
        if missing:
            raise CagexplainError(
                f"has no {missing[0]!r}",
                where=place,
                field="conditions",
                remedy="Call `cagexplain study explain` again",
            )
        yield _Run(seed, int(study.methods[method].config["steps"]), explained)


# ---- figure 8 ----


def _pattern(method: _Method, base: _Method, condition: str) -> MethodPattern:
    decisions = _decisions(method, condition)
    of_base = _decisions(base, condition)
    kinds = list(TARGETED_KINDS)
    pooled = action_distributions(decisions, red_fsm.STATE_NAMES, kinds)
    of_states = []
    for s, distribution in enumerate(pooled):
        chosen = favourite(distribution)
        per_run = decisions[:, s][:, kinds]
        with_any = per_run.sum(axis=1) > 0
        tops = [actions.KIND_NAMES[kinds[row.argmax()]] for row in per_run[with_any]]
        of_states.append(
            StatePattern(
                favourite=chosen,
                agreeing=sum(top == chosen.action for top in tops),
                runs=int(with_any.sum()),
                base=None if method is base else _most_chosen(of_base[:, s].sum(axis=0)),
                distance=None
                if method is base
                else _total_variation(decisions[:, s].sum(axis=0), of_base[:, s].sum(axis=0)),
            )
        )
    return MethodPattern(
        id=method.id,
        title=method.title,
        seeds=[run.seed for run in method.runs],
        steps=method.runs[0].steps,
        episodes=method.runs[0].explained.episodes,
        mean_return=float(method.values(condition, lambda c: float(np.mean(c.returns))).mean()),
        states=of_states,
    )


def _decisions(method: _Method, condition: str) -> npt.NDArray[np.int64]:
    """``int64[run, state, action type]`` decisions on hosts in a state."""
    return np.stack(
        [run.explained.conditions[condition].decisions(TARGETED).sum(axis=0) for run in method.runs]
    )


def _most_chosen(decisions: Array) -> str | None:
    return actions.KIND_NAMES[decisions.argmax()] if decisions.any() else None


def _total_variation(a: Array, b: Array) -> float | None:
    if not (a.any() and b.any()):
        return None
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


# ---- sentences ----


def _sentences(methods: Sequence[_Method], condition: str) -> Iterator[Sentence]:
    yield _sentence(
        "Blue takes harder actions where red has a shell (U, UD, R, RD), and milder ones before "
        "(K, KD, S, SD).",
        f"The share of Remove and Restore among the decisions on hosts in U to RD is larger than "
        f"that in K to SD, by at least {HARDER:.0%} of decisions.",
        _about_each(methods, condition, "hard in U to RD − in K to SD", _harder, least=HARDER),
    )
    yield _sentence(
        "Analyse is still frequent in RD.",
        f"At least {FREQUENT:.0%} of the decisions on hosts in RD are Analyse.",
        _about_each(methods, condition, "Analyse in RD", _analyse_in_rd, least=FREQUENT),
    )
    yield _sentence(
        "Blue's actions show no meaningful and consistent correlation with what red did.",
        f"In each of the study's tables the bias-corrected Cramér's V is below {MEANINGFUL}.",
        [
            claim
            for table in _tables(methods)
            for claim in _about_each(
                methods, condition, f"V, {table}", _strength_of(table), most=MEANINGFUL
            )
        ],
    )
    yield _sentence(
        "Blue has no consistent reactions to what it can see.",
        "Our own tests: the largest surplus of one response to one kind of event over its base "
        f"rate is below {CONSISTENT}.",
        _about_each(methods, condition, "surplus", _consistency, most=CONSISTENT),
    )
    for factor, words in FACTORS.items():
        yield _sentence(
            f"Policy patterns remain unchanged across {words}.",
            "The choices of runs of two methods that differ in this alone differ from each other "
            f"by less than {UNCHANGED:.0%} of decisions more than those of runs of one method.",
            [
                _claim(
                    f"{a.title} against {b.title}", _pattern_change(a, b, condition), most=UNCHANGED
                )
                for a, b in _pairs(methods, factor)
            ],
        )
    yield _sentence(
        "Agents trained independently choose more consistently in a state than those trained "
        "centrally.",
        "The share of an agent's most chosen action, averaged over states and agents, is larger "
        "with a critic of its own than with a central one.",
        [
            _claim(
                f"{own.title} − {central.title}",
                _welch(own, central, condition, _concentration),
                least=0.0,
            )
            for own, central in _pairs(methods, "critic")
        ],
    )


FACTORS: Final = {
    "messages": "kinds of messages",
    "rewards": "rewards",
    "global state": "forms of the global state",
}
"""What a study varies while all else is equal, and in words."""
_DIFFERENCES: Final[dict[str, tuple[set[str], Callable[[Mapping[str, Any]], bool]]]] = {
    "messages": ({"messages"}, lambda config: config["messages"] == "none"),
    "rewards": (
        {"reward", "intrinsic"},
        lambda config: config["reward"] == "global" and config["intrinsic"] == "none",
    ),
    "global state": ({"algorithm", "critic"}, lambda config: config.get("critic") == "central"),
    "critic": ({"algorithm", "critic"}, lambda config: config.get("critic") == "own"),
}
"""Settings in which two methods may differ, and which of them is the plain one."""
_PARTNER: Final = {"global state": "compact", "critic": "central"}
"""The critic of the other one, where it is not the same."""


def _pairs(methods: Sequence[_Method], factor: str) -> Iterator[tuple[_Method, _Method]]:
    """Methods that differ in nothing else, the plain one first."""
    free, plain = _DIFFERENCES[factor]
    for a, b in itertools.permutations(methods, 2):
        keys = {key for key in a.config if a.config[key] != b.config.get(key)} - {"seed"}
        partner = _PARTNER.get(factor, a.config.get("critic"))
        if keys and keys <= free and plain(a.config) and b.config.get("critic") == partner:
            yield a, b


def _sentence(text: str, meaning: str, claims: Sequence[SentenceClaim]) -> Sentence:
    verdict = all_verdicts([claim.verdict for claim in claims])
    return Sentence(text, meaning, verdict, list(claims))


def _about_each(
    methods: Sequence[_Method],
    condition: str,
    what: str,
    measure: Callable[[Any], float | None],
    *,
    least: float | None = None,
    most: float | None = None,
) -> list[SentenceClaim]:
    return [
        _claim(
            f"{method.title}: {what}",
            _student(method.values(condition, measure)),
            least=least,
            most=most,
        )
        for method in methods
    ]


def _claim(
    about: str,
    found: Difference | None,
    *,
    least: float | None = None,
    most: float | None = None,
) -> SentenceClaim:
    interval = found.interval() if found else None
    return SentenceClaim(
        about=about,
        least=least,
        most=most,
        value=found.value if found else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        verdict=judge(found, least, most),
    )


def _student(values: Values) -> Difference | None:
    """The mean over runs; without error for fewer than two."""
    if not len(values):
        return None
    if len(values) < 2:
        return Difference(float(values.mean()), None, None)
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Difference(float(values.mean()), error, len(values) - 1.0)


def _welch(
    a: _Method, b: _Method, condition: str, measure: Callable[[Any], float | None]
) -> Difference | None:
    samples = [method.values(condition, measure) for method in (a, b)]
    return mean_difference(*samples) if all(map(len, samples)) else None


def _of_states(conduct: Any, states: Sequence[str]) -> Array:
    chosen = [red_fsm.STATE_NAMES.index(state) for state in states]
    total: Array = conduct.decisions(TARGETED).sum(axis=0)[chosen].sum(axis=0)
    return total


def _share(decisions: Array, kinds: Sequence[int]) -> float | None:
    total = int(decisions.sum())
    return float(decisions[list(kinds)].sum() / total) if total >= MIN_DECISIONS else None


def _harder(conduct: Any) -> float | None:
    late = _share(_of_states(conduct, LATE_STATES), HARD)
    early = _share(_of_states(conduct, EARLY_STATES), HARD)
    return None if late is None or early is None else late - early


def _analyse_in_rd(conduct: Any) -> float | None:
    return _share(_of_states(conduct, ("RD",)), (ActionKind.ANALYSE,))


def _tables(methods: Sequence[_Method]) -> list[str]:
    conducts = (
        c for method in methods for run in method.runs for c in run.explained.conditions.values()
    )
    return list(dict.fromkeys(table.name for conduct in conducts for table in conduct.tables))


def _strength_of(table: str) -> Callable[[Any], float | None]:
    return lambda conduct: next((t.strength for t in conduct.tables if t.name == table), None)


def _consistency(conduct: Any) -> float | None:
    value = conduct.reactions.get("consistency")
    return None if value is None else float(value)


def _concentration(conduct: Any) -> float | None:
    """Mean share of the most chosen action over agents and states with enough decisions."""
    decisions = conduct.decisions_of_agents(TARGETED)
    total = decisions.sum(axis=2)
    enough = total >= MIN_DECISIONS
    return float((decisions.max(axis=2)[enough] / total[enough]).mean()) if enough.any() else None


def _pattern_change(a: _Method, b: _Method, condition: str) -> Difference | None:
    """How much further runs of two methods are from each other than runs of one method.

    The mean total variation between runs of different methods, less half the sum of the means
    within either (an energy distance, Székely and Rizzo 2013); its error by a delete-one jackknife
    over runs.
    """
    patterns = [_decisions(a, condition), _decisions(b, condition)]
    sizes = [len(runs) for runs in patterns]
    if min(sizes) < 2:
        return None
    value = _energy(*patterns)
    if value is None:
        return None
    if min(sizes) < 3:  # a single run is left, and nothing tells how far runs are apart
        return Difference(value, None, None)
    variance = 0.0
    for group, size in enumerate(sizes):
        without = []
        for i in range(size):
            fewer = list(patterns)
            fewer[group] = np.delete(patterns[group], i, axis=0)
            left = _energy(*fewer)
            without.append(value if left is None else left)
        variance += (size - 1) ** 2 / size * float(np.var(without, ddof=1))
    return Difference(value, float(np.sqrt(variance)), float(sum(sizes) - 2))


def _energy(a: Array, b: Array) -> float | None:
    def mean(pairs: Iterator[tuple[Array, Array]]) -> float | None:
        found = [d for x, y in pairs if (d := _distance(x, y)) is not None]
        return float(np.mean(found)) if found else None

    between = mean(itertools.product(a, b))
    within = [mean(itertools.combinations(runs, 2)) for runs in (a, b)]
    if between is None or within[0] is None or within[1] is None:
        return None
    return between - (within[0] + within[1]) / 2


def _distance(a: Array, b: Array) -> float | None:
    """Mean total variation over the states in which both runs made enough decisions."""
    common = (a.sum(axis=1) >= MIN_DECISIONS) & (b.sum(axis=1) >= MIN_DECISIONS)
    if not common.any():
        return None
    shares = [runs[common] / runs[common].sum(axis=1, keepdims=True) for runs in (a, b)]
    return float(np.abs(shares[0] - shares[1]).sum(axis=1).mean() / 2)
