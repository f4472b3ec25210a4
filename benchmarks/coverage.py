"""Branches of the engine that recorded episodes of CybORG reach.

    python -m benchmarks.coverage RECORDINGS... [--limit N] [--search SEEDS]

Replays recordings (files, or folders of them) in a copy of the engine whose compiled functions note
where they have been, and lists what no episode reached. Counted are

* the functions entered,
* both outcomes of every ``if``, ``while`` and conditional expression,
* both outcomes of every operand of ``and`` and ``or``, where it is evaluated at all,
* of every ``for`` loop its body, and that it ran to its end.

What cannot be reached stands in :data:`UNREACHABLE` with the reason. The claim is that all the rest
is reached but :data:`MISSED` places, and that no entry of that table is wrong. The control is that
no replay differs.

``--search`` plays so many seeds of all scripted policies and probes in the engine alone, until the
gaps are closed, and tells which of these episodes are worth recording.
"""

import ast
import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, CannotMeasure, benchmark
from benchmarks.engine_copy import Died, EngineCopy, Replayed, engine_copy, recordings
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.fidelity import view
from cagexplain.fidelity.probes import PROBES, Prober
from cagexplain.fidelity.recording import read_recording
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import DEFAULT_BATCH, play
from cagexplain.policies.scripted.builtin import BUILTIN

MISSED: Final = 1
"""Places that can be reached and that no recording reached."""
_DECORATORS: Final = {"jit", "entry"}
_HITS: Final = "branch_hits"
_SLOWER: Final = 8
"""Probes see one environment at a time, so fewer of their seeds are searched."""
_REDS: Final = ("finite_state", "discovery")

_HITS_MODULE: Final = '''
"""Where the compiled code has been."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

HITS = np.zeros({size}, dtype=np.uint8)
_ADDRESS = HITS.ctypes.data


@intrinsic
def hit(typingctx, place):
    """Notes a place. Compiled code holds the address of this process's array: never reuse it."""

    def generate(context, builder, signature, arguments):
        address = builder.add(ir.Constant(ir.IntType(64), _ADDRESS), arguments[0])
        byte = ir.IntType(8)
        builder.store(byte(1), builder.inttoptr(address, byte.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64), generate


@njit(nogil=True)
def decide(place, value):
    """Notes how a condition turned out: one place for true, the next one for false."""
    if value:
        hit(place)
    else:
        hit(place + 1)
    return value
'''


@dataclass(frozen=True)
class Place:
    """Something that code can do.

    Attributes:
        file, function: where.
        text: the condition or the header of the loop; empty for the function itself.
        outcome: ``entered``; ``true`` or ``false``; ``body`` or ``end``.
        nth: which of the places of this function that are called the same, from 1.
        line: in the file.
        operand: whether the condition is an operand of ``and`` or ``or``.
    """

    file: str
    function: str
    text: str
    outcome: str
    nth: int = 1
    line: int = field(compare=False, default=0)
    operand: bool = field(compare=False, default=False)

    def __str__(self) -> str:
        again = f" ({self.nth})" if self.nth > 1 else ""
        return f"{self.file}:{self.line} {self.function}: {self.text}{again} [{self.outcome}]"


@dataclass(frozen=True)
class Unreachable:
    """Places of one function that no episode can reach, with the reason; each by its text, its
    outcome and, if it is not the first one called so, its number."""

    file: str
    function: str
    places: tuple[tuple[str, str] | tuple[str, str, int], ...]
    reason: str


_END, _TRUE, _FALSE = "end", "true", "false"
_FULL = "a capacity: play stays far below (benchmarks/capacity.py), and exceeding it raises"
_PICKED = "the number drawn is below the number of candidates, so one is always picked"
_WITHDRAW = "no variant of red ever chooses Withdraw"

