"""`cagexplain attack --stage rl`: a red that learns."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cagexplain.cli import playing
from cagexplain.common.errors import UsageError
from cagexplain.common.files import write_json

if TYPE_CHECKING:
    from cagexplain.attack.learned import LearnedResult


def learn(policy: str, folder: Path | None, budget: float, options: dict[str, Any]) -> None:
    """Go on with the finished attack in a folder, for `budget` seconds or until Ctrl-C; what has
    been learned by then is judged.

    Raises:
        CagexplainError: there is none that can be gone on with.
    """
    from cagexplain.attack import learned
    from cagexplain.cc4 import phases
    from trainers.red import RedLearner, RedSettings

    if folder is None:
        raise UsageError(
            "which attack is a red to learn from?",
            where="--stage rl",
            remedy="Name the folder of a finished one with --output",
        )
    player = playing.load(policy, options)
    attack = learned.begun(folder, player)
    params, red = learned.params(attack), learned.start(attack)
    settings, seed = RedSettings(aim=attack.aim), options["search_seed"]
    learner = RedLearner(red, player, params, settings, seed)
    began, history, interrupted = time.perf_counter(), list[float](), False

    def goes_on(number: int, metrics: dict[str, float]) -> bool:
        history.append(metrics["return"])
        tell(f"round {number + 1}, {metrics['return']:,.0f}")
        advance(settings.envs * phases.calls(params.steps))
        return time.perf_counter() - began < budget

    with playing.narrating(f"learning against {player.name}", None) as (advance, tell):
        try:
            learner.learn(goes_on)
        except KeyboardInterrupt:
            if not history:
                raise
            interrupted = True
    seconds = time.perf_counter() - began
    seeds = learned.held_out(attack)
    episodes = learned.judged(player, red, params, seeds)
    result = learned.result(attack, episodes, asdict(settings), seed, seconds, history)
    red.save(folder / learned.WEIGHTS)
    write_json(folder / learned.FILE, result.to_json(), indent=None)
    _show(result)
    click.echo(f"Written to {folder / learned.FILE} and {folder / learned.WEIGHTS}")
    if interrupted:  # all that it led to is written; the exit status tells of it
        raise KeyboardInterrupt


def _show(result: LearnedResult) -> None:
    from cagexplain.attack.figures import mean

    click.echo(
        f"{result.policy['name']}: {len(result.history)} rounds of {result.settings['envs']} "
        f"episodes, {result.seconds:,.0f} s, from {result.start}"
    )
    for name, episodes in ((result.start, result.table), ("learned", result.learned)):
        value = mean(episodes, result.aim)
        click.echo(f"  {name:12} {value.mean:9,.0f} ({value.low:,.0f} to {value.high:,.0f})")
    change = result.change
    verdict = (
        "so the learned red does more harm than the table that it began as"
        if result.worse
        else "so it is not shown that the learned red does more harm than the table"
    )
    click.echo(
        f"Change on the same {len(result.seeds):,} seeds: {change.mean:+,.0f} "
        f"({change.low:+,.0f} to {change.high:+,.0f}); {verdict}."
    )
