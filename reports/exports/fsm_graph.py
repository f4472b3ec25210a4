"""The state machine in formats that other programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import networkx as nx

from cagexplain.analysis.fsm.graph import FsmGraph


def graphml(graph: FsmGraph) -> str:
    """The graph as GraphML, which NetworkX, Gephi, yEd and others read.

    Attributes are those of `StateNode` and `Transition`; one that is None is left out, and what
    evicted red is split into an attribute for each cause. Edges have the key's text as their id.
    """
    return "\n".join(nx.generate_graphml(_plain(graph))) + "\n"


def node_link(graph: FsmGraph) -> str:
    """The graph as JSON in NetworkX's node-link form: ``nodes`` and ``edges``.

    ``networkx.node_link_graph`` reads it as it is from NetworkX 3.6 on; in NetworkX 3.4 and 3.5 it
    has to be given ``edges="edges"``.
    """
    return json.dumps(nx.node_link_data(_plain(graph), edges="edges"), indent=2) + "\n"


def _plain(graph: FsmGraph) -> nx.MultiDiGraph:
    """The graph with plain attributes and text as keys."""
    plain = nx.MultiDiGraph()
    rich = graph.networkx()
    for state, attributes in rich.nodes(data=True):
        plain.add_node(state, **_flat(attributes))
    for source, target, key, attributes in rich.edges(keys=True, data=True):
        name = key if isinstance(key, str) else f"{key[0]} {key[1]}"
        plain.add_edge(source, target, f"{source} {name} {target}", **_flat(attributes))
    return plain


def _flat(attributes: Mapping[str, Any]) -> dict[str, Any]:
    # "source" and "target" are the ends of an edge in both formats.
    known = {
        name: value
        for name, value in attributes.items()
        if value is not None and name not in ("source", "target", "evictors")
    }
    evictors = {
        f"evicted by {share['name']}": share["count"] for share in attributes.get("evictors") or ()
    }
    return known | evictors
