"""`cagexplain oracle`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table

from cagexplain.attack.oracle.results import FILE, Plan
from cagexplain.attack.results import Aim, Rules
from cagexplain.attack.rules import FENCED, MEANING, RULES
from cagexplain.cc4.reds import REDS, RedTable
from cagexplain.cc4.reds import STANDARD as STANDARD_RED
from cagexplain.cli import playing
from cagexplain.cli.attack import AIMS, limits
from cagexplain.cli.options import Command, Seed, output_option
from cagexplain.cli.places import new_place
from cagexplain.common import terminal
from cagexplain.common.errors import UsageError
from cagexplain.policies.rollout import EVALUATION_SEED

if TYPE_CHECKING:
    from cagexplain.attack.oracle.results import OracleResult
    from cagexplain.attack.oracle.run import Training

PAGE: Final = "oracle.html"
"""Name of the page within the folder."""
_PLAN: Final = Plan()
_EVALUATIONS: Final = 4
"""Times that a training looks whether its policy has become better."""
_PASSES: Final = 3
"""Times that the training's mixture of attackers goes into the episodes of such a look."""


@click.command("oracle", cls=Command)
@click.argument("policies", metavar="POLICY...", nargs=-1, required=True)
@output_option("Folder for all of it, new or empty.  [default: runs/oracle-POLICY-1, -2, ...]")
@click.option("--resume", is_flag=True, help="Continue the interrupted double oracle in --output.")
@click.option(
    "--red",
    "reds",
    multiple=True,
    default=(STANDARD_RED,),
    show_default=True,
    **playing.RED,
    help="Attacker that red's list begins with; may be given several times. The portfolio need not "
    "be named: each search begins from the worst of it.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=_PLAN.rounds,
    show_default=True,
    help="Rounds; each adds an attacker and a policy.",
)
@click.option(
    "--generations",
    type=click.IntRange(min=1),
    default=_PLAN.generations,
    show_default=True,
    help="Length of each search for an attacker.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=_PLAN.steps,
    show_default=True,
    help="Environment steps of each training of a policy; 0 trains none: blue answers with one of "
    "POLICY.",
)
@click.option(
    "--episodes",
    "held_out",
    type=click.IntRange(min=1),
    default=_PLAN.held_out,
    show_default=True,
    help="Held-out episodes that each pair is judged by.",
)
@click.option(
    "--rules",
    type=click.Choice(RULES),
    default=FENCED,
    show_default=True,
    help="What attackers that are searched for may do. "
    + "; ".join(f"{name}: {meaning}" for name, meaning in MEANING.items())
    + ".",
)
@click.option(
    "--against",
    "aim",
    type=click.Choice(AIMS),
    default=AIMS[0],
    show_default=True,
    help="What attackers drive down: the return, or that without the Impacts in the contractor "
    "network. Policies learn from their own subnets in any case.",
)
@click.option(
    "--search-seed",
    type=Seed(high=2**30),
    default=0,
    show_default=True,
    help="Seed of searches and trainings.",
)
@click.option(
    "--seed",
    type=Seed(EVALUATION_SEED),
    default=EVALUATION_SEED,
    show_default=True,
    help="Seed of the first held-out episode.",
)
@click.option("--condition", **playing.CONDITION)
@click.option("--episode-length", "steps_of_episode", **playing.EPISODE_LENGTH)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processor cores to use.  [default: all]"
)
@playing.trust_options
def command(
    policies: tuple[str, ...],
    output: Path | None,
    resume: bool,
    reds: tuple[RedTable, ...],
    rounds: int,
    generations: int,
    steps: int,
    held_out: int,
    rules: Rules,
    aim: Aim,
    workers: int | None,
    **options: Any,
) -> None:
    """Let attackers and policies answer each other, and say what each pair comes to.

    A double oracle: all pairs of the policies and attackers known are played, and the solution of
    that game is a mixture of each side. Each round adds an attacker that is searched for against
    the mixture of policies, and a policy that PPO trains against the mixture of attackers that
    follows from it, beginning from the one that does best against it. How much both answers gain
    says how far the mixtures are from an equilibrium, at least.

    The folder gets oracle.html, the page to read, oracle.json with all numbers, found_1.yaml, ...,
    which --red takes in every command, and blue_1/ckpt.pt, ..., which are policies. After Ctrl-C
    the same command with --resume goes on.
    """
    from cagexplain.attack.oracle.run import Oracle, Settings
    from cagexplain.common.files import write_text
    from cagexplain.envs import EnvParams
    from reports.oracle.page import oracle_report

    if resume and output is None:
        raise UsageError(
            "which double oracle is to be resumed?",
            where="--resume",
            remedy="Name its folder with --output",
        )
    if len(set(policies)) < len(policies):
        raise UsageError("a policy is named twice", where="POLICY", remedy="Name each once")
    manner = {**options, "mask_sleep": False, "deterministic": None}
    players = {spec: playing.load(spec, manner) for spec in policies}
    plan = replace(_PLAN, rounds=rounds, generations=generations, steps=steps, held_out=held_out)
    folder = output or new_place("oracle", next(iter(players.values())).name)
    params = EnvParams(steps=options["steps_of_episode"]).under(options["condition"])
    oracle = Oracle(
        players,
        reds,
        params,
        Settings(plan, rules, aim, options["search_seed"], options["seed"]),
        folder,
        train=lambda task: train(task, workers),
        narrate=playing.narrating,
        resume=resume,
        workers=workers,
    )
    try:
        result = oracle.run()
    except KeyboardInterrupt:
        click.echo(
            f"What is finished is in {folder}; the same command with --output {folder} --resume "
            "goes on.",
            err=True,
        )
        raise
    _show(result)
    write_text(folder / PAGE, oracle_report(result).html)
    click.echo(f"Written to {folder / PAGE} and {FILE} beside it")


