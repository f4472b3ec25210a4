"""The programs on pages of docs/, run as they stand there."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parents[1] / "docs"


def programs(page: str) -> dict[str, str]:
    """The Python blocks of a page by the heading above them, which has no other one."""
    found: dict[str, str] = {}
    heading = ""
    text = (DOCS / page).read_text()
    for part in re.finditer(r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```", text, re.M | re.S):
        title, language, code = part.groups()
        if title:
            heading = title
        elif language == "python":
            assert heading not in found, f"two programs below '{heading}'"
            found[heading] = code
    return found


@contextmanager
def program(page: str, heading: str, folder: Path) -> Iterator[ModuleType]:
    """A program of a page as an imported module."""
    name = re.sub(r"\W+", "_", heading.lower()) + "_of_the_page"
    path = folder / f"{name}.py"
    path.write_text(programs(page)[heading])
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
