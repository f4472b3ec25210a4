import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import jensenshannon

from cagexplain.analysis.compare import differences
from cagexplain.analysis.compare.comparison import (
    Comparison,
    Pair,
    compare_parts,
    compare_samples,
    compare_traces,
    favourite,
)
from cagexplain.analysis.compare.differences import (
    GroupDifference,
    MetricDifference,
    view_differences,
)
from cagexplain.analysis.compare.samples import ActionTable, CensoredTimes, Sample, SampledMetric
from cagexplain.analysis.fsm.analyse import RunFacts
from cagexplain.analysis.fsm.counts import count
from cagexplain.analysis.metrics.estimate import soc
from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.facts.compact import CompactArray
from cagexplain.stats import durations
from cagexplain.stats.distribution import distributions
from cagexplain.stats.permutation import (
    compare,
    jensen_shannon,
    ratio_difference,
    restricted_mean,
    total_variation,
)
from cagexplain.tracing.trace import Trace
from tests.support.planted import record as record_planted
from tests.support.traces import write_trace

Counts = npt.NDArray[np.int64]
Record = Callable[..., Trace]


def episodes(rng: np.random.Generator, n: int, shares: list[list[float]]) -> Counts:
    """Counts ``[episode, group, category]`` whose episodes differ more than chance explains."""
    groups = []
    for p in shares:
        size = rng.poisson(40, n)
        own = rng.dirichlet(np.array(p) * 8, n)
        groups.append([rng.multinomial(k, q) for k, q in zip(size, own, strict=True)])
    return np.array(groups).swapaxes(0, 1)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Record a planted policy once."""

    @functools.cache
    def make(policy: str, first_seed: int = 7) -> Trace:
        folder = tmp_path_factory.mktemp("recorded") / policy
        return record_planted(folder, policy, 10, steps=120, first_seed=first_seed)

    return make


@pytest.fixture(scope="session")
def policies(recorded: Record) -> Comparison:
    """Three policies on the same seeds."""
    return compare_traces([recorded(p) for p in ("random", "restores_on_process", "by_phase")])


def groups_of(pair: Pair, view: str) -> dict[str, GroupDifference]:
    (found,) = (v for v in pair.views if v.view == view)
    return {group.group: group for group in found.groups}


def metrics_of(pair: Pair) -> dict[str, MetricDifference]:
    return {metric.metric: metric for metric in pair.metrics}


# The statistics


def test_distances_by_hand() -> None:
    a, b = np.array([[6.0, 2, 2], [0, 0, 0]]), np.array([[1.0, 1, 8], [1, 0, 0]])
    distance = total_variation(a, b)
    assert distance[0] == pytest.approx(0.6)
    assert np.isnan(distance[1])
    expected = jensenshannon([0.6, 0.2, 0.2], [0.1, 0.1, 0.8]) ** 2
    assert jensen_shannon(a, b)[0] == pytest.approx(expected)
    assert jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(np.log(2))


def test_difference_of_ratios_by_hand() -> None:
    found = ratio_difference(np.array([[3.0, 6.0], [1, 0]]), np.array([[9.0, 12.0], [1, 1]]))
    assert found[0] == 0.25
    assert np.isnan(found[1])


def test_restricted_means_agree_with_the_survival_estimate() -> None:
    rng = np.random.default_rng(0)
    length, seen = rng.geometric(0.02, 400), rng.random(400) < 0.7
    horizon = 60
    ended, censored = durations.tally(length, seen, rng.integers(0, 20, 400))
    known = durations.estimate(ended, censored, horizon=horizon, resamples=20)
    within = seen & (length < horizon)
    cut = np.zeros((2, horizon + 1))
    np.add.at(cut, (1 - within.astype(int), np.minimum(length, horizon)), 1)
    assert restricted_mean(cut) == pytest.approx(known.restricted_mean.value)
    shorter = cut.copy()
    shorter[1, 40:] = shorter[0, 40:] = 0  # nobody is followed to the horizon any more
    assert np.isnan(restricted_mean(shorter))


def test_all_labellings_of_few_pairs_are_met() -> None:
    """Of the 8 labellings of three pairs only two are as extreme as the observed one."""
    a = np.array([[[1.0, 1.0]], [[2, 1]], [[3, 1]]])
    b = a + np.array([5, 0])
    found = compare(a, b, ratio_difference, paired=True, permutations=4000, resamples=20)
    assert found.p[0] == pytest.approx(2 / 8, abs=0.03)


def test_the_same_episodes_do_not_differ() -> None:
    counts = episodes(np.random.default_rng(0), 12, [[0.5, 0.5], [0.1, 0.9]])
    found = compare(counts, counts, total_variation, paired=True, permutations=99, resamples=20)
    assert found.value.tolist() == [0, 0]
    assert found.p.tolist() == [1, 1]
    assert found.family_p(np.array([True, True])).tolist() == [1, 1]


@pytest.mark.parametrize(("n", "m", "paired"), [(12, 12, True), (12, 12, False), (20, 8, False)])
def test_p_values_of_equal_policies_are_uniform(n: int, m: int, paired: bool) -> None:
    rng = np.random.default_rng(n + m + paired)
    p = []
    for _ in range(250):
        a, b = (episodes(rng, size, [[0.6, 0.3, 0.1]]) for size in (n, m))
        p += compare(
            a, b, total_variation, paired=paired, permutations=99, resamples=2
        ).p.tolist()  # fmt: skip
    for level in (0.05, 0.2, 0.5, 0.8):
        share, error = np.mean(np.array(p) <= level), np.sqrt(level * (1 - level) / 250)
        assert share <= level + 3 * error
        assert share >= level - 3 * error - 0.02


def test_looking_at_many_groups_makes_no_false_discoveries() -> None:
    """Some of the groups hold the same decisions, as those of a part and of the whole do."""
    rng = np.random.default_rng(3)
    shares = [[0.6, 0.3, 0.1], [0.2, 0.8, 0.0], [0.9, 0.05, 0.05]] * 4
    naive = adjusted = 0
    for _ in range(200):
        a, b = (episodes(rng, 12, shares) for _ in range(2))
        a, b = (np.concatenate([x, x.sum(axis=1, keepdims=True)], axis=1) for x in (a, b))
        found = compare(a, b, total_variation, paired=False, permutations=199, resamples=2)
        naive += found.p.min() < 0.05
        adjusted += found.family_p(np.ones(13, dtype=bool)).min() < 0.05
    assert adjusted <= 19  # 5 % of 200 is 10; 20 or more would have a probability of 0.3 %
    assert naive > 60


def test_one_different_group_is_found_among_many() -> None:
    rng = np.random.default_rng(4)
    same = [[0.6, 0.3, 0.1]] * 9
    hits = false = 0
    for _ in range(40):
        a = episodes(rng, 15, [*same, [0.3, 0.6, 0.1]])
        b = episodes(rng, 15, [*same, [0.7, 0.2, 0.1]])
        p = compare(a, b, total_variation, paired=False, permutations=299, resamples=2)
        adjusted = p.family_p(np.ones(10, dtype=bool))
        hits += adjusted[9] < 0.05
        false += (adjusted[:9] < 0.05).any()
    assert hits >= 36
    assert false <= 6


# Samples


def sample_of(name: str, seeds: range, counts: Counts, **more: object) -> Sample:
    """A sample with one view: the last axis of the counts is Analyse, Restore."""
    facts = RunFacts("t", {"name": name}, {}, {}, tuple(seeds), len(seeds), {}, "", 2)
    table = ActionTable(
        tuple(f"g{i}" for i in range(counts.shape[1])), (0, 3), counts.astype(np.int32)
    )
    return Sample(name, facts, tuple(seeds), {"targeted": table}, **more)  # type: ignore[arg-type]


def mean_of(values: npt.NDArray[np.float64]) -> SampledMetric:
    return SampledMetric(values, np.ones(len(values)), "points", "higher")


def test_a_difference_is_found_with_its_size_and_direction() -> None:
    rng = np.random.default_rng(0)
    a = episodes(rng, 40, [[0.8, 0.2], [0.5, 0.5]])
    b = episodes(rng, 40, [[0.3, 0.7], [0.5, 0.5]])
    (pair,) = compare_samples(
        [sample_of("a", range(40), a), sample_of("b", range(50, 90), b)]
    ).pairs
    assert not pair.paired
    first, second = groups_of(pair, "targeted").values()
    assert first.significant and not second.significant
    assert first.low is not None and first.high is not None and first.change is not None
    assert first.low <= 0.5 <= first.high
    assert (first.change > 0) == (first.action == "Restore")
    assert second.low == 0  # equal shares are not excluded
    assert pair.most[0].difference == first


def test_distances_are_covered_by_their_limits() -> None:
    rng = np.random.default_rng(6)
    inside = 0
    for _ in range(150):
        a = sample_of("a", range(30), episodes(rng, 30, [[0.6, 0.4]]))
        b = sample_of("b", range(30), episodes(rng, 30, [[0.5, 0.5]]))
        (view,) = view_differences(a, b, ["targeted"], False)
        (group,) = view.groups
        assert group.low is not None and group.high is not None
        inside += group.low <= 0.1 <= group.high
    assert inside > 132  # 95 % of 150 is 142.5; 132 or fewer would have a probability of 0.1 %


def test_what_never_varies_is_not_certain() -> None:
    always = np.tile([[[30, 0]]], (10, 1, 1))
    (pair,) = compare_samples(
        [sample_of("a", range(10), always), sample_of("b", range(10), always)]
    ).pairs
    (group,) = groups_of(pair, "targeted").values()
    assert (group.distance, group.low) == (0, 0)
    assert group.high == pytest.approx(2 * (1 - 0.025 ** (1 / 10)))


def test_too_few_samples_give_numbers_of_samples_only() -> None:
    counts = np.tile([[[30, 10]]], (5, 1, 1))
    few = [sample_of("a", range(5), counts, metrics={"return": mean_of(np.arange(5.0))}),
           sample_of("b", range(5), counts, metrics={"return": mean_of(np.ones(5))})]  # fmt: skip
    (pair,) = compare_samples(few).pairs
    (group,) = groups_of(pair, "targeted").values()
    assert group == GroupDifference("g0", 200, 200, 5, 5)
    (metric,) = pair.metrics
    assert metric == MetricDifference("return", "points", "higher", 2.0, 1.0, 5, 5)
    assert pair.most == ()
    scarce = np.tile([[[1, 1]]], (8, 1, 1))  # enough episodes, too few decisions
    (pair,) = compare_samples(
        [sample_of("a", range(8), scarce), sample_of("b", range(8), scarce)]
    ).pairs
    assert groups_of(pair, "targeted")["g0"].distance is None


def test_seeds_pair_episodes_in_whatever_order_they_were_played() -> None:
    """b is a + 1 on the same seeds, which only pairs can tell."""
    rng = np.random.default_rng(2)
    values, counts = rng.normal(0, 100, 10), np.ones((10, 1, 2), dtype=int)
    a = sample_of("a", range(10), counts, metrics={"return": mean_of(values)})
    b = sample_of("b", range(9, -1, -1), counts, metrics={"return": mean_of(values[::-1] + 1)})
    (pair,) = compare_samples([a, b]).pairs
    (metric,) = pair.metrics
    assert pair.paired
    assert metric.significant
    assert (metric.difference, metric.low) == (pytest.approx(1), pytest.approx(1))
    other = sample_of("b", range(20, 30), counts, metrics={"return": mean_of(values + 1)})
    assert not metrics_of(compare_samples([a, other]).pairs[0])["return"].significant


def test_ratios_and_times_are_compared_too() -> None:
    rng = np.random.default_rng(3)
    counts = np.ones((20, 1, 2), dtype=int)

    def sample_with(name: str, start: int, share: float, rate: float) -> Sample:
        tries = rng.integers(20, 40, 20)
        ratio = SampledMetric(
            rng.binomial(tries, share).astype(float), tries.astype(float), "share", "higher"
        )
        length = rng.geometric(rate, (20, 30)).clip(max=100)
        ended = np.stack([np.bincount(row[row < 100], minlength=101) for row in length])
        censored = np.stack([np.bincount(row[row == 100], minlength=101) for row in length])
        times = CensoredTimes(CompactArray.of(np.stack([ended, censored], axis=1)))
        return sample_of(
            name, range(start, start + 20), counts, metrics={"ratio": ratio}, times={"time": times}
        )

    a, b = sample_with("a", 0, 0.3, 0.1), sample_with("b", 50, 0.6, 0.05)
    ratio, time = compare_samples([a, b]).pairs[0].metrics
    assert ratio.low is not None and ratio.high is not None and ratio.effect is not None
    assert ratio.significant and ratio.low <= 0.3 <= ratio.high and ratio.effect > 0
    assert time.low is not None and time.high is not None
    assert time.significant and time.low <= 10 <= time.high
    assert (time.unit, time.better) == ("steps", "lower")


def test_what_is_compared_at_once_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views and times of many episodes are compared one after the other, with the same labels."""
    rng = np.random.default_rng(8)

    def sample_with(name: str, start: int, shares: list[list[float]]) -> Sample:
        counts = episodes(rng, 20, shares).astype(np.int32)
        one = sample_of(name, range(start, start + 20), counts)
        table = one.tables["targeted"]
        times = {
            which: CensoredTimes(CompactArray.of(rng.poisson(0.1, (20, 2, 101)))) for which in "xy"
        }
        return replace(one, tables={"targeted": table, "again": table}, times=times)

    a = sample_with("a", 0, [[0.6, 0.4], [0.2, 0.8]])
    b = sample_with("b", 50, [[0.4, 0.6], [0.2, 0.8]])
    (whole,) = compare_samples([a, b]).pairs
    monkeypatch.setattr(differences, "_AT_ONCE", 1)
    (blocks,) = compare_samples([a, b]).pairs
    assert blocks.views == whole.views
    for one, other in zip(blocks.metrics, whole.metrics, strict=True):
        assert (one.p, one.p_adjusted) == (other.p, other.p_adjusted)
        assert [one.low, one.high] == pytest.approx([other.low, other.high])


