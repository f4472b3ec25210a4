"""What a command of cagexplain takes: time and memory, measured by a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.command import CannotMeasure

# Linux counts what a process holds as it starts another one as memory of that other one, too. So a
# small process starts the command.
_STARTER: Final = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), cpu, used.ru_maxrss]))
"""


def measure(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a command: seconds on the wall and of CPU, largest process of it and those it waits for.

    Raises:
        CannotMeasure: it failed.
    """
    program = str(Path(sys.executable).with_name("cagexplain"))
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _STARTER, program, name, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    wall = time.perf_counter() - start
    status, cpu, largest = json.loads(done.stdout)
    if status != 0:
        raise CannotMeasure(f"cagexplain {name} {' '.join(arguments)}: {done.stderr.strip()}")
    return {
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "largest_process_mib": largest // 1024,
    }
