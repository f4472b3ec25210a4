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


AUDIT = """
from pathlib import Path
from cagexplain.audit.conduct import conduct
from cagexplain.audit.profiles import load_profile
from cagexplain.audit.references import load_references
from cagexplain.policies.registry import load_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace

policy, folder = load_policy("sleep"), Path("trace")
if not folder.exists():
    Recording(folder, policy, [1_000_000]).run()
conduct(
    open_trace(folder),
    policy,
    load_profile("default"),
    load_references(),
    command="script",
    varied=5,
)
"""


@pytest.mark.skipif(machine.cores() == 1, reason="on one core an audit starts no workers")
def test_an_audit_from_python_is_refused_and_not_half_made(tmp_path: Path) -> None:
    done = _run(AUDIT, tmp_path)
    assert done.returncode == 1
    assert "script.py: line 13: worker processes import this script" in done.stderr


def _run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.skipif(machine.cores() == 1, reason="on one core an audit starts no workers")
def test_an_audit_is_refused_before_it_plays(tmp_path: Path) -> None:
    done = _run(
        "from cagexplain.cli.main import main\n\nprint(main(['audit', 'sleep']))\n", tmp_path
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
