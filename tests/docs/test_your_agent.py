"""What docs/your-agent.md says: its programs, its descriptor, its table."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from cagexplain.cli.audit import command as audit
from cagexplain.cli.evaluate import command as evaluate
from cagexplain.cli.policies import command as policies
from cagexplain.policies.formats import descriptor, views
from tests.docs import pages

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

PAGE = pages.ROOT / "docs" / "your-agent.md"
PROGRAMS = {block.heading: block for block in pages.blocks(PAGE) if block.kind == "python"}
EPISODE = 6
SHORT = ["--episodes", "2", "--episode-length", "60"]
QUICK = [*SHORT, "--variations", "0", "--moments", "0", "-o", "audit"]


def _run(command: Any, *words: str) -> str:
    outcome = CliRunner().invoke(command, list(words))
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.output
    assert outcome.exit_code in (0, 3), outcome.output
    return outcome.output


def test_stable_baselines_is_audited_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("supersuit", "stable_baselines3"):
        pytest.importorskip(package, reason=f"{package} (extra 'dev') is not installed")
    trainers = pages.blocks(pages.ROOT / "docs" / "your-own-trainer.md")
    (block,) = [b for b in trainers if b.heading == "Stable-Baselines3"]
    monkeypatch.chdir(tmp_path)
    with pages.program(block, tmp_path) as module:
        module.train(steps=5 * 2 * 128, envs=2, episode=EPISODE).save("team.zip")
    shown = _run(policies, "--inspect", "team.zip")
    assert re.search("blue_agent_4 +team.zip +padded +numbers +supersuit +padded", shown)
    _run(audit, "team.zip", *QUICK)
    assert (tmp_path / "audit" / "trace" / "manifest.json").is_file()


def test_rllib_is_audited_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.rllib", reason="RLlib's dependencies (extra 'dev') are missing")
    import ray

    monkeypatch.setenv("HOME", str(tmp_path))  # where RLlib keeps its logs
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pages.program(PROGRAMS["RLlib"], tmp_path) as module:
        try:
            algorithm = module.train(rounds=1, per_round=60, episode=EPISODE)
            algorithm.save_to_path(Path("team").absolute())
            algorithm.stop()
        finally:
            ray.shutdown()
    _run(audit, "./team", "--trust-code", *QUICK)
    assert (tmp_path / "audit" / "trace" / "manifest.json").is_file()


def test_torchscript_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pages.program(PROGRAMS["TorchScript"], tmp_path) as module:
        module.save(module.Team(), Path("team"))
    outcome = CliRunner().invoke(evaluate, ["team", *SHORT])
    assert "add --trust-code" in str(outcome.exception)
    assert "return" in _run(evaluate, "team", "--trust-code", *SHORT)


@pytest.mark.parametrize(("heading", "name"), [("A function", "choose"), ("A class", "Lazy")])
def test_code_of_the_page_is_played_and_audited(
    heading: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agent.py").write_text(PROGRAMS[heading].text)
    assert "return" in _run(evaluate, f"agent.py:{name}", "--trust-code", *SHORT)
    _run(audit, f"agent.py:{name}", "--trust-code", *QUICK)


def test_the_submission_of_the_page_is_played_and_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ours").mkdir()
    Path("ours/submission.py").write_text(PROGRAMS["An official submission"].text)
    assert "in turn against" in _run(evaluate, "ours", "--trust-code", *SHORT)
    _run(audit, "ours", "--trust-code", *QUICK)


def test_every_program_is_run() -> None:
    assert set(PROGRAMS) == {
        "An official submission",
        "A function",
        "A class",
        "RLlib",
        "TorchScript",
    }


def test_the_descriptor_is_one(tmp_path: Path) -> None:
    (block,) = [b for b in pages.blocks(PAGE) if b.kind == "yaml"]
    (tmp_path / "agents.yaml").write_text(block.text)
    given, serving = descriptor.read(tmp_path / "agents.yaml")
    assert (given.outputs, given.mask) == ("logits", "logits")
    assert {file.name: agents for file, agents in serving.items()} == {
        "edge.onnx": [0, 1, 2, 3],
        "headquarters.onnx": [4],
    }


def test_the_table_has_every_field_and_value() -> None:
    section = PAGE.read_text().partition("### The descriptor")[2].partition("\n###")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    named = {name: row for row in rows for name in re.findall("`([a-z_]+)`", row.split("|")[1])}
    assert set(named) == {entry.name for entry in fields(descriptor.Given)}
    values = {
        "observation": views.Observation,
        "encoding": views.Encoding,
        "identity": views.Identity,
        "actions": views.Actions,
        "mask": descriptor.Mask,
        "outputs": descriptor.Outputs,
        "busy": descriptor.Busy,
        "activation": descriptor.Activation,
    }
    for name, kind in values.items():
        assert set(get_args(kind)) <= set(re.findall("`([a-z_]+)`", named[name])), name
