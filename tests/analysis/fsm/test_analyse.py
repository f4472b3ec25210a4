import json
from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from cagexplain.analysis.fsm.analyse import FsmAnalysis, analyse
from cagexplain.analysis.fsm.counts import EVICTORS, count
from cagexplain.analysis.fsm.distributions import action_mix
from cagexplain.analysis.fsm.graph import evictions, fsm_graph
from cagexplain.cc4.red_fsm import STATE_NAMES, State
from cagexplain.cc4.reds import REDS, VARIANTS
from cagexplain.common.errors import CagexplainError
from cagexplain.stats.distribution import CategoryShare, Distribution, distributions
from cagexplain.tracing.trace import Trace
from tests.support import planted
from tests.support.traces import record, write_trace


@pytest.fixture(scope="module")
def analysis(trace: Trace) -> FsmAnalysis:
    return analyse(trace)


def test_action_mix_of_the_handmade_trace(handmade: Trace) -> None:
    mix = action_mix(count(handmade))
    known = mix.targeted[State.K]
    assert (known.group, known.total, known.episodes) == ("K", 2, 2)
    assert {s.name: s.count for s in known.shares} == {
        "Analyse": 0, "Remove": 0, "Restore": 2, "DeployDecoy": 0,
    }  # fmt: skip
    assert known.top is not None and known.top.name == "Restore"
    assert known.share_of("Restore").share == 1
    assert not known.clear
    assert mix.targeted[State.RD].top is None
    assert mix.situational[State.RD].total == 2
    assert len(mix.situational[State.RD].shares) == 8


def test_a_leader_is_clear_when_its_interval_lies_above_all_others() -> None:
    def found(low: float) -> Distribution:
        return Distribution(
            "R", 10, 5, (CategoryShare("a", 4, 0.4, 0.1, 0.5), CategoryShare("b", 6, 0.6, low, 0.9))
        )

    assert found(0.51).clear
    assert not found(0.49).clear


def test_graph_of_the_handmade_trace(handmade: Trace) -> None:
    graph = fsm_graph(count(handmade), VARIANTS["finite_state"]).networkx()
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.nodes["S"]["host_steps"] == 2
    assert graph.nodes["S"]["time"] == pytest.approx(2 / 18)
    scan = graph.edges["K", "S", (1, "success")]
    assert (scan["count"], scan["attempts"], scan["rate"], scan["nominal"]) == (1, 1, 1.0, 0.25)
    assert graph.edges["S", "S", (4, "failure")]["rate"] == pytest.approx(1 / 3)
    assert graph.edges["S", "S", (4, "dropped")]["count"] == 1
    assert graph.edges["S", "F", (4, "handed over")]["count"] == 1
    assert graph.edges["U", "KD", "blue"]["count"] == 1
    evictors = {
        share["name"]: share["count"] for share in graph.edges["U", "KD", "blue"]["evictors"]
    }
    assert evictors == {**dict.fromkeys(EVICTORS, 0), "Restore": 1}
    assert graph.edges["unknown", "K", "seen"]["count"] == 2


def test_what_red_may_do_but_did_not_is_in_the_graph_with_a_count_of_0(handmade: Trace) -> None:
    graph = fsm_graph(count(handmade), VARIANTS["finite_state"]).networkx()
    assert graph.edges["UD", "RD", (5, "success")]["count"] == 0
    assert graph.edges["UD", "RD", (5, "success")]["rate"] is None
    assert graph.edges["RD", "RD", (0, "success")]["count"] == 0  # swept for another host's sake
    assert not graph.has_edge("U", "S", (8, "success"))  # nobody withdraws
    impact = fsm_graph(count(handmade), VARIANTS["impact"]).networkx()
    assert impact.has_edge("R", "R", (6, "success"))
    assert not impact.has_edge("R", "R", (7, "success"))


def test_edges_lead_where_the_recorded_hosts_went(trace: Trace) -> None:
    found = {
        (edge.source, edge.target, edge.action, edge.ending): edge.count
        for edge in fsm_graph(count(trace), VARIANTS["finite_state"]).transitions
        if edge.kind == "red" and edge.count and edge.ending in ("success", "failure")
    }
    rows = trace.table("transitions")
    rows = rows[rows["cause"] == "action"]
    columns = [rows[name] for name in ("from_state", "to_state", "action")]
    expected = Counter(zip(*columns, rows["outcome"].str.lower(), strict=True))
    assert found == expected


def test_sessions_that_red_notices_lead_where_the_recorded_hosts_went(tmp_path: Path) -> None:
    trace = record(tmp_path / "t", "sleep", 2, red="silent_own", steps=80)
    edges = {
        (edge.source, edge.target): edge.count
        for edge in fsm_graph(count(trace), REDS["silent_own"]).transitions
        if edge.kind == "own"
    }
    rows = trace.table("transitions")
    rows = rows[rows["cause"] == "own_session"]
    assert edges == Counter(zip(rows["from_state"], rows["to_state"], strict=True))
    assert edges and {target for _, target in edges} <= {"U", "UD"}


def test_shares_of_an_action_in_a_state_add_up(trace: Trace) -> None:
    edges = fsm_graph(count(trace), VARIANTS["finite_state"]).transitions
    for state in STATE_NAMES:
        for action in range(9):
            rates = [e.rate for e in edges if (e.source, e.action) == (state, action) and e.count]
            if rates:
                assert sum(rate or 0 for rate in rates) == pytest.approx(1)


