"""`cagexplain attack --stage rl`: a red that learns."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cagexplain.cli import playing
from cagexplain.common.documents import convert
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_json

if TYPE_CHECKING:
    from cagexplain.attack.learned import LearnedResult
    from trainers.red import RedLearner

STATE: Final = "learning.pt"
"""What a learning red goes on from, within an attack's folder."""
_KIND: Final = "red's training"
_LIMIT: Final = 64 * 2**20
_REMEDY: Final = f"Remove {STATE} and learned.json, and let it learn anew"


@dataclass(frozen=True)
class _Task:
    """What is learned: it goes on only if it is the same."""

    table: dict[str, Any]
    settings: dict[str, Any]
    seed: int


@dataclass
class _Past:
    """What is behind it: the policy's mean of the aim in each round, and seconds."""

    history: list[float] = field(default_factory=list)
    seconds: float = 0.0


def learn(
    policy: str, folder: Path | None, budget: float, resume: bool, options: dict[str, Any]
) -> None:
    """Go on with the finished attack in a folder, for `budget` seconds or until Ctrl-C; what has
    been learned by then is judged.

    Args:
        policy: that is attacked.
        folder: of the attack.
        budget: seconds, beside those of an interrupted learning.
        resume: go on with the red that has learned in the folder.
        options: of the command.

    Raises:
        CagexplainError: there is none that can be gone on with.
    """
    import torch

    from cagexplain.attack import learned
    from cagexplain.cc4 import phases
    from cagexplain.cli.attack import write_page
    from trainers.core.interrupts import interrupts
    from trainers.red import RedLearner, RedSettings

    if folder is None:
        raise UsageError(
            "which attack is a red to learn from?",
            where="--stage rl",
            remedy="Name the folder of a finished one with --output",
        )
    torch.set_num_threads(1)  # the networks are small: threads would only wait for each other
    player = playing.load(policy, options)
    attack = learned.begun(folder, player)
    params, red = learned.params(attack), learned.start(attack)
    settings, seed = RedSettings(aim=attack.aim), options["search_seed"]
    learner = RedLearner(red, player, params, settings, seed)
    task = _Task(attack.worst.table, asdict(settings), seed)
    past = _Past()
    if resume:
        past = _resumed(folder / STATE, task, learner)
    elif (folder / STATE).exists() or (folder / learned.FILE).exists():
        raise UsageError(
            "this attack has a learned red",
            where=folder,
            remedy=f"Let it go on with --resume, or remove {STATE} and {learned.FILE}",
        )
    steps, end = settings.envs * phases.calls(params.steps), time.perf_counter() + budget
    with playing.narrating(f"learning against {player.name}", None) as (advance, tell):

        def told() -> None:
            tell("ends with this round")

        with interrupts(told) as asked:
            while not asked:
                began = time.perf_counter()
                past.history.append(learner.round()["return"])
                past.seconds += time.perf_counter() - began
                _keep(folder / STATE, task, learner, past)
                advance(steps)
                tell(f"round {len(past.history)}, {past.history[-1]:,.0f}")
                if time.perf_counter() >= end:
                    break
    episodes = learned.judged(player, red, params, learned.held_out(attack))
    result = learned.result(attack, episodes, asdict(settings), seed, past.seconds, past.history)
    red.save(folder / learned.WEIGHTS)
    write_json(folder / learned.FILE, result.to_json(), indent=None)
    _show(result)
    page = write_page(folder, attack, result)
    click.echo(f"Written to {page}, {learned.FILE} and {learned.WEIGHTS} beside it")
    if asked:
        click.echo("The same command with --resume goes on learning.", err=True)
        raise KeyboardInterrupt  # all that it led to is written; the exit status says how it ended


def _keep(path: Path, task: _Task, learner: RedLearner, past: _Past) -> None:
    from cagexplain.policies.checkpoint import write_plain

    content = {"task": asdict(task), "past": asdict(past), "learner": learner.state()}
    write_plain(path, _KIND, content)


def _resumed(path: Path, task: _Task, learner: RedLearner) -> _Past:
    """Bring a learner to where an interrupted one was.

    Raises:
        CagexplainError: there is none, or it is damaged.
        UsageError: it learns something else.
    """
    from cagexplain.policies.checkpoint import read_plain

    content = read_plain(path, _KIND, limit=_LIMIT)
    begun = convert(content.get("task"), _Task, path, remedy=_REMEDY)
    for entry in fields(_Task):
        if getattr(begun, entry.name) != getattr(task, entry.name):
            raise UsageError(
                f"the learning red has another {entry.name}",
                where=path,
                field=f"task.{entry.name}",
                remedy=f"Give the command that it was begun with, or: {_REMEDY.lower()}",
            )
    past = convert(content.get("past"), _Past, path, remedy=_REMEDY)
    learner.load(content.get("learner") or {}, path)
    if learner.rounds != len(past.history):
        raise CagexplainError(
            f"has {learner.rounds} rounds of {len(past.history)}",
            where=path,
            field="learner.rounds",
            remedy=_REMEDY,
        )
    return past


def _show(result: LearnedResult) -> None:
    from cagexplain.attack.figures import mean
    from cagexplain.cli.attack import limits

    click.echo(
        f"{result.policy['name']}: {len(result.history)} rounds of {result.settings['envs']} "
        f"episodes, {result.seconds:,.0f} s, from {result.start}"
    )
    for name, episodes in ((result.start, result.table), ("learned", result.learned)):
        click.echo(f"  {name:12} {limits(mean(episodes, result.aim))}")
    verdict = "it is not shown that the learned red does more harm than the table"
    if result.worse or result.better:
        more = "more" if result.worse else "less"
        verdict = f"the learned red does {more} harm than the table that it began as"
    change = result.change
    click.echo(
        f"Change on the same {len(result.seeds):,} seeds: {change.mean:+,.0f} "
        f"({change.low:+,.0f} to {change.high:+,.0f}); so {verdict}."
    )
