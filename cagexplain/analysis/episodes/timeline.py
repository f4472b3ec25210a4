"""Episodes step by step: what happened on every host, what both sides did, what it cost.

Only chosen episodes are kept, as run lengths and sparse rows: some tens of kilobytes each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cagexplain.analysis.episodes.incidents import in_words
from cagexplain.analysis.episodes.timeline_parts import (
    Block,
    BlueAction,
    Failure,
    HostLine,
    Incident,
    Loss,
    RedActionSpan,
    Stretch,
)
from cagexplain.cc4 import actions, agents, network, phases, red_fsm, reward, services
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.outcome import Outcome
from cagexplain.common.errors import UsageError
from cagexplain.common.results import Result
from cagexplain.facts.batch import Batch, codes, run
from cagexplain.facts.incidents import TABLES as INCIDENT_TABLES
from cagexplain.facts.incidents import Incidents, incidents_of
from cagexplain.facts.places import LEVEL_NAMES
from cagexplain.tracing.trace import Trace

CAUSES: Final = ("lwf", "asf", "ria", "cost")
"""Parts of the reward, as the trace's columns name them; in the order of reward.CAUSE_NAMES."""

IDLE: Final = ("Sleep", "Monitor")
"""Blue actions that do nothing (CC4 monitors by itself)."""

_ZONE_ORDER: Final = (*(zone for zones in agents.BLUE_ZONES for zone in zones), network.CON)
_ROWS: Final = tuple(
    zone * network.HOSTS_PER_ZONE + slot for zone in _ZONE_ORDER for slot in actions.SLOTS
)
"""Hosts that have a state (servers and user hosts), by the blue agent that defends them; those of
the contractor network, which no agent defends, come last."""

_CONTROL: Final = tuple(actions.KIND_NAMES[k] for k in (ActionKind.BLOCK, ActionKind.ALLOW))
_DIGITS: Final = tuple(map(str, range(services.N_DECOYS + 1)))
_HEALTH: Final = ("", "degraded", "stopped")
_CAUSE_OF_GREEN: Final = {"GreenLocalWork": "lwf", "GreenAccessService": "asf"}


@dataclass(frozen=True)
class Timeline(Result):
    """One episode.

    Attributes:
        episode: its number in the trace.
        seed: of the episode.
        reason: why it was chosen.
        steps: played.
        total: official return, of the counted rewards.
        phases: runs of mission phases.
        rewards: by cause (`CAUSES`), a value per step; they add up to the team's reward.
        counted: steps whose reward the official return counts, from the first.
        hosts: grouped by blue agent and zone.
        blue: decisions in the order of steps; Sleep and Monitor are left out.
        idle: by blue agent the number of Sleeps and Monitors.
        red: actions in the order of their start.
        blocks: of links, in the order of their start.
        failures: of green users, in the order of steps.
        losses: in the order of steps.
        incidents: in the order of their start.
        observed: whether alerts were recorded.
    """

    episode: int
    seed: int
    reason: str
    steps: int
    total: float
    phases: tuple[Stretch, ...]
    rewards: dict[str, tuple[float, ...]]
    counted: int
    hosts: tuple[HostLine, ...]
    blue: tuple[BlueAction, ...]
    idle: dict[str, int]
    red: tuple[RedActionSpan, ...]
    blocks: tuple[Block, ...]
    failures: tuple[Failure, ...]
    losses: tuple[Loss, ...]
    incidents: tuple[Incident, ...]
    observed: bool


def require_episodes(asked: Sequence[int], n: int) -> None:
    """Refuse numbers of episodes that a trace of `n` episodes has not.

    Raises:
        UsageError: for the first of them.
    """
    for episode in asked:
        if not 0 <= episode < n:
            raise UsageError(
                f"there is no episode {episode}",
                field="--episode",
                remedy=f"The trace has episodes 0 to {n - 1}",
            )


