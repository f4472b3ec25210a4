"""Policies that decide otherwise than each other and are sound: no audit may blame their practice.

* ``expert``: the playbook of ``cagexplain.policies.scripted.expert``.
* ``talks``: its agents tell each other truthfully when they see alerts, and use what they hear.
* ``looks_first``: it looks at unclear alerts before it puts decoys anywhere: what is going on now
  goes before what may come.
* ``patient``: it hunts less often. Hunting is restoring without evidence, so that a slower hunt
  trades some undetected footholds for fewer interrupted users.

All obey the communication policy, restore what red is known to be on at once, keep decoys on all
hosts and leave no alert without a look; `benchmarks.defect_prices` measures that their returns are
close to the expert's.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from benchmarks.flaws.talking import Talks
from cagexplain.policies.scripted.expert import Expert, Rule


class LooksFirst(Expert):
    """Looks at alerts before it deploys decoys."""

    def playbook(self) -> tuple[Rule, ...]:
        """Rule 4 before rule 3."""
        return self.obey, self.restore, self.analyse, self.deceive, self.hunt


def _patient(name: str) -> Expert:
    return Expert(name, hunt_before=120, hunt_during=240)


SOUND: Final = MappingProxyType[str, Callable[[str], Expert]](
    {"expert": Expert, "talks": Talks, "looks_first": LooksFirst, "patient": _patient}
)
"""What makes each sound policy of its name."""


def sound(name: str) -> Expert:
    """A new one of the sound policies."""
    return SOUND[name](name)
