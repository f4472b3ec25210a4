"""Explained decisions in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from scipy.special import ndtri

from cagexplain.analysis.decisions.counterfactuals import FutureDifference
from cagexplain.analysis.decisions.explain import DecisionReport, Explanation, Option
from cagexplain.cc4 import network, phases, reward
from reports.kit import numbers
from reports.kit.numbers import NBSP, percent
from reports.kit.terms import subnet

TRUTH: Final = {
    0: "The attacker was not on the machine that it aimed at",
    1: "The attacker was on the machine that it aimed at, as a user",
    2: "The attacker was root on the machine that it aimed at",
}
"""True compromise of the target."""
_REACHED: Final = {
    "unknown": "did not know of any",
    **dict.fromkeys(("K", "KD"), "knew of some, and no more"),
    **dict.fromkeys(("S", "SD"), "had scanned some"),
    **dict.fromkeys(("U", "UD"), "was on some as a user"),
    **dict.fromkeys(("R", "RD"), "was root on some"),
    "F": "had been on some",
}
"""How far the attacker was, by its own view, on the machines that an agent guards."""
_ZONES: Final = {
    short: subnet(name) for short, name in zip(network.ZONE_SHORT, network.ZONES, strict=True)
}
_VERBS: Final = {
    "AllowTrafficZone": "Open the traffic",
    "BlockTrafficZone": "Block the traffic",
    "DeployDecoy": "Deploy a decoy on",
}
_LINK: Final = re.compile(r"\b([A-Z]{3}) <- ([A-Z]{3})\b")
_HOST: Final = re.compile(r"\b(\w+_host_\d+|router) \(([A-Z]{3})\)")


def signed(value: float) -> str:
    """12.34 as +12.3, -120.2 as −120: always with a sign, three digits at most."""
    return numbers.signed(value, 0 if abs(value) >= 99.95 else 1)


def limits(difference: FutureDifference) -> str:
    """The interval of a mean: [4.0, 20.1]."""
    if difference.low is None or difference.high is None:
        return "no interval"
    return f"[{signed(difference.low)}, {signed(difference.high)}]"


def verdict(option: Option, stretch: float = 1.0) -> str:
    """Whether an alternative is surely better or worse than the choice: better, worse, open.

    Args:
        option: the alternative.
        stretch: how much wider than given its interval must be taken; see `stretched`.
    """
    if option.chosen:
        return "chosen"
    if option.outcome is None:
        return "unknown"
    advantage = option.outcome.advantage
    if advantage.low is None or advantage.high is None:
        return "open"
    low = advantage.mean - stretch * (advantage.mean - advantage.low)
    high = advantage.mean + stretch * (advantage.high - advantage.mean)
    return "better" if low > 0 else "worse" if high < 0 else "open"


def stretched(report: DecisionReport) -> float:
    """How much wider intervals must be for all alternatives of a report to hold at once
    (Bonferroni, by normal quantiles)."""
    n = sum(o.outcome is not None and not o.chosen for d in report.decisions for o in d.options)
    tail = (1 - report.confidence) / 2
    return float(ndtri(1 - tail / max(n, 1)) / ndtri(1 - tail))


def plain(name: str) -> str:
    """The name of an action or of what an agent sees, without CC4's abbreviations."""
    text = _LINK.sub(
        lambda m: f"to {_ZONES.get(m[1], m[1])} from {_ZONES.get(m[2], m[2])}",
        name,
    )
    text = _HOST.sub(
        lambda m: f"{m[1].replace('_', ' ')} ({_ZONES.get(m[2], m[2])})",
        text,
    )
    verb, _, rest = text.partition(" ")
    return f"{_VERBS[verb]} {rest}" if verb in _VERBS else text


def title(decision: Explanation) -> str:
    """Where and when, and what was done."""
    agent = decision.agent.replace("_", " ")
    return f"Step {decision.step}, {agent}: {plain(decision.action)}"


def moment(decision: Explanation) -> str:
    """The same for a list by step."""
    return f"explained: {decision.agent.replace('_', ' ')}, {plain(decision.action)}"


def situation(decision: Explanation) -> str:
    """What the agent met."""
    parts = [
        f"Episode {decision.episode} (seed {decision.seed}), {phases.PHASE_NAMES[decision.phase]}.",
    ]
    if decision.target_state is not None and decision.target_level in TRUTH:
        parts.append(
            f"{TRUTH[decision.target_level]} (state {decision.target_state} in its own view)."
        )
    reached = _REACHED.get(decision.zone_state, "was in an unknown state")
    parts.append(f"Of the machines that the agent guards, the attacker {reached}.")
    parts.append(
        f"The agent saw: {_listed([plain(alert) for alert in decision.alerts])}."
        if decision.alerts
        else "The agent saw no alert."
    )
    return " ".join(parts)


def summary(decision: Explanation) -> list[str]:
    """Why it was chosen and what else would have happened, as sentences."""
    return [*_preference(decision), *_alternatives(decision), *_reasons(decision), *_flip(decision)]


