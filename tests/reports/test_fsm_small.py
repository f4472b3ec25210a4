import re

from cagexplain.analysis.distributions import Distribution, Share
from cagexplain.analysis.fsm import FsmAnalysis
from cagexplain.analysis.fsm_graph import Transition
from reports import palette
from reports.fsm_small import HEIGHT, WIDTH, SmallNode, small_picture
from tests.reports.conftest import Analyse


def mix(state: str, *shares: tuple[str, int, float | None, float | None]) -> Distribution:
    total = sum(n for _, n, _, _ in shares)
    return Distribution(
        state, total, 5, tuple(Share(name, n, n / total, a, b) for name, n, a, b in shares)
    )


def node(found: Distribution) -> SmallNode:
    (made,) = small_picture([], [found]).nodes
    return made


def test_the_most_chosen_action_gives_colour_and_words() -> None:
    made = node(mix("RD", ("Restore", 60, 0.5, 0.7), ("Analyse", 40, 0.3, 0.45)))
    assert made.colour == palette.ACTIONS["Restore"]
    assert made.lines == ("Restore", "60\u00a0%, n = 100")


def test_a_tie_is_marked() -> None:
    made = node(mix("RD", ("Restore", 55, 0.4, 0.7), ("Analyse", 45, 0.3, 0.6)))
    assert made.lines[0] == "≈ Restore"
    assert node(mix("U", ("Remove", 3, None, None))).lines[0] == "≈ Remove"


def test_a_state_without_decisions_says_so() -> None:
    made = node(Distribution("U", 0, 0, (Share("Restore", 0, None, None, None),)))
    assert made.lines == ("no decisions", "n = 0") and made.colour == palette.EMPTY


def test_arrows_add_up_what_moved_and_leave_out_what_stayed() -> None:
    edges = small_picture(
        [
            Transition("K", "S", "red", 1, "success", 20),
            Transition("K", "S", "red", 2, "success", 15),
            Transition("S", "S", "red", 3, "success", 900),
            Transition("U", "KD", "blue", None, None, 7),
            Transition("U", "R", "red", 5, "success", 0),
        ],
        [],
    ).edges
    assert [(e.title, e.style) for e in edges] == [
        ("K → S: 35 hosts", "red"),
        ("U → KD: 7 hosts", "blue rare"),
    ]


def test_all_states_and_curves_lie_on_the_canvas(analysed: Analyse) -> None:
    analysis: FsmAnalysis = analysed("random")
    picture = small_picture(analysis.graph.transitions, analysis.mix.targeted)
    assert [n.state for n in picture.nodes] == [
        "?" if m.group == "unknown" else m.group for m in analysis.mix.targeted
    ]
    texts = [point for n in picture.nodes for point in n.labels]
    drawn = [
        (float(x), float(y))
        for edge in picture.edges
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", edge.path)
    ]
    for x, y in [*texts, *drawn]:
        assert 0 < x < WIDTH and 0 < y < HEIGHT
