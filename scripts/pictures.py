"""Makes the pictures of README.md and docs/reports.md: pages of short runs, in a headless browser.

    python scripts/pictures.py [NAME ...]

The runs lie in build/pictures; those that are there already are not made again. The pictures go to
docs/pictures, in few colours, so that each is small. Needs Chromium and the extra `docs`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

ROOT: Final = Path(__file__).resolve().parents[1]
RUNS: Final = ROOT / "build" / "pictures"
PICTURES: Final = ROOT / "docs" / "pictures"
COLOURS: Final = 64
LARGEST: Final = 150_000  # bytes
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")

_EXPERT: Final = "trace expert -o trace-expert"
_PUNCH: Final = "trace punch -o trace-punch"
_LONG: Final = "trace ippo_long -o trace-ippo_long"


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes:
        page: from build/pictures, with the section to show after a #.
        size: of the window, in pixels.
        commands: of cagexplain, called in build/pictures, that make the page.
    """

    page: str
    size: tuple[int, int]
    commands: tuple[str, ...] = ()


_FSM: Final = (_EXPERT, "fsm-report trace-expert -o fsm.html --svg fsm.svg")
ALL: Final = {
    "audit": Picture("../../docs/examples/expert.html", (1100, 760)),
    "fsm": Picture("fsm.svg", (1100, 700), _FSM),
    "fsm-report": Picture("fsm.html", (1100, 760), _FSM),
    "compare": Picture(
        "compare.html",
        (1100, 760),
        (_EXPERT, _PUNCH, "compare trace-expert trace-punch -o compare.html"),
    ),
    "explain": Picture(
        "explain.html",
        (1100, 760),
        (
            "trace ippo_long -o trace-ippo_long",
            "explain trace-ippo_long --episode 12 --step 457 --agent 2 -o explain.html",
        ),
    ),
    "surrogate": Picture(
        "surrogate/surrogate.html", (1100, 760), (_EXPERT, "surrogate trace-expert -o surrogate")
    ),
    "attack": Picture(
        "attack/attack.html", (1100, 760), ("attack punch --generations 3 -o attack",)
    ),
    "study": Picture(
        "study/report.html",
        (1100, 760),
        ("study report ../../docs/results/data/tuned -o study/report.html",),
    ),
    "parity": Picture("../../docs/certificates/ippo_tuned_greedy.html", (1100, 760)),
}


def main(names: list[str]) -> None:
    """Make the named pictures, or all."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser found: install one of {', '.join(BROWSERS)}")
    if unknown := set(names) - set(ALL):
        sys.exit(f"no such picture: {', '.join(sorted(unknown))}. Known are {', '.join(ALL)}")
    RUNS.mkdir(parents=True, exist_ok=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in names or ALL:
        for command in ALL[name].commands:
            run(command)
        take(browser, ALL[name], PICTURES / f"{name}.png")


def run(command: str) -> None:
    """Call cagexplain, unless what it writes is there."""
    words = command.split()
    target = RUNS / words[words.index("-o") + 1]
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        subprocess.run([sys.executable, "-m", "cagexplain", *words], cwd=RUNS, check=True)


def take(browser: str, picture: Picture, target: Path) -> None:
    """Take the picture of a page and write it as a small PNG."""
    page, _, section = picture.page.partition("#")
    address = (RUNS / page).resolve().as_uri() + (f"#{section}" if section else "")
    shot = RUNS / "shot.png"
    width, height = picture.size
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    subprocess.run(
        [browser, *flags, f"--window-size={width},{height}", f"--screenshot={shot}", address],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with Image.open(shot) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    size = target.stat().st_size
    if size > LARGEST:
        sys.exit(f"{target} has {size:,} bytes; at most {LARGEST:,} are committed")
    print(f"{target.relative_to(ROOT)}: {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
