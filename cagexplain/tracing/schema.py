"""The trace's tables: one description that the writer, the reader and the documentation share.

A row of step ``t`` tells the state that the decisions of step ``t`` (from 0) were made on, and what
the step did. Columns that name things hold names, never codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import pyarrow as pa

from cagexplain.cc4 import (
    actions,
    agents,
    green,
    network,
    observations,
    outcome,
    phases,
    red_fsm,
    reward,
    services,
)

SCHEMA_VERSION: Final = 3

BLUE_AGENTS: Final = agents.BLUE
RED_AGENTS: Final = agents.RED
HOSTS: Final = network.HOST_NAMES
ZONES: Final = network.ZONES
ACTION_TYPES: Final = actions.KIND_NAMES
STATES: Final = red_fsm.STATE_NAMES
RED_ACTIONS: Final = red_fsm.RED_ACTION_NAMES
OUTCOMES: Final = outcome.OUTCOME_NAMES
RED_EVENTS: Final = ("started", "done")
TRANSITION_CAUSES: Final = (
    "action",
    "first_observed",
    "session_lost",
    "reassigned",
    "own_session",
)
GREEN_KINDS: Final = ("GreenLocalWork", "GreenAccessService")
GREEN_CAUSES: Final = ("service_degraded", "traffic_blocked")
GREEN_ACTIONS: Final = green.GREEN_ACTION_NAMES
LEVEL_CAUSES: Final = ("red_action", "phishing", "Remove", "Restore", "other")
_LEVEL_RISES: Final = ("red_action", "phishing")
_LEVEL_FALLS: Final = ("red_action", "Remove", "Restore", "other")
SERVICE_LISTS: Final = tuple(
    ",".join(name for i, name in enumerate(services.REAL) if bits >> i & 1)
    for bits in range(1 << services.N_REAL)
)
"""Names of a host's services by their bits."""


