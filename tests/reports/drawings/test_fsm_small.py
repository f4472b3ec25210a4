import re
from dataclasses import replace

import numpy as np

from cagexplain.analysis.compare.comparison import Favourite
from cagexplain.cc4.red_fsm import STATE_NAMES
from cagexplain.stats.distribution import distributions
from reports.drawings.fsm_small import HEIGHT, WIDTH, SmallNode, favourite, small_picture
from reports.kit import palette

CLEAR = Favourite("RD", "Restore", 0.6, 0.5, 0.7, True, (), 100, 9)
TIED = replace(CLEAR, clear=False, tied=("Analyse", "Remove"))
NONE = Favourite("RD", None, None, None, None, False, (), 0, 0)


def node(found: Favourite) -> SmallNode:
    (made,) = small_picture([found]).nodes
    return made


def test_the_most_chosen_action_gives_colour_and_words() -> None:
    made = node(CLEAR)
    assert made.colour == palette.ACTIONS["Restore"]
    assert made.lines == ("Restore", "60\u00a0%, n = 100")
    assert "not clearly ahead" not in made.title


def test_a_tie_is_marked_and_names_its_rivals() -> None:
    assert node(TIED).lines[0] == "≈ Restore"
    assert favourite(TIED).endswith("of 100 decisions; not clearly ahead of Analyse, Remove")


def test_a_state_without_enough_decisions_says_so() -> None:
    assert node(NONE).lines == ("no decisions", "n = 0")
    assert node(NONE).colour == palette.EMPTY
    assert node(replace(NONE, total=3, episodes=1)).lines == ("too few", "n = 3")


def test_everything_lies_on_the_canvas() -> None:
    picture = small_picture([replace(CLEAR, state=state) for state in STATE_NAMES])
    assert len(picture.nodes) == len(STATE_NAMES)
    drawn = [
        (float(x), float(y))
        for edge in picture.edges
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", f"{edge.path} {edge.head}")
    ]
    labels = [edge.label for edge in picture.edges]
    for x, y in [*(point for n in picture.nodes for point in n.labels), *labels, *drawn]:
        assert 0 < x < WIDTH and 0 < y < HEIGHT


def test_all_actions_of_a_state_are_its_ring() -> None:
    counts = np.array([[6, 3, 1], [0, 0, 0]])
    mixes = distributions(np.array([counts] * 9), ["RD", "K"], ["Restore", "Analyse", "Remove"])
    with_ring, without = small_picture([CLEAR, replace(CLEAR, state="K")], mixes=mixes).nodes
    assert [wedge.name for wedge in with_ring.ring] == ["Restore", "Analyse", "Remove"]
    assert {wedge.colour for wedge in with_ring.ring} <= set(palette.ACTIONS.values())
    assert without.ring == ()


def test_red_s_actions_stand_on_its_arrows() -> None:
    drawn = small_picture([CLEAR]).edges
    assert {edge.verb for edge in drawn if edge.style == "red"} == {
        *("sweep", "scan", "exploit", "escalate")
    }
    assert not any(edge.verb for edge in drawn if edge.style != "red")


def test_a_note_and_a_ring_are_the_state_s_own() -> None:
    picture = small_picture([CLEAR, replace(CLEAR, state="K")], {"RD": "2/3"}, ["K"])
    assert [(n.state, n.note, n.marked) for n in picture.nodes] == [
        *(("RD", "2/3", False), ("K", "", True)),
    ]
