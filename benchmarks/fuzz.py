"""What readers make of spoilt files.

    python -m benchmarks.fuzz [--inputs 20000] [--seed 0] [--only KIND] [--number N]
                              [--minutes N] [--workers N] [--save DIR]

Spoils checkpoints, trees, resume files, manifests and Parquet tables of traces, profiles, studies
and baselines, and reads them through the functions that the commands use. A reader may

* refuse, with an error that names the file and a remedy;
* accept what says the same as the good file, or what the good file might legally have said.

It must not accept anything else (other meaning), fail in another way (internal error), take more
than ten seconds of processor time or half a minute (time-out), nor two gigabytes (memory). The exit
status is 1 if any of these four happens. What counts as legal is told by the rules in
`benchmarks.fuzz_kinds` and, for tables, in `benchmarks.fuzz_tables`: they know the documented
ranges, keys and references, not the readers. A Parquet file whose digest in the manifest is not
that of its content is never legal.

Input NUMBER of a KIND follows from the seed alone: ``--only KIND --number NUMBER`` reads it again,
with ``--save`` its files are kept.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fuzz_kinds import KINDS, Case, Content, Files, Kind, NotFinite
from cagexplain.cli.main import explain
from cagexplain.common.errors import CagexplainError

ROOT: Final = Path(__file__).parent.parent
MEMORY: Final = 2 * 2**30
"""Bytes that a process may take while it reads an input."""
SECONDS: Final = 10.0
"""Of processor time for an input."""
PATIENCE: Final = 30.0
"""Seconds for an input on the clock: what waits needs no processor, and the machine may be busy."""
_ROOM: Final = 12 * 2**30
"""Address space of a process beyond what it starts with, so that the machine survives."""

REFUSED, EQUAL, LEGAL = "refused", "equal", "legal edit"
OTHER, INTERNAL, TIME, SPACE = "other meaning", "internal error", "time-out", "memory"
BROKEN: Final = "an input that broke this benchmark"
OUTCOMES: Final = (REFUSED, EQUAL, LEGAL, OTHER, INTERNAL, TIME, SPACE)
BAD: Final = (OTHER, INTERNAL, TIME, SPACE)


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        kind, number: of the input.
        label: one of OUTCOMES.
        change: what was done to the file.
        site: where and how the reader failed, for internal errors.
        seconds: of processor time that it took.
    """

    kind: str
    number: int
    label: str
    change: str
    site: str = ""
    seconds: float = 0.0


class Bench:
    """Good files of a kind in a folder of their own, spoilt and mended again for each input.

    Args:
        kind: of the files.
        folder: with the good files.
        seed: of the run.
    """

    def __init__(self, kind: Kind, folder: Path, seed: int) -> None:
        self.kind, self.folder, self.seed = kind, folder, seed
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        self.files: Files = {str(p.relative_to(folder)): p.read_bytes() for p in paths}
        self.good = ""

    def case(self, number: int) -> Case:
        """The input of a number."""
        name = zlib.crc32(self.kind.name.encode())
        return self.kind.case(self.files, np.random.default_rng([self.seed, name, number]))

    def run(self, number: int) -> Outcome:
        """Read an input."""
        if not self.good:
            self.good = self.kind.says(self.kind.load(self.folder))
        case = self.case(number)
        try:
            for path, content in case.files.items():
                place(self.folder / path, content)
            label, site = self._read(case.legal, number)
        finally:
            for path in case.files:
                place(self.folder / path, self.files[path])
        return Outcome(self.kind.name, number, label, case.change, site)

    def _read(self, legal: Callable[[Any], bool], number: int) -> tuple[str, str]:
        try:
            loaded = self.kind.load(self.folder)
            if self.kind.says(loaded) == self.good:
                return EQUAL, ""
            self.kind.use(loaded, number)
        except CagexplainError as error:
            if str(self.folder) in str(error) and error.remedy:
                return REFUSED, ""
            return INTERNAL, f"{_site(error)}, which names no file"
        except MemoryError:
            return SPACE, ""
        except NotFinite as error:
            return OTHER, str(error)
        except OSError as error:
            # The command line tells these as refusals, if they know their file.
            message = str(explain(error))
            return (REFUSED, "") if str(self.folder) in message else (INTERNAL, _site(error))
        except Exception as error:  # what else goes wrong is what is looked for
            return INTERNAL, _site(error)
        return (LEGAL, "") if legal(loaded) else (OTHER, "")


