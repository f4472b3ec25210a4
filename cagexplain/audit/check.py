"""What a check of a defence practice declares about itself.

Every check is one file of `cagexplain.audit.catalogue` that defines ``CHECK``. A
declaration is validated when it is made, so a catalogue that can be imported is well formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from cagexplain.analysis.metrics.definitions import Better, Counted, definition
from cagexplain.audit.passages import TITLES
from cagexplain.stats.estimates import OfCases, PerEpisode, Statistic

if TYPE_CHECKING:
    from cagexplain.common.arrays import FloatArray
    from cagexplain.facts.cases import Cases
    from cagexplain.facts.view import Facts, View

Count = Callable[["View"], "Cases"]
"""Finds in a batch what is counted."""
Severity = Literal["critical", "high", "medium", "low", "info"]
Axis = Literal["practice", "outcome", "health", "robustness", "meta"]
Knowledge = Literal["obs", "truth"]
Source = Literal["play", "seeds", "robustness", "surrogate"]

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low", "info")
"""Gravest first."""
AXES: Final[tuple[Axis, ...]] = ("practice", "outcome", "health", "robustness", "meta")
FAMILIES: Final = {
    "DET": "Detection and analysis",
    "ERA": "Eradication",
    "REC": "Recovery",
    "NET": "Containment and communication policy",
    "DEC": "Deception",
    "MIS": "Mission",
    "COV": "Coverage",
    "COO": "Co-ordination",
    "POL": "Policy health",
    "ROB": "Robustness",
    "SUR": "Quality of the explanation",
}
"""By the letters that a check's id begins with."""
UNITS: Final = (
    "share",
    "difference of shares",
    "ratio",
    "steps",
    "per episode",
    "per 100 steps",
    "per 100 decisions",
    "distance",
    "bits",
)
_UNITS_OF_METRICS: Final = {"host-steps per episode": "per episode"}
"""What the catalogue calls the units of the SOC metrics, where it has another word."""
FRAMEWORKS: Final = {
    "CSF": ("NIST Cybersecurity Framework", "2.0", "https://doi.org/10.6028/NIST.CSWP.29"),
    "SP 800-53": (
        "NIST SP 800-53",
        "r5",
        "https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final",
    ),
    "SP 800-61": ("NIST SP 800-61", "r3", "https://doi.org/10.6028/NIST.SP.800-61r3"),
    "AI RMF": ("NIST AI 100-1", "1.0", "https://doi.org/10.6028/NIST.AI.100-1"),
    "CISA playbook": (
        "CISA Incident Response Playbook",
        "2021",
        "https://www.cisa.gov/resources-tools/resources/"
        "federal-government-cybersecurity-incident-and-vulnerability-response-playbooks",
    ),
    "CIS": ("CIS Critical Security Controls", "8.1", "https://www.cisecurity.org/controls/v8-1"),
    "COUN7ER": ("CISA COUN7ER", "1.0.0", "https://www.cisa.gov/eviction-strategies-tool"),
    "ATT&CK": ("MITRE ATT&CK", "19", "https://attack.mitre.org"),
    "D3FEND": ("MITRE D3FEND", "1.2.0", "https://d3fend.mitre.org"),
    "Engage": ("MITRE Engage", "1.0", "https://engage.mitre.org"),
    "RE&CT": ("RE&CT", "2022", "https://github.com/atc-project/atc-react"),
}
"""Name, version and address of the frameworks that checks may refer to."""

_ID: Final = re.compile(r"[A-Z]{3}-\d\d")
_MAX_TITLE: Final = 120
_MAX_TEXT: Final = 400


@dataclass(frozen=True)
class Reference:
    """A passage of a framework that asks for what is checked.

    Attributes:
        framework: a key of `FRAMEWORKS`, which has its version.
        id: of the passage, such as ``"DE.AE-02"`` or ``"T1210"``; one of `passages.TITLES`.
    """

    framework: str
    id: str

    def __post_init__(self) -> None:
        _require(self.framework in FRAMEWORKS, self.id, "framework", "is not in FRAMEWORKS")
        _require(self.id in TITLES[self.framework], self.id, "id", "is not in TITLES")

    @property
    def title(self) -> str:
        """What the passage is about."""
        return TITLES[self.framework][self.id]


