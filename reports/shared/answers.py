"""One sentence per section: what this policy's answer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cagexplain.analysis.fsm.analyse import Belief, FsmAnalysis, RedAction
from cagexplain.analysis.fsm.counts import EVICTORS, RECOVERIES
from cagexplain.stats.distribution import Distribution
from reports.kit.numbers import number, percent

_REACTS: Final = {
    "yes": "it reacts consistently",
    "weak": "it reacts, but weakly",
    "no": "no consistent reaction was found",
    "not enough data": "whether it reacts cannot be told",
}


def overview(analysis: FsmAnalysis) -> str:
    """The whole page in a sentence."""
    clean = analysis.soc.metric("clean_hosts").value
    top = analysis.effort.top
    favourite = f"; its most frequent decision is {top.name} ({percent(top.share)})" if top else ""
    return (
        f"A return of {number(analysis.returns.total.mean)} per episode, with defended hosts free "
        f"of red {percent(clean)} of the time; {_REACTS[analysis.reactions.answer.verdict]}"
        f"{favourite}."
    )


def leaders(mixes: Sequence[Distribution], where: str) -> str:
    """Which action leads in which states, clear leads only.

    Args:
        mixes: by state.
        where: completes "when ...", as in "the host is".
    """
    states_of: dict[str, list[str]] = {}
    for mix in mixes:
        if mix.clear and mix.top is not None:
            states_of.setdefault(mix.top.name, []).append(mix.group)
    if not any(mix.total for mix in mixes):
        return "Blue made no such decision."
    if not states_of:
        return _nobody(mixes)
    parts = [f"{name} when {where} {_listed(states)}" for name, states in states_of.items()]
    seen = sum(mix.total > 0 for mix in mixes)
    open_states = seen - sum(map(len, states_of.values()))
    rest = f"; no clear leader in {open_states} of {seen} states" if open_states else ""
    return f"Blue’s first choice is {'; '.join(parts)}{rest}."


def _nobody(mixes: Sequence[Distribution]) -> str:
    """No action clearly leads: perhaps only because there are so few episodes."""
    chosen = {share.name for mix in mixes for share in mix.shares if share.count}
    if len(chosen) == 1:
        most = max(mix.episodes for mix in mixes)
        return (
            f"Blue chose {chosen.pop()} each time; {number(most)} episode{'s' * (most != 1)} are "
            "too few to exclude that other actions are as frequent."
        )
    return "No action clearly leads in any state."


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def machine(analysis: FsmAnalysis) -> str:
    """Where hosts spend their time, and what makes red lose what it has."""
    longest = max(analysis.graph.states, key=lambda node: node.host_steps)
    causes = analysis.evictions.causes
    lost = sum(found.total for found in causes)
    time = f"Hosts spend most of their time ({percent(longest.time)}) in {longest.state}"
    if not lost:
        return f"{time}; red never finds that it has lost a host."
    by_cause = [sum(found.shares[i].count for found in causes) for i in range(len(EVICTORS))]
    parts = [
        f"{percent(n / lost)} right after a {name}"
        for name, n in zip(RECOVERIES, by_cause, strict=False)
        if n
    ]
    how = f", {' and '.join(parts)}" if parts else ""
    return (
        f"{time}; red finds {lost / len(analysis.facts.seeds):.1f} times per episode that it has "
        f"lost a host{how}."
    )


def truth(beliefs: Sequence[Belief]) -> str:
    """How much of the time red's state is not what is true."""
    judged = [belief for belief in beliefs if belief.wrong is not None]
    total = sum(belief.levels.total for belief in judged)
    if not total:
        return "No host spent any time in a state that stands for something."
    wrong = sum((belief.wrong or 0.0) * belief.levels.total for belief in judged) / total
    worst = max(judged, key=lambda belief: (belief.wrong or 0.0) * belief.levels.total)
    if not wrong:
        return "Red’s state is always what is true."
    return (
        f"In {percent(wrong)} of host-time red’s state is not what is true; most of that in "
        f"{worst.levels.group}, where red is wrong {percent(worst.wrong)} of the time."
    )


def red(actions: Sequence[RedAction]) -> str:
    """What red tried most and what became of its break-ins."""
    most = max(actions, key=lambda action: action.started)
    if not most.started:
        return "Red did nothing."
    exploit = next(action for action in actions if action.name == "ExploitRemoteService")
    success = exploit.results.shares[0].share
    tail = "" if success is None else f" {percent(success)} of its break-ins succeeded."
    return f"Red’s most frequent action is {most.name}, {number(most.started)} times.{tail}"


def agreement(parts: Mapping[str, Sequence[Sequence[Distribution]]]) -> str:
    """Whether parts of the decisions have the same clear leader in the same states.

    Args:
        parts: by their name, such as "agents", the distributions by state of each.
    """
    said, silent = [], []
    for what, groups in parts.items():
        led = [
            {mix.top.name for mix in row if mix.clear and mix.top is not None}
            for row in zip(*groups, strict=True)
            if sum(mix.clear for mix in row) > 1
        ]
        differ = sum(len(names) > 1 for names in led)
        if not led:
            silent.append(what)
        elif differ:
            said.append(f"the {what} differ in {differ} of {len(led)}")
        else:
            said.append(f"the {what} agree in {'all ' * (len(led) > 1)}{len(led)}")
    parts_said = "; ".join(said)
    sentences = []
    if said:
        sentences.append(
            f"Of the states in which two or more clearly lead, {parts_said}, by their first choice."
        )
    if silent:
        sentences.append(f"No state has a clear first choice in two or more {_listed(silent)}.")
    return " ".join(sentences)
