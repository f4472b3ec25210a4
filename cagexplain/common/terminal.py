"""The console of everything that is printed with Rich: tables, progress, colours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cagexplain.common.printing import encodable, visible

FILE_WIDTH: Final = 110
"""Columns of what is printed to a file or a pipe, unless COLUMNS says another number."""


class _SafeConsole(Console):
    """Escapes what it shows, and not the codes that are its own: those of colours and bars."""

    def render_str(self, text: str, **options: Any) -> Text:
        # Before it is measured, or columns would be too narrow.
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                text = encodable(visible(segment.text), self.encoding)
                yield segment if text == segment.text else Segment(text, segment.style)


def console(*, stderr: bool = False, **options: Any) -> Console:
    """A console for standard output or standard error as they are now.

    Brackets are text: names may hold them, and Rich's markup is written in them.

    Args:
        stderr: for standard error.
        options: further ones of Rich.
    """
    stream = sys.stderr if stderr else sys.stdout
    file = getattr(stream, "styled", stream)
    terminal = _SafeConsole(file=file, stderr=stderr, markup=False, **options)
    if not terminal.is_terminal and "COLUMNS" not in os.environ:
        terminal.width = FILE_WIDTH
    return terminal
