"""The wheel holds everything that the commands need, and works from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SOURCES: Final = ("cagexplain", "trainers", "reports", "pyproject.toml", "README.md", "LICENSE")
IN_TURN: Final = """
from pathlib import Path
import cagexplain, reports, trainers
from cagexplain.policies.registry import builtin_policies, load_policy
from reports.kit.pages import environment
for package in (cagexplain, reports, trainers):
    print(Path(package.__file__).parent)
print(load_policy("ippo_tuned").describe()["kind"])
print(len(environment().list_templates()) > 20)
print((Path(cagexplain.__file__).parent / "py.typed").is_file())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel was unpacked into."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:  # a copy: what earlier builds have left would get into the wheel
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheels = folder / "wheels"
    _run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(source)], folder
    )
    (wheel,) = wheels.glob("*.whl")
    _run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], folder)
    shutil.rmtree(source)
    return folder / "site"


def _run(command: list[str], folder: Path, path: Path | None = None) -> str:
    """Run in a folder, without this checkout on the path; returns what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_from_elsewhere(installed: Path, tmp_path: Path) -> None:
    from cagexplain import __version__

    told = _run([sys.executable, "-m", "cagexplain", "--version"], tmp_path, installed)
    assert told.strip().endswith(__version__)


def test_data_and_templates_come_along(installed: Path, tmp_path: Path) -> None:
    lines = _run([sys.executable, "-c", IN_TURN], tmp_path, installed).splitlines()
    assert [Path(line).parent for line in lines[:3]] == [installed] * 3
    assert lines[3:] == ["checkpoint", "True", "True"]


def test_a_command_that_needs_the_shipped_tables(installed: Path, tmp_path: Path) -> None:
    assert "DET-01" in _run([sys.executable, "-m", "cagexplain", "checks"], tmp_path, installed)
