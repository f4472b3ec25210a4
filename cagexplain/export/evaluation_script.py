"""Runs CybORG's official evaluation script; a script for a process of its own.

    python -m cagexplain.export.evaluation_script CYBORG ARGUMENTS...

CYBORG is the folder that holds the package CybORG, or empty if it is installed. The script itself
runs unmodified. What CybORG imports and CC4 does not use (see `cagexplain.envs.cyborg.locate`) may
be missing.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Final

from cagexplain.envs.cyborg.locate import load

SCRIPT: Final = "CybORG.Evaluation.evaluation"

if __name__ == "__main__":
    load(Path(sys.argv[1]) if sys.argv[1] else None)
    sys.argv[:2] = [SCRIPT]
    runpy.run_module(SCRIPT, run_name="__main__")
