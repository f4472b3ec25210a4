"""Exports against the files that the standards' own projects publish, where a machine has them.

They are not part of this project; `test_exports_schemas` holds the exports against what they
demand, told in our own words. ``CAGEXPLAIN_SCHEMAS`` names a folder with ``schemas/`` of OASIS's
CACAO JSON schemas and with ``junit-10.xsd`` of Jenkins' xUnit plugin; layers are read by MITRE's
own reader, the package mitreattack-python, which the tests are installed with.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from lxml import etree
from mitreattack import navlayers
from referencing import Registry, Resource

from cagexplain.audit.results import Audit
from reports.exports import FORMATS
from tests.support import audits as made
from tests.support.audits import bare, full

FOLDER = Path(os.environ.get("CAGEXPLAIN_SCHEMAS", "."))
PLAYBOOK = FOLDER / "schemas" / "playbook.json"
JUNIT = FOLDER / "junit-10.xsd"

audits = pytest.mark.parametrize(
    "audit", [full, made.audit, bare, made.hostile], ids=lambda f: f.__name__
)


@pytest.mark.skipif(not PLAYBOOK.is_file(), reason="CAGEXPLAIN_SCHEMAS has no CACAO schemas")
@audits
def test_cacao(audit: Callable[[], Audit]) -> None:
    files = [json.loads(file.read_text()) for file in PLAYBOOK.parent.rglob("*.json")]
    known = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in files)
    validator = Draft7Validator(json.loads(PLAYBOOK.read_text()), registry=known)
    playbook = json.loads(FORMATS["cacao"].text(audit()))
    assert [error.message for error in validator.iter_errors(playbook)] == []
    assert not validator.is_valid(playbook | {"spec_version": "cacao-1.0"})
    assert not validator.is_valid({k: v for k, v in playbook.items() if k != "workflow_start"})


@pytest.mark.skipif(not JUNIT.is_file(), reason="CAGEXPLAIN_SCHEMAS has no junit-10.xsd")
@audits
def test_junit(audit: Callable[[], Audit]) -> None:
    schema = etree.XMLSchema(etree.parse(JUNIT))
    told = FORMATS["junit"].text(audit())
    schema.validate(etree.fromstring(told.encode()))
    assert [str(error) for error in schema.error_log] == []
    assert not schema.validate(etree.fromstring(told.replace("testsuites", "suites").encode()))


@audits
def test_navigator(audit: Callable[[], Audit]) -> None:
    layer = json.loads(FORMATS["navigator"].text(audit()))
    assert techniques(read_by_mitre(layer)) == techniques(layer)


def test_navigator_of_a_real_audit(real: Audit) -> None:
    layer = json.loads(FORMATS["navigator"].text(real))
    read = read_by_mitre(layer)
    assert techniques(read) == techniques(layer)
    assert read["layout"]["expandedSubtechniques"] == "annotated"


def test_mitre_would_notice() -> None:
    layer = json.loads(FORMATS["navigator"].text(full()))
    layer["layout"]["expandedSubtechniques"] = "some"
    assert read_by_mitre(layer) == {}


def read_by_mitre(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer as MITRE's reader writes it again; empty if it refuses the layer, which it prints."""
    read = navlayers.Layer(strict=True)
    read.from_dict(layer)
    return read.to_dict() or {}


def techniques(layer: dict[str, Any]) -> set[str]:
    return {technique["techniqueID"] for technique in layer["techniques"]}
