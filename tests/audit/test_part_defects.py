"""The planted defects of parts: a sound table, and policies that really have what it says."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.flaws.answering import Answers, Restless
from benchmarks.flaws.base import Flawed
from benchmarks.flaws.habits import (
    Alarmist,
    Forgetful,
    LateInPhase,
    LeavesSources,
    Opens,
    Spares,
    WrongHost,
    next_slots,
)
from benchmarks.flaws.lapses import (
    PHASE_CHANGES,
    Absent,
    Dead,
    FrozenAtChanges,
    IdleEpisodes,
    NapsAtDecoy,
    Shifts,
    SleepsAfter,
    Stops,
    StopsAtDecoy,
    StopsAtServer,
    by_agent,
)
from benchmarks.flaws.links import Closes
from benchmarks.flaws.seeing import Neglectful
from benchmarks.flaws.talking import ALERT, EXPLOIT, Lies
from benchmarks.part_defects import LINK, PART_DEFECTS
from benchmarks.sound import SOUND, sound
from cagexplain.audit.checks import checks
from cagexplain.cc4 import phases
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.layout import (
    ACTION_LINK,
    ACTION_SLOT,
    ACTION_TYPE,
    CONNECTION,
    LINK_FROM,
    LINK_TO,
    NONE,
    OFFSETS,
    PROCESS,
    RESPONSES,
    SLOT_IS_SERVER,
    WAITS,
)
from cagexplain.cc4.network import ZONES
from cagexplain.envs import BatchedEnv
from cagexplain.policies.base import Policy
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.scripted.expert import Expert

SEEDS = np.array([30, 31, 32, 33])
"""The first one is a multiple of 2 and of 5, the second one of neither."""
STEPS = phases.calls(phases.DEFAULT_STEPS)
AWAITED = {
    "COO-02",
    "COO-03",
    "DET-08",
    "DET-09",
    "ERA-08",
    "MIS-02",
    "POL-05",
    "POL-06",
    "REC-07",
    "REC-08",
}
"""Checks that the catalogue may not have yet."""
KINDS = (
    "dead_agent",
    "idle_in_half",
    "idle_in_fifth",
    "sleeps_after",
    "frozen_at_changes",
    "stops_after",
    "shifts",
    "stops_at_server",
    "stops_at_decoy",
    "naps_at_decoy",
    "forgets",
    "wrong_host",
    "never_restores_server",
    "never_restores_user",
    "only_removes",
    "leaves_sources",
    "over_restores",
    "restores_any_alert",
    "neglects",
    "no_decoys",
    "late_in_phase",
    "open",
    "blocked",
    "lies",
)
"""What names begin with."""


@dataclass(frozen=True)
class Played:
    """An episode per seed, step by step.

    Attributes:
        exists: ``bool[n, 112]``.
        actions: ``int64[T, n, 5]`` positions of what was submitted.
        free: ``bool[T, n, 5]``.
        messages: ``uint8[T, n, 5, 8]``.
        process, connection: ``bool[T, n, 112]`` alerts.
        decoys, restored: ``bool[T, n, 112]`` hosts with a decoy; hosts that were ever restored.
        phase: ``int8[T, n]``.
    """

    exists: np.ndarray
    actions: np.ndarray
    free: np.ndarray
    messages: np.ndarray
    process: np.ndarray
    connection: np.ndarray
    decoys: np.ndarray
    restored: np.ndarray
    phase: np.ndarray

    @property
    def acts(self) -> np.ndarray:
        """``bool[T, n, 5]`` whether an agent starts anything but a wait."""
        acts: np.ndarray = self.free & ~np.isin(ACTION_TYPE[self.actions], WAITS)
        return acts


def begun(policy: Policy) -> BatchedEnv:
    env = BatchedEnv(len(SEEDS), threads=1)
    env.reset(SEEDS)
    policy.reset(SEEDS)
    return env


def played(policy: Expert, env: BatchedEnv, steps: int) -> Played:
    rows = []
    for _ in range(steps):
        obs, free = env.obs.copy(), env.free.copy()
        decision = policy.act(obs, env.mask, free)
        silence = np.zeros((*free.shape, 8), np.uint8)
        rows.append(
            (
                decision.actions + OFFSETS,
                free,
                silence if decision.messages is None else decision.messages,
                obs[:, PROCESS] != 0,
                obs[:, CONNECTION] != 0,
                policy.now.decoys > 0,
                policy.now.rebuilt.copy(),
                policy.now.phase.copy(),
            )
        )
        assert np.take_along_axis(env.mask, rows[-1][0], axis=1).all()
        env.step(decision.actions, decision.messages)
    columns = (np.stack(column) for column in zip(*rows, strict=True))
    return Played(policy.now.exists, *columns)


@pytest.fixture(scope="module")
def bases() -> dict[str, Played]:
    policies = {name: sound(name) for name in ("expert", "talks")}
    return {name: played(policy, begun(policy), STEPS) for name, policy in policies.items()}


# --- the table ----------------------------------------------------------------------------------


def test_the_table_is_sound() -> None:
    assert len(PART_DEFECTS) >= 60
    summaries = [defect.summary for defect in PART_DEFECTS.values()]
    assert len(set(summaries)) == len(summaries)
    known = {check.id for check in checks()} | AWAITED
    for name, defect in PART_DEFECTS.items():
        assert defect.name == name
        assert set(defect.checks) <= known
        assert defect.base in SOUND


def test_every_kind_of_defect_is_planted_in_three_places_or_times() -> None:
    kinds = [[kind for kind in KINDS if name.startswith(kind)] for name in PART_DEFECTS]
    counts = Counter(kind for (kind,) in kinds)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 3, counts


def test_links_that_are_places_exist() -> None:
    links = {f"{ZONES[to]} from {ZONES[frm]}" for frm, to in zip(LINK_FROM, LINK_TO, strict=True)}
    named = {p.name for d in PART_DEFECTS.values() for p in d.places if p.kind == LINK}
    assert named
    assert named <= links


# --- the policies -------------------------------------------------------------------------------


def away(policy: Absent, play: Played) -> np.ndarray:
    """When agents have to be away, told from the play alone: ``bool[T, n, 5]``."""
    step = np.arange(STEPS)[:, None, None]
    touched = np.stack([by_agent(step) for step in play.connection & play.decoys])
    match policy:
        case Dead():
            gone = np.ones((1, 1, 1), np.bool_)
        case IdleEpisodes(every=every):
            gone = (SEEDS % every == 0)[None, :, None]
        case SleepsAfter(step=first):
            gone = step >= first
        case FrozenAtChanges(before=before, after=after):
            gone = np.any(
                [(step >= at - before) & (step < at + after) for at in PHASE_CHANGES], axis=0
            )
        case Shifts(on=on, off=off):
            gone = step % (on + off) >= on
        case Stops(actions=actions):
            gone = np.cumsum(play.acts, axis=0) - play.acts >= actions
        case StopsAtServer():
            gone = np.stack([by_agent(step) for step in play.restored & SLOT_IS_SERVER])
        case StopsAtDecoy():
            gone = np.logical_or.accumulate(touched)
        case NapsAtDecoy(steps=steps):
            touches = np.cumsum(touched, axis=0)
            gone = touches > np.concatenate([np.zeros_like(touches[:steps]), touches[:-steps]])
        case _:
            raise AssertionError(policy)
    return np.broadcast_to(gone & policy.agents, play.free.shape)


ABSENT = [name for name, d in PART_DEFECTS.items() if isinstance(d.make(), Absent)]
OTHERS = [name for name in PART_DEFECTS if name not in ABSENT]


@pytest.mark.parametrize("name", ABSENT)
def test_absent_agents_never_act_and_present_ones_do(name: str) -> None:
    policy = PART_DEFECTS[name].make()
    assert isinstance(policy, Absent)
    play = played(policy, begun(policy), STEPS)
    gone = away(policy, play)
    assert (gone & play.free).any()
    assert not (gone & play.acts).any()
    assert (~gone & play.acts).any()
    first = np.where(gone.any(axis=0), gone.argmax(axis=0), -1)
    np.testing.assert_array_equal(policy.absent_at, first)


def first_differences(play: Played, base: Played) -> list[tuple[int, int, int, int, int]]:
    """Where each episode first departs from the base's: step, episode, agent, what the base does
    and what the policy does. Until then both know the same."""
    differences: list[tuple[int, int, int, int, int]] = []
    other = play.actions != base.actions
    for row in range(len(SEEDS)):
        steps, agents = np.nonzero(other[:, row])
        differences += [
            (
                int(step),
                row,
                int(agent),
                base.actions[step, row, agent],
                play.actions[step, row, agent],
            )
            for step, agent in zip(steps, agents, strict=True)
            if step == steps[0]
        ]
    return differences


def of_type(action: int, *types: ActionKind) -> bool:
    return bool(np.isin(ACTION_TYPE[action], types))


def proven(policy: Flawed, play: Played, base: Played) -> Iterator[bool]:
    """Whether a play has the defect, thing by thing that the policy may never do, or does first
    otherwise than its base."""
    slot, action_type = ACTION_SLOT[play.actions], ACTION_TYPE[play.actions]
    changes = first_differences(play, base)
    match policy:
        case Forgetful(where=where):
            shown = np.take_along_axis(play.process | play.connection, np.maximum(slot, 0), axis=2)
            looks = (slot != NONE) & where[slot] & (action_type == ActionKind.ANALYSE)
            yield bool(shown[looks].all())
            for _, _, _, should, _ in changes:
                yield of_type(should, *RESPONSES) and bool(where[ACTION_SLOT[should]])
        case WrongHost(where=where):
            following = next_slots(play.exists)
            for _, row, _, should, does in changes:
                meant = ACTION_SLOT[should]
                yield of_type(should, ActionKind.RESTORE) and of_type(does, ActionKind.RESTORE)
                yield bool(where[meant]) and ACTION_SLOT[does] == following[row, meant]
        case Spares(action_type=never, where=where):
            yield not (where[slot] & (slot != NONE) & (action_type == never)).any()
            for _, _, _, should, _ in changes:
                yield of_type(should, never) and bool(where[ACTION_SLOT[should]])
        case Answers(where=where):
            for _, _, _, should, does in changes:
                yield of_type(should, ActionKind.RESTORE) and of_type(does, ActionKind.REMOVE)
                yield ACTION_SLOT[should] == ACTION_SLOT[does] and bool(where[ACTION_SLOT[does]])
        case LeavesSources(where=where):
            for step, row, _, should, _ in changes:
                source = ACTION_SLOT[should]
                yield of_type(should, ActionKind.RESTORE) and bool(where[source])
                lone = play.connection & ~play.process
                yield bool(lone[: step + 1, row, source].any())
        case Restless(where=where):
            for _, _, _, should, does in changes:
                yield of_type(should, *WAITS) and of_type(does, ActionKind.RESTORE)
                yield bool(where[ACTION_SLOT[does]])
        case Neglectful(unseen=where):
            yield not (where[slot] & (slot != NONE)).any()
        case LateInPhase(phase=phase):
            for step, row, *_ in changes:
                yield play.phase[step, row] == phase
        case Alarmist(where=where):
            for step, row, _, should, does in changes:
                slot_hit = ACTION_SLOT[does]
                yield not of_type(should, ActionKind.RESTORE)
                yield of_type(does, ActionKind.RESTORE) and bool(where[slot_hit])
                alerts = play.process | play.connection
                yield bool(alerts[: step + 1, row, slot_hit].any())
        case Opens(links=links):
            link = ACTION_LINK[play.actions]
            yield not (links[link] & (link != NONE)).any()
            for _, _, _, should, _ in changes:
                yield of_type(should, ActionKind.BLOCK) and bool(links[ACTION_LINK[should]])
        case Closes(links=links, phases=those):
            for step, row, _, _, does in changes:
                yield of_type(does, ActionKind.BLOCK) and bool(links[ACTION_LINK[does]])
                yield play.phase[step, row] in those
        case Lies(agents=liars, first=first, end=end):
            clock = np.arange(STEPS)[:, None, None]
            lies = np.broadcast_to((clock >= first) & (clock < end) & liars, play.free.shape)
            for bit, alerts in (
                (ALERT, play.process),
                (EXPLOIT, play.process & play.connection),
            ):
                truth = np.stack([by_agent(step) for step in alerts])
                yield bool((play.messages[..., bit] == (truth ^ lies)).all())
            yield not play.messages[..., EXPLOIT + 1 :].any()
        case _:
            raise AssertionError(policy)


@pytest.mark.parametrize("name", OTHERS)
def test_others_have_what_their_summary_says(name: str, bases: dict[str, Played]) -> None:
    policy = PART_DEFECTS[name].make()
    base = bases[PART_DEFECTS[name].base]
    play = played(policy, begun(policy), STEPS)
    assert (play.actions != base.actions).any()
    assert all(proven(policy, play, base))


@pytest.mark.parametrize("name", PART_DEFECTS)
def test_a_branch_of_a_defect_goes_on_as_it_would(name: str) -> None:
    policy = PART_DEFECTS[name].make()
    env = begun(policy)
    played(policy, env, 90)
    rows = np.array([1, 1, 0])
    copies = BatchedEnv(len(rows), threads=1)
    copies.restore(env.save(), rows)
    branch = played(policy.branch(rows), copies, 40)
    play = played(policy, env, 40)
    np.testing.assert_array_equal(branch.actions, play.actions[:, rows])
    np.testing.assert_array_equal(branch.messages, play.messages[:, rows])


@pytest.mark.parametrize("name", [n for n in ABSENT if PART_DEFECTS[n].since is not None])
def test_change_points_are_where_the_table_has_them(name: str) -> None:
    defect = PART_DEFECTS[name]
    policy = defect.make()
    assert isinstance(policy, Absent)
    evaluate(policy, np.arange(100), batch=100)
    starts = policy.absent_at[policy.absent_at >= 0]
    assert defect.since is not None
    assert abs(np.median(starts) - defect.since) <= 5
    assert len(starts) >= 90 * policy.agents.sum()


# --- the sound policies -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SOUND if name != "expert"])
def test_sound_policies_decide_otherwise_than_the_expert(
    name: str, bases: dict[str, Played]
) -> None:
    policy = sound(name)
    assert (played(policy, begun(policy), STEPS).actions != bases["expert"].actions).any()


def test_who_talks_tells_the_truth(bases: dict[str, Played]) -> None:
    play = bases["talks"]
    alerts = np.stack([by_agent(step) for step in play.process])
    np.testing.assert_array_equal(play.messages[..., ALERT], alerts)
    assert alerts.any()
    assert not bases["expert"].messages.any()
