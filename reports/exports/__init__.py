"""An audit in the formats that other programs read.

Every export is a pure function from an audit to the text of a file: the same audit gives the same
text. Names inside an audit may come from anywhere; each format escapes them as it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from cagexplain.audit.results import Audit
from reports.exports.audit_json import audit_json
from reports.exports.cacao import cacao
from reports.exports.findings_csv import findings_csv
from reports.exports.junit import junit
from reports.exports.navigator import navigator
from reports.exports.ocsf import ocsf
from reports.exports.sarif import sarif


class Format(NamedTuple):
    """A format of an audit.

    Attributes:
        file: usual name of the file.
        text: makes its content, to be written in UTF-8 with the line ends that it has.
    """

    file: str
    text: Callable[[Audit], str]


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "json": Format("audit.json", audit_json),
        "csv": Format("findings.csv", findings_csv),
        "sarif": Format("audit.sarif", sarif),
        "junit": Format("audit.junit.xml", junit),
        "ocsf": Format("audit.ocsf.json", ocsf),
        "navigator": Format("audit.navigator.json", navigator),
        "cacao": Format("playbook.cacao.json", cacao),
    }
)
"""By the name that the command line uses."""
