"""What a reader in a hurry should know about a policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cagexplain.analysis.fsm.analyse import EXPECTED_LEVEL, FsmAnalysis
from cagexplain.stats.distribution import Distribution
from reports.kit.estimates import estimate_interval, interval
from reports.kit.numbers import number, percent
from reports.kit.sections import Takeaway
from reports.kit.terms import CAUSES

_REACTS: Final = {
    "yes": "it reacts consistently",
    "weak": "it reacts, but weakly",
    "no": "no consistent reaction was found",
    "not enough data": "whether it reacts is unknown",
}


def answer(analysis: FsmAnalysis) -> str:
    """The whole page in a sentence."""
    clean = analysis.soc.metric("clean_hosts").value
    top = analysis.effort.top
    favourite = f"; its most frequent decision is {top.name} ({percent(top.share)})" if top else ""
    return (
        f"A return of {number(analysis.returns.total.mean)} per episode, with defended hosts free "
        f"of red {percent(clean)} of the time; {_REACTS[analysis.reactions.answer.verdict]}"
        f"{favourite}."
    )


def findings(analysis: FsmAnalysis) -> list[Takeaway]:
    """What blue does, for a reader in a hurry."""
    return [
        *_choices(analysis),
        *_constancy(analysis),
        *_waste(analysis),
        _idleness(analysis),
    ]


def losses(analysis: FsmAnalysis) -> list[Takeaway]:
    """What the policy loses, for a reader in a hurry."""
    return [_loss(analysis), _footholds(analysis)]


def _loss(analysis: FsmAnalysis) -> Takeaway:
    total, causes = analysis.returns.total, analysis.returns.by_cause
    worst = min(causes, key=lambda cause: causes[cause].mean)
    detail = "No penalty at all."
    if total.mean < 0:
        detail = (
            f"The largest part, {percent(causes[worst].mean / total.mean)}, comes from "
            f"{CAUSES[worst]}."
        )
    return Takeaway(
        f"The policy’s return is {number(total.mean)} per episode",
        f"{estimate_interval(total)}. {detail}",
    )


def _host_steps(levels: Iterable[Distribution]) -> list[int]:
    by_level = zip(*([share.count for share in level.shares] for level in levels), strict=True)
    return [sum(counts) for counts in by_level]


def _footholds(analysis: FsmAnalysis) -> Takeaway:
    clean, no_root = (analysis.soc.metric(key) for key in ("clean_hosts", "non_escalated_hosts"))
    _, *held = _host_steps(belief.levels for belief in analysis.beliefs)
    _, *missed = _host_steps(
        belief.levels
        for belief in analysis.beliefs
        if EXPECTED_LEVEL.get(belief.levels.group, 0) == 0
    )
    detail = "No host was ever compromised."
    if sum(held):
        detail = (
            f"On {percent(sum(missed) / sum(held))} of the time that red holds a host, its own "
            "state machine does not count on the session: mail that users open gives red sessions "
            "unawares."
        )
    return Takeaway(
        f"Defended hosts are free of red {percent(clean.value)} of the time, and of root "
        f"{percent(no_root.value)}",
        detail,
    )


_STAGES: Final = (
    ("Where red has found a host but is not in", ("K", "KD", "S", "SD")),
    ("Where red believes it has a user session", ("U", "UD")),
    ("Where red believes it is root", ("R", "RD")),
)


def _choices(analysis: FsmAnalysis) -> Iterator[Takeaway]:
    mixes = {mix.group: mix for mix in analysis.mix.targeted}
    for stage, states in _STAGES:
        mix = max((mixes[state] for state in states), key=lambda mix: mix.total)
        if mix.top is None:
            yield Takeaway(
                f"{stage}, blue never acts on the host",
                f"No decision with such a target in any episode ({', '.join(states)}).",
            )
            continue
        if mix.top.low is None:
            choice = f"most often chose {mix.top.name} in the one episode that shows it"
        else:
            choice = f"most often chooses {mix.top.name}" if mix.clear else "has no clear favourite"
        yield Takeaway(
            f"{stage}, blue {choice}",
            f"In state {mix.group}, which has most of these decisions: {mix.top.name} "
            f"{percent(mix.top.share)} of {number(mix.total)} ({interval(mix.top)})"
            f"{_runner_up(mix)}.",
        )


def _runner_up(mix: Distribution) -> str:
    second = sorted(mix.shares, key=lambda share: -share.count)[1]
    if not second.count:
        return ""
    return f", then {second.name} {percent(second.share)} ({interval(second)})"


def _constancy(analysis: FsmAnalysis) -> Iterator[Takeaway]:
    states_of: dict[str, list[str]] = {}
    for mix in analysis.mix.targeted:
        if mix.clear and mix.top is not None:
            states_of.setdefault(mix.top.name, []).append(mix.group)
    parts = "; ".join(f"{name} in {', '.join(states)}" for name, states in states_of.items())
    if len(states_of) > 1:
        yield Takeaway("The first choice changes with the attacker’s state", f"{parts}.")
    elif states_of and len(next(iter(states_of.values()))) > 1:
        (name,) = states_of
        yield Takeaway(f"Wherever one action clearly leads, it is {name}", f"{parts}.")


def _waste(analysis: FsmAnalysis) -> Iterator[Takeaway]:
    restores = next(kind for kind in analysis.target_truth if kind.group == "Restore")
    clean = restores.shares[0]
    if clean.share is not None:
        yield Takeaway(
            f"{percent(clean.share)} of all Restores hit a host without any red session",
            f"{number(clean.count)} of {number(restores.total)} ({interval(clean)}); "
            "blue cannot see the truth, so some of this is the price of caution.",
        )


def _idleness(analysis: FsmAnalysis) -> Takeaway:
    sleep, monitor = (analysis.effort.share_of(name) for name in ("Sleep", "Monitor"))
    share = (sleep.count + monitor.count) / max(analysis.effort.total, 1)
    top = analysis.effort.top
    return Takeaway(
        f"Free agents idle (Sleep or Monitor) in {percent(share)} of their decisions",
        f"{number(analysis.effort.total)} decisions in all"
        + (f"; most frequent: {top.name}, {percent(top.share)}." if top else "."),
    )
