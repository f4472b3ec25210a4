"""What the soak test makes of samples, and that its cycle runs."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import soak
from benchmarks.soak import Sample, trend


def samples(
    memory: Callable[[int], float] = lambda i: 0.0,
    threads: Callable[[int], int] = lambda i: 8,
    files: Callable[[int], int] = lambda i: 6,
    n: int = 60,
) -> list[Sample]:
    noise = np.random.default_rng(0).normal(0, 1, n)
    return [Sample(10.0 * i, 500 + noise[i] + memory(i), threads(i), files(i)) for i in range(n)]


def test_noise_a_warm_up_and_a_step_are_no_growth() -> None:
    assert trend(samples()).growing(20) == []
    assert trend(samples(lambda i: 100 * (1 - np.exp(-i / 5)))).growing(20) == []
    assert trend(samples(lambda i: 64.0 * (i > 56))).growing(20) == []
    assert trend(samples(threads=lambda i: 7 + (i > 3))).growing(20) == []


def test_steady_growth_is_told() -> None:
    found = trend(samples(lambda i: 0.5 * i))  # 30 MB per ten minutes
    assert found.low < 30 < found.high
    assert found.growing(20) == ["memory"]
    assert found.growing(40) == []
    assert trend(samples(threads=lambda i: 8 + i // 10)).growing(20) == ["threads"]
    assert trend(samples(files=lambda i: i)).growing(20) == ["files"]


@pytest.mark.parametrize("part", soak.PARTS)
def test_each_part_of_a_cycle_runs(part: Callable[[int], None]) -> None:
    part(1)


@pytest.mark.parametrize("arguments", [["--minutes", "0"], ["--bound", "x"], ["--cake"]])
def test_wrong_arguments_are_one_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        soak.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("error:") == 1
