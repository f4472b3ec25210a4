"""The parts of the user's CybORG that the look-alike is made of."""

from __future__ import annotations

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Final, TypeAlias

from cagexplain.cc4.actions import KIND_NAMES
from cagexplain.envs.cyborg import locate

Parts: TypeAlias = SimpleNamespace
"""CybORG's classes and modules, by their names there."""

_ACTIONS: Final = "CybORG.Simulator.Actions"
_SOURCES: Final = {
    "ActionSpace": "CybORG.Shared.ActionSpace",
    "Enums": "CybORG.Shared",
    "Observation": "CybORG.Shared",
    "ObservationSet": "CybORG.Shared.ObservationSet",
    "Results": "CybORG.Shared",
    "Scenario": "CybORG.Shared.Scenario",
    "ScenarioAgent": "CybORG.Shared.Scenario",
    "GreenAbstractSession": "CybORG.Shared.Session",
    "RedAbstractSession": "CybORG.Shared.Session",
    "Session": "CybORG.Shared.Session",
    "VelociraptorServer": "CybORG.Shared.Session",
    "File": "CybORG.Simulator.File",
    "Host": "CybORG.Simulator.Host",
    "HostEvents": "CybORG.Simulator.HostEvents",
    "NetworkConnection": "CybORG.Simulator.HostEvents",
    "Interface": "CybORG.Simulator.Interface",
    "Process": "CybORG.Simulator.Process",
    "Service": "CybORG.Simulator.Service",
    "SimulationController": "CybORG.Simulator.SimulationController",
    "State": "CybORG.Simulator.State",
    "User": "CybORG.Simulator.User",
    "EnterpriseScenarioGenerator": "CybORG.Simulator.Scenarios",
    "SUBNET": "CybORG.Simulator.Scenarios.EnterpriseScenarioGenerator",
    "MultiBinary": "gym.spaces",
    "InvalidAction": "CybORG.Simulator.Actions.Action",
    "Sleep": "CybORG.Simulator.Actions.Action",
    "Monitor": f"{_ACTIONS}.AbstractActions",
    "Analyse": f"{_ACTIONS}.AbstractActions",
    "Remove": f"{_ACTIONS}.AbstractActions",
    "Restore": f"{_ACTIONS}.AbstractActions",
    "DeployDecoy": f"{_ACTIONS}.ConcreteActions.DecoyActions",
    "AllowTrafficZone": f"{_ACTIONS}.ConcreteActions.ControlTraffic",
    "BlockTrafficZone": f"{_ACTIONS}.ConcreteActions.ControlTraffic",
    "EnterpriseGreenAgent": "CybORG.Agents",
    "FiniteStateRedAgent": "CybORG.Agents",
    "SleepAgent": "CybORG.Agents",
    "BaseWrapper": "CybORG.Agents.Wrappers",
    "BlueFixedActionWrapper": "CybORG.Agents.Wrappers",
    "BlueFlatWrapper": "CybORG.Agents.Wrappers",
    "BlueEnterpriseWrapper": "CybORG.Agents.Wrappers",
    "EnterpriseMAE": "CybORG.Agents.Wrappers",
    "CybORG": "CybORG",
}

ACTION_CLASSES: Final = KIND_NAMES
"""Names of blue's action classes, by :class:`~cagexplain.cc4.actions.ActionKind`."""


@functools.cache
def load_parts(path: Path | None = None) -> Parts:
    """Import the parts of the user's CybORG.

    Args:
        path: folder that holds the package; None looks among the installed packages.

    Raises:
        CagexplainError: there is none that can be used.
    """
    return Parts(**locate.parts(_SOURCES, path))
