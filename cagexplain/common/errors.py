"""Errors that a user can act on.

The command line prints such an error as one readable message, without a traceback.
"""

from __future__ import annotations

from pathlib import Path

from cagexplain.common.printing import visible


class CagexplainError(Exception):
    """A problem with something that the user gave us, told with the way out.

    Args:
        problem: what is wrong, as a sentence (its full stop may be left out).
        where: the file, folder or option concerned.
        field: the entry inside `where`.
        remedy: what the user can do about it, as a sentence.

    `str(error)` reads "where: field: problem. Remedy.", with control characters as escapes.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        *,
        where: str | Path | None = None,
        field: str | None = None,
        remedy: str,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.field = field
        self.remedy = remedy

    def __str__(self) -> str:
        parts = (self.where, self.field)
        place = [visible(str(part), line=True) for part in parts if part is not None]
        text = ": ".join([*place, _sentence(self.problem)])
        return visible(f"{text} {_sentence(self.remedy)}")

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from their positional arguments only, which would lose the
        # remedy and break the pool that a worker process reports its error to.
        return _rebuild, (type(self), self.problem, self.where, self.field, self.remedy)


class UsageError(CagexplainError):
    """The command was called in a way that it does not offer."""

    exit_code = 2


def _rebuild(
    kind: type[CagexplainError],
    problem: str,
    where: str | Path | None,
    field: str | None,
    remedy: str,
) -> CagexplainError:
    return kind(problem, where=where, field=field, remedy=remedy)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
