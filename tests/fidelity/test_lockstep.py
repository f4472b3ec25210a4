"""The engine against recorded episodes of CybORG, and against CybORG itself where there is one.

The recordings were written by ``cagexplain lockstep --record``: probes and policies that reach
every rule of the engine (``python -m benchmarks.coverage tests/data/lockstep`` tells which).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.fidelity.lockstep import Job, compare, replay
from cagexplain.fidelity.probes import PROBES
from cagexplain.fidelity.recording import SUFFIX, read_recording
from tests.support.cyborg import require_cyborg
from tests.support.paths import DATA

pytestmark = pytest.mark.slow

FOLDER = DATA / "lockstep"
RECORDINGS = sorted(FOLDER.glob(f"*{SUFFIX}"))


def test_the_recordings_are_there() -> None:
    recorded = [read_recording(path) for path in RECORDINGS]
    assert {r.params.red for r in recorded} >= {"finite_state", "discovery", "verbose"}
    assert {r.policy for r in recorded} >= set(PROBES)
    assert len({r.params.steps for r in recorded}) > 1
    assert all(r.engine["name"] == "CybORG" for r in recorded)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name.removesuffix(SUFFIX))
def test_replay(path: Path) -> None:
    assert replay(read_recording(path)) is None


def _altered(path: Path) -> CagexplainError:
    with pytest.raises(CagexplainError) as caught:
        read_recording(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_a_damaged_recording_is_said(tmp_path: Path) -> None:
    content = RECORDINGS[0].read_bytes()
    path = tmp_path / f"a{SUFFIX}"
    for damaged in (b"", b"not an archive", content[: len(content) // 2], content[:-100]):
        path.write_bytes(damaged)
        assert "damaged" in str(_altered(path))
    middle = bytearray(content)
    middle[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(middle))
    assert "damaged" in str(_altered(path))


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("facts", np.frombuffer(b'{"format": 99}', dtype=np.uint8), "format 99"),
        ("facts", np.frombuffer(b"{}", dtype=np.uint8), "damaged"),
        ("facts", np.frombuffer(b"[1", dtype=np.uint8), "damaged"),
        ("actions", np.zeros((3, 5), dtype=np.int16), "actions"),
        ("rewards", np.zeros(2, dtype=np.int32), "rewards"),
        ("digests", np.zeros(17, dtype=np.uint8), "digests"),
        ("obs", None, "damaged"),
    ],
)
def test_a_wrong_recording_is_said(
    tmp_path: Path, name: str, value: np.ndarray | None, word: str
) -> None:
    with np.load(RECORDINGS[0]) as archive:
        arrays = {key: archive[key] for key in archive.files}
    del arrays[name]
    if value is not None:
        arrays[name] = value
    path = tmp_path / f"a{SUFFIX}"
    np.savez(path, **arrays)
    assert word in str(_altered(path))


def test_an_altered_recording_is_found_out() -> None:
    recording = read_recording(min(RECORDINGS, key=lambda path: path.stat().st_size))
    recording.obs[7, 30] ^= 1
    difference = replay(recording)
    assert difference is not None
    assert (difference.step, difference.fields) == (7, ("obs",))
    recording.obs[7, 30] ^= 1
    recording.digests[5] = bytes(8)
    difference = replay(recording)
    assert difference is not None
    assert (difference.step, difference.fields) == (5, ("digest of everything",))


def test_replay_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smallest = min(RECORDINGS, key=lambda path: path.stat().st_size)
    assert main(["lockstep", "--replay", str(smallest)]) == 0
    assert "1 of 1 recorded episodes equal" in capsys.readouterr().out
    assert main(["lockstep", "--replay", str(tmp_path)]) == 2
    assert "holds no recordings" in capsys.readouterr().err


def test_a_difference_names_the_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smallest = min(RECORDINGS, key=lambda path: path.stat().st_size)
    with np.load(smallest) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["obs"][3, 92 + 30] ^= 1
    path = tmp_path / f"a{SUFFIX}"
    np.savez(path, **arrays)
    assert main(["lockstep", "--replay", str(path)]) == 3
    told = capsys.readouterr().out
    assert "first difference after 3 steps, in obs" in told
    assert "ours:   {'blue_agent_1[30]': " in told


@pytest.mark.parametrize("seeds", ["", "x", "5-3", "1,,2", "-4", "0-99999999"])
def test_bad_seeds(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lockstep", f"--seeds={seeds}"]) == 2
    assert "--seeds" in capsys.readouterr().err


def test_probes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lockstep", "--list-probes"]) == 0
    assert capsys.readouterr().out.count("probe_") == len(PROBES)


@pytest.mark.parametrize("policy", [*PROBES, "random", "reactive", "ippo_tuned"])
def test_lockstep_with_cyborg(policy: str, tmp_path: Path) -> None:
    job = Job(policy, 5, EnvParams(steps=30, red="discovery"), None, require_cyborg(), tmp_path)
    outcome = compare(job)
    assert outcome.difference is None
    assert outcome.steps == 29
    (path,) = tmp_path.iterdir()
    assert replay(read_recording(path)) is None


def test_a_difference_is_shown_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine with another phishing rate differs; the report says where, and by which draws."""
    path = require_cyborg()
    from cagexplain.fidelity import lockstep

    other = replace(EnvParams(steps=30), phishing=1.0)
    engine = lockstep.BatchedEnv
    monkeypatch.setattr(lockstep, "BatchedEnv", lambda n, **_: engine(n, params=other))
    outcome = compare(Job("sleep", 3, EnvParams(steps=30), None, path))
    found = outcome.difference
    assert found is not None
    assert found.step == 1
    assert any(name.startswith("sess|red_agent") for name in found.fields)
    assert found.fields[-1] == "generator"  # the state that it went wrong in comes first
    assert found.draws[0].startswith("words drawn in this step")
    assert len(found.draws) == 1 + lockstep.LAST_DRAWS
    assert all("CybORG's draw" in line and " -> " in line for line in found.draws[1:])
