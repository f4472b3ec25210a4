"""Where compiled code is kept, and what happens where it cannot be."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numba import njit

from cagexplain.common import compiling
from cagexplain.common.compiling import Store

COMPILING = "Compiling for this machine (once; up to a minute) ...\n"
Call = Callable[[], str]


def double(x: int) -> int:
    return 2 * x


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(compiling.VARIABLE, str(folder))
    monkeypatch.setattr(compiling.atexit, "register", lambda *_, **__: None)
    return folder


@pytest.fixture
def call(root: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the function as a new process would; returns what standard error was told."""

    def run() -> str:
        compiling._say.cache_clear()
        assert Store("test", [Path(__file__)]).keep(njit(double))(21) == 42
        return capsys.readouterr().err

    return run


def files(root: Path, suffix: str) -> list[Path]:
    return sorted(path for path in root.rglob(f"*{suffix}"))


def test_compiles_once_and_says_so(root: Path, call: Call) -> None:
    assert call() == COMPILING
    assert call() == ""
    (kept,) = root.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o700


def test_says_so_too_where_the_folder_holds_the_code_of_another_installation(
    root: Path, call: Call
) -> None:
    call()
    (code,) = next(root.iterdir()).iterdir()
    code.rename(code.with_name("common_of_another_place"))
    assert call() == COMPILING
    assert call() == ""


def _empty(content: bytes) -> bytes:
    return b""


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _garbage(content: bytes) -> bytes:
    return b"\x80\x05garbage" * 9


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".nbi", _empty),
        (".nbi", _cut),
        (".nbi", _garbage),
        (".nbc", _empty),
        (".nbc", _cut),
        (".nbc", _garbage),
        (".nbc", _flipped),
    ],
)
def test_damaged_code_is_removed_and_compiled_anew(
    suffix: str, damage: Callable[[bytes], bytes], root: Path, call: Call
) -> None:
    call()
    (file,) = files(root, suffix)
    file.write_bytes(damage(file.read_bytes()))
    assert call() == f"The compiled code in {file.parent} is damaged, and removed.\n{COMPILING}"
    assert call() == ""


def test_without_a_place_compiles_into_a_temporary_folder(root: Path, call: Call) -> None:
    root.write_text("a file where the folder should be")
    told = call()
    assert told.startswith(f"Compiled code is not kept in {root}")
    assert "(Not a directory), only for now; set NUMBA_CACHE_DIR to a folder" in told
    assert told.endswith(COMPILING)
    private = Path(os.environ[compiling.VARIABLE])  # which processes that are started inherit
    assert private.stat().st_mode & 0o777 == 0o700
    assert call() == ""
    shutil.rmtree(private)


def test_without_any_place_compiles_for_itself(
    root: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> str:
        raise FileNotFoundError(2, "No usable temporary directory")

    root.write_text("")
    monkeypatch.setattr(compiling.tempfile, "mkdtemp", refuse)
    assert "nor elsewhere" in call()


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(compiling.VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(compiling.Path, "home", homeless)
    assert "(Could not determine home directory.)" in call()
    shutil.rmtree(os.environ[compiling.VARIABLE])


class Planted:
    """Pickled, it leaves a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def _owned_by_another(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give folders away")
    os.chown(folder, 12345, 12345)


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


@pytest.mark.parametrize(
    ("hand_over", "reason"),
    [
        (_owned_by_another, "it belongs to somebody else"),
        (_open_to_all, "everybody can write to it"),
    ],
)
def test_what_others_may_have_written_is_not_read(
    hand_over: Callable[[Path], None], reason: str, root: Path, call: Call, tmp_path: Path
) -> None:
    call()
    mark = tmp_path / "mark"
    for index in files(root, ".nbi"):
        index.write_bytes(pickle.dumps(Planted(mark)))
    (folder,) = root.iterdir()
    hand_over(folder)
    told = call()
    assert f"is not kept in {folder} ({reason})" in told
    assert told.endswith(COMPILING)
    assert not mark.exists()
    shutil.rmtree(os.environ[compiling.VARIABLE])


def test_a_full_disk_is_no_failure(call: Call, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiling._CACHE_FILE, "save", full)
    told = call()
    assert "cannot be kept" in told and "No space left on device" in told
