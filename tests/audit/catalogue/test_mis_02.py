"""The worst episodes."""

from pathlib import Path

import numpy as np
import pytest

from cagexplain.audit.catalogue import mis_02
from cagexplain.audit.results import Finding
from tests.support.small import by_hand, finding, number

(MEASURE,) = mis_02.CHECK.measures


def of(losses: list[float]) -> float:
    """The measure of some losses."""
    classes = np.rint(np.log(losses) / np.log(mis_02.WIDTH)).astype(int)
    totals = np.bincount(classes, minlength=mis_02.CLASSES)
    return float(MEASURE.statistic.value(totals.astype(float)))


def judge(folder: Path, losses: list[float]) -> Finding:
    """The finding about episodes of two steps that lose some points each."""
    rows = [
        {"episode": episode, "step": step, "phase": 0, "reward": -loss / 2}
        for episode, loss in enumerate(losses)
        for step in (0, 1)
    ]
    return finding(by_hand(folder, {"steps": rows}), mis_02.CHECK)


def test_the_worst_tenth_is_held_against_the_better_half() -> None:
    assert of([100.0] * 10) == pytest.approx(1)
    assert of([100.0] * 9 + [700.0]) == pytest.approx(7, rel=0.02)
    # Of eleven, the worst 1.1 and the better 5.5 count.
    worst, better = (900 + 0.1 * 400) / 1.1, (5 * 100 + 0.5 * 200) / 5.5
    assert of([100.0] * 5 + [200.0] * 4 + [400.0, 900.0]) == pytest.approx(worst / better, rel=0.02)


def test_who_is_absent_in_some_episodes_fails(tmp_path: Path) -> None:
    lot = np.random.default_rng(1).uniform(150, 250, 60)
    absent = np.where(np.arange(60) % 5 == 0, 3000.0, lot)
    sound, lapses = judge(tmp_path / "a", lot.tolist()), judge(tmp_path / "b", absent.tolist())
    assert sound.verdict == "PASS"
    assert (number(sound).value or 0) == pytest.approx(1.4, abs=0.15)
    assert lapses.verdict == "FAIL"
    assert (number(lapses).value or 0) > 10


def test_many_of_the_episodes_may_be_bad(tmp_path: Path) -> None:
    losses = [200.0, 3000.0, 200.0, 3000.0, 200.0] * 12
    assert judge(tmp_path, losses).verdict == "FAIL"


def test_who_is_bad_throughout_is_even(tmp_path: Path) -> None:
    assert judge(tmp_path, [6000.0, 7000.0] * 15).verdict == "PASS"


def test_no_loss_is_the_least_class(tmp_path: Path) -> None:
    found = judge(tmp_path, [0.0, 1.0] * 10)
    assert number(found).value == pytest.approx(1)


def test_the_last_reward_does_not_count(tmp_path: Path) -> None:
    rows = [{"episode": 0, "step": step, "reward": -100.0 * (step == 498)} for step in range(499)]
    view = by_hand(tmp_path, {"steps": rows})
    assert mis_02.losses(view)[0, 0] == 1
