"""Writes what the kept runs of the studies say into the documentation: `make results`.

docs/results.md is written by hand but for its blocks, each between <!-- NAME --> and
<!-- /NAME -->. docs/results/STUDY.md is written by hand above its line (---); below it stands the
study's report, whose pictures lie in docs/results/STUDY.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it can be called from anywhere

from cagexplain.analysis.studies.learning import (  # noqa: E402
    FindingResult,
    MethodResult,
    StudyResult,
    Verdict,
    analyse_study,
)
from cagexplain.analysis.studies.strategies import (  # noqa: E402
    StrategiesResult,
    analyse_strategies,
)
from cagexplain.common.files import write_text  # noqa: E402
from cagexplain.stats.few_runs import mean_difference  # noqa: E402
from reports.kit import numbers  # noqa: E402
from reports.kit.markdown import written  # noqa: E402
from reports.study.page import signed, study_report  # noqa: E402

DOCS: Final = ROOT / "docs"
DATA: Final = DOCS / "results" / "data"

STUDIES: Final = ("paper", "tuned", "tuned-variants", "tuned-long")


@dataclass(frozen=True)
class Figure:
    """A figure of the paper.

    Attributes:
        title: short.
        id: in the files of studies; None for that of policies, figure 8.
        studies: that have it.
        paper: what the paper found.
    """

    title: str
    id: str | None
    studies: Sequence[str]
    paper: str


FIGURES: Final = (
    Figure(
        "2: families",
        "figure-2",
        ("paper", "tuned"),
        "PPO methods clearly ahead; centralised starts stronger, both converge alike",
    ),
    Figure("3: memory", "figure-3", ("paper", "tuned"), "recurrent versions slightly worse"),
    Figure(
        "4: messages",
        "figure-4",
        ("paper", "tuned-variants"),
        "no significant gain; 2-bit messages worse",
    ),
    Figure(
        "5: QMIX", "figure-5", ("paper", "tuned"), "all weak; better exploration helps slightly"
    ),
    Figure("6: global state", "figure-6", ("paper", "tuned"), "no gain from the compact state"),
    Figure(
        "7: rewards",
        "figure-7",
        ("paper", "tuned-variants"),
        "the global reward far ahead, with NGU or without",
    ),
    Figure(
        "8: policies",
        None,
        ("paper", "tuned"),
        "harder actions where red has a shell; Analyse still frequent in RD; no consistent "
        "reactions",
    ),
    Figure("table 2: γ × learning rate", "table-2", ("paper",), "γ 0.99 and 0.00025 are the best"),
)


class Kept:
    """The kept runs of a study, and its page."""

    def __init__(self, name: str) -> None:
        self.name, self.folder = name, DATA / name
        self.page = DOCS / "results" / f"{name}.md"

    @property
    def there(self) -> bool:
        """Whether any run is kept."""
        return any(self.folder.glob("runs/*/*/result.json"))

    @cached_property
    def result(self) -> StudyResult:
        """What the runs say."""
        return analyse_study(self.folder)

    @cached_property
    def strategies(self) -> StrategiesResult | None:
        """What the explained ones say."""
        return analyse_strategies(self.folder)

    def files(self) -> Iterator[tuple[Path, str]]:
        """The page and its pictures."""
        report = study_report(self.result, self.strategies)
        head, line, _ = self.page.read_text(encoding="utf-8").partition("\n---\n")
        _, _, body = report.markdown.partition("\n")
        if not line:
            raise ValueError(f"{self.page}: there is no line --- above which its head stands")
        pictures = "|".join(report.pictures)
        yield self.page, head + line + re.sub(rf"\]\((?={pictures})", f"]({self.name}/", body)
        for name, drawing in report.pictures.items():
            yield self.page.with_suffix("") / f"{name}.svg", drawing

    def row(self, figure: Figure) -> list[str]:
        """Command, runs finished, hours and findings of a figure."""
        if figure.id is None:
            return self._row_of_policies()
        command = f"`cagexplain study run studies/{self.name}.yaml --only {figure.id}`"
        if not self.there:
            return [command, "not run yet", "", ""]
        (found,) = [each for each in self.result.figures if each.id == figure.id]
        methods = [self.result.methods[name] for name in found.methods]
        seconds = sum((m.seconds or 0) * len(m.seeds) for m in methods)
        finished, wanted = sum(len(m.seeds) for m in methods), sum(m.wanted for m in methods)
        if not finished:
            return [command, "not run yet", "", ""]
        enough = [f for f in found.findings if not any(map(self._short, _methods(f)))]
        waiting = len(found.findings) - len(enough)
        counted = _counted([f.verdict for f in enough])
        said = [f"[{counted}](results/{self.page.name}#{anchor(found.title)})"] if enough else []
        said += [f"{waiting} with too few runs"] if waiting else []
        return [command, f"{finished} of {wanted}", f"{seconds / 3600:.1f}", ", ".join(said)]

    def _short(self, name: str) -> bool:
        method = self.result.methods[name]
        return len(method.seeds) < method.wanted

    def _row_of_policies(self) -> list[str]:
        command = f"`cagexplain study explain runs/{self.name}`"
        if self.strategies is None:
            return [command, "not run yet", "", ""]
        explained = len([*self.folder.glob("runs/*/*/explain.json")])
        sentences = self.strategies.conditions[0].sentences
        said = _counted([sentence.verdict for sentence in sentences])
        said = f"[{said}](results/{self.page.name}#what-the-policies-do)"
        so_far = "so far " if explained < self.result.wanted else ""
        return [command, f"{explained} explained", "", so_far + said]


def _methods(finding: FindingResult) -> set[str]:
    return {name for claim in finding.claims for name in (claim.method, claim.other)}


def _counted(verdicts: Sequence[Verdict]) -> str:
    counts = Counter(verdicts)
    return ", ".join(f"{counts[v]} {v.value.lower()}" for v in Verdict if counts[v])


def anchor(title: str) -> str:
    """What a heading is linked by, on the site and elsewhere."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _figures(studies: dict[str, Kept]) -> str:
    head = ["figure", "command", "runs finished", "hours", "our findings", "the paper's"]
    rows = []
    for figure in FIGURES:
        for i, study in enumerate(figure.studies):
            mine = studies[study].row(figure)
            rows.append(["" if i else figure.title, *mine, "" if i else figure.paper])
    return written(head, rows)


