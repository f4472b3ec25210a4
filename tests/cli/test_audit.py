"""`cagexplain audit` and `cagexplain checks` from end to end."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cagexplain.audit import checks, document
from cagexplain.audit import judge as tallies
from cagexplain.cli.main import main
from cagexplain.tracing import recording

pytestmark = pytest.mark.slow

SHORT = ["--episodes", "10", "--episode-length", "60"]
FEW = "Only {} episodes were audited: most verdicts cannot be more than inconclusive."
ALONE = ["--prices", "0", "--variations", "0", "--moments", "0"]
FILES = {
    "audit.html",
    "audit.json",
    "audit.sarif",
    "audit.junit.xml",
    "audit.ocsf.json",
    "audit.navigator.json",
    "playbook.cacao.json",
    "findings.csv",
    "trace",
}


@pytest.fixture(scope="module")
def sleeping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit of Sleep, which is not played on."""
    folder = tmp_path_factory.mktemp("audit") / "sleep"
    assert main(["audit", "sleep", "-o", str(folder), *SHORT, *ALONE]) == 0
    return folder


def test_a_policy(sleeping: Path) -> None:
    assert {path.name for path in sleeping.iterdir()} == FILES
    audit = document.read(sleeping / "audit.json")
    assert [finding.id for finding in audit.findings] == [c.id for c in checks.checks()]
    assert "ERROR" not in {finding.verdict for finding in audit.findings}
    assert audit.policy["name"] == "sleep"
    assert audit.play["seeds"] == [1_000_000, 1_000_009]
    page = (sleeping / "audit.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert audit.profile["sha256"] in page
    few, short = audit.notes  # episodes of 60 steps are not those of the reference policies
    assert few == FEW.format(10)
    assert "episodes of 500 steps" in short
    header = page.split('class="says"')[0]
    assert few in header and short in header


def test_a_trace_gets_the_same_findings_as_its_policy(sleeping: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert main(["audit", str(sleeping / "trace"), "-o", str(again), *ALONE]) == 0
    first, second = (document.read(folder / "audit.json") for folder in (sleeping, again))
    assert first.findings == second.findings
    assert first.mean_return == second.mean_return
    assert not (again / "trace").exists()
    third = tmp_path / "third"
    assert main(["audit", str(sleeping), "-o", str(third), *ALONE]) == 0  # its folder will do
    assert document.read(third / "audit.json").findings == first.findings


def test_episodes_of_another_kind_are_not_held_against_the_reference_policies(
    sleeping: Path,
) -> None:
    audit = document.read(sleeping / "audit.json")
    assert audit.references == ()
    assert not any(measured.standing for f in audit.findings for measured in f.measures)
    assert "reference policies do better" not in (sleeping / "audit.html").read_text()


def test_an_interrupted_recording_can_be_gone_on_with_or_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played = ["--episodes", "3", "--episode-length", "60", "--batch", "1"]
    write = recording.Recording._write

    def stop(self: Any, part: Any, tables: Any) -> None:
        if part.number == 2:
            raise KeyboardInterrupt
        write(self, part, tables)

    monkeypatch.setattr(recording.Recording, "_write", stop)
    folder = tmp_path / "audit"
    assert main(["audit", "sleep", "-o", str(folder), *played, *ALONE]) == 130
    message = capsys.readouterr().err
    trace = str(folder / "trace")
    assert "2 of 3 episodes" in message and "--resume" in message
    assert f"'cagexplain audit {trace}'" in message
    monkeypatch.setattr(recording.Recording, "_write", write)
    assert main(["audit", trace, "-o", str(tmp_path / "part"), *ALONE]) == 0
    assert "2 of 3 episodes" in document.read(tmp_path / "part" / "audit.json").notes[0]
    assert main(["trace", "sleep", "--output", trace, "--resume", *played]) == 0
    assert main(["audit", trace, "-o", str(tmp_path / "all"), *ALONE]) == 0
    assert document.read(tmp_path / "all" / "audit.json").play["episodes"] == 3


def test_gates(sleeping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sleep answers no alert, which is grave; that red stays long, 60 steps cannot show."""
    trace = [str(sleeping / "trace"), *ALONE]
    strict = ["--strict"]
    for number, (options, status) in enumerate(
        (([], 0), (["--fail-on", "critical"], 0), (strict, 4), ([*strict, "--fail-on", "high"], 3))
    ):
        folder = tmp_path / str(number)
        assert main(["audit", *trace, "-o", str(folder), *options]) == status
        assert (folder / "audit.html").is_file()
    problem = checks.check("DET-03").problem
    assert f"FAIL DET-03 (high): {problem}" in capsys.readouterr().out


def test_a_baseline(sleeping: Path, tmp_path: Path) -> None:
    command = ["audit", "restore_cycle", *SHORT, *ALONE, "-o", str(tmp_path / "now")]
    assert main([*command, "--baseline", str(sleeping / "audit.json")]) == 0
    audit = document.read(tmp_path / "now" / "audit.json")
    assert audit.baseline is not None
    assert audit.baseline.baseline.startswith("sleep of ")
    assert set(audit.baseline.new) | set(audit.baseline.fixed) | set(audit.baseline.unchanged)


def test_played_on(tmp_path: Path) -> None:
    """Prices, variations and moments, as few as can be."""
    few = ["--prices", "4", "--variations", "2", "--moments", "1", "--workers", "1"]
    folder = tmp_path / "audit"
    assert main(["audit", "punch", "--episodes", "10", *few, "-o", str(folder)]) == 0
    audit = document.read(folder / "audit.json")
    assert audit.prices
    assert {price.episodes for price in audit.prices} == {4}
    assert {variation.group for variation in audit.variations} >= {"alerts", "red", "length"}
    assert audit.finding("ROB-02").measures
    assert audit.notes == (FEW.format(10),)
    page = (folder / "audit.html").read_text(encoding="utf-8")
    moments = page.split('class="plain moments"')[1].split("</table>")[0]
    assert '<span class="ci">[' in moments  # the futures are enough for an interval


def test_without_observations_the_checks_that_need_them_say_so(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    assert main(["trace", "reactive", *SHORT, "--no-observations", "-o", str(trace)]) == 0
    assert main(["audit", str(trace), *ALONE, "-o", str(tmp_path / "audit")]) == 0
    audit = document.read(tmp_path / "audit" / "audit.json")
    blind = audit.finding("DET-01")
    assert (blind.verdict, blind.measures) == ("NOT_APPLICABLE", ())
    assert "without observations" in blind.reason
    assert audit.finding("REC-01").measures


def test_a_policy_that_is_gone_leaves_notes(sleeping: Path, tmp_path: Path) -> None:
    trace = Path(shutil.copytree(sleeping / "trace", tmp_path / "trace"))
    manifest = json.loads((trace / "manifest.json").read_text())
    manifest["policy"] |= {"name": "gone", "path": "gone.pt", "sha256": "0" * 64}
    (trace / "manifest.json").write_text(json.dumps(manifest))
    assert main(["audit", str(trace), "-o", str(tmp_path / "audit")]) == 0
    audit = document.read(tmp_path / "audit" / "audit.json")
    assert audit.prices == audit.variations == ()
    assert any("gone.pt" in note for note in audit.notes)


def test_a_check_that_cannot_be_computed_does_not_lose_the_others(
    sleeping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = tallies.Tallies._add

    def fail(self: Any, check: Any, *rest: Any) -> None:
        if check.id == "NET-01":
            raise IndexError("out of <reach>")
        count(self, check, *rest)

    monkeypatch.setattr(tallies.Tallies, "_add", fail)
    assert main(["audit", str(sleeping / "trace"), *ALONE, "-o", str(tmp_path / "a")]) == 1
    audit = document.read(tmp_path / "a" / "audit.json")
    broken = audit.finding("NET-01")
    assert (broken.verdict, broken.reason) == (
        "ERROR",
        "The check could not be computed: IndexError: out of <reach>",
    )
    assert audit.finding("NET-02").verdict != "ERROR"
    page = (tmp_path / "a" / "audit.html").read_text()
    assert "out of &lt;reach&gt;" in page
    (note,) = [note for note in audit.notes if "NET-01" in note]
    assert note == "Not all checks could be carried out; errors in NET-01."
    assert note in page


PROFILES = {
    "checks: {XYZ-01: {severity: low}}": "XYZ-01",
    "checks: {ERA-01: {measures: {other: {good: 1, bad: 0}}}}": "other",
    "checks: {ERA-01: {measures: {value: {good: 0.9, bad: 0.2, unit: steps}}}}": "unit",
    "checks: {ERA-01: {measures: {value: {good: 0.2, bad: 0.9}}}}": "good",
}


@pytest.mark.parametrize("content", PROFILES)
def test_bad_profiles_are_refused_before_anything_is_played(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\ndescription: of my own\nextends: default\n{content}\n")
    out = tmp_path / "audit"
    assert main(["audit", "sleep", "--profile", str(file), "-o", str(out)]) in (1, 2)
    message = capsys.readouterr().err
    assert message.startswith("Error: ") and message.count("\n") == 1
    assert "mine.yaml" in message and PROFILES[content] in message
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nobody"], 2, "neither a policy's name nor a file"),
        (["sleep", "--profile", "none"], 2, "none"),
        (["sleep", "--baseline", "missing.json"], 1, "missing.json"),
        (["sleep", "--sibling", "nobody"], 2, "nobody"),
        (["sleep", "--fail-on", "doom"], 2, "doom"),
        (["sleep", "--episode-length", "2"], 2, "--episode-length: 2 steps are too few"),
    ],
)
def test_wrong_usage(
    arguments: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "audit"
    assert main(["audit", *arguments, "-o", str(out)]) == status
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_an_earlier_audit_is_kept(sleeping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (sleeping / "audit.html").read_bytes()
    assert main(["audit", "sleep", *SHORT, *ALONE, "-o", str(sleeping)]) == 1
    assert "sleep" in capsys.readouterr().err
    assert (sleeping / "audit.html").read_bytes() == before


def test_checks_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for check in checks.checks():
        assert any(line.split()[:2] == [check.id, check.severity] for line in lines)
    assert main(["checks", "era-01"]) == 0
    explained = capsys.readouterr().out
    check = checks.check("ERA-01")
    assert check.title in explained and "CM0027" in explained
    assert main(["checks", "ERA-99"]) == 2
    assert "there is no check 'ERA-99'" in capsys.readouterr().err
