"""Every benchmark can be called, in small, and fails when its control or its claim does."""

import importlib
import json
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmarks import (
    audit_coverage,
    audit_sensitivity,
    audit_specificity,
    capacity,
    coverage,
    engine,
    false_discovery,
    large_trace,
    parity,
    sensitivity,
    simultaneous_coverage,
)
from benchmarks.command import CannotMeasure, benchmark
from benchmarks.engine_copy import Died, Replayed
from benchmarks.usage import measure
from cagexplain.audit.references import read_references
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

RECORDINGS = ROOT / "tests" / "data" / "lockstep"
SHORT = RECORDINGS / "probe_anything-finite_state-100-5.lockstep.npz"
COMMANDS = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if "@benchmark(__doc__)" in path.read_text(encoding="utf-8")
)


def call(name: str, *arguments: object) -> Result:
    command = importlib.import_module(f"benchmarks.{name}").command
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_every_module_that_can_be_started_is_a_benchmark() -> None:
    started = [
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    # These two have a command of their own.
    assert sorted(set(started) - {"fuzz", "soak"}) == COMMANDS
    assert len(COMMANDS) >= 13


@pytest.mark.parametrize("name", COMMANDS)
def test_help_tells_how_to_call_it_and_what_it_claims(name: str) -> None:
    found = call(name, "--help")
    assert found.exit_code == 0
    assert f"python -m benchmarks.{name}" in found.output
    assert any(word in found.output for word in ("claim", "Plays each policy on seeds"))


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("audit_specificity", ["--audits", 1], "x>=2"),
        ("audit_specificity", ["--episodes", 0], "x>=1"),
        ("audit_specificity", ["--policy", "nobody"], "nobody"),
        ("audit_sensitivity", ["--defect", "none"], "'none' is not one of"),
        ("audit_coverage", ["expert", "--episodes", 50, "--fresh", 10], "too few"),
        ("audit_parts", ["--audits", 1], "x>=2"),
        ("audit_parts", ["--defect", "none"], "'none' is not one of"),
        ("audit_time", ["--episodes", 0], "x>=1"),
        ("capacity", ["--steps", 0], "x>=1"),
        ("cluster", ["--episodes", 0], "x>=1"),
        ("counterfactuals", ["--decisions", 0], "x>=1"),
        ("coverage", ["nowhere"], "does not exist"),
        ("engine", ["--only", "nothing"], "'nothing' is not one of"),
        ("false_discovery", [2, 5], "x>=5"),
        ("large_trace", ["--episodes", 0], "x>=1"),
        ("large_trace", ["--trace", "nowhere"], "does not exist"),
        ("parity", [2], "x>=100"),
        ("parity", [100, "--policy", "nobody"], "nobody"),
        ("planning", ["--share", 0], "0<x<=1"),
        ("reference_bag", ["--add", "nothing"], "NAME=PATH"),
        ("robust", ["--episodes", 1], "x>=2"),
        ("sensitivity", [RECORDINGS, "--only", "nothing"], "'nothing' is not one of"),
        ("sensitivity", [RECORDINGS, "--episodes", 0], "x>=1"),
        ("sensitivity", [ROOT / "benchmarks"], "lockstep"),
        ("sensitivity", [Path(__file__)], "POLICY-RED-STEPS-SEED"),
        ("simultaneous_coverage", ["sleep", "--audits", 0], "x>=1"),
        ("train", ["--only", "nothing"], "'nothing' is not one of"),
    ],
)
def test_wrong_inputs_are_refused_in_a_line(
    name: str, arguments: Sequence[object], told: str
) -> None:
    found = call(name, *arguments)
    assert found.exit_code in (1, 2)
    assert isinstance(found.exception, SystemExit), found.exception
    assert told in found.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("audit_coverage", ["random", "--truth", 40, "--audits", 4, "--episodes", 10]),
        ("audit_sensitivity", ["--defect", "babbles", "--audits", 2, "--episodes", 10]),
        ("audit_specificity", ["--policy", "sleep", "--audits", 2, "--episodes", 10]),
        ("audit_parts", ["--defect", "dead_agent_2", "--sound", "--audits", 2, "--episodes", 5]),
        ("defect_prices", ["--defect", "lies", "--episodes", 4]),
        ("capacity", ["--episodes", 2, "--steps", 60, "--policy", "sleep"]),
        (
            "counterfactuals",
            [
                "--policy",
                "punch",
                "--episodes",
                "1",
                "--decisions",
                "1",
                "--rollouts",
                "2",
                "--horizon",
                "5",
                "--workers",
                "1",
            ],
        ),
        ("engine", ["--only", "throughput", "--batch", 16]),
        ("false_discovery", [5, 4, "sleep"]),
        ("parity", [100, "--policy", "sleep"]),
        (
            "simultaneous_coverage",
            ["sleep", "--pool", 12, "--audits", 2, "--pairs", 10, "--varied", 10],
        ),
    ],
)
def test_small_runs_measure(name: str, arguments: Sequence[object]) -> None:
    found = call(name, *arguments)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    assert "annot measure" not in found.output
    # So little may leave a claim open, but never without saying which.
    assert found.exit_code == int("Not as claimed" in found.output)