def test_p_values_are_adjusted_for_the_number_of_pairs() -> None:
    rng = np.random.default_rng(5)
    samples = [sample_of(n, range(12), episodes(rng, 12, [[0.5, 0.5]])) for n in "abcd"]
    two, four = compare_samples(samples[:2]), compare_samples(samples)
    assert len(four.pairs) == 6
    one, same = (groups_of(found.pairs[0], "targeted")["g0"] for found in (two, four))
    assert one.p == same.p
    assert one.p_adjusted is not None
    assert same.p_adjusted == min(1.0, 6 * one.p_adjusted)


def test_what_only_one_sample_has_is_told() -> None:
    counts = np.ones((3, 1, 2), dtype=int)
    a = sample_of("a", range(3), counts, metrics={"x": mean_of(np.ones(3))})
    assert compare_samples([a, sample_of("b", range(3), counts)]).left_out == (
        "x: not recorded in b",
    )


def test_favourites_are_clear_or_tied() -> None:
    counts = np.array([[[30, 2, 0], [10, 9, 0], [0, 0, 0]]] * 12)
    clear, tied, nothing = map(favourite, distributions(counts, ["R", "U", "K"], ["a", "b", "c"]))
    assert (clear.action, clear.clear, clear.tied, clear.total) == ("a", True, (), 384)
    assert (tied.action, tied.clear, tied.tied) == ("a", False, ("b",))
    assert (nothing.action, nothing.share, nothing.total) == (None, None, 0)


