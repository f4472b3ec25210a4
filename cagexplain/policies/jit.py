"""How the code of policies is compiled, and where the result is kept, as the engine's is.

An exported policy runs where Numba may not be: there ``cagexplain.export.uncompiled`` stands in for
this module, which is the only one of the policies that knows Numba.
"""

from pathlib import Path
from typing import Final

from numba import njit

from cagexplain.common.compiling import Store

__all__ = ["COMPILED", "STORE", "njit"]

COMPILED: Final = True
"""Whether loops over single numbers are fast."""
_PACKAGE: Final = Path(__file__).parent.parent
STORE: Final = Store("policies", [*_PACKAGE.glob("policies/**/*.py"), *_PACKAGE.glob("cc4/*.py")])
