"""Playing episodes of a trace again, up to the decisions that are to be explained.

An episode follows from its seed, so nothing of the engine's state has to be recorded: the same
engine and the same policy meet the same world. That they do is checked, action by action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cagexplain.cc4 import phases
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.common.arrays import Int64Array
from cagexplain.common.documents import convert
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, EnvParams, Snapshot
from cagexplain.policies.base import Decision, Policy, decide, reads
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.registry import reload_policy
from cagexplain.policies.rollout import DEFAULT_BATCH
from cagexplain.tracing import manifest
from cagexplain.tracing.trace import Trace

_NATIVE: Final = "cagexplain.sim"
_COLUMNS: Final = (
    "episode",
    "step",
    "agent",
    "action",
    "started",
    "executing",
    "ticks_left",
    "target_state",
    "target_level",
    "zone_state",
)


@dataclass(frozen=True, order=True)
class DecisionPlace:
    """Where a decision was made: episode and step of the trace, number of the blue agent."""

    episode: int
    step: int
    agent: int


@dataclass(frozen=True)
class Moment:
    """A decision about to be made, with all that is needed to play on from there.

    Attributes:
        place: of the decision.
        seed: of the episode.
        snapshot: of its environment, the only row.
        policy: a copy for this one environment that is to decide next.
        submitted: ``int64[5]`` what the agents did.
        messages: whether the policy sends messages.
    """

    place: DecisionPlace
    seed: int
    snapshot: Snapshot
    policy: Policy
    submitted: Int64Array
    messages: bool

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """``bool[1, 5]``: agents that are not busy."""
        return self.snapshot.free

    @property
    def chosen(self) -> int:
        """Action of the agent."""
        return int(self.submitted[self.place.agent])

    def about_to_act(self) -> Policy:
        """A copy of the policy that has read what it reads."""
        branch = self.policy.branch(np.zeros(1, np.int64))
        if reads(branch):
            branch.read(self.snapshot.sightings())  # type: ignore[attr-defined]
        return branch


class Record:
    """What the agents did in some episodes, as the trace has it.

    Args:
        trace: of our engine.
        episodes: numbers of the episodes.

    Raises:
        UsageError: the trace has no such episode.
        CagexplainError: the trace was recorded with CybORG.
    """

    def __init__(self, trace: Trace, episodes: Iterable[int]) -> None:
        require_native(trace)
        self.trace = trace
        self.params = params_of(trace)
        wanted = sorted(set(episodes))
        for episode in (wanted[0], wanted[-1]):
            if not 0 <= episode < trace.n_episodes:
                raise UsageError(
                    f"there is no episode {episode}",
                    where=trace.path,
                    remedy=f"The trace has episodes 0 to {trace.n_episodes - 1}",
                )
        self.episodes = np.array(wanted, np.int64)
        self.steps = phases.calls(self.params.steps)
        parts = []
        for part in trace.batches("blue", _COLUMNS):
            chosen = part[part["episode"].isin(self.episodes)]
            if len(chosen):
                parts.append(chosen)
            if part["episode"].iloc[-1] >= self.episodes[-1]:
                break
        self.rows: pd.DataFrame = pd.concat(parts, ignore_index=True)
        shape = (len(self.episodes), self.steps, N_BLUE)
        self.actions: Int64Array = self.rows["action"].to_numpy(np.int64).reshape(shape)
        self.started: npt.NDArray[np.bool_] = self.rows["started"].to_numpy().reshape(shape)

    def index(self, episode: int) -> int:
        """Position of an episode among `episodes`."""
        return int(np.searchsorted(self.episodes, episode))

    def row(self, place: DecisionPlace) -> pd.Series:
        """What the trace says about a decision."""
        at = (self.index(place.episode) * self.steps + place.step) * N_BLUE + place.agent
        return self.rows.iloc[at]

    def seeds(self) -> Int64Array:
        """Seed of each episode."""
        return np.array([self.trace.manifest.seeds[e] for e in self.episodes], np.int64)


def require_native(trace: Trace) -> None:
    """Refuse a trace that our engine did not make."""
    engine = trace.manifest.engine.get("name")
    if engine != _NATIVE:
        raise CagexplainError(
            f"this trace was recorded on {engine}, whose states cannot be saved and played on",
            where=trace.path,
            remedy="Record the policy with '--engine native', which plays the same episodes",
        )


def policy_of(trace: Trace, path: Path | None = None, opening: Opening | None = None) -> Policy:
    """The policy that a trace was recorded with, wherever the present folder is.

    Its file is looked for where it was loaded from, as it was written then and as an absolute
    path, and beside the trace's folder, so that both can move together.

    Args:
        trace: of our engine.
        path: where it lies now, if that is elsewhere.
        opening: how a policy of others is opened; by default its code is not run.

    Raises:
        UsageError: it is one of others, which may not be run.
        CagexplainError: see `reload_policy`; or the trace was recorded with CybORG; with the file.
    """
    require_native(trace)
    facts, file = trace.manifest.policy, trace.manifest.policy_file
    places = []
    if file is not None:
        places.append(Path(file))
    if facts.get("path") is not None:
        places.append(trace.path.resolve().parent / Path(facts["path"]).name)
    try:
        return reload_policy(facts, path, places=places, opening=opening)
    except CagexplainError as error:
        if error.where is not None:
            raise
        raise CagexplainError(
            error.problem,
            where=trace.path / manifest.FILE_NAME,
            field="policy",
            remedy=error.remedy,
        ) from error


def params_of(trace: Trace) -> EnvParams:
    """The parameters of the environment that a trace was recorded in.

    Raises:
        CagexplainError: the manifest lacks one, or has one that cannot be.
    """
    options, path = trace.manifest.options, trace.path / manifest.FILE_NAME
    try:
        entries = {entry.name: options[entry.name] for entry in fields(EnvParams)}
        red = entries.pop("red")  # a name, or a document that `EnvParams` reads by itself
        played = convert({"options": entries}, _Played, path, remedy=manifest.RECORD_AGAIN).options
        return replace(played, red=red)
    except KeyError as error:
        problem, field = "this parameter is missing", error.args[0]
    except UsageError as error:  # nobody has used anything wrongly here
        problem, field = error.problem, error.field
    raise CagexplainError(
        problem, where=path, field=f"options.{field}", remedy=manifest.RECORD_AGAIN
    )


@dataclass(frozen=True)
class _Played:
    """The part of a manifest that `params_of` reads."""

    options: EnvParams


def play_again(
    record: Record,
    policy: Policy,
    steps: int,
    *,
    before: Callable[[int, BatchedEnv], None] = lambda t, env: None,
    after: Callable[[int, Decision], None] = lambda t, decision: None,
) -> None:
    """Play the first `steps` steps of all episodes of a record again, side by side.

    Args:
        record: of the episodes.
        policy: that they were recorded with.
        steps: to play.
        before: is shown every step and the environments before the policy decides.
        after: is shown its decision.

    Raises:
        CagexplainError: the policy does not do what the trace says.
    """
    env = BatchedEnv(len(record.episodes), params=record.params)
    env.reset(record.seeds())
    policy.reset(record.seeds())
    for t in range(steps):
        before(t, env)
        decision = decide(policy, env)
        _compare(record, t, decision.actions)
        after(t, decision)
        env.step(decision.actions, decision.messages)
    env.close()


def moments(record: Record, policy: Policy, places: Sequence[DecisionPlace]) -> list[Moment]:
    """Save the state of the world and of the policy at some decisions, in one replay.

    Raises:
        CagexplainError: the policy does not do what the trace says.
    """
    wanted: dict[int, list[DecisionPlace]] = {}
    for place in places:
        wanted.setdefault(place.step, []).append(place)
    by_place: dict[DecisionPlace, Moment] = {}
    saved: dict[DecisionPlace, tuple[Snapshot, Policy]] = {}
    seeds = record.seeds()

    def before(t: int, env: BatchedEnv) -> None:
        for place in wanted.get(t, ()):
            rows = np.array([record.index(place.episode)])
            saved[place] = env.save(rows), policy.branch(rows)

    def after(t: int, decision: Decision) -> None:
        for place in wanted.get(t, ()):
            row = record.index(place.episode)
            by_place[place] = Moment(
                place,
                int(seeds[row]),
                *saved.pop(place),
                decision.actions[row].copy(),
                decision.messages is not None,
            )

    play_again(record, policy, max(wanted) + 1, before=before, after=after)
    return [by_place[place] for place in places]


def spread(episodes: int, most: int = DEFAULT_BATCH) -> Int64Array:
    """Numbers of at most `most` of so many episodes, evenly spread."""
    return np.unique(np.linspace(0, episodes - 1, min(episodes, most)).astype(np.int64))


def _compare(record: Record, t: int, played: Int64Array) -> None:
    wrong = np.argwhere(record.actions[:, t] != played)
    if len(wrong):
        row, agent = (int(i) for i in wrong[0])
        raise CagexplainError(
            f"{BLUE[agent]} does not do in step {t} of episode {record.episodes[row]} what the "
            "trace says: the engine, PyTorch or the policy is not what it was recorded with",
            where=record.trace.path,
            remedy="Record the trace again with 'cagexplain trace'",
        )
