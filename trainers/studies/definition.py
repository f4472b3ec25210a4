"""What a study trains and what it claims, read from a YAML file.

A study is a set of *methods*, each trained with every *seed*, and of *figures*, which show some of
the methods and hold *findings*: statements about differences between methods that the runs are
to support or contradict. `docs/studies.md` describes the file. Everything in it is checked before
anything is trained; what is wrong is told with its line.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from cagexplain.common import yaml_lines
from cagexplain.common.errors import UsageError
from cagexplain.common.yaml_lines import Node
from trainers import registry
from trainers.core import config
from trainers.core.config import Assignment, RunConfig

RELATIONS: Final[dict[str, tuple[float, float]]] = {
    "above": (0, math.inf),
    "clearly above": (1, math.inf),
    "below": (-math.inf, 0),
    "clearly below": (-math.inf, -1),
    "like": (-1, 1),
    "no better than": (-math.inf, 1),
    "no worse than": (-1, math.inf),
}
"""Relation -> where the difference of two methods' returns then lies, in margins of the study."""

MEASURES: Final[dict[str, tuple[float, float] | None]] = {
    "final": None,
    "early": (0.0, 0.1),
    "late": (0.9, 1.0),
}
"""Measure of a run -> the part of its training whose mean return it is, both as shares of the
steps; None: the return of the best weights on the held-out episodes at the end."""

MOST_SEEDS: Final = 10_000
"""Runs of each method that a study may have."""

SHORTHANDS: Final = ("messages", "reward", "intrinsic")
"""Settings that may be given outside `settings`, as on the command line."""

_RUN: Final = tuple(f.name for f in fields(RunConfig) if f.name not in ("algorithm", "seed"))
_COMMON: Final = (*_RUN, *SHORTHANDS, "settings")
"""Entries that a study may give for all its methods, and a method for itself."""
_STUDY: Final = ("name", "seeds", "margin", "methods", "figures", *_COMMON)
_METHOD: Final = ("algorithm", "title", *_COMMON)
_FIGURE: Final = ("id", "title", "methods", "findings")
_FINDING: Final = ("text", "comparisons")
_COMPARISON: Final = ("methods", "relation", "others", "measure")

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]{0,99}")


@dataclass(frozen=True)
class Method:
    """What is trained with every seed.

    Attributes:
        id: names its folder.
        title: names it in reports.
        run: what is common to the runs of all algorithms; its seed is the study's first.
        settings: of the algorithm.
        runs: id of the method whose runs it uses: its own, or that of an earlier method with the
            same settings.
    """

    id: str
    title: str
    run: RunConfig
    settings: Any
    runs: str


@dataclass(frozen=True)
class ClaimedRelation:
    """A statement: `method` is `relation` `other` in `measure`."""

    method: str
    relation: str
    other: str
    measure: str


@dataclass(frozen=True)
class Claim:
    """Something seen before, and the comparisons that must all hold for it."""

    text: str
    comparisons: tuple[ClaimedRelation, ...]


@dataclass(frozen=True)
class Figure:
    """Methods that are shown together."""

    id: str
    title: str
    methods: tuple[str, ...]
    findings: tuple[Claim, ...]


