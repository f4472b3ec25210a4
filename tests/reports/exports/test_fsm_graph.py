import json
from io import BytesIO
from pathlib import Path

import networkx as nx
import pytest

from cagexplain.analysis.fsm.counts import count
from cagexplain.analysis.fsm.graph import FsmGraph, fsm_graph
from cagexplain.cc4.reds import VARIANTS
from cagexplain.cli.main import main
from cagexplain.tracing.trace import Trace
from reports.exports.fsm_graph import graphml, node_link
from tests.support.traces import record


@pytest.fixture
def graph(trace: Trace) -> FsmGraph:
    return fsm_graph(count(trace), VARIANTS["finite_state"])


def test_graphml_can_be_read_again(graph: FsmGraph) -> None:
    read = nx.read_graphml(BytesIO(graphml(graph).encode()))
    assert isinstance(read, nx.MultiDiGraph)
    assert {s.state: s.host_steps for s in graph.states} == dict(read.nodes(data="host_steps"))
    counts = sorted((s, t, n) for s, t, n in read.edges(data="count"))
    assert counts == sorted((e.source, e.target, e.count) for e in graph.transitions)


def test_what_is_unknown_is_left_out_and_causes_have_attributes(graph: FsmGraph) -> None:
    read = nx.read_graphml(BytesIO(graphml(graph).encode()))
    for _, _, attributes in read.edges(data=True):
        assert None not in attributes.values()
        assert ("rate" in attributes) == (
            attributes["kind"] == "red" and attributes["attempts"] > 0
        )
    lost = next(e for e in graph.transitions if e.kind == "blue" and e.source == "RD")
    (found,) = (a for s, _, a in read.edges(data=True) if s == "RD" and a["kind"] == "blue")
    assert lost.evictors is not None
    for share in lost.evictors:
        assert found[f"evicted by {share.name}"] == share.count


def test_node_link_json_can_be_read_again(graph: FsmGraph) -> None:
    read = nx.node_link_graph(json.loads(node_link(graph)))  # as NetworkX has it by default
    assert isinstance(read, nx.MultiDiGraph)
    assert read.number_of_nodes() == len(graph.states)
    assert read.number_of_edges() == len(graph.transitions)
    scan = next(
        e for e in graph.transitions if (e.source, e.action, e.ending) == ("K", 1, "success")
    )
    assert read.edges["K", "S", "K 1 success S"]["rate"] == scan.rate


def test_the_command_writes_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "trace"
    record(folder, "sleep", 2, steps=20)
    names = {"--graphml": "g.xml", "--graph-json": "g.json", "--dot": "g.dot", "--svg": "g.svg"}
    options = [part for option, name in names.items() for part in (option, str(tmp_path / name))]
    assert main(["fsm-report", str(folder), *options]) == 0
    written = capsys.readouterr().out.splitlines()
    assert {Path(line).name for line in written} == {"fsm-report.html", *names.values()}
    picture = (tmp_path / "g.svg").read_text()
    assert picture.count("<style>") == 1
    assert "var(--red)" in picture and "--red: #" in picture  # the colours come along
    assert nx.read_graphml(tmp_path / "g.xml").number_of_nodes() == 10
    with open(tmp_path / "g.json") as file:
        assert nx.node_link_graph(json.load(file)).number_of_nodes() == 10


def test_an_unknown_episode_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "trace"
    record(folder, "sleep", 2, steps=20)
    assert main(["fsm-report", str(folder), "--episode", "7"]) == 2
    assert "there is no episode 7" in capsys.readouterr().err