# Traces


def test_a_policy_does_not_differ_from_itself(recorded: Record) -> None:
    trace = recorded("random")
    found = compare_traces([trace, trace])
    (pair,) = found.pairs
    assert pair.paired
    assert len({sample.name for sample in found.samples}) == 2
    for view in pair.views:
        assert {g.distance for g in view.groups} <= {0.0, None}
        assert {g.p for g in view.groups} <= {1.0, None}
    assert not any(m.significant for m in pair.metrics)


def test_equal_policies_on_other_seeds_do_not_differ_significantly(recorded: Record) -> None:
    (pair,) = compare_traces([recorded("random"), recorded("random", 300)]).pairs
    assert not pair.paired
    tested = [g for view in pair.views for g in view.groups if g.p is not None]
    assert len(tested) > 40
    assert not any(g.significant for g in tested)
    assert not any(m.significant for m in pair.metrics)


def test_it_finds_in_which_phase_policies_differ(policies: Comparison) -> None:
    """Both restore hosts with process alerts in the second phase; in the third one analyses."""
    pair = policies.pairs[2]
    assert (pair.a, pair.b) == ("RestoresOnProcess", "ByPhase")
    groups = groups_of(pair, "targeted by phase")
    tested = {name: g for name, g in groups.items() if g.distance is not None}
    third = [g for name, g in tested.items() if name.startswith("mission B")]
    assert all(g.distance == 0 for name, g in tested.items() if name.startswith("mission A"))
    assert third and all(g.significant for g in third)
    assert {place.difference.significant for place in pair.most} == {True}
    favourites = {sample.name: sample.favourites for sample in policies.samples}
    assert {f.action for f in favourites["RestoresOnProcess"]} == {"Restore", None}