def place(path: Path, content: Content) -> None:
    """Put a content, or something else, in the place of whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)


def _site(error: Exception) -> str:
    """The innermost line of ours that an error came through, and its type."""
    frames = traceback.extract_tb(error.__traceback__)
    packages = tuple(str(ROOT / name) for name in ("cagexplain/", "trainers/", "reports/"))
    ours = [frame for frame in frames if frame.filename.startswith(packages)]
    frame = (ours or frames)[-1]
    file = frame.filename.removeprefix(f"{ROOT}/")
    return f"{file}:{frame.lineno} {type(error).__name__}"


# --- processes ---

Job = tuple[int, int]
"""Index of a kind, number of the input."""


def _work(jobs: Sequence[Job], start: int, folder: Path, seed: int, pipe: Connection) -> None:
    """In a process: read inputs from a place of the list on, and tell of each begin and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_memory(os.getpid(), "VmSize") + _ROOM, hard))
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    workplace = Path(tempfile.mkdtemp(dir=folder))
    os.chdir(workplace)
    benches: dict[int, Bench] = {}
    for position in range(start, len(jobs)):
        which, number = jobs[position]
        if which not in benches:
            kind = KINDS[which]
            shutil.copytree(folder / kind.name, workplace / kind.name)
            benches[which] = Bench(kind, workplace / kind.name, seed)
            benches[which].good = kind.says(kind.load(workplace / kind.name))  # also warms up
        pipe.send((position, None))
        began = time.process_time()
        try:
            outcome = benches[which].run(number)
        except Exception as error:  # of this benchmark: the others still count
            outcome = Outcome(KINDS[which].name, number, INTERNAL, BROKEN, _site(error))
        outcome = replace(outcome, seconds=time.process_time() - began)
        if _memory(os.getpid(), "VmHWM") > MEMORY:
            outcome = replace(outcome, label=SPACE, site="")
        elif outcome.seconds > SECONDS:
            outcome = replace(outcome, label=TIME, site="")
        pipe.send((position, outcome))
        if outcome.label == SPACE:
            break  # the peak cannot be measured again: the parent starts another process
    shutil.rmtree(workplace, ignore_errors=True)


def _memory(process: int, entry: str) -> int:
    """Bytes that ``/proc`` tells of a process; 0 once it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{entry}:"):
                return int(line.split()[1]) * 1024
    return 0


def _processor_time(process: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


class _Worker:
    """A process that reads inputs, and the watch over it."""

    def __init__(self, jobs: Sequence[Job], folder: Path, seed: int) -> None:
        self.jobs, self.folder, self.seed = jobs, folder, seed
        self.position, self.busy = 0, False
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")  # with everything imported already
        self.pipe, theirs = context.Pipe(duplex=False)
        arguments = (self.jobs, self.position, self.folder, self.seed, theirs)
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.busy = False

    @property
    def done(self) -> bool:
        return self.position >= len(self.jobs)

    def watch(self) -> Outcome | None:
        """What has become of the present input, if that is known by now."""
        try:
            if self.pipe.poll():
                position, outcome = self.pipe.recv()
                if outcome is None:
                    self.busy, self.position = True, position
                    self._began = time.monotonic(), _processor_time(self.process.pid or 0)
                    return None
                self.busy, self.position = False, position + 1
                if outcome.label == SPACE:
                    self._restart()
                assert isinstance(outcome, Outcome)
                return outcome
        except EOFError:
            self.process.join()
            status = self.process.exitcode
            if not self.busy and status == 0:
                self.position = len(self.jobs)
                return None
            if not self.busy:
                raise RuntimeError(f"a process ended with status {status} between inputs") from None
            return self._lost(INTERNAL, f"the process died with status {status}")
        if not self.busy:
            return None
        clock, processor = self._began
        if _memory(self.process.pid or 0, "VmRSS") > MEMORY:
            return self._lost(SPACE)
        used = _processor_time(self.process.pid or 0) - processor
        if used > SECONDS or time.monotonic() - clock > PATIENCE:
            return self._lost(TIME)
        return None

    def _lost(self, label: str, site: str = "") -> Outcome:
        """End the process, and start another behind the input that it was reading."""
        which, number = self.jobs[self.position]
        self.position += 1
        self._restart()
        return Outcome(KINDS[which].name, number, label, "", site)

    def _restart(self) -> None:
        self.end()
        if not self.done:
            self._start()

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def make(folder: Path) -> None:
    """Write the good files of all kinds, in a process of its own: threads do not survive a fork."""
    process = multiprocessing.get_context("fork").Process(target=_make, args=(folder,))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError("the good files could not be made")


def _make(folder: Path) -> None:
    for kind in KINDS:
        (folder / kind.name).mkdir()
        kind.make(folder / kind.name)


def read_all(
    jobs: Sequence[Job], folder: Path, seed: int, workers: int, minutes: float | None
) -> Iterator[Outcome]:
    """Read inputs in some processes, and tell what becomes of each as it happens."""
    until = time.monotonic() + (60 * minutes if minutes else np.inf)
    shares = [jobs[i::workers] for i in range(workers)]
    running = [_Worker(share, folder, seed) for share in shares if share]
    try:
        while running and time.monotonic() < until:
            wait([worker.pipe for worker in running], timeout=0.02)
            for worker in list(running):
                outcome = worker.watch()
                if outcome is not None:
                    yield outcome
                if worker.done:
                    running.remove(worker)
                    worker.end()
    finally:
        for worker in running:
            worker.end()


# --- command ---


def plan(inputs: int, only: Sequence[str], number: int | None) -> list[Job]:
    """Which inputs to read: of every kind its share, evenly spread."""
    chosen = [i for i, kind in enumerate(KINDS) if not only or kind.name in only]
    if number is not None:
        return [(i, number) for i in chosen]
    whole = sum(KINDS[i].share for i in chosen)
    counts = {i: max(1, round(inputs * KINDS[i].share / whole)) for i in chosen}
    counts[max(counts, key=lambda i: counts[i])] += max(0, inputs - sum(counts.values()))
    places = [((n + 0.5) / counts[i], i, n) for i in chosen for n in range(counts[i])]
    return [(i, n) for _, i, n in sorted(places)]


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder with the good files, in memory where the system offers that."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="cagexplain-fuzz-", dir=memory if os.access(memory, os.W_OK) else None
    ) as folder:
        make(Path(folder))
        yield Path(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit status."""
    options = _options(arguments)
    console = Console(width=150)
    jobs = plan(options.inputs, options.only or (), options.number)
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with workplace() as folder:
        for outcome in read_all(jobs, folder, options.seed, options.workers, options.minutes):
            outcomes.append(outcome)
            if sys.stderr.isatty() and len(outcomes) % 100 == 0:
                print(f"\r{len(outcomes):,} of {len(jobs):,}", end="", file=sys.stderr, flush=True)
        benches = {kind.name: Bench(kind, folder / kind.name, options.seed) for kind in KINDS}
        bad = [_named(outcome, benches) for outcome in outcomes if outcome.label in BAD]
        if options.save:
            for outcome in outcomes if options.number is not None else bad:
                if outcome.change != BROKEN:
                    _save(options.save, outcome, benches[outcome.kind])
    seconds = time.monotonic() - began
    title = f"{len(outcomes):,} of {len(jobs):,} inputs, seed {options.seed}, {seconds:.0f} s"
    console.print(_counts(outcomes, title))
    if bad:
        console.print(_examples(bad, options.seed))
    return int(bool(bad))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    summary = "What readers make of spoilt files."
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz", description=summary)
    names = [kind.name for kind in KINDS]
    parser.add_argument("--inputs", type=_positive, default=20_000, help="how many, in all")
    parser.add_argument("--seed", type=_whole, default=0, help="that all inputs follow from")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="KIND", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--number", type=_whole, help="read this input of the kind alone")
    parser.add_argument("--minutes", type=float, help="end after so many, wherever it has come")
    parser.add_argument("--workers", type=_positive, default=2, help="processes that read")
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the inputs that went wrong")
    options = parser.parse_args(arguments)
    if options.number is not None and not options.only:
        parser.error("--number needs --only KIND")
    if options.minutes is not None and not 0 < options.minutes < np.inf:
        parser.error("--minutes must be above 0")
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is not 0 or more")
    return number


