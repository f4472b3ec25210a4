import contextlib
import errno
import hashlib
import json
import os
import re
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.common import files
from cagexplain.common.errors import CagexplainError


def disk_full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.write_text("old")
    return path


def assert_untouched(target: Path) -> None:
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target], "a temporary file was left behind"


@pytest.mark.parametrize(
    ("write", "content"),
    [
        (lambda path: files.write_bytes(path, b"\x00new"), b"\x00new"),
        (lambda path: files.write_text(path, "né\n"), "né\n".encode()),
        (
            lambda path: files.write_json(path, {"b": [1, "é"]}),
            b'{\n  "b": [\n    1,\n    "\xc3\xa9"\n  ]\n}\n',
        ),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_writes(
    tmp_path: Path, write: Callable[[Path], None], content: bytes, exists: bool
) -> None:
    path = tmp_path / "file"
    if exists:
        path.write_text("something much longer than the new content of this file")
    write(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_old_content_stays_until_the_end(target: Path) -> None:
    with files.atomic_write(target, "w") as file:
        file.write("new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt()])
def test_failure_in_the_block_changes_nothing(target: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), files.atomic_write(target) as file:
        file.write(b"half of the new cont")
        raise error
    assert_untouched(target)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_changes_nothing_and_names_the_file(
    target: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(files.os, call, disk_full)
    with pytest.raises(OSError, match="No space left") as caught:
        files.write_text(target, "new")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(target)
    assert_untouched(target)


def test_write_that_really_stops_halfway_changes_nothing(target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            files.write_bytes(target, bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(target)
    assert_untouched(target)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_device_is_written_to_and_not_replaced(device: str) -> None:
    assert files.prepare_output_file(device) == Path(device)
    with contextlib.nullcontext() if device == "/dev/null" else pytest.raises(OSError) as caught:
        files.write_text(device, "new")
    if caught is not None:
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, device)
    assert stat.S_ISCHR(os.stat(device).st_mode)


def test_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_text(files.prepare_output_file(pipe), "new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)


def test_where_standard_output_goes_to_comes_in_its_turn(tmp_path: Path) -> None:
    code = (
        "from cagexplain.common.files import write_text; print('one');"
        "write_text('/dev/stdout', 'two\\n'); print('three')"
    )
    whole = tmp_path / "whole"
    with open(whole, "w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert whole.read_text() == "one\ntwo\nthree\n"


def test_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("ö" * 127)  # 254 bytes of 255
    files.write_text(files.prepare_output_file(path), "new")
    assert path.read_text() == "new"
    with pytest.raises(CagexplainError, match=r"cannot be written \(File name too long\)"):
        files.prepare_output_file(tmp_path / ("o" * 256))


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_permissions_are_kept(target: Path, mode: int) -> None:
    target.chmod(mode)
    files.write_text(target, "new")
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_what_cannot_be_written_is_refused_before_the_work(target: Path) -> None:
    for path, problem in (
        (target.parent, "this is a folder"),
        (target.parent / "none" / "file", "there is no such folder"),
        (target / "file", "there is no such folder"),
        ("a\0b", "cannot be written"),
    ):
        with pytest.raises(CagexplainError, match=problem):
            files.prepare_output_file(path)
    assert files.prepare_output_file(target) == target
    assert_untouched(target)


def test_lone_surrogates_and_controls_of_others_are_escaped(tmp_path: Path) -> None:
    value = {"name": "a\udc80\x1b[2J\u202e\x9b"}
    files.write_json(tmp_path / "x.json", value)
    assert not re.search("[\x1b\x9b\u202e]", (tmp_path / "x.json").read_text())
    assert json.loads((tmp_path / "x.json").read_text()) == value
    files.write_text(tmp_path / "x.txt", "a\udc80")
    assert (tmp_path / "x.txt").read_text() == "a\\udc80"


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match="this is a folder"):
        files.write_text(tmp_path, "new")


def test_missing_folder_is_named_by_the_target(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(tmp_path / "none" / "file", "new")
    assert caught.value.filename == str(tmp_path / "none" / "file")


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        files.write_text(path, "x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_symbolic_link_is_followed(target: Path) -> None:
    link = target.with_name("link")
    link.symlink_to(target)
    files.write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize("value", [float("nan"), {"a": object()}])
def test_value_without_json_form_changes_nothing(target: Path, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        files.write_json(target, value)
    assert_untouched(target)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
        max_leaves=5,
    )
)
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    files.write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == value


@pytest.mark.parametrize("size", [0, 1, 1_000_003])
def test_sha256(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    content = os.urandom(size)
    path.write_bytes(content)
    assert files.sha256_file(path) == hashlib.sha256(content).hexdigest()


def test_output_dir_is_created_with_its_parents(tmp_path: Path) -> None:
    folder = files.prepare_output_dir(str(tmp_path / "a" / "b"))
    assert folder == tmp_path / "a" / "b"
    assert list(folder.iterdir()) == []


def test_empty_output_dir_is_taken(tmp_path: Path) -> None:
    assert files.prepare_output_dir(tmp_path) == tmp_path


def test_output_dir_with_content(target: Path) -> None:
    with pytest.raises(CagexplainError, match=r"is not empty\. Give a new folder") as caught:
        files.prepare_output_dir(target.parent)
    assert str(target.parent) in str(caught.value)
    assert files.prepare_output_dir(target.parent, allow_existing=True) == target.parent
    assert_untouched(target)


@pytest.mark.parametrize("allow_existing", [True, False])
def test_file_in_place_of_the_output_dir(target: Path, allow_existing: bool) -> None:
    with pytest.raises(CagexplainError, match="this is a file, not a folder"):
        files.prepare_output_dir(target, allow_existing=allow_existing)
    assert_untouched(target)


def test_file_in_place_of_a_parent(target: Path) -> None:
    with pytest.raises(CagexplainError, match="cannot write to this folder"):
        files.prepare_output_dir(target / "run")
    assert_untouched(target)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_output_dir(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(CagexplainError, match="Permission denied"):
        files.prepare_output_dir(tmp_path)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_output_dir_that_takes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    with pytest.raises(CagexplainError, match=os.strerror(code)) as caught:
        files.prepare_output_dir(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "you may write to" in caught.value.remedy
