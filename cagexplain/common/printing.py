"""What is printed: it never ends the work, and shows no control characters of others.

Names come from outside: of policies, files, settings, in manifests. Raw, an escape character in one
of them can clear the terminal or forge what it shows, and a bidirectional override can turn its
text round. `visible` writes such characters as Python does in a literal; `safe_streams` does so for
all that is printed while it lasts, and replaces what the terminal's encoding lacks.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO, TypeVar, cast

Text = TypeVar("Text", bound=str)

_RAW: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and line feed; escape is among them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides of the direction
    "\u2028\u2029"  # separators of lines and paragraphs
    "\ud800-\udfff"  # lone surrogates: of file names that are not UTF-8
)
_UNSEEN: Final = re.compile(f"[{_RAW}]")
_UNSEEN_IN_LINE: Final = re.compile(f"[\t\n{_RAW}]")

_PLAINER: Final = {"±": "+-", "–": "-", "−": "-", "×": "x", "…": "...", "→": "->", "≤": "<="}
"""Our own signs, for encodings that lack them."""
_REPLACE: Final = "cagexplain.replace"
"""Name of the way to encode what an encoding lacks."""


def visible(text: Text, *, line: bool = False) -> Text:
    """Write the control characters of a text as escapes such as ``\\x1b``.

    Tabs and line feeds stay, unless it has to be one line. A subclass of `str`, such as markup,
    stays what it is.
    """
    escaped = (_UNSEEN_IN_LINE if line else _UNSEEN).sub(lambda match: _escape(match[0]), text)
    return text if escaped == text else type(text)(escaped)


def json_visible(text: str) -> str:
    """Likewise for the text of a JSON document, by JSON's own escapes: it means the same."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_PLAINER.get(c) or _escape(c) for c in lacking), error.end


codecs.register_error(_REPLACE, _replace)


def encodable(text: str, encoding: str | None) -> str:
    """Replace what an encoding lacks: our signs by plainer ones, others by escapes."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, _REPLACE).decode(encoding)


class _Upon(io.TextIOBase):
    """A stream that writes to another one, as text only: bytes would pass by what it does."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    # The standard library declares these as attributes.
    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return _REPLACE

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        # Libraries ask when the process ends, when the stream may be closed.
        return not self.stream.closed and bool(self.stream.isatty())

    def fileno(self) -> int:
        return int(self.stream.fileno())

    def flush(self) -> None:
        # Collecting this object flushes it, when the stream may be closed.
        if not self.stream.closed:
            self.stream.flush()


class _Lasting(_Upon):
    """A stream that takes everything.

    The first failure, such as of a full disk, is kept in `failure` and ends the output, not the
    work. A reader that has gone (BrokenPipeError) ends the work, as everywhere.
    """

    failure: OSError | None = None

    def write(self, text: str) -> int:
        self._attempt(lambda: self.stream.write(encodable(text, self.encoding)))
        return len(text)

    def flush(self) -> None:
        self._attempt(super().flush)

    def _attempt(self, action: Callable[[], Any]) -> None:
        if self.failure is None:
            try:
                action()
            except BrokenPipeError:
                raise
            except OSError as error:
                self.failure = error
                drop(self.stream)


class _Visible(_Upon):
    """A stream that shows control characters as escapes."""

    @property
    def styled(self) -> Any:
        """The stream below, for those who write a terminal's colours and escape what comes from
        outside themselves: see `cagexplain.common.terminal`."""
        return self.stream

    def write(self, text: str) -> int:
        self.stream.write(visible(text))
        return len(text)


@contextlib.contextmanager
def safe_streams() -> Iterator[Callable[[], OSError | None]]:
    """Make standard output and standard error such that printing never ends the work.

    A stream that is closed gets a substitute that goes nowhere.

    Yields:
        What tells the failure of standard output, if there was one.
    """
    _occupy()
    before = sys.stdout, sys.stderr
    nowhere = None if all(before) else open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    out, err = (_Lasting(stream or cast(TextIO, nowhere)) for stream in before)
    sys.stdout, sys.stderr = (cast(TextIO, _Visible(stream)) for stream in (out, err))
    try:
        yield lambda: out.failure
    finally:
        sys.stdout, sys.stderr = before
        if nowhere is not None:
            nowhere.close()


def _occupy() -> None:
    """Let no file that is opened later get the number of a standard stream that is closed: what
    other code prints would go into it."""
    with contextlib.suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)


def drop(stream: TextIO) -> None:
    """Let what a stream still holds, which cannot be written, go nowhere at its end."""
    with contextlib.suppress(OSError):  # it may be no file at all
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
