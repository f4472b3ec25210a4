"""The whole audit as JSON; `cagexplain.audit.document` has its schema and reads it."""

from cagexplain.audit.results import Audit
from reports.exports.common import dumps


def audit_json(audit: Audit) -> str:
    """The audit, as `cagexplain.audit.document.schema` describes it."""
    return dumps(audit.to_json())
