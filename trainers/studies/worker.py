"""The process that trains one run.

`python -m trainers.studies.worker FUNCTION JOB` calls a function, by default `train` of this
module, with a job as JSON. Its standard input is a lifeline: when it ends, because the study asks
for it or is dead, the worker stops as it would after Ctrl-C: it saves its run and exits.
"""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, Final

from cagexplain.common.errors import CagexplainError
from cagexplain.common.printing import safe_streams

TRAIN: Final = "trainers.studies.worker:train"
INTERRUPTED: Final = 130


def train(job: dict[str, Any]) -> None:
    """Train a run to its end, from where it stands, in one thread."""
    from trainers import registry
    from trainers.core import loop
    from trainers.core.config import RunConfig, from_plain
    from trainers.studies.jobs import CONFIG

    folder = Path(job["folder"])
    if (folder / loop.RESUME).is_file():
        loop.resume(folder, threads=1, track=job["track"]).train()
        return
    # Killed before it could be resumed, the run left no more than this.
    for leftover in (folder / CONFIG, *folder.glob(".*.tmp")):
        leftover.unlink(missing_ok=True)
    run = from_plain(RunConfig, job["run"], folder)
    kind = type(registry.find_preset(run.algorithm, run.preset))
    settings = from_plain(kind, job["settings"], folder)
    loop.start(run, settings, folder, threads=1, track=job["track"]).train()


def main(function: str, job: str) -> int:
    """Call `function` with `job`; returns the exit status. What goes wrong is printed."""
    with safe_streams():
        return _call(function, job)


def _call(function: str, job: str) -> int:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        pkgutil.resolve_name(function)(json.loads(job))
    except KeyboardInterrupt:
        return INTERRUPTED
    except CagexplainError as error:
        print(f"Error: {error}", flush=True)
        return 1
    except Exception as error:
        traceback.print_exc()
        print(f"Error: {type(error).__name__}: {error}", flush=True)
        return 1
    return 0


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock a waiting thread would hold when the interpreter ends.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
