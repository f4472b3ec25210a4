"""Types of what compiled code is given. Numba infers the exact ones; these tell the reader."""

from typing import Any, TypeAlias

import numpy as np

Record: TypeAlias = Any
"""One environment: an element of :data:`cagexplain.sim.state.STATE`; or its parameters, an element
of :data:`cagexplain.sim.params.PARAMS`."""

Batch: TypeAlias = np.ndarray[Any, np.dtype[np.void]]
"""Array of such records."""

Array: TypeAlias = np.ndarray[Any, Any]
"""Plain array; its shape is told where it is made."""
