"""What a remedy is worth as a patch: the policy with and without it, on equal seeds.

This is a lower bound of what the finding that it answers costs: the patch mends some of it, in one
way, over a policy that was not made for it.

Every remedy is priced by itself; so that none of many seems to gain by chance, the intervals of all
hold together. Then remedies are added to a bundle one at a time, as long as the next one clearly
gains. What is selected for its gain looks better than it is (the winner's curse), so remedies are
selected on one half of the episodes and the bundle is reported on the other half, together with
what each of its members is worth by itself on the same half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cagexplain.audit.play.main_numbers import MAIN, keys_of
from cagexplain.audit.play.paired import effect, mean, together
from cagexplain.audit.play.team import Play, PlayCounts, Team, Workers
from cagexplain.audit.results import Change, Finding, Price
from cagexplain.common.arrays import Int64Array
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.remedies import REMEDIES
from cagexplain.policies.wrappers.overrides import Remedy

PAIRS: Final = 200
"""Pairs of episodes that show a change of a twentieth of the return of a good policy."""
_CANDIDATES: Final = 3
"""Remedies that are tried as the next one of a bundle, the best ones by themselves."""
_PLAYER: Final = "policy"


@dataclass(frozen=True)
class Priced:
    """All prices of an audit.

    Attributes:
        prices: of single remedies, in the order of the table of remedies.
        bundle: the best found set of remedies; None if none clearly gains.
    """

    prices: tuple[Price, ...]
    bundle: Price | None


def price(
    policy: Policy,
    findings: Sequence[Finding],
    seeds: Int64Array,
    params: EnvParams | None = None,
    *,
    remedies: Sequence[Remedy] = REMEDIES,
    workers: Workers = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> Priced:
    """Price the remedies of all findings that FAIL or WARN.

    Args:
        policy: that the findings are about.
        findings: of the audit.
        seeds: ``int[episode]``, not those that were audited, and at least four.
        params: of the environment; CC4's own by default.
        remedies: what could be done.
        workers: where to play; see `Team`.
        advance: is told environment steps as they are played.

    Raises:
        CagexplainError: a worker process died.
    """
    wrong = {finding.id for finding in findings if finding.verdict in ("FAIL", "WARN")}
    open_to = [remedy for remedy in remedies if wrong & set(remedy.checks)]
    if not open_to:
        return Priced((), None)
    with Team({_PLAYER: policy}, workers, advance) as team:
        prices = _Prices(team, wrong, np.asarray(seeds, np.int64), params or EnvParams())
        single = prices.single(open_to)
        return Priced(single, prices.bundle(open_to))


class _Prices:
    """Plays with and without remedies; what was played is kept."""

    def __init__(self, team: Team, wrong: set[str], seeds: Int64Array, params: EnvParams) -> None:
        self._team, self._wrong = team, wrong
        self._seeds, self._params = seeds, params
        self._half = len(seeds) // 2
        self._with: dict[str, PlayCounts] = {}

    def single(self, remedies: Sequence[Remedy]) -> tuple[Price, ...]:
        every = tuple(dict.fromkeys(key for remedy in remedies for key in self._keys((remedy,))))
        plays = [self._play((), every)]
        plays += [self._play((remedy,), self._keys((remedy,))) for remedy in remedies]
        self._plain, *counts = self._team.play(plays)
        self._with = {remedy.id: c for remedy, c in zip(remedies, counts, strict=True)}
        rewards = together(np.stack([c.returns - self._plain.returns for c in counts], axis=1))
        return tuple(
            self._price((remedy,), self._with[remedy.id], self._plain, reward)
            for remedy, reward in zip(remedies, rewards, strict=True)
        )

    def bundle(self, remedies: Sequence[Remedy]) -> Price | None:
        select, report = slice(0, self._half), slice(self._half, None)
        alone = {
            remedy.id: self._with[remedy.id].returns[select] - self._plain.returns[select]
            for remedy in remedies
        }
        able = [remedy for remedy in remedies if alone[remedy.id].mean() > 0]
        able.sort(key=lambda remedy: -float(alone[remedy.id].mean()))
        chosen: tuple[Remedy, ...] = ()
        reached = self._plain.returns[select]
        tried = {remedy.id: self._with[remedy.id].returns[select] for remedy in able[:1]}
        while tried:
            best = max(tried, key=lambda ident: float(tried[ident].mean()))
            gain = mean(tried[best] - reached)
            if not (gain.clear and gain.mean > 0):
                break
            chosen = tuple(r for r in remedies if r in chosen or r.id == best)
            reached = tried[best]
            candidates = [remedy for remedy in able if remedy not in chosen][:_CANDIDATES]
            sets = [tuple(r for r in remedies if r in chosen or r is more) for more in candidates]
            played = self._team.play([self._play(those, (), select) for those in sets])
            tried = {more.id: c.returns for more, c in zip(candidates, played, strict=True)}
        if not chosen:
            return None
        (after,) = self._team.play([self._play(chosen, self._keys(chosen), report)])
        before = self._plain.part(report)
        returns = [after.returns, *(self._with[r.id].returns[report] for r in chosen)]
        whole, *members = together(np.stack([each - before.returns for each in returns], axis=1))
        return replace(self._price(chosen, after, before, whole), members=tuple(members))

    def _keys(self, remedies: Sequence[Remedy]) -> tuple[str, ...]:
        answered_keys = [key for check in self._answered(remedies) for key in keys_of(check)]
        return tuple(dict.fromkeys([*answered_keys, *MAIN]))

    def _answered(self, remedies: Sequence[Remedy]) -> tuple[str, ...]:
        """Checks with findings that the remedies answer."""
        checks = dict.fromkeys(check for remedy in remedies for check in remedy.checks)
        return tuple(check for check in checks if check in self._wrong)

    def _play(
        self, remedies: tuple[Remedy, ...], keys: tuple[str, ...], episodes: slice = slice(None)
    ) -> Play:
        return Play(_PLAYER, self._seeds[episodes], keys, self._params, remedies)

    def _price(
        self, remedies: tuple[Remedy, ...], after: PlayCounts, before: PlayCounts, reward: Change
    ) -> Price:
        return Price(
            remedies=tuple(remedy.id for remedy in remedies),
            titles=tuple(remedy.title for remedy in remedies),
            checks=self._answered(remedies),
            episodes=len(after.returns),
            reward=reward,
            share_changed=float(after.changed.sum() / max(after.decisions.sum(), 1)),
            effects=tuple(
                effect(key, before.sums[key], after.sums[key]) for key in self._keys(remedies)
            ),
        )
