"""What becomes of findings: the two axes, chance, p-values, evidence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.audit import axes
from cagexplain.audit.catalogue import det_07, era_05, sur_01
from cagexplain.audit.compose import of_surrogate
from cagexplain.audit.judge import Tallies, corrected, judged
from cagexplain.audit.profiles import Override, Profile
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding, Verdict
from cagexplain.audit.verdicts import p_value
from cagexplain.facts.batch import run
from cagexplain.facts.view import Facts
from cagexplain.stats.estimates import HitShare, PerEpisode, estimate
from tests.support.planted import record
from tests.support.small import DECLARED, number
from tests.support.surrogates import surrogate

NOBODY = References((), {}, {})


def finding(verdict: Verdict, axis: Any = "practice", **more: Any) -> Finding:
    """A finding of high severity."""
    return Finding(
        id="DET-01",
        title="Alerts change what the agent does",
        family="Detection and analysis",
        severity=more.pop("severity", "high"),
        axis=axis,
        knowledge="obs",
        trigger="alerts",
        n_min=20,
        verdict=verdict,
        **more,
    )


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([finding("PASS"), finding("PASS"), finding("FAIL", survives=True)], "unorthodox"),
        ([finding("PASS"), finding("WARN")], "compliant"),
        ([finding("PASS"), finding("FAIL", survives=True, severity="medium")], "compliant"),
        ([finding("PASS"), finding("FAIL", survives=True, axis="outcome")], "compliant"),
        ([finding("FAIL", survives=False)], "undetermined"),
        ([finding("PASS"), finding("PASS"), finding("FAIL", survives=False)], "undetermined"),
        ([finding("PASS"), finding("INCONCLUSIVE"), finding("INCONCLUSIVE")], "undetermined"),
        ([finding("PASS"), finding("NOT_APPLICABLE"), finding("NOT_APPLICABLE")], "compliant"),
        ([finding("PASS"), finding("ERROR"), finding("ERROR")], "undetermined"),
        ([], "undetermined"),
    ],
)
def test_the_axis_of_practice(findings: list[Finding], expected: str) -> None:
    assert axes.practice(findings) == expected


@pytest.mark.parametrize(
    ("episodes", "reason"),
    [
        (1, "Only 1 episode with silent incidents; a verdict needs 10."),
        (9, "Only 9 episodes with silent incidents; a verdict needs 10."),
        (10, "Only 10 silent incidents; a verdict needs 20."),
    ],
)
def test_why_there_is_no_verdict(episodes: int, reason: str) -> None:
    found = estimate(HitShare(), np.tile([1.0, 1.0], (episodes, 1)))
    assert judged(det_07.CHECK, [found], DECLARED, NOBODY, episodes).reason == reason


def test_a_check_of_two_numbers_has_two_chances_to_fail() -> None:
    rng = np.random.default_rng(0)
    bad = estimate(PerEpisode(), 2 * np.column_stack([rng.normal(60, 12, 20), np.ones((20, 2))]))
    good = estimate(PerEpisode(), np.ones((20, 3)) * 100)
    shown = [bad] * 4  # without thresholds
    found = judged(era_05.CHECK, [bad, good, *shown], DECLARED, NOBODY, 20)
    assert found.verdict == "FAIL"
    assert found.p == pytest.approx(2 * p_value(bad, "lower", 50))


@pytest.mark.parametrize("key", ["visible", "silent"])
def test_where_and_when_are_told_of_the_number_that_decides(tmp_path: Path, key: str) -> None:
    """Sleep evicts nobody, so whatever is not let pass fails."""
    lenient = {k: (500.0, 501.0) for k in ("visible", "silent") if k != key}
    profile = Profile("lenient", "", {"ERA-05": Override(thresholds=lenient)}, "")
    tallies = Tallies([era_05.CHECK], Facts(), profile)
    run(record(tmp_path / key, "sleep", 10), [tallies])
    (found,) = tallies.findings(NOBODY)
    assert found.verdict == "FAIL"
    decisive = found.decisive
    assert decisive is not None and decisive.key == key
    for kind in ("zone", "agent", "phase"):
        # Incidents that the end cut off before the threshold tell nothing.
        assert 0.9 * decisive.n < sum(p.n for p in found.parts if p.kind == kind) <= decisive.n
    visible, silent = (number(found, k).n for k in ("visible", "silent"))
    assert visible != silent
    assert found.evidence


@pytest.mark.parametrize(
    ("fidelity", "lost", "verdict"),
    [(0.94, 16.0, "PASS"), (0.5, 16.0, "FAIL"), (0.94, 200.0, "FAIL"), (0.94, -30.0, "PASS")],
)
def test_trees_are_judged_by_their_fidelity_and_by_what_they_lose(
    fidelity: float, lost: float, verdict: str
) -> None:
    """Trees that return -530 where the policy returns -330 keep nearly all of its lead over Sleep,
    and are not its rules."""
    numbers = of_surrogate(surrogate(fidelity, lost))
    (finding,) = corrected([judged(sur_01.CHECK, numbers, DECLARED, NOBODY, 30)])
    assert finding.verdict == verdict
    assert finding.survives is (True if verdict == "FAIL" else None)
