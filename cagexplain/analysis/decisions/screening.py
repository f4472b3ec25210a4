"""Finding the decisions of a trace in which the choice mattered most.

In two rounds, as roll-outs of every decision would take days. Half of the candidates are those
where the policy itself sees the largest differences: by action values, the range between the best
and the worst action (HIGHLIGHTS, Amir and Amir 2018); by probabilities, the range of their
logarithms, which stand for values in the maximum-entropy view (Bastani, Pu and Solar-Lezama 2018,
section 3). As that can be a weak guide, and differs in scale from agent to agent, the other half is
drawn at random, and every agent has the same share of both. Then short roll-outs of the candidates
decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.decisions import counterfactuals
from cagexplain.analysis.decisions.alternatives import alternatives, preferences
from cagexplain.analysis.decisions.counterfactuals import Question
from cagexplain.analysis.decisions.replay import DecisionPlace, Record, moments, play_again, spread
from cagexplain.cc4 import actions
from cagexplain.cc4.agents import N_BLUE
from cagexplain.policies.base import Decision, Policy, Weighing
from cagexplain.policies.wrappers.base import unwrapped
from cagexplain.tracing.trace import Trace

ROLLOUTS: Final = 8
HORIZON: Final = 30
"""Of the screening: futures per alternative, and steps of each."""
APART: Final = 10
"""Steps between two decisions of one agent in one episode, so that the same is not shown twice."""


@dataclass(frozen=True)
class Selection:
    """Decisions that mattered most, most important first.

    Attributes:
        places: of the decisions.
        importance: of each: the range of mean returns of its alternatives in the short roll-outs.
        how: a sentence about how they were found.
    """

    places: tuple[DecisionPlace, ...]
    importance: dict[DecisionPlace, float]
    how: str


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
    tried = _candidates(record, wanted, guides, candidates_of(n))
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
        place: float(np.ptp(sums.sum(axis=2).mean(axis=1)))
        for place, sums in zip(tried, played, strict=True)
    }
    chosen = sorted(tried, key=lambda place: (-importance[place], place))[:n]
    how = (
        f"the {len(chosen)} decisions with the largest range of returns over their alternatives in "
        f"short roll-outs ({ROLLOUTS} of {HORIZON} steps each) of {len(tried)} candidates "
        f"({measure}) among the {int(wanted.sum()):,} decisions of {len(episodes)} of "
        f"{trace.n_episodes} episodes"
    )
    return Selection(tuple(chosen), {place: importance[place] for place in chosen}, how)


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
) -> list[DecisionPlace]:
    """About `most` wanted places, none near another of its agent and episode: from each agent and
    guide the same number, those of the highest scores ``[episode, step, agent]``."""
    places: list[DecisionPlace] = []
    available = wanted.copy()
    agents = np.flatnonzero(wanted.any(axis=(0, 1)))
    share = -(-most // max(1, len(agents) * len(guides)))
    for agent in agents.tolist():
        for guide in guides:
            order = np.argsort(-guide[:, :, agent], axis=None, kind="stable")
            taken = 0
            for row, step in zip(*np.unravel_index(order, guide.shape[:2]), strict=True):
                if taken == share:
                    break
                if available[row, step, agent]:
                    places.append(DecisionPlace(int(record.episodes[row]), int(step), agent))
                    available[row, max(0, step - APART + 1) : step + APART, agent] = False
                    taken += 1
    return places
