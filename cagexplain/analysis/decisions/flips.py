"""The smallest change of an observation that changes what a policy does.

All single changes of the agent's observation are tried and, if none flips the choice, all pairs:
an alert more or less on a host that exists, a block more or less, another entry of the comms policy
or another phase, and message bits if the agents send any. A policy that reads raw observations
loses with an alert what they tell of it, and is also shown an exploit, or attacks from a host, more
or less. The policy itself answers, from its own state of mind before the decision, so that what it
derives from an observation (its memory, say) changes with it. Only what this agent sees is changed;
the world is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cagexplain.analysis.decisions.replay import Moment
from cagexplain.cc4 import actions, network, observations, phases
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.cc4.layout import CONNECTION, ON_SLOT, PROCESS, SLOT_START
from cagexplain.cc4.sightings import Sightings
from cagexplain.common.results import Result
from cagexplain.policies.base import Weighing, reads, rows_at_once
from cagexplain.policies.learned import features
from cagexplain.policies.wrappers.base import unwrapped

LIMIT: Final = 2
SHOWN: Final = 10
_AT_ONCE: Final = 1024

Change = tuple[int, int, str]
"""Entry of the agent's vector, its other value, what that means. Behind the vector come, host by
host, the exploits that the raw observation shows, then the sources of attacks."""


@dataclass(frozen=True)
class Flip(Result):
    """Changes of the observation that together change the choice.

    Attributes:
        changes: such as "without the process alert on user_host_3 (RZA)".
        action: what the agent would do instead.
        kind: its type.
    """

    changes: tuple[str, ...]
    action: str
    kind: str


@dataclass(frozen=True)
class Flips(Result):
    """Outcome of the search for the smallest change of the observation that flips the choice.

    Attributes:
        preferred: what the policy prefers, given what was seen: the choice that is to change.
        size: number of changes that it takes; None if none within `limit`.
        limit: largest number of changes that was tried.
        tried: observations that were tried.
        found: flips of that size, the clearest first; at most `SHOWN`.
        total: how many of that size there are.
    """

    preferred: str
    size: int | None
    limit: int
    tried: int
    found: tuple[Flip, ...]
    total: int


def flips(moment: Moment, limit: int = LIMIT) -> Flips:
    """Search for the smallest flip of the most preferred action (the chosen one, unless drawn).

    Of a policy that takes a process per observation (`rows_at_once`), single changes only.
    """
    if rows_at_once(moment.policy, _AT_ONCE) < _AT_ONCE:
        limit = 1
    agent = moment.place.agent
    changes = list(possible_changes(moment))
    preferred = int(_answers(moment, [()])[0][0])
    tried = 0
    for size in range(1, limit + 1):
        combined = [
            combination
            for combination in itertools.combinations(changes, size)
            if len({entry for entry, _, _ in combination}) == size
        ]
        answers, margin = _answers(moment, combined, preferred)
        tried += len(combined)
        flipped = np.flatnonzero(answers != preferred)
        if len(flipped):
            clearest = flipped[np.argsort(-margin[flipped], kind="stable")]
            shown = [_flip(agent, combined[i], int(answers[i])) for i in clearest[:SHOWN]]
            return Flips(
                features.action_label(agent, preferred),
                size,
                limit,
                tried,
                tuple(shown),
                len(flipped),
            )
    return Flips(features.action_label(agent, preferred), None, limit, tried, (), 0)


def possible_changes(moment: Moment) -> Iterator[Change]:
    """All single changes of what the agent observed."""
    agent = moment.place.agent
    obs = moment.snapshot.obs[0, observations.slice_of(agent)]
    mask = moment.snapshot.mask[0, actions.slice_of(agent)]
    names = features.names("flat", agent)
    for host in observations.HOSTS[agent].tolist():
        if mask[actions.index(agent, ActionKind.ANALYSE, host=host)]:
            for bit in (observations.process_bit, observations.connection_bit):
                entry = bit(agent, host)
                yield entry, 1 - obs[entry], f"{_with(not obs[entry])} {names[entry]}"
    for to_zone in BLUE_ZONES[agent]:
        for from_zone in network.ALPHABETICAL:
            if from_zone != to_zone:
                pair = agent, to_zone, from_zone
                for entry in (observations.blocked_bit(*pair), observations.policy_bit(*pair)):
                    yield entry, 1 - obs[entry], _traffic(names[entry], not obs[entry])
    if moment.messages:
        for entry in range(*observations.message_slice(agent).indices(len(obs))):
            yield entry, 1 - obs[entry], f"if {names[entry]} were {1 - obs[entry]}"
    if reads(moment.policy):
        yield from _changes_of_sightings(moment)
    for phase, name in enumerate(phases.PHASE_NAMES):
        if phase != obs[observations.PHASE]:
            yield observations.PHASE, phase, f"if the phase were {name}"


def _changes_of_sightings(moment: Moment) -> Iterator[Change]:
    agent = moment.place.agent
    slots, size = _slots(agent), observations.SIZES[agent]
    exists = moment.snapshot.mask[0, ON_SLOT[ActionKind.ANALYSE][slots]]
    sightings = moment.snapshot.sightings()
    labels = [features.host_label(host) for host in observations.HOSTS[agent].tolist()]
    for text, entry, shown in (
        ("exploit seen on", size, sightings.exploited[0, slots]),
        ("attack seen from", size + len(labels), sightings.sources(agent)[0]),
    ):
        for i in np.flatnonzero(exists).tolist():
            article = "without the" if shown[i] else "with an"
            yield entry + i, int(not shown[i]), f"{article} {text} {labels[i]}"


def _slots(agent: int) -> slice:
    return slice(SLOT_START[agent], SLOT_START[agent + 1])


def _with(present: bool) -> str:
    return "with a" if present else "without the"


def _traffic(name: str, present: bool) -> str:
    condition = name.replace(" is ", " were ")
    if not present:
        condition = condition.replace(" were ", " were not ").replace(" should ", " should not ")
    return f"if {condition}"


def _answers(
    moment: Moment, combined: Sequence[tuple[Change, ...]], original: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The preferred action under each of some combinations of changes, and by how much it is
    preferred to the `original` (0 for policies that do not weigh actions)."""
    agent = moment.place.agent
    parts, margins = [np.empty(0, np.int64)], [np.empty(0)]
    at_once = rows_at_once(moment.policy, _AT_ONCE)
    for at in range(0, len(combined), at_once):
        some = combined[at : at + at_once]
        rows = np.zeros(len(some), np.int64)
        obs = moment.snapshot.obs[rows]
        agent_obs = obs[:, observations.slice_of(agent)]
        size = agent_obs.shape[1]
        others = np.full((len(some), 2 * len(observations.HOSTS[agent])), _AS_IT_IS)
        for row, changes in enumerate(some):
            for entry, value, _ in changes:
                if entry < size:
                    agent_obs[row, entry] = value
                else:
                    others[row, entry - size] = value
        branch = moment.policy.branch(rows)
        if reads(branch):
            seen = moment.snapshot.sightings().branch(rows)
            branch.read(_changed(seen, agent, obs, others))  # type: ignore[attr-defined]
        chosen = branch.act(obs, moment.snapshot.mask[rows], moment.free[rows]).actions[:, agent]
        margin = np.zeros(len(some))
        policy = unwrapped(branch)
        if isinstance(policy, Weighing):
            weights = policy.weights()[:, actions.slice_of(agent)]
            chosen = weights.argmax(axis=1)
            margin = weights[np.arange(len(some)), chosen] - weights[:, original].astype(float)
        parts.append(chosen)
        margins.append(margin)
    return np.concatenate(parts), np.concatenate(margins)


