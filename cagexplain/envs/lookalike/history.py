"""What a record does not say because it follows from those before it in the episode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from cagexplain.cc4 import actions, services
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.cc4.network import ZONES
from cagexplain.cc4.outcome import Outcome
from cagexplain.cc4.red_fsm import RedAction
from cagexplain.envs.lookalike.hosts import REVERSE_SHELL_PORT, nodes
from cagexplain.sim.state import RED_SESSION

_CMD_FILE: Final = services.FILE_NAMES.index("cmd.sh")
_ESCALATE_FILE: Final = services.FILE_NAMES.index("escalate.sh")

Connection = tuple[int, int, int, int]
"""Local host, local port, remote host, remote port."""


class History:
    """Noted after every step of an episode.

    Attributes:
        blocks: subnets whose traffic is blocked, in the order of the blocks, by destination; one
            that was allowed again keeps an empty list.
        restored: hosts in the order of their last restoration.
        n_restored: number of restorations, by host.
        piled_up: events where no blue agent watches, which stay.
        suspicious: hosts in the order in which blue first remembered one of their pids.
        files: kinds of the files that red left, by host, in their order.
        exploits: exploit that made a process, by host and pid.
        connections: of red's processes that an exploit made or came from, by host and pid.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, list[str]] = {}
        self.restored: list[int] = []
        self.n_restored: dict[int, int] = {}
        self.piled_up: dict[int, list[Any]] = {}
        self.suspicious: dict[int, None] = {}
        self.files: dict[int, list[int]] = {}
        self.exploits: dict[tuple[int, int], int] = {}
        self.connections: dict[tuple[int, int], list[Connection]] = {}

    def note(self, s: Any) -> None:
        """Takes notes of the record after a step."""
        done, outcome = s["blue_done"].tolist(), s["blue_outcome"].tolist()
        for agent in range(N_BLUE):
            if done[agent] >= 0 and outcome[agent] == Outcome.SUCCESS:
                self._note_blue(s, agent, done[agent])
        n = int(s["event_n"])
        if n:
            events = s["events"][:n]
            for event in events[BLUE_OF_HOST[events["host"]] < 0]:
                self.piled_up.setdefault(int(event["host"]), []).append(event.item())
            with_pid = events["host"][(events["pid"] >= 0) & (BLUE_OF_HOST[events["host"]] >= 0)]
            self.suspicious.update(dict.fromkeys(monitored(s, with_pid.tolist())))
        succeeded = np.flatnonzero(s["red_outcome"] == Outcome.SUCCESS).tolist()
        if succeeded:
            self._note_red(s, succeeded)

    def _note_blue(self, s: Any, agent: int, action: int) -> None:
        kind = actions.ALL_KIND[agent, action]
        if kind == ActionKind.RESTORE:
            host = int(actions.ALL_HOST[agent, action])
            self.n_restored[host] = self.n_restored.get(host, 0) + 1
            if host in self.restored:
                self.restored.remove(host)
            self.restored.append(host)
            self.files.pop(host, None)
            self._forget({key for key in self.connections if key[0] == host})
        elif kind == ActionKind.REMOVE:
            self._forget(self._removed(s, int(actions.ALL_HOST[agent, action])))
        elif kind in (ActionKind.ALLOW, ActionKind.BLOCK):
            to, source = (
                ZONES[table[agent, action]]
                for table in (actions.ALL_TO_ZONE, actions.ALL_FROM_ZONE)
            )
            blocked = self.blocks.setdefault(to, [])
            (blocked.append if kind == ActionKind.BLOCK else blocked.remove)(source)

    def _removed(self, s: Any, host: int) -> set[tuple[int, int]]:
        """Processes that a Remove ended. Their pids may have been given away again since, but not
        to a process of root."""
        known = {pid for at, pid in self.connections if at == host}
        if known:
            known &= {int(s["sus_pid"][node]) for node in nodes(s, host, "sus")}
            known -= {int(s["proc_pid"][node]) for node in nodes(s, host) if _is_root(s, node)}
        return {(host, pid) for pid in known}

    def _forget(self, processes: set[tuple[int, int]]) -> None:
        for key in processes:
            self.exploits.pop(key, None)
            del self.connections[key]

    def _note_red(self, s: Any, agents: list[int]) -> None:
        """Red moves last, so what its exploits made are a host's newest processes."""
        exploits: dict[int, list[int]] = {}
        for r in agents:
            action, host = s["red_done"][r], int(s["red_done_host"][r])
            if action == RedAction.EXPLOIT:
                exploits.setdefault(host, []).append(r)
                self.files.setdefault(host, []).append(_CMD_FILE)
            elif action == RedAction.ESCALATE:
                files = self.files.setdefault(host, [])
                # A host that is root's already gets no other file.
                if files.count(_ESCALATE_FILE) < s["file_count"][host][_ESCALATE_FILE]:
                    files.append(_ESCALATE_FILE)
        for host, by in exploits.items():
            for node, r in zip(nodes(s, host)[-len(by) :], by, strict=True):
                self._note_exploit(s, r, host, int(s["proc_pid"][node]))

    def _note_exploit(self, s: Any, r: int, host: int, pid: int) -> None:
        source, port = int(s["red_done_source"][r]), int(s["exploit_port"][r])
        here = host, port, source, REVERSE_SHELL_PORT
        there = source, REVERSE_SHELL_PORT, host, port
        self.exploits[host, pid] = int(s["red_exploit"][r])
        self.connections[host, pid] = [here]
        self.connections.setdefault((source, int(s["exploit_pid"][r])), []).append(there)


def monitored(s: Any, hosts: Iterable[int]) -> list[int]:
    """Hosts in the order in which blue's Monitors go through them: an agent's parent session is on
    its last one."""
    parents = s["blue_parent"].tolist()
    return sorted(set(hosts), key=lambda host: (host in parents, host))


def _is_root(s: Any, node: int) -> bool:
    return s["proc_kind"][node] == RED_SESSION and bool(s["ses"][s["proc_session"][node]]["root"])
