"""Pictures and films of a replay."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from cagexplain.analysis.episodes.timeline import Timeline, timelines
from cagexplain.analysis.fsm.analyse import RunFacts, trace_facts
from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError
from reports.exports import pixels
from reports.replay.film import Film
from tests.support.page_checks import HOSTILE
from tests.support.traces import record

PIL = pytest.importorskip("PIL.Image")
STEPS = 19


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film") / "trace"
    record(folder, "random", 1, steps=STEPS + 1)
    return folder


@pytest.fixture(scope="module")
def facts(folder: Path) -> RunFacts:
    from cagexplain.tracing.trace import open_trace

    return trace_facts(open_trace(folder))


@pytest.fixture(scope="module")
def timeline(folder: Path) -> Timeline:
    from cagexplain.tracing.trace import open_trace

    return timelines(open_trace(folder), {0: "asked for"})[0]


def test_a_picture_needs_no_page_around_it(timeline: Timeline, facts: RunFacts) -> None:
    picture = Film(timeline, facts).picture(3)
    assert "var(" not in picture and "url(" not in picture
    assert f"Step 3 · {timeline.phases[0].value}" in picture
    assert picture == Film(timeline, facts).picture(3)


def test_hostile_names_stay_text(timeline: Timeline, facts: RunFacts) -> None:
    from dataclasses import replace

    picture = Film(timeline, replace(facts, policy={"name": HOSTILE})).picture(0)
    assert "<script" not in picture and "<img" not in picture


def test_pixels_show_what_red_holds(timeline: Timeline, facts: RunFacts) -> None:
    """The host on which red begins is orange, and few things are."""
    pytest.importorskip("resvg_py")
    with PIL.open(io.BytesIO(pixels.png(Film(timeline, facts).picture(0), 600))) as image:
        assert image.size[0] == 600
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    orange = np.abs(colours - (0xF3, 0xA1, 0x52)).max(axis=1) < 8
    white = colours.min(axis=1) > 250
    assert 0 < orange.sum() < 0.01 * len(colours) < white.sum()


def test_films_have_the_steps_that_were_asked_for(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    imageio = pytest.importorskip("imageio.v3")
    gif, mp4, pictures = (tmp_path / name for name in ("a.gif", "a.mp4", "pictures"))
    options = ["--gif", gif, "--mp4", mp4, "--png", pictures, "--from", 4, "--to", 6, "--rate", 2]
    assert main(["replay", str(folder), "-o", str(tmp_path / "p.html"), *map(str, options)]) == 0
    with PIL.open(gif) as image:
        assert (image.n_frames, image.info["duration"], image.size[0]) == (3, 500, pixels.WIDTH)
    assert imageio.imread(mp4, plugin="FFMPEG").shape[0] == 3
    names = sorted(path.name for path in pictures.iterdir())
    assert names[0].startswith("episode-0-step-000-phase")
    with PIL.open(pictures / names[0]) as image:
        assert image.size[0] == pixels.PAPER_WIDTH


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "2"], "no effect without --gif or --mp4"),
        (["--gif", "a.gif", "--to", str(STEPS)], f"The episode has steps 0 to {STEPS - 1}"),
        (["--gif", "a.gif", "--from", "5", "--to", "4"], "step 4 comes before step 5"),
    ],
)
def test_steps_that_are_not_there(
    options: list[str],
    message: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.chdir(tmp_path)
    assert main(["replay", str(folder), "-o", "p.html", *options]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "p.html").exists()


def test_without_the_libraries_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(CagexplainError, match="resvg_py") as refused:
        pixels.require_film()
    assert "[film]" in str(refused.value)
