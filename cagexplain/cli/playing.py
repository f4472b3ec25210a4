"""What the commands that play a policy share: options and the progress bar."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)

from cagexplain.cc4.conditions import CONDITIONS, KIELY, STANDARD
from cagexplain.cc4.phases import DEFAULT_STEPS
from cagexplain.cc4.reds import STANDARD as STANDARD_RED
from cagexplain.cc4.reds import load_red
from cagexplain.cli.options import RAY, Option, Seed, Unused, refuse
from cagexplain.common import terminal
from cagexplain.common.errors import UsageError
from cagexplain.policies.base import Decision, Policy, rows_at_once
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.external.policy import MOST_ROWS
from cagexplain.policies.external.processes import Limits
from cagexplain.policies.rollout import DEFAULT_BATCH, EVALUATION_SEED, Observer
from cagexplain.policies.wrappers.base import unwrapped

if TYPE_CHECKING:
    from cagexplain.common.cluster import Cluster
    from cagexplain.envs import Engine, Env, EnvParams
    from cagexplain.policies.blocks import Place

TRACE: Final = "trace"
"""Folder, within that of an audit, of the episodes that it rests on."""

CYBORG_PATH: Final[dict[str, Any]] = {
    "type": click.Path(path_type=Path),
    "envvar": "CAGEXPLAIN_CYBORG_PATH",
    "show_envvar": True,
    "help": "Folder that holds the CybORG package, if it is not installed.",
}
"""Of the option ``--cyborg-path``, wherever it occurs."""


def _reds(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """The table that a name or file stands for; of an option that may be repeated, of each."""
    try:
        return load_red(value) if isinstance(value, str) else tuple(map(load_red, value))
    except UsageError as error:
        if error.where is not None:
            raise
        raise UsageError(error.problem, where=param.opts[0], remedy=error.remedy) from None


RED: Final[dict[str, Any]] = {"callback": _reds, "metavar": "NAME|FILE"}
"""Of the option ``--red``, wherever it occurs."""
ATTACKER: Final[dict[str, Any]] = {
    **RED,
    "default": STANDARD_RED,
    "show_default": True,
    "help": "Attacker: one that is shipped (see `cagexplain reds`), or the YAML file of a table.",
}
"""Of the option ``--red``, wherever one attacker is asked for."""
EPISODE_LENGTH: Final[dict[str, Any]] = {
    "type": int,
    "default": DEFAULT_STEPS,
    "show_default": True,
    "help": "Length of an episode as CC4 counts it; one step less is played.",
}
"""Of the option ``--episode-length``, where ``--steps`` are those of a training."""
LENGTH: Final[dict[str, Any]] = {"cls": Option, "old": ["--steps"], **EPISODE_LENGTH}
"""The same wherever ``--steps`` is its older name."""
CONDITION: Final[dict[str, Any]] = {
    "type": click.Choice(list(CONDITIONS)),
    "default": STANDARD,
    "show_default": True,
    "help": f"Parameters of the simulator: CC4's, or one of the changes of {KIELY}.",
}
"""Of the option ``--condition``."""

_MANNER: Final = (
    click.option(
        "--mask-sleep", is_flag=True, help="Forbid Sleep and Monitor to agents that are free."
    ),
    click.option(
        "--deterministic/--stochastic",
        default=None,
        help="Whether a trained policy takes its likeliest actions or samples them.  "
        "[default: as its training evaluated it]",
    ),
)
_EPISODES: Final = (
    click.option(
        "--episodes",
        type=click.IntRange(min=1),
        default=100,
        show_default=True,
        help="Number of episodes.",
    ),
    click.option(
        "--seed",
        type=Seed(),
        default=EVALUATION_SEED,
        show_default=True,
        help="Seed of the first episode; the next one has this seed + 1. Training plays seeds "
        f"below {EVALUATION_SEED:,}.",
    ),
    click.option("--red", **ATTACKER),
    click.option("--condition", **CONDITION),
    click.option("--episode-length", "steps", **LENGTH),
    *_MANNER,
)
_PLAYING: Final = (
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        help="Episodes played side by side; memory grows with it: code of others takes a process "
        f"for each.  [default: {DEFAULT_BATCH}, of code of others {MOST_ROWS}, with CybORG one per "
        "worker]",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Threads of our simulator, processes of CybORG, or tasks of a cluster.  "
        "[default: all cores]",
    ),
    click.option("--cyborg-path", **CYBORG_PATH),
)
ON_RAY: Final = click.option(
    "--ray",
    **RAY,
    help="Play on a Ray cluster, a block of episodes on each core, with the same results: "
    "'auto' is the one that this machine belongs to, 'local' starts one here (see docs/scale.md).",
)
ENGINE: Final = click.Choice(["native", "cyborg"])
_ENGINE: Final = click.option(
    "--engine",
    type=ENGINE,
    default="native",
    show_default=True,
    help="Simulator: native (fast, built in) or cyborg (the original, if installed).",
)

TRUST: Final = (
    click.option(
        "--trust-code",
        is_flag=True,
        help="Run the code of others that POLICY names. It runs in processes of its own, with "
        "limits, but that is no sandbox: it can do all that you can.",
    ),
    click.option(
        "--step-timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=Limits.step,
        show_default=True,
        metavar="SECONDS",
        help="How long such code may take for a step of an episode.",
    ),
)

EPISODES_NAMES: Final = (
    *("episodes", "seed", "red", "condition", "steps"),
    *("mask_sleep", "deterministic"),
)
PLAYING_NAMES: Final = ("batch", "workers", "cyborg_path")
"""Names of the parameters that the options below stand for."""
WITHOUT_CYBORG: Final = Unused(
    "on our own simulator, except for submissions",
    lambda options: options["engine"] == "native" and not options["trust_code"],
    ("cyborg_path",),
)
NOT_CYBORG: Final = Unused(
    "with --engine cyborg, which plays on this machine",
    lambda options: options["engine"] == "cyborg",
    ("ray",),
)


def manner_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a policy plays, which `load` wants."""
    return _with(_MANNER, command)


