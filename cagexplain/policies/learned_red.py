"""A red that has learned: a table, and a network that reweights what the table would do.

One network scores every action on every host that an agent knows, with the same weights for all
hosts and all six agents, and every zone that it may sweep. Its scores are added to the logarithms
of the table's own probabilities. So with scores of zero it plays the table, but for a small share
of its choices (`EXPLORED`) that it spreads evenly over all it may do.

It is given what CybORG's red observes (`cagexplain.cc4.red_views`) and what it can remember of
that: not the mission phase, not what other agents believe, not what blue does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cagexplain.cc4.agents import N_RED, RED_OF_HOST, RED_OF_ZONE
from cagexplain.cc4.network import (
    FIRST_SERVER_SLOT,
    HOST_KIND,
    HOST_ZONE,
    HOSTS_PER_ZONE,
    N_HOSTS,
    N_REAL_ZONES,
    SERVER,
)
from cagexplain.cc4.red_fsm import (
    KNOWN_SERVER_PREFERENCE,
    N_RED_ACTIONS,
    N_STATES,
    RedAction,
    State,
)
from cagexplain.cc4.red_table import STATES, UNHELD
from cagexplain.cc4.red_views import ROOT, USER, RedView, no_choices
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import BoolArray, FloatArray, IntArray
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.checkpoint import read_plain, write_plain

KIND: Final = "learned red"
NAME: Final = "learned"
EXPLORED: Final = 0.05
"""Share of choices that the table spreads evenly: what it never does has to be tried to be
learned."""

_SIZE_LIMIT: Final = 16 * 2**20
_HIDDEN: Final = 48
_STEPS: Final = 500.0
_FOOTHOLD, _KNOWN = int(State.U), int(State.K)
_UNHELD: Final = np.array([UNHELD.get(state, state) for state in State])
_IS_SERVER: Final = HOST_KIND == SERVER
_IS_FIRST: Final = np.arange(N_HOSTS) % HOSTS_PER_ZONE == FIRST_SERVER_SLOT
_ZONE_ROWS: Final = np.eye(N_REAL_ZONES, dtype=np.float32)
_HOST_ZONES: Final = np.vstack([_ZONE_ROWS, np.zeros((1, N_REAL_ZONES), np.float32)])[
    HOST_ZONE.astype(np.int64)
]
_STATE_ROWS: Final = np.eye(N_STATES, dtype=np.float32)[:, list(STATES)]
_ACTION_ROWS: Final = np.vstack([np.eye(N_RED_ACTIONS), np.zeros((1, N_RED_ACTIONS))]).astype(
    np.float32
)

HOST_INPUTS: Final = len(STATES) + 7 + N_REAL_ZONES + N_RED_ACTIONS + 3
ZONE_INPUTS: Final = N_REAL_ZONES + 4
COMMON_INPUTS: Final = len(STATES) + 5


class Memory:
    """What the agents remember of what they observed.

    Attributes:
        clock: ``int32[n, 6]`` steps in which the agent was active.
        state: ``int8[n, 6, 137]`` of each host, as it was observed last.
        since: ``int32[n, 6, 137]`` the clock when that began.
        last: ``int8[n, 6, 137]`` action that ended on the host last; -1 if none has.
        tries: ``int16[n, 6, 137]`` actions that ended on it since its state changed.
        evicted: ``int16[n, 6, 137]`` how often the agent lost it.
        swept: ``int32[n, 6, 8]`` the clock when the zone was swept last; -1 if it never was.
    """

    def __init__(self, n: int) -> None:
        hosts = (n, N_RED, N_HOSTS)
        self.clock = np.zeros((n, N_RED), np.int32)
        self.state = np.zeros(hosts, np.int8)
        self.since = np.zeros(hosts, np.int32)
        self.last = np.full(hosts, -1, np.int8)
        self.tries = np.zeros(hosts, np.int16)
        self.evicted = np.zeros(hosts, np.int16)
        self.swept = np.full((n, N_RED, N_REAL_ZONES), -1, np.int32)

    def take(self, view: RedView) -> None:
        """Remember what the agents observe now."""
        self.clock += view.active
        env, agent = np.nonzero(view.done >= 0)
        action = view.done[env, agent]
        swept = action == RedAction.DISCOVER_SYSTEMS
        e, a = env[swept], agent[swept]
        self.swept[e, a, view.done_zone[e, a]] = self.clock[e, a]
        e, a = env[~swept], agent[~swept]
        host = view.done_host[e, a]
        self.last[e, a, host] = action[~swept]
        self.tries[e, a, host] += 1
        # An agent that has lost its last session observes nothing, and forgets nothing.
        changed = np.nonzero((view.state != self.state) & view.active[:, :, None])
        before, now = self.state[changed], view.state[changed]
        self.evicted[changed] += (before >= _FOOTHOLD) & (now < _FOOTHOLD) & (now >= _KNOWN)
        self.since[changed] = self.clock[changed[:2]]
        self.tries[changed] = 0
        self.state[changed] = now


@dataclass(frozen=True)
class Decisions:
    """Decisions of free agents: what each knows, and its options.

    A *row* is a host that a deciding agent knows; a decision's rows follow each other. An option is
    an action on a row, or a sweep of a zone; they are numbered hosts first, then zones.

    Attributes:
        env, agent: ``int64[d]`` who decides.
        common: ``float32[d, COMMON_INPUTS]``.
        host: ``int64[r]`` of each row; decision: ``int64[r]`` that it belongs to.
        hosts: ``float32[r, HOST_INPUTS]``.
        zones: ``float32[d, 8, ZONE_INPUTS]``.
        on_hosts: ``int64[p]`` options on hosts, row * 9 + action.
        on_zones: ``int64[q]`` options on zones, decision * 8 + zone.
        prior: ``float32[p + q]`` logarithm of the probability that the table gives them.
    """

    env: IntArray
    agent: IntArray
    common: npt.NDArray[np.float32]
    host: IntArray
    decision: IntArray
    hosts: npt.NDArray[np.float32]
    zones: npt.NDArray[np.float32]
    on_hosts: IntArray
    on_zones: IntArray
    prior: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.env)

    @property
    def decides(self) -> IntArray:
        """``int64[p + q]``: the decision that an option belongs to."""
        of_hosts = self.decision[self.on_hosts // N_RED_ACTIONS]
        return np.concatenate([of_hosts, self.on_zones // N_REAL_ZONES])

    def choices(self, n: int, options: IntArray) -> npt.NDArray[np.int64]:
        """``int64[n, 6, 3]``: the option that each decision takes, as the engine has it."""
        choices = no_choices(n)
        on_host = options < len(self.on_hosts)
        row, action = np.divmod(self.on_hosts[options[on_host]], N_RED_ACTIONS)
        e, a = self.env[on_host], self.agent[on_host]
        choices[e, a, 0], choices[e, a, 1] = action, self.host[row]
        e, a = self.env[~on_host], self.agent[~on_host]
        choices[e, a, 0] = RedAction.DISCOVER_SYSTEMS
        choices[e, a, 1] = self.on_zones[options[~on_host] - len(self.on_hosts)] % N_REAL_ZONES
        return choices


def decisions(view: RedView, memory: Memory, table: RedTable) -> Decisions:
    """What the free agents decide on, and what the table would do."""
    env, agent = np.nonzero(view.free)
    known = view.state[env, agent] >= _KNOWN
    decision, host = np.nonzero(known)
    e, a = env[decision], agent[decision]
    n, state = len(env), view.state[e, a, host].astype(np.int64)
    session = view.session[e, a, host]
    counts = np.zeros((n, N_STATES))
    np.add.at(counts, (decision, state), 1)
    zone_counts = np.zeros((n, N_REAL_ZONES))
    np.add.at(zone_counts, (decision, HOST_ZONE[host]), 1)
    evicted = memory.evicted[e, a, host]
    clock = memory.clock[env, agent]
    common = np.column_stack(
        [
            np.log1p(counts[:, list(STATES)]),
            np.log1p(np.bincount(decision, session == ROOT, n)),
            np.log1p(np.bincount(decision, session == USER, n)),
            np.log1p(np.bincount(decision, evicted, n)),
            clock / _STEPS,
            np.ones(n),
        ]
    ).astype(np.float32)
    age = np.log1p(memory.clock[e, a] - memory.since[e, a, host]) / 3
    numbers = np.column_stack(
        [
            view.named[e, a, host],
            session == USER,
            session == ROOT,
            view.scanned_by[e, a, host] >= 0,
            view.ready[e, a, host],
            _IS_SERVER[host] + _IS_FIRST[host],
            RED_OF_HOST[host] == a,
            age,
            np.log1p(memory.tries[e, a, host]),
            np.log1p(evicted),
        ]
    ).astype(np.float32)
    hosts = np.hstack(
        [_STATE_ROWS[state], numbers, _HOST_ZONES[host], _ACTION_ROWS[memory.last[e, a, host]]]
    )
    swept = memory.swept[env, agent]
    zones = np.concatenate(
        [
            np.broadcast_to(_ZONE_ROWS, (n, N_REAL_ZONES, N_REAL_ZONES)),
            np.stack(
                [
                    RED_OF_ZONE[:N_REAL_ZONES] == agent[:, None],
                    swept >= 0,
                    np.where(swept >= 0, np.log1p(clock[:, None] - swept) / 3, 0),
                    np.log1p(zone_counts),
                ],
                axis=-1,
            ).astype(np.float32),
        ],
        axis=-1,
    )
    usable = view.choices()[e, a, host]
    sweepable = view.zone[env, agent]
    on_hosts, on_zones = np.flatnonzero(usable), np.flatnonzero(sweepable)
    server = view.named[e, a, host] & _IS_SERVER[host]
    row = table.probability[np.where(session == ROOT, state, _UNHELD[state])]
    chance = _host_chances(table, decision, state, server, counts)[:, None] * row
    sweep = np.bincount(decision, chance[:, RedAction.DISCOVER_SYSTEMS], n)
    sweeps = sweep[:, None] / np.maximum(sweepable.sum(axis=1), 1)[:, None] * sweepable
    of_options = np.concatenate([chance.ravel()[on_hosts], sweeps.ravel()[on_zones]])
    filled = Decisions(
        env, agent, common, host, decision, hosts, zones, on_hosts, on_zones,
        np.zeros(0, np.float32),
    )  # fmt: skip
    decides = filled.decides
    total = np.bincount(decides, of_options, n)[decides]
    even = 1 / np.bincount(decides, minlength=n)[decides]
    share = np.divide(of_options, total, out=even.copy(), where=total > 0)
    prior = np.log((1 - EXPLORED) * share + EXPLORED * even)
    return replace(filled, prior=prior.astype(np.float32))


def _host_chances(
    table: RedTable, decision: IntArray, state: IntArray, server: BoolArray, counts: FloatArray
) -> FloatArray:
    """``float64[r]``: how likely the table chooses each row's host."""
    n = len(counts)
    if table.state_weight is None:
        group, chance = decision, np.ones(len(decision))
    else:
        weight = np.where(counts > 0, table.state_weight, 0.0)
        total = weight.sum(axis=1, keepdims=True)
        present = counts > 0
        even = present / np.maximum(present.sum(axis=1, keepdims=True), 1)
        of_state = np.divide(weight, total, out=even, where=total > 0)
        group, chance = decision * N_STATES + state, of_state[decision, state]
    size = np.bincount(group, minlength=n)[group]
    if not table.prefer_servers:
        return chance / size
    servers = np.bincount(group, server, n)[group]
    prefer = (servers > 0) & (servers < size)
    share = np.where(server, KNOWN_SERVER_PREFERENCE, 1 - KNOWN_SERVER_PREFERENCE)
    alike = np.where(server, servers, size - servers)
    return chance * np.where(prefer, share / np.maximum(alike, 1), 1 / size)


