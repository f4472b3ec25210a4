"""Pictures as pixels: PNG files and films, through libraries of the extra "film"."""

from __future__ import annotations

import importlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import write_bytes

WIDTH: Final = 1200
"""Of a film, in pixels."""
PAPER_WIDTH: Final = 2400
"""Of a picture for print."""
_FONTS: Final = [
    str(Path(matplotlib.get_data_path(), "fonts", "ttf", name))
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
]
"""DejaVu, which comes with Matplotlib: words look the same on every machine."""
_EVEN: Final = 2
"""H.264 takes frames whose sides are multiples of it."""


def require_film() -> None:
    """Refuse to begin without the libraries.

    Raises:
        CagexplainError: the extra is not installed.
    """
    for name in ("resvg_py", "imageio_ffmpeg", "imageio.v3"):
        _library(name)


def png(svg: str, width: int) -> bytes:
    """A picture as a PNG file, so many pixels wide."""
    content: bytes = _library("resvg_py").svg_to_bytes(
        svg_string=svg,
        width=width,
        skip_system_fonts=True,
        font_files=_FONTS,
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
    return content


def write_gif(path: Path, pictures: Iterable[str], rate: float) -> None:
    """Write an animated GIF that begins again at its end.

    Args:
        path: of the file.
        pictures: SVG files of one size.
        rate: of them per second.
    """
    # Marks are small: the method that keeps rare colours.
    keep = Image.Quantize.MAXCOVERAGE
    frames = [Image.fromarray(pixels).quantize(128, keep) for pixels in _pixels(pictures)]
    buffer = io.BytesIO()
    first, *others = frames
    first.save(
        buffer,
        "GIF",
        save_all=True,
        append_images=others,
        duration=round(1000 / rate),
        loop=0,
        optimize=False,
    )
    write_bytes(path, buffer.getvalue())


def write_mp4(path: Path, pictures: Iterable[str], rate: float) -> None:
    """Write a film in H.264; arguments as of `write_gif`."""
    imageio = _library("imageio.v3")
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        options = {"fps": rate, "codec": "libx264", "macro_block_size": _EVEN, "quality": 8}
        with imageio.imopen(film, "w", plugin="FFMPEG") as file:
            file.write(list(_pixels(pictures)), **options)
        write_bytes(path, film.read_bytes())


def _pixels(pictures: Iterable[str]) -> Iterator[npt.NDArray[np.uint8]]:
    """``uint8[height, width, 3]`` of each, both even."""
    for picture in pictures:
        with Image.open(io.BytesIO(png(picture, WIDTH))) as image:
            pixels = np.asarray(image.convert("RGB"))
        height, width = (side - side % _EVEN for side in pixels.shape[:2])
        yield pixels[:height, :width]


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise CagexplainError(
            f"pictures and films need the package {name.partition('.')[0]}",
            remedy="Run pip install -e '.[film]'",
        ) from error
