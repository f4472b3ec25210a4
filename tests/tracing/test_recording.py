import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import sha256_file
from cagexplain.envs import EnvParams
from cagexplain.policies.rollout import Observer
from cagexplain.tracing import manifest, schema
from cagexplain.tracing.trace import open_trace
from tests.support.fixtures_recordings import STEPS, Record

pytestmark = pytest.mark.slow


class Stop(Observer):
    """Interrupts the play like Ctrl-C, after some steps."""

    def __init__(self, after: int) -> None:
        self.left = after

    def after_step(self, *_: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the manifest, which tells when it was created."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): sha256_file(path)
        for path in files
        if path.name != manifest.FILE_NAME
    }


def test_a_large_manifest_is_seldom_written(begin: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the beginning, after the first of three parts, and at the end, whatever that is."""
    from cagexplain.tracing import recording

    write, parts = manifest.Manifest.write, []

    def counted(self: manifest.Manifest, folder: Path) -> None:
        parts.append(len(self.parts))
        write(self, folder)

    monkeypatch.setattr(manifest.Manifest, "write", counted)
    monkeypatch.setattr(recording, "_SELDOM", 10**9)
    begin("whole").run()
    assert parts == [0, 1, 3]
    stopped = begin("stopped")
    with pytest.raises(KeyboardInterrupt):
        stopped.run([Stop(2 * (STEPS - 1))])
    assert manifest.read(stopped.folder).finished_episodes == 4


def test_gaps_are_those_before_the_last_part(begin: Record) -> None:
    whole = begin()
    assert whole.manifest.gapless
    whole.run()
    assert whole.manifest.gapless
    for path in whole.folder.glob("*/part-000001.parquet"):
        path.unlink()
    assert not begin(resume=True).manifest.gapless


def test_manifest_tells_what_was_played(recorded: Path) -> None:
    found = manifest.read(recorded)
    assert found.seeds == [100, 101, 102, 103, 104]
    assert found.policy["name"] == "random"
    assert found.options["red"] == "finite_state"
    assert found.options["steps"] == STEPS
    assert found.finished and found.finished_episodes == 5
    assert [(p.number, p.first_episode, p.episodes) for p in found.parts] == [
        (0, 0, 2),
        (1, 2, 2),
        (2, 4, 1),
    ]
    for part in found.parts:
        assert set(part.files) == set(schema.TABLES)
        for table, file in part.files.items():
            path = part.path(recorded, table)
            assert (path.stat().st_size, sha256_file(path)) == (file.bytes, file.sha256)


def test_a_trace_explains_its_columns(recorded: Path) -> None:
    assert schema.markdown() in (recorded / "README.md").read_text()


def test_the_batch_does_not_matter(begin: Record) -> None:
    recordings = [begin(str(batch), batch=batch) for batch in (2, 5)]
    for recording in recordings:
        recording.run()
    two, five = (open_trace(recording.folder) for recording in recordings)
    for name in schema.TABLES:
        assert two.table(name).equals(five.table(name)), name


@pytest.mark.parametrize("steps", [0, STEPS - 2, STEPS - 1, 2 * STEPS])
def test_an_interrupted_recording_resumes_to_the_same_result(
    begin: Record, recorded: Path, steps: int
) -> None:
    interrupted = begin("interrupted")
    with pytest.raises(KeyboardInterrupt):
        interrupted.run([Stop(after=steps)])
    kept = manifest.read(interrupted.folder)
    assert kept.finished_episodes == 2 * (steps // (STEPS - 1))
    assert not kept.finished
    resumed = begin("interrupted", resume=True)
    assert resumed.steps_finished == kept.finished_episodes * (STEPS - 1)
    assert resumed.steps_planned == 5 * (STEPS - 1)
    resumed.run()
    assert contents(resumed.folder) == contents(recorded)
    assert manifest.read(resumed.folder).parts == manifest.read(recorded).parts


def test_resuming_replaces_lost_and_damaged_parts_only(begin: Record, recorded: Path) -> None:
    before = contents(recorded)
    (recorded / "blue" / "part-000000.parquet").unlink()
    damaged = recorded / "red" / "part-000002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    untouched = recorded / "blue" / "part-000001.parquet"
    when = untouched.stat().st_mtime_ns
    begin(resume=True).run()
    assert contents(recorded) == before
    assert untouched.stat().st_mtime_ns == when


def test_resuming_a_finished_recording_changes_nothing(begin: Record, recorded: Path) -> None:
    before = contents(recorded)
    begin(resume=True).run([Stop(after=0)])
    assert contents(recorded) == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"policy": "restore_cycle"}, "policy: was begun with name 'random', not 'restore_cycle'"),
        ({"params": EnvParams(steps=STEPS, red="stealthy")}, "options: .*red 'finite_state'"),
        ({"with_observations": False}, "options: was begun with observations True, not False"),
        ({"batch": 3}, "options: was begun with batch 2, not 3"),
        ({"episodes": 6}, "seeds: was begun with 5 episodes from seed 100, not 6 from 100"),
    ],
)
def test_resuming_something_else_is_refused(
    begin: Record, recorded: Path, changed: dict[str, object], message: str
) -> None:
    before = contents(recorded)
    with pytest.raises(CagexplainError, match=message):
        begin(resume=True, **changed)
    assert contents(recorded) == before


def test_an_occupied_folder_is_refused(begin: Record, recorded: Path) -> None:
    with pytest.raises(CagexplainError, match="not empty"):
        begin()


def test_resuming_needs_a_recording(begin: Record, tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="no such folder"):
        begin("nowhere", resume=True)


def test_a_full_disk_loses_nothing_finished(
    begin: Record, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cagexplain.tracing import recording

    written = []

    def write(path: Path, content: bytes) -> None:
        if len(written) == len(schema.TABLES) + 3:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        path.write_bytes(content)

    interrupted = begin("full")
    with monkeypatch.context() as patch:
        patch.setattr(recording, "write_bytes", write)
        with pytest.raises(OSError, match="No space left"):
            interrupted.run()
    assert manifest.read(interrupted.folder).finished_episodes == 2
    assert open_trace(interrupted.folder).n_episodes == 2
    begin("full", resume=True).run()
    assert contents(interrupted.folder) == contents(recorded)


KILLS_ITSELF = """
import os, signal, sys
from cagexplain.cli.main import main
from cagexplain.tracing import recording
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
written = 0
def write(path, content):
    global written
    if written == 11:  # in the middle of the second batch, with a file half written
        path.with_name(f".{path.name}.0000.tmp").write_bytes(content[:100])
        os.kill(os.getpid(), SIGNAL)
    written += 1
    path.write_bytes(content)
recording.write_bytes = write
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_process_resumes_to_the_same_result(tmp_path: Path, how: signal.Signals) -> None:
    """The whole command with the real engine."""

    def run(folder: str, code: str, *more: str) -> subprocess.CompletedProcess[str]:
        options = ["--episodes", "3", "--batch", "1", "--episode-length", "60"]
        return subprocess.run(
            [sys.executable, "-c", code, "trace", "random", "-o", folder, *options, *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )

    unhurt = "import sys; from cagexplain.cli.main import main; sys.exit(main(sys.argv[1:]))"
    killed = run("stopped", KILLS_ITSELF.replace("SIGNAL", str(int(how))))
    if how == signal.SIGINT:
        assert killed.returncode == 130, killed.stderr
        assert "1 of 3 episodes" in killed.stderr and "--resume" in killed.stderr
        assert "Traceback" not in killed.stderr
    else:
        assert killed.returncode == -how, killed.stderr
    assert manifest.read(tmp_path / "stopped").finished_episodes == 1
    for folder, more in (("stopped", ["--resume"]), ("straight", [])):
        done = run(folder, unhurt, *more)
        assert done.returncode == 0, done.stderr
        assert f"3 episodes in {folder}" in done.stdout
    assert contents(tmp_path / "stopped") == contents(tmp_path / "straight")
    trace = open_trace(tmp_path / "stopped")
    assert trace.finished
    steps = trace.table("steps")
    assert len(steps) == 3 * 59
    parts = steps[["reward_lwf", "reward_asf", "reward_ria", "reward_cost"]]
    np.testing.assert_array_equal(parts.sum(axis=1), steps["reward"])


def test_policies_that_differ_only_in_their_path_are_the_same(begin: Record) -> None:
    from cagexplain.tracing.recording import _comparable

    here = {"name": "ippo", "sha256": "ab", "path": "runs/a/ckpt.pt", "hidden": (256, 256)}
    there = {"name": "ippo", "sha256": "ab", "path": "/elsewhere/ckpt.pt", "hidden": [256, 256]}
    assert _comparable(here) == _comparable(there)
    assert _comparable(here) != _comparable({**there, "sha256": "cd"})


def test_bad_parameters_are_refused(begin: Record) -> None:
    with pytest.raises(UsageError, match="steps"):
        begin("bad", params=EnvParams(steps=1))