class Scorer(nn.Module):
    """Scores all options of decisions. Fresh, it scores all of them zero.

    Args:
        seed: of its hidden weights.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.host = nn.Linear(HOST_INPUTS, _HIDDEN)
            self.zone = nn.Linear(ZONE_INPUTS, _HIDDEN)
            self.common = nn.Linear(COMMON_INPUTS, _HIDDEN)
            self.hidden = nn.Linear(_HIDDEN, _HIDDEN)
            self.action = nn.Linear(_HIDDEN, N_RED_ACTIONS)
            self.sweep = nn.Linear(_HIDDEN, 1)
        for last in (self.action, self.sweep):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, made: Decisions) -> Tensor:
        """``float32[p + q]``: the logits of the options, prior included."""
        common = self.common(_tensor(made.common))
        hosts = self.host(_tensor(made.hosts)) + common[_tensor(made.decision)]
        on_hosts = self.action(self.hidden(hosts.tanh()).tanh())
        zones = self.zone(_tensor(made.zones)) + common[:, None]
        on_zones = self.sweep(self.hidden(zones.tanh()).tanh())
        scores = [
            on_hosts.flatten()[_tensor(made.on_hosts)],
            on_zones.flatten()[_tensor(made.on_zones)],
        ]
        return torch.cat(scores) + _tensor(made.prior)


def log_softmax(logits: Tensor, decides: Tensor, n: int) -> Tensor:
    """Log-probabilities of options, each among those of its decision.

    Args:
        logits: ``float32[options]``.
        decides: ``int64[options]`` the decision that each is an option of.
        n: decisions.
    """
    most = torch.full((n,), -torch.inf).scatter_reduce(0, decides, logits.detach(), "amax")
    shifted = logits - most[decides]
    total = torch.zeros(n).index_add(0, decides, shifted.exp())
    return shifted - total.log()[decides]


def drawn(log_chance: FloatArray, decides: IntArray, uniform: FloatArray) -> IntArray:
    """``int64[d]``: an option for each decision, by its probability and a uniform number.

    Args:
        log_chance: ``float32[options]`` log-probabilities.
        decides: ``int64[options]`` the decision that each is an option of.
        uniform: ``float64[d]``.
    """
    order = np.argsort(decides, kind="stable")
    running = np.cumsum(np.exp(log_chance[order].astype(np.float64)))
    ends = np.searchsorted(decides[order], np.arange(len(uniform)), side="right")
    starts = np.concatenate([[0], ends[:-1]])
    before = np.concatenate([[0.0], running])[starts]
    goal = before + uniform * (running[ends - 1] - before)
    # By rounding, a number next to 1 may point behind the last option.
    place = np.minimum(np.searchsorted(running, goal, side="right"), ends - 1)
    options: IntArray = order[place]
    return options


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


class LearnedRed:
    """A table and the scorer that reweights it.

    Args:
        table: to begin from. Its habits stay, but that sources are live ones, and that Impact and
            Degrade are held to hosts where red has root.
        scorer: of the options; a fresh one plays the table.
    """

    def __init__(self, table: RedTable, scorer: Scorer | None = None) -> None:
        if table.probability[: State.R, [RedAction.IMPACT, RedAction.DEGRADE]].any():
            raise UsageError(
                f"the red '{table.name}' acts on hosts that it does not hold",
                field="probability",
                remedy="Begin from a red whose table has Impact and Degrade in R and RD only",
            )
        self.table = replace(table, name=NAME, source="live", impacts="held")
        self.scorer = scorer or Scorer()
        self.memory = Memory(0)

    def reset(self, seeds: IntArray, steps: int) -> None:
        """Begin episodes ``int64[n]`` of so many steps; their chances come from their seeds."""
        self.memory = Memory(len(seeds))
        self._uniform = np.stack(
            [np.random.default_rng([int(seed), N_RED]).random((steps, N_RED)) for seed in seeds],
            axis=1,
        )
        self._step = 0

    def consider(self, view: RedView) -> tuple[Decisions, IntArray, npt.NDArray[np.float32]]:
        """What is decided on, the options ``int64[d]`` that are taken, and the logarithms of their
        probabilities ``float32[d]``."""
        self.memory.take(view)
        made = decisions(view, self.memory, self.table)
        uniform = self._uniform[self._step][made.env, made.agent]
        self._step += 1
        decides = made.decides
        with torch.no_grad():
            log_chance = log_softmax(self.scorer(made), _tensor(decides), len(made)).numpy()
        taken = drawn(log_chance, decides, uniform)
        return made, taken, log_chance[taken]

    def choose(self, view: RedView) -> npt.NDArray[np.int64]:
        """``int64[n, 6, 3]``: what the free agents do."""
        made, taken, _ = self.consider(view)
        return made.choices(len(view.free), taken)

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        weights = {name: value.detach() for name, value in self.scorer.state_dict().items()}
        write_plain(path, KIND, {"table": self.table.document(), "weights": weights})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote, without running code from the file.

        Raises:
            CagexplainError: it is damaged, or something else.
        """
        content, scorer = read_plain(path, KIND, limit=_SIZE_LIMIT), Scorer()
        table, weights = content.get("table"), content.get("weights")
        if not isinstance(table, dict):
            raise _other_version(path, "table")
        if not isinstance(weights, dict) or not _alike(weights, scorer.state_dict()):
            raise _other_version(path, "weights")
        scorer.load_state_dict(weights)
        return cls(RedTable.from_document(table, str(path)), scorer)