def test_analysis_of_a_real_trace(analysis: FsmAnalysis) -> None:
    assert analysis.facts.seeds == tuple(range(7, 16))
    assert sum(node.time for node in analysis.graph.states) == pytest.approx(1)
    decisions = sum(mix.total for mix in analysis.mix.situational)
    assert decisions == analysis.effort.total
    by_agent = [mix.situational for mix in analysis.mix_by_agent.values()]
    assert decisions == sum(found.total for agent in by_agent for found in agent)
    assert [choice.chosen.group for choice in analysis.red_choices] == list(STATE_NAMES)
    for choice in analysis.red_choices:
        assert sum(choice.nominal) == pytest.approx(1) or not any(choice.nominal)
    for action in analysis.red_actions:
        assert action.detected <= action.results.total <= action.started + 6 * 9


def test_red_chooses_as_cc4_says(analysis: FsmAnalysis) -> None:
    """Observed choices beside nominal ones: the intervals hold them in (nearly) all states."""
    inside = []
    for choice in analysis.red_choices:
        for share, nominal in zip(choice.chosen.shares, choice.nominal, strict=True):
            if choice.chosen.total >= 30 and share.low is not None and share.high is not None:
                inside.append(share.low <= nominal <= share.high)
    assert len(inside) >= 16
    assert np.mean(inside) > 0.9


def test_belief_against_truth(handmade: Trace) -> None:
    beliefs = {belief.levels.group: belief for belief in analyse(handmade).beliefs}
    assert beliefs["K"].wrong == 0
    assert beliefs["S"].wrong == 0.5
    assert beliefs["U"].wrong == 1
    assert beliefs["unknown"].wrong == pytest.approx(1 / 10)
    assert beliefs["F"].wrong is None
    assert beliefs["RD"].wrong is None


def test_results_become_json(analysis: FsmAnalysis) -> None:
    content = json.loads(json.dumps(analysis.to_json(), allow_nan=False))
    assert content["facts"]["policy"]["name"] == "random"
    assert len(content["mix"]["targeted"]) == 10
    assert set(content["mix_by_agent"]) == {f"blue_agent_{i}" for i in range(5)}


def test_an_unknown_red_variant_is_an_error_that_names_the_field(tmp_path: Path) -> None:
    steps = [{"episode": 0, "step": 0}]
    trace = write_trace(tmp_path / "t", [{"steps": steps}], options={"red": "purple"})
    with pytest.raises(CagexplainError, match=r"manifest.json: options.red: .*'purple'"):
        analyse(trace)


def test_an_empty_episode_is_no_error(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "t", [{"steps": [{"episode": 0, "step": 0}]}])
    analysis = analyse(trace)
    assert analysis.effort.total == 0
    assert analysis.returns.total.low is None


def test_distributions_name_groups_and_categories() -> None:
    (only,) = distributions(np.array([[[1, 3]], [[2, 2]]]), ["g"], ["x", "y"])
    assert [(share.name, share.count) for share in only.shares] == [("x", 3), ("y", 5)]


def test_graphs_of_places_and_phases_divide_the_whole(analysis: FsmAnalysis) -> None:
    for parts in (analysis.graph_by_place, analysis.graph_by_phase):
        for i, state in enumerate(analysis.graph.states):
            assert sum(part.states[i].host_steps for part in parts.values()) == state.host_steps
            assert sum(part.states[i].spells or 0 for part in parts.values()) == state.spells
        for kind in ("red", "blue", "seen"):
            whole = sum(e.count for e in analysis.graph.transitions if e.kind == kind)
            assert whole == sum(
                e.count for part in parts.values() for e in part.transitions if e.kind == kind
            )


def test_dwell_times_stand_at_the_states(analysis: FsmAnalysis, trace: Trace) -> None:
    for node, survival in zip(analysis.graph.states, analysis.dwelling.states, strict=True):
        assert (node.spells, node.ended) == (survival.n, survival.ended)
        assert (node.dwell, node.dwell_low) == (survival.median.value, survival.median.low)
        assert node.dwell_mean == survival.restricted_mean.value
    graph = fsm_graph(count(trace), VARIANTS["finite_state"])
    assert graph.states[State.K].dwell is None


def test_red_loses_sessions_to_restores_where_blue_only_restores(tmp_path: Path) -> None:
    trace = planted.record(tmp_path / "t", "restores_on_process", 8, steps=250, observations=False)
    found = evictions(count(trace))
    assert sum(d.total for d in found.causes) >= 20
    for distribution in found.causes:
        assert distribution.share_of("Remove").count == 0
    by_restore = sum(d.share_of("Restore").count for d in found.causes)
    assert by_restore == sum(d.share_of("evicted").count for d in found.effects["Restore"])
    assert not any(d.total for d in found.effects["Remove"])


def test_nothing_evicts_red_while_blue_sleeps(tmp_path: Path) -> None:
    found = evictions(count(record(tmp_path / "t", "sleep", 3)))
    assert not any(d.total for d in (*found.causes, *found.effects["Restore"]))
    assert all(d.top is None for d in found.causes)


def test_chosen_episodes_are_shown(analysis: FsmAnalysis, trace: Trace) -> None:
    assert len(analysis.timelines) == 3
    assert [t.episode for t in analyse(trace, (2, 5)).timelines] == [2, 5]