def episode_choice(
    returns: npt.NDArray[np.floating[Any]], asked: Sequence[int] = ()
) -> dict[int, str]:
    """Episodes worth a look, and why: those asked for; else the worst, the median and the best.

    Args:
        returns: ``float[e]`` official return per episode.
        asked: numbers of episodes.

    Returns:
        Reason by number of the episode, in the order in which to show them.

    Raises:
        UsageError: an episode that was asked for does not exist.
    """
    n = len(returns)
    require_episodes(asked, n)
    if asked:
        return dict.fromkeys(asked, "asked for")
    order = np.argsort(returns, kind="stable")
    if n == 1:
        return {0: "the only episode"}
    named = {"worst": order[0], "median": order[(n - 1) // 2], "best": order[-1]}
    chosen: dict[int, str] = {}
    for name, episode in named.items():
        chosen.setdefault(int(episode), f"{name} return of {n}")
    return chosen


def worst_episode(trace: Trace) -> int:
    """Number of the episode with the lowest official return, the first of several.

    Raises:
        CagexplainError: a file of the trace is damaged.
    """
    returns = np.zeros(trace.n_episodes)
    for steps in trace.batches("steps", ("episode", "reward", "counted")):
        counted = steps[steps["counted"]]
        returns += np.bincount(counted["episode"], counted["reward"], trace.n_episodes)
    return int(returns.argmin())


def timelines(trace: Trace, episodes: Mapping[int, str]) -> tuple[Timeline, ...]:
    """Read chosen episodes from a trace; of its files only those that contain them.

    Args:
        trace: that has them.
        episodes: why each was chosen, by its number, as from `episode_choice`.

    Raises:
        CagexplainError: a file of the trace is damaged.
    """
    parts = [
        part
        for part in trace.manifest.parts
        if any(part.first_episode <= e < part.first_episode + part.episodes for e in episodes)
    ]
    collector = _Chosen(episodes, trace.manifest.seeds)
    run(Trace(trace.path, dataclasses.replace(trace.manifest, parts=parts)), [collector])
    return tuple(collector.timelines[episode] for episode in episodes)


class _Chosen:
    """Keeps the timelines of chosen episodes."""

    tables: Mapping[str, Sequence[str]] = {
        "steps": ("step", "counted", *(f"reward_{cause}" for cause in CAUSES)),
        "blue": (
            *("step", "agent", "action_type", "target_host", "target_zone", "source_zone"),
            *("started", "outcome", "target_state", "target_level", "probability"),
        ),
        "red": (
            *("step", "agent", "event", "action", "action_name", "target_host", "target_zone"),
            *("source_host", "outcome", "detected"),
        ),
        "services": ("decoys", "reliability", "stopped"),
        "green": ("step", "host", "kind", "cause", "target_host", "penalty"),
        "levels": INCIDENT_TABLES["levels"],
    }

    def __init__(self, episodes: Mapping[int, str], seeds: Sequence[int]) -> None:
        self.timelines: dict[int, Timeline] = {}
        self._episodes = episodes
        self._seeds = seeds

    def add(self, batch: Batch) -> None:
        """Keep those of this batch."""
        chosen = [(r, e) for r, e in enumerate(batch.episodes.tolist()) if e in self._episodes]
        if not chosen:
            return
        incidents = incidents_of(batch)
        for row, episode in chosen:
            self.timelines[episode] = _timeline(
                batch,
                row,
                incidents.where(incidents.episode == episode),
                episode=episode,
                seed=self._seeds[episode],
                reason=self._episodes[episode],
            )


def _timeline(batch: Batch, row: int, incidents: Incidents, **head: Any) -> Timeline:
    frames = {}
    for name in _Chosen.tables:
        frame = batch.frame(name)
        frames[name] = frame[frame["row"] == row]
    steps = frames["steps"].sort_values("step")
    counted = int(steps["counted"].sum())
    rewards = {cause: tuple(map(float, steps[f"reward_{cause}"])) for cause in CAUSES}
    failures = tuple(sorted(map(_failure, _rows(frames["green"])), key=lambda f: f.step))
    losses = tuple(sorted(_losses(batch, row, frames, failures), key=lambda loss: loss.step))
    hosts = tuple(_hosts(batch, row, losses))
    blue, idle = _blue(frames["blue"], batch.steps)
    return Timeline(
        **head,
        steps=batch.steps,
        total=sum(sum(values[:counted]) for values in rewards.values()),
        phases=_runs(batch.phase[row], phases.PHASE_NAMES),
        rewards=rewards,
        counted=counted,
        hosts=hosts,
        blue=blue,
        idle=idle,
        red=tuple(sorted(_red(frames["red"]), key=lambda action: action.start)),
        blocks=tuple(sorted(_blocks(blue, batch.steps), key=lambda block: block.start)),
        failures=failures,
        losses=losses,
        incidents=in_words(incidents, losses),
        observed=batch.process is not None,
    )


def _runs(
    values: npt.NDArray[Any], names: Sequence[str], *, without: int | None = None
) -> tuple[Stretch, ...]:
    """Run lengths of the codes of all steps, perhaps without those of one code."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    stops = np.append(starts[1:], len(values))
    return tuple(
        Stretch(int(start), int(stop), names[values[start]])
        for start, stop in zip(starts, stops, strict=True)
        if values[start] != without
    )


def _hosts(batch: Batch, row: int, losses: Sequence[Loss]) -> Iterator[HostLine]:
    lost: dict[str, float] = {}
    for loss in losses:
        lost[loss.host] = lost.get(loss.host, 0.0) + loss.amount
    decoys, health = batch.since("services", "decoys", 0)[row], _health(batch)[row]
    for host in (h for h in _ROWS if batch.exists[row, h]):
        zone, name = network.zone_of(host), network.HOST_NAMES[host]
        owner = agents.BLUE_OF_HOST[host]
        process, connection = (
            None
            if bits is None
            else _runs(bits[row, :, host].astype(np.int8), ("", "on"), without=0)
            for bits in (batch.process, batch.connection)
        )
        yield HostLine(
            host=name,
            zone=network.ZONES[zone],
            kind=network.KIND_NAMES[network.HOST_KIND[host]],
            agent=agents.BLUE[owner] if owner >= 0 else None,
            states=_runs(batch.states[row, :, host], red_fsm.STATE_NAMES),
            levels=_runs(batch.levels[row, :, host], LEVEL_NAMES, without=0),
            process=process,
            connection=connection,
            decoys=_runs(decoys[:, host], _DIGITS, without=0),
            health=_runs(health[:, host], _HEALTH, without=0),
            loss=lost.get(name, 0.0),
        )


def _health(batch: Batch) -> npt.NDArray[np.int8]:
    """``int8[n, T, 137]`` codes of `_HEALTH`."""
    degraded = batch.since("services", "reliability", services.MAX_RELIABILITY)
    stopped = batch.since("services", "stopped", 0)
    return np.where(stopped, 2, degraded < services.MAX_RELIABILITY).astype(np.int8)


def _blue(frame: pd.DataFrame, steps: int) -> tuple[tuple[BlueAction, ...], dict[str, int]]:
    """Decisions, and by agent the number of those to do nothing.

    A free agent always decides, so that an action ends where the agent's next one begins.
    """
    frame = frame.sort_values(["agent", "step"])
    outcome = {(row.agent, row.step): row.outcome for row in _rows(frame)}
    started = frame[frame["started"]]
    following = started.groupby("agent", observed=True)["step"].shift(-1, fill_value=steps)
    decisions, idle = [], dict.fromkeys(agents.BLUE, 0)
    for row, stop in zip(_rows(started), map(int, following), strict=True):
        if row.action_type in IDLE:
            idle[row.agent] += 1
            continue
        decisions.append(
            BlueAction(
                start=int(row.step),
                stop=stop,
                agent=row.agent,
                kind=row.action_type,
                host=_text(row.target_host),
                zone=_text(row.target_zone),
                source=_text(row.source_zone),
                outcome=outcome[row.agent, stop - 1],
                state=_text(row.target_state),
                level=LEVEL_NAMES[row.target_level] if row.target_level >= 0 else None,
                probability=None if pd.isna(row.probability) else float(row.probability),
            )
        )
    return tuple(sorted(decisions, key=lambda action: action.start)), idle


def _red(frame: pd.DataFrame) -> Iterator[RedActionSpan]:
    """Red's actions: an agent does one at a time, so that what comes due is what it started."""
    started: dict[str, Any] = {}
    for row in _rows(frame.sort_values(["agent", "step", "event"])):
        if row.event == "started":
            started[row.agent] = row
        else:
            yield _red_action(started.pop(row.agent).step, int(row.step), row)
    for row in started.values():
        yield _red_action(row.step, None, row)


def _red_action(start: int, step: int | None, row: Any) -> RedActionSpan:
    return RedActionSpan(
        start=int(start),
        step=step,
        agent=row.agent,
        kind=row.action_name,
        host=_text(row.target_host),
        zone=row.target_zone,
        source=_text(row.source_host),
        outcome=row.outcome,
        detected=bool(row.detected),
    )


def _blocks(blue: Sequence[BlueAction], steps: int) -> Iterator[Block]:
    """How long links were blocked: a Block or Allow that changes nothing fails."""
    since: dict[tuple[str, str], int] = {}
    control = (a for a in blue if a.kind in _CONTROL and a.outcome == Outcome.SUCCESS.name)
    for action in sorted(control, key=lambda a: a.stop):
        link = (str(action.zone), str(action.source))
        if action.kind == _CONTROL[0]:
            since[link] = action.stop
        else:
            yield Block(since.pop(link), action.stop, *link)
    for link, start in since.items():
        if start < steps:
            yield Block(start, steps, *link)


def _failure(green: Any) -> Failure:
    return Failure(
        step=int(green.step),
        host=green.host,
        kind=green.kind,
        cause=green.cause,
        target=_text(green.target_host),
        amount=float(green.penalty),
    )


def _losses(
    batch: Batch, row: int, frames: Mapping[str, pd.DataFrame], failures: Sequence[Failure]
) -> Iterator[Loss]:
    """Penalties by host. The trace has those of green users; red's follow from the rules: every
    Impact that comes due is charged, however it ended, if its agent still has a session at
    the end of the step.
    """
    for green in failures:
        if green.amount:
            yield Loss(green.step, green.host, _CAUSE_OF_GREEN[green.kind], green.amount)
    red, active = frames["red"], _active(batch.levels[row], frames["levels"])
    due = (red["action"] == red_fsm.RedAction.IMPACT) & (red["event"] == "done")
    for impact in _rows(red[due]):
        zone = network.zone_of(network.host_index(impact.target_host))
        amount = float(reward.TABLE[batch.phase[row, impact.step], zone, reward.RIA])
        if amount and active[impact.step, agents.RED.index(impact.agent)]:
            yield Loss(int(impact.step), impact.target_host, "ria", amount)


def _active(levels: npt.NDArray[np.int8], changes: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """``bool[T, 6]``: red agents with a session at the end of each step. Their sessions lie on the
    hosts that they own, as others are handed over."""
    last = levels[-1].copy()
    final = changes[changes["step"] == len(levels) - 1]
    last[codes(final, "host")] = final["to_level"]
    after = np.vstack([levels[1:], last]) > 0
    return np.stack([after[:, a == agents.RED_OF_HOST].any(axis=1) for a in range(agents.N_RED)], 1)


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    return iter(frame.itertuples(index=False))


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