UNREACHABLE: Final[tuple[Unreachable, ...]] = (
    Unreachable("fsm.py", "_move", (("n >= TRANSITIONS", _TRUE),), _FULL),
    Unreachable(
        "fsm.py",
        "_move",
        (("before != _F", _FALSE),),
        "F hosts are foreign and never chosen, and an agent sweeps its own zones only",
    ),
    Unreachable("hosts.py", "add_process", (("s.proc_top < PROCESSES", _FALSE),), _FULL),
    Unreachable("hosts.py", "_log", (("n >= EVENTS", _TRUE),), _FULL),
    Unreachable("hosts.py", "remember_suspicious", (("node >= SUSPICIOUS", _TRUE),), _FULL),
    Unreachable("sessions.py", "_enter", (("n >= SESSIONS_PER_AGENT", _TRUE),), _FULL),
    Unreachable("sessions.py", "create", (("s.ses_top < SESSIONS", _FALSE),), _FULL),
    Unreachable("sessions.py", "_learn_id", (("ident >= SESSION_IDS", _TRUE),), _FULL),
    Unreachable(
        "fsm.py",
        "_evaluate",
        (("SUCCESS[state, action] >= 0", _FALSE),),
        "a host's state becomes or stays U only under actions that U's row or S's row lists",
    ),
    Unreachable(
        "fsm.py",
        "_digest",
        (("status in (_TRUE, _FALSE)", _FALSE),),
        "an action is noted together with its success, and both are cleared together",
    ),
    Unreachable(
        "fsm.py",
        "_digest",
        (("s.fsm_state[agent, s.record_host[agent]] != _UNKNOWN", _FALSE),),
        "targets come from the table, and no host ever leaves it",
    ),
    Unreachable(
        "fsm.py",
        "_uniform_host",
        (("for k in range(s.fsm_n[agent])", _END),),
        "an active agent has a session in its own zones, on a host that is not F; of the hosts "
        "that are not F one is always picked",
    ),
    Unreachable(
        "fsm.py",
        "_weighted_state",
        (("for j in range(n)", _END, 2),),
        "the last running sum divided by itself is 1, and a draw is below 1",
    ),
    Unreachable("fsm.py", "_pick", (("for k in range(s.fsm_n[agent])", _END),), _PICKED),
    Unreachable("fsm.py", "_choose_action", (("k < N_RED_ACTIONS - 1", _FALSE),), _WITHDRAW),
    Unreachable(
        "green.py",
        "_phishing_email",
        (("n_held == 0", _TRUE),),
        "red's first session lies in the contractor's network, where no blue agent acts",
    ),
    Unreachable(
        "green.py", "_phishing_email", (("for other in range(N_HOSTS)", _END, 2),), _PICKED
    ),
    Unreachable("red.py", "_perform", (("action == _DEGRADE", _FALSE),), _WITHDRAW),
    Unreachable(
        "red.py",
        "_withdraw",
        (
            ("", "entered"),
            ("source < 0 or sessions.count_on(s, agent, host) == 0", _TRUE),
            ("source < 0 or sessions.count_on(s, agent, host) == 0", _FALSE),
            ("source < 0", _TRUE),
            ("source < 0", _FALSE),
            ("sessions.count_on(s, agent, host) == 0", _TRUE),
            ("sessions.count_on(s, agent, host) == 0", _FALSE),
            ("k < s.map_n[agent]", _TRUE),
            ("k < s.map_n[agent]", _FALSE),
            ("s.ses[slot].host == host", _TRUE),
            ("s.ses[slot].host == host", _FALSE),
        ),
        _WITHDRAW,
    ),
    Unreachable(
        "red.py", "_select_exploit", (("for exploit in range(_N_EXPLOITS)", _END, 2),), _PICKED
    ),
    Unreachable(
        "red.py", "_brute_force", (("k < N_ZONES", _FALSE),), "no path crosses more than five zones"
    ),
    Unreachable(
        "red.py",
        "_sql_injection",
        (("not hosts.runs(s, host, _MYSQLD)", _TRUE),),
        "only MySQL listens on its port, and only the OT service can be stopped",
    ),
    Unreachable("red.py", "_escalate", (("for k in range(s.map_n[agent])", _END),), _PICKED),
    Unreachable(
        "step.py",
        "reset_batch",
        (("not chosen[e]", _TRUE),),
        "a replay has one environment; tests/envs/test_batched.py resets some of several",
    ),
    Unreachable(
        "step.py",
        "check_batch",
        (
            ("not 0 <= submitted[e, agent] < _SIZES[agent]", _TRUE),
            ("states[e].step >= params[0].steps - 1", _TRUE),
        ),
        "a recording has no refused steps; tests/envs/test_batched.py has",
    ),
    Unreachable("world.py", "_take", (("for value in range(free.size)", _END),), _PICKED),
    Unreachable("world.py", "_make_host", (("for addon in range(_N_ADDONS)", _END),), _PICKED),
    Unreachable("world.py", "_place_agents", (("for j in range(n_zones)", _END, 2),), _PICKED),
)


