"""Finding the decisions of a trace in which the choice mattered most.

In two rounds, as roll-outs of every decision would take days. Half of the candidates are those
where the policy itself sees the largest differences: by action values, the range between the best
and the worst action (HIGHLIGHTS, Amir and Amir 2018); by probabilities, the range of their
logarithms, which stand for values in the maximum-entropy view (Bastani, Pu and Solar-Lezama 2018,
section 3). As that can be a weak guide, and differs in scale from agent to agent, the other half is
drawn at random, and every agent has the same share of both. Cases that the caller asks about are
candidates too. Then short roll-outs decide: by how much an alternative surely differs from the
choice, so that a decision whose futures vary much by chance does not stand before one that made a
difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from cagexplain.analysis.decisions import counterfactuals
from cagexplain.analysis.decisions.alternatives import alternatives, preferences
from cagexplain.analysis.decisions.counterfactuals import Question
from cagexplain.analysis.decisions.replay import DecisionPlace, Record, moments, play_again, spread
from cagexplain.cc4 import actions, reward
from cagexplain.cc4.agents import N_BLUE
from cagexplain.common.arrays import Int64Array
from cagexplain.policies.base import Decision, Policy, Weighing
from cagexplain.policies.wrappers.base import unwrapped
from cagexplain.stats.means import CONFIDENCE
from cagexplain.tracing.trace import Trace

ROLLOUTS: Final = 8
HORIZON: Final = 30
"""Of the screening: futures per alternative, and steps of each."""
APART: Final = 10
"""Steps between two decisions of one agent in one episode, so that the same is not shown twice."""
_CONSEQUENCES: Final = [i for i, cause in enumerate(reward.CAUSE_NAMES) if cause != "action_cost"]
"""Causes of rewards that are not the price of the action itself."""
_CASES: Final = 6
"""Candidates among the cases of one thing that the caller asks about."""
_SOON: Final = 10
"""Steps within which a busy agent's next decision still answers a case."""


@dataclass(frozen=True)
class Selection:
    """Decisions that mattered most, most important first.

    Attributes:
        places: of the decisions.
        importance: of each: by how much the return of an alternative differs from that of the
            choice at least, in the short roll-outs; not positive if none surely does.
        how: a sentence about how they were found.
        about: of those that are a case of something that the caller asks about: its name.
    """

    places: tuple[DecisionPlace, ...]
    importance: dict[DecisionPlace, float]
    how: str
    about: dict[DecisionPlace, str]


def candidates_of(n: int) -> int:
    """Decisions that are screened by short roll-outs to choose `n`."""
    return 4 * n + 40


def steps_of(n: int) -> int:
    """Environment steps that screening for `n` decisions plays at most, replays not counted."""
    return candidates_of(n) * actions.N_KINDS * ROLLOUTS * HORIZON


