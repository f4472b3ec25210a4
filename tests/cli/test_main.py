import errno
import importlib
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cagexplain import __version__
from cagexplain.cli.main import COMMANDS, main
from cagexplain.common.errors import CagexplainError, UsageError

Play = Callable[[Callable[[], object]], int]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run main() with `body` in the place of the command `policies`."""
    monkeypatch.delenv("CAGEXPLAIN_DEBUG", raising=False)

    def run(body: Callable[[], object]) -> int:
        module = types.ModuleType("cagexplain.cli.policies")
        module.command = click.Command("policies", callback=body)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cagexplain.cli.policies", module)
        return main(["policies"])

    return run


def raising(error: BaseException) -> Callable[[], object]:
    def body() -> object:
        raise error

    return body


def in_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_help_lists_the_commands_without_importing_them() -> None:
    done = in_process(
        "import sys; from cagexplain.cli.main import main; status = main(['--help']);"
        "print('loaded', sorted(m for m in sys.modules if m.startswith(('cagexplain.', 'trainers',"
        " 'reports', 'numpy', 'torch', 'numba', 'pandas', 'rich')))); sys.exit(status)"
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.strip()]
    for name, (_, _, help_line) in COMMANDS.items():
        assert [name, help_line] in lines
    loaded = done.stdout.splitlines()[-1]
    assert loaded == (
        "loaded ['cagexplain.cli', 'cagexplain.cli.main', 'cagexplain.common', "
        "'cagexplain.common.errors']"
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"cagexplain, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, attribute, _ = COMMANDS[name]
    assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)
    assert main([name, "--help"]) == 0
    assert f"Usage: cagexplain {name}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["polices"], ["--nonsense"], []])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: cagexplain" in capsys.readouterr().err


def test_result_is_no_failure(play: Play) -> None:
    assert play(lambda: None) == 0
    assert play(lambda: "done") == 0


def test_exit_status_of_the_command(play: Play) -> None:
    assert play(lambda: click.get_current_context().exit(3)) == 3


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (CagexplainError("bad", where="f", remedy="Fix it"), 1, "Error: f: bad. Fix it.\n"),
        (UsageError("bad", remedy="Fix it"), 2, "Error: bad. Fix it.\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted.\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            1,
            "Error: runs/x: disk full. Free space, then rerun (with --resume where offered).\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "x"),
            1,
            "Error: x: permission denied. Choose a place that you may read and write.\n",
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            1,
            "Error: Input/output error. Check the file and the disk.\n",
        ),
        (OSError("odd"), 1, "Error: odd. Check the file and the disk.\n"),
        (
            MemoryError(),
            1,
            "Error: out of memory. Use fewer environments at once, or a bigger machine.\n",
        ),
        (
            ImportError("No module named 'ray'"),
            1,
            "Error: No module named 'ray'. "
            "Complete the installation with `make setup`, then rerun.\n",
        ),
    ],
)
def test_failure_is_one_message(
    play: Play,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    message: str,
) -> None:
    assert play(raising(error)) == status
    assert capsys.readouterr() == ("", message)


def test_own_bug_names_its_place_and_offers_the_traceback(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(raising(KeyError("x"))) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"Error: internal error at {__file__}:")
    assert "KeyError: 'x'. Rerun with CAGEXPLAIN_DEBUG=1" in message
    assert "Traceback" not in message


def test_debugging_shows_the_traceback(
    play: Play, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAGEXPLAIN_DEBUG", "1")
    assert play(raising(CagexplainError("bad", remedy="Fix it"))) == 1
    message = capsys.readouterr().err
    assert message.startswith("Traceback")
    assert message.endswith("Error: bad. Fix it.\n")


@pytest.mark.parametrize("size", [10, 1_000_000])  # fails in the last flush; in the middle
def test_reader_that_goes_away(size: int) -> None:
    code = (
        "import sys, types, click; from cagexplain.cli.main import main;"
        "m = types.ModuleType('m'); sys.modules['cagexplain.cli.policies'] = m;"
        f"m.command = click.Command('policies', callback=lambda: print('x' * {size}));"
        "sys.stdin.read(); sys.exit(main(['policies']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.close()  # before the writer starts: it waits for the end of its input
    process.stdout = None
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert message == b""


def test_installed_script(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("cagexplain")
    done = subprocess.run([script, "nonsense"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("x = 1\nFAMILIES = ((reinforce, 1),)\n", 2, "NameError: name 'reinforce' is not defined"),
        ("x = 1\n\ny = (\n", 3, "SyntaxError"),
        ("from trainers import reinforced\n", 1, "ImportError: cannot import name 'reinforced'"),
        ("import trainers.reinforced\n", 1, "No module named 'trainers.reinforced'"),
    ],
)
def test_a_file_of_the_user_that_fails_is_named_as_his(
    source: str,
    line: int,
    problem: str,
    play: Play,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file_of_mine.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert play(lambda: importlib.import_module("file_of_mine")) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"Error: {tmp_path / 'file_of_mine.py'}, line {line}: ")
    assert problem in message
    assert "report it" not in message