def train(task: Training, workers: int | None) -> Path:
    """Train a policy with PPO on raw observations, or go on with its training; says where it lies.

    The attackers take the episodes of a round in turn, so a mixture is rounded to as many parts.
    """
    import numpy as np

    from cagexplain.attack.oracle.game import shares
    from cagexplain.envs import BatchedEnv
    from trainers import registry
    from trainers.core import config, loop
    from trainers.core.config import Assignment, RunConfig

    run, settings = RunConfig("ippo", "raw"), registry.find_preset("ippo", "raw")
    parts = shares(np.array([weight for _, weight in task.reds]), settings.envs)
    values: dict[str, Any] = {
        "red": [
            red.name if red.name in REDS else red.document()
            for (red, _), n in zip(task.reds, parts, strict=True)
            for _ in range(n)
        ],
        "warm_start": task.teacher,
        "steps": task.steps,
        "seed": task.seed,
        "eval_every": max(1, task.steps // _EVALUATIONS),
        "eval_episodes": _PASSES * settings.envs,
        "final_episodes": _PASSES * settings.envs,
    }

    def make_env(n_envs: int, threads: int, reds: Sequence[RedTable]) -> BatchedEnv:
        each = [replace(task.params, red=reds[i % len(reds)]) for i in range(n_envs)]
        return BatchedEnv(n_envs, params=each, threads=threads)

    if (task.folder / loop.RESUME).is_file():
        training = loop.resume(task.folder, threads=workers, make_env=make_env)
    else:
        run, settings = config.override(
            (run, settings), [Assignment(name, value) for name, value in values.items()]
        )
        training = loop.start(run, settings, task.folder, threads=workers, make_env=make_env)
    if not (task.folder / loop.RESULT).exists():
        click.echo(f"Training {task.folder.name} from {task.teacher or 'nothing'}")
        training.train()
    return task.folder / loop.BEST


def _show(result: OracleResult) -> None:
    terminal.console().print(_table(result))
    for number, each in enumerate(result.rounds, start=1):
        click.echo(
            f"Round {number}: red answers with {each.red}: "
            f"{limits(each.low)}; blue with {each.blue}: {limits(each.high)}; gap at least "
            f"{limits(each.gap)}"
        )
    for side, weights in (("Blue", result.final.blue), ("Red", result.final.red)):
        parts = ", ".join(f"{key} {weight:.0%}" for key, weight in weights.items())
        click.echo(f"{side}'s mixture at the end: {parts}")
    click.echo(f"Value of both: {limits(result.final.value)}")


def _table(result: OracleResult) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("policy")
    for red in result.reds:
        table.add_column(red.key, justify="right")
    for blue, row in zip(result.blues, result.pairs, strict=True):
        table.add_row(blue.key, *(f"{pair.mean.mean:,.0f}" for pair in row))
    return table
