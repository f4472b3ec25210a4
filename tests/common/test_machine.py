"""What the machine offers."""

import ctypes
import os

import pytest

from cagexplain.common import machine


def test_cores_are_those_of_the_process_where_the_system_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    assert machine.cores() == 3


@pytest.mark.parametrize(("counted", "cores"), [(8, 8), (None, 1)])
def test_cores_are_all_where_it_does_not(
    counted: int | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS and Windows."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert machine.cores() == cores


def test_memory_is_given_back_where_the_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Library:
        def malloc_trim(self, kept: int) -> None:
            asked.append(kept)

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    machine.trim()
    assert asked == [0]
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    machine.trim()  # another C library: nothing to ask
