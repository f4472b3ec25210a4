"""How smoothly a replay plays in a browser.

    python -m benchmarks.replay TRACE [--episode N] [--seconds S] [--width W] [--json FILE]

Makes the page of `cagexplain replay`, opens it in a headless Chromium, and lets it play at every
speed for some seconds each. Counted are the frames that the browser drew (it draws 60 a second at
most), the longest time between two of them, the CPU time of all the browser's processes, and how
long the page's script takes for a step, with the layout that follows. The claim is 58 frames a
second at every speed: a frame or two go to the beginning. On a machine that others use too, the CPU
time tells more: less than a second of it per second of play leaves one core time for all frames.
"""

import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.command import COUNT, FILE, CannotMeasure, benchmark
from cagexplain.analysis.episodes.timeline import require_episodes, timelines
from cagexplain.analysis.fsm.analyse import trace_facts
from cagexplain.common.files import write_json
from cagexplain.tracing.trace import open_trace
from reports.replay.page import replay_page
from reports.shared.replay import RATES

TARGET: Final = 58
HEIGHT: Final = 900
WAIT_S: Final = 60
"""Beyond the time of playing, for the browser to begin and to end."""

_MEASURE = """<script>addEventListener("load", async () => {
  const one = (name) => document.querySelector(name);
  const rest = (ms) => new Promise((done) => { setTimeout(done, ms); });
  const frames = (ms) => new Promise((done) => {
    const times = [];
    const tick = (time) => {
      times.push(time);
      if (time - times[0] < ms) requestAnimationFrame(tick); else done(times);
    };
    requestAnimationFrame(tick);
  });
  one(".replay-map").scrollIntoView();
  await rest(1500);
  const cpu = async () => Number(await (await fetch("/cpu")).text());
  const found = { still: await frames(MS), playing: {}, cpu: {}, steps: [] };
  for (const rate of RATES) {
    one(".replay-speed").value = rate;
    const before = await cpu();
    one(".replay-play").click();
    found.playing[rate] = await frames(MS);
    one(".replay-play").click();
    found.cpu[rate] = await cpu() - before;
    await rest(300);
  }
  for (let i = 0; i < 100; i += 1) {
    const start = performance.now();
    one('[data-go="on"]').click();
    one(".replay-map").getBoundingClientRect();
    found.steps.push(performance.now() - start);
  }
  fetch("/found", { method: "POST", body: JSON.stringify(found) });
});</script></body>"""


def measure(page: str, seconds: int, width: int) -> dict[str, Any]:
    """Play a page: times of frames in ms, standing still and by speed, and of 100 steps."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), "")
    if not chromium:
        raise CannotMeasure("there is no Chromium")
    script = _MEASURE.replace("MS", str(1000 * seconds)).replace("RATES", json.dumps(RATES))
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    content = free.replace("</body>", script).encode()
    answers: list[dict[str, Any]] = []
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            answer = {"/": content, "/cpu": str(cpu_time(browser.pid)).encode()}
            self.wfile.write(answer.get(self.path, b""))

        def do_POST(self) -> None:
            answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            done.set()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        place = f"http://127.0.0.1:{server.server_port}/"
        size, profile = f"--window-size={width},{HEIGHT}", f"--user-data-dir={folder}"
        browser = subprocess.Popen(
            [chromium, *flags, size, profile, "--remote-debugging-port=0", place],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            done.wait((len(RATES) + 1) * (seconds + 1) + WAIT_S)
        finally:
            browser.terminate()
            browser.wait(WAIT_S)
            server.shutdown()
    if not answers:
        raise CannotMeasure("the page did not answer")
    return answers[0]


def cpu_time(root: int) -> float:
    """CPU seconds that a process and those below it have used."""
    used, parents = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(") ")
        except OSError:
            continue  # it has ended meanwhile
        fields = rest.split()
        parents[int(stat.parent.name)] = int(fields[1])
        used[int(stat.parent.name)] = int(fields[11]) + int(fields[12])
    total = 0
    for process, ticks in used.items():
        ancestor = process
        while ancestor not in (root, 0):
            ancestor = parents.get(ancestor, 0)
        total += ticks * (ancestor == root)
    return total / os.sysconf("SC_CLK_TCK")


def summary(times: Sequence[float]) -> dict[str, float]:
    """Frames a second, and the longest time between two, from the times of frames in ms."""
    gaps = [after - before for before, after in itertools.pairwise(times)]
    rate = 1000 * len(gaps) / (times[-1] - times[0])
    return {"frames_per_s": round(rate, 1), "longest_ms": round(max(gaps), 1)}


@benchmark(__doc__)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--episode", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--seconds", type=COUNT, default=5, show_default=True, help="At each speed.")
@click.option("--width", type=COUNT, default=1440, show_default=True, help="Of the window.")
@click.option("--json", "json_file", type=FILE)
def command(
    trace: Path, episode: int, seconds: int, width: int, json_file: Path | None
) -> Sequence[str]:
    """Play, and say what is slow."""
    opened = open_trace(trace)
    require_episodes([episode], opened.n_episodes)
    (timeline,) = timelines(opened, {episode: "asked for"})
    found = measure(replay_page(timeline, trace_facts(opened)), seconds, width)
    still = summary(found["still"])
    playing = {
        rate: summary(times) | {"cpu_per_s": round(found["cpu"][rate] / seconds, 2)}
        for rate, times in found["playing"].items()
    }
    steps = sorted(found["steps"])
    per_step = {"median_ms": statistics.median(steps), "p95_ms": steps[int(0.95 * len(steps))]}
    click.echo(f"standing still: {still['frames_per_s']} frames a second")
    for rate, result in playing.items():
        click.echo(
            f"{rate} steps a second: {result['frames_per_s']} frames a second, "
            f"longest {result['longest_ms']} ms, CPU {result['cpu_per_s']} s per second"
        )
    click.echo(f"a step: {per_step['median_ms']:.1f} ms, 95 % within {per_step['p95_ms']:.1f} ms")
    if json_file is not None:
        write_json(json_file, {"still": still, "playing": playing, "step": per_step})
    if still["frames_per_s"] < TARGET:
        raise CannotMeasure(
            f"the browser draws {still['frames_per_s']} frames a second of a page that stands still"
        )
    return [
        f"{result['frames_per_s']} frames a second at {rate} steps a second, not {TARGET}"
        for rate, result in playing.items()
        if result["frames_per_s"] < TARGET
    ]


if __name__ == "__main__":
    command()
