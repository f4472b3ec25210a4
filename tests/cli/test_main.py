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

import cagexplain
from cagexplain import __version__
from cagexplain.cli.main import COMMANDS, main
from cagexplain.common.errors import CagexplainError, UsageError

ROOT = Path(cagexplain.__file__).parents[1]
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
        "'cagexplain.common.errors', 'cagexplain.common.printing']"
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
            CagexplainError("bad \x1b[2J", where="f\n\u202e", remedy="Fix it"),
            1,
            "Error: f\\n\\u202e: bad \\x1b[2J. Fix it.\n",
        ),
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


def test_an_end_of_input_within_a_command_is_no_interruption(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    """Click takes it for Ctrl-D at a question."""
    assert play(raising(EOFError("Ran out of input"))) == 1
    assert "EOFError: Ran out of input. Rerun with" in capsys.readouterr().err


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


def _module(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=300,
    )


@pytest.mark.parametrize("module", ["cagexplain", "cagexplain.cli.main"])
def test_as_a_module(module: str, tmp_path: Path) -> None:
    done = _module(module, "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"cagexplain, version {__version__}\n")
    assert _module(module, "nonsense", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("name", ["trainers", "reports"])
def test_a_package_that_hides_ours_is_named(name: str, tmp_path: Path) -> None:
    own = tmp_path / name / "__init__.py"
    own.parent.mkdir()
    own.write_text("")
    done = _module("cagexplain", "policies", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {own}: this hides the package '{name}' of cagexplain. Rename it, or call "
        "cagexplain from another folder.\n"
    )


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ASCII = {"PYTHONIOENCODING": "ascii"}


def test_training_survives_a_terminal_without_our_signs(tmp_path: Path) -> None:
    """Evaluations are told with a plus-minus sign."""
    few = ["--set", "envs=2", "--set", "hidden=16", "--set", "epochs=1", "--eval-episodes", "2"]
    few += ["--final-episodes", "2", "--steps", "998", "--eval-every", "998", "--workers", "1"]
    train = ["train", "ippo", *few, "-o", "out"]
    done = _module("cagexplain", *train, cwd=tmp_path, **C_LOCALE)
    assert done.returncode == 0, done.stderr
    assert "+-" in done.stdout and done.stdout.isascii()
    assert (tmp_path / "out" / "result.json").is_file()


def test_a_study_survives_it(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(
        "name: Läufe\npreset: paper\nsteps: 998\nseeds: 1\neval_every: 998\neval_episodes: 2\n"
        "final_episodes: 2\nmargin: 200\nsettings: {envs: 2, hidden: [16]}\n"
        "methods:\n  ippo: {title: IPPÖ, settings: {epochs: 1}}\n"
        "figures:\n  - {id: figure-2, title: Größe, methods: [ippo]}\n"
    )
    command = ["study", "run", str(file), "--workers", "1", "-o", "out"]
    done = _module("cagexplain", *command, cwd=tmp_path, **ASCII)
    assert done.returncode == 0, done.stderr
    (log,) = (file for file in (tmp_path / "out" / "logs").rglob("*") if file.is_file())
    assert "+-" in log.read_text(encoding="ascii")


def test_evaluating_survives_it_and_a_full_disk_is_told_at_the_end(tmp_path: Path) -> None:
    command = ["evaluate", "sleep", "--episodes", "2", "--episode-length", "10"]
    done = _module("cagexplain", *command, cwd=tmp_path, **ASCII)
    assert done.returncode == 0 and done.stdout.isascii()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cagexplain", *command, "--json", "kept.json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: standard output: disk full.")
    assert (tmp_path / "kept.json").is_file()


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