def critical(
    trace: Trace,
    policy: Policy,
    n: int,
    *,
    agent: int | None = None,
    episode: int | None = None,
    cases: Mapping[str, Sequence[DecisionPlace]] | None = None,
    workers: int = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> Selection:
    """Choose the decisions in which the choice mattered most.

    Args:
        trace: of our engine; of a long one, at most 64 episodes are looked at, evenly spread.
        policy: that it was recorded with.
        n: how many; fewer if the trace has no more that lie apart.
        agent: number of an agent, if only its decisions are wanted.
        episode: number of an episode, if only its decisions are wanted.
        cases: by the name of what they are cases of, the most important first: where they are. One
            decision of each comes first, if its choice surely mattered.
        workers: threads of the roll-outs.
        advance: is told environment steps as they are played (from any thread).
    """
    episodes = spread(trace.n_episodes) if episode is None else np.array([episode])
    record = Record(trace, episodes)
    wanted = record.started.copy()
    if agent is not None:
        wanted[:, :, np.arange(N_BLUE) != agent] = False
    guides = [np.random.default_rng(0).random(wanted.shape, np.float32)]
    measure = "drawn at random"
    core = unwrapped(policy)
    if isinstance(core, Weighing):
        guides.insert(0, _ranges(record, policy, core))
        weights = "values" if core.values else "log-probabilities"
        measure = f"half with the largest range of {weights} of their actions, half drawn at random"
    about = _decisions_of(record, wanted, cases or {})
    tried = _candidates(record, wanted, guides, candidates_of(n), taken=about)
    saved = moments(record, policy, tried)
    questions = [Question(moment, alternatives(moment, preferences(moment))) for moment in saved]
    played = counterfactuals.returns(
        questions,
        record.params,
        rollouts=ROLLOUTS,
        horizon=HORIZON,
        workers=workers,
        screening=True,
        advance=advance,
    )
    importance = {
        question.moment.place: _surely(sums, question.actions.index(question.moment.chosen))
        for question, sums in zip(questions, played, strict=True)
    }
    chosen = _chosen(importance, about, n)
    beside = (
        f"{len(about)} case{'s' * (len(about) != 1)} of findings, and of the others "
        if about
        else ""
    )
    how = (
        f"the {len(chosen)} decisions in which another action made the largest sure difference"
        f"{', one of each finding first,' if about else ''} in short roll-outs ({ROLLOUTS} of "
        f"{HORIZON} steps each) of {len(tried)} candidates ({beside}{measure}) among the "
        f"{int(wanted.sum()):,} decisions of {len(episodes)} of {trace.n_episodes} episodes"
    )
    return Selection(
        tuple(chosen),
        {place: importance[place] for place in chosen},
        how,
        {place: about[place] for place in chosen if place in about},
    )


def _decisions_of(
    record: Record,
    wanted: npt.NDArray[np.bool_],
    cases: Mapping[str, Sequence[DecisionPlace]],
) -> dict[DecisionPlace, str]:
    """Wanted decisions that answer some of the cases, with what those are cases of."""
    about: dict[DecisionPlace, str] = {}
    for name, places in cases.items():
        answers = [_answer(record, wanted, place) for place in places]
        new = [place for place in answers if place is not None and place not in about]
        about |= dict.fromkeys(dict.fromkeys(new[:_CASES]), name)
    return about


def _answer(
    record: Record, wanted: npt.NDArray[np.bool_], case: DecisionPlace
) -> DecisionPlace | None:
    if case.episode not in record.episodes:
        return None
    decided = wanted[record.index(case.episode), case.step : case.step + _SOON, case.agent]
    if not decided.any():
        return None
    return DecisionPlace(case.episode, case.step + int(decided.argmax()), case.agent)


def _surely(sums: Int64Array, chosen: int) -> float:
    """By how much an alternative at least differs from the choice.

    The limit of a one-sided t interval of the paired differences, without what the actions
    themselves cost: that a Restore costs a point tells nothing of the moment. Other futures judge
    what is chosen, so the limit is not corrected for the number of alternatives.

    Args:
        sums: ``int64[action, future, cause]`` of rewards.
        chosen: index of the choice.
    """
    returns = sums[:, :, _CONSEQUENCES].sum(axis=2)
    differences = np.delete(returns, chosen, axis=0) - returns[chosen]
    n_actions, n = differences.shape
    if not n_actions:
        return 0.0
    half = stdtrit(n - 1, CONFIDENCE) * differences.std(axis=1, ddof=1) / np.sqrt(n)
    return float((np.abs(differences.mean(axis=1)) - half).max())


def _chosen(
    importance: Mapping[DecisionPlace, float], about: Mapping[DecisionPlace, str], n: int
) -> list[DecisionPlace]:
    """The most important decisions, one of each thing that is asked about first."""
    order = sorted(importance, key=lambda place: (-importance[place], place))
    first: list[DecisionPlace] = []
    for name in dict.fromkeys(about.values()):
        of_name = [p for p in order if about.get(p) == name and importance[p] > 0]
        first += of_name[:1]
    first = first[:n]
    return [*first, *[place for place in order if place not in first][: n - len(first)]]


def _ranges(record: Record, policy: Policy, core: Weighing) -> npt.NDArray[np.float32]:
    """Range of the weights of the valid actions at every decision: ``[episode, step, agent]``."""
    ranges = np.zeros(record.started.shape, np.float32)

    def after(t: int, decision: Decision) -> None:
        weights = core.weights()
        for agent in range(N_BLUE):
            agent_weights = weights[:, actions.slice_of(agent)]
            lowest = np.where(np.isfinite(agent_weights), agent_weights, np.inf).min(axis=1)
            ranges[:, t, agent] = agent_weights.max(axis=1) - lowest

    play_again(record, policy, record.steps, after=after)
    return ranges


def _candidates(
    record: Record,
    wanted: npt.NDArray[np.bool_],
    guides: Sequence[npt.NDArray[np.float32]],
    most: int,
    taken: Iterable[DecisionPlace] = (),
) -> list[DecisionPlace]:
    """About `most` wanted places beside those that are taken, none near another of its agent and
    episode: from each agent and guide the same number, those of the highest scores
    ``[episode, step, agent]``."""
    places: list[DecisionPlace] = list(taken)
    available = wanted.copy()
    for place in places:
        _leave_out(available[record.index(place.episode), :, place.agent], place.step)
    agents = np.flatnonzero(wanted.any(axis=(0, 1)))
    share = -(-most // max(1, len(agents) * len(guides)))
    for agent in agents.tolist():
        for guide in guides:
            order = np.argsort(-guide[:, :, agent], axis=None, kind="stable")
            picked = 0
            for row, step in zip(*np.unravel_index(order, guide.shape[:2]), strict=True):
                if picked == share:
                    break
                if available[row, step, agent]:
                    places.append(DecisionPlace(int(record.episodes[row]), int(step), agent))
                    _leave_out(available[row, :, agent], int(step))
                    picked += 1
    return places


def _leave_out(available: npt.NDArray[np.bool_], step: int) -> None:
    """The steps near one that was picked."""
    available[max(0, step - APART + 1) : step + APART] = False
