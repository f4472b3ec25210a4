"""Worker processes of an audit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_PLAYS = """
import multiprocessing
import signal
import numpy as np
from cagexplain.audit.play.team import Play, Team
from cagexplain.policies.registry import load_policy

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
if __name__ == "__main__":
    with Team({"policy": load_policy("sleep")}, 2) as team:
        team.play([Play("policy", np.arange(4))] * 2)
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
        team.play([Play("policy", np.arange(1000))] * 1000)
"""


def _runs(pid: int) -> bool:
    try:
        # A process that has ended and whose parent is gone may wait to be collected.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells processes by /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_audit(how: signal.Signals, tmp_path: Path) -> None:
    """Build servers kill what takes too long; nobody would end its workers."""
    script = tmp_path / "plays.py"
    script.write_text(_PLAYS)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    workers: list[int] = []
    try:
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert workers and all(map(_runs, workers))
        process.send_signal(how)
        process.wait(timeout=60)
        deadline = time.monotonic() + 60
        while any(map(_runs, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(_runs, workers))
    finally:
        for pid in filter(_runs, workers):  # first, as they hold the pipe open
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells processes by /proc")
def test_ctrl_c_ends_the_workers_without_a_word_of_theirs(tmp_path: Path) -> None:
    """A terminal sends it to all processes, and nobody waits for the batches that they are at."""
    script = tmp_path / "plays.py"
    script.write_text(_PLAYS)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert workers and all(map(_runs, workers))
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert not any(map(_runs, workers))
        assert told.count("Traceback") == 1 and told.rstrip().endswith("KeyboardInterrupt"), told
        assert "leaked" not in told
    finally:
        process.kill()
        process.communicate()
