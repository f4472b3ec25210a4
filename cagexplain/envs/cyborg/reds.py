"""Red tables as agents of CybORG: subclasses of its own finite-state machine.

What CybORG's machine does by itself is left to it; a class overrides only what its table needs.
Everything that such an agent uses, it reads from its own observation.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, Final

from cagexplain.cc4.red_fsm import RED_ACTION_NAMES, STATE_NAMES, RedAction, State
from cagexplain.cc4.red_table import STATES, UNHELD, RedTable
from cagexplain.envs.cyborg.locate import Api

_OFFICIAL: Final = {
    "finite_state": "FiniteStateRedAgent",
    "verbose": "VerboseFSRed",
    "discovery": "DiscoveryFSRed",
}
_ROOT_USERS: Final = frozenset({"root", "SYSTEM"})
_ABSTRACT: Final = "RED_ABSTRACT_SESSION"
_FOOTHOLD: Final = {"K": "U", "S": "U", "KD": "UD", "SD": "UD"}
_SCANS: Final = frozenset(
    RED_ACTION_NAMES[action] for action in (RedAction.AGGRESSIVE_SCAN, RedAction.STEALTH_SCAN)
)
_EXPLOIT: Final = RED_ACTION_NAMES[RedAction.EXPLOIT]
_UNHELD: Final = {source.name: target.name for source, target in UNHELD.items()}


def red_class(api: Api, table: RedTable) -> Any:
    """The red agent class of a table: CybORG's own for its own reds, otherwise a subclass of
    ``FiniteStateRedAgent`` that draws as `RedTable` says."""
    if table.name in _OFFICIAL:
        return getattr(api, _OFFICIAL[table.name])
    base = _with_table(api.FiniteStateRedAgent, table)
    if table.own_sessions or table.impacts == "held" or table.source == "live":
        base = _with_sight(base)
    if table.own_sessions:
        base = _with_own_sessions(base)
    if table.source == "live":
        base = _with_memory_of_scans(base)
    free = (table.unvisited != table.probability).any()
    if free or table.impacts == "held" or table.source == "live" or table.durations is not None:
        base = _with_choice(base, table)
    return type("TableRed", (base,), {})


def _rows(table: RedTable, *, visited: bool = True) -> dict[str, list[float | None]]:
    """A table as CybORG takes it: it draws only among the entries that are not None."""
    return {
        STATE_NAMES[state]: [table.row(state, visited=visited).get(action) for action in RedAction]
        for state in STATES
    }


def _with_table(base: Any, table: RedTable) -> Any:
    class Tabled(base):  # type: ignore[misc]
        """With the probabilities, weights and taste of a table."""

        def __init__(
            self, name: Any = None, np_random: Any = None, agent_subnets: Any = None
        ) -> None:
            # CybORG gives an agent its subnets only if its signature asks for them.
            super().__init__(name=name, np_random=np_random, agent_subnets=agent_subnets)
            self.prioritise_servers = table.prefer_servers
            self.sessions: dict[str, list[dict[str, Any]]] = {}
            self.scanned: dict[str, int] = {}

        def state_transitions_probability(self) -> Any:
            return _rows(table)

        def set_host_state_priority_list(self) -> Any:
            weights = table.state_weight
            if weights is None:
                return None
            return {STATE_NAMES[state]: float(weights[state]) for state in STATES}

    return Tabled


def _with_sight(base: Any) -> Any:
    class Sighted(base):  # type: ignore[misc]
        """Remembers the sessions that its last observation shows, by the address of their host. The
        new session of an exploit is shown twice, once without its type and user."""

        def _session_removal_state_change(self, observation: Any) -> None:
            self.sessions = {}
            for place, seen in observation.items():
                if place != "message":
                    for session in seen.get("Sessions", ()):
                        address = str(seen["Interface"][0]["ip_address"])
                        self.sessions.setdefault(address, []).append(session)
            super()._session_removal_state_change(observation)

    return Sighted


def _with_own_sessions(base: Any) -> Any:
    class Owning(base):  # type: ignore[misc]
        """Takes a session on a host that it does not hold yet for a foothold."""

        def _session_removal_state_change(self, observation: Any) -> None:
            super()._session_removal_state_change(observation)
            for address, host in self.host_states.items():
                if address in self.sessions:
                    host["state"] = _FOOTHOLD.get(host["state"], host["state"])

    return Owning


def _with_memory_of_scans(base: Any) -> Any:
    class Remembering(base):  # type: ignore[misc]
        """Remembers which session id scanned a host last."""

        def _host_state_transition(self, action: Any, success: Any) -> None:
            if type(action).__name__ in _SCANS and success.name == "TRUE":
                self.scanned[str(action.ip_address)] = action.session
            super()._host_state_transition(action, success)

    return Remembering


def _with_choice(base: Any, table: RedTable) -> Any:
    visited, unvisited = (_rows(table, visited=known) for known in (True, False))

    class Choosing(base):  # type: ignore[misc]
        """Draws the action and its parameters by itself, in CybORG's order."""

        def _choose_host_and_action(self, action_space: Any, host_options: Any) -> Any:
            address = str(self._choose_host(host_options))
            row = dict(zip(self.action_list, self._row(address, action_space), strict=True))
            options = [kind for kind in action_space["action"] if row.get(kind) is not None]
            kind = self.np_random.choice(options, p=[row[option] for option in options])
            chosen: dict[str, Any] = {}
            for parameter in self.action_params[kind]:
                if parameter == "hostname":
                    chosen[parameter] = self.host_states[address]["hostname"]
                elif parameter == "ip_address":
                    chosen[parameter] = IPv4Address(address)
                else:
                    known = [value for value, valid in action_space[parameter].items() if valid]
                    if parameter == "session" and table.source == "live":
                        known = self._sources(known, kind, address)
                    chosen[parameter] = self.np_random.choice(known)
            action = kind(**chosen)
            if table.durations is not None:
                action.duration = table.durations[RED_ACTION_NAMES.index(kind.__name__)]
            return address, action

        def _row(self, address: str, action_space: Any) -> list[float | None]:
            host = self.host_states[address]
            state = host["state"]
            if table.impacts == "held" and not any(
                session.get("username") in _ROOT_USERS for session in self.sessions.get(address, ())
            ):
                state = _UNHELD.get(state, state)
            known = action_space["hostname"].get(host["hostname"])
            return (visited if known else unvisited)[state]

        def _sources(self, known: list[int], kind: Any, address: str) -> list[int]:
            live = {
                session["session_id"]
                for place, shown in self.sessions.items()
                if self.host_states[place]["state"] != State.F.name
                for session in shown
                if getattr(session.get("Type"), "name", None) == _ABSTRACT
            }
            scanner = self.scanned.get(address)
            if kind.__name__ == _EXPLOIT and scanner in live:
                return [scanner]
            return [ident for ident in known if ident in live] or known

    return Choosing