@dataclass(frozen=True)
class Measure:
    """A number that a check judges.

    Attributes:
        key: short name within the check, which profiles use; ``"value"`` for the main one.
        name: what the number is, as a noun phrase that goes on after "the".
        unit: one of `UNITS`.
        better: whether a good policy has a higher or a lower value.
        good, bad: thresholds; an interval wholly beyond `good` passes, one wholly beyond `bad`
            fails. Both None: the number is shown and not judged.
        statistic: how the value follows from sums over episodes.
        cases: what it rests on, found in a batch; None if `sums` counts something else.
        sums: ``float64[episode, column]`` for the statistic, where there are no cases to show.
        metric: key of the quantity that it is, if `cagexplain.analysis.metrics.definitions` has it.
    """

    key: str
    name: str
    unit: str
    better: Better
    good: float | None
    bad: float | None
    statistic: Statistic
    cases: Count | None = None
    sums: Callable[[View], FloatArray] | None = None
    metric: str | None = None

    @classmethod
    def of(
        cls,
        metric: str,
        key: str,
        name: str,
        *,
        good: float | None = None,
        bad: float | None = None,
        per: int | None = None,
    ) -> Measure:
        """A quantity that `cagexplain.analysis.metrics.definitions` declares.

        Args:
            metric: its key there.
            key, name, good, bad: see the class.
            per: number of steps that a count is given for instead of an episode.
        """
        quantity = definition(metric)
        sums = None
        if isinstance(quantity, Counted) and quantity.by_zone is not None:
            sums = quantity.team_sums
        return cls(
            key=key,
            name=name,
            unit=f"per {per} steps" if per else _UNITS_OF_METRICS.get(quantity.unit, quantity.unit),
            better=quantity.better,
            good=good,
            bad=bad,
            statistic=PerEpisode(per) if per else quantity.statistic,
            cases=None if sums is not None else quantity.of_team,
            sums=sums,
            metric=metric,
        )

    def __post_init__(self) -> None:
        _require(self.unit in UNITS, self.key, "unit", f"is not one of {', '.join(UNITS)}")
        _require(bool(self.name), self.key, "name", "is empty")
        _require(
            (self.good is None) == (self.bad is None), self.key, "good, bad", "need each other"
        )
        if self.good is not None and self.bad is not None:
            ordered = self.good > self.bad if self.better == "higher" else self.good < self.bad
            _require(ordered, self.key, "good", f"must be {self.better} than bad")

    def counted(self, view: View) -> tuple[FloatArray, Cases | None]:
        """The sums ``float64[episode, column]`` of a batch, and the cases that they count."""
        if self.sums is not None:
            return self.sums(view), None
        assert self.cases is not None
        assert isinstance(self.statistic, OfCases)
        cases = self.cases(view)
        return self.statistic.sums(cases, view.n, view.steps), cases

    @property
    def judged(self) -> bool:
        """Whether it has thresholds."""
        return self.good is not None


@dataclass(frozen=True)
class Check:
    """A practice, or an outcome, that a policy is audited for.

    Attributes:
        id: family and number, such as ``"ERA-01"``.
        title: the good condition, in at most 120 characters.
        problem: what it means that it does not hold, for headlines; likewise.
        severity: how grave a failure is.
        axis: what it is about; docs/checks.md has the meanings.
        knowledge: whether it judges on what the agent could see, or on the truth.
        why: what is at stake, for a reader who does not know CC4; at most 400 characters.
        remediation: what to do about a failure.
        formula: how the value is computed, in words.
        trigger: what one of `n_min` is, in the plural, such as ``"executed Restores"``.
        n_min: fewest triggers for a verdict.
        references: passages of frameworks, ATT&CK, D3FEND and COUN7ER among them.
        measures: at least one; empty ones only where `source` is not ``"play"``.
        source: where the numbers come from: from the play that is audited, or from playing on with
            other training seeds, under other conditions, or with a surrogate.
        needs: tables that a trace may lack and that the check counts on.
        applies_when: in words.
        applies: reason why the check does not apply to this audit, or None if it does.
        absent: why there may be no trigger at all, so that the check does not apply then; empty if
            their absence only means too few data.
        related: ids of checks that should be read together with it.
        extra: whether it is an extra of the catalogue.
        since: version of the catalogue that brought it.
    """

    id: str
    title: str
    problem: str
    severity: Severity
    axis: Axis
    knowledge: Knowledge
    why: str
    remediation: str
    formula: str
    trigger: str
    n_min: int
    references: tuple[Reference, ...]
    measures: tuple[Measure, ...]
    source: Source = "play"
    needs: frozenset[str] = field(default_factory=frozenset)
    applies_when: str = "always"
    applies: Callable[[Facts], str | None] | None = None
    absent: str = ""
    related: tuple[str, ...] = ()
    extra: bool = False
    since: str = "1"

    def __post_init__(self) -> None:
        def require(condition: bool, name: str, problem: str) -> None:
            _require(condition, self.id, name, problem)

        require(_ID.fullmatch(self.id) is not None, "id", "is not like ABC-01")
        require(self.id[:3] in FAMILIES, "id", "belongs to no family")
        for name in ("title", "problem"):
            text = getattr(self, name)
            require(0 < len(text) <= _MAX_TITLE, name, f"has not 1 to {_MAX_TITLE} characters")
            require(not text.endswith("."), name, "ends with a full stop")
        require(self.severity in SEVERITIES, "severity", "is unknown")
        require(self.axis in AXES, "axis", "is unknown")
        for name in ("why", "remediation", "formula", "trigger", "applies_when"):
            text = getattr(self, name)
            require(0 < len(text) <= _MAX_TEXT, name, f"has not 1 to {_MAX_TEXT} characters")
        require(self.n_min > 0, "n_min", "is not positive")
        require(bool(self.references), "references", "are missing")
        require(bool(self.measures), "measures", "are missing")
        keys = [measure.key for measure in self.measures]
        require(len(set(keys)) == len(keys), "measures", "have a key twice")
        require(any(m.judged for m in self.measures), "measures", "are none with thresholds")
        for measure in self.measures:
            counted = (measure.cases is not None) + (measure.sums is not None)
            wanted = 1 if self.source == "play" else 0
            require(counted == wanted, measure.key, "needs either cases or sums, if played")
        require((self.applies is None) == (self.applies_when == "always"), "applies_when", "lies")

    @property
    def family(self) -> str:
        """Name of its family."""
        return FAMILIES[self.id[:3]]

    def cites(self, framework: str) -> tuple[str, ...]:
        """Ids of its references to a framework."""
        return tuple(ref.id for ref in self.references if ref.framework == framework)


def _require(condition: bool, check_id: str, name: str, problem: str) -> None:
    if not condition:
        raise ValueError(f"check {check_id}: {name} {problem}")
