"""What is new, fixed and unchanged since an earlier audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from cagexplain.audit.results import Audit, Compared, Verdict
from cagexplain.cc4 import conditions

_GRAVITY: Final[Mapping[str, int]] = {"FAIL": 2, "WARN": 1}
"""How bad a verdict is; all others count as 0."""


def compare(audit: Audit, old: Audit) -> Compared:
    """Hold an audit against an earlier one, of the same policy or of another.

    A check is new if its verdict got worse to WARN or FAIL, and fixed only if it PASSes now: one
    that cannot be judged any more is told in the notes, as it may be as bad as it was. A check that
    was not part of the earlier audit counts as one that had no finding then.
    """
    now = {finding.id: finding.verdict for finding in audit.findings}
    then = {finding.id: finding.verdict for finding in old.findings}
    worse = [c for c in now if _gravity(now, c) > _gravity(then, c)]
    return Compared(
        baseline=f"{old.policy.get('name', 'a policy')} of {old.created}",
        new=tuple(worse),
        fixed=tuple(c for c in now if _gravity(then, c) and now[c] == "PASS"),
        unchanged=tuple(c for c in now if _gravity(now, c) and c not in worse),
        verdicts={
            c: (then.get(c, ""), now.get(c, "")) for c in [*now, *then] if now.get(c) != then.get(c)
        },
        notes=tuple(_notes(audit, old, now, then)),
    )


def _gravity(verdicts: Mapping[str, Verdict], check: str) -> int:
    return _GRAVITY.get(verdicts.get(check, ""), 0)


def _notes(
    audit: Audit, old: Audit, now: Mapping[str, Verdict], then: Mapping[str, Verdict]
) -> Iterator[str]:
    if audit.profile.get("sha256") != old.profile.get("sha256"):
        yield (
            "The two audits were judged by different profiles, so a verdict may differ because its "
            "thresholds do."
        )
    if audit.versions.get("catalogue") != old.versions.get("catalogue"):
        yield "The two audits are of different versions of the catalogue of checks."
    standard = {"condition": conditions.STANDARD}  # audits of before do not tell
    then_played, now_played = standard | old.play, standard | audit.play
    for key, subject in (
        ("red", "attackers"),
        ("steps", "lengths of the episodes"),
        ("condition", "parameters of the simulator"),
    ):
        if now_played.get(key) != then_played.get(key):
            yield f"The two audits were played with different {subject}."
    if added := [c for c in now if c not in then]:
        yield f"Not part of the earlier audit: {', '.join(added)}."
    if gone := [c for c in then if c not in now]:
        yield f"Part of the earlier audit only: {', '.join(gone)}."
    if lost := [c for c in now if _gravity(then, c) and not _gravity(now, c) and now[c] != "PASS"]:
        yield f"Found wanting then, and not judged now: {', '.join(lost)}."
