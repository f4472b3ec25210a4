"""Conducts an audit: judges a trace, and plays on with its policy where that can be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from cagexplain.analysis.decisions.counterfactuals import ENOUGH
from cagexplain.analysis.decisions.explain import DecisionReport, explain
from cagexplain.analysis.decisions.replay import DecisionPlace, params_of
from cagexplain.analysis.decisions.screening import critical
from cagexplain.analysis.episodes.timeline import Timeline, timelines
from cagexplain.analysis.fsm.analyse import FsmAnalysis, analyse
from cagexplain.analysis.trees.extract import extract
from cagexplain.analysis.trees.results import Surrogate
from cagexplain.attack.run import Attack, Settings
from cagexplain.audit import baseline
from cagexplain.audit.autonomy import Warrants
from cagexplain.audit.check import SEVERITIES
from cagexplain.audit.compose import comparable, compose, judge, of_surrogate, outside
from cagexplain.audit.play.prices import Priced, price
from cagexplain.audit.play.robustness import Varied, vary
from cagexplain.audit.play.team import Workers
from cagexplain.audit.play.worth import PAIRS, worth
from cagexplain.audit.profiles import Profile
from cagexplain.audit.references import References
from cagexplain.audit.results import ActionAutonomy, Audit, Change, Finding, Variation
from cagexplain.cc4 import agents
from cagexplain.cc4.reds import REDS, RedTable
from cagexplain.common import machine
from cagexplain.common.cluster import Cluster
from cagexplain.common.errors import CagexplainError
from cagexplain.common.processes import spawning
from cagexplain.policies.base import Policy, looks
from cagexplain.policies.blocks import There
from cagexplain.policies.rollout import seed_range
from cagexplain.stats.estimates import Estimate
from cagexplain.tracing.trace import Trace

T = TypeVar("T")

PRICE_SEED: Final = 2_000_000
"""First seed of the episodes that price remedies: not those whose findings are to be priced."""
ROLLOUTS: Final = ENOUGH
"""Futures per alternative of an explained decision; `cagexplain explain` plays more."""
PLAYED_OUT: Final = 2
"""Decisions that are played out for each one that is to be shown: not all turn out to matter."""
WORKERS: Final = 8
"""Most processes to play in: each takes up to a gigabyte."""
VARIATION_SEED: Final = 3_000_000
"""First seed of the episodes under other conditions."""
ATTACK_SECONDS: Final = 120.0
"""That an attacker is fitted in."""
WORTH_SEED: Final = 4_000_000
"""First seed of the episodes that tell what kinds of action are worth."""


@dataclass(frozen=True)
class Conducted:
    """An audit, and what its page shows beside it.

    Attributes:
        audit: the results.
        analysis: of the trace.
        explanations: of the decisions that mattered most.
        timelines: of the episodes that they are in.
        surrogate: decision trees of the policy.
        why_not: why one of these two is missing although it was asked for, by its name here.
    """

    audit: Audit
    analysis: FsmAnalysis
    explanations: DecisionReport | None = None
    timelines: tuple[Timeline, ...] = ()
    surrogate: Surrogate | None = None
    why_not: dict[str, str] = field(default_factory=dict)


def conduct(
    trace: Trace,
    policy: Policy | None,
    profile: Profile,
    references: References,
    *,
    command: str,
    why_not: str = "",
    pairs: int = 0,
    varied: int = 0,
    siblings: Sequence[Policy] = (),
    attack: Path | None = None,
    moments: int = 0,
    rules: bool = False,
    earlier: Audit | None = None,
    failed: Mapping[int, str] | None = None,
    cluster: Cluster | None = None,
    advance: Callable[[int], None] = lambda steps: None,
) -> Conducted:
    """Judge a trace; price, vary and explain its policy.

    Args:
        trace: to judge.
        policy: that it was recorded with; None if it cannot be played again.
        profile, references: to judge by.
        command: that makes this audit again.
        why_not: why there is no policy.
        pairs: of episodes that price each remedy, and at most `PAIRS` of them each kind of action;
            0 for no prices.
        varied: episodes under each other condition; 0 for none.
        siblings: the same method trained with other seeds.
        attack: folder for an attack that is fitted to the policy and tried with the other
            conditions; None for none.
        moments: decisions to explain.
        rules: whether decision trees are extracted.
        earlier: audit to compare with.
        failed: message by seed of the episodes in which the policy failed.
        cluster: plays what prices remedies, the other conditions and what judges trees; by default
            the processes of this machine do.
        advance: is told environment steps as they are played (from any thread).

    Raises:
        CagexplainError: the trace cannot be judged.
        UsageError: worker processes could not import this script; see `spawning`.
    """
    if policy is not None and cluster is None and machine.cores() > 1 and (pairs or varied):
        spawning()  # refused before the work, not noted after it
    references = references if comparable(trace) else references.elsewhere()
    play = _Further(trace, policy, why_not, cluster, advance)
    judged = judge(trace, profile, references)
    priced = play.prices(judged.findings, pairs)
    variations = play.variations(varied, siblings, profile, play.attacker(attack))
    autonomy = play.autonomy(judged.warrants, min(pairs, PAIRS))
    surrogate = play.surrogate(rules)
    explanations = play.explanations(moments, judged.findings)
    findings = outside(judged.findings, play.numbers, profile, references, varied)
    audit = compose(
        trace,
        profile,
        references,
        judged,
        findings,
        command,
        prices=priced.prices,
        bundle=priced.bundle,
        variations=variations,
        autonomy=autonomy,
        failed=failed,
        notes=play.notes,
    )
    if earlier is not None:
        audit = replace(audit, baseline=baseline.compare(audit, earlier))
    explained = explanations.decisions if explanations is not None else ()
    return Conducted(
        audit,
        analyse(trace),
        explanations,
        timelines(trace, dict.fromkeys((decision.episode for decision in explained), "explained")),
        surrogate,
        play.why_not,
    )


class _Further:
    """What takes the policy itself; what cannot be done is noted, and the rest goes on.

    Attributes:
        numbers: of the checks that need further play: intervals of their measures, or why there are
            none.
        notes: what could not be done, as sentences.
        why_not: why a part of the page is missing.
    """

    def __init__(
        self,
        trace: Trace,
        policy: Policy | None,
        why_not: str,
        cluster: Cluster | None,
        advance: Callable[[int], None],
    ) -> None:
        self._trace, self._policy, self._advance = trace, policy, advance
        self._workers = min(machine.cores(), WORKERS)
        self._teams: Workers = cluster or self._workers
        self._place = None if cluster is None else There(cluster)
        self.numbers: dict[str, list[Estimate] | str] = {}
        self.why_not: dict[str, str] = {}
        self.notes = [f"The policy was not played on: {why_not}"] if policy is None else []

    def prices(self, findings: Sequence[Finding], pairs: int) -> Priced:
        """What the remedies of the findings are worth."""

        def priced(policy: Policy) -> Priced:
            return price(
                policy,
                findings,
                seed_range(PRICE_SEED, pairs),
                params_of(self._trace),
                workers=self._teams,
                advance=self._advance,
            )

        prices = self._tried("prices", "Remedies were not priced", priced) if pairs else None
        return prices or Priced((), None)

    def attacker(self, folder: Path | None) -> RedTable | None:
        """The attacker that a search in a folder finds, if it is none of the shipped ones."""

        def fitted(policy: Policy) -> RedTable:
            settings = Settings(aim="without-contractor")
            attack = Attack(
                policy, params_of(self._trace), settings, folder or Path(), workers=self._workers
            )
            attack.plan(budget=ATTACK_SECONDS)
            return RedTable.from_document(attack.run(self._advance).worst.table)

        if folder is None:
            return None
        red = self._tried("attack", "No attacker was fitted to the policy", fitted)
        return None if red is None or red.name in REDS else red

    def variations(
        self,
        episodes: int,
        siblings: Sequence[Policy],
        profile: Profile,
        fitted: RedTable | None,
    ) -> tuple[Variation, ...]:
        """The policy under other conditions, judged by ROB-01 to ROB-03 and COO-03."""

        def varied(policy: Policy) -> Varied:
            return vary(
                policy,
                seed_range(VARIATION_SEED, episodes),
                params_of(self._trace),
                profile=profile,
                talks=any(
                    blue["message"].any() for blue in self._trace.batches("blue", ["message"])
                ),
                siblings=siblings,
                fitted=fitted,
                workers=self._teams,
                advance=self._advance,
            )

        robustness = (
            self._tried("variations", "Robustness was not played", varied) if episodes else None
        )
        if robustness is None:
            reason = "The policy was not played under other conditions."
            self.numbers |= dict.fromkeys(("ROB-01", "ROB-02", "ROB-03", "COO-03"), reason)
            return ()
        if self._policy is not None and looks(self._policy):
            self.notes.append(
                "Lost and invented alerts and messages were not tried: the policy plays on an "
                "environment of its own, in which they cannot be changed."
            )
        self.numbers |= robustness.numbers
        return robustness.variations

    def autonomy(self, warrants: Warrants, pairs: int) -> tuple[ActionAutonomy, ...]:
        """Which kinds of action the policy may take by itself."""

        def played(policy: Policy) -> dict[str, Change]:
            return worth(
                policy,
                warrants.used,
                seed_range(WORTH_SEED, pairs),
                params_of(self._trace),
                workers=self._teams,
                advance=self._advance,
            )

        failure = "What kinds of action are worth was not played"
        changes = self._tried("autonomy", failure, played) if pairs else None
        return warrants.table(changes or {}, pairs)

    def surrogate(self, wanted: bool) -> Surrogate | None:
        """Decision trees of the policy, judged by SUR-01."""
        if not wanted:
            self.numbers["SUR-01"] = "No decision trees were extracted; --rules does it."
            return None

        def extracted(policy: Policy) -> Surrogate:
            surrogate, _ = extract(policy, params_of(self._trace), place=self._place)
            self.numbers["SUR-01"] = of_surrogate(surrogate)
            return surrogate

        return self._tried("surrogate", "Decision trees were not extracted", extracted)

    def explanations(self, moments: int, findings: Sequence[Finding]) -> DecisionReport | None:
        """The decisions that mattered most, played on: of each main finding one, if it did."""

        def explained(policy: Policy) -> DecisionReport:
            chosen = critical(
                self._trace,
                policy,
                PLAYED_OUT * moments,
                cases=_cases(findings, moments),
                workers=self._workers,
                advance=self._advance,
            )
            return explain(
                self._trace,
                policy,
                chosen.places,
                selection=chosen.how,
                importance=chosen.importance,
                about=chosen.about,
                rollouts=ROLLOUTS,
                workers=self._workers,
                advance=self._advance,
            )

        if not moments:
            return None
        return self._tried("explanations", "Decisions were not explained", explained)

    def _tried(self, part: str, failure: str, do: Callable[[Policy], T]) -> T | None:
        """Do something with the policy; if it cannot be done, note why."""
        if self._policy is None:
            self.why_not[part] = self.notes[0]
            return None
        try:
            return do(self._policy)
        except CagexplainError as error:
            self.why_not[part] = str(error)
            self.notes.append(f"{failure}: {error}")
            return None


def _cases(findings: Sequence[Finding], most: int) -> dict[str, list[DecisionPlace]]:
    """Where agents failed, by the id of the finding: failures first, the gravest of them first."""
    wrong = [f for f in findings if f.verdict in ("FAIL", "WARN")]
    wrong.sort(key=lambda f: (f.verdict != "FAIL", SEVERITIES.index(f.severity)))
    return {
        finding.id: [
            DecisionPlace(case.episode, case.step, agents.BLUE.index(case.agent))
            for case in finding.evidence
            if case.agent in agents.BLUE
        ]
        for finding in wrong[:most]
    }
