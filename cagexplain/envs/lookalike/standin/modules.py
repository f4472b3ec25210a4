"""``import CybORG`` where there is none: the stand-ins, under the names that submissions import."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from cagexplain.envs.lookalike.standin import actions, agents, wrappers
from cagexplain.envs.lookalike.standin.environment import StandIn
from cagexplain.envs.lookalike.standin.missing import not_importable, only_in_cyborg

_PACKAGE: Final = "CybORG"
_VERSION: Final = "4.0"

_AGENTS: Final = {"BaseAgent": agents.BaseAgent, "SleepAgent": agents.SleepAgent}
_OTHER_AGENTS: Final = {
    name: only_in_cyborg(name)
    for name in ("EnterpriseGreenAgent", "FiniteStateRedAgent", "VerboseFSRed", "DiscoveryFSRed")
}
_SCENARIOS: Final = {
    "EnterpriseScenarioGenerator": only_in_cyborg("EnterpriseScenarioGenerator"),
}


def _actions(*names: str) -> dict[str, type]:
    return {name: actions.CLASSES[name] for name in names}


_ABSTRACT: Final = _actions("Analyse", "Monitor", "Remove", "Restore")
_TRAFFIC: Final = _actions("AllowTrafficZone", "BlockTrafficZone", "ControlTraffic")
_DECOYS: Final = _actions("DeployDecoy")

_ACTIONS: Final = f"{_PACKAGE}.Simulator.Actions"
_CONCRETE: Final = f"{_ACTIONS}.ConcreteActions"
_SIMPLE: Final = f"{_PACKAGE}.Agents.SimpleAgents"
_WRAPPERS: Final = f"{_PACKAGE}.Agents.Wrappers"

MODULES: Final[Mapping[str, Mapping[str, Any]]] = {
    _PACKAGE: {"CybORG": StandIn, "CYBORG_VERSION": _VERSION},
    f"{_PACKAGE}.env": {"CybORG": StandIn},
    f"{_PACKAGE}.Agents": _AGENTS | _OTHER_AGENTS,
    _SIMPLE: _AGENTS,
    f"{_SIMPLE}.BaseAgent": {"BaseAgent": agents.BaseAgent},
    f"{_SIMPLE}.ConstantAgent": {"SleepAgent": agents.SleepAgent},
    _WRAPPERS: wrappers.CLASSES,
    **{f"{_WRAPPERS}.{name}": {name: cls} for name, cls in wrappers.CLASSES.items()},
    f"{_PACKAGE}.Simulator": {},
    f"{_PACKAGE}.Simulator.Scenarios": _SCENARIOS,
    _ACTIONS: actions.CLASSES,
    f"{_ACTIONS}.Action": _actions("Action", "Sleep", "InvalidAction"),
    f"{_ACTIONS}.AbstractActions": _ABSTRACT,
    **{f"{_ACTIONS}.AbstractActions.{name}": {name: cls} for name, cls in _ABSTRACT.items()},
    _CONCRETE: {},
    f"{_CONCRETE}.ControlTraffic": _TRAFFIC,
    f"{_CONCRETE}.DecoyActions": _DECOYS,
    f"{_CONCRETE}.DecoyActions.DeployDecoy": _DECOYS,
}
"""What each module has. A class hides a module of its name, as it does in CybORG."""


class _Module(ModuleType):
    """A module of the stand-in; a name that it lacks is a clear error."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system sets modules as attributes of their packages.
        if name not in MODULES[self.__name__]:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        full = f"{self.__name__}.{name}"
        if name.startswith("__") or full in MODULES:  # a submodule is imported next
            raise AttributeError(name)
        raise not_importable(full)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of the stand-in, and nothing else below its name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != _PACKAGE:
            return None
        if fullname not in MODULES:
            raise not_importable(fullname)
        return importlib.util.spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(MODULES[module.__name__])


@contextlib.contextmanager
def importable() -> Iterator[None]:
    """While this lasts, ``import CybORG`` brings the stand-ins. For the process that runs a
    submission, and for tests; what was imported stays usable afterwards."""
    finder = _Finder()
    hidden = _forget()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget()
        sys.modules.update(hidden)


def _forget() -> dict[str, ModuleType]:
    """Take the package out of the imported modules."""
    names = [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}
