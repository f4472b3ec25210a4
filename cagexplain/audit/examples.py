"""Examples of a finding: cases that speak against the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cagexplain.audit.parts import Criterion, against
from cagexplain.audit.results import Evidence, WorstPart
from cagexplain.audit.splits import PLAIN
from cagexplain.cc4 import agents, network
from cagexplain.common.arrays import Int64Array
from cagexplain.facts.cases import Cases
from cagexplain.facts.view import View


@dataclass(frozen=True)
class Example:
    """A case that speaks against the policy.

    Attributes:
        evidence: as findings have it.
        parts: kind and name of the parts that it belongs to.
    """

    evidence: Evidence
    parts: frozenset[tuple[str, str]]


def examples(criterion: Criterion, cases: Cases, view: View, most: int) -> list[Example]:
    """Some of the cases of a batch that speak against the policy, spread over them evenly.

    Args:
        criterion: tells which do.
        cases, view: of the batch.
        most: number of them.
    """
    bad = cases.where(against(criterion, cases) & criterion.statistic.shown(cases))
    some = bad.where(_spread(len(bad), most))
    numbers = [split.number(view, some) for split in PLAIN]
    return [
        Example(
            Evidence(
                int(view.batch.episodes[some.row[i]]),
                int(some.step[i]),
                agents.BLUE[some.agent[i]] if some.agent[i] >= 0 else None,
                network.HOST_NAMES[some.host[i]] if some.host[i] >= 0 else None,
                _link(int(some.to_zone[i]), int(some.from_zone[i])),
            ),
            frozenset(
                (split.kinds[0], split.names[number[i]][0])
                for split, number in zip(PLAIN, numbers, strict=True)
                if number[i] >= 0
            ),
        )
        for i in range(len(some))
    ]


def chosen(kept: Sequence[Example], worst: WorstPart | None, most: int) -> tuple[Evidence, ...]:
    """Some examples, spread evenly; those of the worst part if there is one.

    Args:
        kept: of all batches.
        worst: part of the finding.
        most: number of them.
    """
    if worst is not None:
        kept = [example for example in kept if _belongs(example, worst)]
    return tuple(kept[i].evidence for i in _spread(len(kept), most))


def _belongs(example: Example, worst: WorstPart) -> bool:
    step, since = example.evidence.step, worst.since
    if since is not None and not since.start <= step < (
        np.inf if since.stop is None else since.stop
    ):
        return False
    kinds = {kind for kind, _ in example.parts}
    wanted = {(place.kind, place.name) for place in worst.place if place.kind in kinds}
    return wanted <= example.parts


def _link(to_zone: int, from_zone: int) -> str | None:
    if to_zone < 0 or from_zone < 0:
        return None
    return f"{network.ZONES[to_zone]} from {network.ZONES[from_zone]}"


def _spread(n: int, most: int) -> Int64Array:
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)
