"""What is said when CybORG is missing, foreign, or dies; with packages made up for the purpose."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_RUN = "import sys; from cagexplain.cli.main import main; sys.exit(main(sys.argv[1:]))"
_WHOLE = {
    "__init__.py": "from CybORG.env import CybORG\nCYBORG_VERSION = '4.0'\n",
    "env.py": "import os, pygame, prettytable\nfrom ray.rllib.env import multi_agent_env\n"
    "class CybORG:\n    def __init__(self, scenario, seed): os._exit(9)\n",
    "Simulator/__init__.py": "",
    "Simulator/Actions.py": "class InvalidAction: pass\n",
    "Simulator/Scenarios.py": "class EnterpriseScenarioGenerator:\n"
    "    def __init__(self, **_): pass\n",
    "Agents/__init__.py": "\n".join(
        f"class {name}: pass"
        for name in (
            "SleepAgent",
            "EnterpriseGreenAgent",
            "FiniteStateRedAgent",
            "VerboseFSRed",
            "DiscoveryFSRed",
        )
    ),
    "Agents/Wrappers.py": "class BlueFlatWrapper: pass\n",
}
"""Enough of CybORG to be imported; it dies as soon as an environment is made."""


def _package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "CybORG" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _evaluate(path: Path | None, *more: str) -> subprocess.CompletedProcess[str]:
    return _call(path, "evaluate", "sleep", "--engine", "cyborg", "--episodes", "2", *more)


def _call(path: Path | None, *command: str) -> subprocess.CompletedProcess[str]:
    chosen = [] if path is None else ["--cyborg-path", str(path)]
    environment = {k: v for k, v in os.environ.items() if k != "CAGEXPLAIN_CYBORG_PATH"}
    arguments = [*command, *chosen]
    return subprocess.run(
        [sys.executable, "-c", _RUN, *arguments], capture_output=True, text=True, env=environment
    )


def _complains(found: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert found.returncode == 1
    assert found.stderr.startswith("Error: ")
    assert "Traceback" not in found.stderr
    for part in parts:
        assert part in found.stderr


def test_missing() -> None:
    if subprocess.run([sys.executable, "-c", "import CybORG"], capture_output=True).returncode == 0:
        pytest.skip("CybORG is installed")
    _complains(
        _evaluate(None),
        "not installed",
        "--cyborg-path",
        "https://github.com/cage-challenge/cage-challenge-4",
    )


def test_folder_without_it(tmp_path: Path) -> None:
    _complains(_evaluate(tmp_path), str(tmp_path), "no package CybORG")


@pytest.mark.parametrize("gone", ["Agents/Wrappers.py", "Simulator/Scenarios.py"])
def test_another_challenge(tmp_path: Path, gone: str) -> None:
    files = {name: text for name, text in _WHOLE.items() if name != gone}
    _complains(_evaluate(_package(tmp_path, files)), "not CAGE Challenge 4's")


def test_another_challenge_without_a_class(tmp_path: Path) -> None:
    files = {**_WHOLE, "Simulator/Scenarios.py": "class FileReaderScenarioGenerator: pass\n"}
    _complains(_evaluate(_package(tmp_path, files)), "not CAGE Challenge 4's", "Enterprise")


def test_a_package_that_it_needs_is_missing(tmp_path: Path) -> None:
    files = {**_WHOLE, "env.py": "import surely_not_installed\n"}
    _complains(
        _evaluate(_package(tmp_path, files)), "'surely_not_installed'", "pip install -e '.[cyborg]'"
    )


def test_a_process_that_dies(tmp_path: Path) -> None:
    """The placeholders let the import pass; then each worker ends with code 9."""
    found = _evaluate(_package(tmp_path, _WHOLE), "--workers", "2", "--seed", "41")
    _complains(found, "41", "ended with code 9")


def test_a_process_that_dies_in_lockstep(tmp_path: Path) -> None:
    package = _package(tmp_path, _WHOLE)
    found = _call(package, "lockstep", "sleep", "--seeds", "41-43", "--workers", "2")
    _complains(found, "sleep, finite_state, seed 41 or sleep, finite_state, seed 42")
    assert "3 of 3 episodes were not finished" in found.stdout
