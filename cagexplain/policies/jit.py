"""Where the compiled code of policies is kept, as the engine's is."""

from pathlib import Path
from typing import Final

from cagexplain.common.compiling import Store

_PACKAGE: Final = Path(__file__).parent.parent
STORE: Final = Store("policies", [*_PACKAGE.glob("policies/**/*.py"), *_PACKAGE.glob("cc4/*.py")])
