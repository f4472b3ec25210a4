"""Exports against the files that the standards' own projects publish, where a machine has them.

They are not part of this project; `test_exports_schemas` holds the exports against what they
demand, told in our own words. ``CAGEXPLAIN_SCHEMAS`` names a folder with ``schemas/`` of OASIS's
CACAO JSON schemas and with ``junit-10.xsd`` of Jenkins' xUnit plugin; layers take MITRE's package
mitreattack-python.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from lxml import etree
from referencing import Registry, Resource

from cagexplain.analysis.audit.results import Audit
from reports.exports import FORMATS
from tests.audit import made
from tests.audit.test_exports_schemas import bare, full

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
    navlayers = pytest.importorskip("mitreattack.navlayers")
    layer = json.loads(FORMATS["navigator"].text(audit()))
    read = navlayers.Layer(strict=True)
    read.from_dict(layer)  # raises what it does not like
    assert read.layer is not None
    again = read.to_dict()
    assert {t["techniqueID"] for t in again["techniques"]} == {
        t["techniqueID"] for t in layer["techniques"]
    }
