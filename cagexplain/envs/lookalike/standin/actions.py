"""Blue's actions as objects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

from cagexplain.cc4 import actions, network
from cagexplain.cc4.actions import DURATION, HOST_KINDS, KIND_NAMES, TRAFFIC_KINDS, ActionKind
from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.reward import INVALID_COST, RESTORE_COST

_USUAL_PRIORITY: Final = 99
_TRAFFIC_PRIORITY: Final = 1


class Action:
    """What every action has: name, duration in steps, priority, cost in points."""

    duration: int = 1
    priority: int = _USUAL_PRIORITY
    cost: float = 0

    def __init__(self) -> None:
        self.name = type(self).__name__

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    def get_params(self) -> dict[str, Any]:
        """Its attributes."""
        return dict(vars(self))


class Sleep(Action):
    """Does nothing."""


class InvalidAction(Action):
    """What is played in place of an action that cannot be."""

    cost = -INVALID_COST

    def __init__(self, action: Action | None = None, error: str | None = None) -> None:
        super().__init__()
        self.action, self.error = action, error


class Monitor(Action):
    """Looks at events; it happens in every step anyway."""

    def __init__(self, session: int, agent: str) -> None:
        super().__init__()
        self.session, self.agent = session, agent


class _OnHost(Action):
    def __init__(self, session: int, agent: str, hostname: str) -> None:
        super().__init__()
        self.session, self.agent, self.hostname = session, agent, hostname

    def __str__(self) -> str:
        return f"{self.name} {self.hostname}"

    __repr__ = __str__


class Analyse(_OnHost):
    """Looks for malicious files on a host."""

    duration = int(DURATION[ActionKind.ANALYSE])


class Remove(_OnHost):
    """Ends red's user sessions on a host that left a trace."""

    duration = int(DURATION[ActionKind.REMOVE])


class Restore(_OnHost):
    """Rebuilds a host."""

    duration = int(DURATION[ActionKind.RESTORE])
    cost = -RESTORE_COST


class DeployDecoy(_OnHost):
    """Adds a decoy service to a host."""

    duration = int(DURATION[ActionKind.DECOY])


class ControlTraffic(Action):
    """Allows or blocks traffic from one subnet into another."""

    priority = _TRAFFIC_PRIORITY

    def __init__(self, session: int, agent: str, from_subnet: str, to_subnet: str) -> None:
        super().__init__()
        self.session, self.agent = session, agent
        self.from_subnet, self.to_subnet = from_subnet, to_subnet


class AllowTrafficZone(ControlTraffic):
    """Allows traffic."""


class BlockTrafficZone(ControlTraffic):
    """Blocks traffic."""


_OF_BLUE: Final = (
    Analyse,
    Monitor,
    Remove,
    Restore,
    Sleep,
    AllowTrafficZone,
    BlockTrafficZone,
    DeployDecoy,
)
CLASSES: Final = {cls.__name__: cls for cls in (Action, InvalidAction, ControlTraffic, *_OF_BLUE)}
"""All of them by name."""
PARTS: Final = SimpleNamespace(**CLASSES)
"""The same as what `cagexplain.envs.lookalike.actions.Indices` takes."""


def of_layout(agent: int, exists: Any) -> list[Action]:
    """An agent's actions by index: Sleep where a host does not exist.

    Args:
        agent: 0 to 4.
        exists: truth values by host.
    """
    return [_of(agent, index, exists) for index in range(actions.SIZES[agent])]


def _of(agent: int, index: int, exists: Any) -> Any:
    kind = ActionKind(actions.ALL_KIND[agent, index])
    make: Any = CLASSES[KIND_NAMES[kind]]
    if kind is ActionKind.SLEEP:
        return Sleep()
    if kind in HOST_KINDS:
        host = int(actions.ALL_HOST[agent, index])
        if not exists[host]:
            return Sleep()
        return make(session=0, agent=BLUE[agent], hostname=network.HOST_NAMES[host])
    if kind in TRAFFIC_KINDS:
        to_zone, from_zone = (
            network.ZONES[table[agent, index]]
            for table in (actions.ALL_TO_ZONE, actions.ALL_FROM_ZONE)
        )
        return make(session=0, agent=BLUE[agent], from_subnet=from_zone, to_subnet=to_zone)
    return make(session=0, agent=BLUE[agent])


def checked(action: Any, agent: str, hosts: set[str]) -> Action:
    """The action, or the `InvalidAction` that is played in its place.

    Args:
        action: what was submitted.
        agent: who submitted it.
        hosts: names of the hosts that the agent defends.
    """
    valid = (
        type(action) in _OF_BLUE
        and getattr(action, "agent", agent) == agent
        and getattr(action, "session", 0) == 0
        and (not isinstance(action, _OnHost) or action.hostname in hosts)
    )
    return action if valid else InvalidAction(action, f"{action} is no action of {agent}")