def _counts(outcomes: Sequence[Outcome], title: str) -> Table:
    table = Table("kind", "inputs", *OUTCOMES, "s per 1,000", title=title)
    for name in (*(kind.name for kind in KINDS), "all"):
        of_kind = [outcome for outcome in outcomes if name in (outcome.kind, "all")]
        counts = Counter(outcome.label for outcome in of_kind)
        if of_kind:
            seconds = sum(outcome.seconds for outcome in of_kind) / len(of_kind) * 1000
            row = [len(of_kind), *(counts[label] for label in OUTCOMES)]
            table.add_row(name, *(f"{n:,}" for n in row), f"{seconds:.0f}")
    return table


def groups(bad: Sequence[Outcome]) -> list[tuple[int, Outcome]]:
    """What went wrong, like cases together: how often, and the first of them; most often first."""
    first: dict[tuple[str, ...], Outcome] = {}
    times: Counter[tuple[str, ...]] = Counter()
    for outcome in bad:
        key = (outcome.label, outcome.site or f"{outcome.kind} {outcome.change}")
        first.setdefault(key, outcome)
        times[key] += 1
    return [(n, first[key]) for key, n in times.most_common()]


def _examples(bad: Sequence[Outcome], seed: int) -> Table:
    table = Table("times", "outcome", "where it failed", "first input", title="what went wrong")
    for n, outcome in groups(bad):
        again = f"--only {outcome.kind} --number {outcome.number} --seed {seed}"
        table.add_row(str(n), outcome.label, outcome.site, f"{outcome.change}\n{again}")
    return table


def _named(outcome: Outcome, benches: Mapping[str, Bench]) -> Outcome:
    """An outcome with what was done to its file, also if the process could not tell it any more."""
    change = outcome.change or benches[outcome.kind].case(outcome.number).change
    return replace(outcome, change=change)


def _save(target: Path, outcome: Outcome, bench: Bench) -> None:
    """Keep an input: all files of its kind, with the spoilt ones."""
    case_folder = target / f"{outcome.kind}-{outcome.number}"
    shutil.copytree(bench.folder, case_folder, dirs_exist_ok=True)
    for path, content in bench.case(outcome.number).files.items():
        place(case_folder / path, content)


if __name__ == "__main__":
    sys.exit(main())
