"""The commands that play a policy, on a function of others: one command each."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cagexplain.cli.main import main
from cagexplain.envs import EnvParams
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED, Observer
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace

TRUST = ["--trust-code"]
STEPS = 30
PLAYED = ["--episodes", "3", "--episode-length", str(STEPS)]
CODE = """
import random
import numpy as np

turn = 0


def choose(agent, observation, mask):
    global turn
    turn += 1
    valid = np.flatnonzero(mask)
    return int(valid[(turn + random.randrange(20)) % len(valid)])
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with the function and nothing else."""
    (tmp_path / "agent.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trace(here: Path) -> Path:
    """A trace of the function."""
    assert main(["trace", "agent.py:choose", *TRUST, *PLAYED, "-o", "trace"]) == 0
    return here / "trace"


class Interrupt(Observer):
    """Ctrl-C in the second batch."""

    steps = 0

    def after_step(self, *_: object) -> None:
        self.steps += 1
        if self.steps > STEPS:
            raise KeyboardInterrupt


def test_an_interrupted_recording_goes_on_to_the_same_result(trace: Path) -> None:
    policy = load_policy("agent.py:choose", opening=Opening(trust=True))
    seeds = np.arange(EVALUATION_SEED, EVALUATION_SEED + 3)
    half = Recording(
        trace.with_name("half"),
        policy,
        seeds,
        EnvParams(steps=STEPS),
        batch=1,
        options={"mask_sleep": False},
    )
    with pytest.raises(KeyboardInterrupt):
        half.run([Interrupt()])
    assert 0 < open_trace(half.folder).n_episodes < 3
    again = ["trace", "agent.py:choose", *PLAYED, "-o", "half", "--resume", "--batch", "1"]
    assert main(again) == 2  # it asks for trust again
    assert main([*again, *TRUST]) == 0
    whole, resumed = (open_trace(folder).table("blue") for folder in (trace, half.folder))
    pd.testing.assert_frame_equal(resumed, whole)


def test_explain_asks_for_trust_and_knows_the_code_by_its_digest(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--episode", "1", "--step", "3", "--agent", "2"]
    explain = ["explain", "trace", *place, "--rollouts", "2", "--horizon", "3", "--workers", "1"]
    assert main(explain) == 2
    assert "--trust-code" in capsys.readouterr().err
    assert main([*explain, *TRUST, "--json", "decisions.json"]) == 0
    (decision,) = json.loads(Path("decisions.json").read_text())["decisions"]
    assert len(decision["options"]) > 2  # alternatives were played on

    moved = shutil.move("agent.py", trace.parent.parent)
    assert main([*explain, *TRUST]) == 1
    assert "no such file" in capsys.readouterr().err
    Path("agent.py").write_text(CODE.replace("turn += 1", "turn += 2"))
    assert main([*explain, *TRUST]) == 1
    assert "SHA-256 differ" in capsys.readouterr().err
    Path("agent.py").unlink()
    code = Path("code")
    code.mkdir()
    shutil.move(moved, code / "agent.py")
    assert main([*explain, *TRUST, "--policy", "code/agent.py"]) == 0


@pytest.mark.slow
def test_an_audit_plays_it_on(here: Path) -> None:
    few = ["--prices", "1", "--variations", "1", "--moments", "0"]  # moments are `explain`'s
    assert main(["audit", "agent.py:choose", *TRUST, *PLAYED, *few, "-o", "audit"]) == 0
    audit = json.loads(Path("audit/audit.json").read_text())
    assert audit["policy"]["kind"] == "external"
    assert "ERROR" not in {finding["verdict"] for finding in audit["findings"]}
    assert not [note for note in audit["notes"] if "not played" in note or "not priced" in note]
    assert audit["variations"]


@pytest.mark.slow
def test_trees_imitate_it(here: Path) -> None:
    small = ["--fit-episodes", "2", "--rounds", "1", "--leaves", "4"]
    assert main(["surrogate", "agent.py:choose", *TRUST, *PLAYED, *small, "-o", "trees"]) == 0
    assert main(["evaluate", "trees/tree.json", *PLAYED]) == 0