def test_metrics_of_a_comparison_are_those_of_the_traces(
    policies: Comparison, recorded: Record
) -> None:
    traces = [recorded("random"), recorded("restores_on_process")]
    pair = policies.pairs[0]
    found = metrics_of(pair)["return"]
    assert found.value_a == pytest.approx(count(traces[0]).returns.mean())
    assert found.value_b == pytest.approx(count(traces[1]).returns.mean())
    soc_metrics = {m.name: m for m in soc(traces[0]).metrics if m.scope == "team"}
    shared = soc_metrics.keys() & metrics_of(pair).keys()
    assert len(shared) >= 25
    for name in shared:
        value, known = metrics_of(pair)[name].value_a, soc_metrics[name].value
        assert known is None or value == pytest.approx(known)


def test_phases_and_agents_of_one_trace(recorded: Record) -> None:
    by_phase = compare_parts(recorded("by_phase"), "phase")
    assert [s.name for s in by_phase.samples] == ["pre-planning", "mission A", "mission B"]
    assert by_phase.condition == "phase"
    assert groups_of(by_phase.pairs[2], "all decisions")["all decisions"].significant
    by_agent = compare_parts(recorded("restores_on_process"), "agent")
    assert len(by_agent.pairs) == 10
    assert all(pair.paired for pair in by_agent.pairs)
    targeted = [g for pair in by_agent.pairs for g in groups_of(pair, "targeted").values()]
    assert {g.distance for g in targeted} == {0.0, None}  # whoever acts on a host restores it


