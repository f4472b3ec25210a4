"""Explained decisions in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cagexplain.analysis.decisions.counterfactuals import FutureDifference
from cagexplain.analysis.decisions.explain import DecisionReport, Explanation, Option
from cagexplain.cc4 import phases
from reports.kit import numbers
from reports.kit.numbers import NBSP, percent

TRUTH = {-1: "", 0: "truly clean", 1: "truly a red user session", 2: "truly red root"}
"""True compromise of the target."""


def signed(value: float) -> str:
    """12.34 as +12.3, -120.2 as −120: always with a sign, three digits at most."""
    return numbers.signed(value, 0 if abs(value) >= 99.95 else 1)


def limits(difference: FutureDifference) -> str:
    """The interval of a mean: [4.0, 20.1]."""
    if difference.low is None or difference.high is None:
        return "no interval"
    return f"[{signed(difference.low)}, {signed(difference.high)}]"


def verdict(option: Option) -> str:
    """Whether an alternative is surely better or worse than the choice: better, worse, open."""
    if option.chosen:
        return "chosen"
    if option.outcome is None:
        return "unknown"
    advantage = option.outcome.advantage
    if advantage.low is None or advantage.high is None:
        return "open"
    return "better" if advantage.low > 0 else "worse" if advantage.high < 0 else "open"


def title(decision: Explanation) -> str:
    """Where and when, and what was done."""
    return f"Step {decision.step}, {decision.agent}: {decision.action}"


def situation(decision: Explanation) -> str:
    """What the agent met."""
    parts = [
        f"Episode {decision.episode} (seed {decision.seed}), {phases.PHASE_NAMES[decision.phase]}.",
    ]
    if decision.target_state is not None:
        truth = TRUTH[decision.target_level]
        parts.append(f"The target was in state {decision.target_state}, {truth}.")
    parts.append(f"The most advanced state in the agent’s subnets was {decision.zone_state}.")
    parts.append(
        f"The observation showed {_listed(decision.alerts)}."
        if decision.alerts
        else "The observation showed no alert."
    )
    return " ".join(parts)


def summary(decision: Explanation) -> list[str]:
    """Why it was chosen and what else would have happened, as sentences."""
    return [*_preference(decision), *_alternatives(decision), *_reasons(decision), *_flip(decision)]


def overall(report: DecisionReport) -> str:
    """What all decisions of a report come to."""
    n = len(report.decisions)
    rolled = [d for d in report.decisions if any(o.outcome for o in d.options)]
    if not rolled:
        return f"{n} decision{'s' * (n != 1)} explained; no alternatives were played out."
    regretted = [d for d in rolled if any(verdict(o) == "better" for o in d.options)]
    unbeaten = [d for d in rolled if _unbeaten(d)]
    return (
        f"In {len(regretted) or 'none'} of {len(rolled)} decisions another action would surely "
        f"have been better, in {len(unbeaten) or 'none'} every other action would surely have been "
        "worse."
    )


def best_alternative(decision: Explanation) -> Option | None:
    """The alternative that did best in the roll-outs; None if none was played out."""
    played = [o for o in decision.options if not o.chosen and o.outcome is not None]
    return max(played, key=_advantage, default=None)


def _advantage(option: Option) -> float:
    return option.outcome.advantage.mean if option.outcome else 0.0


def _unbeaten(decision: Explanation) -> bool:
    others = [o for o in decision.options if not o.chosen and o.outcome is not None]
    return bool(others) and all(verdict(o) == "worse" for o in others)


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
        yield f"Better would have been {best.name}: {change}."
    elif _unbeaten(decision):
        yield f"Every alternative does worse; the best of them, {best.name}: {change}."
    else:
        yield f"No alternative is surely better; the best one, {best.name}: {change}."


def _reasons(decision: Explanation) -> Iterator[str]:
    if decision.path:
        yield f"Its rule: {' and '.join(decision.path)}."
    if decision.attribution is None:
        return
    helped = [i.name for i in decision.attribution.influences if i.attribution > 0][:3]
    if helped:
        yield f"The strongest reasons for it: {_listed(helped)}."


def _flip(decision: Explanation) -> Iterator[str]:
    flips = decision.flips
    if flips is None:
        return
    if flips.size is None:
        entries = "one entry" if flips.limit == 1 else f"up to {flips.limit} entries"
        yield f"No change of {entries} of the observation makes the policy choose another action."
        return
    first = flips.found[0]
    changes = _listed(first.changes)
    drawn = "" if flips.preferred == decision.action else f" instead of {flips.preferred}"
    yield f"{changes[:1].upper()}{changes[1:]}, it would have preferred {first.action}{drawn}."


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
