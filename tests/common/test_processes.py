"""Scripts that start worker processes when they are imported."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cagexplain
from cagexplain.common import machine
from cagexplain.common.errors import UsageError
from cagexplain.common.processes import spawning

ROOT = Path(cagexplain.__file__).parents[1]
SCRIPT = """
from cagexplain.common.processes import spawning

def work():
    pool = spawning().Pool(1)
    print(pool.map(abs, [-3]))
    pool.close()

{call}
"""
GUARD = 'if __name__ == "__main__":'


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("work()", 9),
        ("if True:\n    work()", 10),
        ("for _ in range(1):\n    try:\n        work()\n    finally:\n        pass", 11),
        (f"{GUARD}\n    work()", None),
        (f"def main():\n    work()\n\n{GUARD}\n    main()", None),
    ],
)
def test_a_script_without_the_guard_is_told_so(call: str, line: int | None, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(call=call))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    if line is None:
        assert (done.returncode, done.stdout) == (0, "[3]\n"), done.stderr
    else:
        assert done.returncode == 1
        assert f"script.py: line {line}: worker processes import this script" in done.stderr
        assert 'Put the call below `if __name__ == "__main__":`' in done.stderr


@pytest.mark.skipif(machine.cores() == 1, reason="on one core an audit starts no workers")
def test_an_audit_is_refused_before_it_plays(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from cagexplain.cli.main import main\n\nprint(main(['audit', 'sleep']))\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.stdout == "2\n"
    assert "script.py: line 3: worker processes import this script" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_worker_that_is_still_importing_the_script_starts_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(UsageError, match="__main__"):
        spawning()
