"""What a trained policy does, small enough to keep: `explain.json` beside a run's result.

The study asked its second question of policies whose Sleep was masked, "in order to allow for
clearer interpretation" (Rigoni et al. 2025, section 4.2). A run is therefore played twice, with
Sleep masked and as it is, so that what the masking does to a conclusion can be seen. Of the
episodes, only counts of decisions and the tests of reactions are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from cagexplain.analysis.fsm import counts
from cagexplain.analysis.reactions import study_tables
from cagexplain.analysis.reactions.counts import Collector as ReactionCollector
from cagexplain.analysis.reactions.find import summarise
from cagexplain.analysis.reactions.results import Answer
from cagexplain.cc4 import actions, agents, phases, red_fsm
from cagexplain.common.cluster import Cluster
from cagexplain.common.documents import read_json
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import sha256_file, write_json
from cagexplain.envs import Engine, EnvParams
from cagexplain.facts.batch import in_memory
from cagexplain.policies.base import Policy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED, Observer, batches, play, seed_range
from cagexplain.tracing.recorder import Recorder

EXPLAIN: Final = "explain.json"
CHECKPOINT: Final = "ckpt.pt"
"""Of the weights that a run is judged by, where they have not been removed."""
SCHEMA_VERSION: Final = 1
MASKED, ALLOWED = "sleep masked", "sleep allowed"
CONDITIONS: Final = {MASKED: True, ALLOWED: False}
"""Condition of the play -> whether Sleep is masked; the study's own comes first."""
VIEWS: Final = ("targeted", "situational")
"""Of `counts.Counts.decisions`, in its order."""
_BATCH: Final = 50
_REMEDY: Final = "Remove the file and call `cagexplain study explain` again"


def _one_of(names: Iterable[str]) -> Meta:
    return Meta(pattern=f"^(?:{'|'.join(map(re.escape, names))})$")


Count = Annotated[int, Meta(ge=0)]
StateName = Annotated[str, _one_of(red_fsm.STATE_NAMES)]
KindName = Annotated[str, _one_of(actions.KIND_NAMES)]
ViewName = Annotated[str, _one_of(VIEWS)]
PhaseName = Annotated[str, _one_of(phases.PHASE_NAMES)]
AgentName = Annotated[str, _one_of(agents.BLUE)]
ConditionName = Annotated[str, _one_of(CONDITIONS)]
Cells = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class TableStrength:
    """One of the study's tables of reactions (see `study_tables.StudyTable`)."""

    name: str
    n: Count
    strength: float | None
    adjusted_p: float | None


@dataclass(frozen=True)
class Conduct:
    """What a run's policy did under one condition.

    Attributes:
        returns: official return of each episode.
        by_episode: view -> FSM state -> action type -> decisions in each episode; what never
            occurred is left out.
        by_agent: blue agent -> mission phase -> view -> state -> action type -> decisions.
        tables: the study's tables of reactions.
        reactions: the answer of our own tests.
    """

    returns: list[float]
    by_episode: dict[ViewName, dict[StateName, dict[KindName, list[Count]]]]
    by_agent: dict[
        AgentName, dict[PhaseName, dict[ViewName, dict[StateName, dict[KindName, Count]]]]
    ]
    tables: list[TableStrength]
    reactions: Answer

    def decisions(self, view: str) -> npt.NDArray[np.int64]:
        """Decisions ``int64[episode, state, action type]`` of a view."""
        table = np.zeros((len(self.returns), red_fsm.N_STATES, actions.N_KINDS), np.int64)
        for state, kinds in self.by_episode.get(view, {}).items():
            for kind, per_episode in kinds.items():
                table[:, _STATE[state], _KIND[kind]] = per_episode
        return table

    def decisions_of_agents(self, view: str) -> npt.NDArray[np.int64]:
        """Decisions ``int64[agent, state, action type]`` of a view."""
        table = np.zeros((agents.N_BLUE, red_fsm.N_STATES, actions.N_KINDS), np.int64)
        for agent, by_phase in self.by_agent.items():
            for by_view in by_phase.values():
                for state, kinds in by_view.get(view, {}).items():
                    for kind, total in kinds.items():
                        table[_AGENT[agent], _STATE[state], _KIND[kind]] += total
        return table


@dataclass(frozen=True)
class ExplainedRun:
    """The content of the file.

    Attributes:
        schema_version: of the file.
        checkpoint: SHA-256 of the policy.
        first_seed, episodes: that were played; the seeds are consecutive.
        conditions: by name, see `CONDITIONS`.
    """

    schema_version: Literal[1]
    checkpoint: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    first_seed: Count
    episodes: Annotated[int, Meta(ge=2)]
    conditions: dict[ConditionName, Conduct]


_STATE: Final = {name: i for i, name in enumerate(red_fsm.STATE_NAMES)}
_KIND: Final = {name: i for i, name in enumerate(actions.KIND_NAMES)}
_AGENT: Final = {name: i for i, name in enumerate(agents.BLUE)}


def explain_run(
    checkpoint: Path, episodes: int, params: EnvParams, observers: Sequence[Observer] = ()
) -> ExplainedRun:
    """Play a policy under all conditions and count what it does.

    Args:
        checkpoint: of the policy.
        episodes: under each condition, the first ones of evaluation.
        params: of the episodes.
        observers: of the play, such as a progress bar.

    Raises:
        CagexplainError: the checkpoint is unusable.
    """
    return _explained(
        checkpoint,
        episodes,
        {
            name: _conduct(_player(checkpoint, name), episodes, params, Engine(), observers)
            for name in CONDITIONS
        },
    )


