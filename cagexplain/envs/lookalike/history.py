"""What a record does not say because it follows from those before it in the episode."""

from __future__ import annotations

from typing import Any

import numpy as np

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.cc4.network import ZONES
from cagexplain.cc4.outcome import Outcome


class History:
    """Noted after every step of an episode.

    Attributes:
        blocks: subnets whose traffic is blocked, in the order of the blocks, by destination; one
            that was allowed again keeps an empty list.
        restored: hosts in the order of their last restoration.
        n_restored: number of restorations, by host.
        piled_up: events where no blue agent watches, which stay.
        exploits: exploit that made a process, by host and pid.
        sources: hosts from which exploits were run.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, list[str]] = {}
        self.restored: list[int] = []
        self.n_restored: dict[int, int] = {}
        self.piled_up: dict[int, list[Any]] = {}
        self.exploits: dict[tuple[int, int], int] = {}
        self.sources: set[int] = set()

    def note(self, s: Any) -> None:
        """Takes notes of the record after a step."""
        done, outcome = s["blue_done"].tolist(), s["blue_outcome"].tolist()
        for agent in range(N_BLUE):
            if done[agent] >= 0 and outcome[agent] == Outcome.SUCCESS:
                self._note_blue(agent, done[agent])
        n = int(s["event_n"])
        if n:
            events = s["events"][:n]
            for event in events[BLUE_OF_HOST[events["host"]] < 0]:
                self.piled_up.setdefault(int(event["host"]), []).append(event.item())
        if (s["red_exploit"] >= 0).any():
            self._note_exploits(s)

    def _note_blue(self, agent: int, action: int) -> None:
        kind = actions.ALL_KIND[agent, action]
        if kind == ActionKind.RESTORE:
            host = int(actions.ALL_HOST[agent, action])
            self.n_restored[host] = self.n_restored.get(host, 0) + 1
            if host in self.restored:
                self.restored.remove(host)
            self.restored.append(host)
        elif kind in (ActionKind.ALLOW, ActionKind.BLOCK):
            to, source = (
                ZONES[table[agent, action]]
                for table in (actions.ALL_TO_ZONE, actions.ALL_FROM_ZONE)
            )
            blocked = self.blocks.setdefault(to, [])
            (blocked.append if kind == ActionKind.BLOCK else blocked.remove)(source)

    def _note_exploits(self, s: Any) -> None:
        """Sessions made by exploits in this step; an agent finishes at most one."""
        exploit = {
            int(s["red_done_host"][r]): int(s["red_exploit"][r])
            for r in np.flatnonzero(s["red_exploit"] >= 0)
        }
        self.sources.update(s["red_done_source"][s["red_exploit"] >= 0].tolist())
        sessions = s["ses"][: s["ses_top"]]
        for session in sessions[sessions["exploited"] != 0]:
            host = int(session["host"])
            if host in exploit:
                self.exploits[host, int(s["proc_pid"][session["process"]])] = exploit[host]
