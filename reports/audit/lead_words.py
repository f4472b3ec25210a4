"""What to conclude from an audit, in the order of a reader in a hurry: which part of the policy
fails, since when, how sure that is, what to do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from cagexplain.audit import ranking
from cagexplain.audit.results import Audit, Finding
from cagexplain.audit.suspects import Suspect
from cagexplain.cc4 import agents, network
from reports.kit import numbers
from reports.kit.numbers import NBSP, number
from reports.shared import findings as words
from reports.shared import show

SIDES: Final = ("practice", "health", "outcome")
"""Axes that decide whether an audit can be signed."""
_SURE: Final = 0.001


def recommendation(audit: Audit, suspects: list[Suspect]) -> str:
    """Whether to sign, in one sentence."""
    sides = [f for f in audit.findings if f.axis in SIDES]
    if suspects:
        problem = _lower(words.problem(suspects[0].findings[0]))
        grave = audit.practice != "compliant" or audit.outcome != "effective"
        start = "Do not sign until" if grave else "Sign only if you can do without"
        done = "is repaired" if grave else "in order"
        time = f" for the time{_from(suspects[0])}" if _from(suspects[0]) else ""
        if episodes := _episodes(suspects[0]):
            time += f" (it fails in {episodes})"
        there = "there, " if suspects[0].places else ""
        who = name(suspects[0])
        comma = "," if _GUARDS in who else ""
        return f"{start} {who}{comma} {done}{time}: {there}{problem}."
    undecided = [f for f in sides if f.verdict in ("INCONCLUSIVE", "ERROR")]
    unsure = [f for f in sides if f.verdict == "FAIL"]
    if "undetermined" in (audit.practice, audit.outcome):
        if unsure:
            failed = _count(len(unsure), "check fails", "checks fail")
            return (
                f"Do not sign yet: {failed}, and chance alone could have done that; record more "
                "episodes."
            )
        judged = sum(f.verdict in ("PASS", "WARN", "FAIL") for f in sides)
        return (
            "Do not sign yet: this audit could not see enough. Of its checks of practice, health "
            f"and outcome, {number(judged)} could be judged and {number(len(undecided))} could not"
            f"{_further(undecided)}."
        )
    limits = f"within what this audit can see{_scope(audit)}"
    warned = [f for f in sides if f.verdict == "WARN"]
    elsewhere = [f for f in audit.findings if f.axis not in SIDES and f.verdict == "FAIL"]
    if elsewhere:
        return (
            f"Of practice, health and outcome nothing failed, {limits}; before you sign, weigh "
            f"what did: {_lower(words.headline(ranking.in_order(elsewhere, audit)[0]))}."
        )
    if warned:
        return (
            f"Nothing failed, {limits}; before you sign, weigh "
            f"{_count(len(warned), 'warning', 'warnings')}, first: "
            f"{_lower(words.headline(ranking.in_order(warned, audit)[0]))}."
        )
    return f"Nothing was found against signing, {limits}."


def _scope(audit: Audit) -> str:
    """What the audit looked at, in brackets."""
    episodes = show.episodes_of(audit)
    if episodes is None:
        return ""
    return f" ({_count(episodes, 'episode', 'episodes')} of a simulated network and attacker)"


def _further(undecided: list[Finding]) -> str:
    more = [f.more_episodes for f in undecided if f.more_episodes]
    return f"; about {numbers.roughly(max(more))} more episodes may settle that" if more else ""


def subject(suspect: Suspect) -> str:
    """What is to be repaired: who, and when or in which episodes."""
    episodes = _episodes(suspect)
    when = f"{_from(suspect)}{f' in {episodes}' if episodes else ''}"
    who = name(suspect)
    return f"{who}{',' if when and _GUARDS in who else ''}{when}"


def _episodes(suspect: Suspect) -> str:
    """In which of the episodes it fails: "25 of 50 episodes"; empty for all."""
    return next((place.name for place in suspect.places if place.kind == "episodes"), "")


def name(suspect: Suspect) -> str:
    """Who or what fails: "blue agent 2, which guards restricted zone B"."""
    by_kind = {place.kind: place for place in suspect.places}
    who = by_kind.get("agent")
    alone = who is not None and not _several(who.name)
    where = "".join(
        f" {_AT.get(kind, '')}{words.place_name(place)}"
        for kind, place in by_kind.items()
        if kind not in ("agent", "episodes") and not (kind == "zone" and alone)
    )
    if who is None:
        return f"{'the team' if where else 'the whole team'}{where}"
    guarded = guards(who.name)
    name = show.agent(who.name)
    if guarded:
        name += f"{_GUARDS}{guarded}{',' if where else ''}"
    return f"{name}{where}"


_GUARDS: Final = ", which guards "
_AT: Final = {"zone": "in ", "link": "at ", "phase": "in ", "host kind": "on "}
"""What stands before a place of a kind."""


def guards(agent: str) -> str:
    """Subnets that an agent guards."""
    if agent not in agents.BLUE:
        return ""
    zones = agents.BLUE_ZONES_DECLARED[agents.BLUE.index(agent)]
    return words.listed([show.place(network.ZONES[zone]) for zone in zones])


def _several(agent: str) -> bool:
    return agent in agents.BLUE and len(agents.BLUE_ZONES[agents.BLUE.index(agent)]) > 1


def _from(suspect: Suspect) -> str:
    span = suspect.since
    if span is None:
        return ""
    if span.stop is None:
        return f" from step {span.start} on"
    return f" from step {span.start} to step {span.stop - 1}"


def answers(suspect: Suspect, audit: Audit) -> Iterator[tuple[str, str]]:
    """Which part, since when, how sure, what to do."""
    yield "Which part", _which(suspect)
    yield "Since when", _since(suspect)
    yield "How sure", _how_sure(suspect)
    yield "What to do", _what_to_do(suspect, audit)


def advice(gravest: Sequence[Finding], audit: Audit) -> Iterator[tuple[str, str]]:
    """What to do where no part surely fails: the remedy of the gravest finding that has one."""
    remedies = filter(None, (words.remedy(finding, audit) for finding in gravest))
    for remedy in itertools.islice(remedies, 1):
        yield "What to do first", remedy


def _which(suspect: Suspect) -> str:
    n = len(suspect.findings)
    text, episodes = _upper(name(suspect)), _episodes(suspect)
    where = f", in {episodes}" if episodes else ""
    return f"{text}{where}. {_count(n, 'check fails', 'checks fail')} there."


def _since(suspect: Suspect) -> str:
    if suspect.since is not None:
        return words.stretch(suspect.since)
    episodes = _episodes(suspect)
    phase = next((words.place_name(p) for p in suspect.places if p.kind == "phase"), "")
    if phase:
        return f"In {phase} of the mission."
    if episodes:
        return f"In {episodes}, throughout these: no stretch of time stands out."
    return "Throughout: no stretch of time and no set of episodes stands out."


def _how_sure(suspect: Suspect) -> str:
    finding = suspect.findings[0]
    part = finding.worst.part if finding.worst is not None else None
    sentences = []
    if part is not None:
        sentences.append(
            f"{number(part.bad)} of {number(part.n)} {finding.trigger} there speak against it"
            f"{words.part_limits(finding, part)}."
        )
    else:
        measured = finding.decisive
        if measured is not None:
            sentences.append(f"The {measured.name} is {show.value(measured)}{_interval(finding)}.")
    if finding.p is not None:
        sentences.append(
            f"A policy at the limit of what is tolerated would look like this {_odds(finding.p)}, "
            "although so many parts and checks were looked at."
        )
    return " ".join(sentences)


def _interval(finding: Finding) -> str:
    limits = show.limits(finding.decisive) if finding.decisive is not None else ""
    return f" (95{NBSP}% interval {limits})" if limits else ""


def _odds(p: float) -> str:
    if p < _SURE:
        return f"in less than 1 of {number(1 / _SURE)} audits"
    return f"in about 1 of {numbers.roughly(round(1 / p))} audits"


def _what_to_do(suspect: Suspect, audit: Audit) -> str:
    who = next((show.agent(p.name) for p in suspect.places if p.kind == "agent"), "the team")
    advice = words.remedy(suspect.findings[0], audit)
    sentences = [f"Begin with {who}.", advice]
    prices = [f.price for f in suspect.findings if f.price is not None and f.price.reward.clear]
    best = max(prices, key=lambda price: price.reward.mean, default=None)
    if best is not None and best.reward.mean > 0:
        titles = " and ".join(f"“{title}”" for title in best.titles)
        sentences.append(
            f"Measured: {titles}, played over the policy, changes the return by "
            f"{show.points(best.reward)} per episode."
        )
    return " ".join(filter(None, sentences))


def _count(n: int, one: str, many: str) -> str:
    return f"{number(n)} {one if n == 1 else many}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