@dataclass(frozen=True)
class Change:
    """A change of a number, and the names of its causes.

    Attributes:
        before, after: columns of the number; they differ.
        rises, falls: causes that either can have.
    """

    before: str
    after: str
    rises: tuple[str, ...]
    falls: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table: what it holds, and what it may hold.

    Attributes:
        name: of the column.
        type: Arrow type; text with `categories` is stored as a dictionary.
        doc: what it holds, as a sentence.
        nullable: whether rows may lack a value; `doc` says when.
        categories: the values that text may take, in their natural order.
        used: how many of the categories, from the first one on, occur; all of them by default.
        texts: the values that text without categories may take.
        low, high: smallest and largest number; floating-point numbers are finite besides.
        sizes: by blue agent the number of values, from 0 on, or of packed bits.
        kinds: of the hosts that may be named; all by default.
        within: what else bounds it: the episodes of the file, the steps of an episode, or the
            hosts of the episode's world.
        with_column: it has a value exactly where this other column has one; a number without a
            value is -1.
        with_names: of the other column's values those that count; all by default.
        number: the column that has the position of the name among the categories.
        why: of what change it is the cause.
    """

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False
    categories: tuple[str, ...] | None = None
    used: int | None = None
    texts: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None
    sizes: tuple[int, ...] | None = None
    kinds: tuple[str, ...] | None = None
    within: Literal["episodes", "steps", "world"] | None = None
    with_column: str | None = None
    with_names: tuple[str, ...] | None = None
    number: str | None = None
    why: Change | None = None

    @property
    def values(self) -> int:
        """Number of values of a column that is part of a key and not bounded from elsewhere."""
        if self.categories is not None:
            return len(self.categories) if self.used is None else self.used
        assert self.low is not None
        assert self.high is not None
        return int(self.high - self.low) + 1


_USER, _SERVER = (network.KIND_NAMES[kind] for kind in (network.USER, network.SERVER))
_STATEFUL: Final = (_USER, _SERVER)
_DEFENDABLE: Final = (*_STATEFUL, network.KIND_NAMES[network.ROUTER])
"""Kinds of the hosts that anybody acts on: routers only carry traffic."""


def _number(
    name: str,
    kind: pa.DataType,
    doc: str,
    low: float | None = None,
    high: float | None = None,
    **more: Any,
) -> Column:
    return Column(name, kind, doc, low=low, high=high, **more)


def _category(name: str, categories: tuple[str, ...], doc: str, **more: Any) -> Column:
    code = pa.int8() if len(categories) <= 127 else pa.int16()
    kind = pa.dictionary(code, pa.string())
    return Column(name, kind, doc, categories=tuple(categories), **more)


def _hosts(name: str, doc: str) -> Column:
    return _number(name, pa.int16(), doc, 0, network.N_HOSTS)


def _host(name: str, doc: str, kinds: tuple[str, ...] = _STATEFUL, **more: Any) -> Column:
    return _category(name, HOSTS, doc, within="world", kinds=kinds, **more)


_I1, _I2, _I4, _U1, _F4 = pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.float32()

_MOST_SEEN: Final = sum(len(hosts) for hosts in observations.HOSTS)
_LAST_PHASE: Final = phases.N_PHASES - 1
_AT_HOSTS, _AT_TRAFFIC = (
    tuple(ACTION_TYPES[kind] for kind in sorted(kinds))
    for kinds in (actions.HOST_KINDS, actions.TRAFFIC_KINDS)
)
_RED_AT_HOSTS: Final = tuple(
    RED_ACTIONS[action]
    for action in red_fsm.RedAction
    if action != red_fsm.RedAction.DISCOVER_SYSTEMS
)
_LAST_RED: Final = red_fsm.N_RED_ACTIONS - 1
_ROOT: Final = 2

_EPISODE: Final = _number(
    "episode",
    _I4,
    "Number of the episode, from 0; the manifest has seeds.",
    within="episodes",
)
_STEP: Final = _number("step", _I4, "Step of the episode, from 0.", within="steps")
_BLUE: Final = _category("agent", BLUE_AGENTS, "Blue agent.")
_RED: Final = _category("agent", RED_AGENTS, "Red agent.")

_STEPS: Final = (
    _EPISODE,
    _STEP,
    _number("phase", _I1, "Mission phase.", 0, _LAST_PHASE),
    _number("reward", _F4, "Team reward of the step.", high=0),
    _number("reward_lwf", _F4, "Part of it: green local work that failed.", high=0),
    _number("reward_asf", _F4, "Part of it: green service accesses that failed.", high=0),
    _number("reward_ria", _F4, "Part of it: red Impacts.", high=0),
    _number("reward_cost", _F4, "Part of it: cost of the submitted blue actions.", high=0),
    *(
        _hosts(f"hosts_{state}", f"User and server hosts in FSM state {state} at decision time.")
        for state in STATES
    ),
    *(
        _hosts(f"user_{state}", f"Part of hosts_{state}: red has a user session, no root.")
        for state in STATES
    ),
    *(
        _hosts(f"root_{state}", f"Part of hosts_{state}: red has a root session.")
        for state in STATES
    ),
    _hosts("hosts_user", "Hosts with a red user session, none of root, at decision time."),
    _hosts("hosts_root", "Hosts with a red root session at decision time."),
    _number("red_active", _I1, "Red agents with a session at decision time.", 0, agents.N_RED),
    _number(
        "process_alerts",
        _I2,
        "Malicious-process bits that the blue agents decided on.",
        0,
        _MOST_SEEN,
    ),
    _number(
        "connection_alerts",
        _I2,
        "Network-connection bits that the blue agents decided on.",
        0,
        _MOST_SEEN,
    ),
    _number("done", pa.bool_(), "Whether this is the last step of the episode."),
    _number("counted", pa.bool_(), "Whether the official return counts this reward."),
)

_BLUE_ROWS: Final = (
    _EPISODE,
    _STEP,
    _BLUE,
    _number(
        "action",
        _I2,
        "Submitted index in the official layout, or behind it (`cc4.actions`).",
        0,
        max(actions.ALL_SIZES) - 1,
        sizes=actions.ALL_SIZES,
    ),
    _category(
        "action_type", ACTION_TYPES, "Type of the submitted action; an invalid one is a Sleep."
    ),
    _host(
        "target_host",
        "Host that it targets; null for other actions.",
        _DEFENDABLE,
        nullable=True,
        with_column="action_type",
        with_names=_AT_HOSTS,
    ),
    _category(
        "target_zone",
        ZONES,
        "Subnet of that host, or the one whose incoming traffic is controlled; else null.",
        nullable=True,
        with_column="action_type",
        with_names=_AT_HOSTS + _AT_TRAFFIC,
    ),
    _category(
        "source_zone",
        ZONES,
        "Subnet that the controlled traffic comes from; else null.",
        nullable=True,
        with_column="action_type",
        with_names=_AT_TRAFFIC,
    ),
    _number("started", pa.bool_(), "Whether the agent was free, so that this is a decision."),
    _category("executing", ACTION_TYPES, "Action that was in progress, or that started."),
    _number(
        "ticks_left",
        _I1,
        "Steps that it still needs after this one.",
        0,
        int(max(actions.DURATION)) - 1,
    ),
    _category("outcome", OUTCOMES, "How it ended, if it did so in this step; else NONE."),
    _category(
        "completed", ACTION_TYPES, "Its type, if it ended in this step; else null.", nullable=True
    ),
    _host(
        "completed_host",
        "Host that it targeted; null for other actions, or if none ended.",
        _DEFENDABLE,
        nullable=True,
        with_column="completed",
        with_names=_AT_HOSTS,
    ),
    _number(
        "completed_level",
        _I1,
        "True compromise of that host at the beginning of the step, so before the action took "
        "effect: 0 none, 1 user, 2 root; -1 without host.",
        -1,
        _ROOT,
        with_column="completed_host",
    ),
    _number(
        "found",
        _I2,
        "Kinds of malicious files that an Analyse which ended in this step listed; else -1.",
        -1,
        len(services.FILE_NAMES),
    ),
    _category(
        "target_state",
        STATES,
        "FSM state of the target at decision time.",
        nullable=True,
        with_column="target_host",
    ),
    _number(
        "target_level",
        _I1,
        "True compromise of the target then: 0 none, 1 user, 2 root; -1 without target.",
        -1,
        _ROOT,
        with_column="target_host",
    ),
    _category(
        "green_before",
        GREEN_ACTIONS,
        "What the green user of the target did in the step before; null without target, on "
        "servers and in step 0.",
        nullable=True,
    ),
    _category(
        "zone_state", STATES, "Most advanced FSM state of the agent's hosts at decision time."
    ),
    _number(
        "process_alert",
        _I1,
        "Malicious-process bit of the target in the observation decided on; 0 for a router, which "
        "has none; -1 without target.",
        -1,
        1,
        with_column="target_host",
    ),
    _number(
        "connection_alert",
        _I1,
        "Network-connection bit of the target in the observation decided on; 0 for a router, "
        "which has none; -1 without target.",
        -1,
        1,
        with_column="target_host",
    ),
    _number(
        "probability",
        _F4,
        "Probability of the action under the policy; null if it has none or the agent is busy.",
        0,
        1,
        nullable=True,
    ),
    _number(
        "entropy",
        _F4,
        "Entropy of the policy in nats; null if it has none or the agent is busy.",
        0,
        nullable=True,
    ),
    _number("message", _U1, "Message sent, first bit highest.", 0, 255),
)

_RED_ROWS: Final = (
    _EPISODE,
    _STEP,
    _RED,
    _category("event", RED_EVENTS, "Whether the action started or came due in this step."),
    _number("action", _I1, "Number of the action in red's FSM.", 0, _LAST_RED),
    _category("action_name", RED_ACTIONS, "Its name.", number="action"),
    _host(
        "target_host",
        "Host that it targets; null when it scans a subnet.",
        nullable=True,
        with_column="action_name",
        with_names=_RED_AT_HOSTS,
    ),
    _category("target_zone", ZONES, "Subnet of that host, or the scanned one."),
    _host("source_host", "Host of the session that acts; null if there is none.", nullable=True),
    _category("outcome", OUTCOMES, "How it ended; NONE when it starts."),
    _number("detected", pa.bool_(), "Whether it left an event on a host that blue watches."),
)

_TRANSITIONS: Final = (
    _EPISODE,
    _STEP,
    _RED,
    _host("host", "Host whose state was set at the beginning of the step."),
    _category("from_state", STATES, "State before."),
    _category("to_state", STATES, "State after, which may be the same."),
    _category("cause", TRANSITION_CAUSES, "Why it was set."),
    _number(
        "action",
        _I1,
        "Number of the red action that caused it; -1 for other causes.",
        -1,
        _LAST_RED,
        with_column="cause",
        with_names=TRANSITION_CAUSES[:1],
    ),
    _category("outcome", OUTCOMES, "How that action ended; NONE for other causes."),
)

_GREEN: Final = (
    _EPISODE,
    _STEP,
    _host("host", "User host whose action failed.", (_USER,)),
    _category("kind", GREEN_KINDS, "The action."),
    _category("cause", GREEN_CAUSES, "Why it failed."),
    _host(
        "target_host",
        "Server accessed; null for local work.",
        (_SERVER,),
        nullable=True,
        with_column="kind",
        with_names=GREEN_KINDS[1:],
    ),
    _number("penalty", _F4, "Its part of the team reward.", float(reward.TABLE.min()), 0),
)

_GREEN_WORK: Final = (
    _EPISODE,
    _number("phase", _I1, "Mission phase.", 0, _LAST_PHASE),
    _category("zone", ZONES, "Subnet of the green users.", used=network.N_REAL_ZONES),
    _category("kind", GREEN_KINDS, "Their action."),
    _number("attempts", _I4, "How often they did it.", 0),
    _number("service_degraded", _I4, "Attempts that failed as the service was degraded.", 0),
    _number("traffic_blocked", _I4, "Attempts that failed as the traffic was blocked.", 0),
)

_CHANGE_STEP: Final = _number(
    "step",
    _I4,
    "Step during which it changed: later decisions are made on the new one.",
    within="steps",
)

_LEVELS: Final = (
    _EPISODE,
    _CHANGE_STEP,
    _host("host", "Host whose true compromise changed."),
    _number(
        "from_level", _I1, "Level before the step: 0 none, 1 red user session, 2 root.", 0, _ROOT
    ),
    _number("to_level", _I1, "Level after it.", 0, _ROOT),
    _category(
        "cause",
        LEVEL_CAUSES,
        "For a rise: red_action if an ExploitRemoteService or PrivilegeEscalate on the host "
        "succeeded in the step, else phishing. For a fall: the blue Restore or Remove that took "
        "effect on it, else red_action if red's Withdraw succeeded, else other.",
        why=Change("from_level", "to_level", _LEVEL_RISES, _LEVEL_FALLS),
    ),
    _number(
        "process_event",
        pa.bool_(),
        "Whether a malicious-process event was written on the host in this step: if a blue agent "
        "defends the host, its next observation shows it.",
    ),
    _number("connection_event", pa.bool_(), "The same for network-connection events."),
)

_SERVICES: Final = (
    _EPISODE,
    _CHANGE_STEP,
    _host("host", "Host whose services changed.", _DEFENDABLE),
    _number(
        "decoys",
        _I1,
        "Kinds of decoy services on it now; at the beginning there are none.",
        0,
        services.N_DECOYS,
    ),
    _number(
        "reliability",
        _I1,
        "Lowest reliability among its services now, in points; 100 at the beginning.",
        0,
        services.MAX_RELIABILITY,
    ),
    _number(
        "stopped",
        pa.bool_(),
        "Whether its OT service is stopped now; at the beginning it runs.",
    ),
)

_HOSTS: Final = (
    _EPISODE,
    _category("host", HOSTS, "Host of this episode's world."),
    _category("zone", ZONES, "Its subnet."),
    _category("kind", network.KIND_NAMES, "What it is."),
    Column(
        "services",
        pa.string(),
        "Its services at the beginning, separated by commas.",
        texts=SERVICE_LISTS,
    ),
    _category("os", services.OS_NAMES, "Its operating system."),
    _number(
        "level", _I1, "Its true compromise at the beginning; `levels` has the changes.", 0, _ROOT
    ),
)

_OBSERVATIONS: Final = (
    _EPISODE,
    _STEP,
    _BLUE,
    _number("phase", _I1, "First entry of the observation decided on.", 0, _LAST_PHASE),
    Column(
        "bits",
        pa.binary(),
        "Its other entries as packed bits, first entry highest.",
        sizes=tuple(size - 1 for size in observations.SIZES),
    ),
)

_MASKS: Final = (
    _EPISODE,
    _BLUE,
    Column(
        "bits",
        pa.binary(),
        "Valid actions of the episode as packed bits, index 0 highest.",
        sizes=actions.SIZES,
    ),
)


@dataclass(frozen=True)
class Table:
    """A table of the trace.

    Attributes:
        name: of the table and of its folder.
        row: what a row stands for.
        columns: in order.
        key: columns that together occur once.
        order: columns that the rows of a file are sorted by; the key by default.
        complete: whether there is a row for every value of the key.
        ends: column whose second name ends what its first one, of the same agent and action and the
            row before among the agent's, has begun.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: tuple[str, ...] | None = None
    complete: bool = False
    ends: str | None = None

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the table's files."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    def column(self, name: str) -> Column:
        """A column by its name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


_DECISION: Final = ("episode", "step", "agent")
_CHANGE: Final = ("episode", "step", "host")

TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table("steps", "step", _STEPS, ("episode", "step"), complete=True),
            Table("blue", "blue agent and step", _BLUE_ROWS, _DECISION, complete=True),
            Table(
                "red",
                "red action that starts or comes due in a step",
                _RED_ROWS,
                ("episode", "step", "agent", "event"),
                ends="event",
            ),
            Table(
                "transitions",
                "state of a host that a red agent's FSM sets",
                _TRANSITIONS,
                ("episode", "step", "agent", "host", "cause"),
                order=("episode", "step"),
            ),
            Table("levels", "change of a host's true compromise", _LEVELS, _CHANGE),
            Table(
                "services",
                "change of a host's decoys or of its services' health",
                _SERVICES,
                _CHANGE,
            ),
            Table("green", "green action that failed", _GREEN, _CHANGE),
            Table(
                "green_work",
                "episode, mission phase, subnet and kind of green work",
                _GREEN_WORK,
                ("episode", "phase", "zone", "kind"),
                complete=True,
            ),
            Table("hosts", "host of an episode's world", _HOSTS, ("episode", "host")),
            Table("observations", "blue agent and step", _OBSERVATIONS, _DECISION, complete=True),
            Table("masks", "blue agent and episode", _MASKS, ("episode", "agent"), complete=True),
        )
    }
)

OBSERVATION_TABLES: Final = frozenset({"observations", "masks"})
"""Tables that a recording may leave out."""


def markdown() -> str:
    """Describe all tables in Markdown, for the documentation."""
    lines: list[str] = []
    for table in TABLES.values():
        lines += [f"### `{table.name}`: one row per {table.row}", ""]
        lines += ["| column | type | what it holds |", "|---|---|---|"]
        lines += [f"| `{c.name}` | {_type_name(c)} | {c.doc} |" for c in table.columns]
        lines.append("")
    return "\n".join(lines)


def _type_name(column: Column) -> str:
    """Type and range of a column in words."""
    name = "category" if column.categories is not None else str(column.type)
    return ", ".join([name, *_range(column), *(["nullable"] if column.nullable else [])])


def _range(column: Column) -> list[str]:
    match column.low, column.high:
        case None, None:
            return []
        case None, high:
            return [f"at most {high:.4g}"]
        case low, None:
            return [f"at least {low:.4g}"]
    return [f"{column.low:.4g} to {column.high:.4g}"]
