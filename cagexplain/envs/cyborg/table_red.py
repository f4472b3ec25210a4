"""Red by a table, for CybORG: a class to put before its FiniteStateRedAgent.

The adapter plays tables with it, and `cagexplain.export.red` writes this very file, with a table at
its end, for those who do not have this package. So it imports Python's own modules alone, and
leaves to CybORG whatever its agent does in any case: which hosts and names are known, what becomes
of a host's state after an action, and the choice of a host by its state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import signature
from ipaddress import IPv4Address
from typing import Any, ClassVar

FOOTHOLD = {"K": "U", "S": "U", "KD": "UD", "SD": "UD"}
"""What a host is to red that finds a session of its own there, by its state before."""
UNHELD = {"R": "U", "RD": "UD"}
"""Whose row red uses on a host of this state where it has no root session, if it must have one."""
PAYOFFS = ("Impact", "DegradeServices")
"""Actions that CybORG accepts only for hosts in the agent's space of actions: those on which it has
had a session, and one that the scenario names to each agent beforehand."""
SCANS = ("AggressiveServiceDiscovery", "StealthServiceDiscovery")
EXPLOIT = "ExploitRemoteService"
ROOT = ("root", "SYSTEM")
"""Users of root sessions."""
ABSTRACT = "RED_ABSTRACT_SESSION"
"""Type of the sessions that can scan, exploit and escalate."""


class TableRed:
    """How a FiniteStateRedAgent chooses, by a table; draws in the order that the tables define.

    Attributes:
        table: a table as plain values, as in its YAML file.
    """

    table: ClassVar[Mapping[str, Any]]

    # Of the class that this one stands before.
    name: str
    np_random: Any
    host_states: dict[str, dict[str, Any]]

    # CybORG looks at the names of these parameters to know what it must give.
    def __init__(self, name: Any = None, np_random: Any = None, agent_subnets: Any = None) -> None:
        super().__init__(  # type: ignore[call-arg]
            name=name, np_random=np_random, agent_subnets=agent_subnets
        )
        self.prioritise_servers = self.table["prefer_servers"]
        self._shown: Mapping[str, Any] = {}
        self._scanned_from: dict[str, int] = {}

    def set_host_state_priority_list(self) -> dict[str, float] | None:
        """The weight of hosts by their state; None: any host is as likely as any other."""
        weights = self.table["state_weight"]
        return None if weights is None else dict.fromkeys(self.table["probability"], 0.0) | weights

    def _host_state_transition(self, action: Any, success: Any) -> None:
        """Note which session scanned a host last: only that one knows its ports."""
        super()._host_state_transition(action, success)  # type: ignore[misc]
        if type(action).__name__ in SCANS and success.name == "TRUE":
            self._scanned_from[str(action.ip_address)] = action.session

    def _session_removal_state_change(self, observation: Mapping[str, Any]) -> None:
        """Hosts whose sessions are gone, and those that turn out to have one."""
        super()._session_removal_state_change(observation)  # type: ignore[misc]
        self._shown = {key: entry for key, entry in observation.items() if key != "message"}
        if self.table["own_sessions"]:
            for entry in self._shown.values():
                if "Sessions" in entry:
                    host = self.host_states[str(entry["Interface"][0]["ip_address"])]
                    host["state"] = FOOTHOLD.get(host["state"], host["state"])

    def _choose_host_and_action(
        self, action_space: Mapping[str, Mapping[Any, bool]], known_hosts: list[str]
    ) -> tuple[str, Any]:
        """The address of a host, and what to do there."""
        address = self._choose_host(known_hosts)  # type: ignore[attr-defined]
        host = self.host_states[address]
        visited = action_space["hostname"].get(host["hostname"], False)
        kind = self._choose_kind(_allowed(action_space["action"]), host, visited)
        parameters = signature(kind).parameters
        values = {"agent": self.name, "hostname": host["hostname"]}
        values["ip_address"] = IPv4Address(address)
        if "subnet" in parameters:
            values["subnet"] = self._one_of(_allowed(action_space["subnet"]))
        values["session"] = self._choose_source(_allowed(action_space["session"]), kind, address)
        action = kind(**{name: values[name] for name in parameters})
        if self.table["durations"] is not None:
            action.duration = self.table["durations"][kind.__name__]
        return address, action

    def _choose_kind(self, kinds: list[Any], host: Mapping[str, Any], visited: bool) -> Any:
        """An action by the row of the host's state, or by what replaces that row."""
        state = host["state"]
        if self.table["impacts"] == "held" and not self._has_root_on(host["hostname"]):
            state = UNHELD.get(state, state)
        row = self.table["probability"][state]
        if not visited:
            row = {name: weight for name, weight in row.items() if name not in PAYOFFS}
        weights = [row.get(kind.__name__, 0.0) for kind in kinds]
        return self.np_random.choice(kinds, p=[weight / sum(weights) for weight in weights])

    def _choose_source(self, known: list[int], kind: Any, address: str) -> int:
        """A session to act from: any that was ever known, or one that is live."""
        if self.table["source"] == "live":
            live = {
                session["session_id"]
                for _, session in self._sessions()
                if session["Type"].name == ABSTRACT
            }
            if kind.__name__ == EXPLOIT and self._scanned_from.get(address) in live:
                return self._scanned_from[address]
            known = [ident for ident in known if ident in live] or known
        return int(self._one_of(known))

    def _has_root_on(self, hostname: str) -> bool:
        return any(
            name == hostname and session["username"] in ROOT for name, session in self._sessions()
        )

    def _sessions(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The agent's own sessions that it was shown last, each with the name of its host. The new
        session of an exploit is shown twice, once by the host's address and without user or type.
        """
        for name, entry in self._shown.items():
            for session in entry.get("Sessions", ()):
                if session["agent"] == self.name and {"username", "Type"} <= session.keys():
                    yield name, session

    def _one_of(self, options: list[Any]) -> Any:
        return options[self.np_random.integers(len(options))]


def _allowed(options: Mapping[Any, bool]) -> list[Any]:
    return [option for option, allowed in options.items() if allowed]
