"""Code that fails, hangs or fights: one error that names step and cause; nothing is left behind."""

import os
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.external.forms import Limits, Opening
from cagexplain.policies.external.policy import ExternalFailure
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import play
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace

PARAMS = EnvParams(steps=6)
LIMITS = Limits(start=2.0, step=1.0, memory=2**31)
MARK = "cagexplain-test-of-hostile-code"

# The code of `act` from step 2 on, and what the error says of it.
IN_A_STEP = {
    "loops": ("while True: pass", "did not answer within 1 s"),
    "sleeps": ("time.sleep(100)", "did not answer within 1 s"),
    "raises": ("raise ValueError('no idea')", "ValueError: no idea"),
    "raises what cannot be shown": ("raise Unspeakable", "Unspeakable"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "is interrupted": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "ends its process": ("os._exit(7)", "exited with status 7"),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
    "stops itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "did not answer within 1 s"),
    "kills the zygote": ("os.kill(os.getppid(), signal.SIGKILL); os._exit(0)", "has ended"),
    "kills its group": ("os.killpg(0, signal.SIGKILL)", "has ended"),
    "takes all memory": ("return np.ones(10 * 2**30, np.uint8)[0]", "Memory"),
    "answers NaN": ("return float('nan')", "the answer nan is no number of an action"),
    "answers a fraction": ("return 3.5", "the answer 3.5 is no number of an action"),
    "answers nothing": ("return None", "the answer None is no number of an action"),
    "answers text": ("return '3'", "the answer '3' is no number of an action"),
    "answers an array": ("return np.zeros(3, int)", "is no number of an action"),
    "answers beyond the last": ("return 242", "blue_agent_0 has no action 242"),
    "answers below the first": ("return -1", "there is no action -1"),
    "answers far beyond": ("return 2**80", "there is no action"),
    "closes its descriptors": ("os.closerange(3, 256)", "exited with status 1"),
    "writes to all descriptors": (
        "[os.write(fd, b'\\xff' * 64) for fd in open_descriptors()]",
        "it sent what is no message",
    ),
    "sends half a message": (
        "[os.write(fd, b'\\0\\0\\0\\9a') for fd in open_descriptors()]; time.sleep(100)",
        "did not answer within 1 s",
    ),
    "forks and forks": (
        "[os.fork() for _ in range(5)]; time.sleep(100)",
        "did not answer within 1 s",
    ),
    "leaves its group": (
        "pid = os.fork(); os.setsid() if pid == 0 else None; time.sleep(100)",
        "did not answer within 1 s",
    ),
}
# Harmless for us, whatever it is for.
ENDURED = {
    "writes a lot": "print('x' * 2_000_000); sys.stderr.write('y' * 2_000_000)",
    "deletes its folder": "shutil.rmtree(WORK, ignore_errors=True)",
    "goes elsewhere": "os.chdir('/')",
    "leaves threads behind": "threading.Thread(target=time.sleep, args=(100,)).start()",
    "leaves processes behind": "subprocess.Popen(['sleep', '100'])",
    "closes its standard streams": "os.close(1), os.close(2)",
}

HEAD = """
import os, shutil, signal, subprocess, sys, threading, time
import numpy as np

class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError

def open_descriptors():
    return [int(fd) for fd in os.listdir('/proc/self/fd') if int(fd) > 2 and is_socket(int(fd))]

def is_socket(fd):
    try:
        return os.readlink(f'/proc/self/fd/{fd}').startswith('socket')
    except OSError:
        return False

calls = 0
WORK = os.getcwd()
"""


def written(folder: Path, body: str, head: str = "") -> str:
    """A file whose function plays two steps of Sleep, and then runs `body`."""
    lines = f"""
def act(agent, observation, mask):
    global calls
    calls += 1
    if calls == 11:
        {body}
    return 0
"""
    (folder / "agent.py").write_text(HEAD + textwrap.dedent(head) + lines)
    return f"{folder / 'agent.py'}:act"


def opened(spec: str):
    return load_policy(spec, opening=Opening(trust=True, limits=LIMITS))


def processes_of(folder: Path) -> list[int]:
    """Processes that work in a folder below `folder`, or were started there."""
    left = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(folder).encode() in environment and state != "Z":
            left.append(int(pid))
    return left


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    yield
    deadline = time.monotonic() + 10
    while processes_of(temporary) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not processes_of(temporary)


@pytest.mark.parametrize("body, said", IN_A_STEP.values(), ids=IN_A_STEP)
def test_what_fails_in_a_step_is_an_error_with_step_and_cause(tmp_path, body, said):
    (tmp_path / "code").mkdir()
    policy = opened(written(tmp_path / "code", body))
    with pytest.raises(ExternalFailure, match="failed in step 2 of the episode of seed 4") as told:
        evaluate(policy, np.array([4]), PARAMS)
    assert said in str(told.value)
    log = Path(str(told.value).rpartition("its output is in ")[2].rstrip("."))
    assert log.is_file()
    assert sorted(path.name for path in log.parent.iterdir()) == ["log.txt"]


@pytest.mark.parametrize("body", ENDURED.values(), ids=ENDURED)
def test_what_does_no_harm_is_endured(tmp_path, body):
    (tmp_path / "code").mkdir()
    policy = opened(written(tmp_path / "code", body))
    played = evaluate(policy, np.array([4, 5]), PARAMS)
    np.testing.assert_array_equal(
        played.returns, evaluate(load_policy("sleep"), np.array([4, 5]), PARAMS).returns
    )
    assert list((tmp_path / "code").iterdir())  # it had a copy


@pytest.mark.parametrize(
    "head, said",
    [
        ("while True: pass", "did not answer within 2 s"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("sys.exit(0)", "SystemExit: 0"),
        ("os._exit(0)", "has ended"),
        ("def (", "SyntaxError"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("os.kill(os.getppid(), signal.SIGKILL); time.sleep(100)", ""),
        ("x = np.ones(10 * 2**30, np.uint8)", "Memory"),
    ],
)
def test_what_fails_as_it_is_imported_is_an_error(tmp_path, head, said):
    (tmp_path / "code").mkdir()
    with pytest.raises(ExternalFailure, match="cannot be loaded") as told:
        opened(written(tmp_path / "code", "pass", head))
    assert said in str(told.value)


def test_finished_batches_are_kept_and_recording_goes_on_where_it_failed(tmp_path):
    code, trace = tmp_path / "code", tmp_path / "trace"
    code.mkdir()
    bad = "open(MARK) if os.path.exists(MARK) and np.random.get_state()[1][0] == 6 else None"
    spec = written(code, bad, f"MARK = {str(tmp_path / 'bad')!r}")
    (tmp_path / "bad").mkdir()  # opening a folder fails
    seeds = np.arange(4, 8)
    with pytest.raises(ExternalFailure, match=r"step 2 .* seed 6, .*IsADirectoryError"):
        Recording(trace, opened(spec), seeds, PARAMS, batch=2).run()
    assert open_trace(trace).n_episodes == 2
    (tmp_path / "bad").rmdir()
    Recording(trace, opened(spec), seeds, PARAMS, batch=2, resume=True).run()
    assert open_trace(trace).n_episodes == 4


def test_our_environment_stays_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", MARK)
    (tmp_path / "code").mkdir()
    body = "raise ValueError(f'{sorted(os.environ)} {os.getcwd()} {os.environ}')"
    policy = opened(written(tmp_path / "code", body))
    with pytest.raises(ExternalFailure) as told:
        evaluate(policy, np.array([4]), PARAMS)
    assert MARK not in str(told.value)
    assert "'OMP_NUM_THREADS'" in str(told.value)


def test_no_process_outlives_ours(tmp_path):
    """Killed without warning, in the midst of an episode."""
    import subprocess
    import sys

    (tmp_path / "code").mkdir()
    spec = written(tmp_path / "code", f"open({str(tmp_path / 'there')!r}, 'w'); time.sleep(100)")
    script = (
        "import tempfile, numpy as np\n"
        f"tempfile.tempdir = {str(tmp_path / 'temporary')!r}\n"
        "from cagexplain.policies.evaluation import evaluate\n"
        "from cagexplain.policies.external.forms import Opening\n"
        "from cagexplain.policies.registry import load_policy\n"
        f"evaluate(load_policy({spec!r}, opening=Opening(trust=True)), np.array([1, 2]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        while not (tmp_path / "there").exists():
            assert process.poll() is None
            time.sleep(0.02)
        assert processes_of(tmp_path / "temporary")
        process.kill()
    # `nothing_is_left` looks for the rest.


def test_a_policy_can_be_played_again_after_a_failure(tmp_path):
    (tmp_path / "code").mkdir()
    policy = opened(written(tmp_path / "code", "raise ValueError"))
    env = BatchedEnv(1, params=PARAMS)
    for _ in range(2):
        with pytest.raises(ExternalFailure, match="step 2"):
            play(policy, env, np.array([4]))