class Instrumenter(ast.NodeTransformer):
    """Makes compiled functions note where they have been; the others stay as they are."""

    def __init__(self, file: str, places: list[Place]) -> None:
        """``places``: is added to; a place's number is its index."""
        self._file = file
        self._function = ""
        self._places = places
        self._named: Counter[tuple[str, str, str, str]] = Counter()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # noqa: D102
        if _DECORATORS.isdisjoint(map(_name, node.decorator_list)):
            return node
        self._function = node.name
        entered = self._hit(node, "", "entered")
        first = _first_statement(node)
        body = [self.visit(statement) for statement in node.body[first:]]
        node.body[first:] = [entered, *body]
        return node

    def visit_If(self, node: ast.If) -> ast.AST:  # noqa: D102
        return self._branching(node)

    def visit_While(self, node: ast.While) -> ast.AST:  # noqa: D102
        return self._branching(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:  # noqa: D102
        return self._branching(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:  # noqa: D102
        node.values = [self._decided(value, operand=True) for value in node.values]
        return node

    def visit_For(self, node: ast.For) -> ast.AST:  # noqa: D102
        text = f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
        body, end = self._hit(node, text, "body"), self._hit(node, text, "end")
        self.generic_visit(node)
        node.body.insert(0, body)
        node.orelse.insert(0, end)
        return node

    def _branching(self, node: Any) -> ast.AST:
        decided = self._decided(node.test)
        node.test = ast.Constant(value=True)  # visited already
        self.generic_visit(node)
        node.test = decided
        return node  # type: ignore[no-any-return]  # what came in

    def _decided(self, test: ast.expr, operand: bool = False) -> ast.expr:
        if isinstance(test, ast.Constant):
            return test
        text = ast.unparse(test)
        number = self._place(test, text, "true", operand)
        self._place(test, text, "false", operand)
        return _call("decide", number, self.visit(test))

    def _hit(self, node: ast.stmt, text: str, outcome: str) -> ast.stmt:
        return ast.Expr(value=_call("hit", self._place(node, text, outcome)))

    def _place(
        self, node: ast.expr | ast.stmt, text: str, outcome: str, operand: bool = False
    ) -> int:
        name = (self._file, self._function, text, outcome)
        self._named[name] += 1
        self._places.append(Place(*name, self._named[name], node.lineno, operand))
        return len(self._places) - 1


def _name(decorator: ast.expr) -> str:
    """Of ``@name`` or ``@name(...)``."""
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return named.id if isinstance(named, ast.Name) else ""


def _first_statement(node: ast.FunctionDef | ast.Module) -> int:
    """Index of what comes after the docstring and imports from ``__future__``."""
    first = 0 if ast.get_docstring(node, clean=False) is None else 1
    while first < len(node.body) and _of_the_future(node.body[first]):
        first += 1
    return first


def _of_the_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _call(name: str, place: int, *arguments: ast.expr) -> ast.Call:
    return ast.Call(
        func=ast.Name(id=name, ctx=ast.Load()),
        args=[ast.Constant(value=place), *arguments],
        keywords=[],
    )


def instrumented(source: str, file: str, places: list[Place]) -> str:
    """A module's source whose compiled functions note where they have been."""
    tree = Instrumenter(file, places).visit(ast.parse(source))
    helpers = ast.parse(f"from cagexplain.sim.{_HITS} import decide, hit").body
    first = _first_statement(tree)
    tree.body[first:first] = helpers
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def instrument(copy: EngineCopy) -> list[Place]:
    """Instrument the engine of a copy; returns its places by number."""
    places: list[Place] = []
    folder = copy.package / "sim"
    for path in sorted(set(folder.glob("*.py")) - {folder / "jit.py"}):  # no rules
        path.write_text(instrumented(path.read_text(), path.name, places))
    (folder / f"{_HITS}.py").write_text(_HITS_MODULE.replace("{size}", str(len(places))))
    return places


# --- inside the copy ----------------------------------------------------------------------------


def visit_places(arguments: Sequence[str]) -> None:
    """Replay the named recordings, then search; prints for each episode how it compared and which
    places it reached. The arguments: places that need not be searched, seeds per policy, files."""
    excused, n_seeds, *paths = arguments
    hits = __import__(f"cagexplain.sim.{_HITS}", fromlist=["HITS"]).HITS
    wanted = set(range(len(hits))) - set(json.loads(excused))
    for path in paths:
        _tell(_follow(Path(path)), hits, wanted)
    for first in range(0, int(n_seeds), DEFAULT_BATCH):
        seeds = range(first, min(first + DEFAULT_BATCH, int(n_seeds)))
        for red, policy in itertools.product(_REDS, (*BUILTIN, *PROBES)):
            if wanted:
                _search(policy, red, seeds[::_SLOWER] if policy in PROBES else seeds, hits, wanted)


def _tell(replayed: Replayed, hits: Any, wanted: set[int]) -> None:
    reached = set(hits.nonzero()[0].tolist())
    wanted -= reached
    print(json.dumps([dataclasses.asdict(replayed), sorted(reached)]), flush=True)
    hits[:] = 0


def _search(policy: str, red: str, seeds: range, hits: Any, wanted: set[int]) -> None:
    """Tell which of these episodes reach what is wanted, by playing halves of them again."""
    hits[:] = 0
    if policy in PROBES:
        for seed in seeds:
            _probe(policy, red, seed)
    else:
        env = BatchedEnv(len(seeds), params=EnvParams(red=red))
        play(load_policy(policy), env, np.array(seeds))
    if wanted.isdisjoint(hits.nonzero()[0].tolist()):
        return
    if len(seeds) == 1:
        _tell(Replayed(f"{policy}, red {red}, seed {seeds[0]}"), hits, wanted)
        return
    half = len(seeds) // 2
    for part in (seeds[:half], seeds[half:]):
        if wanted:
            _search(policy, red, part, hits, wanted)


def _probe(policy: str, red: str, seed: int) -> None:
    env = BatchedEnv(1, params=EnvParams(red=red), threads=1)
    prober = Prober(policy, seed)
    env.reset([seed])
    while not env.done[0]:
        env.step(*prober.act(env))


def _follow(path: Path) -> Replayed:
    """Replay a recording. Observations and rewards are compared in every step, all the rest once
    at the end: what went wrong in between would show there, in the generator at the latest."""
    recording = read_recording(path)
    env = BatchedEnv(1, params=recording.params, threads=1)
    env.reset([recording.seed])
    for step, (obs, reward) in enumerate(zip(recording.obs, recording.rewards, strict=True)):
        if step > 0:
            env.step(recording.actions[step - 1 : step], recording.messages[step - 1 : step])
        if (env.obs[0] != obs).any() or env.reward[0] != reward:
            return Replayed(path.name, step, "obs or reward")
    if view.digest(view.of(env, 0)) != recording.digests[-1]:
        return Replayed(path.name, step, "digest of everything")
    return Replayed(path.name)


# --- the report ---------------------------------------------------------------------------------


@dataclass
class Coverage:
    """What was reached of the places.

    Attributes:
        places: all, by number.
        reached: numbers of those that recordings reached.
        differing: replays that differed.
        finds: by episode of the search, the numbers of places that it reached first.
    """

    places: list[Place]
    reached: set[int] = field(default_factory=set)
    differing: list[Replayed] = field(default_factory=list)
    finds: dict[str, set[int]] = field(default_factory=dict)

    @property
    def missing(self) -> list[Place]:
        """Places that nothing reached though nothing says that it cannot be."""
        excused = set(_excused())
        return [
            place
            for number, place in enumerate(self.places)
            if number not in self.reached and place not in excused
        ]

    @property
    def wrong_excuses(self) -> list[Place]:
        """Entries of the table of unreachable places that were reached, or do not exist."""
        reached = {self.places[number] for number in self.reached}
        return [place for place in _excused() if place in reached or place not in self.places]


def _excused() -> Iterator[Place]:
    for entry in UNREACHABLE:
        for place in entry.places:
            yield Place(entry.file, entry.function, *place)


def measure(paths: Iterable[Path], n_seeds: int, console: Console) -> Coverage:
    """Replay recordings, and search where there are gaps."""
    with engine_copy() as copy:
        coverage = Coverage(instrument(copy))
        excused = set(_excused())
        numbers = [n for n, place in enumerate(coverage.places) if place in excused]
        names = [str(path) for path in paths]
        episodes = copy.run(
            "benchmarks.coverage:visit_places", [json.dumps(numbers), str(n_seeds), *names]
        )
        new_branches: set[int] = set()
        for count, (line, reached) in enumerate(episodes):
            replayed = Replayed(**line)
            new = set(reached) - coverage.reached - new_branches
            console.print(f"{replayed.recording}: {len(reached)} places, {len(new)} of them new")
            if count >= len(names):
                new_branches |= new
                coverage.finds[replayed.recording] = new
                for number in sorted(new):
                    console.print(f"  {coverage.places[number]}", markup=False, soft_wrap=True)
                continue
            coverage.reached |= new
            if not replayed.equal:
                coverage.differing.append(replayed)
    return coverage


def report(coverage: Coverage, console: Console) -> None:
    """Print the table and what is missing."""
    table = Table("file", "functions", "branches", "conditions", title="reached by the recordings")
    files = list(dict.fromkeys(place.file for place in coverage.places))
    for file in [*files, None]:
        cells = [_share(coverage, file, kind) for kind in ("function", "branch", "condition")]
        table.add_row(file or "all", *cells)
    console.print(table)
    lists: dict[str, Sequence[object]] = {
        "cannot be reached": [
            f"{entry.file} {entry.function}: {place[0]} [{place[1]}]: {entry.reason}"
            for entry in UNREACHABLE
            for place in entry.places
        ],
        "missing": coverage.missing,
        "wrongly declared unreachable": coverage.wrong_excuses,
        "replays that differ": coverage.differing,
        "found by the search": [
            f"{episode} -> {coverage.places[number]}"
            for episode, numbers in coverage.finds.items()
            for number in sorted(numbers)
        ],
    }
    for title, entries in lists.items():
        if entries:
            console.print(f"{title} ({len(entries)}):")
        for entry in entries:
            console.print(f"  {entry}", markup=False, highlight=False, soft_wrap=True)


def _share(coverage: Coverage, file: str | None, kind: str) -> str:
    numbers = {
        number
        for number, place in enumerate(coverage.places)
        if file in (None, place.file) and _kind(place) == kind
    }
    excused = set(_excused())
    reached = len(numbers & coverage.reached)
    impossible = sum(coverage.places[number] in excused for number in numbers)
    return f"{reached} of {len(numbers)}" + (f" ({impossible} impossible)" if impossible else "")


def _kind(place: Place) -> str:
    if place.outcome == "entered":
        return "function"
    return "condition" if place.operand else "branch"


@benchmark(__doc__)
@click.argument(
    "places", metavar="RECORDINGS...", nargs=-1, required=True, type=click.Path(exists=True)
)
@click.option("--limit", type=COUNT, help="Replay the first ones only.")
@click.option(
    "--search",
    type=click.IntRange(min=0),
    default=0,
    metavar="SEEDS",
    show_default=True,
    help="Of each policy.",
)
def command(places: Sequence[str], limit: int | None, search: int) -> Sequence[str]:
    """Prints the report."""
    console = Console(width=140)
    try:
        coverage = measure(recordings(places)[:limit], search, console)
    except Died as death:
        raise CannotMeasure(f"the instrumented copy of the engine ended: {death}") from death
    report(coverage, console)
    if coverage.differing or not coverage.reached:
        names = ", ".join(replayed.recording for replayed in coverage.differing)
        raise CannotMeasure(f"these replays differ: {names}" if names else "nothing was reached")
    return list(_false(coverage))


def _false(coverage: Coverage) -> Iterator[str]:
    missing = len(coverage.missing)
    if missing > MISSED:
        yield f"all places are reached but {MISSED} ({missing} are not)"
    for place in coverage.wrong_excuses:
        yield f"{place} cannot be reached"


if __name__ == "__main__":
    command()