def explain_runs(
    runs: Sequence[tuple[Path, EnvParams]],
    episodes: int,
    cluster: Cluster,
    advance: Callable[[int], None] = lambda steps: None,
) -> Iterator[tuple[int, ExplainedRun]]:
    """`explain_run` for many runs on a cluster: what travels back are counts.

    Args:
        runs: checkpoint of each, and parameters of its episodes.
        episodes: of each, under each condition.
        cluster: to play on.
        advance: is told environment steps as a run has been played under a condition.

    Yields:
        The number of each run and what it does, as they are finished.

    Raises:
        CagexplainError: a checkpoint is unusable; see also `Cluster.each`.
    """
    plays = [
        _Play(f"{checkpoint}, {name}", _player(checkpoint, name), params)
        for checkpoint, params in runs
        for name in CONDITIONS
    ]
    conducts: dict[int, dict[str, Conduct]] = {}
    for number, conduct in cluster.each(_conduct_alone, episodes, plays):
        advance(episodes * phases.calls(plays[number].params.steps))
        run, condition = divmod(number, len(CONDITIONS))
        of_run = conducts.setdefault(run, {})
        of_run[list(CONDITIONS)[condition]] = conduct
        if len(of_run) == len(CONDITIONS):
            yield (
                run,
                _explained(runs[run][0], episodes, {name: of_run[name] for name in CONDITIONS}),
            )


@dataclass(frozen=True)
class _Play:
    """A policy of a run under one condition, and parameters of its episodes."""

    label: str
    policy: Policy
    params: EnvParams

    def __str__(self) -> str:
        return self.label


def _conduct_alone(episodes: int, job: _Play) -> Conduct:
    """What a worker does."""
    return _conduct(job.policy, episodes, job.params, Engine(workers=1))


def _player(checkpoint: Path, condition: str) -> Policy:
    return load_policy(str(checkpoint), mask_sleep=CONDITIONS[condition])


def _explained(
    checkpoint: Path, episodes: int, conditions: dict[ConditionName, Conduct]
) -> ExplainedRun:
    return ExplainedRun(
        schema_version=SCHEMA_VERSION,
        checkpoint=sha256_file(checkpoint),
        first_seed=EVALUATION_SEED,
        episodes=episodes,
        conditions=conditions,
    )


def _conduct(
    policy: Policy,
    episodes: int,
    params: EnvParams,
    engine: Engine,
    observers: Sequence[Observer] = (),
) -> Conduct:
    counter, tables, reacting = counts.Counter(), study_tables.Collector(), ReactionCollector()
    first = 0
    for seeds in batches(seed_range(EVALUATION_SEED, episodes), _BATCH):
        recorder = Recorder(first)
        env = engine.make(len(seeds), params)
        play(policy, env, seeds, [recorder, *observers])
        env.close()
        for batch in in_memory(recorder.tables()):
            for collector in (counter, tables, reacting):
                collector.add(batch)
        first += len(seeds)
    totals = counter.result()
    return Conduct(
        returns=totals.returns.tolist(),
        by_episode=_named(counts.pool(totals.decisions)),
        by_agent={
            agent: {
                phase: _named(
                    counts.pool(totals.decisions, a, p).sum(axis=0, keepdims=True), scalar=True
                )
                for p, phase in enumerate(phases.PHASE_NAMES)
            }
            for a, agent in enumerate(agents.BLUE)
        },
        tables=[
            TableStrength(table.name, table.n, table.strength, table.adjusted_p)
            for table in tables.result().tables
        ],
        reactions=summarise(reacting.counts, observed=True).answer,
    )


def _named(decisions: npt.NDArray[Any], *, scalar: bool = False) -> dict[str, Cells]:
    """``[episode, view, state, kind]`` -> view -> state -> kind -> counts of the episodes."""
    named: dict[str, Cells] = {}
    for view, state, kind in zip(*np.nonzero(decisions.any(axis=0)), strict=True):
        cell = decisions[:, view, state, kind].tolist()
        states = named.setdefault(VIEWS[view], {})
        kinds = states.setdefault(red_fsm.STATE_NAMES[state], {})
        kinds[actions.KIND_NAMES[kind]] = cell[0] if scalar else cell
    return named


def write_explained(folder: Path, run: ExplainedRun) -> None:
    """Write a run's file."""
    write_json(folder / EXPLAIN, asdict(run), indent=None)


def read_explained(folder: Path) -> ExplainedRun | None:
    """Read a run's file; None if there is none.

    Raises:
        CagexplainError: it holds something else than it should, or is about other weights than
            those beside it.
    """
    path = folder / EXPLAIN
    if not path.exists():
        return None
    run = read_json(path, ExplainedRun, "explanation of a run", remedy=_REMEDY)
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_file() and sha256_file(checkpoint) != run.checkpoint:
        raise _unusable(path, "checkpoint", f"is not that of {CHECKPOINT} beside it")
    for name in CONDITIONS:
        if name not in run.conditions:
            raise _unusable(path, "conditions", f"has no {name!r}")
        conduct = run.conditions[name]
        lengths = {
            len(cell)
            for states in conduct.by_episode.values()
            for kinds in states.values()
            for cell in kinds.values()
        }
        if {len(conduct.returns), *lengths} != {run.episodes}:
            problem = f"does not have {run.episodes} episodes throughout"
            raise _unusable(path, f"conditions.{name}", problem)
    return run


def _unusable(path: Path, field: str, problem: str) -> CagexplainError:
    return CagexplainError(problem, where=path, field=field, remedy=_REMEDY)