_AS_IT_IS: Final = -1


def _changed(
    sightings: Sightings, agent: int, obs: npt.NDArray[np.int8], others: npt.NDArray[np.int64]
) -> Sightings:
    """What an agent is shown beside changed vectors.

    Args:
        sightings: beside the vector as it was.
        agent: whose vector was changed.
        obs: ``int8[n, 578]``.
        others: ``int64[n, 2 * hosts]`` exploits and sources, 0 or 1, or `_AS_IT_IS`.
    """
    changed = sightings.under(obs[:, PROCESS] != 0, obs[:, CONNECTION] != 0)
    exploited, source = np.split(others, 2, axis=1)
    slots = _slots(agent)
    changed.exploited[:, slots] = np.where(
        exploited == _AS_IT_IS, changed.exploited[:, slots], exploited
    )
    bits = 1 << np.arange(source.shape[1])
    kept = ~((source == 0) * bits).sum(axis=1)
    changed.passed_by[:, agent] = (changed.passed_by[:, agent] & kept) | ((source == 1) * bits).sum(
        axis=1
    )
    changed.attacked_by[:, slots] &= kept[:, None]
    changed.scanned_by[:, slots] &= kept[:, None]
    return changed


def _flip(agent: int, changes: tuple[Change, ...], action: int) -> Flip:
    kind = actions.KIND_NAMES[actions.ALL_KIND[agent, action]]
    return Flip(tuple(text for _, _, text in changes), features.action_label(agent, action), kind)
