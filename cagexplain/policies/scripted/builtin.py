"""The scripted policies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from cagexplain.cc4 import actions
from cagexplain.cc4.actions import ActionKind
from cagexplain.policies.scripted.base import Scripted
from cagexplain.policies.scripted.champion import ROBUST, Champion
from cagexplain.policies.scripted.cycles import (
    CommsBlock,
    Constant,
    Cycle,
    Once,
    Random,
    Reactive,
    Spam,
)
from cagexplain.policies.scripted.expert import Expert
from cagexplain.policies.scripted.punch import Punch


@dataclass(frozen=True)
class Builtin:
    """An entry of the table of scripted policies.

    Attributes:
        summary: one line about the rule.
        rule: class of the policy, called with its name and `arguments`.
    """

    summary: str
    rule: Callable[..., Scripted]
    arguments: tuple[Any, ...] = ()

    def make(self, name: str) -> Scripted:
        """The policy."""
        policy = self.rule(name, *self.arguments)
        policy.summary = self.summary
        return policy


_T = ActionKind

BUILTIN: Final[Mapping[str, Builtin]] = MappingProxyType(
    {
        "sleep": Builtin("Sleep in every step", Constant, (actions.SLEEP_INDEX,)),
        "random": Builtin("a random valid action in every step, busy or not", Random),
        "monitor": Builtin(
            "Monitor in every step, which is the same as Sleep",
            Constant,
            (actions.MONITOR_INDEX,),
        ),
        "analyse_cycle": Builtin("Analyse every host in turn", Cycle, (_T.ANALYSE,)),
        "remove_cycle": Builtin("Remove on every host in turn", Cycle, (_T.REMOVE,)),
        "restore_cycle": Builtin("Restore every host in turn", Cycle, (_T.RESTORE,)),
        "decoy_cycle": Builtin("DeployDecoy on every host in turn", Cycle, (_T.DECOY,)),
        "block_all_then_sleep": Builtin(
            "block all incoming traffic, then Sleep", Once, (_T.BLOCK,)
        ),
        "reactive": Builtin(
            "Restore on a process alert, else Analyse in turn", Reactive, (_T.RESTORE,)
        ),
        "reactive_remove": Builtin(
            "Remove on a process alert, else Analyse in turn", Reactive, (_T.REMOVE,)
        ),
        "comms_block": Builtin("block and allow traffic as the comms policy says", CommsBlock),
        "block_allow_cycle": Builtin(
            "block all incoming traffic, allow it again, and so on",
            Cycle,
            (_T.BLOCK, _T.ALLOW),
        ),
        "restore_spam": Builtin(
            "Restore every host in turn, in every step, busy or not", Spam, (_T.RESTORE,)
        ),
        "punch": Builtin("Analyse every host in turn, Restore it if it had alerts", Punch),
        "champion": Builtin("answers red's machine, by what raw observations tell", Champion),
        "champion_robust": Builtin(
            "champion that watches users' hosts, for strong attackers",
            Champion,
            (ROBUST,),
        ),
        "expert": Builtin("playbook: comms policy, Restore on evidence, decoys, hunt", Expert),
    }
)
"""The scripted policies by name."""
