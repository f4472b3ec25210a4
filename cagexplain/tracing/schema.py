"""The trace's tables: one description that the writer, the reader and the documentation share.

A row of step ``t`` tells the state that the decisions of step ``t`` (from 0) were made on, and what
the step did. Columns that name things hold names, never codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from cagexplain.cc4 import actions, agents, green, network, outcome, red_fsm, services

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
TRANSITION_CAUSES: Final = ("action", "first_observed", "session_lost", "reassigned")
GREEN_KINDS: Final = ("GreenLocalWork", "GreenAccessService")
GREEN_CAUSES: Final = ("service_degraded", "traffic_blocked")
GREEN_ACTIONS: Final = green.GREEN_ACTION_NAMES
LEVEL_CAUSES: Final = ("red_action", "phishing", "Remove", "Restore", "other")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: of the column.
        type: Arrow type; text with `categories` is stored as a dictionary.
        doc: what it holds, as a sentence.
        nullable: whether rows may lack a value; `doc` says when.
        categories: the values that text may take, in their natural order.
    """

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False
    categories: tuple[str, ...] | None = None


def _number(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> Column:
    return Column(name, kind, doc, nullable)


def _category(
    name: str, categories: tuple[str, ...], doc: str, *, nullable: bool = False
) -> Column:
    code = pa.int8() if len(categories) <= 127 else pa.int16()
    return Column(name, pa.dictionary(code, pa.string()), doc, nullable, tuple(categories))


_I1, _I2, _I4, _U1, _F4 = pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.float32()

_EPISODE: Final = _number("episode", _I4, "Number of the episode, from 0; the manifest has seeds.")
_STEP: Final = _number("step", _I4, "Step of the episode, from 0.")
_BLUE: Final = _category("agent", BLUE_AGENTS, "Blue agent.")
_RED: Final = _category("agent", RED_AGENTS, "Red agent.")

_STEPS: Final = (
    _EPISODE,
    _STEP,
    _number("phase", _I1, "Mission phase, 0 to 2."),
    _number("reward", _F4, "Team reward of the step."),
    _number("reward_lwf", _F4, "Part of it: green local work that failed."),
    _number("reward_asf", _F4, "Part of it: green service accesses that failed."),
    _number("reward_ria", _F4, "Part of it: red Impacts."),
    _number("reward_cost", _F4, "Part of it: cost of the submitted blue actions."),
    *(
        _number(
            f"hosts_{state}", _I2, f"User and server hosts in FSM state {state} at decision time."
        )
        for state in STATES
    ),
    *(
        _number(f"user_{state}", _I2, f"Part of hosts_{state}: red has a user session, no root.")
        for state in STATES
    ),
    *(
        _number(f"root_{state}", _I2, f"Part of hosts_{state}: red has a root session.")
        for state in STATES
    ),
    _number("hosts_user", _I2, "Hosts with a red user session, none of root, at decision time."),
    _number("hosts_root", _I2, "Hosts with a red root session at decision time."),
    _number("red_active", _I1, "Red agents with a session at decision time."),
    _number("process_alerts", _I2, "Malicious-process bits that the blue agents decided on."),
    _number("connection_alerts", _I2, "Network-connection bits that the blue agents decided on."),
    _number("done", pa.bool_(), "Whether this is the last step of the episode."),
    _number("counted", pa.bool_(), "Whether the official return counts this reward."),
)

_BLUE_ROWS: Final = (
    _EPISODE,
    _STEP,
    _BLUE,
    _number("action", _I2, "Submitted index in the official layout."),
    _category(
        "action_type", ACTION_TYPES, "Type of the submitted action; an invalid index is a Sleep."
    ),
    _category("target_host", HOSTS, "Host that it targets; null for other actions.", nullable=True),
    _category(
        "target_zone",
        ZONES,
        "Subnet of that host, or the one whose incoming traffic is controlled; else null.",
        nullable=True,
    ),
    _category(
        "source_zone",
        ZONES,
        "Subnet that the controlled traffic comes from; else null.",
        nullable=True,
    ),
    _number("started", pa.bool_(), "Whether the agent was free, so that this is a decision."),
    _category("executing", ACTION_TYPES, "Action that was in progress, or that started."),
    _number("ticks_left", _I1, "Steps that it still needs after this one."),
    _category("outcome", OUTCOMES, "How it ended, if it did so in this step; else NONE."),
    _category(
        "completed", ACTION_TYPES, "Its type, if it ended in this step; else null.", nullable=True
    ),
    _category(
        "completed_host",
        HOSTS,
        "Host that it targeted; null for other actions, or if none ended.",
        nullable=True,
    ),
    _number(
        "completed_level",
        _I1,
        "True compromise of that host at the beginning of the step, so before the action took "
        "effect: 0 none, 1 user, 2 root; -1 without host.",
    ),
    _number(
        "found",
        _I2,
        "Kinds of malicious files that an Analyse which ended in this step listed; else -1.",
    ),
    _category("target_state", STATES, "FSM state of the target at decision time.", nullable=True),
    _number(
        "target_level",
        _I1,
        "True compromise of the target then: 0 none, 1 user, 2 root; -1 without target.",
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
        "Malicious-process bit of the target in the observation decided on; -1 without target.",
    ),
    _number(
        "connection_alert",
        _I1,
        "Network-connection bit of the target in the observation decided on; -1 without target.",
    ),
    _number(
        "probability",
        _F4,
        "Probability of the action under the policy; null if it has none or the agent is busy.",
        nullable=True,
    ),
    _number(
        "entropy",
        _F4,
        "Entropy of the policy in nats; null if it has none or the agent is busy.",
        nullable=True,
    ),
    _number("message", _U1, "Message sent, first bit highest."),
)

_RED_ROWS: Final = (
    _EPISODE,
    _STEP,
    _RED,
    _category("event", RED_EVENTS, "Whether the action started or came due in this step."),
    _number("action", _I1, "Number of the action in red's FSM, 0 to 8."),
    _category("action_name", RED_ACTIONS, "Its name."),
    _category(
        "target_host", HOSTS, "Host that it targets; null when it scans a subnet.", nullable=True
    ),
    _category("target_zone", ZONES, "Subnet of that host, or the scanned one."),
    _category(
        "source_host", HOSTS, "Host of the session that acts; null if there is none.", nullable=True
    ),
    _category("outcome", OUTCOMES, "How it ended; NONE when it starts."),
    _number("detected", pa.bool_(), "Whether it left an event on a host that blue watches."),
)

_TRANSITIONS: Final = (
    _EPISODE,
    _STEP,
    _RED,
    _category("host", HOSTS, "Host whose state was set at the beginning of the step."),
    _category("from_state", STATES, "State before."),
    _category("to_state", STATES, "State after, which may be the same."),
    _category("cause", TRANSITION_CAUSES, "Why it was set."),
    _number("action", _I1, "Number of the red action that caused it; -1 for other causes."),
    _category("outcome", OUTCOMES, "How that action ended; NONE for other causes."),
)

_GREEN: Final = (
    _EPISODE,
    _STEP,
    _category("host", HOSTS, "User host whose action failed."),
    _category("kind", GREEN_KINDS, "The action."),
    _category("cause", GREEN_CAUSES, "Why it failed."),
    _category("target_host", HOSTS, "Server accessed; null for local work.", nullable=True),
    _number("penalty", _F4, "Its part of the team reward."),
)

_GREEN_WORK: Final = (
    _EPISODE,
    _number("phase", _I1, "Mission phase, 0 to 2."),
    _category("zone", ZONES, "Subnet of the green users."),
    _category("kind", GREEN_KINDS, "Their action."),
    _number("attempts", _I4, "How often they did it."),
    _number("service_degraded", _I4, "Attempts that failed as the service was degraded."),
    _number("traffic_blocked", _I4, "Attempts that failed as the traffic was blocked."),
)

_LEVELS: Final = (
    _EPISODE,
    _number("step", _I4, "Step during which it changed: later decisions are made on the new one."),
    _category("host", HOSTS, "Host whose true compromise changed."),
    _number("from_level", _I1, "Level before the step: 0 none, 1 red user session, 2 root."),
    _number("to_level", _I1, "Level after it."),
    _category(
        "cause",
        LEVEL_CAUSES,
        "For a rise: red_action if an ExploitRemoteService or PrivilegeEscalate on the host "
        "succeeded in the step, else phishing. For a fall: the blue Restore or Remove that took "
        "effect on it, else red_action if red's Withdraw succeeded, else other.",
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
    _number("step", _I4, "Step during which it changed: later decisions are made on the new one."),
    _category("host", HOSTS, "Host whose services changed."),
    _number("decoys", _I1, "Kinds of decoy services on it now; at the beginning there are none."),
    _number(
        "reliability",
        _I1,
        "Lowest reliability among its services now, in points; 100 at the beginning.",
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
    _number("services", pa.string(), "Its services at the beginning, separated by commas."),
    _category("os", services.OS_NAMES, "Its operating system."),
    _number("level", _I1, "Its true compromise at the beginning; `levels` has the changes."),
)

_OBSERVATIONS: Final = (
    _EPISODE,
    _STEP,
    _BLUE,
    _number("phase", _I1, "First entry of the observation decided on."),
    _number("bits", pa.binary(), "Its other entries as packed bits, first entry highest."),
)

_MASKS: Final = (
    _EPISODE,
    _BLUE,
    _number("bits", pa.binary(), "Valid actions of the episode as packed bits, index 0 highest."),
)


@dataclass(frozen=True)
class Table:
    """A table of the trace.

    Attributes:
        name: of the table and of its folder.
        row: what a row stands for.
        columns: in order.
    """

    name: str
    row: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the table's files."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])


TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table("steps", "step", _STEPS),
            Table("blue", "blue agent and step", _BLUE_ROWS),
            Table("red", "red action that starts or comes due in a step", _RED_ROWS),
            Table("transitions", "state of a host that a red agent's FSM sets", _TRANSITIONS),
            Table("levels", "change of a host's true compromise", _LEVELS),
            Table("services", "change of a host's decoys or of its services' health", _SERVICES),
            Table("green", "green action that failed", _GREEN),
            Table(
                "green_work", "episode, mission phase, subnet and kind of green work", _GREEN_WORK
            ),
            Table("hosts", "host of an episode's world", _HOSTS),
            Table("observations", "blue agent and step", _OBSERVATIONS),
            Table("masks", "blue agent and episode", _MASKS),
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
    name = "category" if column.categories is not None else str(column.type)
    return f"{name}, nullable" if column.nullable else name