def _returns(studies: dict[str, Kept]) -> str:
    """What methods reached with the paper's settings and with ours."""
    paper, tuned = (studies[name].result.methods for name in ("paper", "tuned"))
    names = dict.fromkeys((*tuned, *(name for name in paper if paper[name].seeds)))
    rows = []
    for name in names:
        ours, theirs = tuned.get(name), paper.get(name)
        row = [f"`{name}`"]
        for method in (theirs, ours):
            row += _reached(method)
        rows.append([*row, _ahead(ours, theirs)])
    head = ["method", *("steps", "the paper's settings"), *("steps", "ours (`tuned`)")]
    head += ["ours ahead by, 95 %"]
    return written(head, rows)


def _ahead(ours: MethodResult | None, theirs: MethodResult | None) -> str:
    """The difference of two methods with Welch's interval; nothing where there is none."""
    if ours is None or theirs is None or min(len(ours.finals), len(theirs.finals)) < 2:
        return "–"
    difference = mean_difference(np.array(ours.finals), np.array(theirs.finals))
    limits = difference.interval()
    assert limits is not None  # of two runs there is one
    return f"{signed(difference.value)} ({numbers.interval(*limits, numbers.number)})"


def _reached(method: MethodResult | None) -> list[str]:
    """Steps and mean return of a method, with its spread and number of runs."""
    if method is None or method.mean is None:
        return ["–", "–"]
    runs = f"{len(method.seeds)} run{'s' * (len(method.seeds) != 1)}"
    spread = runs if method.sd is None else f"{numbers.number(method.sd)}, {runs}"
    return [numbers.number(method.steps), f"{numbers.number(method.mean)} ({spread})"]


def _budgets(studies: dict[str, Kept]) -> str:
    """How far above random play the worst run of a method ended, by budget."""
    methods = [
        method
        for name in ("tuned", "tuned-long")
        if studies[name].there
        for method in studies[name].result.methods.values()
        if method.seeds
    ]
    names = [method.id for method in methods]
    rows = [
        [
            f"`{method.id}`",
            numbers.number(method.steps),
            str(len(method.seeds)),
            signed(min(method.above_random)),
            signed(float(np.mean(method.above_random))),
        ]
        for method in sorted(methods, key=lambda method: names.index(method.id))
    ]
    return written(["method", "steps", "runs", "worst run", "mean"], rows)


def _standing(studies: dict[str, Kept]) -> str:
    paper = studies["paper"].result
    missing = paper.wanted - paper.finished
    text = (
        f"**{paper.finished} of the {paper.wanted} runs** of the paper's own study "
        "(`studies/paper.yaml`, its settings) are finished"
    )
    if missing:
        text += (
            f". {missing} were [not run yet](results/paper.md), so some findings have no verdict"
        )
    if not studies["tuned-variants"].there:
        text += ". Messages and rewards (figures 4 and 7) were not run with our own settings"
    return text + "."


def files() -> dict[Path, str]:
    """All files that follow from the kept runs, with what they must hold."""
    studies = {name: Kept(name) for name in STUDIES}
    found = {path: text for s in studies.values() if s.there for path, text in s.files()}
    overview = DOCS / "results.md"
    text = overview.read_text(encoding="utf-8")
    blocks = {
        "standing": _standing,
        "returns": _returns,
        "budgets": _budgets,
        "figures": _figures,
    }
    for name, block in blocks.items():
        marks = (f"<!-- {name} -->", f"<!-- /{name} -->")
        before, begin, rest = text.partition(marks[0])
        _, end, after = rest.partition(marks[1])
        if not (begin and end):
            raise ValueError(f"{overview}: there is no block {' ... '.join(marks)}")
        text = f"{before}{begin}\n\n{block(studies)}\n\n{end}{after}"
    return found | {overview: text}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