def test_reference_bag_writes_what_it_played(tmp_path: Path) -> None:
    file = tmp_path / "bag.json"
    found = call("reference_bag", "--policy", "sleep", "--episodes", 10, "--out", file)
    assert found.exit_code == 0, found.output
    (sleep,) = json.loads(file.read_text())["policies"]
    assert sleep["name"] == "sleep"
    assert sleep["held"]["episodes"] == 10 and max(sleep["held"]["mean"]) > 30
    assert [policy.held is not None for policy in read_references(file).policies] == [True]


def test_training_is_measured_in_small() -> None:
    # One process; the further ones of IPPO are left out.
    assert call("train", "--only", "mappo", "--rounds", 1, "--envs", 2).exit_code == 0


def test_phases_of_a_step_play_as_the_engine_does() -> None:
    assert call("engine", "--only", "phases").exit_code == 0


def test_a_long_trace_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    found = call("large_trace", "--episodes", 2, "--only", "fsm-report", "--json", file)
    assert found.exit_code == 0, found.output
    measured = json.loads(file.read_text())
    assert list(measured["runs"]) == ["trace", "fsm-report"]
    assert measured["bytes"]["fsm-report"] > 0
    monkeypatch.setattr(large_trace, "TARGET_MIB", 1)
    assert len(list(large_trace._false(measured["runs"]))) == 2


def test_memory_of_who_measures_is_not_measured() -> None:
    ballast = b"x" * (600 << 20)
    taken = measure("reds", [])
    assert 10 < taken["largest_process_mib"] < len(ballast) >> 20
    with pytest.raises(CannotMeasure, match=r"cagexplain reds nobody: Error: .*nobody"):
        measure("reds", ["nobody"])


def test_an_audit_is_timed() -> None:
    found = call("audit_time", "sleep", "--episodes", 2)
    assert found.exit_code == 0, found.output


# --- what must fail -----------------------------------------------------------------------------


def test_a_false_claim_and_a_failed_control_are_failures() -> None:
    @benchmark("Help.")
    @click.argument("what")
    def command(what: str) -> list[str]:
        if what == "control":
            raise CannotMeasure("the control differs")
        return ["two is three"] if what == "claim" else []

    runner = CliRunner()
    assert runner.invoke(command, ["fine"]).exit_code == 0
    claim = runner.invoke(command, ["claim"])
    assert (claim.exit_code, claim.output) == (1, "Not as claimed: two is three\n")
    control = runner.invoke(command, ["control"])
    assert control.exit_code == 1
    assert control.output.startswith("Error: cannot measure: the control differs.")


class Copy:
    """In place of a copy of the engine: what it prints per recording, for source after source."""

    package = ROOT / "cagexplain"

    def __init__(self, *lines: Replayed | Died) -> None:
        self.lines = list(lines)

    @contextmanager
    def changed(self, file: str, source: str) -> Any:
        yield

    def run(self, task: str, arguments: Sequence[str], **options: Any) -> Any:
        line = self.lines.pop(0)
        if isinstance(line, Died):
            raise line
        yield vars(line)


def sensitivity_with(monkeypatch: pytest.MonkeyPatch, *lines: Replayed | Died) -> Result:
    @contextmanager
    def made() -> Any:
        yield Copy(*lines)

    monkeypatch.setattr(sensitivity, "engine_copy", made)
    return call("sensitivity", SHORT, "--only", "blue_first")


EQUAL = Replayed(SHORT.name)
DIFFERENT = Replayed(SHORT.name, 2, "obs")
FAILED = Replayed(SHORT.name, error="KeyError: 'cagexplain.envs.truth'")


def test_a_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sensitivity_with(monkeypatch, EQUAL, DIFFERENT)
    assert found.exit_code == 0
    assert "1 of 1 noticed" in found.output


@pytest.mark.parametrize("control", [DIFFERENT, FAILED, Died(1, "KeyError")])
def test_nothing_is_measured_if_the_unchanged_engine_differs(
    monkeypatch: pytest.MonkeyPatch, control: Replayed | Died
) -> None:
    found = sensitivity_with(monkeypatch, control, DIFFERENT)
    assert found.exit_code == 1
    assert "cannot measure" in found.output
    assert "noticed" not in found.output


@pytest.mark.parametrize("broken", [EQUAL, FAILED, Died(1, "KeyError")])
def test_only_a_difference_counts_as_noticed(
    monkeypatch: pytest.MonkeyPatch, broken: Replayed | Died
) -> None:
    found = sensitivity_with(monkeypatch, EQUAL, broken)
    assert found.exit_code == 1
    assert "0 of 1 noticed" in found.output
    assert "Not as claimed: blue_first" in found.output


