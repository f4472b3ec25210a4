"""An environment that submissions and CybORG's wrappers take for a CybORG, played by the engine.

The engine's record says what is; classes, enumerations and wrappers are those of the user's CybORG.
"""

from cagexplain.envs.lookalike.exchange import Exchange, InProcess
from cagexplain.envs.lookalike.lookalike import Lookalike
from cagexplain.envs.lookalike.missing import NotThere
from cagexplain.envs.lookalike.parts import Parts, load_parts

__all__ = ["Exchange", "InProcess", "Lookalike", "NotThere", "Parts", "load_parts"]
