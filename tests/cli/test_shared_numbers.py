"""The same quantity has the same number wherever it is shown.

Which quantities two outputs share follows from the declarations: a measure of a check or a main
number that is one of `cagexplain.analysis.metrics.definitions` says so (`Measure.metric`), and what
`compare` lists carries the name of its definition.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.analysis.metrics.definitions import COUNTED, DEFINITIONS, TIMED, definition
from cagexplain.analysis.metrics.estimate import MIN_EVENTS, TEAM
from cagexplain.audit.check import Measure
from cagexplain.audit.checks import checks
from cagexplain.audit.play.main_numbers import MAIN, measure_of
from cagexplain.cli.main import main
from cagexplain.facts.batch import batches
from cagexplain.facts.view import TABLES, Facts, View
from cagexplain.stats.estimates import PerEpisode, RestrictedMean, estimate
from cagexplain.tracing.trace import open_trace

STEPS, EPISODES = 120, 12
POLICIES = ("expert", "punch", "ippo_long")
OF_CHECKS = [(each.id, m) for each in checks() for m in each.measures if m.metric]


@dataclass(frozen=True)
class Outputs:
    """What the commands write about one trace, and about it beside another one."""

    trace: Path
    report: dict[str, Any]
    audit: dict[str, Any]
    compared: dict[str, Any]
    evaluated: dict[str, Any]

    def soc(self, key: str, scope: str = TEAM) -> dict[str, Any]:
        """An SOC metric of the fsm-report."""
        (metric,) = (
            m for m in self.report["soc"]["metrics"] if (m["key"], m["scope"]) == (key, scope)
        )
        return dict(metric)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outputs]:
    folder = tmp_path_factory.mktemp("shared")
    played = ["--episodes", str(EPISODES), "--seed", "7"]

    def run(*arguments: str) -> dict[str, Any]:
        assert main(list(arguments)) == 0
        return dict(json.loads(Path(arguments[-1]).read_text(encoding="utf-8")))

    found = {}
    for policy in POLICIES:
        trace = folder / policy
        length = ["--episode-length", str(STEPS)]
        assert main(["trace", policy, *played, *length, "-o", str(trace)]) == 0
    for policy, other in zip(POLICIES, np.roll(POLICIES, 1), strict=True):
        trace, out = str(folder / policy), folder / f"{policy}-"
        alone = ["--prices", "0", "--variations", "0", "--moments", "0"]
        assert main(["audit", trace, *alone, "-o", f"{out}audit"]) == 0
        found[policy] = Outputs(
            folder / policy,
            run("fsm-report", trace, "-o", f"{out}fsm.html", "--json", f"{out}fsm.json"),
            dict(json.loads((folder / f"{policy}-audit" / "audit.json").read_text())),
            run(
                "compare",
                trace,
                str(folder / other),
                "-o",
                f"{out}c.html",
                "--json",
                f"{out}c.json",
            ),
            run("evaluate", policy, *played, *length, "--json", f"{out}evaluate.json"),
        )
    return found


@pytest.fixture(params=POLICIES)
def of(request: pytest.FixtureRequest, outputs: dict[str, Outputs]) -> Outputs:
    """Outputs of each policy in turn."""
    return outputs[request.param]


LIMITS = ("value", "low", "high")


def agree(metric: dict[str, Any], other: dict[str, Any], scale: float = 1.0) -> None:
    """Value, limits and what they rest on are the same; the SOC page alone withholds the values of
    few events."""
    assert other["n"] == metric["n"]
    if metric["n"] < MIN_EVENTS and metric["value"] is None:
        return
    for name in LIMITS:
        scaled = None if other[name] is None else other[name] * scale
        assert scaled == (None if metric[name] is None else pytest.approx(metric[name], 1e-9))


def scale_of(measure: Measure) -> float:
    """Steps of an episode per unit of a number that is given for so many steps."""
    if isinstance(measure.statistic, PerEpisode) and measure.statistic.per:
        return STEPS_PLAYED / measure.statistic.per
    return 1.0


STEPS_PLAYED = STEPS - 1


def test_checks_share_quantities_with_the_metrics() -> None:
    shared = {f"{ident}.{measure.key}": measure.metric for ident, measure in OF_CHECKS}
    assert shared == {
        "DET-03.value": "alert_to_response_median",
        "ERA-03.restore": "restore_effect",
        "ERA-03.remove": "remove_effect",
        "ERA-05.visible": "dwell_visible_median",
        "ERA-05.silent": "dwell_silent_median",
        "REC-02.ticks": "restore_downtime",
        "NET-04.value": "green_blocked",
        "MIS-01.all": "stopped_services",
    }
    for _, measure in OF_CHECKS:
        assert measure.better == definition(measure.metric or "").better


def test_no_statistic_of_a_metric_is_declared_anew() -> None:
    """A check that counts the cases of a metric in its way is that metric, and says so."""
    declared = {(d.of_team, d.statistic) for d in TIMED}
    declared |= {(d.cases, d.statistic) for d in COUNTED if d.cases}
    for each in checks():
        for measure in each.measures:
            if measure.metric is None:
                assert (measure.cases, measure.statistic) not in declared, (each.id, measure.key)


@pytest.mark.parametrize(("ident", "measure"), OF_CHECKS, ids=lambda x: getattr(x, "key", x))
def test_checks_show_what_the_metrics_show(of: Outputs, ident: str, measure: Measure) -> None:
    (finding,) = (f for f in of.audit["findings"] if f["id"] == ident)
    (shown,) = (m for m in finding["measures"] if m["key"] == measure.key)
    assert measure.metric is not None
    metric = of.soc(measure.metric)
    assert shown["better"] == metric["better"]
    agree(metric, shown, scale_of(measure))


def test_main_numbers_are_those_of_the_metrics(of: Outputs) -> None:
    trace, shared = open_trace(of.trace), 0
    for key in MAIN:
        measure = measure_of(key)
        if measure.metric is None:
            continue
        sums = [measure.counted(View(batch, Facts()))[0] for batch in batches(trace, TABLES)]
        found = estimate(measure.statistic, np.concatenate(sums))
        agree(of.soc(measure.metric), {**vars(found.interval), "n": round(found.n)})
        shared += 1
    assert shared == 3


def test_what_is_paid_per_restore_follows_from_the_share_that_is_ignored(of: Outputs) -> None:
    (finding,) = (f for f in of.audit["findings"] if f["id"] == "POL-04")
    paid, ignored = finding["measures"][0], of.soc("cost_for_nothing")
    assert paid["n"] == ignored["n"] > MIN_EVENTS
    assert paid["value"] == pytest.approx(1 / (1 - ignored["value"]))


def named(of: Outputs) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Metrics of the fsm-report, each with its row of the comparison."""
    keys = {d.name: d.key for d in DEFINITIONS}
    for row in of.compared["pairs"][0]["metrics"]:
        if row["metric"] in keys:
            yield of.soc(keys[row["metric"]]), row


