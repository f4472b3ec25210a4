"""Templates, style sheets and scripts lie beside the code, are all used, and are all installed."""

import re
import tomllib
from pathlib import Path

import pytest

from reports.kit.pages import environment, source
from tests.support.paths import ROOT

REPORTS = ROOT / "reports"
FILES = sorted(
    path.relative_to(REPORTS)
    for path in REPORTS.rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc")
)
TEMPLATES = [str(path) for path in FILES if path.suffix == ".j2"]


def test_a_wheel_has_every_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["reports"]
    packed = {path.relative_to(REPORTS) for pattern in patterns for path in REPORTS.glob(pattern)}
    assert FILES
    assert set(FILES) - packed == set()


@pytest.mark.parametrize("name", [str(path) for path in FILES])
def test_every_file_is_used(name: str) -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in REPORTS.rglob("*")
        if path.suffix in (".py", ".j2") and path.relative_to(REPORTS) != Path(name)
    ]
    assert any(f'"{name}"' in text for text in texts)


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_import_what_there_is(name: str) -> None:
    environment().get_template(name)
    for imported in re.findall(r'{% (?:import|include) "([^"]+)"', source(name)):
        assert imported in TEMPLATES
