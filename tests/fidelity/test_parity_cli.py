"""The verdict on two simulators, and the command that asks for it."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cagexplain.envs
from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError
from cagexplain.envs import Engine, EnvParams
from cagexplain.fidelity.metrics import METRICS, NAMES, RETURN, EpisodeMetric
from cagexplain.fidelity.parity import SLEEP_TO_BEST, Settings, compare, margin_of, seeds
from cagexplain.fidelity.samples import ParitySample, collect, read
from cagexplain.policies.registry import load_policy
from cagexplain.stats.equivalence import Verdict
from tests.support.stand_in import StandInEngine

SHORT = EnvParams(steps=120)


def native(episodes: np.ndarray, policy: str = "restore_cycle", **params: Any) -> ParitySample:
    return collect(load_policy(policy), Engine(), episodes, EnvParams(**{"steps": 120, **params}))


@pytest.fixture(scope="module")
def reference() -> ParitySample:
    return native(seeds(2, 60)[1])


def metric(name: str) -> EpisodeMetric:
    return METRICS[NAMES.index(name)]


def different(changes: dict[str, Any], reference: ParitySample) -> set[str]:
    """Metrics that a change of the rates makes differ."""
    result = compare(native(seeds(60, 2)[0], **changes), reference, same_options=False)
    assert result.verdict == Verdict.DIFFERENT
    return {row.metric.name for row in result.rows if row.verdict == Verdict.DIFFERENT}


def test_the_engine_does_not_differ_from_itself(reference: ParitySample) -> None:
    result = compare(native(seeds(60, 2)[0]), reference)
    assert result.verdict != Verdict.DIFFERENT
    assert set(result.judgement.returns) == {Verdict.EQUIVALENT}
    assert result.judgement.equivalent > 40


def test_more_phishing_is_noticed(reference: ParitySample) -> None:
    assert {"entered_unexploited", "hosts_user"} <= different({"phishing": 0.04}, reference)


def test_fewer_detections_are_noticed(reference: ParitySample) -> None:
    found = different({"aggressive_detection": 0.4}, reference)
    assert "red_detected_AggressiveServiceDiscovery" in found
    assert "entered_unexploited" not in found


def test_more_false_alarms_are_noticed(reference: ParitySample) -> None:
    found = different({"green_false_positive": 0.05}, reference)
    assert found == {"alerts_process", "alerts_connection"}


def test_pairs_are_equal_whatever_their_order(reference: ParitySample) -> None:
    backwards = reference.select(reference.seeds[::-1])
    result = compare(backwards, reference, Settings(paired=True))
    assert result.verdict == Verdict.EQUIVALENT
    assert result.b.seeds.tolist() == result.a.seeds.tolist() == backwards.seeds.tolist()
    assert all(row.comparison.difference in (0.0, None) for row in result.rows)


def test_the_design_must_fit_the_seeds(reference: ParitySample) -> None:
    with pytest.raises(CagexplainError, match=f"both have seed {reference.seeds[0]}.*--paired"):
        compare(reference, reference)
    part = reference.select(reference.seeds[1:])
    with pytest.raises(CagexplainError, match=f"1 episodes.*seed {reference.seeds[0]}"):
        compare(part, reference, Settings(paired=True))


def test_other_options_or_policies_are_refused(reference: ParitySample) -> None:
    few = seeds(2, 2)[0]
    with pytest.raises(CagexplainError, match="sample B: options: red is 'finite_state', not"):
        compare(native(few, red="discovery"), reference)
    with pytest.raises(CagexplainError, match=r"sample B: options: phishing is 0\.01, not 0\.02"):
        compare(native(few, phishing=0.02), reference)
    with pytest.raises(CagexplainError, match="sample B: policy: name is 'restore_cycle', not"):
        compare(native(few, policy="sleep"), reference)


def test_seeds_are_common_or_disjoint() -> None:
    a, b = seeds(5, 5, first=10, paired=True)
    assert a.tolist() == b.tolist() == [10, 11, 12, 13, 14]
    a, b = seeds(100_000, 100_000)
    assert not np.intersect1d(a, b).size


def test_margins() -> None:
    settings = Settings(margin_return=0.05, margin_metric=0.1)

    def margin(name: str, *values: float) -> float:
        return margin_of(metric(name), np.array(values), settings)

    assert margin("return", -5000, -7000) == pytest.approx(0.05 * SLEEP_TO_BEST)
    assert margin("return_asf", 0, 0) == margin("return", 1, 2)
    assert margin("fsm_rd", 30, 50, np.nan) == pytest.approx(4)
    assert margin("fsm_rd", 0, 0) == 0.8  # the floor
    assert margin("red_share_Impact", 0.2, 0.4) == pytest.approx(0.03)
    assert margin("red_success_Impact", 0.9) == pytest.approx(margin("red_success_Impact", 0.1))
    assert margin("red_success_Impact", 1.0) == margin("red_success_Impact", np.nan) == 0.01
    halved = margin_of(metric("fsm_rd"), np.array([40.0]), Settings(margin_metric=0.05))
    assert halved == pytest.approx(2)


Call = Callable[..., int]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command with short episodes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAGEXPLAIN_DEBUG", raising=False)

    def run(policy: str, *arguments: str, steps: int = 30) -> int:
        return main(["parity", policy, "--episode-length", str(steps), *arguments])

    return run


NATIVE = ("--engine-a", "native", "--engine-b", "native")


def result(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "parity.json").read_text())
    return found


def test_equivalent_is_0(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("random", *NATIVE, "--paired", "--episodes", "5", "-o", "out") == 0
    out = capsys.readouterr().out
    assert "EQUIVALENT" in out and "compared in pairs" in out
    assert str(Path("out/parity.html")) in out
    found = result("out")
    assert (found["format"], found["version"]) == ("cagexplain.parity", 1)
    assert found["verdict"] == "EQUIVALENT"
    given = shlex.split(found["command"])
    assert given[:3] == ["cagexplain", "parity", "random"]
    options = ["--paired", "--output", "out", "--episodes", "5", "--episode-length", "30", *NATIVE]
    assert sorted(given[3:]) == sorted(options)
    assert len(found["metrics"]) == len(METRICS)
    assert found["metrics"][0]["a"]["n"] == 5
    page = Path("out/parity.html").read_text()
    assert "EQUIVALENT" in page


def test_inconclusive_is_4(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("random", *NATIVE, "--episodes", "4", "--episodes-b", "3", "-o", "out") == 4
    out = capsys.readouterr().out
    assert "4 and 3 episodes, compared independently" in out
    found = result("out")
    assert found["judgement"]["needed"] > 4
    assert f"About {found['judgement']['needed']:,} episodes" in out
    assert len(set(found["samples"]["a"]["seeds"] + found["samples"]["b"]["seeds"])) == 7


def test_different_is_3(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_stand_in(monkeypatch, StandInEngine("CybORG"))
    assert call("random", "--episodes", "20", "-o", "out") == 3
    out = capsys.readouterr().out
    assert out.index("DIFFERENT") < out.index("INCONCLUSIVE")  # problems first
    verdicts = [row["verdict"] for row in result("out")["metrics"]]
    assert verdicts.count("DIFFERENT") > 5


def with_stand_in(monkeypatch: pytest.MonkeyPatch, engine: StandInEngine) -> None:
    """Put a stand-in in the place of CybORG."""
    monkeypatch.setattr(
        cagexplain.envs,
        "Engine",
        lambda name, *rest: engine if name == "cyborg" else Engine(name, *rest),
    )


def test_a_failing_cyborg_is_1_and_the_same_command_goes_on(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first_b = int(seeds(1, 1)[1][0])
    command = ("random", "--episodes", "6", "--batch", "2", "-o", "out")
    with_stand_in(monkeypatch, StandInEngine("CybORG", fails=(first_b + 4, 7)))
    assert call(*command) == 1
    told = capsys.readouterr().err
    assert "Error: CybORG: failed in step 7, in one of the seeds 1001000004, 1001000005" in told
    assert told.startswith("Keeping samples in out; --output out continues from there.")
    assert read(Path("out/sample-b.parquet")).seeds.tolist() == [first_b + i for i in range(4)]

    mended = StandInEngine("CybORG")
    with_stand_in(monkeypatch, mended)
    assert call(*command) == 3
    assert sum(env.n_envs for env in mended.made) == 2


def test_a_missing_cyborg_is_told_before_anything_is_played(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Missing(StandInEngine):
        def describe(self) -> dict[str, str]:
            raise CagexplainError("is not installed", where="CybORG", remedy="Install it")

    with_stand_in(monkeypatch, Missing())
    assert call("random", "--episodes", "2", "-o", "out") == 1
    assert "CybORG: is not installed" in capsys.readouterr().err
    assert not list(Path("out").iterdir())


def test_samples_are_used_again(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("random", *NATIVE, "--episodes", "4", "-o", "one") == 4
    kept = ("--sample-b", "one/sample-b.parquet")
    assert call("random", "--episodes", "4", *kept, "-o", "two") == 4
    assert not Path("two/sample-b.parquet").exists()
    assert result("one")["metrics"] == result("two")["metrics"]
    both = ("--sample-a", "one/sample-a.parquet", *kept)
    assert call("random", *both, "-o", "three") == 4
    assert result("one")["metrics"] == result("three")["metrics"]
    assert call("random", "--paired", *kept, "-o", "four") == 0
    found = result("four")["samples"]
    assert found["a"]["seeds"] == result("one")["samples"]["b"]["seeds"]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "steps", "told"),
    [
        (("--red", "discovery"), 30, "options: red is 'finite_state', not 'discovery'"),
        ((), 31, "options: steps is 30, not 31"),
        (("--mask-sleep",), 30, "mask_sleep is"),
        (("--seed", "1001000003"), 30, "both have seed 1001000003"),
        (("--paired", "--sample-a", "one/sample-a.parquet"), 30, "8 episodes have no partner"),
    ],
)
def test_samples_of_something_else_are_refused_before_anything_is_played(
    call: Call,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    steps: int,
    told: str,
) -> None:
    call("random", *NATIVE, "--episodes", "4", "-o", "one")
    kept = ("--sample-b", "one/sample-b.parquet", "-o", "two")
    capsys.readouterr()
    assert call("random", *kept, *arguments, steps=steps) == 1
    assert told in capsys.readouterr().err
    assert not list(Path("two").iterdir())


def test_another_policy_than_the_samples_is_refused(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    call("random", *NATIVE, "--episodes", "2", "-o", "one")
    assert call("sleep", "--sample-b", "one/sample-b.parquet", "-o", "two") == 1
    assert "policy: name is 'random', not 'sleep'" in capsys.readouterr().err
    assert call("sleep", *NATIVE, "--episodes", "2", "-o", "one") == 1
    assert "another output folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--paired", "--episodes-b", "3"),
        ("--sample-b", "x.parquet", "--episodes-b", "3"),
        ("--episodes", "1"),
        ("--episodes-b", "1"),
        ("--alpha", "0.5"),
        ("--alpha", "0"),
        ("--margin-return", "0"),
        ("--margin-metric", "101"),
        ("--engine-a", "other"),
        ("--engine", "native"),  # there are two
    ],
)
def test_wrong_usage_is_2(call: Call, arguments: tuple[str, ...]) -> None:
    assert call("random", *NATIVE, *arguments) == 2
    assert not Path("runs").exists()


def test_margins_and_level_are_the_users(call: Call) -> None:
    options = ("--margin-return", "1", "--margin-metric", "20", "--alpha", "0.1")
    call("random", *NATIVE, "--episodes", "3", *options, "-o", "out")
    found = result("out")
    assert found["settings"]["alpha"] == 0.1
    by_name = {row["name"]: row for row in found["metrics"]}
    assert by_name["return"]["margin"] == pytest.approx(0.01 * SLEEP_TO_BEST)
    assert by_name["hosts"]["margin"] == pytest.approx(0.2 * by_name["hosts"]["b"]["mean"])
    returns = [row for row in found["metrics"] if row["group"] == RETURN]
    assert len(returns) == 8


def test_a_new_folder_is_made_in_runs(call: Call) -> None:
    for i in (1, 2):
        call("random", *NATIVE, "--episodes", "2")
        assert Path(f"runs/parity-random-{i}/parity.html").is_file()