def overall(report: DecisionReport) -> str:
    """What all decisions of a report come to."""
    n = len(report.decisions)
    rolled = [d for d in report.decisions if any(o.outcome for o in d.options if not o.chosen)]
    if not rolled:
        return f"{n} decision{'s' * (n != 1)} explained; no alternatives were played out."
    stretch = stretched(report)
    sure = [_sure(decision, stretch) for decision in rolled]
    unbeaten = [_unbeaten(decision, stretch) for decision in rolled]
    sentences = [
        text.format(n=_of(count, len(rolled)))
        for text, count in (
            (_MISTAKE, sum("better" in verdicts for verdicts in sure)),
            (_RIGHT, sum(unbeaten)),
            (_MIXED, sum(v == {"worse"} and not u for v, u in zip(sure, unbeaten, strict=True))),
            (_OPEN, sum(not verdicts for verdicts in sure)),
        )
        if count
    ]
    tried = f"Other actions were tried in {len(rolled)} decision{'s' * (len(rolled) != 1)}."
    return " ".join([tried, *sentences])


def _of(count: int, n: int) -> str:
    """How many of the decisions: "all of them", "1", "5"."""
    return "all of them" if count == n > 1 else str(count)


_MISTAKE: Final = "In {n}, another action would surely have been better: a mistake."
_RIGHT: Final = "In {n}, all the others would surely have been worse: rightly chosen."
_MIXED: Final = "In {n}, some would surely have been worse and none surely better."
_OPEN: Final = "In {n}, no other action made a sure difference."


def telling(decision: Explanation, stretch: float) -> bool:
    """Whether another action would surely have made a difference, beyond what it costs."""
    return any(
        verdict(option, stretch) in ("better", "worse")
        and abs(_advantage(option)) > reward.RESTORE_COST
        for option in decision.options
    )


def _sure(decision: Explanation, stretch: float) -> set[str]:
    """What other actions surely would have been: better, worse."""
    return {verdict(option, stretch) for option in decision.options} & {"better", "worse"}


def best_alternative(decision: Explanation) -> Option | None:
    """The alternative that did best in the roll-outs; None if none was played out."""
    played = [o for o in decision.options if not o.chosen and o.outcome is not None]
    return max(played, key=_advantage, default=None)


def _advantage(option: Option) -> float:
    return option.outcome.advantage.mean if option.outcome else 0.0


def _unbeaten(decision: Explanation, stretch: float = 1.0) -> bool:
    others = [o for o in decision.options if not o.chosen and o.outcome is not None]
    return bool(others) and all(verdict(o, stretch) == "worse" for o in others)


def _preference(decision: Explanation) -> Iterator[str]:
    chosen = next((o for o in decision.options if o.chosen), None)
    if chosen is None:
        return
    if chosen.probability is not None:
        kind = ""
        if chosen.kind_options > 1 and chosen.kind_probability is not None:
            kind = (
                f", and {percent(chosen.kind_probability)} to {chosen.kind} "
                f"on any of {chosen.kind_options} targets"
            )
        yield f"The policy gave this action {percent(chosen.probability)}{kind}."
    elif chosen.value is not None:
        yield f"The policy’s network gives this action the value {signed(chosen.value)}."
    if decision.likeliest is False:
        yield "It was drawn at random: the policy prefers another action."


def _alternatives(decision: Explanation) -> Iterator[str]:
    # The best mean may have too wide an interval where a smaller one is clear.
    better = [o for o in decision.options if verdict(o) == "better"]
    best = max(better, key=_advantage) if better else best_alternative(decision)
    if best is None or best.outcome is None:
        return
    advantage = best.outcome.advantage
    change = (
        f"{signed(advantage.mean)} {limits(advantage)} in reward over {best.outcome.steps} steps"
    )
    if better:
        yield f"Better would have been: {plain(best.name)}: {change}."
    elif _unbeaten(decision):
        yield f"Every alternative does worse; the best of them, {plain(best.name)}: {change}."
    else:
        yield f"No alternative is surely better; the best one, {plain(best.name)}: {change}."


def _reasons(decision: Explanation) -> Iterator[str]:
    if decision.path:
        yield f"Its rule: {' and '.join(decision.path)}."
    if decision.attribution is None:
        return
    helped = [i.name for i in decision.attribution.influences if i.attribution > 0][:3]
    if helped:
        yield f"What spoke most for it: {_listed([plain(name) for name in helped])}."


def _flip(decision: Explanation) -> Iterator[str]:
    flips = decision.flips
    if flips is None:
        return
    if flips.size is None:
        entries = "one entry" if flips.limit == 1 else f"up to {flips.limit} entries"
        yield f"No change of {entries} of the observation makes the policy choose another action."
        return
    first = flips.found[0]
    changes = _listed([plain(change) for change in first.changes])
    instead = f" instead of “{plain(flips.preferred)}”"
    drawn = "" if flips.preferred == decision.action else instead
    preferred = f"“{plain(first.action)}”"
    yield f"{changes[:1].upper()}{changes[1:]}, it would have preferred {preferred}{drawn}."


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def rollouts(report: DecisionReport) -> str:
    """How the alternatives were judged."""
    if not report.rollouts:
        return "No alternatives were played out."
    return (
        f"Each alternative was played {report.rollouts} times for up to {report.horizon} steps, "
        "from the same state and with the same random numbers as the choice; afterwards the policy "
        f"acts as usual. Intervals: {round(100 * report.confidence)}{NBSP}%, each on its own: of "
        "twenty alternatives that make no difference, one is called better or worse."
    )
