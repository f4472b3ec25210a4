"""What a reader in a hurry should know about a policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    favourite = _favourites(analysis)
    return (
        f"A return of {number(analysis.returns.total.mean)} per episode, with defended hosts free "
        f"of red {percent(clean)} of the time; {_REACTS[analysis.reactions.answer.verdict]}"
        f"{favourite}."
    )


def _favourites(analysis: FsmAnalysis) -> str:
    """What agents do most, told apart where they differ: the team's mean may be nobody's habit."""
    tops = {name: effort_of(mix.situational) for name, mix in analysis.mix_by_agent.items()}
    by_action = _by_value({name: top for name, top in tops.items() if top is not None})
    if not by_action:
        return ""
    if len(by_action) == 1:
        top = analysis.effort.top
        share = f" ({percent(top.share)})" if top else ""
        return f"; the most frequent decision of every agent is {next(iter(by_action))}{share}"
    favourites = ", ".join(f"{action} of {_agents(names)}" for action, names in by_action.items())
    return f"; the agents differ: their most frequent decisions are {favourites}"


def effort_of(states: Iterable[Distribution]) -> str | None:
    """The action that is chosen most over all states; None without decisions."""
    counts: Counter[str] = Counter()
    for mix in states:
        for share in mix.shares:
            counts[share.name] += share.count
    (action, most), *_ = counts.most_common(1) or [("", 0)]
    return action if most else None


def _by_value(of: Mapping[str, str]) -> dict[str, list[str]]:
    """Names by what they have."""
    names: dict[str, list[str]] = {}
    for name, value in of.items():
        names.setdefault(value, []).append(name)
    return names


def _agents(names: Sequence[str]) -> str:
    """Agents in a row: "blue agents 0, 1 and 4"."""
    if all(name.startswith(_BLUE) for name in names):
        numbers = [name.removeprefix(_BLUE) for name in names]
        start = "blue agent " if len(numbers) == 1 else "blue agents "
    else:
        numbers, start = [name.replace("_", " ") for name in names], ""
    return start + " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))


def findings(analysis: FsmAnalysis) -> list[Takeaway]:
    """What blue does, for a reader in a hurry."""
    return [
        *_choices(analysis),
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


_NONE: Final = "no clear favourite"
_BLUE: Final = "blue_agent_"
_STAGES: Final = (
    ("Where red has found a host but is not in", ("K", "KD", "S", "SD")),
    ("Where red believes it has a user session", ("U", "UD")),
    ("Where red believes it is root", ("R", "RD")),
)


def _choices(analysis: FsmAnalysis) -> Iterator[Takeaway]:
    """By how far the attacker got: what each agent most often chooses.

    Agents are told apart before they are pooled: what the team does most may be what only one of
    them does.
    """
    for stage, states in _STAGES:
        leaders = {
            name: leader
            for name, mix in analysis.mix_by_agent.items()
            if (leader := _leader(mix.targeted, states)) is not None
        }
        pooled = _most_decided(analysis.mix.targeted, states)
        if not leaders or pooled.top is None:
            yield Takeaway(
                f"{stage}, blue never acts on the host",
                f"No decision with such a target in any episode ({', '.join(states)}).",
            )
            continue
        choices = _by_value({name: choice for name, (choice, _) in leaders.items()})
        idle = [name for name in analysis.mix_by_agent if name not in leaders]
        if len(choices) == 1:
            (choice,) = choices
            favourite = f"every agent that acts there most often chooses {choice}"
            if choice == _NONE:
                favourite = "no agent has a clear favourite"
            yield Takeaway(
                f"{stage}, {favourite}",
                f"In state {pooled.group}, which has most of these decisions: {pooled.top.name} "
                f"{percent(pooled.top.share)} of {number(pooled.total)} ({interval(pooled.top)})"
                f"{_runner_up(pooled)}.",
            )
            continue
        parts = [
            f"{_agents(names)}: {choice}"
            + ("" if choice == _NONE else f" ({_range([leaders[name][1] for name in names])})")
            for choice, names in choices.items()
        ]
        parts += [f"{_agents(idle)}: never acts on one"] if idle else []
        yield Takeaway(f"{stage}, the agents differ", f"{_upper('; '.join(parts))}.")


def _leader(
    mixes: Sequence[Distribution], states: Sequence[str]
) -> tuple[str, float | None] | None:
    """An agent's clear first choice in the state that has most of its decisions, with its share;
    None if it made none."""
    mix = _most_decided(mixes, states)
    if mix.top is None:
        return None
    clear = mix.clear or mix.top.low is None
    return (mix.top.name, mix.top.share) if clear else (_NONE, None)


def _most_decided(mixes: Sequence[Distribution], states: Sequence[str]) -> Distribution:
    return max((mix for mix in mixes if mix.group in states), key=lambda mix: mix.total)


def _range(shares: Sequence[float | None]) -> str:
    known = [share for share in shares if share is not None]
    low, high = percent(min(known)), percent(max(known))
    return low if low == high else f"{low} to {high}"


def _runner_up(mix: Distribution) -> str:
    second = sorted(mix.shares, key=lambda share: -share.count)[1]
    if not second.count:
        return ""
    return f", then {second.name} {percent(second.share)} ({interval(second)})"


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
    shares = {name: _idle(mix.situational) for name, mix in analysis.mix_by_agent.items()}
    least, most = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    team = _idle([analysis.effort])
    return Takeaway(
        f"Free agents idle (Sleep or Monitor) in {percent(team)} of their decisions",
        f"{number(analysis.effort.total)} decisions in all; from {percent(shares[least])} "
        f"({_agents([least])}) to {percent(shares[most])} ({_agents([most])}).",
    )


def _idle(states: Iterable[Distribution]) -> float:
    """Share of decisions that are Sleep or Monitor."""
    idle = total = 0
    for mix in states:
        total += mix.total
        idle += sum(share.count for share in mix.shares if share.name in ("Sleep", "Monitor"))
    return idle / max(total, 1)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