@dataclass(frozen=True)
class Study:
    """A whole study.

    Attributes:
        name: of the study.
        seeds: of the runs of each method.
        margin: difference in return, in points, that does not matter.
        methods: by id.
        figures: in the order of the file.
    """

    name: str
    seeds: tuple[int, ...]
    margin: float
    methods: Mapping[str, Method]
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything that an analysis of the runs needs, without knowing this module."""
        return {
            "name": self.name,
            "seeds": list(self.seeds),
            "margin": self.margin,
            "methods": {
                method.id: {
                    "title": method.title,
                    "runs": method.runs,
                    "config": plain_config(method.run, method.settings),
                    "defaults": defaults(method.run, method.settings),
                }
                for method in self.methods.values()
            },
            "figures": [
                {
                    "id": figure.id,
                    "title": figure.title,
                    "methods": list(figure.methods),
                    "findings": [
                        {
                            "text": finding.text,
                            "comparisons": [self._resolved(c) for c in finding.comparisons],
                        }
                        for finding in figure.findings
                    ],
                }
                for figure in self.figures
            ],
        }

    def _resolved(self, comparison: ClaimedRelation) -> dict[str, Any]:
        """A comparison with the meaning of its words: bounds in points, a window of training."""
        low, high = (
            None if math.isinf(bound) else bound * self.margin
            for bound in RELATIONS[comparison.relation]
        )
        window = MEASURES[comparison.measure]
        return asdict(comparison) | {"low": low, "high": high, "window": window}


def plain_config(run: RunConfig, settings: Any) -> dict[str, Any]:
    """The settings of a run as its `config.json` holds them."""
    return _as_stored({**asdict(run), **asdict(settings)})


def defaults(run: RunConfig, settings: Any) -> dict[str, Any]:
    """Those of them that have a default, with that value instead of their own."""
    entries = [*fields(run), *fields(settings)]
    return _as_stored({e.name: e.default for e in entries if e.default is not MISSING})


def _as_stored(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def read_study(path: str | Path) -> Study:
    """Read and check a study file.

    Raises:
        UsageError: with the line: an unknown entry, method, relation or setting, a value of the
            wrong type or outside its range, a combination that cannot be trained.
        OSError: the file cannot be read.
    """
    root = yaml_lines.load(path)
    entries = _entries(root, _STUDY)
    seeds = _seeds(entries["seeds"]) if "seeds" in entries else (0, 1, 2, 3, 4)
    methods: dict[str, Method] = {}
    for name, node in _required(root, "methods").mapping().items():
        _check_id(node, name)
        methods[name] = _method(name, node, entries, seeds[0], methods.values())
    if not methods:
        raise root.error("there are no methods", "methods", remedy="Give at least one")
    figures: list[Figure] = []
    for node in entries["figures"].sequence() if "figures" in entries else ():
        figure = _figure(node, methods)
        if figure.id in [known.id for known in figures]:
            raise node.error(f"the id {figure.id!r} is taken", "id", remedy="Give another one")
        figures.append(figure)
    margin = _number(entries["margin"], "margin") if "margin" in entries else 0.0
    name = _text(entries["name"], "name") if "name" in entries else Path(path).stem
    return Study(name, seeds, margin, methods, tuple(figures))


def make_method(
    name: str,
    title: str,
    run: RunConfig,
    assignments: Iterable[Assignment],
    earlier: Iterable[Method] = (),
) -> Method:
    """Make a method from a run's algorithm, preset and seed and changes of any settings.

    Raises:
        UsageError: an unknown algorithm, preset or setting, a value out of range, or a
            combination that cannot be trained.
    """
    preset = registry.find_preset(run.algorithm, run.preset)
    run, settings = config.override((run, preset), assignments)
    registry.check_combination(run.algorithm, settings)
    same = [m.runs for m in earlier if m.run == run and m.settings == settings]
    return Method(name, title, run, settings, same[0] if same else name)


def _method(
    name: str, node: Node, study: Mapping[str, Node], seed: int, earlier: Iterable[Method]
) -> Method:
    entries = _entries(node, _METHOD)
    merged = {key: study[key] for key in _COMMON if key in study} | entries
    settings = {key: merged[key] for key in (*_RUN, *SHORTHANDS) if key in merged}
    for source in (study, entries):
        if "settings" in source:
            settings |= _setting_entries(source["settings"])
    algorithm, preset = name, "paper"
    if "algorithm" in entries:
        algorithm = _choice(entries["algorithm"], "algorithm", registry.ALGORITHMS)
    if "preset" in merged and algorithm in registry.ALGORITHMS:
        preset = _choice(merged["preset"], "preset", registry.ALGORITHMS[algorithm].presets)
    run = RunConfig(algorithm=algorithm, preset=preset, seed=seed)
    title = _text(entries["title"], "title") if "title" in entries else name
    assignments = [Assignment(key, entry.plain(), entry.place) for key, entry in settings.items()]
    try:
        return make_method(name, title, run, assignments, earlier)
    except UsageError as error:
        if error.where is not None:
            raise
        place = settings.get(error.field or "", node)
        raise place.error(error.problem, error.field, remedy=error.remedy) from error


def _setting_entries(node: Node) -> dict[str, Node]:
    entries = node.mapping()
    for name, entry in entries.items():
        if name in (*_METHOD, "seed"):
            raise entry.error(
                "is no setting of an algorithm",
                name,
                remedy="Use `seeds`" if name == "seed" else "Write it outside `settings`",
            )
    return entries


def _figure(node: Node, methods: Mapping[str, Method]) -> Figure:
    entries = _entries(node, _FIGURE)
    name = _text(_required(node, "id"), "id")
    _check_id(entries["id"], name)
    findings = entries["findings"].sequence() if "findings" in entries else ()
    return Figure(
        name,
        _text(entries["title"], "title") if "title" in entries else name,
        _names(_required(node, "methods"), "methods", methods),
        tuple(_finding(finding, methods) for finding in findings),
    )


def _finding(node: Node, methods: Mapping[str, Method]) -> Claim:
    _entries(node, _FINDING)
    comparisons = [
        comparison
        for entry in _required(node, "comparisons").sequence()
        for comparison in _comparisons(entry, methods)
    ]
    if not comparisons:
        raise node.error("there are no comparisons", "comparisons", remedy="Give at least one")
    return Claim(_text(_required(node, "text"), "text"), tuple(comparisons))


def _comparisons(node: Node, methods: Mapping[str, Method]) -> Iterator[ClaimedRelation]:
    """Each of `methods` with each of `others`."""
    entries = _entries(node, _COMPARISON)
    relation = _choice(_required(node, "relation"), "relation", RELATIONS)
    measure = _choice(entries["measure"], "measure", MEASURES) if "measure" in entries else "final"
    for method, other in itertools.product(
        _names(_required(node, "methods"), "methods", methods),
        _names(_required(node, "others"), "others", methods),
    ):
        if methods[method].runs == methods[other].runs:
            raise node.error(
                f"{method!r} would be compared with itself", remedy="Name two different methods"
            )
        yield ClaimedRelation(method, relation, other, measure)


def _entries(node: Node, known: tuple[str, ...]) -> dict[str, Node]:
    entries = node.mapping()
    for name, entry in entries.items():
        if name not in known:
            raise entry.error("there is no such entry", name, remedy=_hint(name, known))
    return entries


def _required(node: Node, name: str) -> Node:
    entries = node.mapping()
    if name not in entries:
        raise node.error("is missing", name, remedy=f"Add `{name}:`")
    return entries[name]


def _of_type(node: Node, name: str, kind: type) -> Any:
    if type(node.value) is not kind:
        wanted = {int: "a whole number", str: "a word"}[kind]
        raise node.error(f"{node.plain()!r} is not {wanted}", name, remedy=f"Give {wanted}")
    return node.value


def _text(node: Node, name: str) -> str:
    text: str = _of_type(node, name, str)
    return text


def _number(node: Node, name: str) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise node.error(f"{node.plain()!r} is not a number", name, remedy="Give a number")
    if not 0 <= node.value < math.inf:
        raise node.error(f"{node.value} is out of range", name, remedy="Give 0 or more")
    return float(node.value)


def _seeds(node: Node) -> tuple[int, ...]:
    """A list of seeds, or how many: that many from 0 on."""
    listed = isinstance(node.value, list)
    number = len(node.value) if listed else _of_type(node, "seeds", int)
    if number > MOST_SEEDS:
        raise node.error(
            f"{number:,} runs of each method are too many",
            "seeds",
            remedy=f"Give at most {MOST_SEEDS:,}",
        )
    if listed:
        seeds = tuple(_of_type(item, "seeds", int) for item in node.value)
    else:
        seeds = tuple(range(number))
    if not seeds or len(set(seeds)) < len(seeds):
        raise node.error(
            f"{node.plain()!r} are not seeds of several runs",
            "seeds",
            remedy="Give a number of runs, or a list of different seeds",
        )
    if min(seeds) < 0 or max(seeds) >= 2**31:
        raise node.error(
            f"{node.plain()!r} are no seeds", "seeds", remedy="Give numbers from 0 to 2147483647"
        )
    return seeds


def _names(node: Node, name: str, methods: Mapping[str, Method]) -> tuple[str, ...]:
    """One method or a list of them."""
    items = node.sequence() if isinstance(node.value, list) else [node]
    chosen = tuple(_choice(item, name, methods, "method") for item in items)
    if not chosen or len(set(chosen)) < len(chosen):
        raise node.error(
            f"{node.plain()!r} is no list of different methods", name, remedy="Name each once"
        )
    return chosen


def _choice(node: Node, name: str, known: Iterable[str], kind: str | None = None) -> str:
    value = _text(node, name)
    if value not in known:
        raise node.error(f"there is no {kind or name} {value!r}", name, remedy=_hint(value, known))
    return value


def _check_id(node: Node, name: str) -> None:
    if not _ID.fullmatch(name):
        raise node.error(
            f"{name!r} cannot name a folder",
            remedy="Use letters, digits and . _ - = + only, and begin with a letter or digit",
        )


def _hint(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}"
