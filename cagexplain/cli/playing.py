"""What the commands that play a policy share: options and the progress bar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)

from cagexplain.cc4.phases import DEFAULT_STEPS
from cagexplain.cc4.red_fsm import VARIANTS
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.base import Decision, Policy
from cagexplain.policies.rollout import DEFAULT_BATCH, EVALUATION_SEED, Observer

if TYPE_CHECKING:
    from cagexplain.envs import Engine, Env

CYBORG_PATH: Final[dict[str, Any]] = {
    "type": click.Path(path_type=Path),
    "envvar": "CAGEXPLAIN_CYBORG_PATH",
    "show_envvar": True,
    "help": "Folder that holds the CybORG package, if it is not installed.",
}
"""Of the option ``--cyborg-path``, wherever it occurs."""

_OPTIONS: Final = (
    click.option(
        "--episodes",
        type=click.IntRange(min=1),
        default=100,
        show_default=True,
        help="Number of episodes.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**62),
        default=EVALUATION_SEED,
        show_default=True,
        help="Seed of the first episode; each further one adds 1. Training uses smaller seeds "
        "than the default.",
    ),
    click.option(
        "--red",
        type=click.Choice(list(VARIANTS)),
        default="finite_state",
        show_default=True,
        help="Variant of the attacker.",
    ),
    click.option(
        "--steps",
        type=int,
        default=DEFAULT_STEPS,
        show_default=True,
        help="Length of an episode as CC4 counts it; one step less is played.",
    ),
    click.option(
        "--mask-sleep", is_flag=True, help="Forbid Sleep and Monitor to agents that are free."
    ),
    click.option(
        "--deterministic/--stochastic",
        default=None,
        help="Whether a trained policy takes its likeliest actions or samples them.  "
        "[default: as its training evaluated it]",
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        help="Episodes played side by side; memory grows with it.  "
        f"[default: {DEFAULT_BATCH}, with CybORG one per worker]",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Threads of our simulator or processes of CybORG.  [default: all cores]",
    ),
    click.option("--cyborg-path", **CYBORG_PATH),
)


FILE_WIDTH: Final = 110
"""Columns of what is printed to a file or a pipe."""

ENGINE: Final = click.Choice(["native", "cyborg"])
_ENGINE_OPTION: Final = click.option(
    "--engine",
    type=ENGINE,
    default="native",
    show_default=True,
    help="Simulator: ours, or the CybORG that you have installed.",
)


def episode_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which episodes are played, and how."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those options, and on which simulator."""
    return _ENGINE_OPTION(episode_options(command))


def engine(options: dict[str, Any], name: str = "engine") -> Engine:
    """The simulator that the user asked for with the option ``name``."""
    from cagexplain.envs import Engine

    return Engine(options[name], options["workers"], options["cyborg_path"])


def batch(options: dict[str, Any], engine: Engine) -> int:
    """Episodes to play side by side. CybORG plays few, so that finished ones are soon kept."""
    if options["batch"] is not None:
        return int(options["batch"])
    return DEFAULT_BATCH if engine.name == "native" else engine.processes


def load(policy: str, options: dict[str, Any]) -> Policy:
    """Make the policy that the user named, as the options ask for."""
    from cagexplain.policies.registry import load_policy

    player = load_policy(
        policy, mask_sleep=options["mask_sleep"], deterministic=options["deterministic"]
    )
    single_threaded(player)
    return player


def single_threaded(player: Policy) -> None:
    """Keep Torch to one thread, if the policy uses it at all.

    The networks are too small to gain from Torch's threads, which wait for each other far longer
    than they work as soon as the machine has anything else to do.
    """
    if player.kind == "checkpoint":
        import torch

        torch.set_num_threads(1)


def require_folder(file: Path) -> None:
    """Refuse a file to write that has no folder: before the work, not after it."""
    if not file.parent.is_dir():
        raise CagexplainError(
            "there is no such folder", where=file.parent, remedy="Create it, or name another file"
        )


@contextlib.contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Observer]:
    """Show a progress bar on stderr while the block runs.

    Args:
        what: stands before the bar.
        total: environment steps to play.
        done: how many of them were played before.

    Yields:
        The observer that moves the bar.
    """
    with counting(what, total, done) as advance:
        yield _Bar(advance)


@contextlib.contextmanager
def counting(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Likewise for work that tells itself how many steps it has played.

    Yields:
        What to tell them to, from any thread.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(""),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda steps: bar.advance(task, steps)


class _Speed(TextColumn):
    def render(self, task: Task) -> Any:
        speed = task.finished_speed or task.speed
        self.text_format = "steps" if speed is None else f"steps, {speed:,.0f}/s"
        return super().render(task)


class _Bar(Observer):
    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance

    def after_step(self, env: Env, decision: Decision) -> None:
        self._advance(env.n_envs)
