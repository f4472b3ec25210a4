"""Profiles: what they change, what their hash says, and what is wrong with a file."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.audit.check import SEVERITIES, Check, Measure, Reference
from cagexplain.audit.checks import checks
from cagexplain.audit.profiles import RANGES, SHIPPED, Profile, load_profile
from cagexplain.common.errors import UsageError
from cagexplain.stats.estimates import HitShare


def measure(key: str, better: Any = "higher", **changes: Any) -> Measure:
    declared: dict[str, Any] = {
        "key": key,
        "name": f"share of {key}",
        "unit": "share",
        "better": better,
        "good": 0.8 if better == "higher" else 0.1,
        "bad": 0.4 if better == "higher" else 0.5,
        "statistic": HitShare(),
        "sums": lambda view: view,
    }
    return Measure(**declared | changes)


def check(ident: str, *measures: Measure) -> Check:
    text = dict.fromkeys(("title", "problem", "why", "remediation", "formula", "trigger"), "Words")
    return Check(
        id=ident,
        severity="medium",
        axis="practice",
        knowledge="obs",
        n_min=20,
        references=(Reference("CSF", "DE.AE-02"),),
        measures=measures,
        **text,  # type: ignore[arg-type]
    )


MIXED = check("ERA-01", measure("value"), measure("late", "lower", unit="steps", good=5, bad=50))
SHOWN = check("NET-01", measure("value", "lower"), measure("used", good=None, bad=None))
CATALOGUE = (MIXED, SHOWN)


def load(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return load_profile(str(path), CATALOGUE)


def test_what_is_not_said_stays_as_declared(tmp_path: Path) -> None:
    profile = load(tmp_path, "name: own")
    assert (profile.name, profile.description) == ("own", "")
    assert profile.thresholds(MIXED, MIXED.measures[0]) == (0.8, 0.4)
    assert profile.thresholds(SHOWN, SHOWN.measures[1]) == (None, None)
    assert profile.severity(MIXED) == "medium"
    assert profile.n_min(MIXED) == 20
    assert profile.muted(MIXED) == ""


def test_what_a_file_says_holds_and_the_rest_stays(tmp_path: Path) -> None:
    profile = load(
        tmp_path,
        """
        name: plant
        description: Contract of the plant.
        extends: default
        checks:
          ERA-01:
            severity: critical
            n_min: 7
            measures:
              value: {good: 0.95, unit: share}
          NET-01:
            muted: Not ours.
            measures:
              used: {good: 0.9, bad: 0.5}
        """,
    )
    assert profile.describe() == {
        "name": "plant",
        "description": "Contract of the plant.",
        "sha256": profile.sha256,
    }
    assert profile.thresholds(MIXED, MIXED.measures[0]) == (0.95, 0.4)
    assert profile.thresholds(MIXED, MIXED.measures[1]) == (5, 50)
    assert (profile.severity(MIXED), profile.n_min(MIXED)) == ("critical", 7)
    assert profile.muted(SHOWN) == "Not ours."
    assert profile.thresholds(SHOWN, SHOWN.measures[1]) == (0.9, 0.5)


THRESHOLDS = "checks:\n  ERA-01:\n    measures:\n      value:\n        "
WRONG = {
    "nothing": ("", 1, "checks", "thresholds of your own"),
    "a check that does not exist": ("checks:\n  ERA-99: {}", 2, "ERA-99", "ERA-01"),
    "a check in small letters": ("checks:\n  era-01: {}", 2, "era-01", "'ERA-01'"),
    "a field that does not exist": ("checks:\n  ERA-01:\n    colour: red", 3, "colour", "severity"),
    "a field at the top": ("name: a\nborders: {}", 2, "borders", "checks"),
    "a measure that does not exist": (
        "checks:\n  ERA-01:\n    measures:\n      valeu: {good: 1}",
        4,
        "valeu",
        "'value'",
    ),
    "a threshold that does not exist": (THRESHOLDS + "great: 1", 5, "great", "good, bad"),
    "a threshold that is a word": (THRESHOLDS + "good: high", 5, "good", "number"),
    "a threshold that is true": (THRESHOLDS + "good: true", 5, "good", "number"),
    "a threshold that is not a number": (THRESHOLDS + "bad: .nan", 5, "bad", "number"),
    "a threshold without bounds": (THRESHOLDS + "bad: -.inf", 5, "bad", "number"),
    "a threshold beyond all numbers": (THRESHOLDS + f"bad: {10**400}", 5, "", "smaller"),
    "half a character": ('name: "\\ud800"', 1, "", "anew"),
    "a share above one": (THRESHOLDS + "good: 80", 5, "good", "from 0 to 1"),
    "thresholds the wrong way round": (THRESHOLDS + "good: 0.3", 4, "good, bad", "higher"),
    "thresholds that are the same": (THRESHOLDS + "good: 0.4", 4, "good, bad", "higher"),
    "another unit": (THRESHOLDS + "unit: steps", 5, "unit", "'share'"),
    "one threshold of a measure that has none": (
        "checks:\n  NET-01:\n    measures:\n      used: {good: 0.5}",
        4,
        "good, bad",
        "Give good and bad",
    ),
    "a duration that is not followed": (
        "checks:\n  ERA-01:\n    measures:\n      late: {bad: 301}",
        4,
        "bad",
        "from 0 to 300",
    ),
    "an unknown severity": (
        "checks:\n  ERA-01:\n    severity: urgent",
        3,
        "severity",
        "critical, high",
    ),
    "no number of triggers": ("checks:\n  ERA-01:\n    n_min: 0", 3, "n_min", "1 or more"),
    "half a trigger": ("checks:\n  ERA-01:\n    n_min: 2.5", 3, "n_min", "1 or more"),
    "muted without a reason": ("checks:\n  ERA-01:\n    muted:", 3, "muted", "words"),
    "an unknown base": ("extends: lenient", 1, "extends", "default, strict, mission"),
    "a name that is a number": ("name: 7", 1, "name", "words"),
    "a list of checks": ("checks: [ERA-01]", 1, "", "name: value"),
    "a check that is a number": ("checks:\n  ERA-01: 5", 2, "", "name: value"),
}


@pytest.mark.parametrize(("text", "line", "field", "remedy"), list(WRONG.values()), ids=list(WRONG))
def test_what_is_wrong_is_told_with_file_line_field_and_remedy(
    tmp_path: Path, text: str, line: int, field: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as raised:
        load(tmp_path, text)
    error = raised.value
    assert str(error.where) == f"{tmp_path / 'own.yaml'}, line {line}"
    assert (error.field or "") == field
    assert remedy in error.remedy


def test_no_such_profile() -> None:
    with pytest.raises(UsageError, match="there is no profile 'strikt'") as raised:
        load_profile("strikt", CATALOGUE)
    assert "Did you mean 'strict'" in raised.value.remedy


def test_the_hash_tells_judgements_apart_and_nothing_else(tmp_path: Path) -> None:
    plain = load(tmp_path, "name: own").sha256
    assert re.fullmatch("[0-9a-f]{64}", plain)
    same = (
        "name: other\ndescription: Another file.",
        "checks:\n  ERA-01:\n    n_min: 20\n    severity: medium",
        THRESHOLDS + "{good: 0.80, bad: 0.4}",
        "checks:\n  ERA-01:\n    measures:\n      late: {good: 5, bad: 50.0}",
    )
    other = (
        "checks:\n  ERA-01:\n    n_min: 21",
        "checks:\n  ERA-01:\n    severity: low",
        "checks:\n  ERA-01:\n    muted: Not ours.",
        THRESHOLDS + "{good: 0.81}",
    )
    assert {load(tmp_path, text).sha256 for text in same} == {plain}
    assert len({load(tmp_path, text).sha256 for text in other} | {plain}) == len(other) + 1


@given(
    good=st.floats(0, 1),
    bad=st.floats(0, 1),
    severity=st.sampled_from(SEVERITIES),
    n_min=st.integers(1, 10**6),
)
def test_a_written_contract_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, good: float, bad: float, severity: str, n_min: int
) -> None:
    entry = {
        "severity": severity,
        "n_min": n_min,
        "measures": {"value": {"good": good, "bad": bad}},
    }
    text = yaml.safe_dump({"checks": {"ERA-01": entry}})
    folder = tmp_path_factory.mktemp("profile")
    if good > bad:
        profile = load(folder, text)
        assert profile.thresholds(MIXED, MIXED.measures[0]) == (good, bad)
        assert (profile.severity(MIXED), profile.n_min(MIXED)) == (severity, n_min)
    else:
        with pytest.raises(UsageError, match="line 4: good, bad"):
            load(folder, text)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_judge_the_catalogue(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert len(profile.description) > 20
    for each in checks():
        for one in each.measures:
            good, bad = profile.thresholds(each, one)
            assert (good is None) == (bad is None)
            if good is not None and bad is not None:
                low, high = RANGES.get(one.unit, (0, float("inf")))
                assert low <= good <= high
                assert low <= bad <= high


def test_the_default_profile_is_what_the_checks_declare() -> None:
    profile = load_profile("default")
    assert not profile.overrides
    assert len({load_profile(name).sha256 for name in SHIPPED}) == len(SHIPPED)


def test_the_strict_profile_is_nowhere_more_lenient() -> None:
    strict = load_profile("strict")
    changed = 0
    for each in checks():
        assert SEVERITIES.index(strict.severity(each)) <= SEVERITIES.index(each.severity)
        assert not strict.muted(each)
        for one in each.measures:
            sign = 1 if one.better == "higher" else -1
            pairs = zip(strict.thresholds(each, one), (one.good, one.bad), strict=True)
            for own, declared in pairs:
                if own is not None and declared is not None:
                    assert sign * own >= sign * declared, f"{each.id}.{one.key}"
                    changed += own != declared
    assert changed > 10