def episode_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which episodes are played."""
    return _with((*_EPISODES, *TRUST), command)


def playing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those options, and those that say how they are played."""
    return _with((*_EPISODES, *TRUST, *_PLAYING), command)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those options, and on which simulator."""
    return _with((*_EPISODES, *TRUST, *_PLAYING, _ENGINE), command)


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say whether and how code of others is run."""
    return _with(TRUST, command)


def _with(options: Sequence[Callable[..., Any]], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def params(options: dict[str, Any]) -> EnvParams:
    """The parameters of the environment that the user asked for."""
    from cagexplain.envs import EnvParams

    return EnvParams(steps=options["steps"], red=options["red"]).under(options["condition"])


def engine(options: dict[str, Any], name: str = "engine") -> Engine:
    """The simulator that the user asked for with the option ``name``."""
    from cagexplain.envs import Engine

    return Engine(options[name], options["workers"], options["cyborg_path"])


def batch(options: dict[str, Any], engine: Engine, player: Policy) -> int:
    """Episodes to play side by side. CybORG plays few, so that finished ones are soon kept."""
    if options["batch"] is not None:
        return int(options["batch"])
    return rows_at_once(player, DEFAULT_BATCH) if engine.name == "native" else engine.processes


def opening(trust_code: bool, step_timeout: float) -> Opening:
    """How policies of others are opened, by the options of `TRUST`."""
    return Opening(trust_code, Limits(step=step_timeout))


def load(policy: str, options: dict[str, Any]) -> Policy:
    """Make the policy that the user named, as the options ask for.

    Raises:
        UsageError: it follows a rule, which options cannot change.
    """
    how = opening(options["trust_code"], options["step_timeout"])
    return _load(policy, options, replace(how, cyborg_path=options.get("cyborg_path")))


def load_ours(policy: str, options: dict[str, Any]) -> Policy:
    """Likewise, a policy that this package plays by itself.

    Raises:
        UsageError: it is one of others, too.
    """
    from cagexplain.policies.external.forms import form_of
    from cagexplain.policies.registry import builtin_policies

    if policy not in builtin_policies() and form_of(policy) is not None:
        raise UsageError(
            "this policy cannot be exported: its code or format is not ours",
            where=policy,
            remedy="Give a checkpoint of `cagexplain train`, a decision tree or the name of a "
            "built-in policy",
        )
    return _load(policy, options, Opening())


def _load(policy: str, options: dict[str, Any], how: Opening) -> Policy:
    from cagexplain.policies.registry import load_policy

    player = load_policy(
        policy,
        mask_sleep=options["mask_sleep"],
        deterministic=options["deterministic"],
        opening=how,
    )
    if player.kind == "scripted" or (
        player.kind == "external" and not hasattr(unwrapped(player), "deterministic")
    ):
        refuse(("deterministic",), f"on '{policy}', which follows a rule of its own")
    single_threaded(player)
    return player


def single_threaded(player: Policy) -> None:
    """Keep Torch to one thread, if the policy uses it at all.

    The networks are too small to gain from Torch's threads, which wait for each other far longer
    than they work as soon as the machine has anything else to do.
    """
    with_networks = player.kind in ("checkpoint", "external")
    if with_networks and (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


def recorded(subject: str) -> Path | None:
    """The trace that `subject` names, or that an audit has left in the folder of that name.

    None for policies. A built-in policy wins over a folder of the same name, as it does over a
    file: write ``./name`` for the folder. So a command means the same wherever it is called.
    """
    from cagexplain.policies.registry import builtin_policies

    if subject in builtin_policies():
        return None
    folders = (Path(subject), Path(subject) / TRACE)
    return next((folder for folder in folders if (folder / "manifest.json").is_file()), None)


def cluster(options: dict[str, Any]) -> Cluster | None:
    """The cluster that the user asked for with ``--ray``, which the command leaves when it ends.

    Raises:
        UsageError: Ray is not installed.
        CagexplainError: there is no such cluster.
    """
    if options["ray"] is None:
        return None
    from cagexplain.common.cluster import Cluster

    joined = Cluster(options["ray"], options.get("workers"))
    return click.get_current_context().with_resource(joined)


@contextlib.contextmanager
def place(
    joined: Cluster | None, engine: Engine, label: str, total: int, finished: int = 0
) -> Iterator[Place]:
    """Where episodes are played: on a cluster if there is one, else here; with the progress of all
    of them (see `progress`)."""
    from cagexplain.policies.blocks import Here, There

    with counting(label, total, finished) as advance:
        yield Here(engine, [_Bar(advance)]) if joined is None else There(joined, advance)


@contextlib.contextmanager
def progress(label: str, total: int, finished: int = 0) -> Iterator[Observer]:
    """Show a progress bar on stderr while the block runs.

    Args:
        label: stands before the bar.
        total: environment steps to play.
        finished: how many of them were played before.

    Yields:
        The observer that moves the bar.
    """
    with counting(label, total, finished) as advance:
        yield _Bar(advance)


@contextlib.contextmanager
def counting(label: str, total: int, finished: int = 0) -> Iterator[Callable[[int], None]]:
    """Likewise for work that itself reports how many steps it has played.

    Yields:
        What to report them to, from any thread.
    """
    with narrating(label, total, finished) as (advance, _):
        yield advance


@contextlib.contextmanager
def narrating(
    label: str, total: int | None, finished: int = 0
) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """Likewise for work that also says in words where it is.

    Yields:
        What to report steps to, from any thread, and what to say the words to.
    """
    console = terminal.console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(""),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(label, total=total, completed=finished)
        yield (
            lambda steps: bar.advance(task, steps),
            lambda words: bar.update(task, description=f"{label}: {words}"),
        )


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