def test_a_comparison_becomes_json(policies: Comparison) -> None:
    content = json.loads(json.dumps(policies.to_json(), allow_nan=False))
    assert [s["name"] for s in content["samples"]] == ["random", "RestoresOnProcess", "ByPhase"]
    assert content["pairs"][0]["most"][0]["difference"]["distance"] > 0


# Bad input


def tiny(folder: Path, **options: object) -> Trace:
    return write_trace(folder, [{"steps": [{"episode": 0, "step": 0}]}], options=options)


@pytest.mark.parametrize(("name", "value"), [("red", "impact"), ("steps", 100), ("phishing", 0.5)])
def test_traces_of_different_conditions_are_refused_or_marked(
    name: str, value: object, tmp_path: Path
) -> None:
    traces = [
        tiny(tmp_path / "a", phishing=0.01),
        tiny(tmp_path / "b", **{"phishing": 0.01, name: value}),
    ]
    with pytest.raises(CagexplainError, match=rf"b/manifest.json: options.{name}: .* --allow-diff"):
        compare_traces(traces)
    (condition,) = compare_traces(traces, allow_different=True).conditions
    assert condition.name == name
    assert condition.values[1] == str(value)


def test_options_of_the_policy_are_told_but_accepted(tmp_path: Path) -> None:
    traces = [tiny(tmp_path / "a", mask_sleep=False), tiny(tmp_path / "b", mask_sleep=True)]
    (condition,) = compare_traces(traces).conditions
    assert (condition.name, condition.values) == ("mask_sleep", ("False", "True"))


def test_one_trace_alone_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--by phase or --by agent"):
        compare_traces([tiny(tmp_path / "a")])


# The command


def test_the_command_writes_page_and_numbers(
    recorded: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(recorded(name).path) for name in ("random", "by_phase")]
    page, numbers = tmp_path / "c.html", tmp_path / "c.json"
    assert main(["compare", *folders, "-o", str(page), "--json", str(numbers)]) == 0
    shown = capsys.readouterr().out
    assert "random and ByPhase, on the same seeds" in shown
    assert "Choices differ significantly in" in shown
    assert page.read_text().lower().startswith("<!doctype html>")
    assert len(json.loads(numbers.read_text())["pairs"]) == 1


def test_the_command_compares_parts_of_one_trace(
    recorded: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, page = str(recorded("by_phase").path), str(tmp_path / "c.html")
    assert main(["compare", folder, "--by", "phase", "-o", page]) == 0
    assert "mission A and mission B" in capsys.readouterr().out
    assert main(["compare", folder, folder, "--by", "phase", "-o", page]) == 2
    assert "--by: 2 traces were given" in capsys.readouterr().err


def test_the_command_refuses_a_trace_of_another_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        tiny(tmp_path / name)
    manifest = tmp_path / "b" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "schema_version": 1}))
    page = tmp_path / "c.html"
    assert main(["compare", str(tmp_path / "b"), str(tmp_path / "a"), "-o", str(page)]) == 1
    assert "schema_version: the trace has version 1" in capsys.readouterr().err
    assert not page.exists()
