from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cagexplain.analysis.fsm.circumstances import (
    PATTERNS,
    CircumstanceCounter,
    Circumstances,
    circumstances,
)
from cagexplain.analysis.fsm.counts import count
from cagexplain.analysis.fsm.distributions import (
    action_mix,
    action_mix_by_phase,
    effort,
    target_truth,
)
from cagexplain.cc4 import agents, network, red_fsm
from cagexplain.facts.batch import run
from cagexplain.stats.distribution import Distribution
from cagexplain.stats.entropy import MIN_EPISODES, entropies
from cagexplain.stats.shares import ratios
from cagexplain.tracing.trace import Trace
from tests.support.planted import record as record_planted
from tests.support.traces import write_trace


def found_in(trace: Trace) -> Circumstances:
    counter = CircumstanceCounter()
    run(trace, [counter])
    return circumstances(counter.result())


def counted(distribution: Distribution) -> dict[str, int]:
    return {share.name: share.count for share in distribution.shares if share.count}


@pytest.fixture(scope="module")
def on_process(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("planted") / "trace"
    return record_planted(folder, "restores_on_process", 10, steps=150)


def test_entropy_of_equal_shares_and_of_one_category() -> None:
    even, single = entropies(np.tile([[[50, 50, 50, 50], [200, 0, 0, 0]]], (60, 1, 1)))
    assert even.value == pytest.approx(np.log(4)) == even.most
    assert even.low == pytest.approx(np.log(4))
    assert single.value == single.low == 0
    p = 0.05 ** (1 / 60)  # what 60 episodes, one trial each, cannot exclude
    rest = (1 - p) / 3
    assert single.high == pytest.approx(-p * np.log(p) - 3 * rest * np.log(rest))


def test_entropy_without_counts_and_of_one_episode() -> None:
    nothing, once = entropies(np.array([[[0, 0], [1, 3]]]))
    assert (nothing.value, nothing.low, nothing.bias) == (None, None, None)
    assert once.value == pytest.approx(-0.25 * np.log(0.25) - 0.75 * np.log(0.75))
    assert (once.low, once.high, once.bias) == (None, None, None)


def test_the_correction_of_an_entropy_helps() -> None:
    rng = np.random.default_rng(1)
    truth = np.array([0.5, 0.3, 0.15, 0.05])
    entropy = -(truth * np.log(truth)).sum()
    corrected, plain = [], []
    for _ in range(200):
        own = rng.dirichlet(truth * 20, 10)
        counts = np.array([[rng.multinomial(rng.poisson(50), p)] for p in own])
        (found,) = entropies(counts, resamples=150)
        assert found.value is not None and found.bias is not None
        corrected.append(found.value)
        plain.append(found.value - found.bias)
    assert abs(np.mean(corrected) - entropy) < 0.5 * abs(np.mean(plain) - entropy)


_EPISODES = st.sampled_from([1, 8, MIN_EPISODES])


@settings(max_examples=40)
@given(hnp.arrays(np.int32, st.tuples(_EPISODES, st.just(2), st.integers(2, 5)),
                  elements=st.integers(0, 40)))  # fmt: skip
def test_entropy_stays_within_its_range(counts: npt.NDArray[np.int32]) -> None:
    for found in entropies(counts, resamples=30):
        if found.value is not None:
            assert 0 <= found.value <= found.most
        if found.low is not None and found.high is not None and found.value is not None:
            assert 0 <= found.low <= found.value <= found.high <= found.most


def test_ratios_pool_over_episodes() -> None:
    first, second = ratios(np.array([[1.0, 0], [5, 0]]), np.array([[1.0, 0], [2, 0]]))
    assert (first.value, first.low, first.total, first.episodes) == (2, None, 3, 2)
    assert (second.value, second.low, second.episodes) == (None, None, 0)


def test_ratios_to_a_constant_are_means() -> None:
    counts = np.array([[2.0], [3.0], [4.0], [5.0], [6.0]])
    (found,) = ratios(counts, np.full((5, 1), 2.0))
    half = 2.776445 * np.sqrt(2.5 / 5) / 2  # Student's
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    (bounded,) = ratios(counts, np.full((5, 1), 2.0), bounds=(1.5, 2.5))
    assert (bounded.low, bounded.high) == (1.5, 2.5)


def test_a_policy_that_answers_process_alerts_only(on_process: Trace) -> None:
    """It restores a host with a process alert, and does nothing else to any host."""
    found = found_in(on_process)
    by_pattern = {d.group: counted(d) for d in found.target_alerts}
    assert by_pattern["no alert"] == by_pattern["connection alert"] == {}
    assert set(by_pattern["process alert"]) == {"Restore"}
    assert found.zone_alerts is not None
    for distribution in found.zone_alerts["team"]:
        alarmed = not distribution.group.startswith("0 process")
        assert set(counted(distribution)) <= {"Restore" if alarmed else "Sleep"}
    for distribution in found.target_alerts[2:]:
        assert distribution.total > 0
        assert distribution.entropy is not None
        assert distribution.entropy.value == 0


def test_kinds_of_hosts_and_patterns_add_up(on_process: Trace) -> None:
    found = found_in(on_process)
    mix = action_mix(count(on_process))
    for parts in (found.by_host_kind, found.by_target_alerts):
        for state, whole in enumerate(mix.targeted):
            assert sum(part[state].total for part in parts.values()) == whole.total
    assert set(found.by_target_alerts) == set(PATTERNS)


def test_exact_alerts_add_up_to_their_classes(on_process: Trace) -> None:
    found = found_in(on_process)
    assert found.exact_zone_alerts is not None and found.zone_alerts is not None
    classes = dict.fromkeys((d.group for d in found.zone_alerts["team"]), 0)
    names = ("0", "1", "2+")
    for row in found.exact_zone_alerts:
        group = f"{names[min(row.process, 2)]} process, {names[min(row.connection, 2)]} connection"
        classes[group] += sum(row.counts.values())
    assert classes == {d.group: d.total for d in found.zone_alerts["team"]}
    by_agent = [d for name in agents.BLUE for d in found.zone_alerts[name]]
    assert sum(d.total for d in by_agent) == sum(classes.values())


def test_alerts_of_the_zone_agree_with_the_steps_table(on_process: Trace) -> None:
    """The team's alerts in a step are those of its five agents; so each, weighted, in sum."""
    found = found_in(on_process)
    blue, steps = on_process.table("blue"), on_process.table("steps")
    free = blue.groupby(["episode", "step"])["started"].sum().to_numpy() == agents.N_BLUE
    assert found.exact_zone_alerts is not None
    at_least = steps["process_alerts"].to_numpy()[free].sum()
    seen = sum(row.process * sum(row.counts.values()) for row in found.exact_zone_alerts)
    assert at_least <= seen <= steps["process_alerts"].sum()


def test_without_observations_the_zone_is_a_gap_but_the_target_is_not(trace: Trace) -> None:
    found = found_in(trace)
    assert found.zone_alerts is None and found.exact_zone_alerts is None
    blue = trace.table("blue")
    blue = blue[blue["started"] & blue["target_host"].notna()]
    pattern = 2 * blue["process_alert"] + blue["connection_alert"]
    kind = (
        blue["target_host"].astype(str).str.contains("server").map({True: "server", False: "user"})
    )
    assert [d.total for d in found.target_alerts] == [(pattern == code).sum() for code in range(4)]
    for name, group in blue.groupby(kind):
        states = group["target_state"].value_counts()
        for distribution in found.by_host_kind[str(name)]:
            assert distribution.total == states[distribution.group]


def test_the_policys_own_entropy(tmp_path: Path) -> None:
    def decision(episode: int, agent: str, entropy: float | None) -> dict[str, object]:
        row = {"episode": episode, "step": 0, "agent": agent, "action_type": "Sleep"}
        return {**row, "started": True, "zone_state": "K", "entropy": entropy}

    parts = [
        {
            "steps": [{"episode": e, "step": 0}],
            "blue": [decision(e, "blue_agent_0", 0.5 + e), decision(e, "blue_agent_1", None)],
        }
        for e in range(2)
    ]
    found = found_in(write_trace(tmp_path / "t", parts)).policy_entropy
    assert found is not None
    known = found["team"][red_fsm.State.K]
    assert (known.value, known.low, known.high, known.total) == (1.0, None, None, 2)
    assert found["blue_agent_0"][red_fsm.State.K] == known
    assert found["blue_agent_1"][red_fsm.State.K].value is None
    assert found["team"][red_fsm.State.R].value is None


def test_a_policy_without_probabilities_has_no_entropy_of_its_own(on_process: Trace) -> None:
    assert found_in(on_process).policy_entropy is None


def test_a_policy_that_changes_with_the_phase(tmp_path: Path) -> None:
    """Observations tell of a new phase one step late, so its first step is still the old one's."""
    trace = record_planted(tmp_path / "t", "by_phase", 10, steps=150, observations=False)
    blue = trace.table("blue")
    late = ((blue["step"] == 100) & (blue["action_type"] == "Restore") & blue["started"]).sum()
    first, second, third = action_mix_by_phase(count(trace)).values()
    assert not any(d.total for d in first.targeted)
    assert {name for d in first.situational for name in counted(d)} == {"Sleep"}
    assert {name for d in second.targeted for name in counted(d)} == {"Restore"}
    total = Counter[str]()
    for distribution in third.targeted:
        total.update(counted(distribution))
    assert total.pop("Restore", 0) == late
    assert set(total) == {"Analyse"}


def test_probabilities_are_recovered(tmp_path: Path) -> None:
    trace = record_planted(tmp_path / "t", "chances", 20, steps=150, observations=False)
    truth = {"Analyse": 0.3, "Remove": 0.1, "Restore": 0.15, "Sleep": 0.45}
    for share in effort(count(trace)).shares:
        assert share.low is not None and share.high is not None
        assert share.low <= truth.get(share.name, 0.0) <= share.high
    entropy = effort(count(trace)).entropy
    assert entropy is not None
    assert entropy.value == pytest.approx(-sum(p * np.log(p) for p in truth.values()), abs=0.02)


def test_a_policy_that_sees_the_truth_targets_root_only(tmp_path: Path) -> None:
    trace = record_planted(tmp_path / "t", "restores_root", 6, steps=200, observations=False)
    restore = next(d for d in target_truth(count(trace)) if d.group == "Restore")
    assert restore.total > 0
    assert counted(restore) == {"root session": restore.total}


def test_agents_of_the_mix_own_its_targets(trace: Trace) -> None:
    blue = trace.table("blue")
    blue = blue[blue["started"] & blue["target_host"].notna()]
    owner = pd.Series(agents.BLUE_OF_HOST, index=network.HOST_NAMES)
    assert (owner[blue["target_host"]].to_numpy() == blue["agent"].cat.codes.to_numpy()).all()
    counts = count(trace)
    for agent in range(agents.N_BLUE):
        of_agent = (blue["agent"].cat.codes == agent).sum()
        assert sum(d.total for d in action_mix(counts, agent).targeted) == of_agent
