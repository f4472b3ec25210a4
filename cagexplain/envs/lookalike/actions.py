"""Action objects of CybORG as indices of the engine."""

from __future__ import annotations

from typing import Any

from cagexplain.cc4 import actions, network
from cagexplain.cc4.actions import HOST_KINDS, TRAFFIC_KINDS, ActionKind
from cagexplain.cc4.network import ZONES
from cagexplain.envs.lookalike.parts import ACTION_CLASSES, Parts


class Indices:
    """Translates the actions of one CybORG's classes."""

    def __init__(self, api: Parts) -> None:
        self._kind = {getattr(api, name): ActionKind(k) for k, name in enumerate(ACTION_CLASSES)}
        self._invalid: type = api.InvalidAction

    @property
    def classes(self) -> list[type]:
        """Blue's action classes."""
        return list(self._kind)

    def of(self, agent: int, submitted: Any, accepted: Any) -> int:
        """The index of a submitted action.

        Args:
            agent: 0 to 4.
            submitted: the action object.
            accepted: what CybORG plays for it: the same object, or an ``InvalidAction``.
        """
        kind = self._kind.get(type(submitted))
        if accepted is not submitted or kind is None:
            # Only the cost of what was submitted is left of it.
            if kind is None:
                kind = (
                    ActionKind.SLEEP if isinstance(submitted, self._invalid) else ActionKind.MONITOR
                )
            return actions.extra_index(agent, kind)
        host = to = source = -1
        if kind in HOST_KINDS:
            host = network.host_index(submitted.hostname)
        elif kind in TRAFFIC_KINDS:
            to, source = _zone(submitted.to_subnet), _zone(submitted.from_subnet)
        try:
            return actions.index(agent, kind, host=host, to_zone=to, from_zone=source)
        except KeyError:
            if kind in TRAFFIC_KINDS and min(to, source) < 0:
                to = source = -1
            return actions.extra_index(agent, kind, host=host, to_zone=to, from_zone=source)


def _zone(name: Any) -> int:
    try:
        return ZONES.index(name)
    except ValueError:
        return -1
