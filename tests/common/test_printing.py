"""What is printed: nothing ends the work, nothing from outside is obeyed."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from markupsafe import Markup
from rich.table import Table

from cagexplain.common import terminal
from cagexplain.common.errors import CagexplainError
from cagexplain.common.printing import encodable, safe_streams, visible

HOSTILE = "a\x1b[2J\x9b1A\x07\r\u202eb\u2066\udc80"
SHOWN = r"a\x1b[2J\x9b1A\x07\r\u202eb\u2066\udc80"


def test_controls_are_shown_as_escapes() -> None:
    assert visible(HOSTILE) == SHOWN
    assert visible(SHOWN) == SHOWN
    assert visible("é – ± 漢 👍🏽 \n\t") == "é – ± 漢 👍🏽 \n\t"
    assert visible("a\nb\tc", line=True) == r"a\nb\tc"


def test_markup_stays_markup() -> None:
    found = visible(Markup("<b>\x1b</b>"))
    assert type(found) is Markup
    assert found == r"<b>\x1b</b>"


def test_what_an_encoding_lacks_is_replaced() -> None:
    assert encodable("±1 – 2 × é 漢 \udc80", "ascii") == r"+-1 - 2 x \xe9 \u6f22 \udc80"
    assert encodable("±1 – é 漢", "latin-1") == "±1 - é \\u6f22"
    assert encodable("±1 – é 漢", None) == "±1 – é 漢"


def test_errors_show_no_controls() -> None:
    error = CagexplainError(f"bad {HOSTILE}", where=f"x\n{HOSTILE}", field="f\x1b", remedy="\x1bGo")
    assert str(error) == rf"x\n{SHOWN}: f\x1b: bad {SHOWN}. \x1bGo."


class Screen(io.TextIOWrapper):
    """A terminal of an encoding."""

    def __init__(self, encoding: str, *, tty: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict")
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    @property
    def shown(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize("tty", [True, False])
def test_streams_show_no_controls_but_the_colours_of_rich(
    encoding: str, tty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(encoding, tty=tty)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    with safe_streams() as failure:
        print(HOSTILE)
        table = Table(f"head {HOSTILE}")
        table.add_row(HOSTILE, style="bold")
        terminal.console().print(table)
        terminal.console().print(f"[/x] {HOSTILE}", style="red", highlight=False)
        assert failure() is None
    shown = screen.shown
    assert sys.stdout is screen
    assert shown.startswith(f"{SHOWN}\n")
    assert shown.count(SHOWN) == 4
    assert "[/x]" in shown
    assert ("\x1b[31m" in shown) is tty
    assert "\x1b[2J" not in shown
    assert not {"\x9b", "\x07", "\r", "\u202e"} & set(shown)


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_failing_stream_ends_no_work_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    with safe_streams() as failure:
        print("one")
        print("two")
        terminal.console().print("three")
        found = failure()
    assert found is not None and found.errno == 28


def test_a_stream_that_was_closed_since_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen("utf-8", tty=True)
    monkeypatch.setattr(sys, "stdout", screen)
    with safe_streams():
        kept = sys.stdout
        assert kept.isatty()
    screen.close()
    assert not kept.isatty()
    kept.flush()  # as Python does when it collects the object; 3.13 reports what that raises


def test_a_reader_that_has_gone_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    with safe_streams(), pytest.raises(BrokenPipeError):
        print("one")


def test_closed_streams_and_what_is_opened_after_them(tmp_path: Path) -> None:
    """A file that is opened later must not become the standard output of others."""
    code = (
        "import os, sys; from cagexplain.common.printing import safe_streams\n"
        "with safe_streams():\n"
        "    print('lost'); print('lost', file=sys.stderr); sys.stdout.flush()\n"
        "    file = open(sys.argv[1], 'w'); assert file.fileno() > 2; file.write('kept')\n"
    )
    file = tmp_path / "file"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" "$2" >&- 2>&-', sys.executable, code, str(file)],
        env=os.environ,
        check=False,
    )
    assert done.returncode == 0
    assert file.read_text() == "kept"


def test_a_file_is_as_wide_as_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    widths = []
    for columns in (None, "60"):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", columns)
        terminal.console().print("word " * 100)
        widths.append(max(len(line) for line in capsys.readouterr().out.splitlines()))
    assert widths[0] in range(100, terminal.FILE_WIDTH + 1)
    assert widths[1] in range(50, 61)