def _alike(weights: dict[str, Any], expected: dict[str, Tensor]) -> bool:
    return weights.keys() == expected.keys() and all(
        isinstance(value, Tensor)
        and (value.shape, value.dtype) == (expected[name].shape, expected[name].dtype)
        and bool(value.isfinite().all())
        for name, value in weights.items()
    )


def _other_version(path: Path, field: str) -> CagexplainError:
    return CagexplainError(
        "is no learned red of this version",
        where=path,
        field=field,
        remedy="Let it learn again with this version of cagexplain",
    )


class AgainstLearned(BatchedEnv):
    """Environments in which a learned red plays; all else is as in `BatchedEnv`.

    They begin and end together: `reset` with seeds, then steps to the end.
    """

    def __init__(self, n_envs: int, red: LearnedRed, params: EnvParams, threads: int = 1) -> None:
        super().__init__(n_envs, params=replace(params, red=red.table), threads=threads)
        self.red = red

    def reset(self, seeds: npt.ArrayLike | None = None, *, skip_worlds: int = 0) -> None:
        """Starts a new episode everywhere, of worlds and chances of the seeds."""
        super().reset(seeds, skip_worlds=skip_worlds)
        if seeds is None:
            raise UsageError(
                "a learned red needs seeds", field="seeds", remedy="Give one per environment"
            )
        self.red.reset(np.asarray(seeds, dtype=np.int64), self.params.steps)

    def step(
        self,
        actions: npt.ArrayLike,
        messages: npt.ArrayLike | None = None,
        red_choices: npt.ArrayLike | None = None,
    ) -> None:
        """Plays one step, with what the learned red chooses if nothing is given."""
        if red_choices is None:
            red_choices = self.red.choose(self.red_view())
        super().step(actions, messages, red_choices)
