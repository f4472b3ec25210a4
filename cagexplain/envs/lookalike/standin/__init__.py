"""What submissions import from CybORG, for users who have none: the common forms only.

A submission that plays on flat vectors needs CybORG's wrappers, its action classes and the base
class of agents. These are our own, written from the behaviour that they have. `importable` lets
``import CybORG`` bring them, in the process that runs a submission and nowhere else; `StandIn` is
the environment that is handed to the submission. Whatever else is asked for is one error, which
names it and says that ``--cyborg-path`` gives the submission the user's CybORG.
"""

from cagexplain.envs.lookalike.standin.environment import StandIn
from cagexplain.envs.lookalike.standin.modules import importable

__all__ = ["StandIn", "importable"]