def test_the_engine_agrees_with_a_recording_and_a_broken_one_does_not() -> None:
    found = call("sensitivity", SHORT, "--only", "blue_first")
    assert found.exit_code == 0, found.output
    assert "1 of 1 noticed" in found.output


def test_coverage_fails_on_a_difference_and_on_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [coverage.Place("a.py", "f", "", "entered")] * 3
    found = coverage.Coverage(places, reached={0, 1, 2})
    monkeypatch.setattr(coverage, "measure", lambda *_: found)
    monkeypatch.setattr(coverage, "_excused", lambda: iter(()))
    monkeypatch.setattr(coverage, "UNREACHABLE", ())
    assert call("coverage", SHORT).exit_code == 0
    found.reached = {0}
    assert "Not as claimed" in call("coverage", SHORT).output
    found.differing.append(FAILED)
    assert "cannot measure" in call("coverage", SHORT).output


def test_parity_needs_the_recorded_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = parity._recorded()
    recorded["ret"] += 1
    monkeypatch.setattr(parity, "_recorded", lambda: recorded)
    found = call("parity", 100, "--policy", "sleep")
    assert (found.exit_code, "cannot measure" in found.output) == (1, True)


def test_parity_counts_means_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "_half_width", lambda values: 0.0)
    found = call("parity", 100, "--policy", "sleep")
    assert (found.exit_code, "Not as claimed" in found.output) == (1, True)


def test_capacity_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "CAPACITIES", {"sessions": ("ses_top", 1)})
    found = call("capacity", "--episodes", 1, "--steps", 20, "--policy", "sleep")
    assert (found.exit_code, "fewer than 1 sessions" in found.output) == (1, True)


def test_a_slow_engine_is_not_as_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "steps_per_second", lambda *_: 100.0)
    assert "times as fast" in call("engine", "--only", "throughput").output


def test_false_discovery_needs_a_policy_that_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(false_discovery, "CONTROL", "sleep")
    found = call("false_discovery", 5, 4, "sleep")
    assert (found.exit_code, "cannot measure" in found.output) == (1, True)


def test_what_audits_claim() -> None:
    row = {"policy": "expert", "episodes": 50, "agreement": 0.9, "flips": {"A": 1}}
    row["practice_fails"] = {"B": 2}
    assert len(list(audit_specificity._false(row))) == 3
    assert not list(
        audit_specificity._false(row | {"agreement": 0.99, "flips": {}, "practice_fails": {}})
    )


def test_coverage_of_audits_is_claimed_as_far_as_they_can_tell() -> None:
    def rows(share: float, known: int) -> list[dict[str, Any]]:
        return [
            {"measure": "A.b", "statistic": "Share", "truth": 0.5, "known": known}
            | {"constant": 0, "coverage": share}
        ]

    assert audit_coverage._false(rows(0.95, 300), "x") == []
    assert len(audit_coverage._false(rows(0.80, 300), "x")) == 2
    assert audit_coverage._false(rows(0.75, 4), "x") == []
    with pytest.raises(CannotMeasure):
        audit_coverage._false([], "x")


def test_a_check_that_blames_the_sound_policy_measures_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(fails: int) -> Any:
        one = {"defect": "d", "check": "C", "share": 1.0, "verdicts": {"FAIL": 2}, "values": {}}
        return lambda *_: [one | {"sound": {"FAIL": fails}, "sound_values": {}}]

    monkeypatch.setattr(audit_sensitivity, "measure", found(0))
    assert call("audit_sensitivity", "--audits", 2).exit_code == 0
    monkeypatch.setattr(audit_sensitivity, "measure", found(2))
    assert "cannot measure" in call("audit_sensitivity", "--audits", 2).output


def test_keys_cover_all_modules_with_compiled_functions() -> None:
    from benchmarks.engine_copy import engine_copy

    with engine_copy() as copy:
        keys = copy.keys()
    assert "cagexplain.envs.truth" in keys
    assert np.all([name.startswith("cagexplain.") for name in keys])


def test_an_audit_holds_if_none_of_its_intervals_misses() -> None:
    truth, world = np.array([0.0, 1.0]), np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 5.0], [0.0, 1.0]])

    def limits(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        (episode,) = drawn
        return world[episode] - 0.1, world[episode] + 0.1, 2.0

    row = simultaneous_coverage.held("numbers", truth, limits, 4, 1, 400)
    assert row["hold"] / 400 == pytest.approx(3 / 4, abs=0.06)
    assert row["each_holds"] == pytest.approx((1 + row["hold"] / 400) / 2)
    assert (row["of_them"], row["worth"]) == (2, 2.0)