def test_comparisons_show_what_the_metrics_show(of: Outputs) -> None:
    means = [d for d in TIMED if isinstance(d.statistic, RestrictedMean)]
    rows = list(named(of))
    assert len(rows) == len(COUNTED) + len(means)
    for metric, row in rows:
        assert (row["unit"], row["better"]) == (metric["unit"], metric["better"])
        if metric["value"] is not None:
            assert row["value_a"] == pytest.approx(metric["value"], 1e-9)
    assert of.compared["samples"][0]["soc"] == of.report["soc"]


def test_returns_are_the_same_everywhere(of: Outputs) -> None:
    total = of.report["returns"]["total"]
    assert of.audit["mean_return"] == {name: total[name] for name in ("mean", "low", "high")}
    assert of.evaluated["summary"]["return"]["return"] == total
    for told, mine in (("phase", "by_phase"), ("cause", "by_cause")):
        assert of.evaluated["summary"][told] == of.report["returns"][mine]
    rows = {row["metric"]: row["value_a"] for row in of.compared["pairs"][0]["metrics"]}
    assert rows["return"] == pytest.approx(total["mean"])
    for group in ("by_phase", "by_cause"):
        for name, part in of.report["returns"][group].items():
            assert rows[f"return: {name}"] == pytest.approx(part["mean"])
